//! Drawing of tokens: of the most probable ones that make up `top_p`, by their probabilities.
//!
//! The random numbers are those of ONNX Runtime where its C++ library has `minstd_rand0` for its default generator, as GCC's
//! has: what is drawn is the same there.

use super::words::*;
use crate::ops::contrib::{emit, inner};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// How it is drawn.
pub(super) struct Draw {
    top_p: f32,
    /// What tokens get that can't be drawn.
    filter: f32,
    /// So many can in any case.
    keep: i64,
    /// Tokens leave from the one on that follows those which make up `top_p`, instead of the least probable ones.
    custom: bool,
    seed: ValueId,
}

impl Draw {
    pub(super) fn read(n: &mut NodeReader, seed: ValueId) -> Result<Draw> {
        let keep = n.int("min_tokens_to_keep", 0)?;
        if keep < 0 {
            return Err(n.error("E2011", format!("'min_tokens_to_keep' is {keep}")).expected("0 or more"));
        }
        Ok(Draw {
            top_p: n.float("top_p", 0.0)?,
            filter: n.float("filter_value", f32::NEG_INFINITY)?,
            keep,
            custom: n.int("custom", 0)? != 0,
            seed,
        })
    }

    /// A token for each row of scores [rows, vocabulary] in a step.
    pub(super) fn tokens(&self, n: &mut NodeReader, scores: ValueId, step: ValueId) -> Result<ValueId> {
        let scores = self.filtered(n, scores)?;
        let rows = extent(n, scores, 0)?;
        let number = n.emit(inner("MinStd"), &[], &[Some(self.seed), Some(step), Some(rows)], 1)?[0];
        let number = at_axes(n, "Unsqueeze", number, &[1])?;
        // A position along the sums of what is probable.
        let scores = as_type(n, scores, DType::F64)?;
        let most = at_axes(n, "ReduceMax", scores, &[1])?;
        let below = op(n, "Sub", &[scores, most])?;
        let parts = op(n, "Exp", &[below])?;
        let axis = scalar(n, 1i64);
        let sums = op(n, "CumSum", &[parts, axis])?;
        let last = item(n, -1);
        let total = along(n, "Gather", 1, &[sums, last])?;
        let to = op(n, "Mul", &[number, total])?;
        let before = op(n, "LessOrEqual", &[sums, to])?;
        let before = as_type(n, before, DType::I64)?;
        let axis = item(n, 1);
        emit(n, "ReduceSum", &[("keepdims", Attr::Int(0))], &[before, axis])
    }

    /// Scores of which the least probable tokens have lost theirs.
    fn filtered(&self, n: &mut NodeReader, scores: ValueId) -> Result<ValueId> {
        let count = extent(n, scores, 1)?;
        let order = [("axis", Attr::Int(1)), ("largest", Attr::Int(i64::from(self.custom)))];
        let sorted = n.emit(OpName::onnx("TopK"), &order, &[Some(scores), Some(count)], 2)?;
        let [sorted, at] = sorted[..] else { unreachable!("two outputs") };
        let probable = along(n, "Softmax", 1, &[sorted])?;
        let axis = scalar(n, 1i64);
        let exclusive = [("exclusive", Attr::Int(i64::from(self.custom)))];
        let sums = emit(n, "CumSum", &exclusive, &[probable, axis])?;
        let leave = if self.custom {
            let limit = scalar(n, self.top_p);
            op(n, "Greater", &[sums, limit])?
        } else {
            let (limit, keep, zero) = (scalar(n, 1.0 - self.top_p), item(n, self.keep), scalar(n, 0i64));
            let unlikely = op(n, "LessOrEqual", &[sums, limit])?;
            let (places, end) = (counted(n, count)?, op(n, "Sub", &[count, keep])?);
            // The first one is looked at in any case.
            let (may, first) = (op(n, "Less", &[places, end])?, op(n, "Equal", &[places, zero])?);
            let may = op(n, "Or", &[may, first])?;
            op(n, "And", &[unlikely, may])?
        };
        let filter = scalar(n, self.filter);
        let kept = op(n, "Where", &[leave, filter, sorted])?;
        along(n, "ScatterElements", 1, &[scores, at, kept])
    }
}
