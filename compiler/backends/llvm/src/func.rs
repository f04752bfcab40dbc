//! One loops function: its variables and buffers at the entry, its statements as basic blocks.
//!
//! Variables and register tiles are allocas of the entry block; every index is a constant by now, so that LLVM's `sroa`
//! turns them into values. Values are values. Does NOT check the program: `verify` of loops IR and of LLVM do.

use crate::emit::Val;
use crate::error::{Res, program};
use crate::memory::Elements;
use crate::module::ModuleGen;
use inkwell::basic_block::BasicBlock;
use inkwell::types::{BasicType, BasicTypeEnum};
use inkwell::values::{FunctionValue, IntValue, PointerValue};
use onnxc_base::SecondaryMap;
use onnxc_ir::loops::*;

/// Vector tiles up to this many elements are zeroed element by element; greater ones (not unrolled) by a loop.
const ZERO_BY_STORES: u32 = 256;

/// A function under construction.
pub(crate) struct FuncGen<'a, 'c> {
    pub m: &'a ModuleGen<'a, 'c>,
    pub func: &'a Func,
    pub f: FunctionValue<'c>,
    pub values: SecondaryMap<Value, Option<Val<'c>>>,
    vars: SecondaryMap<Var, Option<PointerValue<'c>>>,
    /// The address of each buffer, or of the pointer that holds it.
    pub bufs: SecondaryMap<Buf, Option<PointerValue<'c>>>,
    /// Where `Break` goes, innermost last; `None` in loops that it can't leave.
    pub breaks: Vec<Option<BasicBlock<'c>>>,
}

/// Defines a declared function.
pub(crate) fn define<'c>(m: &ModuleGen<'_, 'c>, func: &Func, f: FunctionValue<'c>) -> Res<()> {
    let (values, vars, bufs) = Default::default();
    let mut g = FuncGen { m, func, f, values, vars, bufs, breaks: vec![] };
    m.e.b.position_at_end(m.e.cx.append_basic_block(f, "entry"));
    g.enter()?;
    if g.block(&func.body)? {
        g.leave()?;
    }
    Ok(())
}

impl<'c> FuncGen<'_, 'c> {
    /// Makes room for variables and stack buffers, and zeroes the variables.
    fn enter(&mut self) -> Res<()> {
        let e = &self.m.e;
        for (buf, def) in self.func.bufs.iter() {
            let address = match def.kind {
                BufKind::Param(i) => match self.f.get_nth_param(i) {
                    Some(p) => p.into_pointer_value(),
                    None => return program(format!("there is no parameter {i}")),
                },
                BufKind::Const(id) => self.m.constant(id)?,
                BufKind::Stack(n) => self.stack_buffer(def, n)?,
                BufKind::Pointer => {
                    let slot = e.b.build_alloca(e.ptr(), &def.name)?;
                    e.b.build_store(slot, e.ptr().const_null())?;
                    slot
                }
                BufKind::Local => continue,
            };
            self.bufs[buf] = Some(address);
        }
        for (var, def) in self.func.vars.iter() {
            let n: u32 = def.dims.iter().product();
            let ty = e.ty(def.ty)?;
            let slot = e.b.build_alloca(array_of(ty, n), &def.name)?;
            self.vars[var] = Some(slot);
            self.zero(slot, ty, n)?;
        }
        Ok(())
    }

    fn stack_buffer(&self, def: &BufDef, n: u32) -> Res<PointerValue<'c>> {
        let e = &self.m.e;
        let slot = e.b.build_alloca(array_of(e.memory_elem(def.dtype)?, n), &def.name)?;
        let alloca = inkwell::values::BasicValue::as_instruction_value(&slot);
        alloca.and_then(|i| i.set_alignment(64).ok()).map_or_else(|| program("a stack buffer isn't one"), |()| Ok(slot))
    }

    fn zero(&self, slot: PointerValue<'c>, ty: BasicTypeEnum<'c>, n: u32) -> Res<()> {
        let e = &self.m.e;
        if n > ZERO_BY_STORES {
            let array = array_of(ty, n).into_array_type();
            e.b.build_store(slot, array.const_zero())?;
            return Ok(());
        }
        for i in 0..n {
            let at = self.element(slot, ty, e.cx.i64_type().const_int(i.into(), false))?;
            e.b.build_store(at, ty.const_zero())?;
        }
        Ok(())
    }

    fn element(&self, slot: PointerValue<'c>, ty: BasicTypeEnum<'c>, i: IntValue<'c>) -> Res<PointerValue<'c>> {
        // SAFETY: one index into the element type of an array; nothing is accessed here.
        Ok(unsafe { self.m.e.b.build_in_bounds_gep(ty, slot, &[i], "")? })
    }

    /// Ends a function whose last statement isn't a return.
    fn leave(&self) -> Res<()> {
        let b = &self.m.e.b;
        match self.f.get_type().get_return_type() {
            Some(t) => b.build_return(Some(&t.const_zero()))?,
            None => b.build_return(None)?,
        };
        Ok(())
    }

    /// A value computed before.
    pub fn value(&self, v: Value) -> Res<Val<'c>> {
        self.values[v].map_or_else(|| program(format!("{v:?} is used before its definition")), Ok)
    }

    /// A value that is an integer scalar.
    pub fn int(&self, v: Value) -> Res<IntValue<'c>> {
        self.m.e.int(self.value(v)?)
    }

    /// Values that may be absent.
    pub fn optional(&self, v: Option<Value>) -> Res<Option<Val<'c>>> {
        v.map(|v| self.value(v)).transpose()
    }

    /// The address of a buffer's first element.
    pub fn base(&self, buf: Buf) -> Res<PointerValue<'c>> {
        let Some(p) = self.bufs[buf] else { return program(format!("{buf:?} is used before it has memory")) };
        if self.func.bufs[buf].kind != BufKind::Pointer {
            return Ok(p);
        }
        Ok(self.m.e.b.build_load(self.m.e.ptr(), p, "")?.into_pointer_value())
    }

    /// A buffer's elements.
    pub fn elements(&self, buf: Buf) -> Res<Elements<'c>> {
        let def = &self.func.bufs[buf];
        Ok(Elements { base: self.base(buf)?, dtype: def.dtype, constant: matches!(def.kind, BufKind::Const(_)) })
    }

    /// The address of a variable or of an element of a tile, and its type.
    pub fn place(&self, place: &Place) -> Res<(PointerValue<'c>, BasicTypeEnum<'c>)> {
        let e = &self.m.e;
        let def = &self.func.vars[place.var];
        let ty = e.ty(def.ty)?;
        let Some(slot) = self.vars[place.var] else { return program(format!("{:?} isn't declared", place.var)) };
        if place.index.len() != def.dims.len() {
            return program(format!("{:?} has {} dims, not {}", place.var, def.dims.len(), place.index.len()));
        }
        let mut flat = e.cx.i64_type().const_zero();
        for (&i, &n) in place.index.iter().zip(&def.dims) {
            let scaled = e.b.build_int_mul(flat, e.cx.i64_type().const_int(n.into(), false), "")?;
            flat = e.b.build_int_add(scaled, self.int(i)?, "")?;
        }
        Ok((if def.dims.is_empty() { slot } else { self.element(slot, ty, flat)? }, ty))
    }
}

fn array_of<'c>(t: BasicTypeEnum<'c>, n: u32) -> BasicTypeEnum<'c> {
    t.array_type(n).as_basic_type_enum()
}
