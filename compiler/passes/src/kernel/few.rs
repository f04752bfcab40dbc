//! Few rows of products whose number of rows only a run knows.
//!
//! The register tile of such a product is chosen for as many rows as are usual, about equal tiles of which may make up
//! another number badly: 40 columns of an image are two tiles of 28 that compute 54, and fewer than a tile's are done one by
//! one, where each multiply-add waits for the one before. So tiles of fewer rows are there, too, unless so many are usual that
//! about equal tiles make up any number. Where one row is usual, those of the fewest take several of the tile's blocks along
//! the lanes at once.
//!
//! Not where the loop over panels is outside of the rows, as they come from beyond the caches: then memory is what few rows
//! wait for. Does NOT change the order of any sum: a row's results don't depend on how many others there are.

use super::tile::{runs_of_vectors, step};
use crate::from_kernel::Machine;
use onnxc_base::Sym;
use onnxc_ir::kernel::{Axis, Cut, Few, Kernel, Stage};

/// The most vectors of few rows: beyond this nothing gets faster.
const MAX_VECTORS: u32 = 12;
/// How many times fewer than usual rows may well be: those of an image that is half as high and wide.
const SMALLER: i64 = 4;

/// True if the number of an axis' points is known to a run only, and usually is one.
pub fn usually_one(kernel: &Kernel, extent: &Sym) -> bool {
    extent.as_int().is_none() && kernel.ranges.estimate(extent) <= 1
}

/// Lets a kernel's stages have tiles of few rows.
pub fn few(kernel: &mut Kernel, machine: Machine) {
    if machine.memory.scarce {
        return;
    }
    let mut stages = std::mem::take(&mut kernel.schedule.stages);
    let inside: Vec<_> = stages.iter().filter_map(|s| s.at).collect();
    for stage in stages.iter_mut().filter(|s| s.ahead.is_none() && s.dots.is_none() && !s.over.is_empty()) {
        let depth = inside.iter().filter(|a| a.owner == stage.def).map(|a| a.depth as usize).max().unwrap_or(0);
        if let Some((lanes, rows)) = rows(kernel, stage).filter(|(lanes, _)| *lanes >= depth) {
            stage.few = wider(kernel, machine, stage, lanes, rows);
        }
    }
    kernel.schedule.stages = stages;
}

/// Lets there be tiles of fewer rows; gives the number of the loop along the lanes, and of the rows, where one is usual.
fn rows(kernel: &Kernel, stage: &mut Stage) -> Option<(usize, u32)> {
    let l = stage.vector.as_ref()?;
    let lanes = stage.loops.iter().rposition(|x| x.axis == l.axis)?;
    let axes = &kernel.defs[stage.def].axes;
    let in_tile: Vec<&Axis> = axes.iter().filter(|a| a.var != l.axis && stage.tile(&a.var) > 1).collect();
    let [axis] = in_tile[..] else { return None };
    let at = stage.loops.iter().rposition(|x| x.axis == axis.var)?;
    let block = stage.loops[at].block;
    if !any_number(kernel, &axis.extent, block) || at > lanes || stage.loops[at].cut != Cut::Even {
        return None;
    }
    stage.loops[at].cut = Cut::Graded;
    usually_one(kernel, &axis.extent).then_some((lanes, block))
}

/// True if the number of an axis' points is known to a run only, and may well be one that about equal tiles of so many rows
/// don't make up: from about their square on they do.
fn any_number(kernel: &Kernel, extent: &Sym, rows: u32) -> bool {
    let square = i64::from(rows) * i64::from(rows.saturating_sub(1));
    extent.as_int().is_none() && kernel.ranges.estimate(extent) < SMALLER * square
}

/// What tiles of few rows take along the lanes, which are loop number `at`.
fn wider(kernel: &Kernel, machine: Machine, stage: &Stage, at: usize, rows: u32) -> Vec<Few> {
    let (Some(l), tile) = (&stage.vector, stage.loops[at].block) else { return vec![] };
    let Some(axis) = kernel.defs[stage.def].axes.iter().find(|a| a.var == l.axis) else { return vec![] };
    let Some(columns) = axis.extent.as_int() else { return vec![] };
    let (lanes, vectors) = (i64::from(l.lanes), tile / u32::from(l.lanes));
    let of = |rows: u32| {
        let blocks = several(machine.registers, (columns, lanes), rows, vectors);
        (blocks > 1).then_some(Few { rows, block: blocks * tile })
    };
    (1..rows - 1).filter_map(of).collect()
}

/// How many blocks of so many vectors few rows had best have at once. Each vector meets all rows before the next, so one of
/// them is in a register, beside the rows' scalars.
pub fn several(registers: u32, (columns, lanes): (i64, i64), rows: u32, vectors: u32) -> u32 {
    let cycles = |blocks: u32| -> f64 {
        runs_of_vectors(columns, lanes, blocks * vectors).iter().map(|(v, c)| c * step(rows, *v, true, false)).sum()
    };
    let most = registers.saturating_sub(1 + rows).min(MAX_VECTORS);
    let fits = (1..).take_while(|blocks| *blocks == 1 || blocks * vectors * rows <= most);
    fits.reduce(|best, blocks| if cycles(blocks) < cycles(best) - 1e-9 { blocks } else { best }).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::several;
    use crate::from_kernel::{Machine, from_kernel};
    use crate::kernel::optimise;
    use crate::kernel::tests::{agree, numbers, syms};
    use onnxc_base::{DType, Ranges};
    use onnxc_ir::kernel::build::load;
    use onnxc_ir::kernel::{Cut, Kernel, KernelBuilder, ReduceOp, UnOp, build};

    /// A product of `m` rows with constants, and something done to each of its elements.
    fn product(over: i64, columns: i64) -> Kernel {
        let mut ranges = Ranges::new();
        ranges.set("m", 0, None);
        ranges.set_typical("m", 1);
        let mut b = KernelBuilder::new("product", ranges);
        let [k, n] = [over, columns].map(|n| n.to_string());
        let x = b.param("x", DType::F32, syms(&["m", &k]), None);
        let w = b.param("w", DType::F32, syms(&[&k, &n]), Some(numbers(&[over as usize, columns as usize])));
        let c = b.reduce("c", DType::F32, &syms(&["m", &n]), ReduceOp::Add, &syms(&[&k]), None, |_, i, r| {
            load(x, &[i[0].clone(), r[0].clone()]) * load(w, &[r[0].clone(), i[1].clone()])
        });
        let y = b.map("y", DType::F32, &syms(&["m", &n]), |_, i| build::unary(UnOp::Neg, load(c, i)));
        b.output(y);
        b.kernel
    }

    /// What few rows of the product have at once.
    fn blocks(over: i64, columns: i64, machine: Machine) -> Vec<(u32, u32)> {
        let mut k = product(over, columns);
        optimise(&mut k, machine).expect("constants evaluate");
        let stage = k.schedule.stages.last().expect("a product");
        stage.few.iter().map(|f| (f.rows, f.block)).collect()
    }

    #[test]
    fn few_rows_take_several_blocks_where_their_operands_are_near() {
        assert_eq!(blocks(64, 192, Machine::USUAL), [(1, 96), (2, 48), (3, 32)]);
        assert_eq!(blocks(64, 24, Machine::USUAL), [], "there is one block only");
        assert_eq!(blocks(64, 192, Machine { l2_bytes: 1 << 14, ..Machine::USUAL }), [], "panels outside of rows");
    }

    #[test]
    fn few_rows_compute_what_many_do() {
        for m in (0..27).chain([49]) {
            for columns in [24, 96, 130, 200] {
                agree(product(33, columns), &[("m", m)], &[numbers(&[m as usize, 33])]);
            }
        }
    }

    /// The panels are apart from each other, and no address of them is a quotient of what a run knows.
    #[test]
    fn panels_of_few_rows_are_found_when_compiling() {
        for threads in [1, 4] {
            let mut k = product(64, 192);
            let machine = Machine { threads, ..Machine::USUAL };
            optimise(&mut k, machine).expect("constants evaluate");
            let text = from_kernel(&k, "k", machine).expect("it can be lowered").func.to_string();
            assert!(text.contains("[1][12]") && !text.contains("mod"), "{text}");
        }
    }

    /// A row or two pay for no loop over rows, nor for what one needs: the first loop there is goes over the reduction.
    #[test]
    fn few_rows_are_in_no_loop_over_rows() {
        let mut k = product(64, 24);
        optimise(&mut k, Machine::USUAL).expect("constants evaluate");
        let text = from_kernel(&k, "k", Machine::USUAL).expect("it can be lowered").func.to_string();
        let first = text.split("for %").nth(1).expect("a loop");
        assert!(first.starts_with("r2"), "{text}");
    }

    #[test]
    fn rows_that_make_no_equal_tiles_go_in_smaller_ones() {
        let scheduled = |typical: i64| {
            let mut k = product(64, 24);
            k.ranges.set_typical("m", typical);
            optimise(&mut k, Machine::USUAL).expect("constants evaluate");
            let stage = k.schedule.stages.last().expect("a product").clone();
            assert!(stage.few.is_empty());
            stage.loops.iter().any(|l| l.cut == Cut::Graded)
        };
        assert!(scheduled(20));
        assert!(!scheduled(4000), "of so many rows any number is a sum of about equal tiles");
        for m in [0, 1, 3, 9, 17, 23] {
            let mut k = product(33, 24);
            k.ranges.set_typical("m", 20);
            agree(k, &[("m", m)], &[numbers(&[m as usize, 33])]);
        }
    }

    #[test]
    fn few_rows_have_enough_sums() {
        assert_eq!(several(16, (512, 8), 1, 3), 4, "12 vectors");
        assert_eq!(several(16, (512, 8), 2, 3), 2, "6 vectors for both");
        assert_eq!(several(16, (48, 8), 1, 3), 2, "all there are");
        assert_eq!(several(16, (24, 8), 1, 3), 1);
        assert_eq!(several(16, (512, 8), 1, 8), 1, "enough of its own");
    }
}
