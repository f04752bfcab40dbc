//! Scalar values and operations: the arithmetic that kernel IR and loops IR share.
//!
//! Every operation is total: no input makes it trap, and the result is the same on every backend.
//! - Integers wrap. `Div`/`Rem` truncate, `FloorDiv`/`FloorMod` floor; a zero divisor gives 0; MIN / -1 wraps.
//! - Shifts by the width or more give 0 (`Shr` of a negative signed value: -1).
//! - `Max(a, b)` is `if a < b { b } else { a }`, `Min(a, b)` is `if b < a { b } else { a }`, also for NaN and -0: one
//!   machine instruction, and a NaN in the first operand stays.
//! - Float to integer truncates and saturates; NaN gives 0. Anything to bool is `!= 0`.
//! - f16 and bf16 are reached through f32: what processors have instructions for, and the same on each of them.
//! - Arithmetic is done in the operand's own type; f16 and bf16 are storage only (load, store, cast).
//! - So are floats of at most a byte and integers of less (`DType::is_small`): they are reached through f32 and i32. A
//!   float becomes such an integer by way of i32, of which the low bits are kept. What is too large for such a float
//!   becomes what [`onnxc_base::small_float`] says. Complex numbers of 64 bits can only be moved.

mod eval;
pub(crate) mod literal;
#[cfg(test)]
mod tests;

pub use eval::{eval_binary, eval_cast, eval_compare, eval_unary};
use half::{bf16, f16};
use onnxc_base::DType;
use onnxc_base::small_float::Format;

/// A scalar of any machine type, as its little-endian bits zero-extended to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Scalar {
    /// Element type, one of [`Scalar::holds`].
    pub dtype: DType,
    /// The value's bits.
    pub bits: u64,
}

/// One operand. Math functions are precise here; backends see them only as polynomials (pass `expand-math`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the field's; the module says what is special")]
pub enum UnOp {
    Neg,
    Not,
    Abs,
    Sqrt,
    Floor,
    Ceil,
    Trunc,
    RoundEven,
    Exp,
    Log,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    /// 1 / (1 + e^-x).
    Sigmoid,
    /// e^x for x up to 0, and 1 beyond; results below the least normal number may be 0.
    Decay,
}

/// Two operands of one type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the field's; the module says what is special")]
pub enum BinOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    FloorDiv,
    FloorMod,
    Min,
    Max,
    Pow,
    And,
    Or,
    Xor,
    Shl,
    Shr,
}

/// Comparisons; ordered (false with NaN) but for `Ne`, which is true with NaN.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the field's")]
pub enum CmpOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Associative combinations of many values into one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names are the field's")]
pub enum ReduceOp {
    Add,
    Mul,
    Min,
    Max,
    And,
    Or,
}

macro_rules! names {
    ($t:ident: $($v:ident = $n:literal),* $(,)?) => {
        impl $t {
            /// Every operation, in declaration order.
            pub const ALL: &'static [$t] = &[$($t::$v),*];
            /// The word used in IR text.
            pub fn name(self) -> &'static str { match self { $($t::$v => $n),* } }
            /// The operation of a word.
            pub fn from_name(name: &str) -> Option<$t> { Self::ALL.iter().copied().find(|o| o.name() == name) }
        }
    };
}
names!(UnOp: Neg = "neg", Not = "not", Abs = "abs", Sqrt = "sqrt", Floor = "floor", Ceil = "ceil", Trunc = "trunc",
    RoundEven = "round_even", Exp = "exp", Log = "log", Sin = "sin", Cos = "cos", Tan = "tan", Asin = "asin",
    Acos = "acos", Atan = "atan", Sinh = "sinh", Cosh = "cosh", Tanh = "tanh", Asinh = "asinh", Acosh = "acosh",
    Atanh = "atanh", Erf = "erf", Sigmoid = "sigmoid", Decay = "decay");
names!(BinOp: Add = "add", Sub = "sub", Mul = "mul", Div = "div", Rem = "rem", FloorDiv = "floordiv",
    FloorMod = "floormod", Min = "min", Max = "max", Pow = "pow", And = "and", Or = "or", Xor = "xor", Shl = "shl",
    Shr = "shr");
names!(CmpOp: Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge");
names!(ReduceOp: Add = "add", Mul = "mul", Min = "min", Max = "max", And = "and", Or = "or");

impl UnOp {
    /// True for the functions that `expand-math` turns into polynomials; false for single machine operations.
    pub fn is_math(self) -> bool {
        self as u8 >= UnOp::Exp as u8
    }

    /// Can the operand have this type?
    pub fn takes(self, dtype: DType) -> bool {
        match self {
            UnOp::Not => machine_int(dtype) || dtype == DType::Bool,
            UnOp::Neg | UnOp::Abs => machine_int(dtype) || arithmetic_float(dtype),
            _ => arithmetic_float(dtype),
        }
    }
}

/// f16 and bf16 are storage only.
pub(crate) fn arithmetic_float(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64)
}

/// Integers of less than a byte are storage only.
fn machine_int(dtype: DType) -> bool {
    dtype.is_int() && !dtype.is_small()
}

impl BinOp {
    /// Can the operands have this type?
    pub fn takes(self, dtype: DType) -> bool {
        match self {
            BinOp::And | BinOp::Or | BinOp::Xor => machine_int(dtype) || dtype == DType::Bool,
            BinOp::Shl | BinOp::Shr => machine_int(dtype),
            _ => machine_int(dtype) || arithmetic_float(dtype),
        }
    }
}

impl CmpOp {
    /// As C, Rust and the text of kernels write it.
    pub fn sign(self) -> &'static str {
        match self {
            CmpOp::Eq => "==",
            CmpOp::Ne => "!=",
            CmpOp::Lt => "<",
            CmpOp::Le => "<=",
            CmpOp::Gt => ">",
            CmpOp::Ge => ">=",
        }
    }

    /// Can the operands have this type?
    pub fn takes(self, dtype: DType) -> bool {
        let equality = matches!(self, CmpOp::Eq | CmpOp::Ne);
        machine_int(dtype) || arithmetic_float(dtype) || (dtype == DType::Bool && equality)
    }
}

impl ReduceOp {
    /// The operation that combines two values.
    pub fn binary(self) -> BinOp {
        match self {
            ReduceOp::Add => BinOp::Add,
            ReduceOp::Mul => BinOp::Mul,
            ReduceOp::Min => BinOp::Min,
            ReduceOp::Max => BinOp::Max,
            ReduceOp::And => BinOp::And,
            ReduceOp::Or => BinOp::Or,
        }
    }

    /// The value that changes nothing when combined with another.
    pub fn identity(self, dtype: DType) -> Scalar {
        match self {
            ReduceOp::Add | ReduceOp::Or => Scalar::from_i64(dtype, 0),
            ReduceOp::Mul => Scalar::from_i64(dtype, 1),
            ReduceOp::And if dtype == DType::Bool => Scalar::bool(true),
            ReduceOp::And => Scalar::from_i64(dtype, -1),
            ReduceOp::Min => Scalar::greatest(dtype),
            ReduceOp::Max => Scalar::least(dtype),
        }
    }
}

impl Scalar {
    /// Is this a type that scalars can have?
    pub fn holds(dtype: DType) -> bool {
        use DType::*;
        matches!(dtype, Bool | I8 | I16 | I32 | I64 | U8 | U16 | U32 | U64 | BF16 | F16 | F32 | F64 | C64)
            || dtype.is_small()
    }

    /// Can memory hold elements of this type? Those of [`Scalar::holds`], and complex128, which is only looked at as pairs
    /// of f64.
    pub fn lies_in_memory(dtype: DType) -> bool {
        Scalar::holds(dtype) || dtype == DType::C128
    }

    /// Is this a type that machines have: of [`Scalar::holds`], neither small nor complex?
    pub fn is_machine(dtype: DType) -> bool {
        Scalar::holds(dtype) && !dtype.is_small() && dtype != DType::C64
    }

    /// A bool.
    pub fn bool(v: bool) -> Scalar {
        Scalar { dtype: DType::Bool, bits: v as u64 }
    }
    /// An i64.
    pub fn i64(v: i64) -> Scalar {
        Scalar { dtype: DType::I64, bits: v as u64 }
    }
    /// An f32.
    pub fn f32(v: f32) -> Scalar {
        Scalar { dtype: DType::F32, bits: u64::from(v.to_bits()) }
    }
    /// An f64.
    pub fn f64(v: f64) -> Scalar {
        Scalar { dtype: DType::F64, bits: v.to_bits() }
    }

    /// An integer value in any machine type (wrapped, or rounded to the nearest float).
    pub fn from_i64(dtype: DType, v: i64) -> Scalar {
        eval_cast(Scalar::i64(v), dtype)
    }
    /// A float value in any machine type (rounded, or truncated and saturated to an integer).
    pub fn from_f64(dtype: DType, v: f64) -> Scalar {
        eval_cast(Scalar::f64(v), dtype)
    }

    /// The value as a float (64-bit integers round).
    pub fn to_f64(self) -> f64 {
        match self.dtype {
            DType::F64 => f64::from_bits(self.bits),
            DType::F32 => f64::from(f32::from_bits(self.bits as u32)),
            DType::F16 => f16::from_bits(self.bits as u16).to_f64(),
            DType::BF16 => bf16::from_bits(self.bits as u16).to_f64(),
            DType::U64 => self.bits as f64,
            d => match Format::of(d) {
                Some(f) => f64::from(f.decode(self.bits as u8)),
                None => self.to_i64() as f64,
            },
        }
    }

    /// An integer or bool value as i64 (u64 wraps); floats truncate and saturate.
    pub fn to_i64(self) -> i64 {
        match self.dtype {
            DType::I8 => i64::from(self.bits as i8),
            DType::I16 => i64::from(self.bits as i16),
            DType::I32 => i64::from(self.bits as i32),
            d @ (DType::I4 | DType::I2) => (self.bits as i64) << (64 - d.bits()) >> (64 - d.bits()),
            d if d.is_float() => self.to_f64() as i64,
            _ => self.bits as i64,
        }
    }

    /// The least value of a type; negative infinity for floats.
    pub fn least(dtype: DType) -> Scalar {
        let bits = dtype.bits() as u32;
        match dtype {
            d if d.is_float() => Scalar::from_f64(d, f64::NEG_INFINITY),
            d if d.is_signed_int() => Scalar::from_i64(d, i64::MIN >> (64 - bits)),
            d => Scalar { dtype: d, bits: 0 },
        }
    }

    /// The greatest value of a type; infinity for floats.
    pub fn greatest(dtype: DType) -> Scalar {
        let bits = dtype.bits() as u32;
        match dtype {
            d if d.is_float() => Scalar::from_f64(d, f64::INFINITY),
            d if d.is_signed_int() => Scalar::from_i64(d, i64::MAX >> (64 - bits)),
            DType::Bool => Scalar::bool(true),
            d => Scalar { dtype: d, bits: u64::MAX >> (64 - bits) },
        }
    }

    /// Reads one little-endian element; `bytes` holds at least the type's size.
    pub fn read(dtype: DType, bytes: &[u8]) -> Scalar {
        let mut b = [0u8; 8];
        b[..dtype.size()].copy_from_slice(&bytes[..dtype.size()]);
        Scalar { dtype, bits: u64::from_le_bytes(b) }
    }

    /// Writes one little-endian element; `bytes` has room for the type's size.
    pub fn write(self, bytes: &mut [u8]) {
        bytes[..self.dtype.size()].copy_from_slice(&self.bits.to_le_bytes()[..self.dtype.size()]);
    }
}
