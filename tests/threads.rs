//! Modules for several threads: the same bits for any number of them, in the interpreter and on every backend, also with
//! several callers at once and with a caller's own pool.

use onnxc::backends::native;
use onnxc::{Options, Source, compile};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_codegen::loader::Module;
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::{Attr, Attrs, Graph, OpName, Type, ValueId};
use onnxc_ir::loops::interp::{Interp, run_module};
use onnxc_ops::infer::infer_graph;
use std::ffi::c_void;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};

/// The most threads that modules are compiled for here.
const MOST: u32 = 8;

fn numbers(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f32> = (0..n).map(|i| ((i * 7919 + 13) % 2001) as f32 / 1000.0 - 1.0).collect();
    Tensor::from_slice(shape, &v)
}

fn node(b: &mut GraphBuilder, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
    let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
    b.node(OpName::onnx(op), attrs, &inputs, vec![Type::unknown()])[0]
}

/// Products, a softmax whose rows are attached stages, and a sum: of a symbolic number of rows.
fn rows() -> (Graph, Vec<Tensor>) {
    let mut b = GraphBuilder::new("rows");
    let x = b.tensor_input("x", DType::F32, &["n", "33"]);
    let (w, v) = (b.constant("w", numbers(&[33, 140])), b.constant("v", numbers(&[140, 29])));
    let p = node(&mut b, "MatMul", Attrs::default(), &[x, w]);
    let axis = Attrs::default().with("axis", Attr::Int(1)).with("flattened", Attr::Int(0));
    let s = node(&mut b, "Softmax", axis, &[p]);
    let q = node(&mut b, "MatMul", Attrs::default(), &[s, v]);
    let y = node(&mut b, "Tanh", Attrs::default(), &[q]);
    (b.finish(&[y]), vec![numbers(&[397, 33])])
}

/// Convolutions of 7 rows, one of them in the transformed domain, and one of fewer rows than threads.
fn pictures() -> (Graph, Vec<Tensor>) {
    let mut b = GraphBuilder::new("pictures");
    let x = b.tensor_input("x", DType::F32, &["1", "16", "14", "14"]);
    let (u, v) = (b.constant("u", numbers(&[48, 16, 3, 3])), b.constant("v", numbers(&[32, 48, 1, 1])));
    let ints = |v: &[i64]| Attr::Ints(v.to_vec());
    let around = Attrs::default().with("pads", ints(&[1, 1, 1, 1]));
    let p = node(&mut b, "Conv", around, &[x, u]);
    let p = node(&mut b, "Relu", Attrs::default(), &[p]);
    let y = node(&mut b, "Conv", Attrs::default().with("strides", ints(&[2, 2])), &[p, v]);
    (b.finish(&[y]), vec![numbers(&[1, 16, 14, 14])])
}

/// Steps of an LSTM whose weights are worth several threads, the last block of units not whole, and beside them a product of
/// what they give.
fn recurrent() -> (Graph, Vec<Tensor>) {
    let mut b = GraphBuilder::new("recurrent");
    let x = b.tensor_input("x", DType::F32, &["19", "1", "1", "1064"]);
    let px = node(&mut b, "Tanh", Attrs::default(), &[x]);
    let small = |shape: &[usize]| {
        let v: Vec<f32> = numbers(shape).to_vec().expect("floats");
        Tensor::from_slice(shape, &v.iter().map(|w| w / 16.0).collect::<Vec<_>>())
    };
    let (w, of_product) = (b.constant("w", small(&[1, 17, 266, 4, 16])), b.constant("v", small(&[20, 266, 32])));
    let strings = |v: &[&str]| Attr::Strs(v.iter().map(|s| s.to_string()).collect());
    let attrs = Attrs::default()
        .with("kind", Attr::Str("LSTM".into()))
        .with("direction", Attr::Str("forward".into()))
        .with("columns", Attr::Int(630))
        .with("every", Attr::Int(2))
        .with("activations", strings(&["sigmoid", "tanh", "tanh"]))
        .with("alpha", Attr::Floats(vec![0.0; 3]))
        .with("beta", Attr::Floats(vec![0.0; 3]));
    let steps = OpName { domain: "onnxc".into(), name: "RecurrentSteps".into() };
    let inputs = [Some(px), Some(w), None, None, None, None, None, Some(of_product)];
    let made = b.node(steps, attrs, &inputs, vec![Type::unknown(), Type::unknown()]);
    let y = node(&mut b, "Tanh", Attrs::default(), &[made[0]]);
    (b.finish(&[y, made[1]]), vec![numbers(&[19, 1, 1, 1064])])
}

fn source((mut g, inputs): (Graph, Vec<Tensor>)) -> (Source, Vec<Tensor>) {
    let problems = infer_graph(&mut g, &Options::default().registry);
    assert!(!problems.has_errors(), "{problems}");
    (Source { graph: g, hot: vec![], sha256: String::new(), warnings: Diagnostics::new() }, inputs)
}

fn build(source: &Source, options: &Options, path: &Path) -> Module {
    let compiled = compile(source, options).unwrap_or_else(|e| panic!("{e}"));
    compiled.write(path, options).unwrap_or_else(|e| panic!("{e}"));
    Module::open(path).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    for made in [rows(), pictures(), recurrent()] {
        let (source, inputs) = source(made);
        for backend in native() {
            let options = Options { backend: Some(backend.name().into()), threads: MOST, ..Options::default() };
            let name = format!("{} by {}", source.graph.name, backend.name());
            let program = compile(&source, &options).unwrap_or_else(|e| panic!("{e}")).program;
            assert!(program.to_string().contains("fork @"), "{name}: there is something to share");
            let interpreted = |threads: u32, backwards: bool| {
                let mut interp = Interp::new(&program);
                interp.threads(threads);
                interp.parallel_backwards(backwards);
                interp.run_module(&inputs).unwrap_or_else(|e| panic!("{name}: {e}"))
            };
            let want = interpreted(1, false);
            assert_eq!(interpreted(3, false), want, "{name}: three threads");
            assert_eq!(interpreted(8, true), want, "{name}: eight threads, backwards");
            let module = build(&source, &options, &folder.path().join(format!("{name}.so")));
            for threads in [1, 2, 3, 8, 0] {
                assert!(module.set_threads(threads));
                for _ in 0..3 {
                    assert_eq!(module.run(&inputs), Ok(want.clone()), "{name}: {threads} threads");
                }
            }
            let one = Options { threads: 1, ..options };
            let module = build(&source, &one, &folder.path().join(format!("{name} alone.so")));
            assert_eq!(module.run(&inputs), Ok(want), "{name}: compiled for one thread");
            assert!(!module.set_threads(2), "{name}: it has no threads");
        }
    }
}

#[test]
fn callers_at_once_get_the_same_bits() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (source, inputs) = source(pictures());
    let options = Options { threads: MOST, ..Options::default() };
    let module = build(&source, &options, &folder.path().join("busy.so"));
    let want = module.run(&inputs);
    assert!(want.is_ok());
    for threads in [2, 8] {
        module.set_threads(threads);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| (0..20).for_each(|_| assert_eq!(module.run(&inputs), want)));
            }
        });
    }
}

#[test]
fn the_callers_pool_does_the_work() {
    static CALLS: AtomicI64 = AtomicI64::new(0);
    unsafe extern "C" fn reversed(
        _: *mut c_void,
        count: i64,
        run: unsafe extern "C" fn(*mut c_void, i64),
        task: *mut c_void,
    ) {
        CALLS.fetch_add(1, Ordering::Relaxed);
        (0..count).rev().for_each(|i| unsafe { run(task, i) });
    }
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (source, inputs) = source(rows());
    for backend in native() {
        let options = Options { backend: Some(backend.name().into()), threads: 3, ..Options::default() };
        let module = build(&source, &options, &folder.path().join(format!("{}.so", backend.name())));
        let want = module.run(&inputs);
        let set = module.description().raw().set_parallel_for.expect("it has threads");
        let before = CALLS.load(Ordering::Relaxed);
        unsafe { set(Some(reversed), std::ptr::null_mut()) };
        assert_eq!(module.run(&inputs), want);
        unsafe { set(None, std::ptr::null_mut()) };
        assert!(CALLS.load(Ordering::Relaxed) > before);
        assert_eq!(module.run(&inputs), want);
    }
}

/// C for OpenMP and without it: threads have scratch memory of their own.
#[test]
fn source_for_openmp_gives_the_same_bits() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let (source, inputs) = source(rows());
    let mut options = Options { backend: Some("c".into()), ..Options::default() };
    options.source.openmp = Some(3);
    let compiled = compile(&source, &options).unwrap_or_else(|e| panic!("{e}"));
    let file = folder.path().join("rows.c");
    compiled.write(&file, &options).unwrap_or_else(|e| panic!("{e}"));
    let text = std::fs::read_to_string(&file).expect("it is there");
    assert!(text.contains("num_threads(3)") && text.contains("omp_get_thread_num()"), "{text}");
    let want: Vec<f32> = run_module(&compiled.program, &inputs).expect("it runs")[0].to_vec().expect("floats");
    let given: Vec<f32> = inputs[0].to_vec().expect("floats");
    let main = format!(
        "#include \"rows.h\"\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) {{\n\
         rows_dims dims = {{ 397 }};\nstatic float x[{}], y[{}];\nif (fread(x, 4, {0}, stdin) != {0}) return 2;\n\
         void *w = aligned_alloc(64, (size_t)rows_workspace_bytes(&dims) + 64 & ~(size_t)63);\n\
         if (rows_run(&dims, x, y, w)) return 1;\nfwrite(y, 4, {1}, stdout);\nreturn 0; }}\n",
        given.len(),
        want.len()
    );
    std::fs::write(folder.path().join("main.c"), main).expect("the folder is writable");
    for flags in [&["-fopenmp"][..], &[]] {
        let program = folder.path().join("program");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-ffp-contract=off", "-o"]).arg(&program).args(flags);
        let made = cc.args([folder.path().join("main.c"), file.clone()]).output();
        if !made.is_ok_and(|o| o.status.success()) {
            eprintln!("SKIPPED: no C compiler (cc {flags:?}) on this machine");
            continue;
        }
        let mut child = Command::new(&program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let bytes: Vec<u8> = given.iter().flat_map(|v| v.to_le_bytes()).collect();
        child.stdin.take().expect("a pipe").write_all(&bytes).expect("it reads");
        let got = child.wait_with_output().expect("it ends");
        let got: Vec<f32> = got.stdout.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert_eq!(got, want, "{flags:?}");
    }
}
