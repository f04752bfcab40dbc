//! Windows over channels, vectors that overlap, every other element, transposed tiles.

use super::convolutions::conv;
use super::*;
use crate::from_kernel::reduction_axes;

/// A depthwise convolution (or a pool of maxima) with its channels last: `k` by `k` taps, stride `s`.
fn window(shape: &[&str; 3], k: i64, s: i64, weights: Option<Tensor>) -> Kernel {
    let mut b = KernelBuilder::new("window", dims(&["h", "w", "c"]));
    let x = b.param("x", DType::F32, syms(shape), None);
    let shape = syms(shape);
    let out = |n: &Sym| (n - k).floordiv(&Sym::int(s)) + 1;
    let to = [out(&shape[0]), out(&shape[1]), shape[2].clone()];
    let at = |i: &[Sym], r: &[Sym]| load(x, &[&i[0] * s + &r[0], &i[1] * s + &r[1], i[2].clone()]);
    let over = [Sym::int(k), Sym::int(k)];
    let c = match weights {
        Some(w) => {
            let w = b.param("w", DType::F32, vec![shape[2].clone(), Sym::int(k), Sym::int(k)], Some(w));
            b.reduce("c", DType::F32, &to, ReduceOp::Add, &over, None, |_, i, r| {
                at(i, r) * load(w, &[i[2].clone(), r[0].clone(), r[1].clone()])
            })
        }
        None => b.reduce("c", DType::F32, &to, ReduceOp::Max, &over, None, |_, i, r| at(i, r)),
    };
    let y = b.map("y", DType::F32, &to, |_, i| build::binary(BinOp::Max, load(c, i), number(DType::F32, 0.0)));
    b.output(y);
    b.kernel
}

#[test]
fn windows_over_channels() {
    for (k, s) in [(3, 1), (3, 2), (5, 1), (2, 2)] {
        let w = numbers(&[24, k as usize, k as usize]);
        for weights in [Some(w), None] {
            agree(window(&["7", "19", "24"], k, s, weights.clone()), &[], &[numbers(&[7, 19, 24])]);
            let given = [numbers(&[6, 30, 24])];
            agree(window(&["h", "w", "24"], k, s, weights), &[("h", 6), ("w", 30)], &given);
        }
    }
}

#[test]
fn a_window_loads_each_vector_once() {
    let mut k = window(&["9", "20", "32"], 3, 1, Some(numbers(&[32, 3, 3])));
    let machine = Machine { vector_bits: 256, ..MACHINES[1] };
    optimise(&mut k, machine).expect("constants evaluate");
    let text = k.schedule.stages.iter().map(|s| format!("{:?}", s.over.last().map(|l| l.block))).collect::<String>();
    assert_eq!(text, "Some(3)", "the taps along the rows are written out: {:?}", k.schedule);
    let loads = |program: &str| program.matches("load %x[").count();
    let lowered = from_kernel(&k, "k", machine).expect("the schedule can be lowered");
    let mut program = Program { name: "t".into(), ..Program::default() };
    let rows = k.schedule.stages[0].loops[1].block;
    program.funcs.push(lowered.func);
    // 18 outputs as equal runs, of one size here: each reads two vectors more than it has outputs.
    assert_eq!(18 % rows, 0, "{:?}", k.schedule);
    assert_eq!(loads(&program.to_string()), rows as usize + 2, "{program}");
}

/// Of the taps of a large window a part is written out at a time.
#[test]
fn large_windows_slide_in_parts() {
    let kernel = window(&["12", "20", "16"], 11, 1, Some(numbers(&[16, 11, 11])));
    agree(kernel.clone(), &[], &[numbers(&[12, 20, 16])]);
    let mut k = kernel;
    optimise(&mut k, MACHINES[0]).expect("constants evaluate");
    let [stage] = &k.schedule.stages[..] else { panic!("one nest: {k}") };
    assert_eq!(stage.over.last().map(|l| l.block), Some(6), "eleven are six and five: {k}");
    assert_eq!(stage.loops[1].block, 10, "{k}");
}

#[test]
fn rows_of_a_planar_convolution_are_channels() {
    let mut k = conv(&["1", "1", "12", "28"], 6, 5, 0, 1, Some(numbers(&[6, 1, 5, 5])));
    optimise(&mut k, MACHINES[0]).expect("constants evaluate");
    let last = k.schedule.stages.last().expect("a stage");
    let channels = k.defs[last.def].axes.iter().find(|a| a.extent == Sym::int(6)).expect("the channels");
    assert_eq!(last.tile(&channels.var), 6, "{:?}", k.schedule);
}

/// The axes of a matrix exchanged.
fn exchanged(shape: &[&str; 2]) -> Kernel {
    let mut b = KernelBuilder::new("exchanged", dims(&["m", "n"]));
    let x = b.param("x", DType::F32, syms(shape), None);
    let to = [syms(shape)[1].clone(), syms(shape)[0].clone()];
    let y = b.map("y", DType::F32, &to, |_, i| load(x, &[i[1].clone(), i[0].clone()]));
    b.output(y);
    b.kernel
}

#[test]
fn matrices_are_transposed_in_registers() {
    for (m, n) in [(16, 16), (25, 16), (37, 21), (5, 3)] {
        let given = [numbers(&[m, n])];
        let text = [m.to_string(), n.to_string()];
        agree(exchanged(&[&text[0], &text[1]]), &[], &given);
        agree(exchanged(&["m", "n"]), &[("m", m as i64), ("n", n as i64)], &given);
        agree(exchanged(&["m", &text[1]]), &[("m", m as i64)], &given);
    }
    let mut k = exchanged(&["16", "32"]);
    optimise(&mut k, MACHINES[0]).expect("no constants");
    let lowered = from_kernel(&k, "k", MACHINES[0]).expect("the schedule can be lowered");
    let mut program = Program { name: "t".into(), ..Program::default() };
    program.funcs.push(lowered.func);
    assert!(!program.to_string().contains("gather"), "{program}");
}

#[test]
fn pools_of_stride_two_over_rows() {
    for w in ["28", "14", "21", "9", "w"] {
        let n = w.parse().unwrap_or(23);
        let mut b = KernelBuilder::new("pool", dims(&["w"]));
        let x = b.param("x", DType::F32, syms(&["6", w]), None);
        let to = [Sym::int(3), Sym::parse(w).expect("an extent").floordiv(&Sym::int(2))];
        let m = b.reduce("m", DType::F32, &to, ReduceOp::Max, &syms(&["2", "2"]), None, |_, i, r| {
            load(x, &[&i[0] * 2 + &r[0], &i[1] * 2 + &r[1]])
        });
        b.output(m);
        agree(b.kernel, &[("w", n)], &[numbers(&[6, n as usize])]);
    }
}

/// A convolution of planes to channels that are last: stride 2, `n` by `n`.
fn image(shape: &[&str; 2], out: i64, planes: i64, n: i64) -> Kernel {
    let mut b = KernelBuilder::new("image", dims(&["h", "w"]));
    let [h, w] = [0, 1].map(|i| syms(shape)[i].clone());
    let x = b.param("x", DType::F32, vec![Sym::int(planes), h.clone(), w.clone()], None);
    let taps = numbers(&[out as usize, planes as usize, n as usize, n as usize]);
    let k = b.param("k", DType::F32, [out, planes, n, n].map(Sym::int).to_vec(), Some(taps));
    let to = [(h - n).floordiv(&Sym::int(2)) + 1, (w - n).floordiv(&Sym::int(2)) + 1, Sym::int(out)];
    let over = [planes, n, n].map(Sym::int);
    let c = b.reduce("c", DType::F32, &to, ReduceOp::Add, &over, None, |_, i, r| {
        let at = [r[0].clone(), &i[0] * 2 + &r[1], &i[1] * 2 + &r[2]];
        load(x, &at) * load(k, &[i[2].clone(), r[0].clone(), r[1].clone(), r[2].clone()])
    });
    b.output(c);
    b.kernel
}

#[test]
fn what_shares_nothing_is_written_out() {
    let over = |planes: i64, n: i64| {
        let machine = Machine { vector_bits: 256, ..MACHINES[1] };
        let mut k = image(&["17", "33"], 32, planes, n);
        optimise(&mut k, machine).expect("constants evaluate");
        let stage = k.schedule.stages.last().expect("a convolution has a stage");
        let axes = reduction_axes(&k.defs[stage.acc.unwrap_or(stage.def)]);
        let number = |l: &onnxc_ir::kernel::Loop| axes.iter().position(|a| a.var == l.axis);
        stage.over.iter().map(|l| (number(l), l.block)).collect::<Vec<_>>()
    };
    let at = |i: usize, block: u32| (Some(i), block);
    assert_eq!(over(3, 3), [at(0, 1), at(2, 1), at(1, 3)], "neighbours read the same columns, but other rows");
    assert_eq!(over(3, 5), [at(1, 1), at(2, 1), at(0, 3)], "the planes are fewer than the rows");
    assert_eq!(over(16, 5), [at(0, 1), at(2, 1), at(1, 5)], "more rows than that, if they are no more code");
    assert_eq!(over(16, 11), [at(0, 1), at(1, 1), at(2, 1)], "too many of both");
    for n in [3, 5] {
        agree(image(&["17", "33"], 32, 3, n), &[], &[numbers(&[3, 17, 33])]);
        agree(image(&["h", "w"], 24, 3, n), &[("h", 9), ("w", 12)], &[numbers(&[3, 9, 12])]);
    }
}

#[test]
fn columns_come_in_blocks_where_windows_fill_the_cache() {
    let text = "kernel @c { in x: f32[20, 84, 8] in k: f32[2, 5, 5, 8]
        c[o in 2, i in 16, j in 80]: f32 = sum(r in 5, s in 5, q in 8) of x[i + r, j + s, q] * k[o, r, s, q] out c }";
    let kernel = onnxc_ir::kernel::parse::parse_kernel(text, None, None).unwrap_or_else(|d| panic!("{d}"));
    let blocks = |l2_bytes: u32| {
        let machine = Machine { l2_bytes, ..Machine::USUAL };
        let mut k = kernel.clone();
        optimise(&mut k, machine).expect("it is scheduled");
        agree_scheduled(&k, machine, &kernel, &[], &[numbers(&[20, 84, 8]), numbers(&[2, 5, 5, 8])]);
        k.schedule.stages.last().expect("it has a stage").loops.iter().filter(|l| l.axis.as_str() == "j").count()
    };
    assert_eq!(blocks(1 << 20), 1);
    assert_eq!(blocks(20 << 10), 2, "13 KB of five rows don't stay");
}
