//! Evaluates single nodes by what their operators lower to: kernels and routines, run by their interpreters.
//!
//! So there is one definition of an operator's meaning: constant folding and differential tests use the same formulas
//! that are compiled. Views and aliases are done directly where nothing is computed.
//!
//! Does NOT run regions (the graph's interpreter does) and not C functions of the user.
//!
//! Codes: `E3301` the node can't be evaluated here · `E3302` the data break a rule of the operator (the module would
//! return that status) · `E3303` a bug in the operator's lowering.

mod kernel;
mod objects;
mod routine;
#[cfg(test)]
mod tests;

use crate::custom::CustomBody;
use crate::registry::{OpRef, Registry};
use crate::{ComputeCx, Lower, OpDef};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym, Tensor};
use onnxc_ir::graph::interp::{Env, HostValue, NodeEval, Outcome};
use onnxc_ir::graph::{Graph, NodeId, SymbolSource, TensorType};

/// Evaluates nodes with the operators of a registry.
pub struct Evaluator<'a> {
    registry: &'a Registry,
}

impl<'a> Evaluator<'a> {
    /// An evaluator that knows these operators.
    pub fn new(registry: &'a Registry) -> Self {
        Self { registry }
    }

    /// The outputs of a node whose inputs are constants; `None` if they aren't all, if the node has regions, or if it
    /// can't be evaluated at compile time. For constant folding.
    pub fn fold(&self, graph: &Graph, node: NodeId) -> Option<Vec<Tensor>> {
        let n = &graph.nodes[node];
        let constant = |v: &Option<_>| v.map(|v| graph.constant(v).cloned()).map_or(Some(None), |t| t.map(Some));
        let inputs: Option<Vec<Option<Tensor>>> = n.inputs.iter().map(constant).collect();
        if !n.regions.is_empty() {
            return None;
        }
        let inputs: Vec<Option<HostValue>> = inputs?.into_iter().map(|t| t.map(HostValue::Tensor)).collect();
        let outcome = self.eval(graph, node, &inputs, &Env::new()).ok()?;
        outcome.outputs.into_iter().map(|v| v.tensor().cloned()).collect()
    }
}

impl NodeEval for Evaluator<'_> {
    fn eval(
        &self,
        graph: &Graph,
        node: NodeId,
        inputs: &[Option<HostValue>],
        env: &Env,
    ) -> Result<Outcome, Diagnostic> {
        if self.has_handles(graph, node) {
            return self.eval_objects(graph, node, inputs, env);
        }
        let mut one = One { graph, node, inputs: vec![], env: env.clone(), defined: vec![], objects: None };
        one.inputs = tensors(&one, inputs)?;
        let outputs = match self.registry.find(&graph.nodes[node].op) {
            Some(OpRef::Builtin(def)) => one.builtin(def)?,
            Some(OpRef::Custom(custom)) => match custom.body() {
                CustomBody::Compute(f) => one.compute(|cx| f.compute(cx))?,
                CustomBody::Symbol(s) => {
                    return Err(one.error("E3301", format!("the C function '{s}' can't be called by the compiler")));
                }
            },
            None => return Err(one.error("E3301", "the operator is unknown")),
        };
        Ok(Outcome { outputs: outputs.into_iter().map(HostValue::Tensor).collect(), symbols: one.defined })
    }
}

fn tensors(one: &One, inputs: &[Option<HostValue>]) -> Result<Vec<Option<Tensor>>, Diagnostic> {
    let tensor = |v: &HostValue| match v {
        HostValue::Tensor(t) => Ok(t.clone()),
        _ => Err(one.error("E3301", "sequences and optionals can't be evaluated yet")),
    };
    inputs.iter().map(|v| v.as_ref().map(tensor).transpose()).collect()
}

/// One node and its data.
struct One<'a> {
    graph: &'a Graph,
    node: NodeId,
    inputs: Vec<Option<Tensor>>,
    /// Symbols with values: those given, then those defined here.
    env: Env,
    defined: Vec<(Symbol, i64)>,
    /// The address of the runtime's objects, for nodes that call it.
    objects: Option<i64>,
}

impl<'a> One<'a> {
    fn builtin(&mut self, def: &OpDef) -> Result<Vec<Tensor>, Diagnostic> {
        if let Some(extents) = def.extents.filter(|_| self.has_extents()) {
            self.extents(extents)?;
        }
        match def.lower {
            Lower::Compute(lower) => self.compute(lower),
            Lower::View(view) => self.view(view),
            Lower::Alias => self.alias(),
            Lower::Routine(lower) => self.routine(lower),
            Lower::Runtime(_) => Err(self.error("E3301", "the node isn't one of handles")),
            Lower::Control(_) => Err(self.error("E3301", "control flow isn't evaluated node by node")),
        }
    }

    /// The input's bytes under the output's shape and dtype.
    fn alias(&self) -> Result<Vec<Tensor>, Diagnostic> {
        let shape = self.extents_of(self.output_type(0)?)?;
        let x = self.inputs.first().cloned().flatten().ok_or_else(|| self.error("E3301", "input 0 is missing"))?;
        let dtype = self.output_type(0)?.dtype;
        let y = if dtype == x.dtype() {
            x.reshaped(&shape)
        } else {
            Tensor::from_bytes(dtype, shape.clone(), x.bytes().clone())
        };
        y.map(|t| vec![t])
            .ok_or_else(|| self.error("E3302", format!("{} elements don't fill the shape {shape:?}", x.len())))
    }

    fn compute(&self, lower: impl FnOnce(&mut ComputeCx) -> Result<(), Diagnostic>) -> Result<Vec<Tensor>, Diagnostic> {
        self.kernel(|k, graph, node, sources| {
            let mut cx = ComputeCx::new(k, graph, node, sources);
            lower(&mut cx)?;
            let outputs = cx.finish().map_err(|i| self.error("E3303", format!("output {i} isn't defined")))?;
            outputs.into_iter().for_each(|s| k.output(s));
            Ok(())
        })
    }

    /// The tensor type of output `i`.
    fn output_type(&self, i: usize) -> Result<&'a TensorType, Diagnostic> {
        let v = self.graph.nodes[self.node].outputs[i];
        self.graph.tensor_type(v).ok_or_else(|| {
            self.error("E3301", "the output is no tensor of known type").tensor(&self.graph.values[v].name)
        })
    }

    fn extents_of(&self, t: &TensorType) -> Result<Vec<usize>, Diagnostic> {
        t.shape.iter().map(|d| self.extent(d)).collect()
    }

    fn extent(&self, d: &Sym) -> Result<usize, Diagnostic> {
        let value = d.eval(&|s| self.env.get(s).copied()).map_err(|e| self.error("E3301", format!("{d}: {e}")))?;
        usize::try_from(value).map_err(|_| self.error("E3302", format!("the extent {d} is {value}")))
    }

    fn define(&mut self, symbol: Symbol, value: i64) {
        self.env.insert(symbol.clone(), value);
        self.defined.push((symbol, value));
    }

    /// The symbols of the graph that come from this node, as `pick` says, with their numbers.
    fn symbols(&self, pick: impl Fn(SymbolSource) -> Option<(NodeId, u32)>) -> Vec<(Symbol, u32)> {
        let own = |s: SymbolSource| pick(s).filter(|(n, _)| *n == self.node).map(|(_, i)| i);
        self.graph.symbols.iter().filter_map(|(s, i)| Some((s.clone(), own(i.source)?))).collect()
    }

    fn has_extents(&self) -> bool {
        !self.symbols(extent_number).is_empty()
    }

    fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let n = &self.graph.nodes[self.node];
        Diagnostic::error(code, message).node(n.name.clone(), n.op.to_string())
    }
}

fn extent_number(source: SymbolSource) -> Option<(NodeId, u32)> {
    if let SymbolSource::Extent(n, i) = source { Some((n, i)) } else { None }
}

fn result_number(source: SymbolSource) -> Option<(NodeId, u32)> {
    if let SymbolSource::Result(n, i) = source { Some((n, i)) } else { None }
}
