//! Every pattern of every small type, and floats between them, against `eval_cast`: one by one and on vectors.

use super::expand;
use onnxc_base::DType;
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::{FuncBuilder, LoopKind, Program, verify};
use onnxc_ir::scalar::{Scalar, eval_cast};

/// Casts elements, expanded.
fn run(from: DType, to: DType, xs: &[Scalar], lanes: i64) -> Vec<Scalar> {
    let n = xs.len();
    assert_eq!(n as i64 % lanes, 0);
    let mut b = FuncBuilder::new("f");
    let x = b.param_buf("x", from, false);
    let y = b.param_buf("y", to, true);
    let (lo, hi) = (b.int(0), b.int(n as i64));
    b.for_loop("i", lo, hi, lanes, LoopKind::Serial, |b, i| {
        let v = b.load(x, i, lanes as u16, None);
        let v = b.cast(v, to);
        b.store(y, i, v, None);
    });
    let mut p = Program { name: "t".into(), ..Program::default() };
    let id = p.funcs.push(b.finish());
    verify::verify(&p, verify::Stage::FRESH).expect("small types are types");
    expand(&mut p);
    verify::verify(&p, verify::Stage::FRESH).expect("what is expanded is sound");
    let text = p.to_string();
    for small in DType::all().filter(|d| d.is_small()) {
        assert!(!text.contains(&format!(" {}", small.name())), "{small} is left:\n{text}");
    }
    let mut bytes = vec![0u8; n * from.size()];
    xs.iter().zip(bytes.chunks_mut(from.size())).for_each(|(s, c)| s.write(c));
    let mut args = vec![ArgVal::Buf(bytes), ArgVal::Buf(vec![0; n * to.size()])];
    Interp::new(&p).call(id, &mut args).expect("in bounds");
    let Some(ArgVal::Buf(y)) = args.pop() else { panic!("a buffer stays one") };
    y.chunks(to.size()).map(|c| Scalar::read(to, c)).collect()
}

fn check(from: DType, to: DType, xs: &[Scalar]) {
    for lanes in [1, 8] {
        for (x, y) in xs.iter().zip(run(from, to, xs, lanes)) {
            let want = eval_cast(*x, to);
            let nan = y.dtype.is_float() && y.to_f64().is_nan() && want.to_f64().is_nan();
            assert!(y == want || nan, "{from} to {to}: {x:?} gives {y:?}, not {want:?}");
        }
    }
}

fn small() -> impl Iterator<Item = DType> {
    DType::all().filter(|d| d.is_small())
}

fn patterns(d: DType) -> Vec<Scalar> {
    (0..256u64).map(|bits| Scalar { dtype: d, bits: bits & ((1 << d.bits()) - 1) }).collect()
}

/// Floats around every number of every small float, and others.
fn floats() -> Vec<Scalar> {
    let mut v: Vec<f32> = small().flat_map(patterns).map(|s| s.to_f64() as f32).collect();
    let near: Vec<f32> =
        v.iter().flat_map(|x| [x.next_up(), x.next_down(), x * 1.0625, x * 1.125, x * 1.25, x * 1.5]).collect();
    v.extend(near);
    v.extend([f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-42, -1e-42, 1e30, -1e30, 500.0]);
    v.resize(v.len().next_multiple_of(8), -0.0);
    v.into_iter().map(Scalar::f32).collect()
}

#[test]
fn from_small_types() {
    for from in small() {
        for to in [DType::F32, DType::F64, DType::F16, DType::I32, DType::U8, DType::I64, DType::Bool] {
            check(from, to, &patterns(from));
        }
        for to in small().filter(|t| *t != from) {
            check(from, to, &patterns(from));
        }
    }
}

#[test]
fn to_small_types() {
    for to in small() {
        check(DType::F32, to, &floats());
        let ints: Vec<Scalar> = (-300..300).map(|v| Scalar::from_i64(DType::I16, v)).collect();
        check(DType::I16, to, &ints);
        check(DType::Bool, to, &[Scalar::bool(true), Scalar::bool(false)].repeat(4));
    }
}

#[test]
fn complex_numbers_are_words() {
    let mut b = FuncBuilder::new("f");
    let (x, y) = (b.param_buf("x", DType::C64, false), b.param_buf("y", DType::C64, true));
    let zero = b.int(0);
    let v = b.load(x, zero, 2, None);
    b.store(y, zero, v, None);
    let mut p = Program { name: "t".into(), ..Program::default() };
    p.funcs.push(b.finish());
    expand(&mut p);
    verify::verify(&p, verify::Stage::FRESH).expect("words are words");
    assert!(!p.to_string().contains("c64"));
}
