//! A builder that doesn't care whether it is given scalars or vectors, and the types of both.
//!
//! Loops IR's types map so: bool is `i1` as a value and `i8` in memory and in signatures; f16 and bf16 are their bits
//! (`i16`) everywhere, since they are storage only; the rest is LLVM's type of the same width. Does NOT know loops IR's
//! operations: see `arith`, `cast` and `memory`.

use crate::error::{Res, program};
use crate::machine::Abilities;
use inkwell::builder::Builder;
use inkwell::context::Context;
use inkwell::intrinsics::Intrinsic;
use inkwell::module::Module;
use inkwell::types::{BasicType, BasicTypeEnum, IntType, VectorType};
use inkwell::values::{BasicMetadataValueEnum, BasicValue, BasicValueEnum, InstructionOpcode, IntValue};
use inkwell::{FloatPredicate, IntPredicate};
use onnxc_base::DType;
use onnxc_ir::loops::{Scalar, Ty};

/// An LLVM value, scalar or vector.
pub(crate) type Val<'c> = BasicValueEnum<'c>;

/// Where instructions go, and what the target can do.
pub(crate) struct Emit<'c> {
    pub cx: &'c Context,
    pub module: Module<'c>,
    pub b: Builder<'c>,
    pub abilities: Abilities,
}

impl<'c> Emit<'c> {
    /// The type of one element as a value.
    pub fn elem(&self, d: DType) -> Res<BasicTypeEnum<'c>> {
        Ok(match d {
            DType::Bool => self.cx.bool_type().into(),
            DType::F32 => self.cx.f32_type().into(),
            DType::F64 => self.cx.f64_type().into(),
            _ => self.memory_elem(d)?,
        })
    }

    /// The type of one element in memory and in signatures.
    pub fn memory_elem(&self, d: DType) -> Res<BasicTypeEnum<'c>> {
        Ok(match d {
            DType::Bool | DType::I8 | DType::U8 => self.cx.i8_type().into(),
            DType::I16 | DType::U16 | DType::F16 | DType::BF16 => self.cx.i16_type().into(),
            DType::I32 | DType::U32 => self.cx.i32_type().into(),
            DType::I64 | DType::U64 => self.cx.i64_type().into(),
            DType::F32 => self.cx.f32_type().into(),
            DType::F64 => self.cx.f64_type().into(),
            other => return program(format!("there is no machine type for {other}")),
        })
    }

    /// The type of a value.
    pub fn ty(&self, ty: Ty) -> Res<BasicTypeEnum<'c>> {
        Ok(widen(self.elem(ty.elem)?, ty.lanes))
    }

    /// A constant.
    pub fn scalar(&self, s: Scalar) -> Res<Val<'c>> {
        let bits = self.cx.i64_type();
        Ok(match s.dtype {
            DType::Bool => self.cx.bool_type().const_int(u64::from(s.bits != 0), false).into(),
            // By its bits, so that NaNs and denormals pass through unchanged.
            DType::F32 => {
                let v = self.cx.i32_type().const_int(s.bits & 0xffff_ffff, false);
                self.b.build_bit_cast(v, self.cx.f32_type(), "")?
            }
            DType::F64 => self.b.build_bit_cast(bits.const_int(s.bits, false), self.cx.f64_type(), "")?,
            d => self.memory_elem(d)?.into_int_type().const_int(s.bits, false).into(),
        })
    }

    /// An integer constant of the type of another value, in all lanes.
    pub fn int_like(&self, like: Val<'c>, v: i64) -> Val<'c> {
        let c = int_elem(like).const_int(v as u64, true);
        match like {
            BasicValueEnum::VectorValue(x) => all_lanes(c.into(), x.get_type().get_size()),
            _ => c.into(),
        }
    }

    /// A float constant of the type of another value, in all lanes.
    pub fn float_like(&self, like: Val<'c>, v: f64) -> Val<'c> {
        match like {
            BasicValueEnum::VectorValue(x) => {
                let t = x.get_type();
                all_lanes(t.get_element_type().into_float_type().const_float(v).into(), t.get_size())
            }
            x => x.get_type().into_float_type().const_float(v).into(),
        }
    }

    /// An instruction of two operands.
    pub fn op(&self, op: InstructionOpcode, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        Ok(self.b.build_binop(op, a, b, "")?)
    }

    /// A conversion to another element type, lane by lane.
    pub fn convert(&self, op: InstructionOpcode, v: Val<'c>, elem: BasicTypeEnum<'c>) -> Res<Val<'c>> {
        let to = widen(elem, lanes(v));
        // LLVM has no conversion from a type to itself, but for bit casts.
        if to == v.get_type() { Ok(v) } else { Ok(self.b.build_cast(op, v, to, "")?) }
    }

    /// The same bits as another element type of the same width, lane by lane.
    pub fn bits(&self, v: Val<'c>, elem: BasicTypeEnum<'c>) -> Res<Val<'c>> {
        Ok(self.b.build_bit_cast(v, widen(elem, lanes(v)), "")?)
    }

    /// Compares integers.
    pub fn icmp(&self, p: IntPredicate, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        Ok(match (a, b) {
            (BasicValueEnum::IntValue(a), BasicValueEnum::IntValue(b)) => self.b.build_int_compare(p, a, b, "")?.into(),
            (BasicValueEnum::VectorValue(a), BasicValueEnum::VectorValue(b)) => {
                self.b.build_int_compare(p, a, b, "")?.into()
            }
            _ => return program("operands of an integer comparison differ in kind"),
        })
    }

    /// Compares floats.
    pub fn fcmp(&self, p: FloatPredicate, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        Ok(match (a, b) {
            (BasicValueEnum::FloatValue(a), BasicValueEnum::FloatValue(b)) => {
                self.b.build_float_compare(p, a, b, "")?.into()
            }
            (BasicValueEnum::VectorValue(a), BasicValueEnum::VectorValue(b)) => {
                self.b.build_float_compare(p, a, b, "")?.into()
            }
            _ => return program("operands of a float comparison differ in kind"),
        })
    }

    /// `cond ? a : b`, lane by lane if `cond` is a vector.
    pub fn select(&self, cond: Val<'c>, a: Val<'c>, b: Val<'c>) -> Res<Val<'c>> {
        Ok(match cond {
            BasicValueEnum::IntValue(c) => self.b.build_select(c, a, b, "")?,
            BasicValueEnum::VectorValue(c) => self.b.build_select(c, a, b, "")?,
            _ => return program("a condition isn't a bool"),
        })
    }

    /// A value that must be an integer scalar: an offset, an index, a condition.
    pub fn int(&self, v: Val<'c>) -> Res<IntValue<'c>> {
        match v {
            BasicValueEnum::IntValue(i) => Ok(i),
            _ => program("an integer scalar was expected"),
        }
    }

    /// Calls an LLVM intrinsic; `overloads` are the types in its name.
    pub fn intrinsic(&self, name: &str, overloads: &[BasicTypeEnum<'c>], args: &[Val<'c>]) -> Res<Option<Val<'c>>> {
        let call = self.intrinsic_call(name, overloads, args)?;
        Ok(call.try_as_basic_value().basic())
    }

    /// Calls an LLVM intrinsic that returns a value.
    pub fn intrinsic_value(&self, name: &str, overloads: &[BasicTypeEnum<'c>], args: &[Val<'c>]) -> Res<Val<'c>> {
        match self.intrinsic(name, overloads, args)? {
            Some(v) => Ok(v),
            None => program(format!("{name} returns nothing")),
        }
    }

    /// Calls an LLVM intrinsic and returns the call itself.
    pub fn intrinsic_call(
        &self,
        name: &str,
        overloads: &[BasicTypeEnum<'c>],
        args: &[Val<'c>],
    ) -> Res<inkwell::values::CallSiteValue<'c>> {
        let found = Intrinsic::find(name).and_then(|i| i.get_declaration(&self.module, overloads));
        let Some(f) = found else { return program(format!("this LLVM has no {name}")) };
        let args: Vec<BasicMetadataValueEnum> = args.iter().map(|&a| a.into()).collect();
        Ok(self.b.build_call(f, &args, "")?)
    }

    /// The lanes named by `pick`, out of those of `a` followed by those of `b`; one lane gives a scalar.
    pub fn shuffle(&self, a: Val<'c>, b: Val<'c>, pick: &[u16]) -> Res<Val<'c>> {
        let (a, b) = (self.as_vector(a)?, self.as_vector(b)?);
        if let [one] = *pick {
            let n = lanes(a);
            return if one < n { self.extract(a, one) } else { self.extract(b, one - n) };
        }
        let i32_type = self.cx.i32_type();
        let pick: Vec<_> = pick.iter().map(|&p| i32_type.const_int(p.into(), false)).collect();
        let pick = VectorType::const_vector(&pick);
        Ok(self.b.build_shuffle_vector(a.into_vector_value(), b.into_vector_value(), pick, "")?.into())
    }

    /// One lane as a scalar.
    pub fn extract(&self, v: Val<'c>, lane: u16) -> Res<Val<'c>> {
        match v {
            BasicValueEnum::VectorValue(x) => {
                Ok(self.b.build_extract_element(x, self.cx.i64_type().const_int(lane.into(), false), "")?)
            }
            scalar => Ok(scalar),
        }
    }

    /// A scalar in every lane, in the form that instruction selection folds into broadcasting operands.
    pub fn splat(&self, v: Val<'c>, n: u16) -> Res<Val<'c>> {
        if n == 1 {
            return Ok(v);
        }
        if v.is_const() {
            return Ok(all_lanes(v, n.into()));
        }
        let BasicTypeEnum::VectorType(t) = widen(v.get_type(), n) else { return program("a splat of a splat") };
        let zero = self.cx.i64_type().const_zero();
        let one = self.b.build_insert_element(t.get_poison(), v, zero, "")?;
        let pick = self.cx.i32_type().vec_type(n.into()).const_zero();
        Ok(self.b.build_shuffle_vector(one, t.get_poison(), pick, "")?.into())
    }

    /// A scalar as a vector of one lane; vectors as they are.
    pub fn as_vector(&self, v: Val<'c>) -> Res<Val<'c>> {
        if matches!(v, BasicValueEnum::VectorValue(_)) {
            return Ok(v);
        }
        let t = vector_of(v.get_type(), 1);
        Ok(self.b.build_insert_element(t.get_poison(), v, self.cx.i64_type().const_zero(), "")?.into())
    }

    /// The pointer type.
    pub fn ptr(&self) -> inkwell::types::PointerType<'c> {
        self.cx.ptr_type(inkwell::AddressSpace::default())
    }
}

/// A constant in every lane of a vector.
fn all_lanes<'c>(c: Val<'c>, n: u32) -> Val<'c> {
    VectorType::const_vector(&vec![c; n as usize]).into()
}

/// How many lanes a value has.
pub(crate) fn lanes(v: Val<'_>) -> u16 {
    match v {
        BasicValueEnum::VectorValue(x) => x.get_type().get_size() as u16,
        _ => 1,
    }
}

/// The element type of an integer scalar or vector.
pub(crate) fn int_elem<'c>(v: Val<'c>) -> IntType<'c> {
    match v {
        BasicValueEnum::VectorValue(x) => x.get_type().get_element_type().into_int_type(),
        x => x.get_type().into_int_type(),
    }
}

/// A vector type of any number of lanes, also one.
pub(crate) fn vector_of<'c>(elem: BasicTypeEnum<'c>, n: u16) -> VectorType<'c> {
    match elem {
        BasicTypeEnum::FloatType(t) => t.vec_type(n.into()),
        BasicTypeEnum::PointerType(t) => t.vec_type(n.into()),
        t => t.into_int_type().vec_type(n.into()),
    }
}

/// The type of `n` lanes: the element type itself for one.
pub(crate) fn widen<'c>(elem: BasicTypeEnum<'c>, n: u16) -> BasicTypeEnum<'c> {
    if n == 1 { elem } else { vector_of(elem, n).as_basic_type_enum() }
}
