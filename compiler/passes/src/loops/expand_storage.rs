//! expand-storage: element types that no machine has become bytes (complex ones words), their conversions arithmetic.
//!
//! Afterwards no value, buffer, variable or constant has a small type (`DType::is_small`) or is complex, so a backend
//! needs to know nothing of them. Memory of complex128, which no value is, becomes memory of twice as many f64. The ports of the interface keep their types: those are for whoever calls.
//!
//! Conversions follow `onnxc_base::small_float` and `ir::scalar` bit for bit, on vectors too: 32-bit integers and floats,
//! no tables. Does NOT touch f16 and bf16, which backends have.

use super::walk::blocks_mut;
use crate::manager::LoopsPass;
use onnxc_base::DType;
use onnxc_base::small_float::{Format, Special};
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{BinOp, Block, Buf, CmpOp, Func, Op, ParamKind, Program, Scalar, Stmt, Ty, Value, ValueDef};

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "expand-storage",
    about: "make bytes of element types that no machine has",
    level: 0,
    run: |p, _| {
        expand(p);
        Ok(())
    },
    ensures: Stage { unrolled: false, planned: false, expanded: false },
};

/// What holds a type's elements.
fn carrier(d: DType) -> DType {
    match d {
        DType::C64 => DType::U64,
        DType::C128 => DType::F64,
        d if d.is_small() => DType::U8,
        d => d,
    }
}

/// Expands every function of a program.
pub fn expand(program: &mut Program) {
    for c in program.consts.values_mut() {
        c.dtype = carrier(c.dtype);
    }
    for x in program.externs.values_mut() {
        x.params.iter_mut().for_each(param);
    }
    for f in program.funcs.values_mut() {
        let any = f.values.values().any(|v| carrier(v.ty.elem) != v.ty.elem);
        if any || f.bufs.values().any(|b| b.dtype == DType::C128) {
            let mut body = std::mem::take(&mut f.body);
            block(f, &mut body);
            f.body = body;
        }
        retype(f);
    }
}

fn param(kind: &mut ParamKind) {
    match kind {
        ParamKind::Scalar(d) | ParamKind::Buf { dtype: d, .. } => *d = carrier(*d),
        ParamKind::Table => {}
    }
}

fn retype(f: &mut Func) {
    f.params.iter_mut().for_each(|p| param(&mut p.kind));
    f.bufs.values_mut().for_each(|b| b.dtype = carrier(b.dtype));
    f.vars.values_mut().for_each(|v| v.ty.elem = carrier(v.ty.elem));
    for v in f.values.values_mut() {
        v.ty.elem = carrier(v.ty.elem);
        if let Op::Const(s) = &mut v.op {
            s.dtype = carrier(s.dtype);
        }
    }
}

fn block(f: &mut Func, b: &mut Block) {
    let mut out = Vec::with_capacity(b.0.len());
    for mut s in std::mem::take(&mut b.0) {
        blocks_mut(&mut s).into_iter().for_each(|i| block(f, i));
        twice(f, &mut s, &mut out);
        if let Stmt::Let(v) = s
            && let Some(result) = conversion(f, v, &mut out)
        {
            // The value keeps its name and gets the result's definition.
            f.values[v].op = f.values[result].op.clone();
            out.pop();
            out.push(Stmt::Let(v));
            continue;
        }
        out.push(s);
    }
    b.0 = out;
}

/// Counts the elements of memory of complex128 anew.
fn twice(f: &mut Func, s: &mut Stmt, out: &mut Vec<Stmt>) {
    let complex = |f: &Func, b: &Buf| f.bufs[*b].dtype == DType::C128;
    match s {
        Stmt::Alloc { buf, count, bound, .. } if complex(f, buf) => {
            let mut e = Emit { f, out, lanes: 1 };
            *count = e.bin(BinOp::Add, *count, *count);
            *bound = bound.take().map(|b| b * 2);
        }
        Stmt::View { buf, count, .. } if complex(f, buf) => *count = count.take().map(|c| c * 2),
        _ => {}
    }
}

/// Emits a conversion from or to a small type; its result is the last value emitted. `None` if `v` isn't one.
fn conversion(f: &mut Func, v: Value, out: &mut Vec<Stmt>) -> Option<Value> {
    let ValueDef { ty, op: Op::Cast(a), .. } = f.values[v].clone() else { return None };
    let from = f.values[a].ty.elem;
    if !from.is_small() && !ty.elem.is_small() || from == ty.elem {
        return None;
    }
    let mut e = Emit { f, out, lanes: ty.lanes };
    let (wide, value) = if from.is_small() { e.widen(from, a) } else { (from, a) };
    Some(if ty.elem.is_small() { e.narrow(wide, value, ty.elem) } else { e.converted(wide, ty.elem, value) })
}

/// Emits operations on values of one number of lanes.
struct Emit<'a> {
    f: &'a mut Func,
    out: &'a mut Vec<Stmt>,
    lanes: u16,
}

impl Emit<'_> {
    fn op(&mut self, elem: DType, lanes: u16, op: Op) -> Value {
        let ty = if lanes == 1 { Ty::scalar(elem) } else { Ty::vector(elem, lanes) };
        let v = self.f.values.push(ValueDef { ty, op, name: String::new() });
        self.out.push(Stmt::Let(v));
        v
    }

    fn splat(&mut self, s: Scalar) -> Value {
        let v = self.op(s.dtype, 1, Op::Const(s));
        if self.lanes == 1 { v } else { self.op(s.dtype, self.lanes, Op::Splat(v)) }
    }

    fn int(&mut self, v: i64) -> Value {
        self.splat(Scalar::from_i64(DType::I32, v))
    }

    fn bin(&mut self, op: BinOp, a: Value, b: Value) -> Value {
        let d = self.f.values[a].ty.elem;
        self.op(d, self.lanes, Op::Binary(op, a, b))
    }

    /// An operation with a constant of 32 bits.
    fn by(&mut self, op: BinOp, a: Value, b: i64) -> Value {
        let b = self.int(b);
        self.bin(op, a, b)
    }

    fn cmp(&mut self, op: CmpOp, a: Value, b: i64) -> Value {
        let b = self.int(b);
        self.op(DType::Bool, self.lanes, Op::Compare(op, a, b))
    }

    fn select(&mut self, c: Value, a: Value, b: Value) -> Value {
        let d = self.f.values[a].ty.elem;
        self.op(d, self.lanes, Op::Select(c, a, b))
    }

    fn cast(&mut self, to: DType, a: Value) -> Value {
        self.op(to, self.lanes, Op::Cast(a))
    }

    fn converted(&mut self, from: DType, to: DType, a: Value) -> Value {
        if from == to { a } else { self.cast(to, a) }
    }

    fn bits(&mut self, to: DType, a: Value) -> Value {
        self.op(to, self.lanes, Op::Bitcast(a))
    }

    /// A byte of a small type as i32 or f32.
    fn widen(&mut self, from: DType, a: Value) -> (DType, Value) {
        // The operand is a byte as soon as the pass is done with the function.
        let x = self.cast(DType::I32, a);
        match Format::of(from) {
            Some(format) => (DType::F32, self.decode(format, x)),
            None => (DType::I32, self.small_int(from, x)),
        }
    }

    /// The low bits of an integer, the sign spread over the rest if there is one.
    fn small_int(&mut self, d: DType, x: Value) -> Value {
        let rest = 32 - d.bits() as i64;
        if d.is_signed_int() {
            let high = self.by(BinOp::Shl, x, rest);
            self.by(BinOp::Shr, high, rest)
        } else {
            self.by(BinOp::And, x, (1 << d.bits()) - 1)
        }
    }

    /// A value of a machine type as a byte of a small type.
    fn narrow(&mut self, from: DType, a: Value, to: DType) -> Value {
        let bits = match Format::of(to) {
            Some(format) => {
                let x = self.converted(from, DType::F32, a);
                self.encode(format, x)
            }
            None => {
                let x = self.converted(from, DType::I32, a);
                self.by(BinOp::And, x, (1 << to.bits()) - 1)
            }
        };
        self.cast(DType::U8, bits)
    }

    /// See `Format::decode`.
    fn decode(&mut self, f: Format, x: Value) -> Value {
        let width = f.exponent + f.fraction;
        let magnitude = self.by(BinOp::And, x, (1 << width) - 1);
        let nan = self.int(0x7fc0_0000);
        if f.special == Special::Power {
            let shifted = self.by(BinOp::Shl, magnitude, 23);
            let least = self.int(1 << 22);
            let is_least = self.cmp(CmpOp::Eq, magnitude, 0);
            let v = self.select(is_least, least, shifted);
            let is_nan = self.cmp(CmpOp::Eq, magnitude, 0xff);
            let v = self.select(is_nan, nan, v);
            return self.bits(DType::F32, v);
        }
        let shifted = self.by(BinOp::Shl, magnitude, i64::from(23 - f.fraction));
        let small = self.bits(DType::F32, shifted);
        let scale = self.splat(Scalar::f32(f32::from_bits(((254 - f.bias) as u32) << 23)));
        let value = self.bin(BinOp::Mul, small, scale);
        let mut v = self.bits(DType::I32, value);
        if f.special == Special::Ieee {
            let infinity = self.int(0x7f80_0000);
            let is_infinite = self.cmp(CmpOp::Eq, magnitude, i64::from(f.overflow_bits()));
            v = self.select(is_infinite, infinity, v);
        }
        let sign = self.by(BinOp::And, x, i64::from(f.sign()));
        let high = self.by(BinOp::Shl, sign, i64::from(31 - width));
        v = self.bin(BinOp::Or, v, high);
        let is_nan = match f.special {
            Special::Ieee => Some(self.cmp(CmpOp::Gt, magnitude, i64::from(f.overflow_bits()))),
            Special::Fn => Some(self.cmp(CmpOp::Gt, magnitude, i64::from(f.max_bits()))),
            Special::Fnuz => {
                let all = self.by(BinOp::And, x, (1 << (width + 1)) - 1);
                Some(self.cmp(CmpOp::Eq, all, i64::from(f.sign())))
            }
            Special::None | Special::Power => None,
        };
        if let Some(c) = is_nan {
            v = self.select(c, nan, v);
        }
        self.bits(DType::F32, v)
    }

    /// See `Format::encode`; an i32.
    fn encode(&mut self, f: Format, x: Value) -> Value {
        let b = self.bits(DType::I32, x);
        let a = self.by(BinOp::And, b, 0x7fff_ffff);
        if f.special == Special::Power {
            let exponent = self.by(BinOp::Shr, a, 23);
            return self.by(BinOp::And, exponent, 0xff);
        }
        let magnitude = self.rounded(f, a);
        let high = self.by(BinOp::Shr, b, i64::from(31 - f.exponent - f.fraction));
        let sign = self.by(BinOp::And, high, i64::from(f.sign()));
        let signed = self.bin(BinOp::Or, magnitude, sign);
        let too_large = self.cmp(CmpOp::Gt, magnitude, i64::from(f.max_bits()));
        let overflow = self.by(BinOp::Or, sign, i64::from(f.overflow_bits()));
        let mut v = self.select(too_large, overflow, signed);
        if f.special == Special::Fnuz {
            let is_zero = self.cmp(CmpOp::Eq, magnitude, 0);
            let zero = self.int(0);
            v = self.select(is_zero, zero, v);
        }
        let is_nan = self.cmp(CmpOp::Gt, a, 0x7f80_0000);
        let nan = self.by(BinOp::Or, sign, i64::from(f.nan_bits()));
        self.select(is_nan, nan, v)
    }

    /// The magnitude of the nearest number, which may be beyond the greatest, of the bits of one that isn't negative.
    fn rounded(&mut self, f: Format, a: Value) -> Value {
        let cut = i64::from(23 - f.fraction);
        let rebias = i64::from(127 - f.bias);
        let magic_bits = (rebias + 1 + cut) << 23;
        let magic = self.splat(Scalar::f32(f32::from_bits(magic_bits as u32)));
        let value = self.bits(DType::F32, a);
        let sum = self.bin(BinOp::Add, value, magic);
        let sum = self.bits(DType::I32, sum);
        let subnormal = self.by(BinOp::Sub, sum, magic_bits);
        let odd = self.by(BinOp::Shr, a, cut);
        let odd = self.by(BinOp::And, odd, 1);
        let half = self.by(BinOp::Add, a, (1 << (cut - 1)) - 1);
        let normal = self.bin(BinOp::Add, half, odd);
        let normal = self.by(BinOp::Shr, normal, cut);
        let normal = self.by(BinOp::Sub, normal, rebias << f.fraction);
        let is_small = self.cmp(CmpOp::Lt, a, (rebias + 1) << 23);
        self.select(is_small, subnormal, normal)
    }
}

#[cfg(test)]
mod tests;
