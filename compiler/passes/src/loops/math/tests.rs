//! Errors in units of the last place, over samples of the whole range of f32 and over a grid for f64.

use super::expand;
use onnxc_base::DType;
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::{BinOp, FuncBuilder, LoopKind, Op, Program, Stmt, UnOp, verify};
use onnxc_ir::scalar::{Scalar, eval_binary, eval_unary};

const LANES: i64 = 8;

/// Runs a function of one or two operands on many values, expanded.
fn run(
    dtype: DType,
    xs: &[Vec<Scalar>],
    fma: bool,
    f: &dyn Fn(&mut FuncBuilder, &[onnxc_ir::loops::Value]) -> onnxc_ir::loops::Value,
) -> Vec<Scalar> {
    let n = xs[0].len();
    assert_eq!(n as i64 % LANES, 0);
    let mut b = FuncBuilder::new("f");
    let ins: Vec<_> = (0..xs.len()).map(|i| b.param_buf(&format!("x{i}"), dtype, false)).collect();
    let out = b.param_buf("y", dtype, true);
    let (lo, hi) = (b.int(0), b.int(n as i64));
    b.for_loop("i", lo, hi, LANES, LoopKind::Serial, |b, i| {
        let v: Vec<_> = ins.iter().map(|&x| b.load(x, i, LANES as u16, None)).collect();
        let y = f(b, &v);
        b.store(out, i, y, None);
    });
    let mut p = Program { name: "t".into(), ..Program::default() };
    let id = p.funcs.push(b.finish());
    expand(&mut p, fma);
    if let Err(e) = verify::verify(&p, verify::Stage { expanded: true, ..verify::Stage::FRESH }) {
        panic!("{e}");
    }
    let bytes = |v: &[Scalar]| {
        let mut out = vec![0u8; v.len() * dtype.size()];
        v.iter().zip(out.chunks_mut(dtype.size())).for_each(|(s, c)| s.write(c));
        out
    };
    let mut args: Vec<ArgVal> = xs.iter().map(|x| ArgVal::Buf(bytes(x))).collect();
    args.push(ArgVal::Buf(vec![0; n * dtype.size()]));
    Interp::new(&p).call(id, &mut args).expect("in bounds");
    let Some(ArgVal::Buf(y)) = args.pop() else { panic!("a buffer stays one") };
    y.chunks(dtype.size()).map(|c| Scalar::read(dtype, c)).collect()
}

/// Distance in units of the last place of `want`; 0 for equal NaNs and infinities.
fn ulps(got: Scalar, want: Scalar) -> f64 {
    let (g, w) = (got.to_f64(), want.to_f64());
    if g == w || (g.is_nan() && w.is_nan()) {
        return 0.0;
    }
    if !g.is_finite() || !w.is_finite() {
        return f64::INFINITY;
    }
    let (digits, least) = if got.dtype == DType::F64 { (52, -1074) } else { (23, -149) };
    let exponent = w.abs().log2().floor().max(-1022.0) as i32 - digits;
    (g - w).abs() / 2f64.powi(exponent.max(least))
}

/// Bit patterns spread over all finite values, and the special ones.
fn whole_range() -> Vec<Scalar> {
    let mut v: Vec<Scalar> =
        (0..1u64 << 14).map(|i| Scalar { dtype: DType::F32, bits: (i << 18) | ((i * 7919) & 0x3_ffff) }).collect();
    for s in [0.0f32, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1.0, -1.0, f32::MIN_POSITIVE] {
        v.push(Scalar::f32(s));
    }
    v
}

fn worst_f32(op: UnOp, fma: bool, range: f64) -> (f64, f64) {
    let xs: Vec<Scalar> = whole_range().into_iter().filter(|s| !(s.to_f64().abs() > range)).collect();
    let xs = xs[xs.len() % LANES as usize..].to_vec();
    let got = run(DType::F32, std::slice::from_ref(&xs), fma, &|b, v| b.unary(op, v[0]));
    let mut worst = (0.0, 0.0);
    for (x, g) in xs.iter().zip(got) {
        let u = ulps(g, eval_unary(op, *x));
        if u > worst.0 {
            worst = (u, x.to_f64());
        }
    }
    worst
}

#[test]
fn a_sigmoid_ends_in_0_and_1() {
    let xs = [f32::NEG_INFINITY, -1e6, -95.0, -88.0, 0.0, 20.0, f32::INFINITY, f32::NAN].map(Scalar::f32).to_vec();
    let got = run(DType::F32, &[xs], true, &|b, v| b.unary(UnOp::Sigmoid, v[0]));
    let got: Vec<f32> = got.iter().map(|s| s.to_f64() as f32).collect();
    assert!(got[..4].iter().all(|y| (0.0..f32::MIN_POSITIVE).contains(y)), "{got:?}");
    assert_eq!(&got[4..7], &[0.5, 1.0, 1.0]);
    assert!(got[7].is_nan());
}

#[test]
fn what_decays_begins_in_1_and_ends_in_0() {
    let xs = [f32::NEG_INFINITY, f32::MIN, -104.0, -88.0, 0.0, 1.0, f32::INFINITY, f32::NAN].map(Scalar::f32).to_vec();
    for fma in [true, false] {
        let got = run(DType::F32, std::slice::from_ref(&xs), fma, &|b, v| b.unary(UnOp::Decay, v[0]));
        let got: Vec<f32> = got.iter().map(|s| s.to_f64() as f32).collect();
        assert_eq!(&got[..7], &[0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert!(got[7].is_nan());
    }
}

/// How many multiplications and divisions a function of one vector becomes.
fn products_and_quotients(
    f: impl Fn(&mut FuncBuilder, onnxc_ir::loops::Value) -> onnxc_ir::loops::Value,
) -> (usize, usize) {
    let mut b = FuncBuilder::new("f");
    let (x, y) = (b.param_buf("x", DType::F32, false), b.param_buf("y", DType::F32, true));
    let at = b.int(0);
    let v = b.load(x, at, LANES as u16, None);
    let r = f(&mut b, v);
    b.store(y, at, r, None);
    let mut p = Program { name: "t".into(), ..Program::default() };
    let id = p.funcs.push(b.finish());
    expand(&mut p, true);
    let f = &p.funcs[id];
    let count = |op: BinOp| {
        let is = |s: &&Stmt| matches!(s, Stmt::Let(v) if matches!(f.values[*v].op, Op::Binary(o, ..) if o == op));
        f.body.0.iter().filter(is).count()
    };
    (count(BinOp::Mul), count(BinOp::Div))
}

#[test]
fn a_factor_times_a_sigmoid_is_one_division() {
    let once = products_and_quotients(|b, x| {
        let s = b.unary(UnOp::Sigmoid, x);
        b.binary(BinOp::Mul, x, s)
    });
    assert_eq!(once, (0, 1));
    let read_twice = products_and_quotients(|b, x| {
        let s = b.unary(UnOp::Sigmoid, x);
        let p = b.binary(BinOp::Mul, s, x);
        b.binary(BinOp::Add, p, s)
    });
    assert_eq!(read_twice, (1, 1), "the sigmoid itself is wanted");
    let square = products_and_quotients(|b, x| {
        let s = b.unary(UnOp::Sigmoid, x);
        b.binary(BinOp::Mul, s, s)
    });
    assert_eq!(square, (1, 1));
}

#[test]
fn a_factor_times_a_sigmoid_over_the_whole_range() {
    let xs: Vec<Scalar> = whole_range().into_iter().filter(|s| !(s.to_f64() < -80.0)).collect();
    let xs = xs[xs.len() % LANES as usize..].to_vec();
    for fma in [true, false] {
        let got = run(DType::F32, std::slice::from_ref(&xs), fma, &|b, v| {
            let s = b.unary(UnOp::Sigmoid, v[0]);
            b.binary(BinOp::Mul, s, v[0])
        });
        for (x, g) in xs.iter().zip(got) {
            let x = x.to_f64();
            let want = Scalar::from_f64(DType::F32, x / (1.0 + (-x).exp()));
            assert!(ulps(g, want) <= 7.0, "at {x}: {} instead of {} (fma: {fma})", g.to_f64(), want.to_f64());
        }
    }
}

#[test]
fn f32_functions_over_the_whole_range() {
    for fma in [true, false] {
        for &op in UnOp::ALL.iter().filter(|o| o.is_math()) {
            let (limit, range) = match op {
                UnOp::Exp | UnOp::Log => (3.0, f64::INFINITY),
                UnOp::Tanh | UnOp::Erf => (6.0, f64::INFINITY),
                UnOp::Sigmoid => (if fma { 7.0 } else { 4.0 }, 87.0),
                UnOp::Decay => (4.0, 87.0),
                UnOp::Sin | UnOp::Cos | UnOp::Tan => (1.0, 1e6),
                _ => (1.0, f64::INFINITY),
            };
            let (u, x) = worst_f32(op, fma, range);
            assert!(u <= limit, "{}({x}) is off by {u} ulp (fma: {fma})", op.name());
        }
    }
}

#[test]
fn f64_functions_on_a_grid() {
    for &op in UnOp::ALL.iter().filter(|o| o.is_math()) {
        let xs: Vec<Scalar> = (-2000..2000).map(|i| Scalar::f64(f64::from(i) * 0.010_07)).collect();
        let got = run(DType::F64, std::slice::from_ref(&xs), true, &|b, v| b.unary(op, v[0]));
        let limit = if op == UnOp::Tan { 16.0 } else { 8.0 };
        for (x, g) in xs.iter().zip(got) {
            let want = eval_unary(op, *x);
            let u = ulps(g, want);
            // Near a zero of sin, cos and tan the last place of the result is far below that of the argument.
            let tiny = want.to_f64().abs() < 0.05 && (g.to_f64() - want.to_f64()).abs() < 1e-16;
            assert!(u <= limit || tiny, "{}({}) is off by {u} ulp", op.name(), x.to_f64());
        }
    }
}

#[test]
fn powers_and_their_special_cases() {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        0.5,
        3.0,
        -3.0,
        1e-3,
        7.25,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        -0.5,
        30.0,
    ];
    let (mut xs, mut ys) = (vec![], vec![]);
    for x in values {
        for y in values {
            xs.push(Scalar::from_f64(DType::F32, x));
            ys.push(Scalar::from_f64(DType::F32, y));
        }
    }
    let got = run(DType::F32, &[xs.clone(), ys.clone()], true, &|b, v| b.binary(BinOp::Pow, v[0], v[1]));
    for ((x, y), g) in xs.iter().zip(&ys).zip(got) {
        let want = eval_binary(BinOp::Pow, *x, *y);
        assert!(ulps(g, want) <= 1.0, "{}^{} is {} instead of {}", x.to_f64(), y.to_f64(), g.to_f64(), want.to_f64());
    }
}
