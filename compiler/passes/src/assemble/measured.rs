//! What a run of steps needs as one kernel: its schedule says which rows lie in the workspace, and a run of its addresses
//! whether the result can have the place of an operand.

use super::call::{made, made_with_copy};
use super::cut::Step;
use super::joins::{Planner, Run};
use super::kernels::{StepKernel, lower_nodes};
use crate::from_kernel::{KernelArg, scratch_bytes};
use crate::kernel::optimise;
use onnxc_base::Diagnostic;
use onnxc_ir::graph::{NodeId, ValueId};
use onnxc_ir::kernel::ParamId;
use onnxc_ops::Registry;

impl Planner<'_> {
    /// Bytes alive while a run is computed; what can't be lowered is no run.
    pub(super) fn measured(&self, registry: &Registry, r: &Run) -> i64 {
        let nodes = self.steps[r.from..=r.to].iter().map(|s| match s {
            Step::Kernel(nodes) => Some(nodes.as_slice()),
            Step::Node(_) => None,
        });
        let Some(nodes) = nodes.collect::<Option<Vec<_>>>().map(|n| n.concat()) else { return r.peak };
        let Some(y) = self.result(r.to) else { return r.peak };
        match self.kernel_bytes(registry, r, &nodes, y) {
            Ok(bytes) => bytes.map_or(r.peak, |b| r.outside + b),
            Err(_) => i64::MAX,
        }
    }

    /// Bytes beside what is there before; none if they depend on dims.
    fn kernel_bytes(
        &self,
        registry: &Registry,
        r: &Run,
        nodes: &[NodeId],
        y: ValueId,
    ) -> Result<Option<i64>, Diagnostic> {
        let StepKernel { mut kernel, inputs, .. } =
            lower_nodes(self.graph, registry, nodes, &[y], &self.graph.ranges())?;
        let plain = kernel.clone();
        optimise(&mut kernel, self.machine)?;
        let named = |name: &str| inputs.iter().copied().find(|v| self.graph.values[*v].name == name);
        let ends = |name: &str| named(name).is_some_and(|v| self.could_take(r, v, y));
        let ending: Vec<ParamId> = kernel.params.iter().filter(|(_, p)| ends(&p.name)).map(|(id, _)| id).collect();
        if ending.is_empty() {
            return Ok(scratch_bytes(&kernel, self.machine).map(|b| b + r.own));
        }
        let mut found = made(self.machine, &kernel, &ending)?;
        if found.taken.is_none() {
            found = made_with_copy(self.machine, &plain, &ending)?.map_or(found, |(_, m)| m);
        }
        let scratch: Option<i64> = found.args.iter().map(KernelArg::scratch_bytes).sum();
        Ok(scratch.map(|b| b + if found.taken.is_some() { 0 } else { r.own }))
    }

    /// True if a run's result could lie in the place of a value: made before, not read after, and as large.
    fn could_take(&self, r: &Run, v: ValueId, y: ValueId) -> bool {
        let bytes = |v: ValueId| self.graph.tensor_type(v)?.count().as_int();
        let dtype = |v: ValueId| self.graph.tensor_type(v).map(|t| t.dtype);
        let before = || (0..r.from).any(|i| self.result(i) == Some(v));
        let large = bytes(v).zip(bytes(y)).is_some_and(|(room, own)| room >= own);
        r.own > 0 && large && dtype(v) == dtype(y) && self.ends.end_within(v, r.from, r.to) && before()
    }
}
