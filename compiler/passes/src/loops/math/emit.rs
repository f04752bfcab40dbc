//! A little arithmetic language over values of one float type, for writing math functions down.

use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, CmpOp, Func, Op, Scalar, Stmt, Ty, UnOp, Value, ValueDef};

/// Emits operations into a statement list. All floats have type `ty`; integers are of the same width.
pub(super) struct Emit<'a> {
    pub f: &'a mut Func,
    pub out: &'a mut Vec<Stmt>,
    pub ty: Ty,
    pub fma: bool,
}

impl Emit<'_> {
    pub fn op(&mut self, ty: Ty, op: Op) -> Value {
        let v = self.f.values.push(ValueDef { ty, op, name: String::new() });
        self.out.push(Stmt::Let(v));
        v
    }

    fn splat(&mut self, s: Scalar) -> Value {
        let v = self.op(Ty::scalar(s.dtype), Op::Const(s));
        if self.ty.lanes == 1 { v } else { self.op(self.ty.with_elem(s.dtype), Op::Splat(v)) }
    }

    /// A float constant, rounded to the type.
    pub fn c(&mut self, v: f64) -> Value {
        self.splat(Scalar::from_f64(self.ty.elem, v))
    }

    /// The integer type of the floats' width.
    pub fn int(&self) -> DType {
        if self.ty.elem == DType::F64 { DType::I64 } else { DType::I32 }
    }

    pub fn ci(&mut self, v: i64) -> Value {
        let d = self.int();
        self.splat(Scalar::from_i64(d, v))
    }

    pub fn bin(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        let ty = self.f.values[a].ty;
        self.op(ty, Op::Binary(op, a, b))
    }
    pub fn un(&mut self, op: UnOp, a: Value) -> Value {
        let ty = self.f.values[a].ty;
        self.op(ty, Op::Unary(op, a))
    }
    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.bin(BinOp::Add, a, b)
    }
    pub fn sub(&mut self, a: Value, b: Value) -> Value {
        self.bin(BinOp::Sub, a, b)
    }
    pub fn mul(&mut self, a: Value, b: Value) -> Value {
        self.bin(BinOp::Mul, a, b)
    }
    pub fn div(&mut self, a: Value, b: Value) -> Value {
        self.bin(BinOp::Div, a, b)
    }
    pub fn neg(&mut self, a: Value) -> Value {
        self.un(UnOp::Neg, a)
    }
    pub fn abs(&mut self, a: Value) -> Value {
        self.un(UnOp::Abs, a)
    }
    pub fn sqrt(&mut self, a: Value) -> Value {
        self.un(UnOp::Sqrt, a)
    }
    /// a * b + c: one rounding where the machine has it, two where not.
    pub fn mad(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.fma {
            return self.op(self.ty, Op::Fma(a, b, c));
        }
        let p = self.mul(a, b);
        self.add(p, c)
    }
    pub fn cmp(&mut self, op: CmpOp, a: Value, b: Value) -> Value {
        let ty = self.f.values[a].ty.with_elem(DType::Bool);
        self.op(ty, Op::Compare(op, a, b))
    }
    pub fn select(&mut self, c: Value, a: Value, b: Value) -> Value {
        let ty = self.f.values[a].ty;
        self.op(ty, Op::Select(c, a, b))
    }
    /// The lesser; a NaN in `a` stays.
    pub fn min(&mut self, a: Value, b: Value) -> Value {
        self.bin(BinOp::Min, a, b)
    }
    /// The greater; a NaN in `a` stays.
    pub fn max(&mut self, a: Value, b: Value) -> Value {
        self.bin(BinOp::Max, a, b)
    }
    /// The bits as integers.
    pub fn bits(&mut self, a: Value) -> Value {
        let ty = self.ty.with_elem(self.int());
        self.op(ty, Op::Bitcast(a))
    }
    /// Integers as the bits of floats.
    pub fn float_of(&mut self, a: Value) -> Value {
        self.op(self.ty, Op::Bitcast(a))
    }

    /// Horner's scheme; the coefficient of the highest power comes last.
    pub fn poly(&mut self, x: Value, coefficients: &[f64]) -> Value {
        let (last, rest) = coefficients.split_last().expect("a polynomial has coefficients");
        let mut r = self.c(*last);
        for c in rest.iter().rev() {
            let c = self.c(*c);
            r = self.mad(r, x, c);
        }
        r
    }

    /// `value` with the sign of `of`.
    pub fn copy_sign(&mut self, value: Value, of: Value) -> Value {
        let sign = self.sign_bit();
        let (v, o) = (self.bits(value), self.bits(of));
        let mask = self.ci(sign);
        let s = self.bin(BinOp::And, o, mask);
        let rest = self.ci(!sign);
        let m = self.bin(BinOp::And, v, rest);
        let r = self.bin(BinOp::Or, m, s);
        self.float_of(r)
    }

    pub fn sign_bit(&self) -> i64 {
        if self.ty.elem == DType::F64 { i64::MIN } else { i64::from(i32::MIN) }
    }

    /// 1.5 * 2^(mantissa bits): adding it to a small float leaves its nearest integer in the low bits.
    pub fn magic(&self) -> f64 {
        if self.ty.elem == DType::F64 { 6_755_399_441_055_744.0 } else { 12_582_912.0 }
    }
    /// The bits of [`Emit::magic`].
    pub fn magic_bits(&self) -> i64 {
        if self.ty.elem == DType::F64 { 0x4338_0000_0000_0000 } else { 0x4B40_0000 }
    }
    /// Bits of the stored mantissa.
    pub fn mantissa(&self) -> i64 {
        if self.ty.elem == DType::F64 { 52 } else { 23 }
    }
    /// The exponent's bias.
    pub fn bias(&self) -> i64 {
        if self.ty.elem == DType::F64 { 1023 } else { 127 }
    }

    /// The nearest integer of `x * scale`, as a float and as an integer.
    pub fn nearest(&mut self, x: Value, scale: f64) -> (Value, Value) {
        let (s, m) = (self.c(scale), self.c(self.magic()));
        let t = self.mad(x, s, m);
        let n = self.sub(t, m);
        let bits = self.bits(t);
        let base = self.ci(self.magic_bits());
        (n, self.bin(BinOp::Sub, bits, base))
    }

    /// A small integer as a float.
    pub fn float(&mut self, i: Value) -> Value {
        let base = self.ci(self.magic_bits());
        let b = self.bin(BinOp::Add, i, base);
        let t = self.float_of(b);
        let m = self.c(self.magic());
        self.sub(t, m)
    }

    /// x * 2^n, in two steps so that results may overflow or become subnormal.
    pub fn scale(&mut self, x: Value, n: Value) -> Value {
        let one = self.ci(1);
        let half = self.bin(BinOp::Shr, n, one);
        let rest = self.bin(BinOp::Sub, n, half);
        let (a, b) = (self.power(half), self.power(rest));
        let x = self.mul(x, a);
        self.mul(x, b)
    }

    /// 2^n, for exponents of normal numbers.
    fn power(&mut self, n: Value) -> Value {
        let (bias, width) = (self.ci(self.bias()), self.ci(self.mantissa()));
        let e = self.bin(BinOp::Add, n, bias);
        let e = self.bin(BinOp::Shl, e, width);
        self.float_of(e)
    }
}
