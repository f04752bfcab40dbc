//! The numeric test harness of operators: builds a one-node graph, imports the node at an opset version, infers,
//! lowers and runs it by an interpreter.
//!
//! - [`Case`] is one application of an operator. [`Case::run`] takes it through import, inference and lowering.
//! - [`check_stored`] runs the cases of a file of `compiler/ops/tests/data` (see `stored`).
//!
//! Holds: what `infer` said of shapes, dtypes, contents and guards is compared with what came out of the run, so a
//! wrong inference fails a test even where the numbers are right. Each case also runs with symbolic extents.
//!
//! Does NOT run regions, nor models of more than one node but those that an import makes.

mod compare;
mod composed;
mod inferred;
mod routine;
mod stored;

pub(crate) use compare::assert_close;
pub(crate) use inferred::{Env, Inferred};
pub(crate) use stored::{attribute, check_stored, check_stored_but, tensor};

use crate::infer::unknown_type;
use crate::registry::{OpRef, Registry};
use crate::{InferCx, Lower, NodeReader, OpDef};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym, Tensor};
use onnxc_ir::graph::*;
use std::collections::BTreeMap;

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
