//! Convolutions of floats summed directly: in groups, strided, padded, placed in larger tensors.

use super::*;

/// Convolution with bias and ReLU: kernel `k` by `k`, padding `p`, stride `s`.
pub(super) fn conv(shape: &[&str; 4], out: i64, k: i64, p: i64, s: i64, weights: Option<Tensor>) -> Kernel {
    let mut b = KernelBuilder::new("conv", dims(&["n", "h", "w"]));
    let shape = syms(shape);
    let size = |d: &Sym| (d.clone() + 2 * p - k).floordiv(&Sym::int(s)) + 1;
    let x = b.param("x", DType::F32, shape.clone(), None);
    let q = shape[1].clone();
    let w = b.param("w", DType::F32, vec![Sym::int(out), q.clone(), Sym::int(k), Sym::int(k)], weights);
    let bias = b.param("b", DType::F32, vec![Sym::int(out)], None);
    let to = [shape[0].clone(), Sym::int(out), size(&shape[2]), size(&shape[3])];
    let over = [q, Sym::int(k), Sym::int(k)];
    let c = b.reduce("c", DType::F32, &to, ReduceOp::Add, &over, Some(&|_, i| load(bias, &i[1..2])), |_, i, r| {
        let at = [i[0].clone(), r[0].clone(), &i[2] * s + &r[1] - p, &i[3] * s + &r[2] - p];
        load_padded(x, &at, Scalar::f32(0.0)) * load(w, &[i[1].clone(), r[0].clone(), r[1].clone(), r[2].clone()])
    });
    let y = b.map("y", DType::F32, &to, |_, i| {
        let zero = constant(Scalar::f32(0.0));
        build::binary(BinOp::Max, load(c, i), zero)
    });
    b.output(y);
    b.kernel
}

#[test]
fn convolutions() {
    let bias = |n: usize| numbers(&[n]);
    agree(
        conv(&["1", "3", "9", "20"], 7, 3, 1, 1, None),
        &[],
        &[numbers(&[1, 3, 9, 20]), numbers(&[7, 3, 3, 3]), bias(7)],
    );
    agree(
        conv(&["2", "3", "8", "9"], 4, 3, 1, 2, Some(numbers(&[4, 3, 3, 3]))),
        &[],
        &[numbers(&[2, 3, 8, 9]), bias(4)],
    );
    agree(
        conv(&["1", "5", "6", "7"], 20, 1, 0, 1, Some(numbers(&[20, 5, 1, 1]))),
        &[],
        &[numbers(&[1, 5, 6, 7]), bias(20)],
    );
    agree(
        conv(&["1", "2", "11", "11"], 3, 7, 3, 2, None),
        &[],
        &[numbers(&[1, 2, 11, 11]), numbers(&[3, 2, 7, 7]), bias(3)],
    );
}

/// Convolution of `groups` groups of 4 input and `out` output channels, and ReLU.
fn grouped(groups: i64, out: i64, channels_last: bool, weights: Option<Tensor>) -> Kernel {
    groups_of(groups, [4, out], channels_last, weights)
}

/// The same of `each` input channels to a group.
fn groups_of(groups: i64, [each, out]: [i64; 2], channels_last: bool, weights: Option<Tensor>) -> Kernel {
    let mut b = KernelBuilder::new("grouped", dims(&[]));
    let order = |v: [Sym; 3]| if channels_last { [v[1].clone(), v[2].clone(), v[0].clone()] } else { v };
    let size = |c: i64, n: i64| order([Sym::int(c), Sym::int(n), Sym::int(n)]);
    let x = b.param("x", DType::F32, size(each * groups, 9).to_vec(), None);
    let w = b.param("w", DType::F32, [groups * out, each, 3, 3].map(Sym::int).to_vec(), weights);
    let over = [each, 3, 3].map(Sym::int);
    let c = b.reduce("c", DType::F32, &size(groups * out, 7), ReduceOp::Add, &over, None, |_, i, r| {
        let i = if channels_last { [&i[2], &i[0], &i[1]] } else { [&i[0], &i[1], &i[2]] };
        let channel = i[0].floordiv(&Sym::int(out)) * each + &r[0];
        let at = order([channel, i[1] + &r[1], i[2] + &r[2]]);
        load(x, &at) * load(w, &[i[0].clone(), r[0].clone(), r[1].clone(), r[2].clone()])
    });
    let y = b.map("y", DType::F32, &size(groups * out, 7), |_, i| {
        build::binary(BinOp::Max, load(c, i), constant(Scalar::f32(0.0)))
    });
    b.output(y);
    b.kernel
}

#[test]
fn groups_become_an_axis() {
    for (groups, out, last) in [(3, 8, true), (2, 16, true), (5, 2, true), (3, 4, false)] {
        let inputs = [
            numbers(&if last { [9, 9, 4 * groups as usize] } else { [4 * groups as usize, 9, 9] }),
            numbers(&[(groups * out) as usize, 4, 3, 3]),
        ];
        let kernel = grouped(groups, out, last, None);
        let mut k = kernel.clone();
        crate::kernel::split::split(&mut k, Machine::USUAL);
        assert_eq!(!k.to_string().contains("floordiv"), out >= 4, "{k}");
        agree(kernel, &[], &inputs);
    }
}

/// Vectors hold the channels of several groups: each is loaded once and shuffled for every tap.
#[test]
fn small_groups_share_vectors() {
    for (groups, each, out) in [(16, 4, 4), (8, 2, 2), (16, 1, 2), (8, 2, 4), (4, 8, 8), (16, 3, 3), (4, 3, 4)] {
        let weights = numbers(&[(groups * out) as usize, each as usize, 3, 3]);
        let kernel = groups_of(groups, [each, out], true, Some(weights));
        let given = numbers(&[9, 9, (each * groups) as usize]);
        let machine = MACHINES[0];
        let mut k = kernel.clone();
        optimise(&mut k, machine).expect("constants evaluate");
        let lowered = from_kernel(&k, "k", machine).expect("the schedule can be lowered");
        let mut program = Program { name: "t".into(), ..Program::default() };
        program.funcs.push(lowered.func);
        let gathers = program.to_string().contains("gather");
        // Twelve channels are no whole vector.
        assert_eq!(gathers, each * groups == 12, "{groups} of {each} to {out}: {k}");
        agree(kernel, &[], &[given]);
    }
}

/// A group's constant weights lie in the order of their use, whole vectors or not.
#[test]
fn weights_of_groups_are_packed_in_panels() {
    for (groups, out) in [(3, 8), (2, 40), (3, 4), (2, 12)] {
        let weights = numbers(&[(groups * out) as usize, 4, 3, 3]);
        let kernel = grouped(groups, out, true, Some(weights));
        let mut k = kernel.clone();
        optimise(&mut k, Machine::USUAL).expect("constants evaluate");
        assert!(k.to_string().contains(&format!("const panels1: f32[{groups}, ")), "{k}");
        agree(kernel, &[], &[numbers(&[9, 9, 4 * groups as usize])]);
    }
}

/// A line of the data is read for the channels of all groups in it before the next one.
#[test]
fn a_tile_of_pixels_meets_all_small_groups() {
    let mut k = grouped(32, 8, true, Some(numbers(&[256, 4, 3, 3])));
    optimise(&mut k, Machine::USUAL).expect("constants evaluate");
    let stage = k.schedule.stages.last().expect("a convolution");
    let position = |axis: usize| stage.loops.iter().position(|l| l.axis == k.defs[stage.def].axes[axis].var);
    let [pixels, groups, lanes] = [1, 2, 3].map(position);
    assert!(pixels < groups && groups < lanes, "{k}");
}

#[test]
fn outputs_lie_where_they_are_placed() {
    for (p, k) in [(0, 1), (1, 3)] {
        let mut kernel = conv(&["1", "5", "h", "w"], 20, k, p, 1, Some(numbers(&[20, 5, k as usize, k as usize])));
        // Inside of a border of 1 and 2, between other channels.
        let strides = syms(&["999999", "(h+3)*(w+3)", "w+3", "1"]);
        kernel.place(0, kernel::Placed { strides, offset: Sym::parse("4*(h+3)*(w+3) + w + 4").expect("a sum") });
        agree(kernel, &[("h", 6), ("w", 19)], &[numbers(&[1, 5, 6, 19]), numbers(&[20])]);
    }
}

#[test]
fn symbolic_convolutions() {
    for (n, h, w) in [(1, 5, 5), (2, 9, 40), (1, 1, 1), (1, 3, 17)] {
        let given = [numbers(&[n, 3, h, w]), numbers(&[7, 3, 3, 3]), numbers(&[7])];
        let at = [("n", n as i64), ("h", h as i64), ("w", w as i64)];
        agree(conv(&["n", "3", "h", "w"], 7, 3, 1, 1, None), &at, &given);
        agree(conv(&["n", "3", "h", "w"], 7, 3, 1, 2, None), &at, &given);
        let given = [numbers(&[n, 3, h, w]), numbers(&[7, 3, 1, 1]), numbers(&[7])];
        agree(conv(&["n", "3", "h", "w"], 7, 1, 0, 1, None), &at, &given);
    }
}

#[test]
fn channels_go_innermost_where_they_are_contiguous() {
    let text = |at: &str| {
        format!(
            "kernel @conv {{
               in x: f32[9, 9, 9]
               in w: f32[9, 3, 3, 8]
               c[i in 4, j in 4, o in 8]: f32 = sum(q in 9, r in 3, s in 3) of x[{at}] * w[q, r, s, o]
               out c
             }}"
        )
    };
    for (at, innermost) in [("2*i + r, 2*j + s, q", "q"), ("q, 2*i + r, 2*j + s", "s")] {
        let given = onnxc_ir::kernel::parse::parse_kernel(&text(at), None, None).unwrap_or_else(|d| panic!("{d}"));
        let mut k = given.clone();
        crate::kernel::order::order(&mut k, Machine::USUAL);
        let mut over = k.defs.values().flat_map(crate::from_kernel::reduction_axes).map(|a| a.var.as_str());
        assert_eq!(over.next_back(), Some(innermost), "{k}");
        agree(given, &[], &[numbers(&[9, 9, 9]), numbers(&[9, 3, 3, 8])]);
    }
}

#[test]
fn padding_is_packed_away() {
    let mut k = conv(&["1", "3", "768", "768"], 64, 9, 4, 1, Some(numbers(&[64, 3, 9, 9])));
    optimise(&mut k, Machine { strict: true, ..MACHINES[0] }).expect("constants evaluate");
    let names: Vec<&str> = k.defs.values().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["pack1", "c", "y"]);
    assert_eq!(
        k.defs.values().flat_map(crate::kernel::expr::def_loads).filter(|s| s.pad.is_some()).count(),
        1,
        "only the copy is padded"
    );
}

#[test]
fn constants_are_padded_along_a_sum() {
    let mut b = KernelBuilder::new("padded", dims(&[]));
    let x = b.param("x", DType::F32, syms(&["6", "4"]), None);
    let k = b.param("k", DType::F32, syms(&["3", "8"]), Some(numbers(&[3, 8])));
    let y = b.reduce("y", DType::F32, &syms(&["6", "8"]), ReduceOp::Add, &syms(&["4"]), None, |_, i, r| {
        load(x, &[i[0].clone(), r[0].clone()]) * load_padded(k, &[r[0].clone(), i[1].clone()], Scalar::f32(0.0))
    });
    b.output(y);
    agree(b.kernel, &[], &[numbers(&[6, 4])]);
}
