//! Loops IR written as formulas: what a routine of many branches and loops over whole numbers is written with.
//!
//! A [`Code`] is one function of the program. Its numbers ([`Int`]) are i64 and have Rust's operators; [`Variable`]s are
//! mutable; [`Memory`] is a buffer whose elements are read and written as such numbers; a [`Real`] is an f32. Blocks are
//! closures.
//!
//! Does NOT know vectors or symbolic extents: [`onnxc_ir::loops::FuncBuilder`] does. Nothing checks that an access is in
//! bounds: who writes the code has to.

mod number;
mod real;

pub use number::{Bool, Int, Variable, Whole};
use onnxc_base::DType;
use onnxc_ir::loops::{Arg, Buf, BufKind, Callee, ConstId, Func, FuncBuilder, FuncId, LoopKind, Stmt, Ty};
use onnxc_ir::scalar::Scalar;
pub use real::Real;
use std::cell::RefCell;

/// A function under construction.
pub struct Code {
    f: RefCell<FuncBuilder>,
}

/// A buffer of the function.
#[derive(Clone, Copy)]
pub struct Memory<'c> {
    code: &'c Code,
    buf: Buf,
}

/// What is passed to a function.
#[derive(Clone, Copy)]
pub enum Given<'c> {
    /// A number.
    Int(Int<'c>),
    /// Memory.
    Memory(Memory<'c>),
}

impl Code {
    /// Starts a function that returns a status.
    pub fn new(name: &str) -> Code {
        let mut f = FuncBuilder::new(name);
        f.func.ret = Some(Ty::I32);
        Code { f: RefCell::new(f) }
    }

    /// Ends the function, with status 0 where it hasn't returned.
    pub fn finish(self) -> Func {
        self.leave_with(0);
        self.f.into_inner().finish()
    }

    /// A parameter that is a number.
    pub fn number(&self, name: &str) -> Int<'_> {
        let v = self.f.borrow_mut().param(name, DType::I64);
        Int::of(self, v)
    }

    /// A parameter that is memory.
    pub fn memory(&self, name: &str, dtype: DType, mutable: bool) -> Memory<'_> {
        let buf = self.f.borrow_mut().param_buf(name, dtype, mutable);
        Memory { code: self, buf }
    }

    /// Memory of the function's own, not initialised.
    pub fn local(&self, name: &str, dtype: DType, len: u32) -> Memory<'_> {
        let buf = self.f.borrow_mut().buf(dtype, BufKind::Stack(len), name);
        Memory { code: self, buf }
    }

    /// A constant of the program, see [`crate::RoutineCx::table`].
    pub fn table(&self, id: ConstId, dtype: DType, name: &str) -> Memory<'_> {
        let buf = self.f.borrow_mut().buf(dtype, BufKind::Const(id), name);
        Memory { code: self, buf }
    }

    /// A variable with its first value.
    pub fn var<'c>(&'c self, name: &str, first: impl Whole<'c>) -> Variable<'c> {
        let v = Variable::new(self, name);
        v.set(first);
        v
    }

    /// A constant.
    pub fn int(&self, v: i64) -> Int<'_> {
        let v = self.f.borrow_mut().int(v);
        Int::of(self, v)
    }

    /// A constant condition.
    pub fn truth(&self, v: bool) -> Bool<'_> {
        let v = self.f.borrow_mut().scalar(Scalar::bool(v));
        Bool::of(self, v)
    }

    fn block(&self, body: impl FnOnce()) -> onnxc_ir::loops::Block {
        self.f.borrow_mut().open_block();
        body();
        self.f.borrow_mut().close_block()
    }

    /// Runs `then` if a condition holds.
    pub fn when(&self, cond: Bool, then: impl FnOnce()) {
        self.choose(cond, then, || {});
    }

    /// Runs one of two blocks.
    pub fn choose(&self, cond: Bool, then: impl FnOnce(), els: impl FnOnce()) {
        let then = self.block(then);
        let els = self.block(els);
        self.f.borrow_mut().stmt(Stmt::If { cond: cond.value(), then, els });
    }

    /// Runs a block until [`Code::stop`].
    pub fn repeat(&self, body: impl FnOnce()) {
        let body = self.block(body);
        self.f.borrow_mut().stmt(Stmt::Loop(body));
    }

    /// Runs a block as long as a condition holds before it.
    pub fn while_true<'c>(&'c self, cond: impl FnOnce() -> Bool<'c>, body: impl FnOnce()) {
        self.repeat(|| {
            let go = cond();
            self.when(!go, || self.stop());
            body();
        });
    }

    /// Runs a block for `lo`, `lo` + 1, .. below `hi`.
    pub fn each<'c>(&'c self, lo: impl Whole<'c>, hi: impl Whole<'c>, body: impl FnOnce(Int<'c>)) {
        let (lo, hi) = (lo.value_in(self), hi.value_in(self));
        let index = self.f.borrow_mut().open_loop("");
        body(Int::of(self, index));
        self.f.borrow_mut().close_loop(index, lo, hi, 1, LoopKind::Serial);
    }

    /// Leaves the innermost loop. The last statement of its block.
    pub fn stop(&self) {
        self.f.borrow_mut().stmt(Stmt::Break);
    }

    /// Leaves the function. The last statement of its block.
    pub fn leave_with(&self, status: i32) {
        let mut f = self.f.borrow_mut();
        let v = f.scalar(Scalar::from_i64(DType::I32, i64::from(status)));
        f.stmt(Stmt::Return(Some(v)));
    }

    /// Leaves the function with a status if a condition holds.
    pub fn fail_if(&self, cond: Bool, status: i32) {
        self.when(cond, || self.leave_with(status));
    }

    /// Calls a function that returns a status, and leaves with it unless it is 0.
    pub fn call(&self, callee: FuncId, args: &[Given]) {
        let args = args.iter().map(|a| match a {
            Given::Int(i) => Arg::Value(i.value()),
            Given::Memory(m) => Arg::Buf { buf: m.buf, offset: None },
        });
        let status = self.f.borrow_mut().call(Callee::Func(callee), args.collect(), Some(Ty::I32));
        let Some(status) = status else { return };
        let failed = {
            let mut f = self.f.borrow_mut();
            let zero = f.scalar(Scalar::from_i64(DType::I32, 0));
            f.compare(onnxc_ir::scalar::CmpOp::Ne, status, zero)
        };
        self.when(Bool::of(self, failed), || self.f.borrow_mut().stmt(Stmt::Return(Some(status))));
    }
}

impl<'c> Memory<'c> {
    /// The function that it belongs to.
    pub fn code(self) -> &'c Code {
        self.code
    }

    /// An element.
    pub fn at(self, i: impl Whole<'c>) -> Int<'c> {
        let i = i.value_in(self.code);
        let mut f = self.code.f.borrow_mut();
        let v = f.load(self.buf, i, 1, None);
        let v = f.cast(v, DType::I64);
        drop(f);
        Int::of(self.code, v)
    }

    /// Writes an element; what its type doesn't hold is cut off.
    pub fn put(self, i: impl Whole<'c>, v: impl Whole<'c>) {
        let (i, v) = (i.value_in(self.code), v.value_in(self.code));
        let mut f = self.code.f.borrow_mut();
        let dtype = f.func.bufs[self.buf].dtype;
        let v = f.cast(v, dtype);
        f.store(self.buf, i, v, None);
    }

    /// Sets `count` elements from `first` on.
    pub fn fill(self, first: impl Whole<'c>, count: impl Whole<'c>, v: i64) {
        let first = Int::of(self.code, first.value_in(self.code));
        let end = first + count;
        self.code.each(first, end, |i| self.put(i, v));
    }
}
