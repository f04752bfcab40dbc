//! `NAME_set_threads(threads)` and `NAME_set_parallel_for(run, context)`: what a program with threads exports, as calls of
//! the runtime.

use onnxc_base::DType;
use onnxc_ir::loops::{Arg, FuncBuilder, FuncId, Linkage, ParamKind, Program, TEAM_BEGIN};

/// Symbols of the runtime.
const SET: &str = "onnxc_threads_set";
const SET_PARALLEL_FOR: &str = "onnxc_threads_set_parallel_for";

/// True if a program may run on several threads.
pub fn uses_threads(program: &Program) -> bool {
    program.externs.values().any(|x| x.symbol == TEAM_BEGIN)
}

fn find(program: &Program, role: &str) -> Option<FuncId> {
    let name = format!("{}_{role}", program.name);
    program.funcs.iter().find(|(_, f)| f.name == name && f.linkage == Linkage::Export).map(|(id, _)| id)
}

/// The function that sets the number of threads, if it was added.
pub fn set_threads(program: &Program) -> Option<FuncId> {
    find(program, "set_threads")
}

/// The function that sets the caller's pool, if it was added.
pub fn set_parallel_for(program: &Program) -> Option<FuncId> {
    find(program, "set_parallel_for")
}

/// Adds both functions to a program with threads.
pub fn add_thread_settings(program: &mut Program) {
    if !uses_threads(program) || set_threads(program).is_some() {
        return;
    }
    let mut b = begin(program, "set_threads", "How many threads a run may use.");
    let threads = b.param("threads", DType::I64);
    b.call_linked(SET, &[(Arg::Value(threads), ParamKind::Scalar(DType::I64))], None);
    end(program, b);
    let mut b = begin(program, "set_parallel_for", "Whose threads a run uses.");
    let address = ParamKind::Buf { dtype: DType::U8, mutable: true };
    let args = ["run", "context"].map(|name| {
        let buf = b.param_buf(name, DType::U8, true);
        (Arg::Buf { buf, offset: None }, address)
    });
    b.call_linked(SET_PARALLEL_FOR, &args, None);
    end(program, b);
}

fn begin(program: &mut Program, role: &str, doc: &str) -> FuncBuilder {
    let mut b = FuncBuilder::new(format!("{}_{role}", program.name));
    b.func.linkage = Linkage::Export;
    b.func.doc = doc.into();
    b.externs = std::mem::take(&mut program.externs);
    b
}

fn end(program: &mut Program, mut b: FuncBuilder) {
    program.externs = std::mem::take(&mut b.externs);
    program.funcs.push(b.finish());
}
