//! Formulas and views: a kernel of one node, run by the interpreter of kernel IR.

use super::One;
use crate::ViewCx;
use onnxc_base::{Diagnostic, Sym, Tensor};
use onnxc_ir::graph::{Graph, NodeId};
use onnxc_ir::kernel::build::load;
use onnxc_ir::kernel::interp::{self, InterpError};
use onnxc_ir::kernel::{KernelBuilder, Src};

/// The index of the input for an index of the output.
type View = fn(&ViewCx, &[Sym]) -> Result<Vec<Sym>, Diagnostic>;

impl One<'_> {
    /// Runs a kernel whose parameters are the node's inputs and whose definitions `define` adds.
    pub(super) fn kernel(
        &self,
        define: impl FnOnce(&mut KernelBuilder, &Graph, NodeId, Vec<Option<Src>>) -> Result<(), Diagnostic>,
    ) -> Result<Vec<Tensor>, Diagnostic> {
        let (graph, node) = (self.graph, self.node);
        let mut k = KernelBuilder::new(graph.nodes[node].name.clone(), graph.ranges());
        let mut data = Vec::new();
        let mut sources = Vec::new();
        for (v, x) in graph.nodes[node].inputs.iter().zip(&self.inputs) {
            let (Some(v), Some(x)) = (v, x) else {
                sources.push(None);
                continue;
            };
            let t = graph.tensor_type(*v).ok_or_else(|| self.error("E3301", "an input is no tensor"))?;
            // The operator may ask for constants, so they are constants of the kernel, too.
            let constant = graph.constant(*v).cloned();
            if constant.is_none() {
                data.push(x.clone());
            }
            sources.push(Some(k.param(&graph.values[*v].name, t.dtype, t.shape.clone(), constant)));
        }
        define(&mut k, graph, node, sources)?;
        interp::run(&k.kernel, &|s| self.env.get(s).copied(), &data).map_err(|e| self.kernel_error(&e))
    }

    pub(super) fn view(&self, view: View) -> Result<Vec<Tensor>, Diagnostic> {
        let t = self.output_type(0)?.clone();
        self.kernel(|k, graph, node, sources| {
            let x = sources.first().copied().flatten().ok_or_else(|| self.error("E3301", "input 0 is missing"))?;
            let cx = ViewCx { graph, node };
            let mut index = Ok(vec![]);
            let out = k.map("view", t.dtype, &t.shape, |_, i| {
                index = view(&cx, i);
                load(x, index.as_deref().unwrap_or(i))
            });
            k.output(out);
            index.map(|_| ())
        })
    }

    fn kernel_error(&self, e: &InterpError) -> Diagnostic {
        match e {
            InterpError::Status(_) => self.error("E3302", e.to_string()),
            InterpError::Invalid { .. } => self.error("E3301", e.to_string()),
            InterpError::OutOfRange { .. } | InterpError::DivisionByZero { .. } => self.error("E3303", e.to_string()),
        }
    }
}
