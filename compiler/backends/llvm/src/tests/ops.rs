//! Every operation on every dtype and several lane counts, compared with the scalar evaluator bit by bit.
//!
//! All operations of a dtype are functions of one program, so that a test compiles and links once.

use super::load::{Loaded, load};
use onnxc_base::DType;
use onnxc_codegen::Target;
use onnxc_ir::loops::*;
use onnxc_ir::scalar::{eval_binary, eval_cast, eval_compare, eval_unary};

/// What a machine computes with.
const ARITHMETIC: [DType; 11] = [
    DType::Bool,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::F32,
    DType::F64,
];

const CMPS: [CmpOp; 6] = [CmpOp::Eq, CmpOp::Ne, CmpOp::Lt, CmpOp::Le, CmpOp::Gt, CmpOp::Ge];

const REDUCES: [ReduceOp; 6] =
    [ReduceOp::Add, ReduceOp::Mul, ReduceOp::Min, ReduceOp::Max, ReduceOp::And, ReduceOp::Or];

/// Elements per test, a multiple of every lane count.
const N: usize = 512;

/// Outputs from inputs.
type Expect = dyn Fn(&[Vec<Scalar>]) -> Vec<Scalar>;

/// A case: a function of the program and what it must compute.
struct Case {
    func: String,
    ins: Vec<DType>,
    out: DType,
    /// How many outputs N inputs give.
    outs: usize,
    expect: Box<Expect>,
}

/// A program under construction, with its cases.
#[derive(Default)]
struct Suite {
    program: Program,
    cases: Vec<Case>,
}

impl Suite {
    /// Adds a function that applies `make` to `lanes` elements of each input at a time.
    fn add(
        &mut self,
        name: String,
        (ins, out): (&[DType], DType),
        lanes: u16,
        shrink: usize,
        make: impl Fn(&mut FuncBuilder, &[Value]) -> Value,
        expect: impl Fn(&[Vec<Scalar>]) -> Vec<Scalar> + 'static,
    ) {
        let func = format!("{name}_{lanes}");
        let mut b = FuncBuilder::new(&func);
        b.func.linkage = Linkage::Export;
        let bufs: Vec<Buf> = ins.iter().enumerate().map(|(i, &d)| b.param_buf(&format!("x{i}"), d, false)).collect();
        let y = b.param_buf("y", out, true);
        let (lo, hi) = (b.int(0), b.int(N as i64));
        b.for_loop("i", lo, hi, lanes.into(), LoopKind::Serial, |b, i| {
            let xs: Vec<Value> = bufs.iter().map(|&x| b.load(x, i, lanes, None)).collect();
            let v = make(b, &xs);
            let (a, k) = (b.int(shrink as i64), b.int(1));
            let at = if shrink > 1 { b.binary(BinOp::Div, i, a) } else { b.mul(i, k) };
            b.store(y, at, v, None);
        });
        self.program.funcs.push(b.finish());
        self.cases.push(Case { func, ins: ins.to_vec(), out, outs: N / shrink, expect: Box::new(expect) });
    }

    fn run(self, target: &Target, opt_level: u8) {
        let lib = load(&self.program, target, opt_level);
        let mut wrong = vec![];
        for c in &self.cases {
            check(c, &lib, &mut wrong);
        }
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), self.cases.len(), wrong.join("\n"));
    }
}

fn check(c: &Case, lib: &Loaded, wrong: &mut Vec<String>) {
    let ins: Vec<Vec<Scalar>> = c.ins.iter().enumerate().map(|(i, &d)| inputs(d, i as u64)).collect();
    let mut bytes: Vec<Vec<u8>> = ins.iter().map(|v| to_bytes(v)).collect();
    bytes.push(vec![0xAA; c.outs * c.out.size() + 8]);
    let p: Vec<*mut u8> = bytes.iter_mut().map(|b| b.as_mut_ptr()).collect();
    // SAFETY: the function has as many buffers, each of N elements.
    unsafe {
        match *p.as_slice() {
            [a, y] => lib.get::<unsafe extern "C" fn(*mut u8, *mut u8)>(&c.func)(a, y),
            [a, b, y] => lib.get::<unsafe extern "C" fn(*mut u8, *mut u8, *mut u8)>(&c.func)(a, b, y),
            [a, b, d, y] => lib.get::<unsafe extern "C" fn(*mut u8, *mut u8, *mut u8, *mut u8)>(&c.func)(a, b, d, y),
            _ => unreachable!("no case has more inputs"),
        }
    }
    let y = bytes.last().expect("pushed above");
    assert_eq!(y[c.outs * c.out.size()..], [0xAA; 8], "{} writes beyond its output", c.func);
    let got: Vec<Scalar> = y.chunks_exact(c.out.size()).take(c.outs).map(|b| Scalar::read(c.out, b)).collect();
    for (i, (&g, &e)) in got.iter().zip(&(c.expect)(&ins)).enumerate() {
        let nan = |s: Scalar| s.dtype.is_float() && s.to_f64().is_nan();
        if g != e && !(nan(g) && nan(e)) {
            let args: Vec<String> = ins.iter().map(|v| v.get(i).map_or(String::new(), |s| format!("{s:?}"))).collect();
            wrong.push(format!("{} at {i}: {g:?} instead of {e:?}, of {}", c.func, args.join(", ")));
            return;
        }
    }
}

fn to_bytes(v: &[Scalar]) -> Vec<u8> {
    let mut out = vec![0; v.len() * v[0].dtype.size()];
    for (s, b) in v.iter().zip(out.chunks_exact_mut(v[0].dtype.size())) {
        s.write(b);
    }
    out
}

/// Edge cases first, in an order that differs by `salt`, then bits from a generator.
fn inputs(d: DType, salt: u64) -> Vec<Scalar> {
    let ints = [0, 1, -1, 2, -2, 3, 7, -7, 8, 31, 32, 33, 63, 64, 127, -128, 255, i64::MIN, i64::MAX, 65504, 100_000];
    let floats = [
        0.0,
        -0.0,
        0.5,
        -0.5,
        1.5,
        2.5,
        -2.5,
        1.0,
        -1.0,
        3.0,
        1e10,
        -1e10,
        1e-40,
        1e300,
        65519.0,
        65520.0,
        6e-8,
        2e-8,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        255.5,
        8388607.5,
        4503599627370495.5,
        1e38,
        5e-324,
        0.1,
        2147483648.0,
    ];
    let mut edges: Vec<Scalar> = vec![Scalar::least(d), Scalar::greatest(d)];
    if d.is_float() {
        edges.extend(floats.iter().map(|&v| Scalar::from_f64(d, v)));
    } else {
        edges.extend(ints.iter().map(|&v| Scalar::from_i64(d, v)));
    }
    let mut state = 0x9E37_79B9_7F4A_7C15u64 ^ (salt << 32) ^ d as u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state ^ (state >> 29)
    };
    // All pairs of edges meet: the second input runs through them slowly.
    let pairs = |i: usize| if salt == 1 { (i / edges.len()) % edges.len() } else { i % edges.len() };
    (0..N)
        .map(|i| match (d, i % 4) {
            (_, 0..=2) => edges[pairs(i / 4 * 3 + i % 4)],
            (DType::F32 | DType::F64, _) => Scalar::from_f64(d, (next() % 2_000_001) as f64 / 1000.0 - 1000.0),
            (DType::Bool, _) => Scalar::bool(next() & 1 == 1),
            _ => Scalar { dtype: d, bits: next() & (u64::MAX >> (64 - d.bits())) },
        })
        .collect()
}

fn map1(f: impl Fn(Scalar) -> Scalar + 'static) -> impl Fn(&[Vec<Scalar>]) -> Vec<Scalar> + 'static {
    move |ins| ins[0].iter().map(|&a| f(a)).collect()
}

fn map2(f: impl Fn(Scalar, Scalar) -> Scalar + 'static) -> impl Fn(&[Vec<Scalar>]) -> Vec<Scalar> + 'static {
    move |ins| ins[0].iter().zip(&ins[1]).map(|(&a, &b)| f(a, b)).collect()
}

/// Operations of one or two operands, comparisons, selections and reductions of a dtype.
fn arithmetic(s: &mut Suite, d: DType, lanes: u16) {
    for &op in UnOp::ALL.iter().filter(|o| !o.is_math()) {
        let name = format!("{}_{d}", op.name());
        s.add(name, (&[d], d), lanes, 1, |b, x| b.unary(op, x[0]), map1(move |a| eval_unary(op, a)));
    }
    for &op in BinOp::ALL.iter().filter(|&&o| o != BinOp::Pow || !d.is_float()) {
        let name = format!("{}_{d}", op.name());
        s.add(name, (&[d, d], d), lanes, 1, |b, x| b.binary(op, x[0], x[1]), map2(move |a, b| eval_binary(op, a, b)));
    }
    for op in CMPS {
        let expect = map2(move |a, b| Scalar::bool(eval_compare(op, a, b)));
        let name = format!("{}_{d}", op.name());
        s.add(name, (&[d, d], DType::Bool), lanes, 1, |b, x| b.compare(op, x[0], x[1]), expect);
    }
    let choose = |ins: &[Vec<Scalar>]| (0..N).map(|i| ins[usize::from(ins[0][i].bits == 0) + 1][i]).collect();
    s.add(format!("select_{d}"), (&[DType::Bool, d, d], d), lanes, 1, |b, x| b.select(x[0], x[1], x[2]), choose);
    for op in REDUCES {
        let n = usize::from(lanes);
        let expect = move |ins: &[Vec<Scalar>]| ins[0].chunks_exact(n).map(|v| tree(op, v)).collect();
        let make = |b: &mut FuncBuilder, x: &[Value]| b.op(Ty::scalar(d), Op::Reduce(op, x[0]));
        s.add(format!("reduce_{}_{d}", op.name()), (&[d], d), lanes, n, make, expect);
    }
}

/// One rounding where the program says so, two where it doesn't.
fn fused_or_not(s: &mut Suite, d: DType, lanes: u16) {
    let of = |f32s: fn(f32, f32, f32) -> f32, f64s: fn(f64, f64, f64) -> f64| {
        move |ins: &[Vec<Scalar>]| {
            let f = |i: usize| match [0, 1, 2].map(|k: usize| ins[k][i].to_f64()) {
                [a, b, c] if d == DType::F32 => Scalar::f32(f32s(a as f32, b as f32, c as f32)),
                [a, b, c] => Scalar::f64(f64s(a, b, c)),
            };
            (0..N).map(f).collect()
        }
    };
    let io: (&[DType], DType) = (&[d, d, d], d);
    let once = of(f32::mul_add, f64::mul_add);
    s.add(format!("fma_{d}"), io, lanes, 1, |b, x| b.fma(x[0], x[1], x[2]), once);
    let twice = of(|a, b, c| a * b + c, |a, b, c| a * b + c);
    let make = |b: &mut FuncBuilder, x: &[Value]| {
        let p = b.mul(x[0], x[1]);
        b.add(p, x[2])
    };
    s.add(format!("mul_add_{d}"), io, lanes, 1, make, twice);
}

/// Halves combined until one is left.
fn tree(op: ReduceOp, v: &[Scalar]) -> Scalar {
    if let [one] = *v {
        return one;
    }
    let (low, high) = v.split_at(v.len() / 2);
    let half: Vec<Scalar> = low.iter().zip(high).map(|(&a, &b)| eval_binary(op.binary(), a, b)).collect();
    tree(op, &half)
}

/// Operations with a constant on the right, where code differs: guards fold, powers of two shift.
fn by_constants(s: &mut Suite, d: DType, lanes: u16) {
    let divisions = [BinOp::Div, BinOp::Rem, BinOp::FloorDiv, BinOp::FloorMod, BinOp::Shl, BinOp::Shr];
    for op in divisions {
        for c in [-7, -1, 0, 1, 3, 8, 100] {
            let c = Scalar::from_i64(d, c);
            let name = format!("{}_by_{:x}_{d}", op.name(), c.bits);
            let make = |b: &mut FuncBuilder, x: &[Value]| {
                let k = b.scalar(c);
                let k = b.splat(k, lanes);
                b.op(Ty::vector(d, lanes), Op::Binary(op, x[0], k))
            };
            s.add(name, (&[d], d), lanes, 1, make, map1(move |a| eval_binary(op, a, c)));
        }
    }
}

fn casts(s: &mut Suite, lanes: u16) {
    let all: Vec<DType> = ARITHMETIC.into_iter().chain([DType::F16, DType::BF16]).collect();
    for &from in &all {
        for &to in &all {
            s.add(
                format!("cast_{from}_{to}"),
                (&[from], to),
                lanes,
                1,
                |b, x| b.cast(x[0], to),
                map1(move |a| eval_cast(a, to)),
            );
        }
    }
}

fn whole_suite(dtypes: &[DType], lanes: &[u16]) -> Suite {
    let mut s = Suite::default();
    s.program.name = "ops".into();
    for &n in lanes {
        for &d in dtypes {
            arithmetic(&mut s, d, n);
        }
    }
    s
}

#[test]
fn bools_and_small_integers() {
    whole_suite(&[DType::Bool, DType::I8, DType::U8, DType::I16, DType::U16], &[1, 8]).run(&Target::host(), 2);
}

#[test]
fn wide_integers() {
    whole_suite(&[DType::I32, DType::U32, DType::I64, DType::U64], &[1, 4]).run(&Target::host(), 2);
}

#[test]
fn floats() {
    let mut s = whole_suite(&[DType::F32, DType::F64], &[1, 4, 16]);
    if Target::host().has_fma {
        for lanes in [1, 4, 16] {
            fused_or_not(&mut s, DType::F32, lanes);
            fused_or_not(&mut s, DType::F64, lanes);
        }
    }
    s.run(&Target::host(), 2);
}

#[test]
fn nothing_depends_on_the_optimiser() {
    whole_suite(&[DType::Bool, DType::I32, DType::U8, DType::F32], &[1, 8]).run(&Target::host(), 0);
}

#[test]
fn constant_divisors() {
    let mut s = Suite::default();
    for d in [DType::Bool, DType::I8, DType::I32, DType::I64, DType::U8, DType::U32, DType::U64] {
        by_constants(&mut s, d, 1);
        by_constants(&mut s, d, 4);
    }
    s.run(&Target::host(), 2);
}

#[test]
fn conversions() {
    for lanes in [1, 16] {
        let mut s = Suite::default();
        casts(&mut s, lanes);
        s.run(&Target::host(), 2);
    }
}

/// The oldest processor: no rounding instructions, no f16, no fused multiply-add.
#[test]
#[cfg(target_arch = "x86_64")]
fn without_modern_instructions() {
    let target = Target::parse(None, Some("x86-64")).expect("it is in the table");
    whole_suite(&[DType::F32, DType::F64, DType::I32], &[1, 4]).run(&target, 2);
    let mut s = Suite::default();
    casts(&mut s, 1);
    casts(&mut s, 4);
    s.run(&target, 2);
}

/// Every f16 and bf16 to f32 and back, also through the integer code of processors without an instruction.
#[test]
#[cfg(target_arch = "x86_64")]
fn all_halves() {
    for target in [Target::host(), Target::parse(None, Some("x86-64")).expect("it is in the table")] {
        for d in [DType::F16, DType::BF16] {
            let mut s = Suite::default();
            casts(&mut s, 8);
            let lib = load(&s.program, &target, 2);
            let widen: unsafe extern "C" fn(*const u16, *mut u32) = lib.get(&format!("cast_{d}_f32_8"));
            let narrow: unsafe extern "C" fn(*const u32, *mut u16) = lib.get(&format!("cast_f32_{d}_8"));
            for base in (0..=u16::MAX).step_by(N) {
                let x: Vec<u16> = (0..N as u16).map(|i| base + i).collect();
                let (mut wide, mut back) = (vec![0u32; N], vec![0u16; N]);
                // SAFETY: each of the buffers has N elements.
                unsafe { (widen(x.as_ptr(), wide.as_mut_ptr()), narrow(wide.as_ptr(), back.as_mut_ptr())) };
                for i in 0..N {
                    let s = Scalar { dtype: d, bits: x[i].into() };
                    if s.to_f64().is_nan() {
                        assert!(f32::from_bits(wide[i]).is_nan(), "{s:?}");
                    } else {
                        assert_eq!((u64::from(wide[i]), back[i]), (eval_cast(s, DType::F32).bits, x[i]), "{s:?}");
                    }
                }
            }
        }
    }
}
