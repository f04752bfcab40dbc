//! `NAME_plan_call(dims, inputs) -> status`: the same signature for every module, so that any loader can call the plan.

use onnxc_base::DType;
use onnxc_ir::loops::{Arg, BufKind, Callee, FuncBuilder, FuncId, Linkage, ParamKind, Program, Stmt, Ty};

/// Adds the function if the program has a plan; its buffers but `dims`, in order, are the entries of the table `inputs`.
pub fn add_plan_call(program: &mut Program) -> Option<FuncId> {
    let plan = program.interface.entries.plan?;
    let mut b = FuncBuilder::new(format!("{}_plan_call", program.name));
    b.func.linkage = Linkage::Export;
    b.func.ret = Some(Ty::I32);
    b.func.doc = "The plan behind a table of inputs.".into();
    let dims = b.param_buf("dims", DType::I64, true);
    let table = b.param_table("inputs");
    let mut entry = 0;
    let mut args = Vec::new();
    for p in &program.funcs[plan].params {
        let ParamKind::Buf { dtype, .. } = p.kind else { continue };
        let buf = if p.name == "dims" {
            dims
        } else {
            let buf = b.buf(dtype, BufKind::Local, &p.name);
            b.stmt(Stmt::Entry { buf, table, index: entry });
            entry += 1;
            buf
        };
        args.push(Arg::Buf { buf, offset: None });
    }
    let status = b.call(Callee::Func(plan), args, Some(Ty::I32));
    b.stmt(Stmt::Return(status));
    Some(program.funcs.push(b.finish()))
}
