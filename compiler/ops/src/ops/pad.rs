//! Pad and CenterCropPad: a tensor within more (or fewer) elements along each axis.
//!
//! Pad since 1: attributes `paddings`, `value`; since 2: `pads`; since 11: inputs pads, value; since 18: input axes;
//! since 19: mode `wrap`. Negative pads cut. CenterCropPad since 18.
//! From here down: the inputs of the newest versions, attribute `mode`. Pads that are known only when the model runs
//! are symbols that `extents` gives values to.

use super::lengths::{self, Beside, expect_length, expect_one, known_length, open_length};
use super::movement::*;
use crate::prelude::*;
use onnxc_base::Ranges;
use onnxc_ir::graph::{Graph, NodeId, SymbolSource};
use onnxc_ir::loops::Value;

/// Pad.
pub static PAD: OpDef = OpDef {
    domain: "",
    name: "Pad",
    versions: &[
        (1, |n| import_attrs(n, "paddings")),
        (2, |n| import_attrs(n, "pads")),
        (11, |n| import(n, &MODES[..3])),
        (13, |n| import(n, &MODES[..3])),
        // PyTorch writes `wrap` in 18, too.
        (18, |n| import(n, &MODES)),
        (19, |n| import(n, &MODES)),
        (21, |n| import(n, &MODES)),
        (23, |n| import(n, &MODES)),
        (24, |n| import(n, &MODES)),
        (25, |n| import(n, &MODES)),
    ],
    infer: infer_pad,
    lower: Lower::Compute(lower_pad),
    extents: Some(pad_extents),
};

/// CenterCropPad.
pub static CENTER_CROP_PAD: OpDef = OpDef {
    domain: "",
    name: "CenterCropPad",
    versions: &[(18, import_center)],
    infer: infer_center,
    lower: Lower::Compute(lower_center),
    extents: Some(center_extents),
};

const MODES: [&str; 4] = ["constant", "reflect", "edge", "wrap"];
/// More padding than this is a mistake.
const MOST: i64 = 1 << 40;

fn import(n: &mut NodeReader, modes: &[&str]) -> Result<Attrs> {
    Ok(Attrs::default().with("mode", Attr::Str(n.choice("mode", modes)?)))
}

fn import_attrs(n: &mut NodeReader, pads: &str) -> Result<Attrs> {
    let list = n.need_ints(pads)?;
    n.set_input(1, "pads", Tensor::from_slice(&[list.len()], &list));
    // A float whatever the dtype of the data; it is converted when it is used.
    let value = n.float("value", 0.0)?;
    n.set_input(2, "value", Tensor::from_slice(&[], &[value]));
    import(n, &MODES[..3])
}

/// How much is added at both ends of each axis.
type Pads = Vec<(Sym, Sym)>;

fn infer_pad(cx: &mut InferCx) -> Result<()> {
    expect_one(cx, 2);
    if cx.opt(3).is_none() {
        expect_length(cx, 1, 2 * cx.shape(0)?.len());
    }
    match (known_length(cx, 1), known_length(cx, 3)) {
        (Some(pads), None) => expect_length(cx, 3, pads / 2),
        (None, Some(axes)) => expect_length(cx, 1, 2 * axes),
        _ => {}
    }
    let x = any(cx, 0)?;
    let open = cx.opt(3).is_some() && open_length(&cx.shape(3)?);
    let axes = match open {
        true => Axes::Later(0),
        false => axes_input(cx, 3, x.rank())?.unwrap_or_else(|| Axes::Known((0..x.rank()).collect())),
    };
    let length = if open { 0 } else { list_length(cx, 1)? };
    if open {
        let (pads, axes) = (product(&cx.shape(1)?), product(&cx.shape(3)?));
        cx.unify(&pads, &(axes * 2), "there are two pads for each axis")?;
    } else if length != 2 * axes.len() {
        return Err(cx
            .error("E2005", format!("there are {length} pads for {} axes", axes.len()))
            .expected("two for each axis: begins, then ends"));
    }
    if cx.opt(2).is_some() && any(cx, 2)?.count().as_int() != Some(1) {
        return Err(cx.error("E2005", "the value to pad with isn't one element").expected("a scalar"));
    }
    let symbols = match &axes {
        Axes::Later(_) => 2 * x.rank(),
        Axes::Known(_) if cx.content(1).is_none() => length,
        Axes::Known(_) => 0,
    };
    for k in 0..symbols {
        cx.fresh_extent(k as u32, "pad", -MOST, Some(Sym::int(MOST)));
    }
    let pads = pads(cx.graph, cx.id(), x.rank());
    let copies = cx.attrs().str("mode").is_some_and(|m| m != "constant");
    let mut shape = Vec::new();
    for (axis, (from, pad)) in x.shape.iter().zip(&pads).enumerate() {
        let found = symbols > 0 && !(pad.0.is_zero() && pad.1.is_zero());
        let d = match found {
            // What is computed during the run is a symbol, as a sum would only hide that it isn't negative.
            true => cx.fresh_extent((symbols + axis) as u32, "padded", 0, None),
            false => cx.ranges().simplify(&(from + &pad.0 + &pad.1)),
        };
        not_negative(cx, &d)?;
        if copies && !only_cuts(&cx.ranges(), pad) {
            // Elements can't be copied from nowhere: an empty axis stays empty.
            let one = Sym::int(1);
            let missing = Sym::max(&(Sym::min(&d, &one) - Sym::min(from, &one)), &Sym::int(0));
            cx.unify(&missing, &Sym::int(0), "an empty axis is padded by its own elements")?;
        }
        shape.push(d);
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// The axes of a list of axes, all without one; `None` if they aren't known.
fn listed(given: Option<Option<Vec<Sym>>>, rank: usize) -> Option<Vec<usize>> {
    match given {
        None => Some((0..rank).collect()),
        Some(axes) => axes?.iter().map(|a| Some(a.as_int()?.rem_euclid(rank.max(1) as i64) as usize)).collect(),
    }
}

/// The pads of each axis: known, or the symbols that `infer` has made; for all axes if it isn't known which are listed.
fn pads(graph: &Graph, node: NodeId, rank: usize) -> Pads {
    let input = graph.nodes[node].inputs[1].expect("infer has required it");
    let given = graph.nodes[node].inputs.get(3).copied().flatten();
    let axes = listed(given.map(|v| crate::infer::content_of(graph, v)), rank);
    let content = crate::infer::content_of(graph, input).filter(|_| axes.is_some());
    let axes = axes.unwrap_or_else(|| (0..rank).collect());
    let at = |k: usize| match &content {
        Some(c) => c[k].clone(),
        None => {
            let source = SymbolSource::Extent(node, k as u32);
            let symbol = graph.symbols.iter().find(|(_, i)| i.source == source).map(|(s, _)| s.clone());
            Sym::var(symbol.expect("infer has made it"))
        }
    };
    let mut pads = vec![(Sym::int(0), Sym::int(0)); rank];
    for (k, &a) in axes.iter().enumerate() {
        pads[a] = (at(k), at(k + axes.len()));
    }
    pads
}

/// The pads, then the extent of each axis with them.
fn pad_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let rank = x.len();
    let known = listed(cx.opt(3).map(|_| cx.content(3)), rank).is_some();
    let open = !known && open_length(&cx.input_type(3).shape);
    let mut pads = if open { vec![] } else { run_time_list(cx, 1)? };
    if open {
        let part = |part| Beside { input: 1, part, default: 0 };
        pads = lengths::by_axis(cx, Some(3), rank, &[part(0), part(1)])?.beside.concat();
    } else if !known {
        let axes = run_time_axes(cx, 3, rank)?;
        let (begins, ends) = pads.split_at(axes.len());
        pads = [begins, ends].map(|v| by_axis(cx, rank, &axes, v, 0)).concat();
    }
    let (least, most) = (cx.f.int(-MOST), cx.f.int(MOST));
    for &p in &pads {
        let (low, high) = (cx.f.compare(CmpOp::Lt, p, least), cx.f.compare(CmpOp::Gt, p, most));
        let bad = cx.f.binary(BinOp::Or, low, high);
        cx.fail_if(bad, OUT_OF_RANGE);
    }
    let axes = listed(cx.opt(3).map(|_| cx.content(3)), rank).unwrap_or_else(|| (0..rank).collect());
    let (begins, ends) = pads.split_at(axes.len());
    let mut extents: Vec<Value> = x.iter().map(|d| cx.f.sym(d)).collect();
    for ((&axis, &begin), &end) in axes.iter().zip(begins).zip(ends) {
        let longer = cx.f.add(extents[axis], begin);
        extents[axis] = cx.f.add(longer, end);
        let zero = cx.f.int(0);
        let negative = cx.f.compare(CmpOp::Lt, extents[axis], zero);
        cx.fail_if(negative, OUT_OF_RANGE);
    }
    Ok([pads, extents].concat())
}

fn lower_pad(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape, dtype) = (cx.input(0), cx.shape(0), cx.dtype(0));
    let pads = pads(cx.graph(), cx.id(), shape.len());
    let (mode, ranges) = (cx.attrs().str("mode").unwrap_or("constant"), cx.ranges());
    if mode == "constant" {
        let value = padding(cx, dtype);
        cx.map_output(|_, i| {
            let from: Vec<Sym> = i.iter().zip(&pads).map(|(i, (begin, _))| i - begin).collect();
            match &value {
                Padding::Known(v) => load_padded(x, &from, *v),
                Padding::Later(v) => {
                    let inside = from.iter().zip(&shape).zip(&pads).filter(|(_, p)| !(p.0.is_zero() && p.1.is_zero()));
                    let inside = inside.map(|((i, d), _)| in_bounds(i, d)).reduce(|a, b| binary(BinOp::And, a, b));
                    let element = load_padded(x, &from, Scalar::from_i64(dtype, 0));
                    inside.map_or(element.clone(), |c| select(c, element, v.clone()))
                }
            }
        });
        return Ok(());
    }
    cx.map_output(|_, i| {
        let from: Vec<Sym> =
            i.iter().zip(&shape).zip(&pads).map(|((i, d), p)| source(mode, &ranges, &(i - &p.0), d, p)).collect();
        load(x, &from)
    });
    Ok(())
}

/// What Pad puts around: known now, or an element of input 2.
enum Padding {
    Known(Scalar),
    Later(Expr),
}

fn padding(cx: &ComputeCx, dtype: DType) -> Padding {
    let Some(v) = cx.opt(2) else { return Padding::Known(Scalar::from_i64(dtype, 0)) };
    let from = cx.dtype(2);
    let e = match cx.constant(2) {
        Some(t) => constant(Scalar::read(from, t.bytes())),
        None => load(v, &vec![Sym::int(0); cx.shape(2).len()]),
    };
    let e = cast(from, dtype, e);
    as_const(&e).map_or_else(|| Padding::Later(e.clone()), Padding::Known)
}

fn in_bounds(i: &Sym, extent: &Sym) -> Expr {
    let low = compare(CmpOp::Ge, int(i.clone()), int(0));
    binary(BinOp::And, low, compare(CmpOp::Lt, int(i.clone()), int(extent.clone())))
}

/// True if nothing is added at either end.
fn only_cuts(ranges: &Ranges, (begin, end): &(Sym, Sym)) -> bool {
    let zero = Sym::int(0);
    ranges.prove_le(begin, &zero) == Some(true) && ranges.prove_le(end, &zero) == Some(true)
}

/// Which element is at position `i`, counted from the first one, which may be below 0 or beyond the extent.
fn source(mode: &str, ranges: &Ranges, i: &Sym, extent: &Sym, pads: &(Sym, Sym)) -> Sym {
    if only_cuts(ranges, pads) {
        return i.clone();
    }
    let (begin, end) = pads;
    let zero = Sym::int(0);
    let last = extent - 1;
    match mode {
        "edge" => Sym::min(&Sym::max(i, &zero), &last),
        "wrap" => i.modulo(extent),
        _ => {
            // To and fro, with a period of 2 * last; without `mod` if one reflection is enough.
            let twice = &last * 2;
            let once = ranges.prove_le(begin, &last) == Some(true) && ranges.prove_le(end, &last) == Some(true);
            let m = if once { Sym::max(i, &-i) } else { i.modulo(&Sym::max(&twice, &Sym::int(1))) };
            Sym::min(&m, &(twice - &m))
        }
    }
}

fn import_center(n: &mut NodeReader) -> Result<Attrs> {
    // As an input, so that it is read like others.
    ints_to_input(n, "axes", 2)?;
    Ok(Attrs::default())
}

fn infer_center(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    let axes = axes_input(cx, 2, x.rank())?.map(|a| a.known(cx)).transpose()?;
    let axes = axes.unwrap_or_else(|| (0..x.rank()).collect());
    expect_length(cx, 1, axes.len());
    let x = any(cx, 0)?;
    let length = list_length(cx, 1)?;
    if length != axes.len() {
        return Err(cx
            .error("E2005", format!("there are {length} extents for {} axes", axes.len()))
            .expected("one for each axis"));
    }
    let mut shape = x.shape;
    let content = cx.content(1);
    for (k, &a) in axes.iter().enumerate() {
        shape[a] = match &content {
            Some(c) => {
                not_negative(cx, &c[k])?;
                c[k].clone()
            }
            None => cx.fresh_extent(k as u32, "center", 0, None),
        };
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn center_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let extents = run_time_list(cx, 1)?;
    let zero = cx.f.int(0);
    for &d in &extents {
        let negative = cx.f.compare(CmpOp::Lt, d, zero);
        cx.fail_if(negative, OUT_OF_RANGE);
    }
    Ok(extents)
}

/// An odd element that is cut, or added, is one at the end.
fn lower_center(cx: &mut ComputeCx) -> Result<()> {
    let (x, from, to) = (cx.input(0), cx.shape(0), cx.out_shape(0));
    let (zero, two) = (Sym::int(0), Sym::int(2));
    let offset = |a: usize| {
        let half = |d: Sym| Sym::max(&d, &zero).floordiv(&two);
        half(&from[a] - &to[a]) - half(&to[a] - &from[a])
    };
    let offsets: Vec<Sym> = (0..from.len()).map(offset).collect();
    let pad = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| load_padded(x, &i.iter().zip(&offsets).map(|(i, o)| i + o).collect::<Vec<_>>(), pad));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("pad");
    }
}
