//! What an operator's `lower` works with when it is no formula: a loops IR builder and the buffers of the node.
//!
//! A routine is emitted inside the module's entry function, so it may return a status from it. What is too long for that
//! becomes functions of the program ([`RoutineCx::function`]).

use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym, Tensor};
use onnxc_ir::graph::{Attrs, Graph, Node, NodeId, SymbolSource, TensorType};
use onnxc_ir::loops::{
    Arg, Buf, BufKind, ConstData, ConstId, Func, FuncBuilder, FuncId, ParamKind, Program, Space, Stmt, Value,
};

/// The symbol of the value that stands for a run's objects.
pub const OBJECTS: &str = "onnxc.objects";

/// The status of a run whose allocator has given nothing.
pub const OUT_OF_MEMORY: i32 = 3;

/// A tensor in memory: contiguous, row-major.
#[derive(Clone, Debug)]
pub struct TensorBuf {
    /// Where.
    pub buf: Buf,
    /// Element type.
    pub dtype: DType,
    /// Extents; every symbol in them has a value in the builder.
    pub shape: Vec<Sym>,
}

/// What a routine may want to know of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cores {
    /// Bits of the widest vector to use.
    pub bits: u32,
    /// How many registers hold one.
    pub registers: u32,
    /// There is a fused multiply-add.
    pub fma: bool,
    /// Bytes of a core's own second-level cache.
    pub l2_bytes: u32,
    /// RAM and flash are what is scarce, and there are no caches.
    pub scarce: bool,
    /// The most threads that run a parallel loop.
    pub threads: u32,
}

impl Default for Cores {
    /// One core, with what every machine with vectors has.
    fn default() -> Self {
        Cores { bits: 128, registers: 16, fma: false, l2_bytes: 1 << 20, scarce: false, threads: 1 }
    }
}

/// A node being lowered to loops IR.
pub struct RoutineCx<'a> {
    /// The entry function under construction.
    pub f: &'a mut FuncBuilder,
    program: &'a mut Program,
    graph: &'a Graph,
    node: NodeId,
    inputs: Vec<Option<TensorBuf>>,
    outputs: Vec<TensorBuf>,
    /// Symbols that have values before the run, where that matters.
    early: Option<&'a [Symbol]>,
    heap: bool,
    cores: Cores,
}

impl<'a> RoutineCx<'a> {
    /// Starts lowering a node. `outputs` is empty for `extents`; for a routine they are allocated for the upper bound
    /// of extents that only the routine knows.
    pub fn new(
        f: &'a mut FuncBuilder,
        program: &'a mut Program,
        graph: &'a Graph,
        node: NodeId,
        inputs: Vec<Option<TensorBuf>>,
        outputs: Vec<TensorBuf>,
    ) -> Self {
        Self { f, program, graph, node, inputs, outputs, early: None, heap: false, cores: Cores::default() }
    }

    /// The same, where memory must be bounded by what is known before the run, or come from the caller's allocator.
    pub fn with_early(mut self, early: &'a [Symbol]) -> Self {
        self.early = Some(early);
        self
    }

    /// True if the routine takes memory from the caller's allocator.
    pub fn uses_heap(&self) -> bool {
        self.heap
    }

    /// Says what the machine is like; without a word it is [`Cores::default`].
    pub fn on(mut self, cores: Cores) -> Self {
        self.cores = cores;
        self
    }

    /// The machine.
    pub fn cores(&self) -> Cores {
        self.cores
    }

    /// The node.
    pub fn node(&self) -> &'a Node {
        &self.graph.nodes[self.node]
    }
    /// Its attributes.
    pub fn attrs(&self) -> &'a Attrs {
        &self.node().attrs
    }
    /// Input `i`. Panics if it is absent: `infer` has refused such a node.
    pub fn input(&self, i: usize) -> TensorBuf {
        self.opt(i).expect("infer has required this input")
    }
    /// Input `i`, if it is there.
    pub fn opt(&self, i: usize) -> Option<TensorBuf> {
        self.inputs.get(i).cloned().flatten()
    }
    /// Output `i`.
    pub fn output(&self, i: usize) -> TensorBuf {
        self.outputs[i].clone()
    }
    /// The tensor type of input `i`, also where its elements aren't at hand. Panics if it is absent.
    pub fn input_type(&self, i: usize) -> &'a TensorType {
        let v = self.node().inputs.get(i).copied().flatten().expect("infer has required this input");
        self.graph.tensor_type(v).expect("infer has required a tensor")
    }
    /// The tensor type of output `i`.
    pub fn output_type(&self, i: usize) -> &'a TensorType {
        self.graph.tensor_type(self.node().outputs[i]).expect("infer has set a tensor type")
    }
    /// The symbolic content of input `i`, if known.
    pub fn content(&self, i: usize) -> Option<Vec<Sym>> {
        let v = self.node().inputs.get(i).copied().flatten()?;
        crate::infer::content_of(self.graph, v)
    }

    /// Scratch memory of `count` elements, for this routine only. Where nothing known before the run bounds it, it is the
    /// caller's allocator that gives it.
    pub fn scratch(&mut self, name: &str, dtype: DType, count: Sym) -> Buf {
        let buf = self.f.buf(dtype, BufKind::Local, name);
        let n = self.f.sym(&count);
        let early = self.early;
        let late = |s: &Symbol| early.is_some_and(|e| !e.contains(s));
        let bound = if count.any_symbol(&late) { self.graph.ranges().upper_bound(&count, &late) } else { Some(count) };
        let space = if bound.is_some() { Space::Workspace } else { Space::Heap };
        self.f.stmt(Stmt::Alloc { buf, count: n, space, bound });
        if space == Space::Heap {
            self.heap = true;
            let null = self.f.op(onnxc_ir::loops::Ty::BOOL, onnxc_ir::loops::Op::IsNull(buf));
            self.fail_if(null, OUT_OF_MEMORY);
        }
        buf
    }

    /// A function of the program: this one, or an equal one that is there.
    pub fn function(&mut self, mut func: Func) -> FuncId {
        let name = format!("{}_{}", self.program.name, func.name);
        let mut number = 0;
        loop {
            func.name = if number == 0 { name.clone() } else { format!("{name}_{number}") };
            match self.program.funcs.iter().find(|(_, f)| f.name == func.name) {
                Some((id, f)) if f.same_code(&func) => return id,
                Some(_) => number += 1,
                None => return self.program.funcs.push(func),
            }
        }
    }

    /// A constant of the program: a new one, or an equal one that is there.
    pub fn table(&mut self, name: &str, data: &Tensor) -> ConstId {
        let equal = |c: &ConstData| c.name == name && c.dtype == data.dtype() && c.data[..] == data.bytes()[..];
        let known = self.program.consts.iter().find(|(_, c)| equal(c)).map(|(id, _)| id);
        known.unwrap_or_else(|| {
            let data = ConstData { name: name.into(), dtype: data.dtype(), data: data.bytes().clone() };
            self.program.consts.push(data)
        })
    }

    /// Says what an extent from [`crate::InferCx::fresh_result`] turned out to be: number `which` of this node.
    pub fn define_result(&mut self, which: u32, value: Value) {
        let symbol = self.symbol(SymbolSource::Result(self.node, which)).expect("infer made this extent");
        self.f.bind(symbol, value);
    }

    /// An extent from [`crate::InferCx::fresh_extent`]: number `which` of this node.
    pub fn extent(&self, which: u32) -> Sym {
        Sym::var(self.symbol(SymbolSource::Extent(self.node, which)).expect("infer made this extent"))
    }

    fn symbol(&self, source: SymbolSource) -> Option<Symbol> {
        self.graph.symbols.iter().find(|(_, i)| i.source == source).map(|(s, _)| s.clone())
    }

    /// Leaves the module with a status if a condition holds.
    pub fn fail_if(&mut self, cond: Value, status: i32) {
        self.f.if_else(
            cond,
            |f| {
                let s = f.scalar(onnxc_ir::scalar::Scalar::from_i64(DType::I32, i64::from(status)));
                f.stmt(Stmt::Return(Some(s)));
            },
            |_| {},
        );
    }

    /// The run's objects, as linked functions take them. Only in modules that have any.
    pub fn objects(&mut self) -> (Arg, ParamKind) {
        let run = self.f.lookup(&Symbol::new(OBJECTS)).expect("whoever lowers an operator on objects has begun a run");
        (Arg::Value(run), ParamKind::Scalar(DType::I64))
    }

    /// Leaves the module with the status of a call, unless it is 0.
    pub fn pass_status(&mut self, status: Option<Value>) {
        let Some(status) = status else { return };
        let zero = self.f.scalar(onnxc_ir::scalar::Scalar::from_i64(DType::I32, 0));
        let failed = self.f.compare(onnxc_ir::loops::CmpOp::Ne, status, zero);
        self.f.if_else(failed, |f| f.stmt(Stmt::Return(Some(status))), |_| {});
    }

    /// The offset of an element, in elements, from one i64 value per dim.
    pub fn offset(&mut self, t: &TensorBuf, index: &[Value]) -> Value {
        let mut off = self.f.int(0);
        for (d, &i) in t.shape.iter().zip(index) {
            let d = self.f.sym(d);
            off = self.f.mul(off, d);
            off = self.f.add(off, i);
        }
        off
    }

    /// An error at this node.
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let n = self.node();
        Diagnostic::error(code, message).node(n.name.clone(), n.op.to_string())
    }
}
