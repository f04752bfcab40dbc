//! Forks: the arguments in a record on the stack, and a function for the runtime to call, which takes them out again.
//!
//! The record has eight bytes for each argument. Does NOT gather threads: that is a call as any other.

use crate::error::{Res, program};
use crate::func::FuncGen;
use crate::module::ModuleGen;
use inkwell::module::Linkage;
use inkwell::types::BasicTypeEnum;
use inkwell::values::{BasicMetadataValueEnum, BasicValueEnum, FunctionValue, PointerValue};
use onnxc_codegen::backend::FORK;
use onnxc_ir::loops::{Arg, FuncId, Value};

/// Bytes of an argument in the record.
const SLOT: u64 = 8;

impl<'c> FuncGen<'_, 'c> {
    /// Hands a function's ranges out.
    pub fn fork(&mut self, callee: FuncId, args: &[Arg], count: Value, team: Value) -> Res<()> {
        let e = &self.m.e;
        let record = self.record(args.len() as u64)?;
        for (i, arg) in args.iter().enumerate() {
            let Ok(v) = BasicValueEnum::try_from(self.argument(arg)?) else {
                return program("an argument of a fork is no value");
            };
            e.b.build_store(self.m.slot(record, i)?, v)?;
        }
        let here = self.here()?;
        let task = self.m.task(self.m.funcs[callee])?;
        e.b.position_at_end(here);
        let all: [BasicMetadataValueEnum<'c>; 4] = [
            task.as_global_value().as_pointer_value().into(),
            record.into(),
            self.value(count)?.into(),
            self.value(team)?.into(),
        ];
        e.b.build_call(self.m.fork(), &all, "")?;
        Ok(())
    }

    /// Room for arguments: once per function, wherever the fork is.
    fn record(&self, slots: u64) -> Res<PointerValue<'c>> {
        let e = &self.m.e;
        let here = self.here()?;
        let Some(entry) = self.f.get_first_basic_block() else { return program("a function has no entry") };
        match entry.get_first_instruction() {
            Some(first) => e.b.position_before(&first),
            None => e.b.position_at_end(entry),
        }
        let room = e.cx.i64_type().array_type(u32::try_from(slots.max(1)).unwrap_or(u32::MAX));
        let record = e.b.build_alloca(room, "record")?;
        e.b.position_at_end(here);
        Ok(record)
    }
}

impl<'c> ModuleGen<'_, 'c> {
    /// The address of an argument in a record.
    fn slot(&self, record: PointerValue<'c>, i: usize) -> Res<PointerValue<'c>> {
        self.e.address_bytes(record, self.e.cx.i64_type().const_int(SLOT * i as u64, false))
    }

    /// `void fork(task, record, count, team)` of the runtime.
    fn fork(&self) -> FunctionValue<'c> {
        self.e.module.get_function(FORK).unwrap_or_else(|| {
            let (ptr, int) = (self.e.ptr().into(), self.e.cx.i64_type().into());
            self.e.module.add_function(FORK, self.e.cx.void_type().fn_type(&[ptr, ptr, int, int], false), None)
        })
    }

    /// `void task(record, from, to, thread)` that calls a function with what is in the record.
    fn task(&self, f: FunctionValue<'c>) -> Res<FunctionValue<'c>> {
        let e = &self.e;
        let name = format!("{}_task", f.get_name().to_string_lossy());
        if let Some(task) = e.module.get_function(&name) {
            return Ok(task);
        }
        let int = e.cx.i64_type().into();
        let ty = e.cx.void_type().fn_type(&[e.ptr().into(), int, int, int], false);
        let task = e.module.add_function(&name, ty, Some(Linkage::Internal));
        self.common(task, &name, false);
        e.b.position_at_end(e.cx.append_basic_block(task, "entry"));
        let own: Vec<BasicValueEnum<'c>> = task.get_param_iter().collect();
        let [record, range @ ..] = own.as_slice() else { return program("a task has no parameters") };
        let mut all: Vec<BasicMetadataValueEnum<'c>> = range.iter().map(|&v| v.into()).collect();
        for (i, ty) in f.get_type().get_param_types().into_iter().skip(range.len()).enumerate() {
            let Ok(ty) = BasicTypeEnum::try_from(ty) else { return program("a parameter is no value") };
            let at = self.slot(record.into_pointer_value(), i)?;
            all.push(e.b.build_load(ty, at, "")?.into());
        }
        e.b.build_call(f, &all, "")?;
        e.b.build_return(None)?;
        Ok(task)
    }
}
