//! Kernels against numbers worked out by hand, or by the plainest loops.

use super::*;
use crate::kernel::build::*;
use crate::kernel::{BinOp, CmpOp, KernelBuilder, ReduceOp, UnOp};
use onnxc_base::tensor::Element;
use onnxc_base::{Ranges, Sym};

fn builder() -> KernelBuilder {
    KernelBuilder::new("k", Ranges::new())
}

fn sizes(list: &[i64]) -> Vec<Sym> {
    list.iter().map(|&n| Sym::int(n)).collect()
}

/// Runs with these dims and gives the first output.
fn eval(k: &KernelBuilder, dims: &[(&str, i64)], inputs: &[Tensor]) -> Result<Tensor, InterpError> {
    let find = |s: &Symbol| dims.iter().find(|d| d.0 == s.as_str()).map(|d| d.1);
    run(&k.kernel, &find, inputs).map(|mut outs| outs.remove(0))
}

fn values<T: Element>(t: Tensor) -> Vec<T> {
    t.to_vec().expect("the output has this type")
}

#[test]
fn padded_convolution_sums_what_is_there() {
    let mut k = builder();
    let (h, w) = (Sym::var("h"), Sym::var("w"));
    let x = k.param("x", DType::F32, vec![Sym::int(2), h.clone(), w.clone()], None);
    let f = k.param("f", DType::F32, sizes(&[3, 2, 3, 3]), None);
    let y = k.reduce("y", DType::F32, &[Sym::int(3), h, w], ReduceOp::Add, &sizes(&[2, 3, 3]), None, |_, i, r| {
        let at = [r[0].clone(), &i[1] + &r[1] - 1, &i[2] + &r[2] - 1];
        load_padded(x, &at, Scalar::f32(0.0)) * load(f, &[&i[0..1], r].concat())
    });
    k.output(y);
    for (h, w) in [(1, 1), (2, 5), (4, 33), (3, 700)] {
        let xs: Vec<f32> = (0..2 * h * w).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
        let fs: Vec<f32> = (0..54).map(|i| ((i * 5) % 7) as f32 - 3.0).collect();
        let mut expected = vec![];
        for (o, i, j) in points([3, h, w]) {
            let mut sum = 0.0;
            for (q, r, s) in points([2, 3, 3]) {
                let (a, b) = (i + r - 1, j + s - 1);
                if (0..h).contains(&a) && (0..w).contains(&b) {
                    sum += xs[((q * h + a) * w + b) as usize] * fs[(((o * 2 + q) * 3 + r) * 3 + s) as usize];
                }
            }
            expected.push(sum);
        }
        let x = Tensor::from_slice(&[2, h as usize, w as usize], &xs);
        let f = Tensor::from_slice(&[3, 2, 3, 3], &fs);
        let y = eval(&k, &[("h", h), ("w", w)], &[x, f]).expect("it runs");
        assert_eq!(y.shape(), [3, h as usize, w as usize]);
        assert_eq!(values::<f32>(y), expected);
    }
}

fn points(e: [i64; 3]) -> impl Iterator<Item = (i64, i64, i64)> {
    (0..e[0]).flat_map(move |a| (0..e[1]).flat_map(move |b| (0..e[2]).map(move |c| (a, b, c))))
}

#[test]
fn softmax_of_two_rows() {
    let mut k = builder();
    let (m, n) = (Sym::var("m"), Sym::var("n"));
    let x = k.param("x", DType::F32, vec![m.clone(), n.clone()], None);
    let at = |i: &[Sym], r: &[Sym]| load(x, &[i[0].clone(), r[0].clone()]);
    let rows = std::slice::from_ref(&m);
    let cols = std::slice::from_ref(&n);
    let top = k.reduce("max", DType::F32, rows, ReduceOp::Max, cols, None, |_, i, r| at(i, r));
    let sum = k.reduce("sum", DType::F32, rows, ReduceOp::Add, cols, None, |_, i, r| {
        unary(UnOp::Exp, at(i, r) - load(top, i))
    });
    let y = k.map("y", DType::F32, &[m, n], |_, i| {
        unary(UnOp::Exp, at(&i[..1], &i[1..]) - load(top, &i[..1])) / load(sum, &i[..1])
    });
    k.output(y);
    let t = Tensor::from_slice(&[2, 3], &[0.0f32, 0.0, 0.0, 1.0, 1.0 + 2f32.ln(), f32::NEG_INFINITY]);
    let y = values::<f32>(eval(&k, &[("m", 2), ("n", 3)], &[t]).expect("it runs"));
    let expected = [1. / 3., 1. / 3., 1. / 3., 1. / 3., 2. / 3., 0.];
    assert!(y.iter().zip(expected).all(|(a, b): (_, f32)| (a - b).abs() < 1e-6), "{y:?}");
}

/// y[i, j] = x[index[i], j]
fn gather(pad: Option<Scalar>, check: bool) -> KernelBuilder {
    let mut k = builder();
    let x = k.param("x", DType::F64, sizes(&[3, 2]), None);
    let index = k.param("index", DType::I64, vec![Sym::var("n")], None);
    let y = k.map("y", DType::F64, &[Sym::var("n"), Sym::int(2)], |_, i| {
        load_at(x, vec![load(index, &i[..1]), int(i[1].clone())], pad)
    });
    k.output(y);
    if check {
        k.check(&[Sym::var("n")], 7, |_, i| compare(CmpOp::Lt, load(index, i), int(3)));
    }
    k
}

#[test]
fn gather_takes_rows_by_data() {
    let x = || Tensor::from_slice(&[3, 2], &[0.0, 1.0, 10.0, 11.0, 20.0, 21.0f64]);
    let index = |v: &[i64]| Tensor::from_slice(&[v.len()], v);
    let run = |k: KernelBuilder, v: &[i64]| eval(&k, &[("n", v.len() as i64)], &[x(), index(v)]);
    let y = run(gather(None, false), &[2, 0, 2]).expect("in range");
    assert_eq!(values::<f64>(y), [20.0, 21.0, 0.0, 1.0, 20.0, 21.0]);
    let y = run(gather(Some(Scalar::f64(-1.0)), false), &[3, -1, 1]).expect("padded");
    assert_eq!(values::<f64>(y), [-1.0, -1.0, -1.0, -1.0, 10.0, 11.0]);
    let error = run(gather(None, false), &[0, 3]).expect_err("row 3 isn't there");
    assert_eq!(error.to_string(), "'y' loads 'x' at [3, 0], but its extents are [3, 2]");
    assert_eq!(run(gather(None, true), &[0, 3]), Err(InterpError::Status(7)));
    assert_eq!(values::<f64>(run(gather(None, true), &[]).expect("nothing to do")), [0.0; 0]);
}

#[test]
fn argmax_by_two_reductions() {
    let mut k = builder();
    let x = k.param("x", DType::I32, sizes(&[2, 5]), None);
    let top = k.reduce("top", DType::I32, &sizes(&[2]), ReduceOp::Max, &sizes(&[5]), None, |_, i, r| {
        load(x, &[i[0].clone(), r[0].clone()])
    });
    let first = k.reduce("first", DType::I64, &sizes(&[2]), ReduceOp::Min, &sizes(&[5]), None, |_, i, r| {
        let hit = compare(CmpOp::Eq, load(x, &[i[0].clone(), r[0].clone()]), load(top, i));
        select(hit, int(r[0].clone()), constant(Scalar::greatest(DType::I64)))
    });
    k.output(first);
    let t = Tensor::from_slice(&[2, 5], &[3, 9, -1, 9, 0, -5, -4, -3, -2, -2]);
    assert_eq!(values::<i64>(eval(&k, &[], &[t]).expect("it runs")), [1, 3]);
}

#[test]
fn integers_wrap_and_divide_as_scalars_do() {
    let mut k = builder();
    let x = k.param("x", DType::U8, sizes(&[4]), None);
    let y = k.map("y", DType::U8, &sizes(&[4]), |_, i| {
        binary(BinOp::Div, load(x, i) + number(DType::U8, 200.0), load(x, i))
    });
    k.output(y);
    let t = Tensor::from_slice(&[4], &[0u8, 1, 100, 255]);
    // A zero divisor gives 0; 300 wraps to 44, 455 to 199.
    assert_eq!(values::<u8>(eval(&k, &[], &[t]).expect("it runs")), [0, 201, 0, 0]);
}

#[test]
fn sums_start_from_init_and_empty_ones_are_it() {
    let mut k = builder();
    let b = k.param("b", DType::F32, sizes(&[2]), None);
    let n = Sym::var("n");
    let init = |_: &mut KernelBuilder, i: &[Sym]| load(b, i);
    let y = k.reduce("y", DType::F32, &sizes(&[2]), ReduceOp::Add, &[n], Some(&init), |_, i, r| {
        cast(DType::I64, DType::F32, int(&i[0] * 100 + &r[0]))
    });
    k.output(y);
    let b = || Tensor::from_slice(&[2], &[0.5f32, -0.5]);
    assert_eq!(values::<f32>(eval(&k, &[("n", 0)], &[b()]).expect("it runs")), [0.5, -0.5]);
    assert_eq!(values::<f32>(eval(&k, &[("n", 3)], &[b()]).expect("it runs")), [3.5, 302.5]);
    let identity = {
        let mut k = builder();
        let y =
            k.reduce("y", DType::F32, &[], ReduceOp::Max, &[Sym::var("n")], None, |_, _, _| number(DType::F32, 1.0));
        k.output(y);
        k
    };
    assert_eq!(values::<f32>(eval(&identity, &[("n", 0)], &[]).expect("it runs")), [f32::NEG_INFINITY]);
    assert_eq!(values::<f32>(eval(&identity, &[("n", 5)], &[]).expect("it runs")), [1.0]);
}

#[test]
fn rank_0_and_empty_extents() {
    let mut k = builder();
    let x = k.param("x", DType::F32, vec![], Some(Tensor::scalar(3.0f32)));
    let y = k.map("y", DType::F32, &[], |_, _| load(x, &[]) + number(DType::F32, 1.0));
    k.output(y);
    let z = k.map("z", DType::F32, &[Sym::var("n"), Sym::int(4)], |_, _| load(y, &[]));
    k.output(z);
    let outs = run(&k.kernel, &|_| Some(0), &[]).expect("it runs");
    assert_eq!((outs[0].shape(), outs[1].shape()), ([].as_slice(), [0, 4].as_slice()));
    assert_eq!(outs[0].to_vec::<f32>(), Some(vec![4.0]));
}

#[test]
fn small_floats_are_storage() {
    let mut k = builder();
    let x = k.param("x", DType::BF16, sizes(&[2]), None);
    let y = k.map("y", DType::F16, &sizes(&[2]), |_, i| {
        let wide = cast(DType::BF16, DType::F32, load(x, i));
        cast(DType::F32, DType::F16, wide + number(DType::F32, 0.25))
    });
    k.output(y);
    let half = |v| half::f16::from_f32(v);
    let t = Tensor::from_slice(&[2], &[half::bf16::from_f32(1.0), half::bf16::from_f32(-8.0)]);
    assert_eq!(values::<half::f16>(eval(&k, &[], &[t]).expect("it runs")), [half(1.25), half(-7.75)]);
}

#[test]
fn indices_that_split_and_clamp() {
    let mut k = builder();
    let n = Sym::var("n");
    let x = k.param("x", DType::I32, vec![n.clone()], None);
    // A nearest resize by 2, clamped; and the same by a divisor that is a dim.
    let y = k.map("y", DType::I32, &[2 * &n + 2], |_, i| {
        let by_two = load(x, &[Sym::min_of(vec![i[0].floordiv(&Sym::int(2)), &n - 1])]);
        let by_dim = load(x, &[i[0].modulo(&n)]);
        by_two * number(DType::I32, 10.0) + by_dim
    });
    k.output(y);
    let t = |v: &[i32]| Tensor::from_slice(&[v.len()], v);
    assert_eq!(
        values::<i32>(eval(&k, &[("n", 3)], &[t(&[1, 2, 3])]).expect("it runs")),
        [11, 12, 23, 21, 32, 33, 31, 32]
    );
    let error = eval(&k, &[("n", 0)], &[t(&[])]).expect_err("there is nothing to divide by");
    assert!(matches!(error, InterpError::OutOfRange { .. } | InterpError::DivisionByZero { .. }), "{error}");
}

#[test]
fn what_is_wrong_with_the_values_is_said() {
    let mut k = builder();
    let x = k.param("x", DType::F32, vec![Sym::var("n"), Sym::int(2)], None);
    k.output(x);
    let t = Tensor::from_slice(&[3, 1], &[0.0f32; 3]);
    let error = eval(&k, &[("n", 3)], std::slice::from_ref(&t)).expect_err("the extents differ");
    assert_eq!(error.to_string(), "'x': the value is f32[3, 1] where f32[3, 2] is needed");
    let error = eval(&k, &[], &[t]).expect_err("n is unknown");
    assert_eq!(error.to_string(), "'x': 'n' has no value");
    assert_eq!(eval(&k, &[("n", 3)], &[]).expect_err("no value").to_string(), "'x': this parameter was given no value");
}

#[test]
fn shared_and_many_registers_are_kept_apart() {
    let mut k = builder();
    let x = k.param("x", DType::I64, sizes(&[1000]), None);
    let y = k.map("y", DType::I64, &sizes(&[1000]), |_, i| {
        let one = load(x, i);
        let mut all: Vec<Expr> = (0..20).map(|c| one.clone() * int(c) + int(&i[0] * c)).collect();
        let last = all.remove(19);
        all.into_iter().fold(last, |sum, e| sum - e)
    });
    k.output(y);
    let xs: Vec<i64> = (0..1000).map(|i| i * i).collect();
    let expected: Vec<i64> = (0..1000).map(|i| (i * i + i) * (19 - (0..19).sum::<i64>())).collect();
    let t = Tensor::from_slice(&[1000], &xs);
    assert_eq!(values::<i64>(eval(&k, &[], &[t]).expect("it runs")), expected);
}
