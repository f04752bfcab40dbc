//! Runs a graph node by node: the slow, obvious definition of the level.
//!
//! What a node computes is asked of a [`NodeEval`] from above, as `ir` doesn't know operators. If, Loop and Scan are run
//! here, in their canonical forms:
//! - `If(cond)`: regions then, else, without parameters; the outputs are the results.
//! - `Loop(trips?, cond?, carried...)`: region `(i, cond, carried...) -> (cond, carried..., scanned...)`; the outputs
//!   are the last carried values, then the scanned ones stacked on a new axis 0.
//! - `Scan(carried..., scanned...)`, with attributes `num_scan_inputs`, `scan_input_axes`, `scan_input_directions`,
//!   `scan_output_axes`, `scan_output_directions` (absent or short lists: 0): region `(carried..., slices...) ->
//!   (carried..., scanned...)`.
//!
//! Symbols get their values as the run goes: from the inputs, from what a node says, and from the extents of outputs.
//! Every value is compared with its type, every guard is checked: wrong inference is found here.
//!
//! Codes: `E3201` an input that doesn't fit · `E3202` a guard that doesn't hold · `E3203` a value that doesn't fit its
//! type · `E3204` control flow in another form.

mod control;
mod slices;
mod symbols;
#[cfg(test)]
mod tests;

use super::*;
use onnxc_base::Diagnostic;
use std::collections::{BTreeMap, HashMap};

/// A value during a run.
pub type HostValue = onnxc_base::Value;

/// Values of symbols.
pub type Env = BTreeMap<Symbol, i64>;

/// What a node gave.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// One value per output.
    pub outputs: Vec<HostValue>,
    /// Symbols that the node has defined (`Extent`, `Result`); those that are an output's whole extent needn't be here.
    pub symbols: Vec<(Symbol, i64)>,
}

/// Evaluates nodes that have no regions.
pub trait NodeEval {
    /// Evaluates one node. `env` has the symbols known so far; an input is `None` where the node has none.
    fn eval(&self, graph: &Graph, node: NodeId, inputs: &[Option<HostValue>], env: &Env)
    -> Result<Outcome, Diagnostic>;
}

/// Runs a graph on inputs, in the order of its parameters; gives its results.
pub fn run(graph: &Graph, eval: &dyn NodeEval, inputs: &[HostValue]) -> Result<Vec<HostValue>, Diagnostic> {
    let params = &graph.body.params;
    if inputs.len() != params.len() {
        return Err(Diagnostic::error("E3201", format!("{} inputs are given", inputs.len()))
            .expected(format!("{} inputs", params.len())));
    }
    let mut run = Run { graph, eval, env: Env::new(), values: HashMap::new() };
    for (&v, input) in params.iter().zip(inputs) {
        run.values.insert(v, input.clone());
    }
    run.bind_inputs()?;
    run.guards()?;
    run.region(&graph.body)
}

struct Run<'a> {
    graph: &'a Graph,
    eval: &'a dyn NodeEval,
    env: Env,
    values: HashMap<ValueId, HostValue>,
}

impl Run<'_> {
    /// Runs a region whose parameters have values.
    fn region(&mut self, region: &Region) -> Result<Vec<HostValue>, Diagnostic> {
        for &n in &region.nodes {
            self.node(n)?;
        }
        region.results.iter().map(|&v| self.value(v)).collect()
    }

    fn value(&self, v: ValueId) -> Result<HostValue, Diagnostic> {
        if let Some(t) = self.graph.constant(v) {
            return Ok(HostValue::Tensor(t.clone()));
        }
        self.values.get(&v).cloned().ok_or_else(|| {
            Diagnostic::error("E3203", "the value isn't computed yet").tensor(&self.graph.values[v].name)
        })
    }

    fn node(&mut self, id: NodeId) -> Result<(), Diagnostic> {
        let node = &self.graph.nodes[id];
        let inputs: Vec<Option<HostValue>> =
            node.inputs.iter().map(|v| v.map(|v| self.value(v)).transpose()).collect::<Result<_, _>>()?;
        self.forget_symbols_of(id);
        let outcome = if node.regions.is_empty() {
            self.eval.eval(self.graph, id, &inputs, &self.env)?
        } else {
            Outcome { outputs: self.control(id, &inputs)?, symbols: vec![] }
        };
        let found = !outcome.symbols.is_empty();
        self.env.extend(outcome.symbols);
        if outcome.outputs.len() != node.outputs.len() {
            let n = outcome.outputs.len();
            return Err(self.node_error(id, "E3203", format!("{n} values for {} outputs", node.outputs.len())));
        }
        let mut bound = found;
        for (&v, value) in node.outputs.iter().zip(outcome.outputs) {
            bound |=
                self.fit(v, &value).map_err(|e| self.node_error(id, "E3203", e).tensor(&self.graph.values[v].name))?;
            self.values.insert(v, value);
        }
        if bound { self.guards() } else { Ok(()) }
    }

    fn node_error(&self, id: NodeId, code: &'static str, message: String) -> Diagnostic {
        let n = &self.graph.nodes[id];
        Diagnostic::error(code, message).node(&n.name, n.op.to_string())
    }
}
