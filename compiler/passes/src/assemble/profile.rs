//! Marks for measuring: calls of the runtime's `profile` when a run begins and after each step.
//!
//! The marks of steps inside of loops and branches stand there, so what is left for the control flow node itself is what
//! it costs beside them. Only in programs that ask for it; there is nothing of this in others.

use super::Assembler;
use onnxc_base::DType;
use onnxc_ir::graph::{TensorType, ValueId};
use onnxc_ir::loops::{Arg, ParamKind};

/// The runtime's functions.
const START: &str = "onnxc_rt_profile_start";
const MARK: &str = "onnxc_rt_profile_mark";

impl Assembler<'_> {
    /// The run begins.
    pub(super) fn start_profile(&mut self) {
        if self.profile {
            self.f.call_linked(START, &[], None);
        }
    }

    /// Step `number` ends here, if there is one: some nodes are no work.
    pub(super) fn mark(&mut self, number: usize) {
        if self.profile && number < self.steps.len() {
            let step = self.f.int(number as i64);
            self.f.call_linked(MARK, &[(Arg::Value(step), ParamKind::Scalar(DType::I64))], None);
        }
    }

    /// The types of those values that are tensors.
    pub(super) fn tensor_types<'v>(&self, values: impl IntoIterator<Item = &'v ValueId>) -> Vec<TensorType> {
        values.into_iter().filter_map(|&v| self.graph.tensor_type(v).cloned()).collect()
    }
}
