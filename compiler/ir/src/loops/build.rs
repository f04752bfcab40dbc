//! Builds loops IR functions: one [`FuncBuilder`] per function, statements appended to the innermost open block.
//!
//! Constants are defined once per block and integer arithmetic on constants is folded, so that lowering code can
//! write plain formulas. Does NOT check types beyond what it needs to name a result: `verify` does.

mod sym;

use super::*;
use crate::scalar::{eval_binary, eval_cast, eval_compare};
use onnxc_base::sym::Symbol;
use std::collections::BTreeMap;

/// Appends statements to a function under construction.
pub struct FuncBuilder {
    /// The function so far.
    pub func: Func,
    open: Vec<Vec<Stmt>>,
    /// Constants of each open block.
    consts: Vec<BTreeMap<Scalar, Value>>,
    /// Functions that the program calls but doesn't define: those of the program, which whoever starts a function lends.
    pub externs: PrimaryMap<ExternId, Extern>,
    /// Values of dims and index variables, innermost scope last.
    symbols: Vec<BTreeMap<Symbol, Value>>,
}

impl FuncBuilder {
    /// Starts a function.
    pub fn new(name: impl Into<String>) -> Self {
        let func = Func { name: name.into(), ..Func::default() };
        Self {
            func,
            open: vec![vec![]],
            consts: vec![BTreeMap::new()],
            externs: PrimaryMap::new(),
            symbols: vec![BTreeMap::new()],
        }
    }

    /// Takes up a function again, without its body, which the caller gets: what is built now comes before it.
    pub fn resume(mut func: Func) -> (Self, Block) {
        let body = std::mem::take(&mut func.body);
        let mut b = Self::new("");
        b.func = func;
        (b, body)
    }

    /// Ends the function. Panics if a block is still open (a bug of the caller).
    pub fn finish(mut self) -> Func {
        assert_eq!(self.open.len(), 1, "a block is still open");
        self.func.body = Block(self.open.pop().expect("one block is left"));
        self.func
    }

    /// Adds a scalar parameter.
    pub fn param(&mut self, name: &str, dtype: DType) -> Value {
        let i = self.push_param(name, ParamKind::Scalar(dtype));
        let v = self.value(Ty::scalar(dtype), Op::Param(i), name);
        self.stmt(Stmt::Let(v));
        v
    }

    /// Adds a buffer parameter.
    pub fn param_buf(&mut self, name: &str, dtype: DType, mutable: bool) -> Buf {
        let i = self.push_param(name, ParamKind::Buf { dtype, mutable });
        self.buf(dtype, BufKind::Param(i), name)
    }

    /// Adds a parameter that is a table of addresses; returns its number.
    pub fn param_table(&mut self, name: &str) -> u32 {
        self.push_param(name, ParamKind::Table)
    }

    /// Adds a parameter without a name in the body: one that the backend uses by its name. Returns its number.
    pub fn param_hidden(&mut self, name: &str, kind: ParamKind) -> u32 {
        self.push_param(name, kind)
    }

    fn push_param(&mut self, name: &str, kind: ParamKind) -> u32 {
        self.func.params.push(Param { name: name.into(), kind });
        self.func.params.len() as u32 - 1
    }

    /// Names a buffer.
    pub fn buf(&mut self, dtype: DType, kind: BufKind, name: &str) -> Buf {
        self.func.bufs.push(BufDef { dtype, kind, name: name.into() })
    }

    /// Declares a variable or, with dims, a register tile.
    pub fn var(&mut self, ty: Ty, dims: &[u32], name: &str) -> Var {
        self.func.vars.push(VarDef { ty, dims: dims.to_vec(), name: name.into() })
    }

    /// The type of a value.
    pub fn ty(&self, v: Value) -> Ty {
        self.func.values[v].ty
    }

    fn value(&mut self, ty: Ty, op: Op, name: &str) -> Value {
        self.func.values.push(ValueDef { ty, op, name: name.into() })
    }

    /// Appends a statement as it is.
    pub fn stmt(&mut self, s: Stmt) {
        self.open.last_mut().expect("the body is open until finish").push(s);
    }

    /// Appends a remark.
    pub fn comment(&mut self, text: impl Into<String>) {
        self.stmt(Stmt::Comment(text.into()));
    }

    /// Computes `op`, of type `ty`.
    pub fn op(&mut self, ty: Ty, op: Op) -> Value {
        let v = self.value(ty, op, "");
        self.stmt(Stmt::Let(v));
        v
    }

    /// Gives a value a name for readers.
    pub fn named(&mut self, v: Value, name: &str) -> Value {
        self.func.values[v].name = name.into();
        v
    }

    /// A scalar constant.
    pub fn scalar(&mut self, s: Scalar) -> Value {
        if let Some(&v) = self.consts.iter().rev().find_map(|m| m.get(&s)) {
            return v;
        }
        let v = self.op(Ty::scalar(s.dtype), Op::Const(s));
        self.consts.last_mut().expect("as many as open blocks").insert(s, v);
        v
    }

    /// An i64 constant.
    pub fn int(&mut self, v: i64) -> Value {
        self.scalar(Scalar::i64(v))
    }

    /// The constant behind a value, if it is one.
    pub fn as_const(&self, v: Value) -> Option<Scalar> {
        match self.func.values[v].op {
            Op::Const(s) => Some(s),
            _ => None,
        }
    }

    /// A scalar as a vector of `lanes` (itself for one lane or if it is a vector already).
    pub fn splat(&mut self, v: Value, lanes: u16) -> Value {
        let ty = self.ty(v);
        if lanes == 1 || ty.lanes > 1 { v } else { self.op(Ty::vector(ty.elem, lanes), Op::Splat(v)) }
    }

    /// One operand.
    pub fn unary(&mut self, op: UnOp, a: Value) -> Value {
        self.op(self.ty(a), Op::Unary(op, a))
    }

    /// Two operands; a scalar beside a vector is splat. Integer constants fold.
    pub fn binary(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        let (a, b) = self.same_lanes(a, b);
        let (ca, cb) = (self.as_const(a), self.as_const(b));
        if let (Some(x), Some(y)) = (ca, cb) {
            return self.scalar(eval_binary(op, x, y));
        }
        let is = |c: Option<Scalar>, v: i64| c.is_some_and(|c| c.dtype.is_int() && c.to_i64() == v);
        match op {
            BinOp::Add if is(ca, 0) => return b,
            BinOp::Add | BinOp::Sub if is(cb, 0) => return a,
            BinOp::Mul if is(ca, 1) || is(cb, 0) => return b,
            BinOp::Mul if is(cb, 1) || is(ca, 0) => return a,
            BinOp::Div | BinOp::FloorDiv if is(cb, 1) => return a,
            _ => {}
        }
        self.op(self.ty(a), Op::Binary(op, a, b))
    }

    fn same_lanes(&mut self, a: Value, b: Value) -> (Value, Value) {
        let lanes = self.ty(a).lanes.max(self.ty(b).lanes);
        (self.splat(a, lanes), self.splat(b, lanes))
    }

    /// a + b.
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.binary(BinOp::Add, a, b)
    }
    /// a - b.
    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.binary(BinOp::Sub, a, b)
    }
    /// a * b.
    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.binary(BinOp::Mul, a, b)
    }
    /// a * b + c in one rounding; scalars beside vectors are splat.
    pub fn fma(&mut self, a: Value, b: Value, c: Value) -> Value {
        let lanes = [a, b, c].iter().map(|&v| self.ty(v).lanes).max().unwrap_or(1);
        let (a, b, c) = (self.splat(a, lanes), self.splat(b, lanes), self.splat(c, lanes));
        self.op(self.ty(a), Op::Fma(a, b, c))
    }

    /// c plus the products of a and b, in as many groups as c has lanes.
    pub fn dot(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.op(self.ty(c), Op::Dot(a, b, c))
    }

    /// Compares; a scalar beside a vector is splat. Constants fold.
    pub fn compare(&mut self, op: CmpOp, a: Value, b: Value) -> Value {
        if let (Some(x), Some(y)) = (self.as_const(a), self.as_const(b)) {
            return self.scalar(Scalar { dtype: DType::Bool, bits: u64::from(eval_compare(op, x, y)) });
        }
        let (a, b) = self.same_lanes(a, b);
        self.op(self.ty(a).with_elem(DType::Bool), Op::Compare(op, a, b))
    }

    /// `cond ? a : b`, lane-wise if any operand is a vector.
    pub fn select(&mut self, cond: Value, a: Value, b: Value) -> Value {
        let (a, b) = self.same_lanes(a, b);
        let (cond, a) = if self.ty(cond).lanes > 1 { self.same_lanes(cond, a) } else { (cond, a) };
        let (a, b) = self.same_lanes(a, b);
        self.op(self.ty(a), Op::Select(cond, a, b))
    }

    /// Converts to another element type; constants fold.
    pub fn cast(&mut self, v: Value, to: DType) -> Value {
        let ty = self.ty(v);
        if ty.elem == to {
            return v;
        }
        match self.as_const(v) {
            Some(s) => self.scalar(eval_cast(s, to)),
            None => self.op(ty.with_elem(to), Op::Cast(v)),
        }
    }

    /// Reads `lanes` elements from an offset on.
    pub fn load(&mut self, buf: Buf, offset: Value, lanes: u16, mask: Option<Value>) -> Value {
        let ty = Ty::vector(self.func.bufs[buf].dtype, lanes);
        self.op(ty, Op::Load { buf, offset, mask })
    }

    /// Reads one element per lane of `offsets`.
    pub fn gather(&mut self, buf: Buf, offsets: Value, mask: Option<Value>) -> Value {
        let ty = self.ty(offsets).with_elem(self.func.bufs[buf].dtype);
        self.op(ty, Op::Gather { buf, offsets, mask })
    }

    /// Writes a scalar or vector from an offset on.
    pub fn store(&mut self, buf: Buf, offset: Value, value: Value, mask: Option<Value>) {
        self.stmt(Stmt::Store { buf, offset, value, mask });
    }

    /// Hints that what is at an offset will be read soon.
    pub fn prefetch(&mut self, buf: Buf, offset: Value) {
        self.stmt(Stmt::Prefetch { buf, offset });
    }

    /// Reads a variable.
    pub fn get(&mut self, var: Var, index: &[Value]) -> Value {
        self.op(self.func.vars[var].ty, Op::Get(Place { var, index: index.to_vec() }))
    }

    /// Sets a variable; a scalar is splat if the variable is a vector.
    pub fn set(&mut self, var: Var, index: &[Value], value: Value) {
        let value = self.splat(value, self.func.vars[var].ty.lanes);
        self.stmt(Stmt::Set(Place { var, index: index.to_vec() }, value));
    }

    fn enter(&mut self) {
        self.open.push(vec![]);
        self.consts.push(BTreeMap::new());
        self.symbols.push(BTreeMap::new());
    }

    fn leave(&mut self) -> Block {
        self.consts.pop();
        self.symbols.pop();
        Block(self.open.pop().expect("entered before"))
    }

    /// A block built by `f`, for statements with bodies.
    pub fn block<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> (Block, R) {
        self.enter();
        let r = f(self);
        (self.leave(), r)
    }

    /// `for index in lo..hi step step { f(index) }`.
    pub fn for_loop(
        &mut self,
        name: &str,
        lo: Value,
        hi: Value,
        step: i64,
        kind: LoopKind,
        f: impl FnOnce(&mut Self, Value),
    ) {
        let index = self.open_loop(name);
        f(self, index);
        self.close_loop(index, lo, hi, step, kind);
    }

    /// Opens the body of a loop, for builders whose bodies need more than the builder; gives its index.
    pub fn open_loop(&mut self, name: &str) -> Value {
        self.enter();
        self.value(Ty::I64, Op::Index, name)
    }

    /// Closes the innermost block as the body of the loop of this index.
    pub fn close_loop(&mut self, index: Value, lo: Value, hi: Value, step: i64, kind: LoopKind) {
        let body = self.leave();
        self.stmt(Stmt::For { index, lo, hi, step, kind, body });
    }

    /// Opens a block; [`FuncBuilder::close_block`] gives it back.
    pub fn open_block(&mut self) {
        self.enter();
    }

    /// Closes the innermost block.
    pub fn close_block(&mut self) -> Block {
        self.leave()
    }

    /// `if cond { then } else { els }`.
    pub fn if_else(&mut self, cond: Value, then: impl FnOnce(&mut Self), els: impl FnOnce(&mut Self)) {
        let (then, ()) = self.block(then);
        let (els, ()) = self.block(els);
        self.stmt(Stmt::If { cond, then, els });
    }

    /// `loop { f() }`, left by `Stmt::Break`.
    pub fn loop_forever(&mut self, f: impl FnOnce(&mut Self)) {
        let (body, ()) = self.block(f);
        self.stmt(Stmt::Loop(body));
    }

    /// Calls a function; returns its result if `ret` says that it has one.
    pub fn call(&mut self, callee: Callee, args: Vec<Arg>, ret: Option<Ty>) -> Option<Value> {
        let result = ret.map(|ty| self.value(ty, Op::Result, ""));
        self.stmt(Stmt::Call { callee, args, result });
        result
    }

    /// Takes the statements of the function's body so far. Panics if a block is open (a bug of the caller).
    pub fn open_body(&mut self) -> Block {
        assert_eq!(self.open.len(), 1, "a block is still open");
        Block(std::mem::take(&mut self.open[0]))
    }

    /// Gives the function's body its statements back.
    pub fn set_body(&mut self, body: Block) {
        self.open[0] = body.0;
    }

    /// Calls a linked function, which is declared if it isn't yet; its parameters are those of the arguments.
    pub fn call_linked(&mut self, symbol: &str, args: &[(Arg, ParamKind)], ret: Option<Ty>) -> Option<Value> {
        let known = self.externs.iter().find(|(_, e)| e.symbol == symbol).map(|(id, _)| id);
        let params = || args.iter().map(|(_, k)| *k).collect();
        let id = known.unwrap_or_else(|| self.externs.push(Extern { symbol: symbol.into(), params: params(), ret }));
        self.call(Callee::Extern(id), args.iter().map(|(a, _)| *a).collect(), ret)
    }
}
