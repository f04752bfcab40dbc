//! Nodes on strings, sequences, optionals and maps: what they become with handles is run by the same functions that
//! modules are linked with.

use super::{Evaluator, One};
use crate::handles::linked::Objects;
use crate::handles::{convert, host, is_handle};
use crate::registry::OpRef;
use onnxc_base::{Diagnostic, Tensor};
use onnxc_ir::graph::interp::{Env, HostValue, Outcome};
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};
use std::collections::BTreeMap;

impl Evaluator<'_> {
    /// True if a node takes or gives a value that machine code holds as a handle.
    pub(super) fn has_handles(&self, graph: &Graph, node: NodeId) -> bool {
        let n = &graph.nodes[node];
        let runtime =
            matches!(self.registry.find(&n.op), Some(OpRef::Builtin(d)) if matches!(d.lower, crate::Lower::Runtime(_)));
        runtime || n.inputs.iter().flatten().chain(&n.outputs).any(|&v| is_handle(&graph.values[v].ty))
    }

    pub(super) fn eval_objects(
        &self,
        graph: &Graph,
        node: NodeId,
        inputs: &[Option<HostValue>],
        env: &Env,
    ) -> Result<Outcome, Diagnostic> {
        let n = &graph.nodes[node];
        let error = |code, m: &str| Diagnostic::error(code, m).node(n.name.clone(), n.op.to_string());
        let mut alone = graph.clone();
        let params: Vec<ValueId> = n.inputs.iter().flatten().copied().collect();
        alone.body = Region { params, nodes: vec![node], results: n.outputs.clone() };
        let converted = convert(&alone, self.registry)
            .map_err(|d| d.0.into_iter().next().unwrap_or_else(|| error("E3301", "it can't be expanded")))?;
        let (machine, handles) = converted.unwrap_or((alone, Default::default()));
        let mut objects = Objects::begin(&handles.strings);
        let mut values: BTreeMap<ValueId, Tensor> = BTreeMap::new();
        for (v, x) in n.inputs.iter().zip(inputs) {
            if let (Some(v), Some(x)) = (v, x) {
                values.insert(*v, host::give(objects.run(), x));
            }
        }
        let mut env = env.clone();
        let mut symbols = Vec::new();
        for &m in &machine.body.nodes {
            let value = |v: &ValueId| machine.constant(*v).cloned().or_else(|| values.get(v).cloned());
            let given = machine.nodes[m].inputs.iter().map(|v| v.as_ref().and_then(value)).collect();
            let address = Some(objects.address());
            let mut one =
                One { graph: &machine, node: m, inputs: given, env: env.clone(), defined: vec![], objects: address };
            let Some(OpRef::Builtin(def)) = self.registry.find(&machine.nodes[m].op) else {
                return Err(error("E3301", "the operator can't be evaluated here"));
            };
            let outputs = one.builtin(def)?;
            env.extend(one.defined.iter().cloned());
            symbols.append(&mut one.defined);
            values.extend(machine.nodes[m].outputs.iter().copied().zip(outputs));
        }
        let outputs = n.outputs.iter().map(|v| {
            let t = values.get(v).or(machine.constant(*v));
            let value = t.and_then(|t| host::take(objects.run(), t, &graph.values[*v].ty));
            value.ok_or_else(|| error("E3303", "an output isn't what its type says"))
        });
        let outputs = outputs.collect::<Result<_, _>>()?;
        Ok(Outcome { outputs, symbols })
    }
}
