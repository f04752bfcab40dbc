//! Reading and writing elements: plain, masked, gathered, scattered.
//!
//! Every access is aligned to its element only; LLVM finds greater alignments from those of the base addresses.

use crate::emit::{Emit, Val, lanes, vector_of, widen};
use crate::error::{Res, program};
use crate::raw;
use inkwell::IntPredicate as P;
use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::basic_block::BasicBlock;
use inkwell::module::Linkage;
use inkwell::values::{BasicValue, BasicValueEnum, CallSiteValue, InstructionOpcode as I, IntValue, PointerValue};
use onnxc_base::DType;

/// Bytes of the largest element.
const MOST_BYTES: u32 = 16;

/// A place in memory: elements of `dtype` from `base` on.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'c> {
    pub base: PointerValue<'c>,
    pub dtype: DType,
    /// Nothing writes there while the program lives.
    pub constant: bool,
}

impl<'c> Emit<'c> {
    /// The address of an element. `inside` promises that it lies in the buffer.
    pub fn address(&self, at: Elements<'c>, offset: Val<'c>, inside: bool) -> Res<PointerValue<'c>> {
        let (elem, offset) = (self.memory_elem(at.dtype)?, self.int(offset)?);
        // SAFETY: one index into an element type is what such an address has; nothing is accessed here.
        Ok(unsafe {
            if inside {
                self.b.build_in_bounds_gep(elem, at.base, &[offset], "")?
            } else {
                self.b.build_gep(elem, at.base, &[offset], "")?
            }
        })
    }

    /// A hint that an element, inside of the buffer or not, will be read soon.
    pub fn prefetch(&self, at: Elements<'c>, offset: Val<'c>) -> Res<()> {
        let address = self.address(at, offset, false)?;
        // To be read, into the nearest cache, as data.
        let how = [0, 3, 1].map(|n| self.cx.i32_type().const_int(n, false).into());
        self.intrinsic("llvm.prefetch", &[address.get_type().into()], &[&[address.into()], &how[..]].concat())?;
        Ok(())
    }

    /// An address some bytes on.
    pub fn address_bytes(&self, base: PointerValue<'c>, bytes: IntValue<'c>) -> Res<PointerValue<'c>> {
        // SAFETY: as above.
        Ok(unsafe { self.b.build_in_bounds_gep(self.cx.i8_type(), base, &[bytes], "")? })
    }

    /// A value as it lies in memory and is passed: bools take a byte.
    pub fn as_stored(&self, v: Val<'c>, d: DType) -> Res<Val<'c>> {
        if d == DType::Bool { self.convert(I::ZExt, v, self.cx.i8_type().into()) } else { Ok(v) }
    }

    /// A stored or passed value as it is computed with.
    pub fn as_value(&self, v: Val<'c>, d: DType) -> Res<Val<'c>> {
        if d == DType::Bool { self.icmp(P::NE, v, self.int_like(v, 0)) } else { Ok(v) }
    }

    /// Reads `n` elements from an offset on; lanes outside of the mask are 0.
    pub fn load(&self, at: Elements<'c>, offset: Val<'c>, n: u16, mask: Option<Val<'c>>) -> Res<Val<'c>> {
        let elem = self.memory_elem(at.dtype)?;
        let address = self.address(at, offset, mask.is_none())?;
        let v = match mask {
            None => self.b.build_load(widen(elem, n), address, "")?,
            Some(mask) if n == 1 && !self.abilities.masks => {
                let address = self.select(mask, address.into(), self.zero_element().into())?;
                self.b.build_load(elem, address.into_pointer_value(), "")?
            }
            Some(mask) => {
                let (t, mask) = (vector_of(elem, n), self.as_vector(mask)?);
                let args = [address.into(), mask, t.const_zero().into()];
                let call = self.intrinsic_call("llvm.masked.load", &[t.into(), self.ptr().into()], &args)?;
                self.result(call, 0, at.dtype, n)?
            }
        };
        self.mark(v, at)?;
        self.as_value(v, at.dtype)
    }

    /// Reads one element per offset; lanes outside of the mask are 0.
    pub fn gather(&self, at: Elements<'c>, offsets: Val<'c>, mask: Option<Val<'c>>) -> Res<Val<'c>> {
        let n = lanes(offsets);
        if n == 1 {
            return self.load(at, self.wide_offset(offsets)?, 1, mask);
        }
        let t = vector_of(self.memory_elem(at.dtype)?, n);
        let mut addresses = self.addresses(at, offsets)?;
        if let Some(mask) = mask {
            // A processor without gathers would branch for each lane of the mask; what is left out reads a zero instead.
            let zero = self.splat(self.zero_element().into(), n)?;
            addresses = self.select(self.as_vector(mask)?, addresses, zero)?;
        }
        let args = [addresses, self.mask_or_all(None, n)?, t.const_zero().into()];
        let pointers = self.ptr().vec_type(n.into()).into();
        let call = self.intrinsic_call("llvm.masked.gather", &[t.into(), pointers], &args)?;
        let v = self.result(call, 0, at.dtype, n)?;
        self.mark(v, at)?;
        self.as_value(v, at.dtype)
    }

    /// The address of an element that is zero whatever its type.
    fn zero_element(&self) -> PointerValue<'c> {
        const NAME: &str = "onnxc.zero";
        let ty = self.cx.i8_type().array_type(MOST_BYTES);
        let global = self.module.get_global(NAME).unwrap_or_else(|| {
            let g = self.module.add_global(ty, None, NAME);
            g.set_linkage(Linkage::Private);
            g.set_constant(true);
            g.set_alignment(MOST_BYTES);
            g.set_initializer(&ty.const_zero());
            g
        });
        global.as_pointer_value()
    }

    /// Writes a scalar or vector from an offset on; only the lanes of the mask.
    pub fn store(&self, at: Elements<'c>, offset: Val<'c>, v: Val<'c>, mask: Option<Val<'c>>) -> Res<()> {
        let v = self.as_stored(v, at.dtype)?;
        let address = self.address(at, offset, mask.is_none())?;
        match mask {
            None => {
                let store = self.b.build_store(address, v)?;
                store.set_alignment(at.dtype.size() as u32).expect("a store has an alignment, a power of two");
            }
            Some(mask) if lanes(v) == 1 && !self.abilities.masks => {
                let here = self.b.get_insert_block().and_then(BasicBlock::get_parent);
                let Some(f) = here else { return program("a store outside of a function") };
                let (then, end) = (self.cx.append_basic_block(f, "store"), self.cx.append_basic_block(f, "stored"));
                self.b.build_conditional_branch(self.int(mask)?, then, end)?;
                self.b.position_at_end(then);
                self.b.build_store(address, v)?;
                self.b.build_unconditional_branch(end)?;
                self.b.position_at_end(end);
            }
            Some(mask) => {
                let (v, mask) = (self.as_vector(v)?, self.as_vector(mask)?);
                let overloads = [v.get_type(), self.ptr().into()];
                let call = self.intrinsic_call("llvm.masked.store", &overloads, &[v, address.into(), mask])?;
                self.align(call, 1, at.dtype);
            }
        }
        Ok(())
    }

    /// Writes one lane per offset, in lane order; only the lanes of the mask.
    pub fn scatter(&self, at: Elements<'c>, offsets: Val<'c>, v: Val<'c>, mask: Option<Val<'c>>) -> Res<()> {
        let n = lanes(offsets);
        if n == 1 {
            return self.store(at, self.wide_offset(offsets)?, v, mask);
        }
        let v = self.as_stored(v, at.dtype)?;
        let overloads = [v.get_type(), self.ptr().vec_type(n.into()).into()];
        let args = [v, self.addresses(at, offsets)?, self.mask_or_all(mask, n)?];
        let call = self.intrinsic_call("llvm.masked.scatter", &overloads, &args)?;
        self.align(call, 1, at.dtype);
        Ok(())
    }

    fn wide_offset(&self, offset: Val<'c>) -> Res<Val<'c>> {
        self.convert(I::SExt, offset, self.cx.i64_type().into())
    }

    fn addresses(&self, at: Elements<'c>, offsets: Val<'c>) -> Res<Val<'c>> {
        let BasicValueEnum::VectorValue(offsets) = offsets else { return program("a gather needs a vector") };
        Ok(raw::vector_address(&self.b, self.memory_elem(at.dtype)?, at.base, offsets).into())
    }

    fn mask_or_all(&self, mask: Option<Val<'c>>, n: u16) -> Res<Val<'c>> {
        match mask {
            Some(m) => Ok(m),
            None => self.splat(self.cx.bool_type().const_all_ones().into(), n),
        }
    }

    /// The result of a masked read, whose address has number `param`; a scalar for one lane.
    fn result(&self, call: CallSiteValue<'c>, param: u32, d: DType, n: u16) -> Res<Val<'c>> {
        self.align(call, param, d);
        let Some(v) = call.try_as_basic_value().basic() else { return program("a masked read returns nothing") };
        if n == 1 { self.extract(v, 0) } else { Ok(v) }
    }

    fn align(&self, call: CallSiteValue<'c>, param: u32, d: DType) {
        let kind = Attribute::get_named_enum_kind_id("align");
        call.add_attribute(AttributeLoc::Param(param), self.cx.create_enum_attribute(kind, d.size() as u64));
    }

    /// Says of a read what is known of its address.
    fn mark(&self, v: Val<'c>, at: Elements<'c>) -> Res<()> {
        use inkwell::values::InstructionOpcode::Load;
        let Some(i) = v.as_instruction_value() else { return Ok(()) };
        if i.get_opcode() == Load {
            i.set_alignment(at.dtype.size() as u32).expect("a load has an alignment, a power of two");
        }
        if at.constant && matches!(i.get_opcode(), Load) {
            let kind = self.cx.get_kind_id("invariant.load");
            i.set_metadata(self.cx.metadata_node(&[]), kind).expect("a node is metadata");
        }
        Ok(())
    }
}
