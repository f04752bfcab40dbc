//! Headers as text, and compiled by a C and a C++ compiler where there is one.

use super::*;
use onnxc_base::Sym;
use onnxc_ir::loops::{DimInfo, Entries, FuncBuilder, Ty};
use std::process::Command;

fn func(name: &str, params: &[(&str, ParamKind)], ret: Ty) -> Func {
    let mut b = FuncBuilder::new(name);
    b.func.ret = Some(ret);
    b.func.params = params.iter().map(|(n, k)| onnxc_ir::loops::Param { name: n.to_string(), kind: *k }).collect();
    b.finish()
}

fn buf(dtype: DType, mutable: bool) -> ParamKind {
    ParamKind::Buf { dtype, mutable }
}

fn port(name: &str, dtype: DType, shape: Vec<Sym>) -> Port {
    Port { name: name.into(), dtype, shape, value: None }
}

fn fixed() -> Program {
    let mut p = Program { name: "kws".into(), ..Program::default() };
    let x = [("input/1", buf(DType::F32, false)), ("int", buf(DType::F16, true)), ("workspace", buf(DType::U8, true))];
    let run = p.funcs.push(func("kws_run", &x, Ty::I32));
    p.interface.inputs = vec![port("input/1", DType::F32, vec![Sym::from(1), Sym::from(16)])];
    p.interface.outputs = vec![port("int", DType::F16, vec![])];
    p.interface.workspace = Some(Sym::from(16000));
    p.interface.entries = Entries { run: Some(run), ..Entries::default() };
    p
}

fn symbolic() -> Program {
    let mut p = Program { name: "srcnn".into(), ..Program::default() };
    let dims = ("dims", buf(DType::I64, false));
    let (x, y) = (("x", buf(DType::F32, false)), ("y", buf(DType::I64, true)));
    let tail =
        [("extents", buf(DType::I64, true)), ("allocator", buf(DType::U8, true)), ("workspace", buf(DType::U8, true))];
    let run = p.funcs.push(func("srcnn_run", &[&[dims, x, y][..], &tail].concat(), Ty::I32));
    let plan = p.funcs.push(func("srcnn_plan", &[x, ("dims", buf(DType::I64, true))], Ty::I32));
    let workspace = p.funcs.push(func("srcnn_workspace_bytes", &[dims], Ty::I64));
    let dim = |name: &str, source, hi| DimInfo { name: name.into(), source, lo: 1, hi };
    p.interface.dims = vec![
        dim("n", DimSource::Input, None),
        dim("height of x", DimSource::Plan, Some(Sym::from(1024))),
        dim("rows", DimSource::Run(0), Some(Sym::var("n") * 2)),
    ];
    p.interface.inputs = vec![port("x", DType::F32, vec![Sym::var("n"), Sym::from(3)])];
    p.interface.outputs = vec![port("y", DType::I64, vec![Sym::var("rows")])];
    p.interface.entries =
        Entries { run: Some(run), plan: Some(plan), workspace_bytes: Some(workspace), call: Some(run) };
    let params = vec![buf(DType::F32, false), buf(DType::F32, true), ParamKind::Scalar(DType::I64)];
    p.externs.push(Extern { symbol: "my_add".into(), params, ret: Some(Ty::I32) });
    p
}

fn info() -> ModuleInfo {
    ModuleInfo { compiler: "onnxc 0.1.0".into(), model_sha256: "ab".repeat(32), flops: None, alignment: 64 }
}

#[test]
fn fixed_shapes_need_no_dims() {
    let text = header(&fixed(), &info());
    assert!(text.contains("#define KWS_WORKSPACE_BYTES 16000"), "{text}");
    assert!(text.contains("int kws_run(const float *input_1, uint16_t *int_, void *workspace);"), "{text}");
    assert!(!text.contains("_dims") && !text.contains("onnxc_allocator"), "{text}");
}

#[test]
fn symbolic_shapes_have_a_struct() {
    let text = header(&symbolic(), &info());
    for line in [
        "    int64_t height_of_x; /* 1 to 1024, set by srcnn_plan */",
        "int64_t srcnn_workspace_bytes(const srcnn_dims *dims);",
        "int srcnn_plan(const float *x, srcnn_dims *dims);",
        "int srcnn_run(const srcnn_dims *dims, const float *x, int64_t *y, int64_t *extents, const onnxc_allocator *allocator, void *workspace);",
        "int32_t my_add(const float *p0, float *p1, int64_t p2);",
    ] {
        assert!(text.contains(line), "no line {line}\n{text}");
    }
}

/// Both headers in one file, for C and for C++.
#[test]
fn compilers_take_them() {
    let dir = std::env::temp_dir().join(format!("onnxc-header-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("the temporary folder is writable");
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("the folder is writable");
    write("kws.h", &header(&fixed(), &info()));
    write("srcnn.h", &header(&symbolic(), &info()));
    let source =
        "#include \"kws.h\"\n#include \"srcnn.h\"\n#include \"kws.h\"\nint main(void) { return kws_run(0, 0, 0); }\n";
    write("use.c", source);
    write("use.cpp", source);
    let mut compiled = 0;
    for (compiler, options) in [("cc", &["-std=c99", "use.c"]), ("c++", &["-std=c++11", "use.cpp"])] {
        let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"];
        let Ok(out) = Command::new(compiler).args(strict).args(options).current_dir(&dir).output() else { continue };
        assert!(out.status.success(), "{compiler}: {}", String::from_utf8_lossy(&out.stderr));
        compiled += 1;
    }
    std::fs::remove_dir_all(&dir).expect("it is ours");
    assert!(compiled > 0 || Command::new("cc").output().is_err(), "a compiler that runs compiles them");
}
