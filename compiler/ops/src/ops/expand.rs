//! Expand and Tile: elements repeated along axes.
//!
//! Expand since 8: broadcasting to a shape. Tile since 1: inputs `tiles` and `axis`, both scalars; since 6: `repeats`
//! for each axis. From here down: Tile has an attribute `single`, 1 for the form of version 1.
//!
//! Does NOT copy: both are views, which what comes next reads through.

use super::lengths::{declared_rank, expect_length, from_the_right, open_length};
use super::movement::*;
use crate::broadcast::Along;
use crate::prelude::*;
use onnxc_base::sym::Symbol;
use onnxc_ir::graph::SymbolSource;
use onnxc_ir::loops::Value;

/// Expand.
pub static EXPAND: OpDef = OpDef {
    domain: "",
    name: "Expand",
    versions: &[(8, none), (13, none)],
    infer: infer_expand,
    lower: Lower::View(view_expand),
    extents: Some(expand_extents),
};

/// Tile.
pub static TILE: OpDef = OpDef {
    domain: "",
    name: "Tile",
    versions: &[(1, import_single), (6, import_tile), (13, import_tile)],
    infer: infer_tile,
    lower: Lower::View(view_tile),
    extents: Some(tile_extents),
};

fn import_single(n: &mut NodeReader) -> Result<Attrs> {
    // Both have the dtype of the data, a float.
    for i in 1..3 {
        let constant = n.inputs.get(i).copied().flatten().and_then(|v| n.graph.constant(v)).and_then(Tensor::to_f64);
        if let Some([v]) = constant.as_deref() {
            n.set_input(i, "integer", Tensor::from_slice(&[1], &[*v as i64]));
        }
    }
    Ok(Attrs::default().with("single", Attr::Int(1)))
}

fn import_tile(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("single", Attr::Int(0)))
}

fn infer_expand(cx: &mut InferCx) -> Result<()> {
    let (x, declared) = (any(cx, 0)?, declared_rank(cx));
    if let Some(rank) = declared.filter(|&rank| rank > x.rank()) {
        expect_length(cx, 1, rank);
    }
    let x = any(cx, 0)?;
    // A list no longer than the rank says nothing of the result's, whatever its length.
    let open = open_length(&cx.shape(1)?) && declared == Some(x.rank());
    let length = if open { 0 } else { list_length(cx, 1)? };
    let rank = x.rank().max(length);
    let target = cx.content(1).filter(|_| !open);
    let mut shape = Vec::new();
    for k in 0..rank {
        let own = k.checked_sub(rank - x.rank()).map_or(Sym::int(1), |a| x.shape[a].clone());
        let wanted = match &target {
            Some(t) => k.checked_sub(rank - length).map_or(Some(Sym::int(1)), |a| t.get(a).cloned()),
            None => None,
        };
        shape.push(expanded(cx, k, &own, wanted)?);
    }
    if let Some(known) = Known::input(cx, 0) {
        let own = known_extents(&x.shape);
        set_moved(cx, &shape, |i| {
            let skip = i.len() - own.len();
            let at: Vec<usize> = own.iter().zip(&i[skip..]).map(|(&d, &i)| if d == 1 { 0 } else { i }).collect();
            known.at(&at)
        });
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// The extent of axis `k` of the output.
fn expanded(cx: &mut InferCx, k: usize, own: &Sym, wanted: Option<Sym>) -> Result<Sym> {
    let Some(wanted) = wanted else { return Ok(cx.fresh_extent(k as u32, "expanded", 0, None)) };
    not_negative(cx, &wanted)?;
    match () {
        () if own.is_one() => Ok(wanted),
        () if wanted.is_one() || *own == wanted => Ok(own.clone()),
        () if from_values(cx.graph, &wanted) => Ok(cx.fresh_extent(k as u32, "expanded", 0, None)),
        () => cx.joint_extent(&[own.clone(), wanted], &format!("axis {k} of the broadcast")),
    }
}

fn known_extents(shape: &[Sym]) -> Vec<usize> {
    fixed(shape).unwrap_or_default()
}

/// Extents of the broadcast at run time: of two, the one that isn't 1. Fails if both aren't and they differ.
fn expand_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let target = match open_length(&cx.input_type(1).shape) {
        true => from_the_right(cx, 1, x.len(), 1)?,
        false => run_time_list(cx, 1)?,
    };
    let rank = x.len().max(target.len());
    let (zero, one) = (cx.f.int(0), cx.f.int(1));
    let mut extents = Vec::new();
    for k in 0..rank {
        let d = match k.checked_sub(rank - x.len()) {
            Some(a) => cx.f.sym(&x[a]),
            None => one,
        };
        let t = k.checked_sub(rank - target.len()).map_or(one, |a| target[a]);
        let one_d = cx.f.compare(CmpOp::Eq, d, one);
        let one_t = cx.f.compare(CmpOp::Eq, t, one);
        let same = cx.f.compare(CmpOp::Eq, d, t);
        let fits = cx.f.binary(BinOp::Or, one_t, same);
        let fits = cx.f.binary(BinOp::Or, fits, one_d);
        let negative = cx.f.compare(CmpOp::Lt, t, zero);
        let unfit = cx.f.unary(UnOp::Not, fits);
        let bad = cx.f.binary(BinOp::Or, unfit, negative);
        cx.fail_if(bad, OUT_OF_RANGE);
        extents.push(cx.f.select(one_t, d, t));
    }
    Ok(extents)
}

fn view_expand(cx: &ViewCx, index: &[Sym]) -> Result<Vec<Sym>> {
    let (x, out) = (cx.shape(0), cx.out_shape());
    let (skip, ranges) = (index.len() - x.len(), cx.graph.ranges());
    let source = |s: &Symbol| cx.graph.symbols.get(s).map(|i| i.source);
    let of_node = |d: &Sym| d.any_symbol(&|s| matches!(source(s), Some(SymbolSource::Extent(n, _)) if n == cx.node));
    let from = |(k, d): (usize, &Sym)| match &index[skip + k] {
        _ if d.is_one() => Sym::int(0),
        // Only the run knows whether this extent is 1.
        i if d.as_int().is_none() && of_node(&out[skip + k]) => Sym::min(i, &(d - 1)),
        i => Along::new(cx.graph, &ranges, d, &out[skip + k]).at(i),
    };
    Ok(x.iter().enumerate().map(from).collect())
}

fn infer_tile(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    let shape = match repeats(cx, x.rank())? {
        Some(repeats) => {
            for r in &repeats {
                not_negative(cx, r)?;
            }
            x.shape.iter().zip(&repeats).map(|(d, r)| d * r).collect()
        }
        None => (0..x.rank()).map(|k| cx.fresh_extent(k as u32, "tiled", 0, None)).collect::<Vec<_>>(),
    };
    if let Some(known) = Known::input(cx, 0) {
        let own = known_extents(&x.shape);
        set_moved(cx, &shape, |i| known.at(&i.iter().zip(&own).map(|(i, d)| i % d).collect::<Vec<_>>()));
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// How often each axis is repeated, if that is known.
fn repeats(cx: &mut InferCx, rank: usize) -> Result<Option<Vec<Sym>>> {
    if cx.attrs().int("single") == Some(1) {
        let axes = axes_input(cx, 2, rank)?.map(|a| a.known(cx)).transpose()?;
        let axis = axes.and_then(|a| a.first().copied());
        let axis = axis.ok_or_else(|| cx.error("E2001", "input 2, the axis, is missing"))?;
        let tiles = cx.content(1).and_then(|t| t.first().cloned());
        let at = |tiles: Sym| (0..rank).map(|a| if a == axis { tiles.clone() } else { Sym::int(1) }).collect();
        return tiles.map(at).map(Some).ok_or_else(|| {
            cx.error("E2040", "the number of tiles is computed when the model runs").expected("a constant")
        });
    }
    expect_length(cx, 1, rank);
    let length = list_length(cx, 1)?;
    if length != rank {
        return Err(cx
            .error("E2005", format!("repeats has {length} elements, input 0 has rank {rank}"))
            .expected("one for each axis"));
    }
    Ok(cx.content(1))
}

fn tile_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let repeats = run_time_list(cx, 1)?;
    let zero = cx.f.int(0);
    let mut extents = Vec::new();
    for (d, r) in x.iter().zip(repeats) {
        let negative = cx.f.compare(CmpOp::Lt, r, zero);
        cx.fail_if(negative, OUT_OF_RANGE);
        let d = cx.f.sym(d);
        extents.push(cx.f.mul(d, r));
    }
    Ok(extents)
}

fn view_tile(cx: &ViewCx, index: &[Sym]) -> Result<Vec<Sym>> {
    let (x, y) = (cx.shape(0), cx.out_shape());
    let at = |a: usize| match () {
        () if x[a] == y[a] => index[a].clone(),
        () if x[a].is_one() => Sym::int(0),
        () => index[a].modulo(&x[a]),
    };
    Ok((0..x.len()).map(at).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("expand");
    }
}
