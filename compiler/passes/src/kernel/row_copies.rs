//! Copies of rows for large products: the data of a band of rows is copied, tile by tile, into the order that the tiles
//! read it in.
//!
//! Where panels of constants are so long that two of them and a band of rows crowd each other out of the second-level
//! cache (see [`super::bands`]), each tile's rows come from beyond it, again for every panel. Rows of a matrix are far
//! apart: each is a page of its own, what the processor fetches by itself ends with it, and rows at a power of two all
//! want the same lines of the caches. A copy costs one pass over the data, and then a tile reads one line after the
//! other; so a band may be as long as several caches, and the constants pass the fewer times.
//!
//! The copy is a definition like any other, `[tile, group of steps, row, step]`, computed for each band inside of the
//! product's loops. Does NOT apply to data of a few caches, nor to sums over several axes.

use super::expr::{Site, loads, rewrite};
use super::lanes;
use super::pack::{in_panels, insert_before, is_const};
use super::plan::{Nest, nests};
use super::schedule::{PASSES, stage, weights_bytes};
use crate::from_kernel::{Machine, all_ranges, reduction_axes};
use onnxc_base::sym::Symbol;
use onnxc_base::{EntityRef, Sym};
use onnxc_ir::kernel::build::int;
use onnxc_ir::kernel::{
    At, Axis, BinOp, Body, Cut, Def, DefId, Expr, ExprKind, Kernel, Loop, ReduceOp, Schedule, Src, Stage,
};

/// Steps of the reduction that lie side by side: as many as are written out.
const STEPS: i64 = 4;
/// The fewest tiles of a band beside which the panels must have room, or there are copies.
const FEWEST: i64 = 8;
/// Data of at least so many second-level caches is copied.
const LARGE: i64 = 8;
/// A band is about so many second-level caches.
const BAND: i64 = 2;

/// A product whose rows are to be copied.
struct Product {
    nest: Nest,
    sum: DefId,
    data: Site,
    /// The dims of the data that are the row and the step.
    dims: [usize; 2],
    /// The sum's own axes for them.
    axes: [Axis; 2],
    /// Its stage as it would be.
    whole: Stage,
    /// The axis of the stage that is the row, and rows of a tile and of a band.
    row: Symbol,
    tile: i64,
    band: i64,
}

/// Schedules a kernel that is one large product with copies of its rows.
pub fn schedule(kernel: &mut Kernel, machine: Machine) -> bool {
    if machine.memory.scarce || machine.memory.thrift > 0 {
        return false;
    }
    let made = large(kernel, machine).and_then(|p| {
        let mut k = kernel.clone();
        let copy = copy(&mut k, &p)?;
        k.schedule = Schedule { stages: stages(&k, machine, copy, &p)? };
        Some(k)
    });
    made.map(|k| *kernel = k).is_some()
}

/// The only sum of a kernel, if it is a product that needs it.
fn large(kernel: &Kernel, machine: Machine) -> Option<Product> {
    let [nest] = nests(kernel)[..] else { return None };
    let l2 = i64::from(machine.l2_bytes);
    let sum = nest.reduction(kernel).filter(|_| kernel.checks.is_empty() && weights_bytes(kernel, &nest) > l2 / 2)?;
    let def = &kernel.defs[sum];
    let Body::Reduce { op: ReduceOp::Add, value, .. } = &def.body else { return None };
    let (ExprKind::Binary(BinOp::Mul, ..), [over]) = (value.kind(), reduction_axes(def)) else { return None };
    let sites = loads(value);
    let [a, b] = &sites[..] else { return None };
    let (constant, data) = if is_const(kernel, a.src) { (a, b) } else { (b, a) };
    let lane = &def.axes.last()?.var;
    if !def.dtype.is_float() || !is_const(kernel, constant.src) || !in_panels(constant, lane) {
        return None;
    }
    let dims = rows_and_steps(kernel, data, def, over)?;
    let row = def.axes.iter().find(|a| data.index[dims[0]].as_ref().is_some_and(|i| i.as_symbol() == Some(&a.var)))?;
    let (rows, steps) = (row.extent.as_int()?, over.extent.as_int()?);
    let whole = stage(kernel, &all_ranges(kernel), machine, &nest, None, 0);
    let panel = whole.vector.as_ref().map(|l| l.axis.clone())?;
    let [panels, tiles] = &whole.loops[..] else { return None };
    let tile = i64::from(tiles.block);
    if lanes::own_axis(kernel, &nest, &panel)? != *lane || panels.axis != panel || tile < 2 || steps % STEPS != 0 {
        return None;
    }
    let bytes = kernel.src_dtype(data.src).size() as i64 * steps;
    let crowded = 2 * i64::from(panels.block) * bytes + FEWEST * tile * bytes > l2;
    let band = band(rows, tile, BAND * l2 / bytes, i64::from(machine.threads))?;
    let axes = [row.clone(), over.clone()];
    let (row, data) = (tiles.axis.clone(), data.clone());
    (crowded && rows * bytes >= LARGE * l2).then_some(Product { nest, sum, data, dims, axes, whole, row, tile, band })
}

/// The dims of data that are one axis of the sum and the reduction axis; it has no others that move.
fn rows_and_steps(kernel: &Kernel, data: &Site, def: &Def, over: &Axis) -> Option<[usize; 2]> {
    if is_const(kernel, data.src) || matches!(data.src, Src::Def(_)) || data.pad.is_some() {
        return None;
    }
    let index: Vec<&Sym> = data.index.iter().map(Option::as_ref).collect::<Option<_>>()?;
    let moving = |d: &usize| index[*d].as_int().is_none();
    let [row, step] = (0..index.len()).filter(moving).collect::<Vec<_>>()[..] else { return None };
    let is_row = def.axes.iter().any(|a| index[row].as_symbol() == Some(&a.var));
    let last = step + 1 == index.len() && index[step].as_symbol() == Some(&over.var);
    (is_row && last).then_some([row, step])
}

/// Rows of a band: whole tiles, about `most`, and as many bands for each thread; none if there would be one band.
fn band(rows: i64, tile: i64, most: i64, threads: i64) -> Option<i64> {
    let bands = (rows / most.max(tile)).max(1);
    let bands = (bands + threads - 1) / threads.max(1) * threads.max(1);
    let band = ((rows + bands - 1) / bands + tile - 1) / tile * tile;
    (bands > 1 && band >= FEWEST * tile).then_some(band)
}

/// Adds the copy and lets the sum read it.
fn copy(kernel: &mut Kernel, p: &Product) -> Option<DefId> {
    let [row, over] = &p.axes;
    let (rows, steps) = (row.extent.as_int()?, over.extent.as_int()?);
    let name = |what: &str| Symbol::new(&format!("{}_{what}", row.var));
    let axis = |what: &str, extent: i64| Axis { var: name(what), extent: Sym::int(extent) };
    let axes = vec![
        axis("tile", (rows + p.tile - 1) / p.tile),
        axis("group", steps / STEPS),
        axis("row", p.tile),
        axis("step", STEPS),
    ];
    let at = |i: usize| Sym::var(axes[i].var.clone());
    let mut index: Vec<Sym> = p.data.index.iter().cloned().collect::<Option<_>>()?;
    index[p.dims[0]] = at(0) * p.tile + at(2);
    if rows % p.tile != 0 {
        // Nobody reads what the last tile has too much.
        index[p.dims[0]] = Sym::min(&index[p.dims[0]], &Sym::int(rows - 1));
    }
    index[p.dims[1]] = at(1) * STEPS + at(3);
    let load = ExprKind::Load { src: p.data.src, index: index.into_iter().map(int).collect(), pad: None };
    let body = Body::Map(Expr::new(load));
    let def =
        Def { name: format!("{}_rows", kernel.defs[p.sum].name), dtype: kernel.src_dtype(p.data.src), axes, body };
    let (copy, sum) = insert_before(kernel, p.sum, def);
    let [r, k] = [&row.var, &over.var].map(|v| Sym::var(v.clone()));
    let (tile, group) = (Sym::int(p.tile), Sym::int(STEPS));
    let read = [r.floordiv(&tile), k.floordiv(&group), r.modulo(&tile), k.modulo(&group)];
    let read = Expr::new(ExprKind::Load { src: Src::Def(copy), index: read.map(int).to_vec(), pad: None });
    let Body::Reduce { value, .. } = &mut kernel.defs[sum].body else { return None };
    *value = rewrite(value, &mut |n| match n.kind() {
        ExprKind::Load { src, .. } if *src == p.data.src => Some(read.clone()),
        _ => None,
    });
    Some(copy)
}

/// The copy, computed for each band of the product.
fn stages(kernel: &Kernel, machine: Machine, copy: DefId, p: &Product) -> Option<Vec<Stage>> {
    let moved = |d: DefId| if d.index() >= copy.index() { DefId::new(d.index() + 1) } else { d };
    let owner = moved(p.nest.def);
    let at = At { owner, depth: 1, rolls: false };
    let mut inner = stage(kernel, &all_ranges(kernel), machine, &Nest { def: copy, acc: None }, Some(at), 0);
    let row = &kernel.defs[copy].axes.get(2)?.var;
    inner.loops.iter_mut().filter(|l| l.axis == *row).for_each(|l| l.block = p.tile as u32);
    let mut outer = Stage { def: owner, acc: p.nest.acc.map(moved), ..p.whole.clone() };
    // Tiles are those of the copy.
    outer.loops.iter_mut().filter(|l| l.axis == p.row).for_each(|l| l.cut = Cut::Aligned);
    outer.loops.insert(0, Loop::new(&p.row, p.band as u32));
    outer.ahead = outer.vector.as_ref().filter(|_| p.band / p.tile <= PASSES).map(|l| l.axis.clone());
    Some(vec![inner, outer])
}

#[cfg(test)]
mod tests {
    use super::band;
    use crate::from_kernel::Machine;
    use crate::kernel::tests::{agree_scheduled, dims, numbers, syms};
    use onnxc_base::{DType, Sym};
    use onnxc_ir::kernel::build::load;
    use onnxc_ir::kernel::{Kernel, KernelBuilder, ReduceOp};

    #[test]
    fn bands_are_whole_tiles_and_shared_equally() {
        assert_eq!(band(2048, 6, 128, 1), Some(132), "16 bands");
        assert_eq!(band(2048, 4, 128, 2), Some(128));
        assert_eq!(band(2048, 4, 130, 2), Some(128), "15 bands would leave a thread idle");
        assert_eq!(band(200, 6, 128, 1), None, "one band");
        assert_eq!(band(2048, 6, 10, 1), None, "too few tiles");
    }

    fn product(rows: i64, over: i64, columns: i64, planar: bool) -> Kernel {
        let mut b = KernelBuilder::new("product", dims(&[]));
        let [m, k, n] = [rows, over, columns].map(|n| n.to_string());
        let f = DType::F32;
        let x =
            if planar { b.param("x", f, syms(&["1", &m, &k]), None) } else { b.param("x", f, syms(&[&m, &k]), None) };
        let w = b.param("w", f, syms(&[&k, &n]), Some(numbers(&[over as usize, columns as usize])));
        let bias = b.param("bias", f, syms(&[&n]), None);
        let c = b.reduce("c", f, &syms(&[&m, &n]), ReduceOp::Add, &syms(&[&k]), None, |_, i, r| {
            let at = [Sym::int(0), i[0].clone(), r[0].clone()];
            load(x, if planar { &at } else { &at[1..] }) * load(w, &[r[0].clone(), i[1].clone()])
        });
        let y = b.map("y", f, &syms(&[&m, &n]), |_, i| load(c, i) + load(bias, &i[1..]));
        b.output(y);
        b.kernel
    }

    #[test]
    fn copied_rows_give_the_same_sums() {
        let machine = Machine { l2_bytes: 1 << 13, ..Machine::USUAL };
        for (rows, over, threads, planar) in [(512, 64, 1, false), (301, 64, 2, true), (511, 128, 1, false)] {
            let (k, machine) = (product(rows, over, 48, planar), Machine { threads, ..machine });
            let mut made = k.clone();
            crate::kernel::optimise(&mut made, machine).expect("constants evaluate");
            assert!(made.to_string().contains("c_rows"), "{made}");
            let shape = if planar { vec![1, rows as usize, over as usize] } else { vec![rows as usize, over as usize] };
            agree_scheduled(&made, machine, &k, &[], &[numbers(&shape), numbers(&[48])]);
        }
        let mut few = product(301, 63, 48, false);
        crate::kernel::optimise(&mut few, machine).expect("constants evaluate");
        assert!(!few.to_string().contains("c_rows"), "steps that don't divide\n{few}");
    }
}
