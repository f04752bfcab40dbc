//! Static gates on machine code: the hot loop of each kind of kernel, as the scheduler makes it and LLVM compiles it, keeps
//! its vectors in registers and does little but multiply and add.
//!
//! The processors are fixed, so the code is the same on every machine. The shares are those of the instruction sets:
//! AVX-512 multiplies by a broadcast from memory, AVX2 loads it first.

use onnxc::{Options, Source, backends};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_codegen::testing::assembly::{Loop, function, innermost_loops};
use onnxc_codegen::{CompileOptions, Emit, Target};
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::{Attr, Attrs, Graph, OpName, Type};

/// Processors, and the least share of instructions that multiply and add.
const PROCESSORS: [(&str, f64); 2] = [("haswell", 0.45), ("skylake-avx512", 0.55)];

/// One operator on one input and constant weights.
fn graph(op: &str, attrs: Attrs, input: &[&str], weights: &[usize]) -> Graph {
    let mut b = GraphBuilder::new("gate");
    let x = b.tensor_input("x", DType::F32, input);
    let count = weights.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|i| (i % 17) as f32 / 16.0 - 0.5).collect();
    let w = b.constant("w", Tensor::from_slice(weights, &values));
    let y = b.node(OpName::onnx(op), attrs, &[Some(x), Some(w)], vec![Type::unknown()])[0];
    b.finish(&[y])
}

fn conv(input: &[&str], weights: &[usize], group: i64) -> Graph {
    let attrs = Attrs::default()
        .with("pads", Attr::Ints(vec![1; 4]))
        .with("strides", Attr::Ints(vec![1; 2]))
        .with("group", Attr::Int(group));
    graph("Conv", attrs, input, weights)
}

/// The kernels of a graph: name, and its text for a processor.
fn kernels(graph: Graph, cpu: &str, strict_fp: bool) -> Vec<(String, String)> {
    let options = Options {
        backend: Some("llvm".into()),
        target: Target::parse(Some("x86_64-unknown-linux-gnu"), Some(cpu)).expect("it is in the table"),
        strict_fp,
        ..Options::default()
    };
    let source = Source { graph, hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    let module = onnxc::compile(&source, &options).expect("it compiles");
    let backend = backends::find(Some("llvm")).expect("the test has LLVM");
    let how = CompileOptions { opt_level: options.opt_level, emit: Emit::Assembly };
    let text = onnxc_codegen::compile_text(backend, &module.program, &module.info, &options.target, &how);
    let text = text.expect("LLVM compiles it");
    let names = module.lowered.assembled.steps.iter().filter_map(|s| s.function.clone());
    names.map(|n| (n.clone(), function(&text, &n).expect("the function is there").to_string())).collect()
}

/// No loop that multiplies and adds moves vectors to or from the stack, and the one that does most of it does little else.
fn check(name: &str, graph: &Graph, strict_fp: bool, cpus: &[(&str, f64)]) {
    for (cpu, least) in cpus {
        let all = kernels(graph.clone(), cpu, strict_fp);
        let loops: Vec<Loop<'_>> = all.iter().flat_map(|(_, text)| innermost_loops(text)).collect();
        for body in loops.iter().filter(|l| l.multiply_adds() > 0) {
            assert_eq!(body.vector_on_stack(), None, "{name} on {cpu}: {:#?}", body.0);
        }
        let hot = loops.iter().max_by_key(|l| l.multiply_adds()).expect("a kernel has a loop");
        assert!(hot.share() >= *least, "{name} on {cpu}: only {:.2} multiply and add: {:#?}", hot.share(), hot.0);
    }
}

#[test]
fn matrix_products() {
    let none = Attrs::default;
    check("128x768 by 768x768", &graph("MatMul", none(), &["128", "768"], &[768, 768]), false, &PROCESSORS);
    check("64x49x96 by 96x288", &graph("MatMul", none(), &["64", "49", "96"], &[96, 288]), false, &PROCESSORS);
    check("any rows", &graph("MatMul", none(), &["m", "768"], &[768, 512]), false, &PROCESSORS);
}

#[test]
fn direct_convolutions() {
    check("3x3 56x56x64", &conv(&["1", "64", "56", "56"], &[64, 64, 3, 3], 1), true, &PROCESSORS);
    check("3x3 14x14x256", &conv(&["1", "256", "14", "14"], &[256, 256, 3, 3], 1), true, &PROCESSORS);
    check("3x3, any extents", &conv(&["1", "64", "h", "w"], &[64, 64, 3, 3], 1), true, &PROCESSORS);
}

#[test]
fn products_of_transformed_convolutions() {
    check("3x3 56x56x64", &conv(&["1", "64", "56", "56"], &[64, 64, 3, 3], 1), false, &PROCESSORS);
}

/// Every product has a weight and a pixel of its own; only some of either are loaded once for several.
#[test]
fn depthwise_convolutions() {
    let processors = [("haswell", 0.45), ("skylake-avx512", 0.5)];
    check("3x3 28x28x96", &conv(&["1", "96", "28", "28"], &[96, 1, 3, 3], 96), false, &processors);
}
