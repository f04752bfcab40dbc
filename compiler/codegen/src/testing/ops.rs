//! Cases for every arithmetic operation: each element type and number of lanes, on all pairs of edge values.

use super::values::{PAIRS, VALUES, many, pairs};
use super::{Case, CaseBuilder, DTYPES, LANES};
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, CmpOp, Op, ReduceOp, Scalar, Ty, UnOp};

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for &lanes in LANES {
        for &d in DTYPES {
            all.extend(BinOp::ALL.iter().filter(|&&op| binary_takes(op, d)).map(|&op| binary(op, d, lanes)));
            all.extend(UnOp::ALL.iter().filter(|&&op| unary_takes(op, d)).map(|&op| unary(op, d, lanes)));
            all.extend(
                CmpOp::ALL
                    .iter()
                    .filter(|&&op| compares(op, d))
                    .flat_map(|&op| [compare(op, d, lanes), choose(op, d, lanes)]),
            );
            all.extend(DTYPES.iter().filter(|&&to| to != d).map(|&to| cast(d, to, lanes)));
            if lanes > 1 {
                all.extend(
                    ReduceOp::ALL.iter().filter(|op| binary_takes(op.binary(), d)).map(|&op| reduce(op, d, lanes)),
                );
            }
            if d.is_int() {
                all.extend(by_constants(d, lanes));
            }
        }
        all.extend([DType::F32, DType::F64].map(|d| fma(d, lanes)));
        all.extend(dots(lanes));
        all.push(exhaustive_half(DType::F16, lanes));
        all.push(exhaustive_half(DType::BF16, lanes));
    }
    all
}

fn arithmetic_float(d: DType) -> bool {
    matches!(d, DType::F32 | DType::F64)
}

/// As the verifier has it; powers of floats are gone before a backend.
fn binary_takes(op: BinOp, d: DType) -> bool {
    match op {
        BinOp::And | BinOp::Or | BinOp::Xor => d.is_int() || d == DType::Bool,
        BinOp::Shl | BinOp::Shr | BinOp::Pow => d.is_int(),
        _ => d.is_int() || arithmetic_float(d),
    }
}

fn unary_takes(op: UnOp, d: DType) -> bool {
    match op {
        UnOp::Not => d.is_int() || d == DType::Bool,
        UnOp::Neg | UnOp::Abs => d.is_int() || arithmetic_float(d),
        _ => !op.is_math() && arithmetic_float(d),
    }
}

fn compares(op: CmpOp, d: DType) -> bool {
    d.is_int() || arithmetic_float(d) || (d == DType::Bool && matches!(op, CmpOp::Eq | CmpOp::Ne))
}

fn binary(op: BinOp, d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("{}_{d}_x{lanes}", op.name()), [d; 3], d);
    c.each(PAIRS, lanes, |c, i| {
        let (a, b) = (c.load(0, i, lanes), c.load(1, i, lanes));
        let v = c.b.op(Ty::vector(d, lanes), Op::Binary(op, a, b));
        c.store(i, v);
    });
    let (a, b) = pairs(d);
    c.finish([a, b, vec![]], PAIRS)
}

/// Division and shifts by constants, which backends treat in ways of their own.
fn by_constants(d: DType, lanes: u16) -> Vec<Case> {
    let bits = d.bits() as i64;
    let mut all = Vec::new();
    for op in [BinOp::Div, BinOp::Rem, BinOp::FloorDiv, BinOp::FloorMod, BinOp::Shl, BinOp::Shr] {
        for (n, by) in [0, 1, -1, 2, 3, 7, 8, -3, bits - 1, bits].into_iter().enumerate() {
            let by = Scalar::from_i64(d, by);
            let mut c = CaseBuilder::new(&format!("{}_by_{n}_{d}_x{lanes}", op.name()), [d; 3], d);
            c.each(48, lanes, |c, i| {
                let a = c.load(0, i, lanes);
                let b = c.b.scalar(by);
                let b = c.b.splat(b, lanes);
                let v = c.b.op(Ty::vector(d, lanes), Op::Binary(op, a, b));
                c.store(i, v);
            });
            all.push(c.finish([many(d, 48), vec![], vec![]], 48));
        }
    }
    all
}

fn unary(op: UnOp, d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("{}_{d}_x{lanes}", op.name()), [d; 3], d);
    c.each(256, lanes, |c, i| {
        let a = c.load(0, i, lanes);
        let v = c.b.op(Ty::vector(d, lanes), Op::Unary(op, a));
        c.store(i, v);
    });
    c.finish([many(d, 256), vec![], vec![]], 256)
}

fn compare(op: CmpOp, d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("cmp_{}_{d}_x{lanes}", op.name()), [d; 3], DType::Bool);
    c.each(PAIRS, lanes, |c, i| {
        let (a, b) = (c.load(0, i, lanes), c.load(1, i, lanes));
        let v = c.b.compare(op, a, b);
        c.store(i, v);
    });
    let (a, b) = pairs(d);
    c.finish([a, b, vec![]], PAIRS)
}

/// A comparison of one type that chooses between values of another, its negation mixed with a loaded mask.
fn choose(op: CmpOp, d: DType, lanes: u16) -> Case {
    let to = DTYPES[(d as usize * 7 + op as usize * 3) % DTYPES.len()];
    let mut c = CaseBuilder::new(&format!("choose_{}_{d}_{to}_x{lanes}", op.name()), [d, to, DType::Bool], to);
    c.each(PAIRS - 16, lanes, |c, i| {
        let sixteen = c.b.int(16);
        let next = c.b.add(i, sixteen);
        let (a, b) = (c.load(0, i, lanes), c.load(0, next, lanes));
        let (x, y) = (c.load(1, i, lanes), c.load(1, next, lanes));
        let cond = c.b.compare(op, a, b);
        let not = c.b.unary(UnOp::Not, cond);
        let loaded = c.load(2, i, lanes);
        let mixed = c.b.binary(BinOp::Xor, not, loaded);
        let v = c.b.select(mixed, x, y);
        c.store(i, v);
    });
    let (x, _) = pairs(to);
    let (_, a) = pairs(d);
    c.finish([a, x, many(DType::Bool, PAIRS)], PAIRS - 16)
}

fn cast(from: DType, to: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("cast_{from}_{to}_x{lanes}"), [from; 3], to);
    c.each(256, lanes, |c, i| {
        let a = c.load(0, i, lanes);
        let v = c.b.cast(a, to);
        c.store(i, v);
    });
    c.finish([many(from, 256), vec![], vec![]], 256)
}

/// Every half float to f32 and back.
fn exhaustive_half(half: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("all_{half}_x{lanes}"), [half; 3], DType::F32);
    c.each(1 << 16, lanes, |c, i| {
        let a = c.load(0, i, lanes);
        let single = c.b.cast(a, DType::F32);
        let back = c.b.cast(single, half);
        let again = c.b.cast(back, DType::F32);
        c.store(i, again);
    });
    let all: Vec<u8> = (0..=u16::MAX).flat_map(|v| v.to_le_bytes()).collect();
    c.finish([all, vec![], vec![]], 1 << 16)
}

fn reduce(op: ReduceOp, d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("reduce_{}_{d}_x{lanes}", op.name()), [d; 3], d);
    c.each(256, lanes, |c, i| {
        let a = c.load(0, i, lanes);
        let v = c.b.op(Ty::scalar(d), Op::Reduce(op, a));
        c.store(i, v);
    });
    // Between two results lies what was there: only every `lanes`-th element is written.
    c.finish([many(d, 256), vec![], vec![]], 256)
}

fn fma(d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("fma_{d}_x{lanes}"), [d; 3], d);
    c.each(PAIRS, lanes, |c, i| {
        let [x, y, z] = [0, 1, 2].map(|n| c.load(n, i, lanes));
        let v = c.b.fma(x, y, z);
        c.store(i, v);
    });
    let (a, b) = pairs(d);
    let mut third = many(d, PAIRS);
    third.rotate_left(VALUES * d.size());
    c.finish([a, b, third], PAIRS)
}

/// Sums of products of a few neighbours, of each pair of narrow types.
fn dots(lanes: u16) -> Vec<Case> {
    let narrow = [DType::I8, DType::U8, DType::I16];
    let groups = [2, 4, 16].into_iter().filter(|g| lanes * g <= 64);
    groups.flat_map(|g| narrow.map(|a| narrow.map(|b| dot(a, b, lanes, g)))).flatten().collect()
}

fn dot(a: DType, b: DType, lanes: u16, group: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("dot_{a}_{b}_x{lanes}_{group}"), [a, b, DType::I32], DType::I32);
    let count = 256;
    c.each(count / usize::from(group), lanes, |c, i| {
        let group_size = c.b.int(i64::from(group));
        let at = c.b.mul(i, group_size);
        let (x, y) = (c.load(0, at, lanes * group), c.load(1, at, lanes * group));
        let sum = c.load(2, i, lanes);
        let v = c.b.dot(x, y, sum);
        c.store(i, v);
    });
    let mut second = many(b, count);
    second.rotate_left(7 * b.size());
    c.finish([many(a, count), second, many(DType::I32, count)], count / usize::from(group))
}
