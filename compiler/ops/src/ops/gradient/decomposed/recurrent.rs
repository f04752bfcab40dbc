//! Recurrent layers: their parts by products, and the steps of each direction as a Scan.
//!
//! Does NOT derive layers of integers (`quantised`).

use super::{Extent, cast_like, number_list, reshaped, shape, shaped_as, slice};
use crate::infer::unknown_type;
use crate::ops::gradient::rules::Cx;
use crate::prelude::*;
use onnxc_ir::graph::{OpName, Region, ValueId};

/// The node's outputs, if it is one of those.
pub(super) fn outputs(cx: &mut Cx, name: &str, x: ValueId) -> Result<Option<Vec<ValueId>>> {
    let gates = cx.attrs.int("gates").unwrap_or(1);
    Ok(Some(match name {
        "RecurrentBias" => vec![bias(cx, x, gates)?],
        "RecurrentInput" => vec![input(cx, x)?],
        // Blocks of 16 units, of which the last may be filled up.
        "RecurrentWeights" => {
            let r = shaped_as(cx, x, &[Extent::Int(0), Extent::Int(gates), Extent::Int(-1), Extent::Of(x, 2, 3)])?;
            let missing = number_list(cx, &[0, 0, 0, 0, 0, 0, 15, 0]);
            let r = cx.op("Pad", &[r, missing])?;
            let units = cx.with("Shape", &[("start", Attr::Int(2)), ("end", Attr::Int(3))], &[r])?;
            let sixteen = number_list(cx, &[16]);
            let blocks = cx.op("Div", &[units, sixteen])?;
            let whole = cx.op("Mul", &[blocks, sixteen])?;
            let (from, axis) = (number_list(cx, &[0]), number_list(cx, &[2]));
            let r = cx.op("Slice", &[r, from, whole, axis])?;
            let r = shaped_as(
                cx,
                r,
                &[Extent::Int(0), Extent::Int(0), Extent::Int(-1), Extent::Int(16), Extent::Of(x, 2, 3)],
            )?;
            vec![cx.with("Transpose", &[("perm", Attr::Ints(vec![0, 2, 4, 1, 3]))], &[r])?]
        }
        "RecurrentSteps" if cx.attrs.int("quantised") != Some(1) => steps(cx)?,
        _ => return Ok(None),
    }))
}

/// Both halves summed, but for the recurrent one of the last gate if that is `linear`.
fn bias(cx: &mut Cx, b: ValueId, gates: i64) -> Result<ValueId> {
    let b = cast_like(cx, b, cx.y)?;
    let halves = reshaped(cx, b, &[0, 2, gates, -1])?;
    let (own, mut other) = (slice(cx, halves, 1, 0, 1)?, slice(cx, halves, 1, 1, 2)?);
    if cx.attrs.int("linear") == Some(1) {
        let counts: Vec<f32> = (0..gates).map(|g| if g + 1 < gates { 1.0 } else { 0.0 }).collect();
        let counts = cx.n.constant("counts", Tensor::from_slice(&[gates as usize, 1], &counts));
        let counts = cast_like(cx, counts, cx.y)?;
        other = cx.op("Mul", &[other, counts])?;
    }
    let sum = cx.op("Add", &[own, other])?;
    reshaped(cx, sum, &[-1])
}

/// X W + b.
fn input(cx: &mut Cx, x: ValueId) -> Result<ValueId> {
    let y = cx.y;
    let rows = cx.with("Flatten", &[("axis", Attr::Int(2))], &[x])?;
    let mut inputs = vec![];
    for v in [&[rows], &cx.inputs.clone()[1..]].concat() {
        inputs.push(cast_like(cx, v, y)?);
    }
    let product = cx.with("Gemm", &[("transB", Attr::Int(1))], &inputs)?;
    cx.shaped(product, y)
}

/// What the steps of one direction work with.
struct Direction {
    functions: Vec<(String, f32, f32)>,
    /// The recurrent weights, [gates * hidden, hidden], and the recurrent bias of the last gate.
    weights: ValueId,
    bias: Option<ValueId>,
    peepholes: Option<ValueId>,
}

/// The layer's outputs: all states, the last one, and the last state of the cells.
fn steps(cx: &mut Cx) -> Result<Vec<ValueId>> {
    let given = cx.given();
    let part = |i: usize| given.get(i).copied().flatten();
    let layout = cx.attrs.int("layout") == Some(1);
    let [mut px, mut h, mut c] = [part(0), part(4), part(5)];
    if layout {
        px = px.map(|v| swapped(cx, v, "abcd->bacd")).transpose()?;
        for v in [&mut h, &mut c] {
            *v = v.map(|v| swapped(cx, v, "abc->bac")).transpose()?;
        }
    }
    let Some(px) = px else { return Err(super::super::rules::refused(cx.n, cx.id)) };
    let directions = if cx.attrs.str("direction") == Some("bidirectional") { 2 } else { 1 };
    let mut all: [Vec<ValueId>; 3] = Default::default();
    for d in 0..directions {
        let made = direction(cx, d, px, [h, c])?;
        all.iter_mut().zip(made).for_each(|(list, v)| list.push(v));
    }
    let mut outputs = vec![];
    for (k, parts) in all.into_iter().enumerate() {
        let axis = number_list(cx, &[if k == 0 { 1 } else { 0 }]);
        let parts = parts.into_iter().map(|v| cx.op("Unsqueeze", &[v, axis])).collect::<Result<Vec<_>>>()?;
        let v = cx.with("Concat", &[("axis", Attr::Int(if k == 0 { 1 } else { 0 }))], &parts)?;
        let v = match (layout, k) {
            (false, _) => v,
            (true, 0) => cx.with("Transpose", &[("perm", Attr::Ints(vec![2, 0, 1, 3]))], &[v])?,
            (true, _) => swapped(cx, v, "abc->bac")?,
        };
        outputs.push(cast_like(cx, v, cx.y)?);
    }
    outputs.truncate(if cx.attrs.str("kind") == Some("LSTM") { 3 } else { 2 });
    Ok(outputs)
}

/// Axes in another order.
fn swapped(cx: &mut Cx, v: ValueId, text: &str) -> Result<ValueId> {
    cx.with("Einsum", &[("equation", Attr::Str(text.into()))], &[v])
}

/// A row of the first axis, without that.
fn row(cx: &mut Cx, v: ValueId, d: i64, like: ValueId) -> Result<ValueId> {
    let at = cx.n.constant("direction", Tensor::scalar(d));
    let v = cx.with("Gather", &[("axis", Attr::Int(0))], &[v, at])?;
    cast_like(cx, v, like)
}

/// States [steps, batch, hidden], the last state, the last cell state.
fn direction(cx: &mut Cx, d: i64, px: ValueId, initial: [Option<ValueId>; 2]) -> Result<[ValueId; 3]> {
    let lengths = cx.given().get(3).copied().flatten();
    let number = cx.n.constant("direction", Tensor::scalar(d));
    let mut own = cx.with("Gather", &[("axis", Attr::Int(2))], &[px, number])?;
    let reverse = d == 1 || cx.attrs.str("direction") == Some("reverse");
    // Where samples have lengths, each is turned around by itself.
    let turned = lengths.filter(|_| reverse);
    if let Some(lengths) = turned {
        own = reversed(cx, own, lengths)?;
    }
    let back = i64::from(reverse && lengths.is_none());
    let with = operands(cx, d, px)?;
    let mut inputs = vec![];
    for v in initial {
        inputs.push(Some(state(cx, v, d, px)?));
    }
    inputs.extend([Some(own), Some(numbers(cx, px)?)]);
    let region = body(cx, &with, lengths)?;
    let mut attrs = Attrs::default().with("num_scan_inputs", Attr::Int(2));
    attrs.set("scan_input_directions", Attr::Ints(vec![back, back]));
    attrs.set("scan_output_directions", Attr::Ints(vec![back]));
    let made = cx.n.emit_regions(OpName::onnx("Scan"), attrs, &inputs, 3, vec![region]);
    let all = match turned {
        Some(lengths) => reversed(cx, made[2], lengths)?,
        None => made[2],
    };
    Ok([all, made[0], made[1]])
}

/// The initial state of a direction; zeros, if none is given.
fn state(cx: &mut Cx, given: Option<ValueId>, d: i64, px: ValueId) -> Result<ValueId> {
    let Some(v) = given else {
        let zero = cx.number(0.0)?;
        let zero = cast_like(cx, zero, px)?;
        let shape = shape(cx, &[Extent::Of(px, 1, 2), Extent::Of(cx.inputs[1], 2, 3)])?;
        return cx.op("Expand", &[zero, shape]);
    };
    row(cx, v, d, px)
}

/// The numbers of the steps.
fn numbers(cx: &mut Cx, px: ValueId) -> Result<ValueId> {
    let count = cx.with("Shape", &[("end", Attr::Int(1))], &[px])?;
    let scalar = number_list(cx, &[]);
    let count = cx.op("Reshape", &[count, scalar])?;
    let [from, by] = [0i64, 1].map(|v| cx.n.constant("number", Tensor::scalar(v)));
    cx.op("Range", &[from, count, by])
}

/// A step: states before and after; behind a sample's length they stay, and the step gives 0.
fn body(cx: &mut Cx, with: &Direction, lengths: Option<ValueId>) -> Result<Region> {
    let [before, cell, x, t] = ["h", "c", "x", "t"].map(|hint| cx.n.param(hint, unknown_type()));
    let emitted = cx.n.emitted().len();
    let (mut after, mut cell_after) = step(cx, with, x, before, cell)?;
    let mut out = after;
    if let Some(lengths) = lengths {
        let lengths = cx.with("Cast", &[("to", Attr::Int(7))], &[lengths])?;
        let live = cx.op("Less", &[t, lengths])?;
        let live = reshaped(cx, live, &[-1, 1])?;
        let zero = cx.number(0.0)?;
        let zero = cast_like(cx, zero, x)?;
        out = cx.op("Where", &[live, after, zero])?;
        after = cx.op("Where", &[live, after, before])?;
        cell_after = cx.op("Where", &[live, cell_after, cell])?;
    }
    let results = vec![after, cell_after, cx.op("Identity", &[out])?];
    Ok(Region { params: vec![before, cell, x, t], nodes: cx.n.take_emitted(emitted), results })
}

/// Each sample's steps in the other direction.
fn reversed(cx: &mut Cx, v: ValueId, lengths: ValueId) -> Result<ValueId> {
    let lengths = cx.with("Cast", &[("to", Attr::Int(7))], &[lengths])?;
    cx.with("ReverseSequence", &[("batch_axis", Attr::Int(1)), ("time_axis", Attr::Int(0))], &[v, lengths])
}

fn operands(cx: &mut Cx, d: i64, like: ValueId) -> Result<Direction> {
    let given = cx.given();
    let part = |i: usize| given.get(i).copied().flatten();
    let lists = (cx.attrs.strs("activations"), cx.attrs.floats("alpha"), cx.attrs.floats("beta"));
    let (names, alpha, beta) = match lists {
        (Some(names), Some(alpha), Some(beta)) => (names.to_vec(), alpha.to_vec(), beta.to_vec()),
        _ => return Err(super::super::rules::refused(cx.n, cx.id)),
    };
    let count = match cx.attrs.str("kind") {
        Some("LSTM") => 3,
        Some("GRU") => 2,
        _ => 1,
    };
    let own = (d as usize * count)..((d as usize + 1) * count);
    let functions = own.filter_map(|i| Some((names.get(i)?.clone(), *alpha.get(i)?, *beta.get(i)?))).collect();
    // Of blocks of units, gate by gate.
    let w = row(cx, cx.inputs[1], d, like)?;
    let w = cx.with("Transpose", &[("perm", Attr::Ints(vec![2, 0, 3, 1]))], &[w])?;
    let w = shaped_as(cx, w, &[Extent::Int(0), Extent::Int(-1), Extent::Of(w, 3, 4)])?;
    let [from, axis] = [0i64, 1].map(|v| number_list(cx, &[v]));
    let hidden = cx.with("Shape", &[("start", Attr::Int(2)), ("end", Attr::Int(3))], &[w])?;
    let w = cx.op("Slice", &[w, from, hidden, axis])?;
    let weights = shaped_as(cx, w, &[Extent::Int(-1), Extent::Of(w, 2, 3)])?;
    let bias = match part(2) {
        Some(b) => {
            let b = row(cx, b, d, like)?;
            let parts = reshaped(cx, b, &[6, -1])?;
            let last = slice(cx, parts, 0, 5, 6)?;
            Some(last)
        }
        None => None,
    };
    let peepholes = part(6).map(|p| row(cx, p, d, like)).transpose()?;
    let peepholes = peepholes.map(|p| reshaped(cx, p, &[3, 1, -1])).transpose()?;
    Ok(Direction { functions, weights, bias, peepholes })
}

/// The state after a step, and that of the cell.
fn step(cx: &mut Cx, with: &Direction, x: ValueId, h: ValueId, c: ValueId) -> Result<(ValueId, ValueId)> {
    match cx.attrs.str("kind") {
        Some("LSTM") => lstm(cx, with, x, h, c),
        Some("GRU") => Ok((gru(cx, with, x, h)?, c)),
        _ => {
            let product = recurrent(cx, h, with.weights)?;
            let sum = cx.op("Add", &[x, product])?;
            Ok((activate(cx, with, 0, sum)?, c))
        }
    }
}

fn recurrent(cx: &mut Cx, h: ValueId, weights: ValueId) -> Result<ValueId> {
    cx.with("Gemm", &[("transB", Attr::Int(1))], &[h, weights])
}

/// So many equal parts along an axis.
fn split(cx: &mut Cx, v: ValueId, axis: i64, count: usize) -> Result<Vec<ValueId>> {
    let attrs = [("axis", Attr::Int(axis)), ("num_outputs", Attr::Int(count as i64))];
    cx.n.emit(OpName::onnx("Split"), &attrs, &[Some(v)], count)
}

fn lstm(cx: &mut Cx, with: &Direction, x: ValueId, h: ValueId, c: ValueId) -> Result<(ValueId, ValueId)> {
    let product = recurrent(cx, h, with.weights)?;
    let sum = cx.op("Add", &[x, product])?;
    let gates = split(cx, sum, 1, 4)?;
    let peep = |cx: &mut Cx, gate: ValueId, k: i64, cell: ValueId| match with.peepholes {
        Some(p) => {
            let at = cx.n.constant("peephole", Tensor::scalar(k));
            let p = cx.with("Gather", &[("axis", Attr::Int(0))], &[p, at])?;
            let seen = cx.op("Mul", &[p, cell])?;
            cx.op("Add", &[gate, seen])
        }
        None => Ok(gate),
    };
    let i = peep(cx, gates[0], 0, c)?;
    let i = activate(cx, with, 0, i)?;
    let forget = if cx.attrs.int("flag") == Some(1) {
        let one = cx.number(1.0)?;
        let one = cast_like(cx, one, i)?;
        cx.op("Sub", &[one, i])?
    } else {
        let f = peep(cx, gates[2], 2, c)?;
        activate(cx, with, 0, f)?
    };
    let fresh = activate(cx, with, 1, gates[3])?;
    let (kept, taken) = (cx.op("Mul", &[forget, c])?, cx.op("Mul", &[i, fresh])?);
    let c = cx.op("Add", &[kept, taken])?;
    let o = peep(cx, gates[1], 1, c)?;
    let o = activate(cx, with, 0, o)?;
    let out = function(cx, &with.functions[2], c)?;
    Ok((cx.op("Mul", &[o, out])?, c))
}

fn gru(cx: &mut Cx, with: &Direction, x: ValueId, h: ValueId) -> Result<ValueId> {
    let (gates, weights) = (split(cx, x, 1, 3)?, split(cx, with.weights, 0, 3)?);
    let mut first = vec![];
    for k in 0..2 {
        let product = recurrent(cx, h, weights[k])?;
        let sum = cx.op("Add", &[gates[k], product])?;
        first.push(activate(cx, with, 0, sum)?);
    }
    let (z, r) = (first[0], first[1]);
    let other = if cx.attrs.int("flag") == Some(1) {
        let product = recurrent(cx, h, weights[2])?;
        let product = match with.bias {
            Some(b) => cx.op("Add", &[product, b])?,
            None => product,
        };
        cx.op("Mul", &[r, product])?
    } else {
        let reset = cx.op("Mul", &[r, h])?;
        recurrent(cx, reset, weights[2])?
    };
    let sum = cx.op("Add", &[gates[2], other])?;
    let fresh = activate(cx, with, 1, sum)?;
    // h + (1 - z) (fresh - h).
    let one = cx.number(1.0)?;
    let one = cast_like(cx, one, z)?;
    let (rest, new) = (cx.op("Sub", &[one, z])?, cx.op("Sub", &[fresh, h])?);
    let step = cx.op("Mul", &[rest, new])?;
    cx.op("Add", &[h, step])
}

/// A function of a clipped value.
fn activate(cx: &mut Cx, with: &Direction, k: usize, v: ValueId) -> Result<ValueId> {
    let v = match cx.attrs.float("clip") {
        Some(clip) => {
            let (most, least) = (cx.number(f64::from(clip))?, cx.number(f64::from(-clip))?);
            cx.op("Clip", &[v, least, most])?
        }
        None => v,
    };
    function(cx, &with.functions[k], v)
}

fn function(cx: &mut Cx, (name, alpha, beta): &(String, f32, f32), v: ValueId) -> Result<ValueId> {
    let (alpha, beta) = (*alpha, *beta);
    let with = |cx: &mut Cx, op: &str, attrs: &[(&str, f32)]| {
        let attrs: Vec<_> = attrs.iter().map(|(n, v)| (*n, Attr::Float(*v))).collect();
        cx.with(op, &attrs, &[v])
    };
    match name.as_str() {
        "affine" | "scaledtanh" => {
            let factor = cx.number(f64::from(if name == "affine" { alpha } else { beta }))?;
            let factor = cast_like(cx, factor, v)?;
            let other = cx.number(f64::from(if name == "affine" { beta } else { alpha }))?;
            let other = cast_like(cx, other, v)?;
            let scaled = cx.op("Mul", &[v, factor])?;
            if name == "affine" {
                return cx.op("Add", &[scaled, other]);
            }
            let tanh = cx.op("Tanh", &[scaled])?;
            cx.op("Mul", &[tanh, other])
        }
        "elu" => with(cx, "Elu", &[("alpha", alpha)]),
        "hardsigmoid" => with(cx, "HardSigmoid", &[("alpha", alpha), ("beta", beta)]),
        "leakyrelu" => with(cx, "LeakyRelu", &[("alpha", alpha)]),
        "relu" => with(cx, "Relu", &[]),
        "sigmoid" => with(cx, "Sigmoid", &[]),
        "softplus" => with(cx, "Softplus", &[]),
        "softsign" => with(cx, "Softsign", &[]),
        "thresholdedrelu" => with(cx, "ThresholdedRelu", &[("alpha", alpha)]),
        _ => with(cx, "Tanh", &[]),
    }
}
