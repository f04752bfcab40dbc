//! Sums of products of bytes: weights in panels, rows that overlap, windows that are copied.

use super::*;

fn bytes(shape: &[usize]) -> Tensor {
    bytes_of(DType::I8, shape)
}

fn bytes_of(dtype: DType, shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let all: Vec<u8> = (0..n).map(|i| ((i * 89 + 13) % 256) as u8).collect();
    Tensor::from_bytes(dtype, shape.to_vec(), all.into()).expect("a byte is an element")
}

/// A convolution of bytes stored channels last, padded with 3, and its sums shifted.
fn integer_conv(shape: &[&str; 4], out: i64, k: i64, p: i64, s: i64) -> Kernel {
    conv_of([DType::I8, DType::I8], shape, out, [k, p, s])
}

/// The same of data and weights of these types.
fn conv_of([data, kernel]: [DType; 2], shape: &[&str; 4], out: i64, [k, p, s]: [i64; 3]) -> Kernel {
    let mut b = KernelBuilder::new("conv", dims(&["h", "w"]));
    let shape = syms(shape);
    let size = |d: &Sym| (d.clone() + 2 * p - k).floordiv(&Sym::int(s)) + 1;
    let x = b.param("x", data, shape.clone(), None);
    let q = shape[3].as_int().expect("fixed channels");
    let weights = bytes_of(kernel, &[out as usize, q as usize, k as usize, k as usize]);
    let w = b.param("w", kernel, [out, q, k, k].map(Sym::int).to_vec(), Some(weights));
    let to = [shape[0].clone(), size(&shape[1]), size(&shape[2]), Sym::int(out)];
    let over = [q, k, k].map(Sym::int);
    let c = b.reduce("c", DType::I32, &to, ReduceOp::Add, &over, None, |_, i, r| {
        let at = [i[0].clone(), &i[1] * s + &r[1] - p, &i[2] * s + &r[2] - p, r[0].clone()];
        let value = if p > 0 { load_padded(x, &at, Scalar::from_i64(data, 3)) } else { load(x, &at) };
        let weight = load(w, &[i[3].clone(), r[0].clone(), r[1].clone(), r[2].clone()]);
        cast(data, DType::I32, value) * cast(kernel, DType::I32, weight)
    });
    let y = b.map("y", DType::I32, &to, |_, i| {
        build::binary(BinOp::Shr, load(c, i), constant(Scalar::from_i64(DType::I32, 3)))
    });
    b.output(y);
    b.kernel
}

#[test]
fn sums_of_products_of_bytes() {
    agree(integer_conv(&["1", "7", "9", "6"], 5, 3, 1, 1), &[], &[bytes(&[1, 7, 9, 6])]);
    agree(integer_conv(&["2", "5", "6", "33"], 8, 1, 0, 1), &[], &[bytes(&[2, 5, 6, 33])]);
    agree(integer_conv(&["1", "9", "9", "1"], 3, 5, 0, 2), &[], &[bytes(&[1, 9, 9, 1])]);
    agree(integer_conv(&["1", "11", "9", "1"], 8, 5, 2, 1), &[], &[bytes(&[1, 11, 9, 1])]);
    agree(integer_conv(&["1", "9", "9", "3"], 16, 3, 1, 2), &[], &[bytes(&[1, 9, 9, 3])]);
    agree(integer_conv(&["1", "9", "8", "6"], 7, 5, 0, 1), &[], &[bytes(&[1, 9, 8, 6])]);
    agree(integer_conv(&["1", "4", "5", "42"], 3, 1, 0, 1), &[], &[bytes(&[1, 4, 5, 42])]);
    agree(integer_conv(&["1", "h", "w", "8"], 6, 3, 1, 2), &[("h", 7), ("w", 10)], &[bytes(&[1, 7, 10, 8])]);
    agree(integer_conv(&["1", "h", "w", "1"], 9, 5, 2, 1), &[("h", 6), ("w", 8)], &[bytes(&[1, 6, 8, 1])]);
    let mut k = integer_conv(&["1", "7", "9", "6"], 5, 3, 1, 1);
    optimise(&mut k, MACHINES[4]).expect("constants evaluate");
    let text = k.to_string();
    assert!(text.contains(", dots 4 4"), "{text}");
}

/// Whatever the signs of data and weights are, and whatever the operation wants.
#[test]
fn products_across_lanes_have_the_signs_that_the_operation_wants() {
    for data in [DType::I8, DType::U8] {
        for weights in [DType::I8, DType::U8] {
            let x = bytes_of(data, &[1, 7, 9, 6]);
            agree(conv_of([data, weights], &["1", "7", "9", "6"], 21, [3, 1, 1]), &[], &[x]);
        }
    }
    // Rows of 21 products are six operations, the last of which overlaps; 25 columns are not whole vectors.
    agree(integer_conv(&["1", "15", "16", "3"], 25, 7, 3, 2), &[], &[bytes(&[1, 15, 16, 3])]);
    let mut k = conv_of([DType::I8, DType::I8], &["1", "6", "6", "16"], 32, [3, 0, 1]);
    optimise(&mut k, MACHINES[7]).expect("constants evaluate");
    let text = k.to_string();
    assert!(text.contains(", dots 4 4") && text.contains("vector") && text.contains("c_sums"), "{text}");
}

/// The schedule for a core with operations of 16 products.
fn scheduled(kernel: Kernel) -> Kernel {
    let mut k = kernel;
    optimise(&mut k, MACHINES[5]).expect("constants evaluate");
    k
}

/// 25 products of a 5x5 kernel over one channel are two operations of 16 over a copied window, which overlap by 7.
#[test]
fn windows_of_few_channels_are_copied_for_a_tile() {
    let k = scheduled(integer_conv(&["1", "28", "28", "1"], 6, 5, 2, 1));
    let windows = k.schedule.stages.iter().find(|s| k.defs[s.def].name.starts_with("windows")).expect("a copy");
    let last = k.schedule.stages.last().expect("a convolution");
    assert_eq!(windows.at.map(|a| (a.owner, a.depth, a.rolls)), Some((last.def, 2, false)), "{k}");
    assert_eq!(last.over.iter().map(|l| l.block).collect::<Vec<_>>(), [32], "{k}");
}

/// Rows of 30 products are two operations of 16 as they lie: no window is copied.
#[test]
fn rows_that_fill_an_operation_overlap() {
    let k = scheduled(integer_conv(&["1", "14", "14", "6"], 16, 5, 0, 1));
    assert_eq!(k.schedule.stages.len(), 1, "{k}");
    let over: Vec<u32> = k.schedule.stages[0].over.iter().map(|l| l.block).collect();
    assert_eq!(over, [1, 32], "{k}");
}

/// What an activation mentions again and again is computed at its point, in the product's own tile.
#[test]
fn a_long_sum_before_an_activation_stays_in_the_tile() {
    let addends = 9;
    let mut b = KernelBuilder::new("sums", dims(&[]));
    let x = b.param("x", DType::F32, syms(&["20", "12"]), None);
    let w = b.param("w", DType::F32, syms(&["12", "32"]), Some(numbers(&[12, 32])));
    let others: Vec<_> =
        (0..addends).map(|i| b.param(&format!("a{i}"), DType::F32, syms(&["20", "32"]), None)).collect();
    let to = syms(&["20", "32"]);
    let c = b.reduce("c", DType::F32, &to, ReduceOp::Add, &syms(&["12"]), None, |_, i, r| {
        load(x, &[i[0].clone(), r[0].clone()]) * load(w, &[r[0].clone(), i[1].clone()])
    });
    let sum = b.map("sum", DType::F32, &to, |_, i| others.iter().fold(load(c, i), |s, a| s + load(*a, i)));
    let y = b.map("y", DType::F32, &to, |_, i| {
        let zero = number(DType::F32, 0.0);
        let below = build::compare(CmpOp::Lt, load(sum, i), zero);
        select(below, load(sum, i) * number(DType::F32, 0.25), load(sum, i))
    });
    b.output(y);
    let mut k = b.kernel.clone();
    optimise(&mut k, MACHINES[0]).expect("constants evaluate");
    let [stage] = &k.schedule.stages[..] else { panic!("one nest: {k}") };
    assert!(stage.loops.iter().any(|l| l.axis == k.defs[stage.def].axes[0].var && l.block > 1), "{k}");
    let inputs: Vec<Tensor> = [numbers(&[20, 12])].into_iter().chain(vec![numbers(&[20, 32]); addends]).collect();
    agree(b.kernel, &[], &inputs);
}
