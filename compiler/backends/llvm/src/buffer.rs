//! Where buffers get their memory: views, table entries, pointer variables, and the caller's allocator.

use crate::error::{Res, program};
use crate::func::FuncGen;
use inkwell::IntPredicate as P;
use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::types::IntType;
use inkwell::values::{InstructionOpcode as I, PointerValue};
use onnxc_codegen::backend::ALLOCATOR_PARAM;
use onnxc_ir::loops::*;

/// Fields of `onnxc_allocator`, all pointers.
const ALLOC: u64 = 0;
const RELEASE: u64 = 1;
const CONTEXT: u64 = 2;

impl<'c> FuncGen<'_, 'c> {
    /// A statement about memory.
    pub fn buffer_stmt(&mut self, s: &Stmt) -> Res<()> {
        let e = &self.m.e;
        match s {
            Stmt::Alloc { buf, count, space: Space::Heap, .. } => self.bufs[*buf] = Some(self.allocate(*buf, *count)?),
            Stmt::Alloc { .. } => return program("workspace memory is still unplanned; plan-memory must run before"),
            Stmt::Free(buf) => self.free(*buf)?,
            Stmt::View { buf, base, byte_offset, .. } => {
                self.bufs[*buf] = Some(e.address_bytes(self.base(*base)?, self.int(*byte_offset)?)?);
            }
            Stmt::Entry { buf, table, index } => {
                let Some(table) = self.f.get_nth_param(*table) else {
                    return program(format!("there is no table {table}"));
                };
                self.bufs[*buf] = Some(self.pointer_at(table.into_pointer_value(), (*index).into())?);
            }
            Stmt::Assign { buf, from } => {
                let Some(slot) = self.bufs[*buf] else { return program(format!("{buf:?} isn't declared")) };
                e.b.build_store(slot, self.base(*from)?)?;
            }
            _ => return program("this statement isn't about memory"),
        }
        Ok(())
    }

    /// Element `i` of an array of addresses.
    fn pointer_at(&self, array: PointerValue<'c>, i: u64) -> Res<PointerValue<'c>> {
        let e = &self.m.e;
        // SAFETY: one index into an array of pointers; the caller's contract says that it is long enough.
        let at = unsafe { e.b.build_in_bounds_gep(e.ptr(), array, &[e.cx.i64_type().const_int(i, false)], "")? };
        Ok(e.b.build_load(e.ptr(), at, "")?.into_pointer_value())
    }

    fn allocator(&self) -> Res<PointerValue<'c>> {
        let at = self.func.params.iter().position(|p| p.name == ALLOCATOR_PARAM);
        match at.and_then(|i| self.f.get_nth_param(i as u32)) {
            Some(p) => Ok(p.into_pointer_value()),
            None => program(format!("it uses the heap without a parameter '{ALLOCATOR_PARAM}'")),
        }
    }

    /// `size_t`.
    fn size_type(&self) -> IntType<'c> {
        if self.m.target.pointer_bits == 32 { self.m.e.cx.i32_type() } else { self.m.e.cx.i64_type() }
    }

    fn allocate(&self, buf: Buf, count: Value) -> Res<PointerValue<'c>> {
        let e = &self.m.e;
        let allocator = self.allocator()?;
        let (alloc, context) = (self.pointer_at(allocator, ALLOC)?, self.pointer_at(allocator, CONTEXT)?);
        let count = self.value(count)?;
        let bytes = e.op(I::Mul, count, e.int_like(count, self.func.bufs[buf].dtype.size() as i64))?;
        // Null means that there is no memory, which an empty tensor must not be taken for.
        let one = e.int_like(bytes, 1);
        let bytes = e.select(e.icmp(P::EQ, bytes, e.int_like(bytes, 0))?, one, bytes)?;
        let bytes = if self.size_type() == e.cx.i64_type() { bytes } else { self.size32(bytes)? };
        let ty = e.ptr().fn_type(&[e.ptr().into(), self.size_type().into()], false);
        let call = e.b.build_indirect_call(ty, alloc, &[context.into(), bytes.into()], &self.func.bufs[buf].name)?;
        for (name, value) in [("noalias", 0), ("align", 64)] {
            let kind = Attribute::get_named_enum_kind_id(name);
            call.add_attribute(AttributeLoc::Return, e.cx.create_enum_attribute(kind, value));
        }
        match call.try_as_basic_value().basic() {
            Some(p) => Ok(p.into_pointer_value()),
            None => program("the allocator returns nothing"),
        }
    }

    /// A 64-bit size as the 32-bit `size_t` of a small machine: too much becomes the most, which no allocator has.
    fn size32(&self, bytes: crate::emit::Val<'c>) -> Res<crate::emit::Val<'c>> {
        let e = &self.m.e;
        let most = e.int_like(bytes, u32::MAX.into());
        let fits = e.icmp(P::ULT, bytes, most)?;
        e.convert(I::Trunc, e.select(fits, bytes, most)?, e.cx.i32_type().into())
    }

    fn free(&mut self, buf: Buf) -> Res<()> {
        let e = &self.m.e;
        let p = self.base(buf)?;
        let (some, end) = (e.cx.append_basic_block(self.f, "free"), e.cx.append_basic_block(self.f, "end"));
        e.b.build_conditional_branch(e.b.build_is_null(p, "")?, end, some)?;
        e.b.position_at_end(some);
        let allocator = self.allocator()?;
        let (release, context) = (self.pointer_at(allocator, RELEASE)?, self.pointer_at(allocator, CONTEXT)?);
        let ty = e.cx.void_type().fn_type(&[e.ptr().into(), e.ptr().into()], false);
        e.b.build_indirect_call(ty, release, &[context.into(), p.into()], "")?;
        e.b.build_unconditional_branch(end)?;
        e.b.position_at_end(end);
        Ok(())
    }
}
