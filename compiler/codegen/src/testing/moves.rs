//! Cases for what moves data: masked and indexed accesses, shuffles, lanes, bit patterns.

use super::values::{Bits, many};
use super::{Case, CaseBuilder, DTYPES, LANES};
use onnxc_base::DType;
use onnxc_ir::loops::{Op, Scalar, Stmt, Ty};

/// Elements per case.
const N: usize = 64;

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    for &lanes in LANES {
        for &d in DTYPES {
            all.extend([masked_load(d, lanes), padded_load(d, lanes), masked_store(d, lanes), scalar_choice(d, lanes)]);
            all.extend([DType::I32, DType::I64].map(|i| gather(d, i, lanes, false)));
            all.extend([
                gather(d, DType::I64, lanes, true),
                scatter(d, DType::I32, lanes, false),
                scatter(d, DType::I64, lanes, true),
            ]);
            if lanes > 1 {
                all.extend([
                    shuffle(d, lanes, lanes),
                    shuffle(d, lanes, 2 * lanes),
                    shuffle(d, lanes, lanes / 2),
                    lanes_apart(d, lanes),
                ]);
            }
            if d.is_int() {
                all.push(iota(d, lanes));
            }
            all.extend(DTYPES.iter().filter_map(|&to| bitcast(d, to, lanes)));
        }
    }
    all
}

/// Masks of every kind: all set, none set, prefixes, random.
fn masks() -> Vec<u8> {
    let mut bits = Bits(77);
    (0..N)
        .map(|i| match i / 16 {
            0 => 1,
            1 => 0,
            2 => u8::from(i % 16 < 5),
            _ => (bits.next() & 1) as u8,
        })
        .collect()
}

fn masked_load(d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("masked_load_{d}_x{lanes}"), [d, DType::Bool, d], d);
    c.each(N, lanes, |c, i| {
        let mask = c.load(1, i, lanes);
        let v = c.b.load(c.ins[0], i, lanes, Some(mask));
        c.store(i, v);
    });
    c.finish([many(d, N), masks(), vec![]], N)
}

/// A masked load beside a choice that it makes needless, and one that it doesn't.
fn padded_load(d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("padded_load_{d}_x{lanes}"), [d, DType::Bool, d], d);
    c.each(N, lanes, |c, i| {
        let mask = c.load(1, i, lanes);
        let v = c.b.load(c.ins[0], i, lanes, Some(mask));
        let zero = c.b.scalar(Scalar { dtype: d, bits: 0 });
        let one = c.b.scalar(Scalar::from_i64(d, 1));
        let padded = c.b.select(mask, v, zero);
        let with_ones = c.b.select(mask, padded, one);
        c.store(i, with_ones);
    });
    c.finish([many(d, N), masks(), vec![]], N)
}

fn masked_store(d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("masked_store_{d}_x{lanes}"), [d, DType::Bool, d], d);
    c.each(N, lanes, |c, i| {
        let (mask, v) = (c.load(1, i, lanes), c.load(0, i, lanes));
        c.b.store(c.out, i, v, Some(mask));
    });
    c.finish([many(d, N), masks(), vec![]], N)
}

fn scalar_choice(d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("scalar_choice_{d}_x{lanes}"), [d, DType::Bool, d], d);
    c.each(N, lanes, |c, i| {
        let cond = c.load(1, i, 1);
        let (x, y) = (c.load(0, i, lanes), c.load(2, i, lanes));
        let v = c.b.op(Ty::vector(d, lanes), Op::Select(cond, x, y));
        c.store(i, v);
    });
    let mut other = many(d, N);
    other.rotate_left(3 * d.size());
    c.finish([many(d, N), masks(), other], N)
}

/// Offsets, some twice in a row.
fn offsets(d: DType) -> Vec<u8> {
    let mut bits = Bits(5);
    (0..N)
        .flat_map(|i| {
            let v = if i % 7 == 1 { 3 } else { bits.next() % N as u64 };
            v.to_le_bytes()[..d.size()].to_vec()
        })
        .collect()
}

fn gather(d: DType, index: DType, lanes: u16, masked: bool) -> Case {
    let mut c = CaseBuilder::new(&format!("gather_{d}_{index}_{masked}_x{lanes}"), [d, index, DType::Bool], d);
    c.each(N, lanes, |c, i| {
        let at = c.load(1, i, lanes);
        let mask = masked.then(|| c.load(2, i, lanes));
        let v = c.b.gather(c.ins[0], at, mask);
        c.store(i, v);
    });
    c.finish([many(d, N), offsets(index), masks()], N)
}

fn scatter(d: DType, index: DType, lanes: u16, masked: bool) -> Case {
    let mut c = CaseBuilder::new(&format!("scatter_{d}_{index}_{masked}_x{lanes}"), [d, index, DType::Bool], d);
    c.each(N, lanes, |c, i| {
        let (at, value) = (c.load(1, i, lanes), c.load(0, i, lanes));
        let mask = masked.then(|| c.load(2, i, lanes));
        c.b.stmt(Stmt::Scatter { buf: c.out, offsets: at, value, mask });
    });
    c.finish([many(d, N), offsets(index), masks()], N)
}

fn shuffle(d: DType, lanes: u16, to: u16) -> Case {
    let mut bits = Bits(u64::from(lanes) * 31 + u64::from(to));
    let mut c = CaseBuilder::new(&format!("shuffle_{d}_{to}_x{lanes}"), [d; 3], d);
    let step = lanes.max(to);
    c.each(N / usize::from(step) * usize::from(step), step, |c, i| {
        let (a, b) = (c.load(0, i, lanes), c.load(1, i, lanes));
        let pick: Vec<u16> = (0..to).map(|_| (bits.next() % (2 * u64::from(lanes))) as u16).collect();
        let v = c.b.op(Ty::vector(d, to), Op::Shuffle(a, b, pick));
        c.store(i, v);
    });
    let mut other = many(d, N);
    other.rotate_left(5 * d.size());
    c.finish([many(d, N), other, vec![]], N)
}

/// Extracts every lane and stores them in reverse.
fn lanes_apart(d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("extract_{d}_x{lanes}"), [d; 3], d);
    c.each(N, lanes, |c, i| {
        let a = c.load(0, i, lanes);
        for lane in 0..lanes {
            let v = c.b.op(Ty::scalar(d), Op::Extract(a, lane));
            let by = c.b.int(i64::from(lanes - 1 - lane));
            let at = c.b.add(i, by);
            c.store(at, v);
        }
    });
    c.finish([many(d, N), vec![], vec![]], N)
}

fn iota(d: DType, lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("iota_{d}_x{lanes}"), [d; 3], d);
    c.each(N, lanes, |c, i| {
        let a = c.load(0, i, lanes);
        let steps = c.b.op(Ty::vector(d, lanes), Op::Iota);
        let v = c.b.add(a, steps);
        c.store(i, v);
    });
    c.finish([many(d, N), vec![], vec![]], N)
}

/// From `lanes` of `d` to as many bits of `to`.
fn bitcast(d: DType, to: DType, lanes: u16) -> Option<Case> {
    let bits = d.bits() * usize::from(lanes);
    let fits = d != DType::Bool && to != DType::Bool && d != to && bits.is_multiple_of(to.bits());
    let out = u16::try_from(bits / to.bits()).ok().filter(|&n| fits && (1..=64).contains(&n))?;
    let mut c = CaseBuilder::new(&format!("bitcast_{d}_{to}_x{lanes}"), [d; 3], to);
    c.each(N / usize::from(lanes), 1, |c, i| {
        let (from, per) = (c.b.int(i64::from(lanes)), c.b.int(i64::from(out)));
        let (at, to_at) = (c.b.mul(i, from), c.b.mul(i, per));
        let a = c.load(0, at, lanes);
        let v = c.b.op(Ty::vector(to, out), Op::Bitcast(a));
        c.store(to_at, v);
    });
    Some(c.finish([many(d, N), vec![], vec![]], N / usize::from(lanes) * usize::from(out)))
}
