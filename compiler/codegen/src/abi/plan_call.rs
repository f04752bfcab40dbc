//! `NAME_plan_call(dims, inputs) -> status`: the same signature for every module, so that any loader can call the plan.

use onnxc_base::DType;
use onnxc_ir::loops::{Arg, BufKind, Callee, FuncBuilder, FuncId, Linkage, ParamKind, Program, Stmt, Ty};

fn name(program: &Program) -> String {
    format!("{}_plan_call", program.name)
}

/// The function, if it was added.
pub fn plan_call(program: &Program) -> Option<FuncId> {
    let name = name(program);
    program.funcs.iter().find(|(_, f)| f.name == name).map(|(id, _)| id)
}

/// Adds the function if the program has a plan, whose last parameter is `dims`; those before it are, in order, the entries
/// of the table `inputs`.
pub fn add_plan_call(program: &mut Program) -> Option<FuncId> {
    let plan = program.interface.entries.plan?;
    let mut b = FuncBuilder::new(name(program));
    b.func.linkage = Linkage::Export;
    b.func.ret = Some(Ty::I32);
    b.func.doc = "The plan behind a table of inputs.".into();
    let dims = b.param_buf("dims", DType::I64, true);
    let table = b.param_table("inputs");
    let params = &program.funcs[plan].params;
    let mut args = Vec::new();
    for (i, p) in params[..params.len().saturating_sub(1)].iter().enumerate() {
        let ParamKind::Buf { dtype, .. } = p.kind else { continue };
        let buf = b.buf(dtype, BufKind::Local, &p.name);
        b.stmt(Stmt::Entry { buf, table, index: i as u32 });
        args.push(Arg::Buf { buf, offset: None });
    }
    args.push(Arg::Buf { buf: dims, offset: None });
    let status = b.call(Callee::Func(plan), args, Some(Ty::I32));
    b.stmt(Stmt::Return(status));
    Some(program.funcs.push(b.finish()))
}
