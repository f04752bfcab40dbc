//! Differential tests of backends, as data: small loops functions run by the interpreter and by compiled code, bit for bit.
//!
//! [`ops`] covers every operation, element type and number of lanes; [`moves`] memory accesses and lane movements;
//! [`programs`] control flow, variables, calls and buffers; [`assembly`] reads compiled code. A backend's own tests call [`check`]. NaNs are equal to each
//! other whatever their bits. Behind the feature `testing`, as only tests need it.

pub mod artefacts;
pub mod assembly;
pub mod module;
pub mod moves;
pub mod ops;
pub mod programs;
pub mod random;
mod run;
mod values;

pub use run::{check, check_cases, check_compiles};

use onnxc_base::DType;
use onnxc_ir::loops::{Buf, BufKind, Func, FuncBuilder, Linkage, LoopKind, Value};

/// Numbers of lanes that every operation is tested with.
pub const LANES: &[u16] = &[1, 2, 4, 8, 16];

/// The element types of loops IR.
pub const DTYPES: &[DType] = &[
    DType::Bool,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::F16,
    DType::BF16,
    DType::F32,
    DType::F64,
];

/// A function of four buffers `a, b, c, out`, its inputs, and the size of its output.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is tested; also the function's name.
    pub name: String,
    /// The function, exported.
    pub func: Func,
    /// Bytes behind `a`, `b` and `c`.
    pub inputs: [Vec<u8>; 3],
    /// Element type of `out`.
    pub out: DType,
    /// Elements of `out`.
    pub count: usize,
}

/// A case under construction: its builder and buffers.
pub struct CaseBuilder {
    /// The function.
    pub b: FuncBuilder,
    /// Inputs.
    pub ins: [Buf; 3],
    /// Output.
    pub out: Buf,
}

impl CaseBuilder {
    /// Begins a case with buffers of these element types.
    pub fn new(name: &str, ins: [DType; 3], out: DType) -> CaseBuilder {
        Self::named(name, ["a", "b", "c"], ins, out)
    }

    /// Begins a case whose third buffer is the caller's allocator.
    pub fn with_allocator(name: &str, ins: [DType; 2], out: DType) -> CaseBuilder {
        Self::named(name, ["a", "b", crate::backend::ALLOCATOR_PARAM], [ins[0], ins[1], DType::U8], out)
    }

    fn named(name: &str, names: [&str; 3], ins: [DType; 3], out: DType) -> CaseBuilder {
        let mut b = FuncBuilder::new(name);
        b.func.linkage = Linkage::Export;
        let ins = [0, 1, 2].map(|i| b.param_buf(names[i], ins[i], false));
        let out = b.param_buf("out", out, true);
        CaseBuilder { b, ins, out }
    }

    /// Runs `f` for every multiple of `step` below `count`.
    pub fn each(&mut self, count: usize, step: u16, f: impl FnOnce(&mut CaseBuilder, Value)) {
        let (lo, hi) = (self.b.int(0), self.b.int(count as i64));
        let mut inner =
            CaseBuilder { b: std::mem::replace(&mut self.b, FuncBuilder::new("")), ins: self.ins, out: self.out };
        let mut b = std::mem::replace(&mut inner.b, FuncBuilder::new(""));
        let (ins, out) = (self.ins, self.out);
        b.for_loop("i", lo, hi, i64::from(step), LoopKind::Serial, |b, i| {
            let mut c = CaseBuilder { b: std::mem::replace(b, FuncBuilder::new("")), ins, out };
            f(&mut c, i);
            *b = c.b;
        });
        self.b = b;
    }

    /// Lanes of an input from an offset on.
    pub fn load(&mut self, input: usize, offset: Value, lanes: u16) -> Value {
        self.b.load(self.ins[input], offset, lanes, None)
    }

    /// Writes lanes to the output.
    pub fn store(&mut self, offset: Value, value: Value) {
        self.b.store(self.out, offset, value, None);
    }

    /// A buffer that a `View`, `Entry` or `Alloc` will define.
    pub fn local(&mut self, dtype: DType, name: &str) -> Buf {
        self.b.buf(dtype, BufKind::Local, name)
    }

    /// Ends the case.
    pub fn finish(self, inputs: [Vec<u8>; 3], count: usize) -> Case {
        let out = self.b.func.bufs[self.out].dtype;
        let func = self.b.finish();
        Case { name: func.name.clone(), func, inputs, out, count }
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = ops::cases();
    cases.extend(moves::cases());
    cases.extend(programs::cases());
    cases
}
