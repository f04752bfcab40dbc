//! The shared differential cases, at both of Cranelift's optimisation levels.

use crate::Cranelift;
use onnxc_codegen::{Target, testing};

#[test]
fn agrees_with_the_interpreter_without_optimisation() {
    testing::check(&Cranelift, &Target::host(), 0).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn agrees_with_the_interpreter_optimised() {
    testing::check(&Cranelift, &Target::host(), 2).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn libraries_load_and_run() {
    testing::artefacts::check_loading(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    testing::artefacts::check_refusals(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn objects_and_archives_link() {
    testing::artefacts::check_linking(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn libraries_export_the_interface_only() {
    testing::artefacts::check_symbols(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn random_programs_agree_with_the_interpreter() {
    for opt_level in [0, 2] {
        let seed = 20 + u64::from(opt_level);
        testing::random::check(&Cranelift, &Target::host(), opt_level, seed, 20).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// Every operation compiles for machines that we can't run on, with vectors or without.
#[test]
fn other_machines_are_compiled_for() {
    let all = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "riscv64gc-unknown-linux-gnu"];
    for (triple, cpu) in all.into_iter().zip([Some("x86-64-v2"), None, None]) {
        let target = Target::parse(Some(triple), cpu).unwrap_or_else(|e| panic!("{e}"));
        testing::check_compiles(&Cranelift, &target).unwrap_or_else(|e| panic!("{triple}: {e}"));
    }
}

#[test]
fn processors_without_vector_rounding_are_refused() {
    let target = Target::parse(Some("x86_64-unknown-linux-gnu"), Some("x86-64")).unwrap_or_else(|e| panic!("{e}"));
    let e = testing::check_compiles(&Cranelift, &target).expect_err("SSE2 alone is not enough");
    assert!(e.contains("E5101") && e.contains("x86-64-v2"), "{e}");
}

#[test]
fn what_cannot_be_compiled_is_listed() {
    use onnxc_ir::loops::{FuncBuilder, Op, Program, Scalar, Ty, UnOp};
    let mut b = FuncBuilder::new("broken");
    let x = b.scalar(Scalar::f32(2.0));
    for op in [UnOp::Exp, UnOp::Erf] {
        b.op(Ty::scalar(x_type()), Op::Unary(op, x));
    }
    b.op(Ty::scalar(x_type()), Op::Fma(x, x, x));
    let mut program = Program { name: "m".into(), ..Program::default() };
    program.funcs.push(b.finish());
    let target = Target::parse(Some("x86_64-unknown-linux-gnu"), Some("x86-64-v2")).unwrap_or_else(|e| panic!("{e}"));
    let made = onnxc_codegen::compile(&Cranelift, &program, &Default::default(), &target, &Default::default());
    let e = made.err().map(|e| e.to_string()).unwrap_or_default();
    for want in ["'exp'", "'erf'", "fused multiply-add", "'broken'"] {
        assert!(e.contains(want), "{want} is not in:\n{e}");
    }
}

fn x_type() -> onnxc_base::DType {
    onnxc_base::DType::F32
}

#[test]
fn texts_show_every_function() {
    use onnxc_codegen::{CompileOptions, Emit};
    let program = testing::module::sample();
    for (emit, sign) in [(Emit::Assembly, "ret"), (Emit::BackendIr, "function u0:0")] {
        let options = CompileOptions { opt_level: 2, emit };
        let text = onnxc_codegen::compile_text(&Cranelift, &program, &Default::default(), &Target::host(), &options);
        let text = text.unwrap_or_else(|e| panic!("{e}"));
        for want in ["sample_run", "sample_workspace_bytes", "onnxc_module_v1", sign] {
            assert!(text.contains(want), "{want} is not in:\n{text}");
        }
    }
}

#[cfg(feature = "embedded-linker")]
#[test]
fn the_embedded_linker_makes_libraries() {
    testing::artefacts::check_linker(&Cranelift, &onnxc_codegen::Linker::Embedded).unwrap_or_else(|e| panic!("{e}"));
}

/// A linker itself, without a compiler driver, makes the same library.
#[test]
fn a_plain_linker_is_enough() {
    let ld = std::path::PathBuf::from("/usr/bin/ld");
    if ld.is_file() {
        let linker = onnxc_codegen::Linker::Direct(ld);
        testing::artefacts::check_linker(&Cranelift, &linker).unwrap_or_else(|e| panic!("{e}"));
    }
}
