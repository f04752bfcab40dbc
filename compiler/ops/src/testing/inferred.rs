//! A case with types: its run by the kernel IR's interpreter, and what was inferred compared with what came out.
//!
//! Does NOT run the nodes that import has put in its place (see `composed`); how a routine runs is in `routine`.

use crate::{ComputeCx, Lower, OpDef, ViewCx};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym, Tensor};
use onnxc_ir::graph::{Graph, Guard, NodeId, SymbolSource, TensorType, ValueDef};
use onnxc_ir::kernel::build::load;
use onnxc_ir::kernel::interp::{self, InterpError};
use onnxc_ir::kernel::verify;
use onnxc_ir::kernel::{KernelBuilder, Src};
use std::collections::BTreeMap;

/// Values of symbols.
pub(crate) type Env = BTreeMap<Symbol, i64>;

/// A case after import and inference.
pub(crate) struct Inferred {
    pub(crate) graph: Graph,
    pub(crate) node: NodeId,
    pub(crate) env: Env,
    pub(super) def: &'static OpDef,
    pub(super) given: Vec<Tensor>,
    /// Import has replaced the node by others: the graph's interpreter runs them.
    pub(super) composed: bool,
}

impl Inferred {
    /// The type of output `i`.
    pub(crate) fn output_type(&self, i: usize) -> &TensorType {
        self.graph.tensor_type(self.graph.nodes[self.node].outputs[i]).expect("infer sets a tensor type")
    }

    /// True if output `i` has the rank of a tensor, and the run isn't refused.
    pub(super) fn fits(&self, i: usize, expected: &Tensor) -> bool {
        let value = |s: &Symbol| self.env.get(s).copied();
        let kept = |g: &Guard| match (g.left.eval(&value), g.right.eval(&value)) {
            (Ok(l), Ok(r)) => g.relation.holds(l, r),
            _ => true,
        };
        let ty = self.graph.tensor_type(self.graph.nodes[self.node].outputs[i]);
        ty.is_none_or(|t| t.rank() == expected.shape().len()) && self.graph.guards.iter().all(kept)
    }

    pub(super) fn run(&mut self) -> Result<Vec<Tensor>, Diagnostic> {
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
    pub(super) fn define_elements(&mut self) {
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
        define: impl FnOnce(&mut KernelBuilder, Vec<Option<Src>>) -> Result<(), Diagnostic>,
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
    pub(super) fn input(&self, i: usize) -> Tensor {
        let v = self.graph.nodes[self.node].inputs[i].expect("the input is there");
        match &self.graph.values[v].def {
            ValueDef::Const(t) => t.clone(),
            _ => {
                let at = self.graph.body.params.iter().position(|&p| p == v).expect("inputs are parameters");
                self.given[at].clone()
            }
        }
    }

    pub(super) fn extents(&self, shape: &[Sym]) -> Vec<usize> {
        shape.iter().map(|d| usize::try_from(self.eval(d)).expect("an extent isn't negative")).collect()
    }

    pub(super) fn eval(&self, s: &Sym) -> i64 {
        s.eval(&|x| self.env.get(x).copied()).unwrap_or_else(|e| panic!("{s}: {e:?}"))
    }

    /// Compares what was inferred with what came out.
    pub(super) fn verify(&self, outputs: &[Tensor]) {
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
