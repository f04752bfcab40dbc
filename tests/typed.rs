//! Rust source, whose memory keeps the type of its elements: complex numbers that are computed with, and BitCast.

use onnxc::{Options, Source, compile};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_ir::graph::parse_graph;
use onnxc_ir::loops::interp::run_module;
use onnxc_ops::infer::infer_graph;
use std::process::Command;

fn complex(shape: &[usize], values: &[[f32; 2]]) -> Tensor {
    let bytes: Vec<u8> = values.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    Tensor::from_bytes(DType::C64, shape.to_vec(), bytes.into()).expect("two floats each")
}

/// Kernels are named after `Part`, and so is what is borrowed apart: the names differ.
#[test]
fn bits_are_copied_where_a_type_would_change() {
    let text = r#"graph @g(%x: c64[2, 2], %u: c64[1, 2], %v: f32[2]) -> (%y, %z) {
  const $at: i64[1, 2] = [0, 0]
  %sum = ScatterElements(%x, $at, %u) { axis: 0, reduction: "add" } : ? @sum
  %y = Transpose(%sum) { perm: [1, 0] } : ? @turned
  %n = Neg(%v) : ? @minus
  %z = BitCast(%n) { to: i32 } : ? @bits
}
"#;
    let mut graph = parse_graph(text, None, None).expect("the text is right");
    let problems = infer_graph(&mut graph, &Options::default().registry);
    assert!(!problems.has_errors(), "{problems}");
    let source = Source { graph, hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    let options = Options { backend: Some("rust".into()), ..Options::default() };
    let module = compile(&source, &options).expect("it compiles");
    let inputs = [
        complex(&[2, 2], &[[1.0, 2.0], [3.0, 0.0], [0.0, 4.0], [5.0, 6.0]]),
        complex(&[1, 2], &[[2.0, 1.0], [0.0, 1.0]]),
        Tensor::from_slice(&[2], &[1f32, -2.0]),
    ];
    // The first row has more; then rows are columns.
    let wanted = [
        complex(&[2, 2], &[[3.0, 3.0], [0.0, 4.0], [3.0, 1.0], [5.0, 6.0]]),
        Tensor::from_slice(&[2], &[(-1f32).to_bits() as i32, 2f32.to_bits() as i32]),
    ];
    assert_eq!(run_module(&module.program, &inputs).expect("it runs"), wanted);
    let dir = tempfile::tempdir().expect("the temporary folder is writable");
    module.write(&dir.path().join("m.rs"), &options).expect("no memory has two types");
    let text = std::fs::read_to_string(dir.path().join("m.rs")).expect("it is written");
    assert!(text.contains("fn part") && text.contains("let part_0"), "{text}");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2021", "--crate-type", "lib", "--emit", "metadata", "m.rs"]).current_dir(dir.path());
    match rustc.output() {
        Ok(o) => assert!(o.status.success(), "{}", String::from_utf8_lossy(&o.stderr)),
        Err(_) => eprintln!("SKIPPED: no rustc on this machine"),
    }
}
