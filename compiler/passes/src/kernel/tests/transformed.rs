//! Convolutions in the transformed domain, and chains of convolutions.

use super::*;
use crate::kernel::{inline, pack, precompute, winograd};

/// A 3×3 convolution, channels last.
fn conv_last(shape: &[&str; 4], out: i64, pad: i64, relu: bool) -> (Kernel, Tensor) {
    conv_of_taps(3, shape, out, pad, relu)
}

fn conv_of_taps(taps: i64, shape: &[&str; 4], out: i64, pad: i64, relu: bool) -> (Kernel, Tensor) {
    conv_of([taps; 2], shape, out, [pad; 2], relu)
}

/// A convolution of so many rows and columns of taps, channels last.
fn conv_of(taps: [i64; 2], shape: &[&str; 4], out: i64, pad: [i64; 2], relu: bool) -> (Kernel, Tensor) {
    let mut b = KernelBuilder::new("conv", dims(&["n", "h", "w"]));
    let shape = syms(shape);
    let q = shape[3].clone();
    let of = [out, q.as_int().expect("fixed"), taps[0], taps[1]];
    let weights = numbers(&of.map(|n| n as usize));
    let x = b.param("x", DType::F32, shape.clone(), None);
    let w = b.param("w", DType::F32, of.map(Sym::int).to_vec(), Some(weights.clone()));
    let bias = b.param("b", DType::F32, vec![Sym::int(out)], None);
    let to = |t: usize| &shape[t + 1] - (taps[t] - 1 - 2 * pad[t]);
    let to = [shape[0].clone(), to(0), to(1), Sym::int(out)];
    let over = [Sym::int(taps[0]), Sym::int(taps[1]), q];
    let c = b.reduce("c", DType::F32, &to, ReduceOp::Add, &over, Some(&|_, i| load(bias, &i[3..])), |_, i, r| {
        let at = [i[0].clone(), &i[1] + &r[0] - pad[0], &i[2] + &r[1] - pad[1], r[2].clone()];
        load_padded(x, &at, Scalar::f32(0.0)) * load(w, &[i[3].clone(), r[2].clone(), r[0].clone(), r[1].clone()])
    });
    let y = b.map("y", DType::F32, &to, |_, i| {
        let zero = constant(Scalar::f32(0.0));
        build::binary(BinOp::Max, load(c, i), zero)
    });
    b.output(if relu { y } else { c });
    (b.kernel, weights)
}

/// The error of long kernels in the transformed domain, of the largest output: eight points along an axis.
const LONG: f64 = 1e-5;

fn transformed(k: &Kernel) -> bool {
    k.defs.values().any(|d| d.name == "c.v")
}

#[test]
fn convolutions_in_the_transformed_domain() {
    for relu in [true, false] {
        let (k, _) = conv_last(&["2", "13", "10", "20"], 24, 1, relu);
        let mut scheduled = k.clone();
        optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
        assert!(transformed(&scheduled), "{scheduled}");
        agree(k, &[], &[numbers(&[2, 13, 10, 20]), numbers(&[24])]);
    }
    let (k, _) = conv_last(&["1", "9", "70", "16"], 32, 0, true);
    agree(k, &[], &[numbers(&[1, 9, 70, 16]), numbers(&[32])]);
}

#[test]
fn kernels_of_one_row_or_column_in_the_transformed_domain() {
    let shape = ["1", "21", "18", "48"];
    for taps in [[1, 3], [3, 1], [1, 7], [7, 1], [1, 5]] {
        let (k, _) = conv_of(taps, &shape, 64, taps.map(|t| t / 2), true);
        let mut scheduled = k.clone();
        optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
        assert!(transformed(&scheduled), "{taps:?}\n{scheduled}");
        agree_within(LONG, k.clone(), &[], &[numbers(&[1, 21, 18, 48]), numbers(&[64])]);
        let mut strict = k;
        optimise(&mut strict, Machine { strict: true, ..MACHINES[0] }).expect("constants evaluate");
        assert!(!transformed(&strict), "{taps:?}\n{strict}");
    }
    let (k, _) = conv_of([7, 1], &["2", "h", "w", "32"], 48, [3, 0], false);
    agree_within(LONG, k, &[("h", 9), ("w", 10)], &[numbers(&[2, 9, 10, 32]), numbers(&[48])]);
}

/// Whether it is transformed, and which stages are attached to others.
fn way(k: &Kernel) -> (bool, Vec<bool>) {
    let mut k = k.clone();
    optimise(&mut k, MACHINES[0]).expect("constants evaluate");
    (transformed(&k), k.schedule.stages.iter().map(|s| s.at.is_some()).collect())
}

#[test]
fn estimates_decide_where_extents_are_unknown() {
    let mut ways = vec![];
    for (n, channels) in [("1", 16), ("13", 16), ("56", 16), ("13", 128)] {
        let q = channels.to_string();
        let known = way(&conv_last(&["1", n, n, &q], channels, 1, true).0);
        let (mut k, _) = conv_last(&["1", "h", "w", &q], channels, 1, true);
        ["h", "w"].iter().for_each(|d| k.ranges.set_typical(*d, n.parse().expect("a number")));
        assert_eq!(way(&k), known, "{n} x {n} x {q}");
        ways.push(known.0);
    }
    assert!(ways.contains(&true) && ways.contains(&false), "{ways:?}");
}

#[test]
fn all_tiles_at_once() {
    for (h, w) in [("9", "10"), ("h", "w")] {
        let (k, _) = conv_last(&["2", h, w, "20"], 24, 1, true);
        for machine in [Machine::USUAL, MACHINES[2]] {
            let mut scheduled = k.clone();
            inline::inline(&mut scheduled);
            let whole = Some(winograd::Cut::Whole);
            let rewritten = winograd::winograd_as(&mut scheduled, machine, whole).expect("it pays");
            pack::pack(&mut scheduled, machine, &[], &rewritten.blocks());
            precompute::precompute(&mut scheduled).expect("constants evaluate");
            winograd::schedule(&mut scheduled, &rewritten, machine).expect("it feeds nothing");
            assert!(scheduled.schedule.stages.iter().all(|s| s.at.is_none() && s.parallel), "{scheduled}");
            agree_scheduled(
                &scheduled,
                machine,
                &k,
                &[("h", 9), ("w", 10)],
                &[numbers(&[2, 9, 10, 20]), numbers(&[24])],
            );
        }
    }
}

/// A convolution of planar data whose result is channels last, and what a 1×1 convolution makes of it.
fn conv_planar(shape: &[&str; 3], out: i64, taps: i64, pad: i64, then: Option<i64>) -> Kernel {
    let mut b = KernelBuilder::new("conv", dims(&["h", "w"]));
    let shape = syms(shape);
    let q = shape[0].as_int().expect("fixed");
    let x = b.param("x", DType::F32, shape.clone(), None);
    let given = numbers(&[out as usize, q as usize, taps as usize, taps as usize]);
    let w = b.param("w", DType::F32, [out, q, taps, taps].map(Sym::int).to_vec(), Some(given));
    let to = [&shape[1] + (2 * pad + 1 - taps), &shape[2] + (2 * pad + 1 - taps), Sym::int(out)];
    let over = [q, taps, taps].map(Sym::int);
    let c = b.reduce("c", DType::F32, &to, ReduceOp::Add, &over, None, |_, i, r| {
        let at = [r[0].clone(), &i[0] + &r[1] - pad, &i[1] + &r[2] - pad];
        let x = if pad > 0 { load_padded(x, &at, Scalar::f32(0.0)) } else { load(x, &at) };
        x * load(w, &[i[2].clone(), r[0].clone(), r[1].clone(), r[2].clone()])
    });
    let mut y = b.map("y", DType::F32, &to, |_, i| build::binary(BinOp::Max, load(c, i), constant(Scalar::f32(0.0))));
    if let Some(n) = then {
        let w = b.param("w2", DType::F32, [n, out].map(Sym::int).to_vec(), Some(numbers(&[n as usize, out as usize])));
        let to = [to[0].clone(), to[1].clone(), Sym::int(n)];
        let s = b.reduce("s", DType::F32, &to, ReduceOp::Add, &[Sym::int(out)], None, |_, i, r| {
            load(y, &[i[0].clone(), i[1].clone(), r[0].clone()]) * load(w, &[i[2].clone(), r[0].clone()])
        });
        y = b.map("z", DType::F32, &to, |_, i| build::binary(BinOp::Max, load(s, i), constant(Scalar::f32(0.0))));
    }
    b.output(y);
    b.kernel
}

#[test]
fn large_kernels_in_the_transformed_domain() {
    // Rows of many tiles, of fewer than lanes, and of just one.
    for (taps, pad, size) in [
        (9, 4, ["2", "9", "66"]),
        (7, 0, ["3", "13", "14"]),
        (5, 0, ["6", "14", "14"]),
        (5, 2, ["6", "9", "10"]),
        (5, 1, ["6", "13", "6"]),
        (11, 5, ["2", "9", "4"]),
        (4, 0, ["3", "11", "43"]),
    ] {
        let k = conv_planar(&size, 32, taps, pad, None);
        let mut scheduled = k.clone();
        optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
        assert!(transformed(&scheduled), "{scheduled}");
        let shape: Vec<usize> = size.iter().map(|s| s.parse().expect("a number")).collect();
        agree_within(LONG, k, &[], &[numbers(&shape)]);
    }
    let (k, _) = conv_of_taps(5, &["1", "9", "22", "20"], 24, 2, true);
    let mut scheduled = k.clone();
    optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
    assert!(transformed(&scheduled), "{scheduled}");
    agree_within(LONG, k, &[], &[numbers(&[1, 9, 22, 20]), numbers(&[24])]);
    let k = conv_planar(&["2", "h", "w"], 16, 5, 2, None);
    for (h, w) in [(5, 40), (17, 3)] {
        agree_within(LONG, k.clone(), &[("h", h as i64), ("w", w as i64)], &[numbers(&[2, h, w])]);
    }
}

/// A convolution of planar data whose result is planar, too, of some samples; a single channel has no axis.
fn conv_of_planes(shape: &[&str; 4], out: i64, taps: i64, pad: i64) -> Kernel {
    let mut b = KernelBuilder::new("conv", dims(&["n", "h", "w"]));
    let shape = syms(shape);
    let q = shape[1].as_int().expect("fixed");
    let x = b.param("x", DType::F32, shape.clone(), None);
    let given = numbers(&[out, q, taps, taps].map(|n| n as usize));
    let w = b.param("w", DType::F32, [out, q, taps, taps].map(Sym::int).to_vec(), Some(given));
    let bias = b.param("b", DType::F32, vec![Sym::int(out)], None);
    let to = |t: usize| &shape[t] + (2 * pad + 1 - taps);
    let to = [shape[0].clone(), Sym::int(out), to(2), to(3)];
    let over: Vec<Sym> = [q, taps, taps].into_iter().filter(|n| *n > 1).map(Sym::int).collect();
    let c = b.reduce("c", DType::F32, &to, ReduceOp::Add, &over, Some(&|_, i| load(bias, &i[1..2])), |_, i, r| {
        let (channel, tap) = r.split_at(r.len() - 2);
        let channel = channel.first().cloned().unwrap_or(Sym::int(0));
        let at = [i[0].clone(), channel.clone(), &i[2] + &tap[0] - pad, &i[3] + &tap[1] - pad];
        load_padded(x, &at, Scalar::f32(0.0)) * load(w, &[i[1].clone(), channel, tap[0].clone(), tap[1].clone()])
    });
    let y = b.map("y", DType::F32, &to, |_, i| build::binary(BinOp::Max, load(c, i), constant(Scalar::f32(0.0))));
    b.output(y);
    b.kernel
}

#[test]
fn planes_in_the_transformed_domain() {
    let halves = Machine { unit_bits: 256, ..MACHINES[0] };
    for (shape, out, taps, pad) in [
        (["2", "1", "28", "28"], 6, 5, 2),
        (["1", "3", "22", "40"], 12, 5, 0),
        (["1", "2", "19", "75"], 5, 7, 3),
        (["1", "4", "17", "37"], 8, 3, 1),
    ] {
        let k = conv_of_planes(&shape, out, taps, pad);
        let mut scheduled = k.clone();
        optimise(&mut scheduled, halves).expect("constants evaluate");
        assert!(transformed(&scheduled), "{scheduled}");
        let of: Vec<usize> = shape.iter().map(|s| s.parse().expect("a number")).collect();
        let inputs = [numbers(&of), numbers(&[out as usize])];
        let expected = interp::run(&k, &|_| None, &inputs).expect("the kernel is right");
        compare(LONG, &scheduled, halves, &k, &|_| None, &inputs, &expected);
        let mut strict = k;
        optimise(&mut strict, Machine { strict: true, ..halves }).expect("constants evaluate");
        assert!(!transformed(&strict), "{strict}");
    }
    let k = conv_of_planes(&["n", "1", "h", "w"], 6, 5, 2);
    for (n, h, w) in [(1, 9, 40), (2, 28, 28), (1, 1, 1)] {
        let at = [("n", n as i64), ("h", h as i64), ("w", w as i64)];
        agree_within(LONG, k.clone(), &at, &[numbers(&[n, 1, h, w]), numbers(&[6])]);
    }
}

/// A 3×3×3 convolution of volumes, channels last.
fn conv_volume(shape: &[&str; 4], out: i64, pad: i64) -> Kernel {
    let mut b = KernelBuilder::new("conv", dims(&["d", "h", "w"]));
    let shape = syms(shape);
    let q = shape[3].as_int().expect("fixed");
    let x = b.param("x", DType::F32, shape.clone(), None);
    let given = numbers(&[out as usize, q as usize, 3, 3, 3]);
    let w = b.param("k", DType::F32, [out, q, 3, 3, 3].map(Sym::int).to_vec(), Some(given));
    let extent = |d: usize| &shape[d] + (2 * pad - 2);
    let to = [extent(0), extent(1), extent(2), Sym::int(out)];
    let c = b.reduce("c", DType::F32, &to, ReduceOp::Add, &[3, 3, 3, q].map(Sym::int), None, |_, i, r| {
        let at = [&i[0] + &r[0] - pad, &i[1] + &r[1] - pad, &i[2] + &r[2] - pad, r[3].clone()];
        let x = if pad > 0 { load_padded(x, &at, Scalar::f32(0.0)) } else { load(x, &at) };
        x * load(w, &[i[3].clone(), r[3].clone(), r[0].clone(), r[1].clone(), r[2].clone()])
    });
    let y = b.map("y", DType::F32, &to, |_, i| build::binary(BinOp::Max, load(c, i), constant(Scalar::f32(0.0))));
    b.output(y);
    b.kernel
}

#[test]
fn volumes_in_the_transformed_domain() {
    for (pad, size) in [(1, ["3", "8", "9", "16"]), (0, ["4", "6", "38", "16"])] {
        let k = conv_volume(&size, 24, pad);
        let mut scheduled = k.clone();
        optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
        assert!(transformed(&scheduled), "{scheduled}");
        let shape: Vec<usize> = size.iter().map(|s| s.parse().expect("a number")).collect();
        agree(k, &[], &[numbers(&shape)]);
    }
    let k = conv_volume(&["d", "h", "w", "16"], 16, 1);
    for (d, h, w) in [(2, 5, 9), (1, 9, 3)] {
        let at = [("d", d as i64), ("h", h as i64), ("w", w as i64)];
        agree(k.clone(), &at, &[numbers(&[d, h, w, 16])]);
    }
}

/// Slices that outputs share are transformed once: in a ring, or all of them before the products.
#[test]
fn neighbouring_slices_share_what_is_transformed() {
    let k = conv_volume(&["4", "8", "17", "16"], 16, 1);
    for cut in [winograd::Cut::Blocks([1, 5]), winograd::Cut::Whole] {
        for machine in [Machine::USUAL, MACHINES[2]] {
            let mut scheduled = k.clone();
            inline::inline(&mut scheduled);
            let rewritten = winograd::winograd_as(&mut scheduled, machine, Some(cut)).expect("it pays");
            pack::pack(&mut scheduled, machine, &[], &rewritten.blocks());
            precompute::precompute(&mut scheduled).expect("constants evaluate");
            winograd::schedule(&mut scheduled, &rewritten, machine).expect("it feeds nothing");
            let rolls = scheduled.schedule.stages.iter().any(|s| s.at.is_some_and(|a| a.rolls));
            assert_eq!(rolls, cut != winograd::Cut::Whole, "{scheduled}");
            agree_scheduled(&scheduled, machine, &k, &[], &[numbers(&[4, 8, 17, 16])]);
        }
    }
}

#[test]
fn a_convolution_feeds_another_block_by_block() {
    // In the transformed domain, directly, and where the first is pointwise as well.
    for (taps, pad, size) in [(9, 4, ["3", "19", "36"]), (3, 1, ["3", "9", "40"]), (1, 0, ["4", "6", "37"])] {
        let k = conv_planar(&size, 24, taps, pad, Some(16));
        let mut scheduled = k.clone();
        optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
        let attached = scheduled.schedule.stages.iter().any(|s| s.at.is_some() && scheduled.defs[s.def].name == "y");
        assert!(attached, "{scheduled}");
        let shape: Vec<usize> = size.iter().map(|s| s.parse().expect("a number")).collect();
        agree_within(LONG, k, &[], &[numbers(&shape)]);
    }
    let k = conv_planar(&["3", "h", "w"], 24, 5, 2, Some(16));
    for (h, w) in [(5, 40), (17, 3)] {
        agree_within(LONG, k.clone(), &[("h", h as i64), ("w", w as i64)], &[numbers(&[3, h, w])]);
    }
}

#[test]
fn symbolic_batches_in_the_transformed_domain() {
    let (k, _) = conv_last(&["n", "9", "11", "16"], 16, 1, true);
    let mut scheduled = k.clone();
    optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
    assert!(transformed(&scheduled), "{scheduled}");
    for n in [0, 1, 3] {
        agree(k.clone(), &[("n", n as i64)], &[numbers(&[n, 9, 11, 16]), numbers(&[16])]);
    }
    let (k, _) = conv_last(&["n", "h", "w", "16"], 16, 1, true);
    for (n, h, w) in [(1, 5, 5), (2, 9, 24), (1, 1, 1)] {
        let at = [("n", n as i64), ("h", h as i64), ("w", w as i64)];
        agree(k.clone(), &at, &[numbers(&[n, h, w, 16]), numbers(&[16])]);
    }
}

/// The code of a block is there once, for blocks of any size, and of what is there its products are the tiles.
#[test]
fn blocks_of_any_size_are_one_loop() {
    let (mut k, _) = conv_last(&["1", "h", "w", "16"], 16, 1, true);
    ["h", "w"].iter().for_each(|d| k.ranges.set_typical(*d, 224));
    for (h, w) in [(0, 4), (1, 1), (3, 17), (9, 63), (4, 65), (22, 300)] {
        let at = [("h", h as i64), ("w", w as i64)];
        agree(k.clone(), &at, &[numbers(&[1, h, w, 16]), numbers(&[16])]);
    }
    optimise(&mut k, MACHINES[0]).expect("constants evaluate");
    assert!(transformed(&k), "{k}");
    let text = from_kernel(&k, "k", MACHINES[0]).expect("it can be lowered").func.to_string();
    assert_eq!(text.matches("for %c.m.a").count(), 1, "{text}");
}

/// The transform reads whole vectors: of columns of tiles, or where a row has few, of channels and columns as one axis.
#[test]
fn transforms_of_few_channels_have_lanes() {
    let of = |size: &[&str; 3], taps: i64| {
        let mut k = conv_planar(size, 16, taps, 0, None);
        optimise(&mut k, Machine { vector_bits: 256, registers: 16, ..Machine::USUAL }).expect("constants evaluate");
        let v = k.schedule.stages.iter().find(|s| k.defs[s.def].name == "c.v").expect("it is transformed");
        let shape: Vec<String> = k.defs[v.def].shape().iter().map(Sym::to_string).collect();
        let lanes = v.vector.as_ref().map(|l| format!("{} {}", l.axis, l.lanes)).unwrap_or_default();
        format!("[{}] {lanes}", shape.join(", "))
    };
    assert_eq!(of(&["3", "72", "72"], 9), "[8, 8, 17, 3, 17] c.v.column 8");
    assert_eq!(of(&["16", "13", "14"], 7), "[8, 8, 3, 63] c.v.both 8");
    // Few channels: rows are transformed, columns aren't; whole rows are read where they are.
    assert_eq!(of(&["6", "14", "14"], 5), "[9, 1, 2, 6, 14] c.v.column 8");
}

/// What shares its loads is computed together, so that a transform loads each element once and soon needs it no more.
#[test]
fn transforms_go_column_by_column() {
    let (k, _) = conv_last(&["1", "10", "70", "16"], 32, 0, true);
    let mut scheduled = k.clone();
    optimise(&mut scheduled, MACHINES[0]).expect("constants evaluate");
    let lowered = from_kernel(&scheduled, "k", MACHINES[0]).expect("the schedule can be lowered");
    let mut program = Program { name: "t".into(), ..Program::default() };
    program.funcs.push(lowered.func);
    let text = program.to_string();
    // The six elements of the first column are loaded, then summed up, before the seventh.
    let lines: Vec<&str> = text.lines().skip_while(|l| !l.contains("load %x[")).collect();
    let seventh = lines.iter().enumerate().filter(|(_, l)| l.contains("load %x[")).nth(6).expect("there are 36").0;
    let sums = lines[..seventh].iter().filter(|l| [" add ", " sub ", " fma "].iter().any(|op| l.contains(op)));
    let sums = sums.filter(|l| l.contains(": v16f32")).count();
    assert!(sums >= 10, "{sums}\n{text}");
}

/// A block's products are of one sample: register tiles are cut alike, however many samples there are.
#[test]
fn products_of_a_block_are_of_one_sample() {
    let tile = |samples: &str| {
        let (mut k, _) = conv_last(&[samples, "58", "58", "64"], 64, 0, true);
        optimise(&mut k, MACHINES[0]).expect("constants evaluate");
        let stage = k.schedule.stages.iter().find(|s| k.defs[s.def].name == "c.m").expect("transformed");
        assert!(stage.at.is_some(), "in blocks\n{k}");
        let wide = stage.loops.iter().filter(|l| l.block > 1);
        wide.map(|l| (l.axis.as_str().to_string(), l.block)).collect::<Vec<_>>()
    };
    let one = tile("1");
    assert!(one.iter().any(|l| l.0.ends_with(".column")), "{one:?}");
    assert_eq!((tile("n"), tile("4")), (one.clone(), one));
}
