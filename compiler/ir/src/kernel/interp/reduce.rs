//! Reductions: a value at each point of output and reduction axes, combined into the output's buffer.
//!
//! Holds: for each output point, values come in the order of the reduction axes, the last fastest.

use super::column::{Span, combine};
use super::compile::{Extent, Scope};
use super::load::row_major;
use super::space::Affine;
use super::{Buffer, InterpError, is_empty};
use crate::kernel::{Expr, ReduceOp};

/// Combines `value` at each point of `axes` and `over` into the buffer, which has the start values.
pub(super) fn reduce(
    scope: &Scope,
    op: ReduceOp,
    value: &Expr,
    (axes, over): (&[Extent], &[Extent]),
    out: &mut Buffer,
) -> Result<(), InterpError> {
    if is_empty(axes) || is_empty(over) {
        return Ok(());
    }
    let (vars, home) = arrange(axes, over);
    let (program, dtype) = scope.compile(value, &vars)?;
    if dtype != out.dtype {
        return Err(scope.invalid(format!("the value is {dtype}, the definition {}", out.dtype)));
    }
    scope.each_block(&program, &vars, |block, values| {
        // Neighbours of the lane are either neighbours in the output or all combined into one of its elements.
        let beside = home.coef(block.lane()) != 0;
        for (run, point) in block.runs() {
            let span = Span { from: run.at, to: home.at(point) as usize, len: run.len };
            combine(op.binary(), dtype, &mut out.words, values, span, beside);
        }
        Ok(())
    })
}

/// The order of all variables, and the place of an output element by them. The lane is the last reduction axis, or
/// the last output axis where that is longer: either keeps the order of each sum.
fn arrange(axes: &[Extent], over: &[Extent]) -> (Vec<Extent>, Affine) {
    let extents: Vec<i64> = axes.iter().map(|a| a.1).collect();
    let mut strides = row_major(&extents);
    let mut vars: Vec<Extent> = axes.to_vec();
    let mut end = None;
    if axes.last().map_or(0, |a| a.1) > over.last().map_or(0, |a| a.1) {
        end = vars.pop();
    }
    let stay = vars.len();
    vars.extend_from_slice(over);
    let mut home = Affine { base: 0, terms: strides.drain(..stay).enumerate().collect() };
    if let Some(last) = end {
        home.terms.push((vars.len(), 1));
        vars.push(last);
    }
    (vars, home)
}
