//! How each [`Op`] becomes LLVM values.

use crate::emit::Val;
use crate::error::{Res, program};
use crate::func::FuncGen;
use inkwell::types::VectorType;
use onnxc_base::DType;
use onnxc_ir::loops::*;

impl<'c> FuncGen<'_, 'c> {
    /// Computes a value at its `Let`.
    pub fn define_value(&mut self, v: Value) -> Res<()> {
        let def = &self.func.values[v];
        let r = self.compute(def)?;
        if !def.name.is_empty() && !inkwell::values::BasicValue::is_const(&r) {
            inkwell::values::BasicValue::set_name(&r, &def.name);
        }
        self.values[v] = Some(r);
        Ok(())
    }

    fn dtype(&self, v: Value) -> DType {
        self.func.values[v].ty.elem
    }

    fn compute(&self, def: &ValueDef) -> Res<Val<'c>> {
        let e = &self.m.e;
        let elem = def.ty.elem;
        match &def.op {
            Op::Param(i) => match self.f.get_nth_param(*i) {
                Some(p) => e.as_value(p, elem),
                None => program(format!("there is no parameter {i}")),
            },
            Op::Index | Op::Result => program("an index or result is defined by its loop or call"),
            Op::Const(s) => e.scalar(*s),
            Op::Iota => self.iota(def.ty),
            Op::Splat(a) => e.splat(self.value(*a)?, def.ty.lanes),
            Op::Unary(op, a) => e.unary(*op, elem, self.value(*a)?),
            Op::Binary(op, a, b) => e.binary(*op, elem, self.value(*a)?, self.value(*b)?),
            Op::Fma(a, b, c) => e.fma(elem, self.value(*a)?, self.value(*b)?, self.value(*c)?),
            Op::Dot(a, b, c) => {
                let sum = self.value(*c)?;
                e.dot((self.value(*a)?, self.dtype(*a)), (self.value(*b)?, self.dtype(*b)), sum)
            }
            Op::Compare(op, a, b) => e.compare(*op, self.dtype(*a), self.value(*a)?, self.value(*b)?),
            Op::Select(c, a, b) => e.select(self.value(*c)?, self.value(*a)?, self.value(*b)?),
            Op::Cast(a) => e.cast(self.value(*a)?, self.dtype(*a), elem),
            Op::Bitcast(a) => Ok(e.b.build_bit_cast(self.value(*a)?, e.ty(def.ty)?, "")?),
            Op::Load { buf, offset, mask } => {
                e.load(self.elements(*buf)?, self.value(*offset)?, def.ty.lanes, self.optional(*mask)?)
            }
            Op::Gather { buf, offsets, mask } => {
                e.gather(self.elements(*buf)?, self.value(*offsets)?, self.optional(*mask)?)
            }
            Op::Get(place) => {
                let (at, ty) = self.place(place)?;
                Ok(e.b.build_load(ty, at, "")?)
            }
            Op::Extract(a, lane) => e.extract(self.value(*a)?, *lane),
            Op::Reduce(op, a) => e.reduce(*op, elem, self.value(*a)?),
            Op::Shuffle(a, b, pick) => e.shuffle(self.value(*a)?, self.value(*b)?, pick),
            Op::IsNull(buf) => Ok(e.b.build_is_null(self.base(*buf)?, "")?.into()),
            // Parallel loops that are left run on the calling thread.
            Op::ThreadId => Ok(e.cx.i64_type().const_zero().into()),
        }
    }

    fn iota(&self, ty: Ty) -> Res<Val<'c>> {
        let e = &self.m.e;
        let all: Vec<_> = (0..ty.lanes).map(|i| e.scalar(Scalar::from_i64(ty.elem, i.into()))).collect::<Res<_>>()?;
        Ok(if ty.lanes == 1 { all[0] } else { VectorType::const_vector(&all).into() })
    }
}
