//! What can't be compiled is a diagnostic that names the function, and one run reports all of them.

use super::kernels::exported;
use crate::Llvm;
use onnxc_base::{DType, Diagnostics};
use onnxc_codegen::{Backend, CompileOptions, ConstLayout, Target, Unit};
use onnxc_ir::loops::*;

fn errors(funcs: Vec<Func>, target: &Target) -> Diagnostics {
    let mut p = Program { name: "m".into(), ..Program::default() };
    for f in funcs {
        p.funcs.push(f);
    }
    let unit = Unit { program: &p, constants: &ConstLayout::new(&p), address_functions: &[], data: None };
    Llvm.compile(&unit, target, &CompileOptions::default()).expect_err("it can't be compiled")
}

fn float_function(name: &str, make: impl FnOnce(&mut FuncBuilder, Value) -> Value) -> Func {
    let mut b = exported(name);
    let x = b.param_buf("x", DType::F32, true);
    let zero = b.int(0);
    let v = b.load(x, zero, 8, None);
    let v = make(&mut b, v);
    b.store(x, zero, v, None);
    b.finish()
}

#[test]
fn what_passes_should_have_removed() {
    let exp = float_function("f", |b, v| b.unary(UnOp::Exp, v));
    let pow = float_function("g", |b, v| b.binary(BinOp::Pow, v, v));
    let mut b = exported("h");
    let (t, n) = (b.buf(DType::F32, BufKind::Local, "t"), b.int(8));
    b.stmt(Stmt::Alloc { buf: t, count: n, space: Space::Workspace, bound: None });
    let workspace = b.finish();
    let mut b = exported("i");
    let (t, n) = (b.buf(DType::F32, BufKind::Local, "t"), b.int(8));
    b.stmt(Stmt::Alloc { buf: t, count: n, space: Space::Heap, bound: None });
    let e = errors(vec![exp, pow, workspace, b.finish()], &Target::host());
    insta::assert_snapshot!(e, @r"
    error[E5303]: function 'f' can't be compiled: exp is left; expand-math should have replaced it
      help: this is a bug of onnxc; please report it with the model
    error[E5303]: function 'g' can't be compiled: pow is left; expand-math should have replaced it
      help: this is a bug of onnxc; please report it with the model
    error[E5303]: function 'h' can't be compiled: workspace memory is still unplanned; plan-memory must run before
      help: this is a bug of onnxc; please report it with the model
    error[E5303]: function 'i' can't be compiled: it uses the heap without a parameter 'allocator'
      help: this is a bug of onnxc; please report it with the model
    ");
}

#[test]
fn what_the_processor_lacks() {
    let f = float_function("f", |b, v| b.fma(v, v, v));
    let target = Target::parse(Some("x86_64-unknown-linux-gnu"), Some("x86-64")).expect("it is in the table");
    insta::assert_snapshot!(errors(vec![f], &target), @r"
    error[E5304]: function 'f' can't be compiled: the processor has no fused multiply-add
      help: choose a processor that has it with --target-cpu, or write C (-o model.c)
    ");
}
