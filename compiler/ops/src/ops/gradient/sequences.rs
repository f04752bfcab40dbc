//! Sequences: rules for what makes and takes them, sums and zeros of them, and what loops keep of their iterations in them.
//!
//! The derivative by a sequence is a sequence of as many items, each the derivative by one.
//!
//! Does NOT know what a loop keeps: see `loops`.

use super::rules::{Cx, Found, filled};
use crate::handles::leaf;
use crate::infer::unknown_type;
use crate::prelude::*;
use onnxc_ir::graph::{NodeId, OpName, Region, ValueDef, ValueId};
use onnxc_onnx::dtype::to_onnx;

/// The shares of a node's inputs by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (g, given) = (cx.g, cx.given());
    let part = |i: usize| given.get(i).copied().flatten();
    let Some(x) = part(0) else { return Ok(None) };
    let shares = match name {
        "SequenceConstruct" => {
            let at = |(k, _): (usize, &Option<ValueId>)| {
                let k = cx.n.constant("position", Tensor::scalar(k as i64));
                cx.op("SequenceAt", &[g, k]).map(Some)
            };
            given.iter().enumerate().map(at).collect::<Result<_>>()?
        }
        // Counted from the end, the item stands one further in what has it.
        "SequenceInsert" => {
            let at = match part(2) {
                Some(p) => shifted(cx, p, None)?,
                None => cx.n.constant("last", Tensor::scalar(-1i64)),
            };
            vec![Some(cx.op("SequenceErase", &[g, at])?), Some(cx.op("SequenceAt", &[g, at])?)]
        }
        "SequenceErase" => {
            let last = cx.n.constant("last", Tensor::scalar(-1i64));
            let p = part(1).unwrap_or(last);
            let item = cx.op("SequenceAt", &[x, p])?;
            let zeros = filled(cx.n, 0.0, item)?;
            let at = shifted(cx, p, Some(x))?;
            vec![Some(cx.op("SequenceInsert", &[g, zeros, at])?)]
        }
        "SequenceAt" | "Item" if cx.n.known.is_sequence(x) => {
            let (zeros, at) = (filled(cx.n, 0.0, x)?, shifted(cx, cx.inputs[1], Some(x))?);
            let others = cx.op("SequenceErase", &[zeros, at])?;
            vec![Some(cx.op("SequenceInsert", &[others, g, at])?)]
        }
        "Item" => vec![Some(g)],
        "ConcatFromSequence" => vec![Some(split(cx, x)?)],
        "SplitToSequence" => {
            let new = part(1).is_none() && cx.attrs.int("keepdims") == Some(0);
            let axis = ("axis", Attr::Int(cx.attrs.int("axis").unwrap_or(0)));
            vec![Some(cx.with("ConcatFromSequence", &[axis, ("new_axis", Attr::Int(i64::from(new)))], &[g])?)]
        }
        _ => return Ok(None),
    };
    Ok(Some(shares))
}

/// A position: below 0, counted from the end of `s`, or one more than that.
fn shifted(cx: &mut Cx, p: ValueId, s: Option<ValueId>) -> Result<ValueId> {
    let p = cx.with("Cast", &[("to", Attr::Int(7))], &[p])?;
    let [zero, minus] = [0i64, -1].map(|v| cx.n.constant("number", Tensor::scalar(v)));
    let by = match s {
        Some(s) => cx.op("SequenceLength", &[s])?,
        None => minus,
    };
    let (behind, moved) = (cx.op("Less", &[p, zero])?, cx.op("Add", &[p, by])?);
    cx.op("Where", &[behind, moved, p])
}

/// What was put together of the items of `s` is taken apart.
fn split(cx: &mut Cx, s: ValueId) -> Result<ValueId> {
    let (g, axis) = (cx.g, cx.attrs.int("axis").unwrap_or(0));
    let attrs = [("axis", Attr::Int(axis)), ("keepdims", Attr::Int(0))];
    if cx.attrs.int("new_axis") == Some(1) {
        return cx.with("SplitToSequence", &attrs, &[g]);
    }
    let count = cx.op("SequenceLength", &[s])?;
    let mut window = vec![("start", Attr::Int(axis))];
    window.extend((axis != -1).then_some(("end", Attr::Int(axis + 1))));
    let lengths = repeat(cx.n, count, &[], |n, number, _| {
        let item = n.emit_one("SequenceAt", &[], &[Some(s), Some(number)])?;
        let length = n.emit_one("Shape", &window, &[Some(item)])?;
        Ok(vec![n.emit_one("Squeeze", &[], &[Some(length)])?])
    })?;
    cx.with("SplitToSequence", &attrs[..1], &[g, lengths[0]])
}

/// A Loop of so many iterations over states; gives what its body gives: states, and stacked values.
pub(super) fn repeat(
    n: &mut NodeReader,
    count: ValueId,
    starts: &[ValueId],
    body: impl FnOnce(&mut NodeReader, ValueId, &[ValueId]) -> Result<Vec<ValueId>>,
) -> Result<Vec<ValueId>> {
    let number = n.param("number", Type::tensor(DType::I64, vec![]));
    let holds = n.param("holds", Type::tensor(DType::Bool, vec![]));
    let states: Vec<ValueId> = starts.iter().map(|_| n.param("state", unknown_type())).collect();
    let mut region = Region { params: [&[number, holds], &states[..]].concat(), nodes: vec![], results: vec![holds] };
    let results = n.inside(&mut region, |n| body(n, number, &states))?;
    let outputs = results.len();
    region.results.extend(results);
    let inputs: Vec<_> = [Some(count), None].into_iter().chain(starts.iter().map(|&v| Some(v))).collect();
    Ok(n.emit_regions(OpName::onnx("Loop"), Attrs::default(), &inputs, outputs, vec![region]))
}

/// A sequence of nothing, for items of a value's dtype, if that is known.
pub(super) fn empty(n: &mut NodeReader, like: ValueId) -> Result<Option<ValueId>> {
    let Some(dtype) = n.known.of(like).map(leaf) else { return Ok(None) };
    n.emit_one("SequenceEmpty", &[("dtype", Attr::Int(i64::from(to_onnx(dtype))))], &[]).map(Some)
}

/// What a function makes of the items of sequences of one length, which are like `like`.
pub(super) fn map(
    n: &mut NodeReader,
    sequences: &[ValueId],
    like: ValueId,
    make: impl FnOnce(&mut NodeReader, &[ValueId]) -> Result<ValueId>,
) -> Result<ValueId> {
    let Some(start) = empty(n, like)? else {
        return Err(n.error("E2029", "the items of a sequence have no known dtype"));
    };
    let count = n.emit_one("SequenceLength", &[], &[Some(sequences[0])])?;
    let made = repeat(n, count, &[start], |n, number, states| {
        let at = |&s: &ValueId| n.emit_one("SequenceAt", &[], &[Some(s), Some(number)]);
        let items = sequences.iter().map(at).collect::<Result<Vec<_>>>()?;
        let item = make(n, &items)?;
        Ok(vec![n.emit_one("SequenceInsert", &[], &[Some(states[0]), Some(item)])?])
    })?;
    Ok(made[0])
}

/// The sum of two derivatives by `v`.
pub(super) fn sum(n: &mut NodeReader, v: ValueId, a: ValueId, b: ValueId) -> Result<ValueId> {
    let add = |n: &mut NodeReader, a: ValueId, b: ValueId| n.emit_one("Add", &[], &[Some(a), Some(b)]);
    if n.known.is_sequence(v) { map(n, &[a, b], v, |n, items| add(n, items[0], items[1])) } else { add(n, a, b) }
}

/// What a loop keeps of a value, whose shape iterations change or which is a sequence: all in one sequence.
pub(super) struct History {
    /// The parameter for what was kept before, and what is kept then.
    pub(super) before: ValueId,
    pub(super) after: ValueId,
    /// How many items were kept before, and, of a sequence, how many are added.
    pub(super) first: ValueId,
    pub(super) count: Option<ValueId>,
}

/// Emits what keeps `v` in an iteration.
pub(super) fn keep(n: &mut NodeReader, v: ValueId) -> Result<History> {
    let before = n.param("kept", unknown_type());
    let first = n.emit_one("SequenceLength", &[], &[Some(before)])?;
    if !n.known.is_sequence(v) {
        let after = n.emit_one("SequenceInsert", &[], &[Some(before), Some(v)])?;
        return Ok(History { before, after, first, count: None });
    }
    let count = n.emit_one("SequenceLength", &[], &[Some(v)])?;
    let after = repeat(n, count, &[before], |n, number, states| {
        let item = n.emit_one("SequenceAt", &[], &[Some(v), Some(number)])?;
        Ok(vec![n.emit_one("SequenceInsert", &[], &[Some(states[0]), Some(item)])?])
    })?;
    Ok(History { before, after: after[0], first, count: Some(count) })
}

/// Lets a parameter be what was kept of it: an item of `kept`, or `count` of them; gives the nodes that make it.
pub(super) fn recall(
    n: &mut NodeReader,
    param: ValueId,
    kept: ValueId,
    first: ValueId,
    count: Option<ValueId>,
) -> Result<Vec<NodeId>> {
    let before = n.emitted().len();
    match count {
        None => n.emit_one("SequenceAt", &[], &[Some(kept), Some(first)])?,
        Some(count) => {
            let Some(start) = empty(n, param)? else {
                return Err(n.error("E2029", "the items of a sequence have no known dtype"));
            };
            let made = repeat(n, count, &[start], |n, number, states| {
                let at = n.emit_one("Add", &[], &[Some(first), Some(number)])?;
                let item = n.emit_one("SequenceAt", &[], &[Some(kept), Some(at)])?;
                Ok(vec![n.emit_one("SequenceInsert", &[], &[Some(states[0]), Some(item)])?])
            })?;
            made[0]
        }
    };
    let nodes = n.take_emitted(before);
    let id = *nodes.last().expect("a node was emitted");
    n.graph.nodes[id].outputs[0] = param;
    n.graph.values[param].def = ValueDef::Node(id, 0);
    Ok(nodes)
}
