//! What an operator's `infer` works with: the types, constants and symbolic contents of its inputs, and ways to say
//! what is known of its outputs. Inference never changes a node's operator, attributes or inputs.

mod agree;
mod branches;
mod driver;
mod names;

pub use agree::{agreed, agreement};
pub use branches::{UNDECIDED, assume, chosen, guard};
pub use driver::{REPORTED, infer_graph, infer_node};
pub use names::loosen_names;

use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Ranges, Sym, Tensor};
use onnxc_ir::graph::{
    Attrs, Graph, Guard, Node, NodeId, OpName, Region, Relation, SymbolInfo, SymbolSource, TensorType, Type, ValueDef,
    ValueId,
};

/// Contents of more elements than this aren't followed: shape arithmetic is small.
pub const MAX_CONTENT: usize = 64;

/// Integer inputs of at most so many elements are followed symbolically.
pub const MAX_SYMBOLIC: i64 = 8;

/// Runs inference over the nodes of a region, whose parameters have types already.
pub type InferRegion<'a> = dyn Fn(&mut Graph, &Region) -> Result<(), Diagnostic> + 'a;

/// A node whose types are being inferred.
pub struct InferCx<'a> {
    /// The graph.
    pub graph: &'a mut Graph,
    node: NodeId,
    regions: &'a InferRegion<'a>,
}

/// The symbolic elements of a small integer (or bool) tensor, if known: a constant's, or a followed content.
pub fn content_of(graph: &Graph, v: ValueId) -> Option<Vec<Sym>> {
    let data = &graph.values[v];
    if let Some(c) = &data.content {
        return Some(c.clone());
    }
    match &data.def {
        ValueDef::Const(t) if t.len() <= MAX_CONTENT && (t.dtype().is_int() || t.dtype() == DType::Bool) => {
            Some(t.to_i64()?.into_iter().map(Sym::int).collect())
        }
        _ => None,
    }
}

impl<'a> InferCx<'a> {
    /// Starts inference of a node; `regions` infers the nodes of its regions when asked.
    pub fn new(graph: &'a mut Graph, node: NodeId, regions: &'a InferRegion<'a>) -> Self {
        Self { graph, node, regions }
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.node
    }
    /// The node.
    pub fn node(&self) -> &Node {
        &self.graph.nodes[self.node]
    }
    /// Its attributes.
    pub fn attrs(&self) -> &Attrs {
        &self.node().attrs
    }
    /// How many inputs the node lists.
    pub fn input_count(&self) -> usize {
        self.node().inputs.len()
    }
    /// How many outputs the node lists.
    pub fn output_count(&self) -> usize {
        self.node().outputs.len()
    }
    /// What is known of symbols.
    pub fn ranges(&self) -> Ranges {
        self.graph.ranges()
    }

    /// Input `i`, if it is there.
    pub fn opt(&self, i: usize) -> Option<ValueId> {
        self.node().inputs.get(i).copied().flatten()
    }
    /// Input `i`; an error if it is absent.
    pub fn input(&self, i: usize) -> Result<ValueId, Diagnostic> {
        self.opt(i).ok_or_else(|| {
            self.error("E2001", format!("input {i} is missing")).help("the operator needs it; check the exporter")
        })
    }
    /// The type of input `i`, which must be a tensor.
    pub fn input_type(&self, i: usize) -> Result<TensorType, Diagnostic> {
        let v = self.input(i)?;
        self.graph.tensor_type(v).cloned().ok_or_else(|| {
            self.error("E2002", format!("input {i} is no tensor")).tensor(self.graph.values[v].name.clone())
        })
    }
    /// The extents of input `i`.
    pub fn shape(&self, i: usize) -> Result<Vec<Sym>, Diagnostic> {
        Ok(self.input_type(i)?.shape)
    }
    /// The dtype of input `i`.
    pub fn dtype(&self, i: usize) -> Result<DType, Diagnostic> {
        Ok(self.input_type(i)?.dtype)
    }
    /// The constant behind input `i`, if it is one.
    pub fn constant(&self, i: usize) -> Option<&Tensor> {
        self.opt(i).and_then(|v| self.graph.constant(v))
    }
    /// The symbolic elements of input `i`, if known.
    pub fn content(&self, i: usize) -> Option<Vec<Sym>> {
        content_of(self.graph, self.opt(i)?)
    }
    /// The elements of input `i` as integers, if they are constants.
    pub fn const_ints(&self, i: usize) -> Option<Vec<i64>> {
        self.content(i)?.iter().map(Sym::as_int).collect()
    }

    /// Sets the type of output `i`, if the node has that output. Extents are simplified; where the model declared
    /// extents for this value before, symbols of its own are kept out.
    pub fn set_output(&mut self, i: usize, ty: Type) {
        let Some(&v) = self.node().outputs.get(i) else { return };
        let ranges = self.graph.ranges();
        self.graph.values[v].ty = simplified(&ranges, ty);
    }
    /// Sets output `i` to a tensor.
    pub fn set_tensor(&mut self, i: usize, dtype: DType, shape: Vec<Sym>) {
        self.set_output(i, Type::tensor(dtype, shape));
    }
    /// Sets the symbolic elements of output `i`, if they are few and can be said (tensors wrap, symbols don't).
    pub fn set_content(&mut self, i: usize, content: Vec<Sym>) {
        let Some(&v) = self.node().outputs.get(i) else { return };
        if content.len() <= MAX_CONTENT && !content.iter().any(Sym::is_overflow) {
            let ranges = self.graph.ranges();
            self.graph.values[v].content = Some(content.iter().map(|s| ranges.simplify(s)).collect());
        }
    }

    /// Each output gets the type that the model declares for it, or else that of the first input.
    pub fn infer_like_declared(&mut self) -> Result<(), Diagnostic> {
        for i in 0..self.output_count() {
            let v = self.node().outputs[i];
            let declared = self.graph.values[v].ty.clone();
            let unknown = declared.as_tensor().is_some_and(|t| t.shape.iter().any(|d| self.is_undefined(d)));
            if unknown || declared == unknown_type() {
                let ty = Type::Tensor(self.input_type(0)?);
                self.set_output(i, ty);
            }
        }
        Ok(())
    }

    /// True if an extent mentions a symbol that no one defines (a declared name of the file).
    fn is_undefined(&self, s: &Sym) -> bool {
        s.symbols().iter().any(|x| !self.graph.symbols.contains_key(x))
    }

    /// A new extent that [`crate::OpDef::extents`] computes before the node runs; number `which` of this node.
    pub fn fresh_extent(&mut self, which: u32, hint: &str, lo: i64, hi: Option<Sym>) -> Sym {
        self.fresh(SymbolSource::Extent(self.node, which), hint, lo, hi)
    }
    /// A new extent that is known when the node has run; number `which` of this node.
    pub fn fresh_result(&mut self, which: u32, hint: &str, lo: i64, hi: Option<Sym>) -> Sym {
        self.fresh(SymbolSource::Result(self.node, which), hint, lo, hi)
    }
    /// A symbol of a source, made once: inference may run again.
    pub fn fresh(&mut self, source: SymbolSource, hint: &str, lo: i64, hi: Option<Sym>) -> Sym {
        fresh_symbol(self.graph, source, hint, lo, hi)
    }

    /// The common extent of two that must be equal: a constant if one is; a guard is added if it can't be proved.
    pub fn unify(&mut self, a: &Sym, b: &Sym, what: &str) -> Result<Sym, Diagnostic> {
        if a.is_overflow() || b.is_overflow() {
            return Err(self
                .error("E2048", format!("{what}: a number is beyond 64 bits"))
                .help("look for absurd numbers in what the node gets as shape, pads, repeats, sizes"));
        }
        match self.graph.ranges().prove_eq(a, b) {
            Some(true) => {}
            Some(false) => {
                return Err(self.error("E2003", format!("{what}: {a} and {b} differ")).expected("equal extents"));
            }
            None => {
                let n = self.node();
                let reason = format!("node '{}' ({}): {what}", n.name, n.op);
                let (left, right) = (a.clone(), b.clone());
                self.add_guard(Guard { left, right, relation: Relation::Equal, reason, region: None });
            }
        }
        Ok(if b.as_int().is_some() { b.clone() } else { a.clone() })
    }

    /// Adds what a run must fulfil, once.
    pub fn add_guard(&mut self, guard: Guard) {
        if !self.graph.guards.iter().any(|g| g.same(&guard)) {
            self.graph.guards.push(guard);
        }
    }

    /// An extent that only an input's shape says is `n` from here on, everywhere in the graph; the input is refused if
    /// it has another one. Nothing happens where the extent is anything else than an input's own symbol.
    pub fn assume(&mut self, d: &Sym, n: usize) {
        let [s] = &d.symbols().into_iter().collect::<Vec<_>>()[..] else { return };
        let own = self.graph.symbols.get(s).is_some_and(|i| matches!(i.source, SymbolSource::Dim(..)));
        if !own || *d != Sym::var(s.clone()) {
            return;
        }
        let known = |x: &Symbol| (x == s).then(|| Sym::int(n as i64));
        for data in self.graph.values.values_mut() {
            if let Type::Tensor(t) = &mut data.ty {
                t.shape.iter_mut().for_each(|d| *d = d.subst(&known));
            }
            data.content.iter_mut().flatten().for_each(|c| *c = c.subst(&known));
        }
        for g in &mut self.graph.guards {
            (g.left, g.right) = (g.left.subst(&known), g.right.subst(&known));
        }
        for info in self.graph.symbols.values_mut() {
            info.hi = info.hi.take().map(|hi| hi.subst(&known));
        }
        for v in self.graph.body.params.clone() {
            self.follow_input(v);
        }
    }

    /// A small list that is an input gets elements with names, as the import gives those whose length is known.
    fn follow_input(&mut self, v: ValueId) {
        let Some(t) = self.graph.tensor_type(v) else { return };
        let count = t.count().as_int().filter(|&n| n <= MAX_SYMBOLIC);
        let (Some(count), DType::I64, 1, None) = (count, t.dtype, t.rank(), &self.graph.values[v].content) else {
            return;
        };
        let element = |i| fresh_symbol(self.graph, SymbolSource::Element(v, i as u32), "element", i64::MIN, None);
        let content = (0..count).map(element).collect();
        self.graph.values[v].content = Some(content);
    }

    /// The extents of an operand of a broadcast: one that is 1 at most ("the first row of what may have none") is taken to
    /// be 1, from here on in the operand's type, too, and the run refuses an empty one. Only extents that the inputs' shapes
    /// say are checked before anything is read.
    pub fn narrowed(&mut self, i: usize, mut shape: Vec<Sym>) -> Result<Vec<Sym>, Diagnostic> {
        let Some(v) = self.opt(i) else { return Ok(shape) };
        let (ranges, one) = (self.ranges(), Sym::int(1));
        for (axis, d) in shape.iter_mut().enumerate() {
            let later =
                |s: &Symbol| !matches!(self.graph.symbols.get(s).map(|i| &i.source), Some(SymbolSource::Dim(..)));
            if d.as_int().is_some()
                || d.as_symbol().is_some()
                || d.any_symbol(&later)
                || ranges.prove_le(d, &one) != Some(true)
            {
                continue;
            }
            self.unify(d, &one, &format!("axis {axis} of an operand that is broadcast"))?;
            *d = one.clone();
            if let Type::Tensor(t) = &mut self.graph.values[v].ty
                && t.rank() > axis
            {
                t.shape[axis] = one.clone();
            }
        }
        Ok(shape)
    }

    /// An axis counted from either end, as a position; `rank` positions are valid.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize, Diagnostic> {
        let r = rank as i64;
        if (-r..r).contains(&axis) {
            Ok(if axis < 0 { axis + r } else { axis } as usize)
        } else {
            Err(self
                .error("E2004", format!("axis {axis} is out of range for a tensor of rank {rank}"))
                .expected(format!("{}..={}", -r, r - 1)))
        }
    }

    /// Types the nodes of region `i`, whose parameters must have types; gives the types of its results.
    pub fn infer_region(&mut self, i: usize) -> Result<Vec<Type>, Diagnostic> {
        let region = self.node().regions[i].clone();
        let before = self.graph.guards.len();
        let done = (self.regions)(self.graph, &region);
        // What one branch asks for is no matter where the other is taken.
        if self.node().op == OpName::onnx("If") {
            let owner = (self.node, i);
            self.graph.guards[before..].iter_mut().for_each(|g| g.region = g.region.or(Some(owner)));
        }
        done?;
        Ok(region.results.iter().map(|&v| self.graph.values[v].ty.clone()).collect())
    }

    /// An error at this node.
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let n = self.node();
        Diagnostic::error(code, message).node(n.name.clone(), n.op.to_string())
    }
}

/// The type of a value before anyone has said anything of it.
pub fn unknown_type() -> Type {
    Type::unknown()
}

/// A symbol of a source, made once: a second call gives the same symbol, with the range narrowed anew.
pub fn fresh_symbol(graph: &mut Graph, source: SymbolSource, hint: &str, lo: i64, hi: Option<Sym>) -> Sym {
    if let Some(at) = graph.symbols.values().position(|i| i.source == source) {
        let later = |x: &Symbol| graph.symbols.get_index_of(x).is_some_and(|i| i > at);
        let moves = hi.iter().any(|hi| hi.any_symbol(&later));
        let (s, info) = graph.symbols.get_index_mut(at).expect("just found");
        *info = SymbolInfo { source, lo, hi };
        let s = s.clone();
        if moves {
            // A loop's body has been looked at before it was known what changes in it: bounds mention earlier symbols only.
            graph.symbols.move_index(at, graph.symbols.len() - 1);
        }
        return Sym::var(s);
    }
    let mut name = hint.to_string();
    let mut i = 1;
    while graph.symbols.contains_key(&Symbol::new(&name)) {
        i += 1;
        name = format!("{hint}_{i}");
    }
    let s = Symbol::new(&name);
    graph.symbols.insert(s.clone(), SymbolInfo { source, lo, hi });
    Sym::var(s)
}

fn simplified(ranges: &Ranges, ty: Type) -> Type {
    match ty {
        Type::Tensor(t) => Type::tensor(t.dtype, t.shape.iter().map(|d| ranges.simplify(d)).collect()),
        other => other,
    }
}
