//! sums: a long sum of products with constant weights is computed in parts, a panel of weights at a time.
//!
//! A register tile runs through a whole panel of the packed weights. If a panel is so long that it and the rows it meets
//! crowd each other out of the second-level cache, every tile waits for memory. So the sum is cut: for one panel and a
//! block of rows, all tiles go through a first part of the panel, then all through the next; a part stays in the cache
//! next to the core, and the next one is fetched meanwhile. The partial sums of that block and panel stay in the
//! second-level cache, and what ends the kernel adds them up.
//!
//! The partial sums are a definition like any other, and the weights just have one more dim. Only where few tiles use a
//! panel: many make up for the waiting. Does NOT touch kernels of several nests, nor sums over several axes.

use super::expr::{Site, loads, rewrite, substitute};
use super::lanes;
use super::pack::{insert_before, is_const};
use super::plan::{Nest, nests};
use super::schedule::{panel_uses, stage, weights_bytes};
use super::tile::Rows;
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{EntityRef, Ranges, Sym};
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{
    At, Axis, BinOp, Body, Cut, Def, DefId, Expr, ExprKind, Kernel, Lanes, Loop, Param, ReduceOp, Schedule, Src, Stage,
};

/// The fewest products of a part: a store and a load of a partial sum are little beside them.
const FEWEST: i64 = 128;
/// A panel of more than this share of the second-level cache is long.
const LONG: i64 = 4;
/// A part has at most this share of the second-level cache: about the cache next to the core, which is a sixteenth to a
/// twenty-fourth of it on usual machines.
const PART: i64 = 16;
/// The most tiles that use a panel: where there are more, they make up for waiting, and partial sums are too many.
const USES: i64 = 16;
/// Steps of the final sums that are written out.
const UNROLL: i64 = 4;

/// A sum to be cut.
struct Long {
    nest: Nest,
    sum: DefId,
    weights: Site,
    /// The dim of the weights that is summed over.
    dim: usize,
    /// How many parts, of how many products each.
    parts: i64,
    size: i64,
}

/// Cuts the sum of a kernel whose constants are packed, and schedules the kernel, if that pays.
pub fn schedule(kernel: &mut Kernel, machine: Machine) -> bool {
    if machine.memory.scarce || machine.memory.thrift > 0 {
        return false;
    }
    let made = long(kernel, machine).and_then(|long| {
        let mut k = kernel.clone();
        let (partial, nest) = cut(&mut k, &long)?;
        k.schedule = Schedule { stages: stages(&k, machine, partial, &nest)? };
        Some(k)
    });
    made.map(|k| *kernel = k).is_some()
}

/// The fewest equal parts, of `bytes` for each product, that fit into `most` bytes.
fn parts(length: i64, bytes: i64, most: i64) -> Option<i64> {
    (2..=length / FEWEST).find(|n| length % n == 0 && length / n * bytes <= most)
}

/// The only sum of a kernel, if its panels are long.
fn long(kernel: &Kernel, machine: Machine) -> Option<Long> {
    let [nest] = nests(kernel)[..] else { return None };
    let l2 = i64::from(machine.l2_bytes);
    let sum = nest.reduction(kernel).filter(|_| kernel.checks.is_empty() && weights_bytes(kernel, &nest) > l2 / 2)?;
    let def = &kernel.defs[sum];
    let Body::Reduce { op: ReduceOp::Add, value, .. } = &def.body else { return None };
    let (ExprKind::Binary(BinOp::Mul, ..), [over]) = (value.kind(), reduction_axes(def)) else { return None };
    let sites = loads(value);
    let [a, b] = &sites[..] else { return None };
    let (weights, other) = if is_const(kernel, a.src) { (a, b) } else { (b, a) };
    let plain = |s: &Site| s.pad.is_none() && s.index.iter().all(Option::is_some);
    if !is_const(kernel, weights.src) || is_const(kernel, other.src) || !plain(weights) || !plain(other) {
        return None;
    }
    let ranges = all_ranges(kernel);
    let whole = stage(kernel, &ranges, machine, &nest, None, 0);
    let chosen = whole.vector.as_ref()?;
    let lane = lanes::own_axis(kernel, &nest, &chosen.axis)?;
    let width = i64::from(whole.tile(&chosen.axis));
    let rows: i64 = whole.loops.iter().filter(|l| l.axis != chosen.axis).map(|l| i64::from(l.block)).product();
    let few = rows > 1 && panel_uses(kernel, &nest, rows)? <= USES;
    let uses = |v: &Symbol| weights.index.iter().flatten().filter(|i| i.contains(v)).count();
    let dim = weights.index.iter().flatten().position(|i| i.as_symbol() == Some(&over.var))?;
    let length = over.extent.as_int()?;
    let fits = kernel.src_shape(weights.src)[dim].as_int() == Some(length) && uses(&over.var) == 1;
    if !fits || !few || def.axes.last().map(|a| &a.var) != Some(&lane) {
        return None;
    }
    let bytes = width * kernel.src_dtype(weights.src).size() as i64;
    let parts = (length * bytes > l2 / LONG).then(|| parts(length, bytes, l2 / PART)).flatten()?;
    Some(Long { nest, sum, weights: weights.clone(), dim, parts, size: length / parts })
}

/// The weights with a dim for the parts.
fn weights_in_parts(kernel: &mut Kernel, long: &Long, at: [&Symbol; 2]) -> Option<Expr> {
    let Src::Param(p) = long.weights.src else { return None };
    let old = kernel.params[p].clone();
    let mut shape: Vec<i64> = old.shape.iter().map(Sym::as_int).collect::<Option<_>>()?;
    shape.splice(long.dim..=long.dim, [long.parts, long.size]);
    let extents: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    let value = old.value.as_ref()?.reshaped(&extents)?;
    let shape = shape.into_iter().map(Sym::int).collect();
    kernel.params[p] = Param { shape, value: Some(value), ..old };
    let mut index: Vec<Sym> = long.weights.index.iter().cloned().collect::<Option<_>>()?;
    index.splice(long.dim..=long.dim, at.map(|v| Sym::var(v.clone())));
    let index = index.into_iter().map(int).collect();
    Some(Expr::new(ExprKind::Load { src: Src::Param(p), index, pad: None }))
}

/// Makes a definition of the partial sums, `[part, ..axes of the sum]`; gives it, and the nest that sums them up.
fn cut(kernel: &mut Kernel, long: &Long) -> Option<(DefId, Nest)> {
    let def = kernel.defs[long.sum].clone();
    let Body::Reduce { op, init, value, .. } = &def.body else { return None };
    let over = reduction_axes(&def).first()?.clone();
    let fresh = |v: &Symbol, what: &str| Symbol::new(&format!("{v}_{what}"));
    let (part, within) = (fresh(&over.var, "part"), fresh(&over.var, "within"));
    let load = weights_in_parts(kernel, long, [&part, &within])?;
    let product = rewrite(value, &mut |n| match n.kind() {
        ExprKind::Load { src, .. } if *src == long.weights.src => Some(load.clone()),
        _ => None,
    });
    let at = Sym::var(part.clone()) * long.size + Sym::var(within.clone());
    let product = substitute(&product, &|v| match v {
        v if *v == over.var => Some(at.clone()),
        v => def.axes.iter().any(|a| a.var == *v).then(|| Sym::var(fresh(v, "point"))),
    });
    let points = def.axes.iter().map(|a| Axis { var: fresh(&a.var, "point"), extent: a.extent.clone() });
    let axes = [Axis { var: part, extent: Sym::int(long.parts) }].into_iter().chain(points).collect();
    let inner = vec![Axis { var: within, extent: Sym::int(long.size) }];
    let body = Body::Reduce { op: *op, axes: inner, init: None, value: product };
    let name = format!("{}_parts", def.name);
    let (partial, sum) = insert_before(kernel, long.sum, Def { name, dtype: def.dtype, axes, body });
    let number = fresh(&over.var, "number");
    let own = def.axes.iter().map(|a| Sym::var(a.var.clone()));
    let index = [Sym::var(number.clone())].into_iter().chain(own).map(int).collect();
    kernel.defs[sum].body = Body::Reduce {
        op: *op,
        axes: vec![Axis { var: number, extent: Sym::int(long.parts) }],
        init: init.clone(),
        value: Expr::new(ExprKind::Load { src: Src::Def(partial), index, pad: None }),
    };
    let moved = |d: DefId| if d.index() >= partial.index() { DefId::new(d.index() + 1) } else { d };
    Some((partial, Nest { def: moved(long.nest.def), acc: long.nest.acc.map(moved) }))
}

/// The stage of the partial sums, attached to the one that adds them up.
fn stages(kernel: &Kernel, machine: Machine, partial: DefId, nest: &Nest) -> Option<Vec<Stage>> {
    let ranges: Ranges = all_ranges(kernel);
    let mut inner = stage(kernel, &ranges, machine, &Nest { def: partial, acc: None }, None, 0);
    let axes = &kernel.defs[partial].axes;
    let (part, lane) = (&axes.first()?.var, &axes.last()?.var);
    let lanes = inner.vector.as_ref().filter(|l| l.axis == *lane)?.lanes;
    let parts = inner.loops.iter().position(|l| l.axis == *part)?;
    let parts = inner.loops.remove(parts);
    let first = inner.loops.iter().position(|l| l.axis != *lane && l.block > 1)?;
    let panel = inner.loops.iter().position(|l| l.axis == *lane).filter(|p| *p < first)?;
    // The same blocks of the axes of what is stored.
    let own = |a: &Symbol| {
        let at = axes.iter().position(|x| x.var == *a)?.checked_sub(1)?;
        let sum = &kernel.defs[nest.reduction(kernel)?].axes[at].var;
        kernel.defs[nest.def]
            .axes
            .iter()
            .map(|x| &x.var)
            .find(|v| lanes::own_axis(kernel, nest, v).as_ref() == Some(sum))
    };
    let same = |l: &Loop| Some(Loop { axis: own(&l.axis)?.clone(), ..l.clone() });
    let mut loops: Vec<Loop> = inner.loops.iter().map(same).collect::<Option<_>>()?;
    if loops.len() != kernel.defs[nest.def].axes.len() {
        return None;
    }
    loops[panel].cut = Cut::Aligned;
    let rows = loops[first].clone();
    let extent = Rows::of(kernel, kernel.defs[nest.def].axes.iter().find(|a| a.var == rows.axis)?).number;
    let row = parts_bytes(kernel, partial, i64::from(inner.tile(lane)));
    loops.insert(first, Loop::even(&rows.axis, block(extent, rows.block, i64::from(machine.l2_bytes / 2) / row)));
    let sums = reduction_axes(&kernel.defs[nest.reduction(kernel)?]).first()?;
    let count = sums.extent.as_int()?;
    let written = (1..=UNROLL).rev().find(|n| count % n == 0).unwrap_or(1);
    let vector = Some(Lanes { axis: own(lane)?.clone(), lanes });
    let over = vec![Loop::new(&sums.var, written as u32)];
    let owner = Stage { def: nest.def, acc: nest.acc, at: None, loops, over, vector, ahead: None, ..inner.clone() };
    inner.ahead = inner.ahead.map(|_| part.clone());
    inner.loops.insert(0, parts);
    (inner.at, inner.parallel) = (Some(At { owner: nest.def, depth: first as u32 + 1, rolls: false }), false);
    Some(vec![inner, owner])
}

/// Bytes of the partial sums of one row of a panel.
fn parts_bytes(kernel: &Kernel, partial: DefId, width: i64) -> i64 {
    let def = &kernel.defs[partial];
    let parts = def.axes.first().and_then(|a| a.extent.as_int()).unwrap_or(1);
    (parts * width * def.dtype.size() as i64).max(1)
}

/// About equal blocks of at most so many of the rows, in whole tiles.
fn block(rows: i64, tile: u32, most: i64) -> u32 {
    let tile = i64::from(tile);
    let most = most.max(tile);
    let blocks = (rows + most - 1) / most;
    let even = (rows + blocks.max(1) - 1) / blocks.max(1);
    ((even + tile - 1) / tile * tile).clamp(tile, 1 << 20) as u32
}

#[cfg(test)]
mod tests {
    use super::{block, parts};
    use crate::from_kernel::Machine;
    use crate::kernel::tests::{agree, dims, numbers, syms};
    use onnxc_base::DType;
    use onnxc_ir::kernel::build::load;
    use onnxc_ir::kernel::{Kernel, KernelBuilder, ReduceOp};

    #[test]
    fn parts_fit_and_divide() {
        assert_eq!(parts(3072, 96, 32 << 10), Some(12));
        assert_eq!(parts(3072, 96, 64 << 10), Some(6));
        assert_eq!(parts(1031, 96, 32 << 10), None, "a prime");
    }

    #[test]
    fn blocks_of_rows_are_equal_and_whole_tiles() {
        assert_eq!(block(64, 4, 1000), 64);
        assert_eq!(block(1500, 4, 200), 188);
        assert_eq!(block(3, 4, 200), 4);
        assert_eq!(block(50, 6, 1), 6);
    }

    fn product(transposed: bool, rows: &str) -> Kernel {
        let mut b = KernelBuilder::new("product", dims(&["n"]));
        let f = DType::F32;
        let x = b.param("x", f, syms(&[rows, "1536"]), None);
        let shape: [usize; 2] = if transposed { [20, 1536] } else { [1536, 20] };
        let w =
            b.param("w", f, syms(&shape.map(|n| n.to_string()).each_ref().map(String::as_str)), Some(numbers(&shape)));
        let c = b.param("c", f, syms(&["20"]), None);
        let m = b.reduce("m", f, &syms(&[rows, "20"]), ReduceOp::Add, &syms(&["1536"]), None, |_, i, r| {
            let at = if transposed { [i[1].clone(), r[0].clone()] } else { [r[0].clone(), i[1].clone()] };
            load(x, &[i[0].clone(), r[0].clone()]) * load(w, &at)
        });
        let y = b.map("y", f, &syms(&[rows, "20"]), |_, i| load(m, i) + load(c, &i[1..]));
        b.output(y);
        b.kernel
    }

    #[test]
    fn sums_in_parts_are_the_same_sums() {
        for (transposed, rows) in [(false, "3"), (true, "3"), (false, "23"), (true, "n")] {
            let machine = Machine { l2_bytes: 1 << 18, ..Machine::USUAL };
            let mut cut = product(transposed, rows);
            crate::kernel::optimise(&mut cut, machine).expect("constants evaluate");
            assert_eq!(cut.schedule.stages.len(), 2, "parts, and their sum\n{cut}");
            for n in if rows == "n" { vec![1, 6, 33] } else { vec![rows.parse().expect("a number")] } {
                agree(product(transposed, rows), &[("n", n as i64)], &[numbers(&[n, 1536]), numbers(&[20])]);
            }
        }
    }
}
