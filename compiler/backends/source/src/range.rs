//! Intervals of integers: what is known of a value before it runs.
//!
//! A range is always right, not always tight. Wrapping arithmetic that may wrap gives the whole type.

use onnxc_base::DType;
use onnxc_ir::scalar::{BinOp, CmpOp, Scalar, UnOp};

/// Every value from `lo` to `hi`. For floats it says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Range {
    /// Least.
    pub lo: i128,
    /// Greatest.
    pub hi: i128,
}

impl Range {
    /// One value.
    pub fn point(v: i128) -> Range {
        Range { lo: v, hi: v }
    }

    /// Everything that a type holds; floats get an empty promise of everything.
    pub fn of(d: DType) -> Range {
        match d {
            DType::Bool => Range { lo: 0, hi: 1 },
            d if d.is_signed_int() => Range { lo: -(1i128 << (d.bits() - 1)), hi: (1i128 << (d.bits() - 1)) - 1 },
            d if d.is_unsigned_int() => Range { lo: 0, hi: (1i128 << d.bits()) - 1 },
            _ => Range { lo: i128::MIN, hi: i128::MAX },
        }
    }

    /// The range of a constant.
    pub fn constant(s: Scalar) -> Range {
        match s.dtype {
            d if d.is_float() => Range::of(d),
            DType::U64 => Range::point(i128::from(s.bits)),
            _ => Range::point(i128::from(s.to_i64())),
        }
    }

    /// True if a type holds all of it.
    pub fn fits(self, d: DType) -> bool {
        let all = Range::of(d);
        self.lo >= all.lo && self.hi <= all.hi
    }

    /// The only value, if there is one.
    pub fn single(self) -> Option<i128> {
        (self.lo == self.hi).then_some(self.lo)
    }

    /// Both.
    pub fn union(self, other: Range) -> Range {
        Range { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    fn hull(all: impl IntoIterator<Item = i128>) -> Range {
        let (mut lo, mut hi) = (i128::MAX, i128::MIN);
        for v in all {
            (lo, hi) = (lo.min(v), hi.max(v));
        }
        Range { lo, hi }
    }

    fn corners(a: Range, b: Range, f: impl Fn(i128, i128) -> i128) -> Range {
        Range::hull([f(a.lo, b.lo), f(a.lo, b.hi), f(a.hi, b.lo), f(a.hi, b.hi)])
    }

    /// The result before it is wrapped to a type; `None` where nothing better than the type is known. Operands are those
    /// of an integer type of at most 64 bits, so nothing here overflows.
    pub fn binary(op: BinOp, a: Range, b: Range) -> Option<Range> {
        let positive = b.lo > 0;
        Some(match op {
            BinOp::Add => Range { lo: a.lo + b.lo, hi: a.hi + b.hi },
            BinOp::Sub => Range { lo: a.lo - b.hi, hi: a.hi - b.lo },
            // 64 by 64 bits fit into 128, but for the product of two -2^63.
            BinOp::Mul => Range::corners(a, b, i128::saturating_mul),
            BinOp::Div if positive => Range::corners(a, b, |x, y| x / y),
            BinOp::FloorDiv if positive => Range::corners(a, b, i128::div_euclid),
            BinOp::FloorMod if positive && a.lo >= 0 && a.hi < b.lo => a,
            BinOp::FloorMod if positive => Range { lo: 0, hi: b.hi - 1 },
            BinOp::Rem if positive && a.lo >= 0 => Range { lo: 0, hi: a.hi.min(b.hi - 1) },
            BinOp::Rem if positive => Range { lo: 1 - b.hi, hi: b.hi - 1 },
            BinOp::Min => Range { lo: a.lo.min(b.lo), hi: a.hi.min(b.hi) },
            BinOp::Max => Range { lo: a.lo.max(b.lo), hi: a.hi.max(b.hi) },
            BinOp::And if a.lo >= 0 || b.lo >= 0 => {
                let hi = [a, b].iter().filter(|r| r.lo >= 0).map(|r| r.hi).min().unwrap_or(0);
                Range { lo: 0, hi }
            }
            BinOp::Shl if b.lo >= 0 && b.hi < 64 && a.fits(DType::I64) => Range::corners(a, b, |x, s| x << s),
            BinOp::Shr if b.lo >= 0 && b.hi < 64 => Range::corners(a, b, |x, s| x >> s),
            _ => return None,
        })
    }

    /// As [`Range::binary`].
    pub fn unary(op: UnOp, a: Range) -> Option<Range> {
        Some(match op {
            UnOp::Neg => Range { lo: -a.hi, hi: -a.lo },
            UnOp::Abs if a.lo >= 0 => a,
            UnOp::Abs => Range { lo: 0, hi: a.hi.max(-a.lo) },
            UnOp::Not => Range { lo: -1 - a.hi, hi: -1 - a.lo },
            _ => return None,
        })
    }

    /// What a comparison gives, where the ranges decide it.
    pub fn compare(op: CmpOp, a: Range, b: Range) -> Option<bool> {
        let less = |x: Range, y: Range| {
            if x.hi < y.lo {
                Some(true)
            } else if x.lo >= y.hi {
                Some(false)
            } else {
                None
            }
        };
        let equal = || {
            if a.hi < b.lo || b.hi < a.lo {
                return Some(false);
            }
            (a.single().is_some() && a.single() == b.single()).then_some(true)
        };
        match op {
            CmpOp::Lt => less(a, b),
            CmpOp::Gt => less(b, a),
            CmpOp::Le => less(b, a).map(|v| !v),
            CmpOp::Ge => less(a, b).map(|v| !v),
            CmpOp::Eq => equal(),
            CmpOp::Ne => equal().map(|v| !v),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_ir::scalar::{eval_binary, eval_compare};

    /// Every pair of intervals of small numbers, every pair of values in them.
    #[test]
    fn results_lie_in_the_range() {
        let all: Vec<Range> = (-4..4).flat_map(|lo| (lo..5).map(move |hi| Range { lo, hi })).collect();
        let scalar = |v: i128| Scalar::i64(v as i64);
        for &a in &all {
            for &b in &all {
                for x in a.lo..=a.hi {
                    for y in b.lo..=b.hi {
                        for &op in BinOp::ALL {
                            if let Some(r) = Range::binary(op, a, b) {
                                let v = i128::from(eval_binary(op, scalar(x), scalar(y)).to_i64());
                                assert!(r.lo <= v && v <= r.hi, "{op:?} {a:?} {b:?}: {x} {y} -> {v}, not in {r:?}");
                            }
                        }
                        for &op in CmpOp::ALL {
                            if let Some(v) = Range::compare(op, a, b) {
                                assert_eq!(v, eval_compare(op, scalar(x), scalar(y)), "{op:?} {a:?} {b:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}
