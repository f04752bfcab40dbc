//! dot: contractions of 8-bit integers with constant weights, for cores whose instructions sum several products, or that have
//! no lanes for them.
//!
//! Both factors are laid out along the innermost reduction axis: [`arrange`] stores the weights in the order in which the
//! reduction walks the data, so that [`super::collapse`] can merge taps and channels into one axis, and [`panels`] puts
//! the weights of a register tile side by side, a group of products after the other. [`schedule`] then gives the nest
//! a tile of a few pixels and channels, and says that the groups are summed at once (`Stage::dots`). Where the target's
//! operations have lanes ([`ByteTile::Lanes`]), channels lie across them, the tile is that of any contraction (`tile`), and
//! the data gets the signs that the operation wants (`signs`).
//!
//! Left alone: what has no axis of its own for the weights (depthwise convolutions: nothing is reused), data that doesn't
//! lie in order along a reduction axis, and rows that are shorter than a group.

use super::expr::{Site, loads, offset};
use super::lanes;
use super::overlap::{self, Overlap};
use super::pack::{self, Plan as Copy};
use super::plan::{Nest, nests};
use super::schedule as chooser;
use super::signs;
use super::tile;
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{Ranges, Sym};
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{
    Axis, Body, ByteProducts, ByteTile, Def, DefId, Dots, Expr, ExprKind, Kernel, Lanes, Loop, Src, Stage,
};
use onnxc_ir::scalar::Scalar;

/// Numbers of copies of data, apart from those that `pack` makes.
const PADDED: u32 = 1000;
/// A row of up to this many products is written out whole.
const SHORT: i64 = 12;
/// The same with lanes.
const SHORT_OF_LANES: i64 = 32;
/// Fewer lanes aren't worth it.
const LEAST_LANES: u16 = 4;

/// A contraction that is to be scheduled here.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The innermost reduction axis, which names the nest.
    pub axis: Symbol,
    /// The axis of the nest's head that only the data has, and how many points of it are in a tile.
    rows: Option<(Symbol, u32)>,
    /// The axis that only the weights have.
    columns: (Symbol, u32),
    /// Products that are written out.
    unroll: u32,
    /// Operations of a row overlap.
    overlaps: Option<Overlap>,
    dots: Option<Dots>,
    /// The vector registers that the tile may fill, if columns lie across lanes.
    lanes: Option<u32>,
}

impl Plan {
    /// True if this is the plan of a nest.
    pub fn is_of(&self, kernel: &Kernel, nest: &Nest) -> bool {
        let over = nest.reduction(kernel).map(|r| reduction_axes(&kernel.defs[r]));
        over.and_then(|o| o.last()).is_some_and(|a| a.var == self.axis)
    }
}

/// The factors of a contraction.
pub(super) struct Factors {
    pub(super) reduction: DefId,
    pub(super) data: Site,
    pub(super) weights: Site,
    pub(super) last: Axis,
}

/// Stores the weights of every contraction in the order of its reduction axes, and data that is padded with its padding.
pub fn arrange(kernel: &mut Kernel, machine: Machine) {
    let Some(bytes) = machine.bytes else { return };
    let mut fresh = 0;
    nests(kernel).iter().for_each(|n| order(kernel, n));
    if let ByteTile::Lanes { signs, .. } = bytes.tile {
        for nest in nests(kernel) {
            let found = factors(kernel, &nest).filter(|f| pays(kernel, &all_ranges(kernel), &nest, f, bytes));
            found.into_iter().for_each(|f| signs::adapt(kernel, &f, signs));
        }
    }
    // Inserting a definition renumbers those behind it, so the nests are found anew each time.
    while let Some(copy) = nests(kernel).iter().find_map(|n| wanted(kernel, n, bytes, fresh + 1)) {
        fresh += 1;
        pack::apply(kernel, copy);
    }
}

/// Puts the reduction axes into the order in which they walk the data: the greatest steps outermost.
fn order(kernel: &mut Kernel, nest: &Nest) {
    let Some(f) = factors(kernel, nest) else { return };
    let at = all_ranges(kernel).simplify(&offset(kernel, &f.data));
    let step = |a: &Axis| at.split_linear(&a.var).and_then(|(step, _)| step.as_int());
    let over = reduction_axes(&kernel.defs[f.reduction]);
    let Some(steps) = over.iter().map(step).collect::<Option<Vec<i64>>>() else { return };
    let mut sorted: Vec<(i64, Axis)> = steps.into_iter().zip(over.iter().cloned()).collect();
    sorted.sort_by_key(|(step, _)| std::cmp::Reverse(*step));
    if let Body::Reduce { axes, .. } = &mut kernel.defs[f.reduction].body {
        *axes = sorted.into_iter().map(|(_, a)| a).collect();
    }
}

/// The next copy that a contraction needs.
fn wanted(kernel: &Kernel, nest: &Nest, bytes: ByteProducts, n: u32) -> Option<Copy> {
    let ranges = all_ranges(kernel);
    let f = factors(kernel, nest)?;
    if pack::is_const_copy(kernel, f.weights.src) || !pays(kernel, &ranges, nest, &f, bytes) {
        return None;
    }
    let def = &kernel.defs[f.reduction];
    if f.data.pad.is_some() && !pack::in_range(kernel, &ranges, &f.data) {
        let over = reduction_axes(def);
        let vars: Vec<Symbol> = def.axes.iter().chain(over).map(|a| a.var.clone()).collect();
        return pack::copy_of(kernel, &ranges, f.reduction, f.data, &Symbol::new(""), &vars, PADDED + n);
    }
    Some(weights_in_order(kernel, &f, n))
}

pub(super) fn factors(kernel: &Kernel, nest: &Nest) -> Option<Factors> {
    let reduction = nest.reduction(kernel)?;
    let (a, b) = Stage::narrow_factors(kernel, reduction)?;
    let (a, b) = (loads(&a).remove(0), loads(&b).remove(0));
    let (data, weights) = match (pack::is_const(kernel, a.src), pack::is_const(kernel, b.src)) {
        (false, true) => (a, b),
        (true, false) => (b, a),
        _ => match (pack::is_const_copy(kernel, a.src), pack::is_const_copy(kernel, b.src)) {
            (false, true) => (a, b),
            (true, false) => (b, a),
            _ => return None,
        },
    };
    let known = |s: &Site| s.index.iter().all(Option::is_some);
    let stored = matches!(data.src, Src::Param(_)) || nests(kernel).iter().any(|n| Src::Def(n.def) == data.src);
    let last = reduction_axes(&kernel.defs[reduction]).last()?.clone();
    (known(&data) && known(&weights) && weights.pad.is_none() && stored).then_some(Factors {
        reduction,
        data,
        weights,
        last,
    })
}

/// The shortest row of products that is worth it.
fn least(bytes: ByteProducts) -> i64 {
    i64::from(bytes.dots.map_or(1, |d| d.least))
}

fn mentions(site: &Site, v: &Symbol) -> bool {
    site.index.iter().flatten().any(|i| i.contains(v))
}

/// The axes of a nest's head that only the data has, and that only the weights have.
pub(super) fn tile_axes(kernel: &Kernel, nest: &Nest, f: &Factors) -> (Option<Axis>, Option<Axis>) {
    let of = |data: bool| {
        let head = kernel.defs[nest.def].axes.iter().rev();
        let mut own = head.filter_map(|a| Some((a, lanes::own_axis(kernel, nest, &a.var)?)));
        own.find(|(a, v)| {
            let long = lanes::wide(a, 2) || !data;
            long && mentions(&f.data, v) == data && mentions(&f.weights, v) != data
        })
        .map(|(a, _)| a.clone())
    };
    (of(true), of(false))
}

/// True if the data lies in order along the innermost axis, for at least a group of products, and weights are reused.
fn pays(kernel: &Kernel, ranges: &Ranges, nest: &Nest, f: &Factors, bytes: ByteProducts) -> bool {
    let mut row = 1;
    let at = ranges.simplify(&offset(kernel, &f.data));
    for a in reduction_axes(&kernel.defs[f.reduction]).iter().rev() {
        let Some(extent) = a.extent.as_int() else { return false };
        if extent == 1 {
            continue;
        }
        let Some((step, _)) = at.split_linear(&a.var) else { return false };
        // Offsets of padded data are those of its copy, but for the distance of rows.
        if step.as_int() == Some(row) {
            row *= extent;
        } else {
            break;
        }
    }
    row >= least(bytes) && tile_axes(kernel, nest, f).1.is_some()
}

/// The weights over the contraction's own axes and then its reduction axes.
fn weights_in_order(kernel: &Kernel, f: &Factors, n: u32) -> Copy {
    let def = &kernel.defs[f.reduction];
    let used = def.axes.iter().filter(|a| mentions(&f.weights, &a.var)).chain(reduction_axes(def));
    let axes: Vec<(Symbol, Axis)> = used
        .enumerate()
        .map(|(i, a)| (a.var.clone(), Axis { var: Symbol::new(&format!("w{n}_{i}")), extent: a.extent.clone() }))
        .collect();
    let renamed = |s: &Sym| s.subst(&|v| axes.iter().find(|(old, _)| old == v).map(|(_, a)| Sym::var(a.var.clone())));
    let index = f.weights.index.iter().flatten().map(|s| int(renamed(s))).collect();
    let load = ExprKind::Load { src: f.weights.src, index, pad: None };
    let def = Def {
        name: format!("weights{n}"),
        dtype: kernel.src_dtype(f.weights.src),
        axes: axes.iter().map(|(_, a)| a.clone()).collect(),
        body: Body::Map(Expr::new(load)),
    };
    let index = axes.into_iter().map(|(old, _)| Sym::var(old)).collect();
    Copy { of: f.reduction, site: f.weights.clone(), def, index }
}

/// Puts the weights of the contractions that [`arrange`] has found into panels, and says how they are to run.
pub fn panels(kernel: &mut Kernel, machine: Machine) -> Vec<Plan> {
    let Some(mut bytes) = machine.bytes else { return vec![] };
    if let (ByteTile::Points { rows, columns }, true) = (&mut bytes.tile, machine.memory.scarce)
        && machine.memory.unroll < tile::LITTLE
    {
        (*rows, *columns) = ((*rows).min(2), (*columns).min(2));
    }
    let mut plans: Vec<Plan> = vec![];
    loop {
        let found = nests(kernel).iter().find_map(|n| {
            let f = factors(kernel, n)?;
            let new = !plans.iter().any(|p| p.axis == f.last.var);
            if new { Some((plan(kernel, machine, n, &f, bytes)?, f)) } else { None }
        });
        let Some((plan, f)) = found else { return plans };
        if let (Some(dots), Some(to)) = (plan.dots, plan.overlaps) {
            overlap::overlap(kernel, &f, dots, to);
        }
        let copy = nests(kernel).iter().filter(|n| plan.is_of(kernel, n)).find_map(|n| {
            let f = factors(kernel, n)?;
            panel(kernel, &f, &plan, n, plans.len() + 1)
        });
        let Some(copy) = copy else { return plans };
        pack::apply(kernel, copy);
        plans.push(plan);
    }
}

/// The tile of a contraction; `None` if its factors don't lie in order along its innermost axis.
fn plan(kernel: &Kernel, machine: Machine, nest: &Nest, f: &Factors, bytes: ByteProducts) -> Option<Plan> {
    let ranges = all_ranges(kernel);
    let in_order = |s: &Site| {
        let at = ranges.simplify(&offset(kernel, s));
        at.split_linear(&f.last.var).is_some_and(|(step, rest)| step.is_one() && !rest.contains(&f.last.var))
    };
    let extent = f.last.extent.as_int()?;
    let packed = pack::is_const_copy(kernel, f.weights.src) && f.data.pad.is_none();
    if !packed || extent < least(bytes) || !in_order(&f.data) || !in_order(&f.weights) {
        return None;
    }
    let (rows, columns) = tile_axes(kernel, nest, f);
    let columns = columns?;
    let most = |a: &Axis, n: u32| a.extent.as_int().map_or(n, |e| n.min(e.clamp(1, 64) as u32));
    let (rows, count, lanes, short) = match bytes.tile {
        ByteTile::Points { rows: r, columns: c } => {
            let count = most(&columns, if rows.is_some() { c } else { r * c });
            (rows.map(|a| (a.var.clone(), most(&a, r))), count, None, SHORT)
        }
        ByteTile::Lanes { registers, .. } => {
            let count = lane_columns(kernel, Machine { registers, ..machine }, nest, &columns)?;
            (None, count, Some(registers), SHORT_OF_LANES)
        }
    };
    let group = i64::from(bytes.dots.map_or(1, |d| d.most));
    let groups = i64::from(bytes.unroll);
    let whole = short.max(if group > short { group * groups } else { group });
    let overlaps =
        bytes.dots.and_then(|d| if lanes.is_some() { overlap::whole(d, extent) } else { overlap::even(d, extent) });
    let length = overlaps.map_or(extent, |o| o.length);
    let unroll = if length <= whole { length } else { group * groups.min(length / group).max(1) };
    let unroll = unroll as u32;
    Some(Plan {
        axis: f.last.var.clone(),
        rows,
        columns: (columns.var, count),
        unroll,
        overlaps,
        dots: bytes.dots,
        lanes,
    })
}

/// How many columns a tile has that lie across lanes; `None` if they aren't what is stored in order, or too few.
fn lane_columns(kernel: &Kernel, machine: Machine, nest: &Nest, columns: &Axis) -> Option<u32> {
    let own = &kernel.defs[nest.def].axes;
    let lanes = lanes::lane_count(kernel, nest, machine, &columns.extent);
    let l = Lanes { axis: own.last().filter(|a| a.var == columns.var)?.var.clone(), lanes };
    let tile = tile::register_tile(kernel, &all_ranges(kernel), machine, nest, own, &l);
    (lanes >= LEAST_LANES).then_some(u32::from(lanes) * tile.vectors)
}

/// The weights in panels: `[outer.., panel, outer reductions.., group, column, product of the group]`, filled up with zeros.
fn panel(kernel: &Kernel, f: &Factors, plan: &Plan, nest: &Nest, n: usize) -> Option<Copy> {
    let def = &kernel.defs[f.reduction];
    let column = lanes::own_axis(kernel, nest, &plan.columns.0)?;
    let (width, group) = (Sym::int(i64::from(plan.columns.1)), Sym::int(i64::from(plan.dots.map_or(1, |d| d.most))));
    let (mut axes, mut index, mut to) = (vec![], vec![], vec![]);
    let mut axis = |extent: Sym, at: Sym| {
        let var = Symbol::new(&format!("q{n}_{}", axes.len()));
        axes.push(Axis { var: var.clone(), extent });
        index.push(at);
        Sym::var(var)
    };
    let over = reduction_axes(def);
    let outer = def.axes.iter().filter(|a| a.var != column && mentions(&f.weights, &a.var));
    for a in outer {
        to.push((a.var.clone(), axis(a.extent.clone(), Sym::var(a.var.clone()))));
    }
    let (c, k) = (Sym::var(column.clone()), Sym::var(f.last.var.clone()));
    let columns = &def.axes.iter().find(|a| a.var == column)?.extent;
    let number = axis(columns.ceildiv(&width), c.floordiv(&width));
    for a in over.iter().filter(|a| a.var != f.last.var) {
        to.push((a.var.clone(), axis(a.extent.clone(), Sym::var(a.var.clone()))));
    }
    let block = axis(f.last.extent.ceildiv(&group), k.floordiv(&group));
    let one = axis(width.clone(), c.modulo(&width));
    let product = axis(group.clone(), k.modulo(&group));
    to.push((column, number * width + one));
    to.push((f.last.var.clone(), block * group + product));
    let placed = |s: &Sym| s.subst(&|v| to.iter().find(|(old, _)| old == v).map(|(_, at)| at.clone()));
    let source = f.weights.index.iter().flatten().map(|s| int(placed(s))).collect();
    let dtype = kernel.src_dtype(f.weights.src);
    let load = ExprKind::Load { src: f.weights.src, index: source, pad: Some(Scalar::from_i64(dtype, 0)) };
    let def = Def { name: format!("groups{n}"), dtype, axes, body: Body::Map(Expr::new(load)) };
    Some(Copy { of: f.reduction, site: f.weights.clone(), def, index })
}

/// Gives the planned nests their tiles.
pub fn schedule(kernel: &mut Kernel, machine: Machine, plans: &[Plan]) {
    let mut stages = std::mem::take(&mut kernel.schedule.stages);
    let attached: Vec<(DefId, u32)> = stages.iter().filter_map(|s| s.at).map(|a| (a.owner, a.depth)).collect();
    for stage in &mut stages {
        let reduction = stage.acc.unwrap_or(stage.def);
        let over = reduction_axes(&kernel.defs[reduction]);
        let Some(plan) = plans.iter().find(|p| over.last().is_some_and(|a| a.var == p.axis)) else { continue };
        // Loops that other stages share stay as they are.
        let own = attached.iter().filter(|a| a.0 == stage.def).map(|a| a.1).max();
        let shared = stage.at.map(|a| a.depth).max(own).unwrap_or(0) as usize;
        match plan.lanes {
            Some(registers) if !across_lanes(kernel, Machine { registers, ..machine }, stage, plan, shared) => continue,
            Some(_) => {}
            None => points(kernel, stage, plan, shared),
        }
        let block = |a: &Axis| Loop::new(&a.var, if a.var == plan.axis { plan.unroll } else { 1 });
        stage.over = over.iter().map(block).collect();
        stage.dots = plan.dots;
    }
    kernel.schedule.stages = stages;
}

/// Loops whose tile has no lanes, inside of those that are shared.
fn points(kernel: &Kernel, stage: &mut Stage, plan: &Plan, shared: usize) {
    let (outer, inner) = kernel.defs[stage.def].axes.split_at(shared);
    let is = |a: &Axis, of: Option<&Symbol>| of == Some(&a.var);
    let (rows, columns) = (plan.rows.as_ref().map(|r| &r.0), Some(&plan.columns.0));
    let mut loops: Vec<Loop> = outer.iter().map(|a| Loop::new(&a.var, 1)).collect();
    loops.extend(inner.iter().filter(|a| !is(a, rows) && !is(a, columns)).map(|a| Loop::new(&a.var, 1)));
    for a in inner.iter().filter(|a| is(a, rows)) {
        loops.push(Loop::even(&a.var, plan.rows.as_ref().map_or(1, |r| r.1)));
    }
    loops.extend(inner.iter().filter(|a| is(a, columns)).map(|a| Loop::new(&a.var, plan.columns.1)));
    (stage.loops, stage.vector) = (loops, None);
}

/// The loops and lanes of any contraction, for the registers that the operation leaves; false if its lanes are others.
fn across_lanes(kernel: &Kernel, machine: Machine, stage: &mut Stage, plan: &Plan, shared: usize) -> bool {
    let nest = Nest { def: stage.def, acc: stage.acc };
    let chosen = chooser::stage(kernel, &all_ranges(kernel), machine, &nest, stage.at, shared);
    if chosen.vector.as_ref().is_none_or(|l| l.axis != plan.columns.0) {
        return false;
    }
    (stage.loops, stage.vector, stage.ahead) = (chosen.loops, chosen.vector, chosen.ahead);
    // As wide as the panels are.
    let columns = stage.loops.iter_mut().filter(|l| l.axis == plan.columns.0);
    columns.for_each(|l| *l = Loop::new(&l.axis, plan.columns.1));
    true
}
