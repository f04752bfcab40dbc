//! One LLVM module per unit: declarations with everything that LLVM may assume, and the address functions.
//!
//! Assumptions about parameters follow the contract of loops IR: buffers don't overlap, a buffer that isn't mutable isn't
//! written. Nothing is assumed of alignment beyond the element's, as callers may pass any address.

use crate::emit::{Emit, Val};
use crate::error::{Error, Res};
use crate::func;
use crate::machine::Machine;
use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::module::Linkage as LlvmLinkage;
use inkwell::types::{BasicMetadataTypeEnum, BasicType, FunctionType};
use inkwell::values::{FunctionValue, GlobalValue, InstructionOpcode as I};
use inkwell::{AddressSpace, DLLStorageClass, GlobalVisibility, IntPredicate as P};
use onnxc_base::{DType, Diagnostics, PrimaryMap};
use onnxc_codegen::backend::ALLOCATOR_PARAM;
use onnxc_codegen::constants::CONSTANT_ALIGN;
use onnxc_codegen::{AddressFunction, ConstLayout, Target, Unit};
use onnxc_ir::loops::{ConstId, ExternId, Func, FuncId, Linkage, ParamKind, Ty};
use std::collections::BTreeMap;

/// A module under construction.
pub(crate) struct ModuleGen<'a, 'c> {
    pub e: Emit<'c>,
    pub target: &'a Target,
    machine: &'a Machine,
    layout: &'a ConstLayout,
    /// Contents of data symbols that nobody else defines.
    contents: BTreeMap<&'a str, Vec<u8>>,
    pub funcs: PrimaryMap<FuncId, FunctionValue<'c>>,
    pub externs: PrimaryMap<ExternId, FunctionValue<'c>>,
}

impl<'a, 'c> ModuleGen<'a, 'c> {
    /// Builds the whole module; every problem of every function is reported.
    pub fn build(
        e: Emit<'c>,
        unit: &Unit<'a>,
        target: &'a Target,
        machine: &'a Machine,
    ) -> Result<Emit<'c>, Diagnostics> {
        let (funcs, externs) = (PrimaryMap::new(), PrimaryMap::new());
        let contents = contents(unit);
        let mut m = ModuleGen { e, target, machine, layout: unit.constants, contents, funcs, externs };
        let mut problems = Diagnostics::new();
        if let Err(e) = m.declare(unit) {
            return Err(e.report("(signatures)").into());
        }
        for (id, f) in unit.program.funcs.iter() {
            if let Err(e) = compilable(f, &m.e).and_then(|()| func::define(&m, f, m.funcs[id])) {
                problems.push(e.report(&f.name));
            }
        }
        for a in unit.address_functions {
            if let Err(e) = m.define_address_function(a) {
                problems.push(e.report(&a.symbol));
            }
        }
        problems.into_result(m.e)
    }

    fn declare(&mut self, unit: &Unit<'a>) -> Res<()> {
        for x in unit.program.externs.values() {
            let ty = self.signature(x.params.iter(), x.ret)?;
            let f = self.e.module.get_function(&x.symbol).unwrap_or_else(|| {
                let f = self.e.module.add_function(&x.symbol, ty, None);
                self.flag(f, AttributeLoc::Function, "nounwind");
                f
            });
            self.extend_small(f, x.params.iter(), x.ret);
            self.externs.push(f);
        }
        for f in unit.program.funcs.values() {
            let f = self.declare_func(f)?;
            self.funcs.push(f);
        }
        Ok(())
    }

    fn signature<'k>(&self, params: impl Iterator<Item = &'k ParamKind>, ret: Option<Ty>) -> Res<FunctionType<'c>> {
        let mut types: Vec<BasicMetadataTypeEnum> = vec![];
        for p in params {
            types.push(match p {
                ParamKind::Scalar(d) => self.e.memory_elem(*d)?.into(),
                ParamKind::Buf { .. } | ParamKind::Table => self.e.ptr().into(),
            });
        }
        Ok(match ret {
            None => self.e.cx.void_type().fn_type(&types, false),
            Some(t) => crate::emit::widen(self.e.memory_elem(t.elem)?, t.lanes).fn_type(&types, false),
        })
    }

    fn declare_func(&self, func: &Func) -> Res<FunctionValue<'c>> {
        let ty = self.signature(func.params.iter().map(|p| &p.kind), func.ret)?;
        let exported = func.linkage == Linkage::Export;
        let f = self.e.module.add_function(&func.name, ty, (!exported).then_some(LlvmLinkage::Internal));
        self.common(f, &func.name, exported);
        self.extend_small(f, func.params.iter().map(|p| &p.kind), func.ret);
        for (i, p) in func.params.iter().enumerate() {
            let at = AttributeLoc::Param(i as u32);
            match p.kind {
                ParamKind::Scalar(_) => {}
                ParamKind::Table => self.flag(f, at, "readonly"),
                // What the caller's allocator does with its own state is not ours to know.
                ParamKind::Buf { .. } if p.name == ALLOCATOR_PARAM => {}
                ParamKind::Buf { dtype, mutable } => {
                    self.flag(f, at, "noalias");
                    self.value_flag(f, at, "align", dtype.size() as u64);
                    if !mutable {
                        self.flag(f, at, "readonly");
                    }
                }
            }
            f.get_nth_param(i as u32).expect("as many as declared").set_name(&p.name);
        }
        Ok(f)
    }

    /// Visibility, section and the processor that a function is compiled for.
    pub fn common(&self, f: FunctionValue<'c>, name: &str, exported: bool) {
        self.flag(f, AttributeLoc::Function, "nounwind");
        let text = |key: &str, value: &str| {
            f.add_attribute(AttributeLoc::Function, self.e.cx.create_string_attribute(key, value));
        };
        if !self.machine.cpu.is_empty() {
            text("target-cpu", &self.machine.cpu);
        }
        if !self.machine.features.is_empty() {
            text("target-features", &self.machine.features);
        }
        text("prefer-vector-width", &self.target.vector_bits.to_string());
        // The size of every frame is reported (see `reports`).
        text("warn-stack-size", "0");
        // A loop that copies must not become a call of a C library that may not exist.
        text("no-builtins", "");
        if self.target.is_elf() && !self.target.functions_apart {
            f.set_section(Some(&format!(".text.{name}")));
        }
        if exported && self.target.triple.operating_system == target_lexicon::OperatingSystem::Windows {
            f.as_global_value().set_dll_storage_class(DLLStorageClass::Export);
        }
    }

    /// The C ABI widens small integers in the caller and in the returning function.
    fn extend_small<'k>(&self, f: FunctionValue<'c>, params: impl Iterator<Item = &'k ParamKind>, ret: Option<Ty>) {
        let extend = |at, d: DType| {
            if d == DType::Bool || (d.is_int() && d.bits() < 32) {
                self.flag(f, at, if d.is_signed_int() { "signext" } else { "zeroext" });
            }
        };
        for (i, p) in params.enumerate() {
            if let ParamKind::Scalar(d) = p {
                extend(AttributeLoc::Param(i as u32), *d);
            }
        }
        if let Some(t) = ret {
            extend(AttributeLoc::Return, t.elem);
        }
    }

    fn flag(&self, f: FunctionValue<'c>, at: AttributeLoc, name: &str) {
        self.value_flag(f, at, name, 0);
    }

    fn value_flag(&self, f: FunctionValue<'c>, at: AttributeLoc, name: &str, value: u64) {
        f.add_attribute(at, self.e.cx.create_enum_attribute(Attribute::get_named_enum_kind_id(name), value));
    }

    /// A data symbol defined elsewhere, reached relative to the instruction pointer.
    fn data(&self, symbol: &str, bytes: u64) -> GlobalValue<'c> {
        self.e.module.get_global(symbol).unwrap_or_else(|| {
            let bytes = self.contents.get(symbol).map_or(bytes, |c| c.len() as u64);
            let ty = self.e.cx.i8_type().array_type(u32::try_from(bytes).unwrap_or(u32::MAX));
            let g = self.e.module.add_global(ty, Some(AddressSpace::default()), symbol);
            g.set_constant(true);
            if let Some(bytes) = self.contents.get(symbol) {
                g.set_initializer(&self.e.cx.const_string(bytes, false));
                g.set_linkage(LlvmLinkage::Internal);
                return g;
            }
            g.set_visibility(GlobalVisibility::Hidden);
            g
        })
    }

    /// The address of a constant.
    pub fn constant(&self, id: ConstId) -> Res<inkwell::values::PointerValue<'c>> {
        let blob = self.data(&self.layout.symbol, self.layout.size());
        blob.set_alignment(CONSTANT_ALIGN as u32);
        self.e.address_bytes(blob.as_pointer_value(), self.e.cx.i64_type().const_int(self.layout.offset(id), false))
    }

    fn define_address_function(&self, a: &AddressFunction) -> Res<()> {
        let e = &self.e;
        let index: &[BasicMetadataTypeEnum] = if a.table.is_some() { &[e.cx.i32_type().into()] } else { &[] };
        let f = e.module.add_function(&a.symbol, e.ptr().fn_type(index, false), None);
        self.common(f, &a.symbol, true);
        e.b.position_at_end(e.cx.append_basic_block(f, "entry"));
        let bytes = if a.data == self.layout.symbol { self.layout.size() } else { 0 };
        let mut address = self.data(&a.data, bytes).as_pointer_value();
        if let Some(t) = a.table {
            let index: Val = f.get_nth_param(0).expect("declared with one");
            let last = e.int_like(index, i64::from(t.count.max(1) - 1));
            let index = e.select(e.icmp(P::ULT, index, last)?, index, last)?;
            let wide = e.convert(I::ZExt, index, e.cx.i64_type().into())?;
            let bytes = e.op(I::Mul, wide, e.int_like(wide, t.stride.into()))?;
            address = e.address_bytes(address, e.int(bytes)?)?;
        }
        e.b.build_return(Some(&address))?;
        Ok(())
    }
}

/// An error for what LLVM would end the process at.
fn compilable(f: &Func, e: &Emit<'_>) -> Res<()> {
    let masks = f.values.values().any(|v| v.ty.lanes > 1 && v.ty.elem == DType::Bool);
    if masks && !e.abilities.masks {
        return Err(Error::Target("LLVM has no vectors of truth values for the processor".into()));
    }
    Ok(())
}

/// What the object has to contain besides the code, by symbol.
fn contents<'a>(unit: &Unit<'a>) -> BTreeMap<&'a str, Vec<u8>> {
    let Some(data) = unit.data else { return BTreeMap::new() };
    let mut all: BTreeMap<&str, Vec<u8>> = data.iter().map(|d| (d.symbol.as_str(), d.bytes.clone())).collect();
    let mut constants = Vec::with_capacity(unit.constants.size() as usize);
    if unit.constants.write(unit.program, &mut constants).is_ok() && !constants.is_empty() {
        all.insert(&unit.constants.symbol, constants);
    }
    all
}
