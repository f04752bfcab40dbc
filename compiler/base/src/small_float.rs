//! Floats of at most a byte: the layout of each format, and conversion to and from f32 as plain Rust.
//!
//! Formats: OCP 8-bit floating point (e4m3fn, e5m2), OCP microscaling (e2m1, e2m3, e3m2, e8m0), and the `fnuz` variants
//! of arXiv 2206.02915 with one zero and one NaN. Holds: [`Format::encode`] rounds to nearest, ties to even; what is too
//! large becomes infinity where the format has one, else NaN, else the greatest number. e8m0 holds powers of two
//! only: it keeps an f32's exponent, without sign and fraction; infinity is NaN.
//!
//! Does NOT saturate otherwise: who wants that clamps to [`Format::max`] before.

use crate::DType;

/// What patterns mean besides numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Special {
    /// The greatest exponent is infinity (fraction 0) and NaN, as in IEEE 754.
    Ieee,
    /// All bits but the sign set: NaN. No infinity.
    Fn,
    /// The sign alone: NaN. No infinity, no negative zero.
    Fnuz,
    /// Numbers only; NaN becomes negative zero.
    None,
    /// No sign, no fraction: 2^(bits - 127), all bits set: NaN.
    Power,
}

/// The layout of a small float: sign, exponent, fraction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Bits of the exponent.
    pub exponent: u32,
    /// Bits of the fraction.
    pub fraction: u32,
    /// What is subtracted from the exponent.
    pub bias: i32,
    /// Other patterns.
    pub special: Special,
}

impl Format {
    /// The layout of a dtype; `None` for one that is no small float.
    pub fn of(dtype: DType) -> Option<Format> {
        let f = |exponent, fraction, bias, special| Some(Format { exponent, fraction, bias, special });
        match dtype {
            DType::F8E4M3FN => f(4, 3, 7, Special::Fn),
            DType::F8E4M3FNUZ => f(4, 3, 8, Special::Fnuz),
            DType::F8E5M2 => f(5, 2, 15, Special::Ieee),
            DType::F8E5M2FNUZ => f(5, 2, 16, Special::Fnuz),
            DType::F4E2M1 => f(2, 1, 1, Special::None),
            DType::F6E2M3 => f(2, 3, 1, Special::None),
            DType::F6E3M2 => f(3, 2, 3, Special::None),
            DType::F8E8M0 => f(8, 0, 127, Special::Power),
            _ => None,
        }
    }

    /// The sign's bit, or 0 where there is none.
    pub fn sign(self) -> u8 {
        if self.special == Special::Power { 0 } else { 1 << (self.exponent + self.fraction) }
    }

    /// The pattern of the greatest number.
    pub fn max_bits(self) -> u8 {
        let all = ((1u16 << (self.exponent + self.fraction)) - 1) as u8;
        match self.special {
            Special::Fnuz | Special::None => all,
            Special::Fn | Special::Power => all - 1,
            Special::Ieee => all - (1 << self.fraction),
        }
    }

    /// The greatest number.
    pub fn max(self) -> f32 {
        self.decode(self.max_bits())
    }

    /// The pattern that a number too large becomes, without its sign.
    pub fn overflow_bits(self) -> u8 {
        match self.special {
            Special::Ieee | Special::Fn | Special::Power => self.max_bits() + 1,
            Special::Fnuz => self.sign(),
            Special::None => self.max_bits(),
        }
    }

    /// The pattern of NaN.
    pub fn nan_bits(self) -> u8 {
        match self.special {
            // A quiet one.
            Special::Ieee => self.overflow_bits() | 1 << (self.fraction - 1),
            Special::Fn | Special::Power => self.overflow_bits(),
            Special::Fnuz | Special::None => self.sign(),
        }
    }

    /// The number of a pattern; bits above the format's count for nothing.
    pub fn decode(self, bits: u8) -> f32 {
        let magnitude = bits & (((1u16 << (self.exponent + self.fraction)) - 1) as u8);
        let nan = match self.special {
            Special::Power if magnitude == 0 => return f32::from_bits(1 << 22),
            Special::Power => magnitude > self.max_bits(),
            Special::Fnuz => bits & self.sign() != 0 && magnitude == 0,
            Special::Ieee => magnitude > self.overflow_bits(),
            Special::Fn => magnitude > self.max_bits(),
            Special::None => false,
        };
        if nan {
            return f32::NAN;
        }
        // The fields as those of an f32 with a smaller exponent: a power of two puts that right, for subnormals too.
        let shifted = f32::from_bits(u32::from(magnitude) << (23 - self.fraction));
        let infinite = self.special == Special::Ieee && magnitude == self.overflow_bits();
        let value = match () {
            _ if self.special == Special::Power => shifted,
            _ if infinite => f32::INFINITY,
            _ => shifted * f32::from_bits(((254 - self.bias) as u32) << 23),
        };
        if bits & self.sign() != 0 { -value } else { value }
    }

    /// The pattern of the nearest number.
    pub fn encode(self, v: f32) -> u8 {
        let a = v.to_bits() & 0x7fff_ffff;
        if self.special == Special::Power {
            return if a >= 0x7f80_0000 { 0xff } else { (a >> 23) as u8 };
        }
        let cut = 23 - self.fraction;
        let rebias = (127 - self.bias) as u32;
        let magnitude = if a < (rebias + 1) << 23 {
            // Below the least normal number: the sum's last place is the least number, so that adding rounds.
            let magic = f32::from_bits((rebias + 1 + cut) << 23);
            (f32::from_bits(a) + magic).to_bits() - magic.to_bits()
        } else {
            ((a + (1 << (cut - 1)) - 1 + (a >> cut & 1)) >> cut) - (rebias << self.fraction)
        };
        let sign = if v.is_sign_negative() { self.sign() } else { 0 };
        match () {
            _ if v.is_nan() && self.special == Special::Fnuz => self.nan_bits(),
            _ if v.is_nan() => self.nan_bits() | sign,
            _ if magnitude > u32::from(self.max_bits()) => self.overflow_bits() | sign,
            _ if magnitude == 0 && self.special == Special::Fnuz => 0,
            _ => magnitude as u8 | sign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats() -> impl Iterator<Item = (DType, Format)> {
        DType::all().filter_map(|d| Some((d, Format::of(d)?)))
    }

    #[test]
    fn the_greatest_numbers_are_those_of_the_formats() {
        let max: Vec<f32> = formats().map(|(_, f)| f.max()).collect();
        assert_eq!(max, [6.0, 7.5, 28.0, 448.0, 240.0, 57344.0, 57344.0, 2f32.powi(127)]);
    }

    #[test]
    fn every_pattern_returns() {
        for (d, f) in formats() {
            for bits in 0..=((1u16 << d.bits()) - 1) as u8 {
                let v = f.decode(bits);
                if v.is_nan() {
                    assert!(f.decode(f.encode(v)).is_nan(), "{d} {bits:#x}");
                } else {
                    assert_eq!(f.encode(v), bits, "{d} {bits:#x} {v}");
                }
            }
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_even() {
        for (d, f) in formats().filter(|(_, f)| f.special != Special::Power) {
            for bits in 0..f.max_bits() {
                let (lo, hi) = (f.decode(bits), f.decode(bits + 1));
                let middle = (lo + hi) / 2.0;
                assert_eq!(f.encode(middle), bits + (bits & 1), "{d}: between {lo} and {hi}");
                assert_eq!(f.encode(middle.next_up()), bits + 1, "{d}: above {middle}");
                assert_eq!(f.encode(middle.next_down()), bits, "{d}: below {middle}");
            }
        }
    }

    #[test]
    fn what_is_too_large_becomes_what_the_format_has() {
        let big: Vec<u8> = formats().map(|(_, f)| f.encode(1e30)).collect();
        assert_eq!(big, [7, 31, 31, 0x7f, 0x80, 0x7c, 0x80, 226]);
        let nan: Vec<bool> = formats().map(|(_, f)| f.decode(f.encode(f32::NEG_INFINITY)).is_finite()).collect();
        assert_eq!(nan, [true, true, true, false, false, false, false, false]);
    }
}
