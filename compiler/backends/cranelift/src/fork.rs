//! Forks: the arguments in a record on the stack, and a function for the runtime to call, which takes them out again.
//!
//! The record has eight bytes for each argument. Does NOT gather threads: that is a call as any other.

use crate::func::{Callee, Surroundings, Translator, signature};
use crate::memory::plain;
use crate::module::{broken, callees, finish};
use cranelift_codegen::Context;
use cranelift_codegen::ir::{
    AbiParam, Function, InstBuilder, Signature, StackSlotData, StackSlotKind, UserFuncName, Value, types,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module};
use cranelift_object::ObjectModule;
use onnxc_base::Diagnostic;
use onnxc_codegen::Emit;
use onnxc_codegen::backend::FORK;
use onnxc_ir::loops as l;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of an argument in the record.
const SLOT: i32 = 8;

/// `void task(record, from, to, thread)`.
fn task_signature(cx: &Surroundings<'_>) -> Signature {
    let mut sig = Signature::new(cx.call_conv);
    sig.params.push(AbiParam::new(cx.pointer));
    sig.params.extend([AbiParam::new(types::I64); 3]);
    sig
}

/// Declares a task for each function that is forked, and the runtime's function if there is one.
pub(crate) fn declare(
    module: &mut ObjectModule,
    cx: &Surroundings<'_>,
) -> Result<(BTreeMap<l::FuncId, FuncId>, Option<FuncId>), Diagnostic> {
    let called: BTreeSet<Callee> = cx.program.funcs.values().flat_map(|f| callees(&f.body)).collect();
    let mut tasks = BTreeMap::new();
    for c in &called {
        if let Callee::Task(f) = c {
            let name = format!("{}_task", cx.program.funcs[*f].name);
            let task = module.declare_function(&name, Linkage::Local, &task_signature(cx));
            tasks.insert(*f, task.map_err(|e| broken(&name, e))?);
        }
    }
    if !called.contains(&Callee::Fork) {
        return Ok((tasks, None));
    }
    let mut sig = Signature::new(cx.call_conv);
    sig.params.extend([cx.pointer, cx.pointer, types::I64, types::I64].map(AbiParam::new));
    let fork = module.declare_function(FORK, Linkage::Import, &sig).map_err(|e| broken(FORK, e))?;
    Ok((tasks, Some(fork)))
}

/// Defines the task of a function: calls it with its range and with what is in the record.
#[allow(clippy::too_many_arguments, reason = "one call; the scratch space is what makes it fast")]
pub(crate) fn define_task(
    module: &mut ObjectModule,
    cx: &Surroundings<'_>,
    callee: FuncId,
    of: l::FuncId,
    id: FuncId,
    emit: Emit,
    scratch: &mut (Context, FunctionBuilderContext),
    text: &mut String,
) -> Result<(), Diagnostic> {
    let func = &cx.program.funcs[of];
    let (ctx, builder) = scratch;
    module.clear_context(ctx);
    ctx.func = Function::with_name_signature(UserFuncName::user(0, id.as_u32()), task_signature(cx));
    let f = module.declare_func_in_func(callee, &mut ctx.func);
    let types: Vec<_> =
        signature(cx, func.params.iter().map(|p| &p.kind), None).params.iter().map(|p| p.value_type).collect();
    let mut b = FunctionBuilder::new(&mut ctx.func, builder);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let own = b.block_params(entry).to_vec();
    let mut all: Vec<Value> = own[1..].to_vec();
    for (i, ty) in types.into_iter().skip(all.len()).enumerate() {
        all.push(b.ins().load(ty, plain(), own[0], SLOT * i as i32));
    }
    b.ins().call(f, &all);
    b.ins().return_(&[]);
    b.finalize(module.target_config());
    finish(module, id, &format!("{}_task", func.name), "", emit, ctx, text)
}

impl Translator<'_, '_> {
    /// Hands a function's ranges out.
    pub fn fork(&mut self, callee: l::FuncId, args: &[l::Arg], count: l::Value, team: l::Value) {
        let (Some(&task), Some(&fork)) = (self.callees.get(&Callee::Task(callee)), self.callees.get(&Callee::Fork))
        else {
            return self.fail("a fork of a function that isn't there");
        };
        let bytes = (args.len().max(1) as u32).saturating_mul(SLOT as u32);
        let record = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 4));
        for (i, arg) in args.iter().enumerate() {
            let v = self.argument(arg);
            self.b.ins().stack_store(self.cx.pointer, v, record, SLOT * i as i32);
        }
        let record = self.b.ins().stack_addr(self.cx.pointer, record, 0);
        let task = self.b.ins().func_addr(self.cx.pointer, task);
        let (count, team) = (self.scalar(count), self.scalar(team));
        self.b.ins().call(fork, &[task, record, count, team]);
    }
}
