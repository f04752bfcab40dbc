//! sums: a long sum of products with constant weights is computed in parts, a panel of weights at a time.
//!
//! A register tile runs through a whole panel of the packed weights. If a panel is so long that it and the rows it meets
//! crowd each other out of the second-level cache, every tile waits for memory. So the sum is cut: for one panel and a
//! block of rows, all tiles go through a first part of the panel, then all through the next; a part stays in the cache
//! next to the core, and the next one is fetched meanwhile. The partial sums of that block and panel stay in the
//! second-level cache, and what ends the kernel adds them up.
//!
//! A sum over several axes, a convolution's, has a part for each point of all but the last one: one tap of the window. All
//! pixels of a small image go through the weights of a tap then, not each row of them through the whole panel.
//!
//! The partial sums are a definition like any other, and the weights just have other dims. Only where few tiles use a
//! panel: many make up for the waiting. Does NOT touch kernels of several nests.

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
use std::ops::Range;

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
    /// The dims of the weights that say the part.
    dims: Range<usize>,
    /// How many parts.
    parts: i64,
    /// Products of a part where one axis is cut; 1 where the parts are the points of all axes but the last.
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
    let ExprKind::Binary(BinOp::Mul, ..) = value.kind() else { return None };
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
    if !few || def.axes.last().map(|a| &a.var) != Some(&lane) {
        return None;
    }
    let bytes = width * kernel.src_dtype(weights.src).size() as i64;
    let (dims, parts, size) = parts_of(kernel, def, weights, bytes, l2)?;
    Some(Long { nest, sum, weights: weights.clone(), dims, parts, size })
}

/// The dims of the weights that say the part, how many parts there are, and of how many steps each along one axis, if a step
/// takes so many bytes.
fn parts_of(kernel: &Kernel, def: &Def, weights: &Site, bytes: i64, l2: i64) -> Option<(Range<usize>, i64, i64)> {
    let over = reduction_axes(def);
    let extents: Vec<i64> = over.iter().map(|a| a.extent.as_int()).collect::<Option<_>>()?;
    if extents.iter().product::<i64>() * bytes <= l2 / LONG {
        return None;
    }
    let (shape, index) = (kernel.src_shape(weights.src), &weights.index);
    let dim = |a: &Axis| {
        let mut of = (0..index.len()).filter(|d| index[*d].as_ref().is_some_and(|i| i.contains(&a.var)));
        let (d, None) = (of.next()?, of.next()) else { return None };
        (index[d].as_ref()?.as_symbol() == Some(&a.var) && shape[d] == a.extent).then_some(d)
    };
    match (over, &extents[..]) {
        ([only], [length]) => {
            let (at, parts) = (dim(only)?, parts(*length, bytes, l2 / PART)?);
            Some((at..at + 1, parts, length / parts))
        }
        ([others @ .., last], [points @ .., length]) => {
            dim(last)?;
            let at = dim(others.first()?)?;
            let in_order = others.iter().enumerate().all(|(i, a)| dim(a) == Some(at + i));
            let fits = (FEWEST..=l2 / LONG / bytes).contains(length);
            (in_order && fits).then(|| (at..at + others.len(), points.iter().product(), 1))
        }
        _ => None,
    }
}

/// The weights with the parts as dims of their own, at the index of a product.
fn weights_in_parts(
    kernel: &mut Kernel,
    long: &Long,
    at: &[Sym],
    renamed: &dyn Fn(&Symbol) -> Option<Sym>,
) -> Option<Expr> {
    let Src::Param(p) = long.weights.src else { return None };
    let old = kernel.params[p].clone();
    let mut shape: Vec<i64> = old.shape.iter().map(Sym::as_int).collect::<Option<_>>()?;
    shape.splice(long.dims.clone(), [long.parts, long.size].into_iter().take(at.len()));
    let extents: Vec<usize> = shape.iter().map(|&n| n as usize).collect();
    let value = old.value.as_ref()?.reshaped(&extents)?;
    let shape = shape.into_iter().map(Sym::int).collect();
    kernel.params[p] = Param { shape, value: Some(value), ..old };
    let mut index: Vec<Sym> =
        long.weights.index.iter().map(|i| Some(i.as_ref()?.subst(renamed))).collect::<Option<_>>()?;
    index.splice(long.dims.clone(), at.iter().cloned());
    let index = index.into_iter().map(int).collect();
    Some(Expr::new(ExprKind::Load { src: Src::Param(p), index, pad: None }))
}

/// Where a part begins along each reduction axis, and what of the axis is summed up within it.
fn within(over: &[Axis], part: &Symbol, size: i64) -> Vec<(Sym, Option<Axis>)> {
    let own = |a: &Axis, extent: Sym| Axis { var: fresh(&a.var, "within"), extent };
    let part = Sym::var(part.clone());
    let [others @ .., last] = over else { return vec![] };
    if others.is_empty() {
        return vec![(part * size, Some(own(last, Sym::int(size))))];
    }
    let mut rest = Sym::int(1);
    let mut axes = vec![(Sym::int(0), Some(own(last, last.extent.clone())))];
    for (i, a) in others.iter().enumerate().rev() {
        let number = part.floordiv(&rest);
        axes.push((if i == 0 { number } else { number.modulo(&a.extent) }, None));
        rest *= &a.extent;
    }
    axes.reverse();
    axes
}

fn fresh(v: &Symbol, what: &str) -> Symbol {
    Symbol::new(&format!("{v}_{what}"))
}

/// Makes a definition of the partial sums, `[part, ..axes of the sum]`; gives it, and the nest that sums them up.
fn cut(kernel: &mut Kernel, long: &Long) -> Option<(DefId, Nest)> {
    let def = kernel.defs[long.sum].clone();
    let Body::Reduce { op, init, value, .. } = &def.body else { return None };
    let over = reduction_axes(&def);
    let last = &over.last()?.var;
    let part = fresh(last, "part");
    let within = within(over, &part, long.size);
    let inside = |a: &Option<Axis>| a.as_ref().map_or(Sym::int(0), |a| Sym::var(a.var.clone()));
    let renamed = |v: &Symbol| match over.iter().position(|a| a.var == *v) {
        Some(i) => Some(&within[i].0 + inside(&within[i].1)),
        None => def.axes.iter().any(|a| a.var == *v).then(|| Sym::var(fresh(v, "point"))),
    };
    let mut at = vec![Sym::var(part.clone())];
    if over.len() == 1 {
        at.push(inside(&within[0].1));
    }
    let load = weights_in_parts(kernel, long, &at, &renamed)?;
    let product = substitute(value, &renamed);
    let product = rewrite(&product, &mut |n| match n.kind() {
        ExprKind::Load { src, .. } if *src == long.weights.src => Some(load.clone()),
        _ => None,
    });
    let points = def.axes.iter().map(|a| Axis { var: fresh(&a.var, "point"), extent: a.extent.clone() });
    let axes = [Axis { var: part, extent: Sym::int(long.parts) }].into_iter().chain(points).collect();
    let inner = within.into_iter().filter_map(|w| w.1).collect();
    let body = Body::Reduce { op: *op, axes: inner, init: None, value: product };
    let name = format!("{}_parts", def.name);
    let (partial, sum) = insert_before(kernel, long.sum, Def { name, dtype: def.dtype, axes, body });
    let number = fresh(last, "number");
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
    let number = |l: &Loop| Some(Rows::of(kernel, kernel.defs[nest.def].axes.iter().find(|a| a.var == l.axis)?).number);
    let points = loops[panel + 1..].iter().map(number).try_fold(1i64, |n, e| Some(n.saturating_mul(e?)))?;
    let point = parts_bytes(kernel, partial, i64::from(inner.tile(lane)));
    let most = i64::from(machine.l2_bytes / 2) / point;
    let depth = if first == panel + 1 {
        loops.insert(first, Loop::even(&rows.axis, block(points, rows.block, most)));
        first + 1
    } else {
        // All points of a panel, or each row of them would go through all parts.
        (points <= most).then_some(panel + 1)?
    };
    let sums = reduction_axes(&kernel.defs[nest.reduction(kernel)?]).first()?;
    let count = sums.extent.as_int()?;
    let written = (1..=UNROLL).rev().find(|n| count % n == 0).unwrap_or(1);
    let vector = Some(Lanes { axis: own(lane)?.clone(), lanes });
    let over = vec![Loop::new(&sums.var, written as u32)];
    let owner = Stage { def: nest.def, acc: nest.acc, at: None, loops, over, vector, ahead: None, ..inner.clone() };
    inner.ahead = inner.ahead.map(|_| part.clone());
    inner.loops.insert(0, parts);
    (inner.at, inner.parallel) = (Some(At { owner: nest.def, depth: depth as u32, rolls: false }), false);
    Some(vec![inner, owner])
}

/// Bytes of the partial sums of one point of a panel.
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
    use crate::kernel::tests::{agree, agree_scheduled, dims, numbers, syms};
    use onnxc_base::{DType, Sym};
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
    fn windows_are_summed_tap_by_tap() {
        let mut b = KernelBuilder::new("conv", dims(&[]));
        let f = DType::F32;
        let x = b.param("x", f, syms(&["7", "8", "128"]), None);
        let w = b.param("w", f, syms(&["20", "128", "3", "2"]), Some(numbers(&[20, 128, 3, 2])));
        let c = b.param("c", f, syms(&["20"]), None);
        let over = syms(&["128", "3", "2"]);
        let m = b.reduce("m", f, &syms(&["5", "7", "20"]), ReduceOp::Add, &over, None, |_, i, r| {
            load(x, &[&i[0] + &r[1], &i[1] + &r[2], r[0].clone()])
                * load(w, &[i[2].clone(), r[0].clone(), r[1].clone(), r[2].clone()])
        });
        let y = b.map("y", f, &syms(&["5", "7", "20"]), |_, i| load(m, i) + load(c, &i[2..]));
        b.output(y);
        let (k, machine) = (b.kernel, Machine { l2_bytes: 1 << 16, ..Machine::USUAL });
        let mut made = k.clone();
        crate::kernel::optimise(&mut made, machine).expect("constants evaluate");
        let [parts, sum] = &made.schedule.stages[..] else { panic!("parts, and their sum\n{made}") };
        assert_eq!(made.defs[parts.def].axes[0].extent, Sym::int(6), "a part for each tap\n{made}");
        assert_eq!(parts.at.map(|a| (a.owner, a.depth)), Some((sum.def, 1)), "all points of a panel\n{made}");
        agree_scheduled(&made, machine, &k, &[], &[numbers(&[7, 8, 128]), numbers(&[20])]);
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
