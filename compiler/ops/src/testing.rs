//! The numeric test harness of operators: builds a one-node graph, imports the node at an opset version, infers,
//! lowers and runs it by an interpreter.
//!
//! - [`Case`] is one application of an operator. [`Case::run`] takes it through import, inference and lowering.
//! - [`check_stored`] runs the cases of a file of `compiler/ops/tests/data` (see `stored`).
//!
//! Holds: what `infer` said of shapes, dtypes, contents and guards is compared with what came out of the run, so a
//! wrong inference fails a test even where the numbers are right. Each case also runs with symbolic extents.
//!
//! Does not run regions, nor models of more than one node but those that an import makes.

mod compare;
mod composed;
mod routine;
mod stored;

pub(crate) use compare::assert_close;
pub(crate) use stored::{attribute, check_stored, check_stored_but, tensor};

use crate::infer::unknown_type;
use crate::registry::{OpRef, Registry};
use crate::{ComputeCx, InferCx, Lower, NodeReader, OpDef, ViewCx};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym, Tensor};
use onnxc_ir::graph::*;
use onnxc_ir::kernel::KernelBuilder;
use onnxc_ir::kernel::build::load;
use onnxc_ir::kernel::interp::{self, InterpError};
use onnxc_ir::kernel::verify;
use std::collections::BTreeMap;

/// Values of symbols.
pub(crate) type Env = BTreeMap<Symbol, i64>;

/// What is given as an input.
#[derive(Clone, Debug)]
enum Given {
    Absent,
    Input(Tensor),
    /// An input whose elements (not below 0) are symbols.
    Followed(Tensor),
    Const(Tensor),
}

/// One application of an operator.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    op: OpName,
    opset: i64,
    attrs: BTreeMap<String, Attr>,
    inputs: Vec<Given>,
    outputs: usize,
    symbolic: bool,
    ones: bool,
    values: bool,
    fixed: bool,
}

/// A case after import and inference.
pub(crate) struct Inferred {
    pub(crate) graph: Graph,
    pub(crate) node: NodeId,
    pub(crate) env: Env,
    def: &'static OpDef,
    given: Vec<Tensor>,
    /// Import has replaced the node by others: the graph's interpreter runs them.
    composed: bool,
}

impl Case {
    /// An application of an operator, at a version of its domain's operator set, with one output. An operator of another
    /// domain than ONNX's own is written `domain.Name`.
    pub(crate) fn new(op: &str, opset: i64) -> Case {
        let (domain, name) = op.rsplit_once('.').unwrap_or(("", op));
        let (op, inputs) = (OpName { domain: domain.into(), name: name.into() }, vec![]);
        Case {
            op,
            opset,
            attrs: BTreeMap::new(),
            inputs,
            outputs: 1,
            symbolic: false,
            ones: false,
            values: false,
            fixed: false,
        }
    }
    /// The next input, known when the module runs.
    pub(crate) fn input(mut self, t: Tensor) -> Case {
        self.inputs.push(Given::Input(t));
        self
    }
    /// The next input, known when the module runs, of integers that shape arithmetic follows as symbols; none is
    /// negative.
    pub(crate) fn followed(mut self, t: Tensor) -> Case {
        self.inputs.push(Given::Followed(t));
        self
    }
    /// The next input, known at compile time.
    pub(crate) fn constant(mut self, t: Tensor) -> Case {
        self.inputs.push(Given::Const(t));
        self
    }
    /// The next input is left out.
    pub(crate) fn absent(mut self) -> Case {
        self.inputs.push(Given::Absent);
        self
    }
    /// Sets an attribute, as the file has it.
    pub(crate) fn attr(mut self, name: &str, value: Attr) -> Case {
        self.attrs.insert(name.into(), value);
        self
    }
    /// Sets the number of outputs.
    pub(crate) fn outputs(mut self, n: usize) -> Case {
        self.outputs = n;
        self
    }
    /// Makes the extents of run-time inputs symbols, one each, but for those that are 1: those broadcast.
    pub(crate) fn symbolic(mut self) -> Case {
        self.symbolic = true;
        self
    }

    /// As [`Case::symbolic`], and extents that are 1 are symbols, too: the run decides what broadcasts.
    pub(crate) fn ones(mut self) -> Case {
        self.ones = true;
        self.symbolic()
    }

    /// As [`Case::symbolic`], and the elements of short lists of integers are symbols, as they are for a model's inputs.
    pub(crate) fn values(mut self) -> Case {
        self.values = true;
        self.symbolic()
    }

    /// Leaves the run with symbolic extents out of [`Case::expect`] (the length of a shape can't be a symbol).
    pub(crate) fn fixed(mut self) -> Case {
        self.fixed = true;
        self
    }

    /// Imports the node and infers its types.
    pub(crate) fn infer(&self) -> Result<Inferred, Diagnostic> {
        let Some(OpRef::Builtin(def)) = Registry::new().find(&self.op) else { panic!("{} isn't registered", self.op) };
        let mut graph = Graph::default();
        let (mut env, mut given, mut inputs) = (Env::new(), vec![], vec![]);
        for (i, g) in self.inputs.iter().enumerate() {
            inputs.push(match g {
                Given::Absent => None,
                Given::Const(t) => Some(value(&mut graph, &format!("k{i}"), fixed(t), ValueDef::Const(t.clone()))),
                Given::Input(t) | Given::Followed(t) => {
                    given.push(t.clone());
                    let v = value(&mut graph, &format!("x{i}"), fixed(t), ValueDef::Param);
                    graph.body.params.push(v);
                    if matches!(g, Given::Followed(_)) {
                        free_elements(&mut graph, &mut env, v, t, 0);
                    } else if self.values && is_list(t) {
                        free_elements(&mut graph, &mut env, v, t, i64::MIN);
                    } else if self.symbolic {
                        free_extents(&mut graph, &mut env, v, i, self.ones);
                    }
                    Some(v)
                }
            });
        }
        let (node, composed) = self.import(def, &mut graph, inputs)?;
        if composed {
            composed::infer(&mut graph)?;
        } else {
            (def.infer)(&mut InferCx::new(&mut graph, node, &|_, _| Ok(())))?;
        }
        let mut inferred = Inferred { graph, node, env, def, given, composed };
        inferred.define_elements();
        Ok(inferred)
    }

    /// The node, or the last of those that stand in its place and true.
    fn import(
        &self,
        def: &OpDef,
        graph: &mut Graph,
        inputs: Vec<Option<ValueId>>,
    ) -> Result<(NodeId, bool), Diagnostic> {
        let name = self.op.name.to_lowercase();
        let (attrs, none) = (self.attrs.clone(), BTreeMap::new());
        let mut reader =
            NodeReader::new(graph, name.clone(), self.op.clone(), self.opset, inputs, self.outputs, attrs, none);
        let import = def.versions.iter().rev().find(|(since, _)| *since <= self.opset).map(|(_, import)| import);
        let import = import.unwrap_or_else(|| panic!("{} has no version for opset {}", self.op, self.opset));
        let attrs = import(&mut reader)?;
        assert_eq!(reader.unread(), Vec::<String>::new(), "attributes that {} {} didn't read", self.op, self.opset);
        let composed = reader.composed();
        let (inputs, regions) = (reader.inputs, reader.regions);
        if let Some(results) = composed.results {
            composed::take(graph, &composed.nodes, results);
            return Ok((*composed.nodes.last().expect("nodes stand in its place"), true));
        }
        graph.body.nodes.extend(composed.nodes);
        let node = graph.nodes.push(Node { name, op: self.op.clone(), attrs, inputs, outputs: vec![], regions });
        for i in 0..self.outputs {
            let v = value(graph, &format!("y{i}"), unknown_type(), ValueDef::Node(node, i as u32));
            graph.nodes[node].outputs.push(v);
        }
        graph.body.nodes.push(node);
        Ok((node, false))
    }

    /// The outputs.
    pub(crate) fn run(&self) -> Result<Vec<Tensor>, Diagnostic> {
        let mut inferred = self.infer()?;
        let runtime = matches!(inferred.def.lower, Lower::Runtime(_));
        let strings = inferred.given.iter().any(|t| t.dtype() == DType::String);
        if !inferred.composed && (runtime || strings) {
            let node = inferred.graph.nodes[inferred.node].clone();
            inferred.graph.body.results = node.outputs;
        }
        if inferred.composed || runtime || strings {
            return composed::run(&inferred.graph, &inferred.given);
        }
        inferred.define_extents()?;
        let outputs = inferred.run()?;
        inferred.verify(&outputs);
        Ok(outputs)
    }

    /// Runs it with fixed and with symbolic extents and elements, and compares the outputs.
    pub(crate) fn expect(&self, expected: &[Tensor], tolerance: f64) {
        let free = (!self.fixed).then(|| self.clone().symbolic());
        let lists = self.inputs.iter().any(|g| matches!(g, Given::Input(t) if is_list(t)));
        let values = lists.then(|| self.clone().values());
        // Some operators ask for an extent of 1, or of another number, or leave those of 1 out of the output.
        let fits = |i: Inferred| i.composed || expected.iter().enumerate().all(|(k, e)| i.fits(k, e));
        let ones = (!self.fixed).then(|| self.clone().ones()).filter(|c| c.infer().is_ok_and(fits));
        for case in std::iter::once(self.clone()).chain(free).chain(values).chain(ones) {
            let outputs = case.run().unwrap_or_else(|d| panic!("{d}\nin {case:?}"));
            assert_eq!(outputs.len(), expected.len());
            for (o, e) in outputs.iter().zip(expected) {
                assert_close(o, e, tolerance, &format!("{case:?}"));
            }
        }
    }

    /// The code of the error that it gives.
    pub(crate) fn error(&self) -> &'static str {
        match self.run() {
            Ok(o) => panic!("no error but {o:?}"),
            Err(d) => {
                assert!(d.place.node.is_some(), "the error names no node: {d}");
                d.code
            }
        }
    }
}

impl Inferred {
    /// The type of output `i`.
    pub(crate) fn output_type(&self, i: usize) -> &TensorType {
        self.graph.tensor_type(self.graph.nodes[self.node].outputs[i]).expect("infer sets a tensor type")
    }

    /// True if output `i` has the rank of a tensor, and the run isn't refused.
    fn fits(&self, i: usize, expected: &Tensor) -> bool {
        let value = |s: &Symbol| self.env.get(s).copied();
        let kept = |g: &Guard| match (g.left.eval(&value), g.right.eval(&value)) {
            (Ok(l), Ok(r)) => g.relation.holds(l, r),
            _ => true,
        };
        let ty = self.graph.tensor_type(self.graph.nodes[self.node].outputs[i]);
        ty.is_none_or(|t| t.rank() == expected.shape().len()) && self.graph.guards.iter().all(kept)
    }

    fn run(&mut self) -> Result<Vec<Tensor>, Diagnostic> {
        match self.def.lower {
            Lower::Compute(lower) => self.run_kernel(|k, inputs| {
                let mut cx = ComputeCx::new(k, &self.graph, self.node, inputs);
                lower(&mut cx)?;
                let sources = cx.finish().unwrap_or_else(|i| panic!("output {i} isn't set"));
                sources.into_iter().for_each(|s| k.output(s));
                Ok(())
            }),
            Lower::View(view) => self.run_kernel(|k, inputs| {
                let cx = ViewCx { graph: &self.graph, node: self.node };
                let TensorType { dtype, shape } = self.output_type(0).clone();
                let mut result = Ok(vec![]);
                let out = k.map("view", dtype, &shape, |_, i| {
                    result = view(&cx, i);
                    load(inputs[0].expect("a view has an input"), result.as_deref().unwrap_or(i))
                });
                k.output(out);
                result.map(|_| ())
            }),
            Lower::Alias => {
                let x = self.input(0);
                let shape = self.extents(&self.output_type(0).shape);
                let y = Tensor::from_bytes(self.output_type(0).dtype, shape.clone(), x.bytes().clone());
                Ok(vec![y.unwrap_or_else(|| panic!("an alias of other extents: {shape:?} of {x:?}"))])
            }
            Lower::Routine(lower) => self.run_routine(lower),
            Lower::Control(_) | Lower::Runtime(_) => panic!("the harness can't run this kind of operator"),
        }
    }

    /// Gives values to symbols that stand for elements of inputs.
    fn define_elements(&mut self) {
        for (s, info) in &self.graph.symbols {
            if let SymbolSource::Element(v, at) = info.source {
                let input = self.graph.body.params.iter().position(|&p| p == v).expect("it is an element of an input");
                let elements = self.given[input].to_i64().expect("it is an element of integers");
                self.env.insert(s.clone(), elements[at as usize]);
            }
        }
    }

    /// Runs a kernel whose parameters are the node's inputs.
    fn run_kernel(
        &self,
        define: impl FnOnce(&mut KernelBuilder, Vec<Option<onnxc_ir::kernel::Src>>) -> Result<(), Diagnostic>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let mut k = KernelBuilder::new("case", self.graph.ranges());
        let mut sources = vec![];
        for &v in &self.graph.nodes[self.node].inputs {
            let param = v.and_then(|v| Some((v, self.graph.tensor_type(v)?)));
            sources.push(param.map(|(v, t)| {
                k.param(&self.graph.values[v].name, t.dtype, t.shape.clone(), self.graph.constant(v).cloned())
            }));
        }
        define(&mut k, sources)?;
        let inputs = &self.graph.nodes[self.node].inputs;
        let data: Vec<Tensor> = (0..inputs.len())
            .filter(|&i| inputs[i].is_some_and(|v| self.graph.constant(v).is_none()))
            .map(|i| self.input(i))
            .collect();
        verify::verify(&k.kernel).unwrap_or_else(|problems| panic!("{problems}"));
        interp::run(&k.kernel, &|s| self.env.get(s).copied(), &data).map_err(|e| {
            let code = if matches!(e, InterpError::Status(_)) { "E6000" } else { panic!("{e}") };
            Diagnostic::error(code, e.to_string()).node(self.graph.nodes[self.node].name.clone(), "")
        })
    }

    /// The data of input `i`.
    fn input(&self, i: usize) -> Tensor {
        let v = self.graph.nodes[self.node].inputs[i].expect("the input is there");
        match &self.graph.values[v].def {
            ValueDef::Const(t) => t.clone(),
            _ => {
                let at = self.graph.body.params.iter().position(|&p| p == v).expect("inputs are parameters");
                self.given[at].clone()
            }
        }
    }

    fn extents(&self, shape: &[Sym]) -> Vec<usize> {
        shape.iter().map(|d| usize::try_from(self.eval(d)).expect("an extent isn't negative")).collect()
    }

    fn eval(&self, s: &Sym) -> i64 {
        s.eval(&|x| self.env.get(x).copied()).unwrap_or_else(|e| panic!("{s}: {e:?}"))
    }

    /// Compares what was inferred with what came out.
    fn verify(&self, outputs: &[Tensor]) {
        for (i, o) in outputs.iter().enumerate() {
            let t = self.output_type(i);
            assert_eq!((o.dtype(), o.shape()), (t.dtype, &self.extents(&t.shape)[..]), "inferred type of output {i}");
            if let Some(content) = &self.graph.values[self.graph.nodes[self.node].outputs[i]].content {
                let content: Vec<f64> = content.iter().map(|s| self.eval(s) as f64).collect();
                assert_eq!(Some(content), o.to_f64(), "inferred content of output {i}");
            }
        }
        for g in &self.graph.guards {
            let (l, r) = (self.eval(&g.left), self.eval(&g.right));
            assert!(g.relation.holds(l, r), "guard: {} ({} = {l}, {} = {r})", g.reason, g.left, g.right);
        }
    }
}

fn fixed(t: &Tensor) -> Type {
    Type::tensor(t.dtype(), t.shape().iter().map(|&d| Sym::int(d as i64)).collect())
}

fn value(graph: &mut Graph, name: &str, ty: Type, def: ValueDef) -> ValueId {
    graph.values.push(ValueData { name: name.into(), ty, def, content: None })
}

/// Is it followed element by element if it is an input of a model?
fn is_list(t: &Tensor) -> bool {
    matches!(t.dtype(), DType::I64 | DType::I32) && t.shape().len() <= 1 && t.len() <= 8
}

/// Makes the elements symbols of a least value.
fn free_elements(graph: &mut Graph, env: &mut Env, v: ValueId, t: &Tensor, lo: i64) {
    let mut content = vec![];
    for (k, value) in t.to_i64().unwrap_or_default().into_iter().enumerate() {
        let s = Symbol::new(&format!("{}_{k}", graph.values[v].name));
        let info = SymbolInfo { source: SymbolSource::Element(v, k as u32), lo, hi: None };
        graph.symbols.insert(s.clone(), info);
        env.insert(s.clone(), value);
        content.push(Sym::var(s));
    }
    graph.values[v].content = Some(content);
}

/// Replaces each extent but 1 by a symbol of its own.
fn free_extents(graph: &mut Graph, env: &mut Env, v: ValueId, input: usize, ones: bool) {
    let Type::Tensor(mut t) = graph.values[v].ty.clone() else { return };
    for (axis, d) in t.shape.iter_mut().enumerate() {
        let value = d.as_int().expect("the extents of a case are fixed");
        if ones || value != 1 {
            let s = Symbol::new(&format!("d{input}_{axis}"));
            let source = SymbolSource::Dim(v, axis as u32);
            graph.symbols.insert(s.clone(), SymbolInfo { source, lo: 0, hi: None });
            env.insert(s.clone(), value);
            *d = Sym::var(s);
        }
    }
    graph.values[v].ty = Type::Tensor(t);
}
