//! One object file (or its text) from one program: declares every symbol, then defines the functions one by one.

use crate::Cranelift;
use crate::func::{Callee, Surroundings, Translator, signature};
use crate::{fork, isa};
use cranelift_codegen::Context;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, FuncRef, Function, GlobalValue, GlobalValueData, InstBuilder, Signature, UserFuncName, types,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataId, FuncId, Linkage, Module};
use cranelift_object::{ObjectBuilder, ObjectModule};
use onnxc_base::{Diagnostic, Diagnostics, PrimaryMap};
use onnxc_codegen::{AddressFunction, Backend, CompileOptions, Emit, Target, Unit};
use onnxc_ir::loops::{self as l, ParamKind, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// The symbols of a module under construction.
struct Symbols {
    funcs: PrimaryMap<l::FuncId, FuncId>,
    externs: PrimaryMap<l::ExternId, FuncId>,
    /// For each function that is forked, the one that the runtime calls.
    tasks: BTreeMap<l::FuncId, FuncId>,
    fork: Option<FuncId>,
    constants: DataId,
}

/// Compiles a unit; see [`onnxc_codegen::Backend::compile`].
pub(crate) fn compile(unit: &Unit<'_>, target: &Target, options: &CompileOptions) -> Result<Vec<u8>, Diagnostics> {
    let isa = isa::for_target(target, options.opt_level)?;
    let cx = Surroundings {
        program: unit.program,
        constants: unit.constants,
        pointer: isa.pointer_type(),
        call_conv: isa.default_call_conv(),
        vectors: Cranelift.max_vector_bits(target) >= 128,
        has_fma: target.has_fma,
    };
    let builder = ObjectBuilder::new(isa, unit.program.name.as_str(), cranelift_module::default_libcall_names());
    let mut builder = builder.map_err(|e| broken("the object file", e))?;
    builder.per_function_section(true);
    let mut module = ObjectModule::new(builder);
    let symbols = declare(&mut module, &cx)?;
    let mut problems = Diagnostics::new();
    let mut text = String::new();
    let mut scratch = (Context::new(), FunctionBuilderContext::new());
    for (id, func) in &cx.program.funcs {
        let found = define(&mut module, &cx, &symbols, id, func, options.emit, &mut scratch, &mut text);
        problems.extend(found);
    }
    for (&of, &id) in &symbols.tasks {
        if let Err(d) =
            fork::define_task(&mut module, &cx, symbols.funcs[of], of, id, options.emit, &mut scratch, &mut text)
        {
            problems.push(d);
        }
    }
    for f in unit.address_functions {
        if let Err(d) = define_address_function(&mut module, &cx, f, options.emit, &mut scratch, &mut text) {
            problems.push(d);
        }
    }
    let text = problems.into_result(text)?;
    if options.emit != Emit::Object {
        return Ok(text.into_bytes());
    }
    Ok(module.finish().emit().map_err(|e| broken("the object file", e))?)
}

pub(crate) fn broken(what: &str, e: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error("E5103", format!("Cranelift could not make {what}: {e}"))
        .help("this is a bug of the compiler: please report it")
}

fn declare(module: &mut ObjectModule, cx: &Surroundings<'_>) -> Result<Symbols, Diagnostic> {
    let mut funcs = PrimaryMap::new();
    let mut externs = PrimaryMap::new();
    for x in cx.program.externs.values() {
        let sig = signature(cx, &x.params, x.ret);
        externs.push(module.declare_function(&x.symbol, Linkage::Import, &sig).map_err(|e| broken(&x.symbol, e))?);
    }
    for f in cx.program.funcs.values() {
        let sig = signature(cx, f.params.iter().map(|p| &p.kind), f.ret);
        let linkage = match f.linkage {
            l::Linkage::Local => Linkage::Local,
            l::Linkage::Export => Linkage::Export,
        };
        funcs.push(module.declare_function(&f.name, linkage, &sig).map_err(|e| broken(&f.name, e))?);
    }
    let (tasks, fork) = fork::declare(module, cx)?;
    let constants = module.declare_data(&cx.constants.symbol, Linkage::Import, false, false);
    Ok(Symbols { funcs, externs, tasks, fork, constants: constants.map_err(|e| broken(&cx.constants.symbol, e))? })
}

#[allow(clippy::too_many_arguments, reason = "one call; the scratch space is what makes it fast")]
fn define(
    module: &mut ObjectModule,
    cx: &Surroundings<'_>,
    symbols: &Symbols,
    id: l::FuncId,
    func: &l::Func,
    emit: Emit,
    scratch: &mut (Context, FunctionBuilderContext),
    text: &mut String,
) -> Diagnostics {
    let (ctx, builder) = scratch;
    module.clear_context(ctx);
    let sig = signature(cx, func.params.iter().map(|p| &p.kind), func.ret);
    ctx.func = Function::with_name_signature(UserFuncName::user(0, symbols.funcs[id].as_u32()), sig);
    let callees: BTreeMap<Callee, FuncRef> = callees(&func.body)
        .into_iter()
        .filter_map(|c| {
            let id = match c {
                Callee::Func(f) => symbols.funcs[f],
                Callee::Extern(x) => symbols.externs[x],
                Callee::Task(f) => *symbols.tasks.get(&f)?,
                Callee::Fork => symbols.fork?,
            };
            Some((c, module.declare_func_in_func(id, &mut ctx.func)))
        })
        .collect();
    let constants = near_data(module, symbols.constants, &mut ctx.func);
    let b = FunctionBuilder::new(&mut ctx.func, builder);
    let problems = Translator::new(b, cx, func, callees, constants).run();
    if problems.has_errors() {
        // The builder's state goes with the function.
        *builder = FunctionBuilderContext::new();
        return problems;
    }
    match finish(module, symbols.funcs[id], &func.name, &func.doc, emit, ctx, text) {
        Ok(()) => problems,
        Err(d) => d.node(func.name.clone(), "function").into(),
    }
}

/// Data that another object defines, but in the same module: reached relative to the instruction pointer, without a GOT.
fn near_data(module: &mut ObjectModule, data: DataId, func: &mut Function) -> GlobalValue {
    let global = module.declare_data_in_func(data, func);
    if let GlobalValueData::Symbol { colocated, .. } = &mut func.global_values[global] {
        *colocated = true;
    }
    global
}

/// Compiles the function in `ctx` and appends its text if text is wanted.
pub(crate) fn finish(
    module: &mut ObjectModule,
    id: FuncId,
    name: &str,
    doc: &str,
    emit: Emit,
    ctx: &mut Context,
    text: &mut String,
) -> Result<(), Diagnostic> {
    ctx.set_disasm(emit == Emit::Assembly);
    module.define_function(id, ctx).map_err(|e| broken("machine code", format!("{e:?}")))?;
    let remark: String = doc.lines().map(|line| format!("; {line}\n")).collect();
    match emit {
        Emit::Object => {}
        Emit::Assembly => {
            let code = ctx.compiled_code().and_then(|c| c.vcode.as_deref()).unwrap_or_default();
            text.push_str(&format!("{remark}{name}:\n{code}\n"));
        }
        Emit::BackendIr => text.push_str(&format!("{remark}; {name}\n{}\n", ctx.func.display())),
    }
    Ok(())
}

pub(crate) fn callees(block: &l::Block) -> BTreeSet<Callee> {
    fn walk(block: &l::Block, out: &mut BTreeSet<Callee>) {
        for stmt in &block.0 {
            match stmt {
                Stmt::Call { callee, .. } => {
                    out.insert((*callee).into());
                }
                Stmt::Fork { callee, .. } => out.extend([Callee::Task(*callee), Callee::Fork]),
                _ => l::walk::blocks(stmt).into_iter().for_each(|b| walk(b, out)),
            }
        }
    }
    let mut out = BTreeSet::new();
    walk(block, &mut out);
    out
}

/// `&data[min(index, count - 1) * stride]`.
fn define_address_function(
    module: &mut ObjectModule,
    cx: &Surroundings<'_>,
    f: &AddressFunction,
    emit: Emit,
    scratch: &mut (Context, FunctionBuilderContext),
    text: &mut String,
) -> Result<(), Diagnostic> {
    let fail = |e: cranelift_module::ModuleError| broken(&f.symbol, e);
    let params: &[ParamKind] = if f.table.is_some() { &[ParamKind::Scalar(onnxc_base::DType::I32)] } else { &[] };
    let mut sig: Signature = signature(cx, params, None);
    sig.returns.push(AbiParam::new(cx.pointer));
    let id = module.declare_function(&f.symbol, Linkage::Export, &sig).map_err(fail)?;
    let data = module.declare_data(&f.data, Linkage::Import, false, false).map_err(fail)?;
    let (ctx, builder) = scratch;
    module.clear_context(ctx);
    ctx.func = Function::with_name_signature(UserFuncName::user(0, id.as_u32()), sig);
    let global = near_data(module, data, &mut ctx.func);
    let mut b = FunctionBuilder::new(&mut ctx.func, builder);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let mut address = b.ins().symbol_value(cx.pointer, global);
    if let Some(table) = f.table {
        let index = b.block_params(entry)[0];
        let last = b.ins().iconst(types::I32, i64::from(table.count.saturating_sub(1)));
        let above = b.ins().icmp(IntCC::UnsignedGreaterThan, index, last);
        let index = b.ins().select(above, last, index);
        let index = if cx.pointer == types::I32 { index } else { b.ins().uextend(cx.pointer, index) };
        let stride = b.ins().iconst(cx.pointer, i64::from(table.stride));
        let offset = b.ins().imul(index, stride);
        address = b.ins().iadd(address, offset);
    }
    b.ins().return_(&[address]);
    b.finalize(module.target_config());
    finish(module, id, &f.symbol, "", emit, ctx, text)
}
