//! The meaning of each scalar operation, as plain Rust: both interpreters and constant folding call these.

use super::{BinOp, CmpOp, Scalar, UnOp};
use half::{bf16, f16};
use onnxc_base::DType;
use onnxc_base::small_float::Format;

/// Applies a one-operand operation; integers know only neg, not and abs (the rest returns them unchanged).
pub fn eval_unary(op: UnOp, a: Scalar) -> Scalar {
    match a.dtype {
        DType::F32 if !op.is_math() => Scalar::f32(float_basic(op, f32::from_bits(a.bits as u32))),
        // A math function is defined as its f64 value rounded to the type.
        d if d.is_float() => Scalar::from_f64(d, float_unary(op, a.to_f64())),
        DType::Bool => Scalar::bool(if op == UnOp::Not { a.bits == 0 } else { a.bits != 0 }),
        d => {
            let v = a.to_i64();
            let r = match op {
                UnOp::Neg => v.wrapping_neg(),
                UnOp::Not => !v,
                UnOp::Abs if d.is_signed_int() => v.wrapping_abs(),
                _ => v,
            };
            wrap(d, r)
        }
    }
}

fn float_basic(op: UnOp, v: f32) -> f32 {
    match op {
        UnOp::Neg => -v,
        UnOp::Abs => v.abs(),
        UnOp::Sqrt => v.sqrt(),
        UnOp::Floor => v.floor(),
        UnOp::Ceil => v.ceil(),
        UnOp::Trunc => v.trunc(),
        UnOp::RoundEven => v.round_ties_even(),
        _ => v,
    }
}

fn float_unary(op: UnOp, v: f64) -> f64 {
    match op {
        UnOp::Neg => -v,
        UnOp::Not => v,
        UnOp::Abs => v.abs(),
        UnOp::Sqrt => v.sqrt(),
        UnOp::Floor => v.floor(),
        UnOp::Ceil => v.ceil(),
        UnOp::Trunc => v.trunc(),
        UnOp::RoundEven => v.round_ties_even(),
        UnOp::Exp => v.exp(),
        UnOp::Log => v.ln(),
        UnOp::Sin => v.sin(),
        UnOp::Cos => v.cos(),
        UnOp::Tan => v.tan(),
        UnOp::Asin => v.asin(),
        UnOp::Acos => v.acos(),
        UnOp::Atan => v.atan(),
        UnOp::Sinh => v.sinh(),
        UnOp::Cosh => v.cosh(),
        UnOp::Tanh => v.tanh(),
        UnOp::Asinh => v.asinh(),
        UnOp::Acosh => v.acosh(),
        // Of the magnitude: the standard library's formula cancels near -1.
        UnOp::Atanh => v.abs().atanh().copysign(v),
        UnOp::Erf => libm::erf(v),
        UnOp::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        UnOp::Decay => {
            if v > 0.0 {
                1.0
            } else {
                v.exp()
            }
        }
    }
}

/// Applies a two-operand operation; both operands have the same dtype.
pub fn eval_binary(op: BinOp, a: Scalar, b: Scalar) -> Scalar {
    debug_assert_eq!(a.dtype, b.dtype, "{op:?}");
    match a.dtype {
        DType::F32 => Scalar::f32(float_binary32(op, f32::from_bits(a.bits as u32), f32::from_bits(b.bits as u32))),
        d if d.is_float() => Scalar::from_f64(d, float_binary64(op, a.to_f64(), b.to_f64())),
        DType::U64 => Scalar { dtype: DType::U64, bits: unsigned_binary(op, a.bits, b.bits) },
        d => wrap(d, int_binary(op, a.to_i64(), b.to_i64(), d)),
    }
}

macro_rules! float_binary {
    ($name:ident, $t:ty) => {
        fn $name(op: BinOp, a: $t, b: $t) -> $t {
            match op {
                BinOp::Add => a + b,
                BinOp::Sub => a - b,
                BinOp::Mul => a * b,
                BinOp::Div => a / b,
                BinOp::Rem => a % b,
                BinOp::FloorDiv => (a / b).floor(),
                BinOp::FloorMod => {
                    let r = a % b;
                    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
                }
                BinOp::Min => {
                    if b < a {
                        b
                    } else {
                        a
                    }
                }
                BinOp::Max => {
                    if a < b {
                        b
                    } else {
                        a
                    }
                }
                BinOp::Pow => (a as f64).powf(b as f64) as $t,
                BinOp::And | BinOp::Or | BinOp::Xor | BinOp::Shl | BinOp::Shr => a,
            }
        }
    };
}
float_binary!(float_binary32, f32);
float_binary!(float_binary64, f64);

fn int_binary(op: BinOp, a: i64, b: i64, d: DType) -> i64 {
    let bits = d.bits() as i64;
    match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::Div | BinOp::Rem | BinOp::FloorDiv | BinOp::FloorMod if b == 0 => 0,
        BinOp::Div => a.wrapping_div(b),
        BinOp::Rem => a.wrapping_rem(b),
        BinOp::FloorDiv => {
            let q = a.wrapping_div(b);
            if a.wrapping_rem(b) != 0 && (a < 0) != (b < 0) { q - 1 } else { q }
        }
        BinOp::FloorMod => {
            let r = a.wrapping_rem(b);
            if r != 0 && (r < 0) != (b < 0) { r + b } else { r }
        }
        BinOp::Min => {
            if b < a {
                b
            } else {
                a
            }
        }
        BinOp::Max => {
            if a < b {
                b
            } else {
                a
            }
        }
        BinOp::Pow => int_pow(a, b),
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::Shl => {
            if (0..bits).contains(&b) {
                a << b
            } else {
                0
            }
        }
        BinOp::Shr => {
            if (0..bits).contains(&b) {
                a >> b
            } else if a < 0 {
                -1
            } else {
                0
            }
        }
    }
}

/// u64 differs from i64 wherever the sign bit matters.
fn unsigned_binary(op: BinOp, a: u64, b: u64) -> u64 {
    match op {
        BinOp::Div | BinOp::FloorDiv => a.checked_div(b).unwrap_or(0),
        BinOp::Rem | BinOp::FloorMod => a.checked_rem(b).unwrap_or(0),
        BinOp::Min => a.min(b),
        BinOp::Max => a.max(b),
        BinOp::Shl => {
            if b < 64 {
                a << b
            } else {
                0
            }
        }
        BinOp::Shr => {
            if b < 64 {
                a >> b
            } else {
                0
            }
        }
        BinOp::Pow => int_pow(a as i64, b.min(i64::MAX as u64) as i64) as u64,
        _ => int_binary(op, a as i64, b as i64, DType::I64) as u64,
    }
}

/// Wrapping power by squaring; a negative exponent gives the truncated quotient 1 / a^-b (0 for a = 0).
fn int_pow(mut a: i64, b: i64) -> i64 {
    if b < 0 {
        return match a {
            1 => 1,
            -1 => {
                if b % 2 == 0 {
                    1
                } else {
                    -1
                }
            }
            _ => 0,
        };
    }
    let (mut n, mut r) = (b as u64, 1i64);
    while n > 0 {
        if n & 1 == 1 {
            r = r.wrapping_mul(a);
        }
        a = a.wrapping_mul(a);
        n >>= 1;
    }
    r
}

/// Compares two values of the same dtype.
pub fn eval_compare(op: CmpOp, a: Scalar, b: Scalar) -> bool {
    fn compare<T: PartialOrd>(op: CmpOp, a: T, b: T) -> bool {
        match op {
            CmpOp::Eq => a == b,
            CmpOp::Ne => a != b,
            CmpOp::Lt => a < b,
            CmpOp::Le => a <= b,
            CmpOp::Gt => a > b,
            CmpOp::Ge => a >= b,
        }
    }
    match a.dtype {
        d if d.is_float() => compare(op, a.to_f64(), b.to_f64()),
        d if d.is_unsigned_int() => compare(op, a.bits, b.bits),
        _ => compare(op, a.to_i64(), b.to_i64()),
    }
}

/// Converts a value to another type; see the module for the rules.
pub fn eval_cast(a: Scalar, to: DType) -> Scalar {
    let bits = match to {
        DType::Bool if a.dtype.is_float() => u64::from(a.to_f64() != 0.0),
        DType::Bool => u64::from(a.bits != 0),
        DType::F64 => a.to_f64().to_bits(),
        DType::F32 => u64::from(to_f32(a).to_bits()),
        DType::F16 => u64::from(f16::from_f32(to_f32(a)).to_bits()),
        DType::BF16 => u64::from(bf16::from_f32(to_f32(a)).to_bits()),
        d if d.is_small() && d.is_float() => u64::from(Format::of(d).map_or(0, |f| f.encode(to_f32(a)))),
        d if d.is_small() && a.dtype.is_float() => return wrap(to, saturate(DType::I32, a.to_f64()).to_i64()),
        _ if a.dtype.is_float() => return saturate(to, a.to_f64()),
        _ => return wrap(to, a.to_i64()),
    };
    Scalar { dtype: to, bits }
}

/// Integers round once, straight to f32.
fn to_f32(a: Scalar) -> f32 {
    match a.dtype {
        DType::U64 => a.bits as f32,
        d if d.is_float() => a.to_f64() as f32,
        _ => a.to_i64() as f32,
    }
}

fn saturate(to: DType, v: f64) -> Scalar {
    match to {
        DType::U64 => Scalar { dtype: to, bits: v as u64 },
        DType::I64 => Scalar::i64(v as i64),
        d => wrap(d, (v as i64).clamp(Scalar::least(d).to_i64(), Scalar::greatest(d).to_i64())),
    }
}

/// Keeps the low bits of an integer.
fn wrap(dtype: DType, v: i64) -> Scalar {
    let bits = if dtype == DType::Bool { 1 } else { dtype.bits() as u32 };
    Scalar { dtype, bits: v as u64 & (u64::MAX >> (64 - bits)) }
}
