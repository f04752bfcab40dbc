//! The generator: SplitMix64 at the state that `position + 1` steps from the key lead to, so that each number can be had
//! on its own. Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014 (the constants are theirs).

use crate::prelude::*;

/// The distance of states, 2^64 over the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
/// For each round: a shift and a multiplier.
const ROUNDS: [(u64, u64); 2] = [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)];
const LAST_SHIFT: u64 = 31;

/// 64 bits of a name: FNV-1a. <http://www.isthe.com/chongo/tech/comp/fnv/>
pub(super) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// The row-major position of an index.
pub(super) fn position(shape: &[Sym], index: &[Sym]) -> Sym {
    shape.iter().zip(index).fold(Sym::int(0), |at, (d, i)| at * d + i)
}

/// A stream of numbers.
#[derive(Clone, Copy)]
pub(super) struct Generator {
    key: u64,
}

fn bits(v: u64) -> Expr {
    constant(Scalar { dtype: DType::U64, bits: v })
}

impl Generator {
    /// The stream of attribute `key`.
    pub(super) fn new(attrs: &Attrs) -> Generator {
        Generator { key: mix(attrs.int("key").unwrap_or(0) as u64) }
    }

    /// 64 random bits.
    fn bits(self, at: Sym) -> Expr {
        let step = cast(DType::I64, DType::U64, int(at + 1));
        let mut z = bits(self.key) + step * bits(GAMMA);
        for (shift, by) in ROUNDS {
            z = binary(BinOp::Xor, z.clone(), binary(BinOp::Shr, z, bits(shift))) * bits(by);
        }
        binary(BinOp::Xor, z.clone(), binary(BinOp::Shr, z, bits(LAST_SHIFT)))
    }

    /// As many of the highest bits as a float has, as a whole number, and one over how many there are.
    fn whole(self, d: DType, at: Sym) -> (Expr, f64) {
        let digits = if d == DType::F64 { 53 } else { 24 };
        let high = binary(BinOp::Shr, self.bits(at), bits(64 - digits));
        // Below 2^63, where signed conversions are simpler.
        let high = cast(DType::I64, d, cast(DType::U64, DType::I64, high));
        (high, 1.0 / (1u64 << digits) as f64)
    }

    /// Evenly from 0 to 1, without 1.
    pub(super) fn uniform(self, d: DType, at: Sym) -> Expr {
        let (whole, unit) = self.whole(d, at);
        whole * number(d, unit)
    }

    /// Evenly from 0 to 1, without either.
    pub(super) fn open(self, d: DType, at: Sym) -> Expr {
        let (whole, unit) = self.whole(d, at);
        // Half a step further; the last one would round to 1.
        let v = (whole + number(d, 0.5)) * number(d, unit);
        binary(BinOp::Min, v, number(d, 1.0 - unit))
    }

    /// Standard normal, by Box and Muller's transform of two numbers.
    pub(super) fn normal(self, d: DType, at: Sym) -> Expr {
        let (first, second) = (self.open(d, &at * 2), self.uniform(d, &at * 2 + 1));
        let radius = unary(UnOp::Sqrt, number(d, -2.0) * unary(UnOp::Log, first));
        radius * unary(UnOp::Cos, second * number(d, std::f64::consts::TAU))
    }
}

/// The same mixing of a number that is known: keys of near seeds are far from each other.
fn mix(v: u64) -> u64 {
    let mut z = v.wrapping_add(GAMMA);
    for (shift, by) in ROUNDS {
        z = (z ^ (z >> shift)).wrapping_mul(by);
    }
    z ^ (z >> LAST_SHIFT)
}
