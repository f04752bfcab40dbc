//! Graphs, as text, in which control flow meets sizes that depend on data: the loops interpreter and every backend give what
//! is written here, or refuse the run.

use onnxc::backends::native;
use onnxc::{Options, Source, compile};
use onnxc_base::{Diagnostics, Tensor};
use onnxc_codegen::loader::Module;
use onnxc_ir::graph::parse_graph;
use onnxc_ir::loops::interp::run_module;
use onnxc_ops::infer::infer_graph;

/// Checks the first result of a graph on inputs; `None` if the run must fail.
fn check(text: &str, inputs: &[Tensor], want: Option<&Tensor>) {
    let mut graph = parse_graph(text, None, None).expect("the text is right");
    let problems = infer_graph(&mut graph, &Options::default().registry);
    assert!(!problems.has_errors(), "{problems}");
    let source = Source { graph, hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    for backend in native() {
        let options = Options { backend: Some(backend.name().into()), ..Options::default() };
        let module = compile(&source, &options).expect("it compiles");
        let loops = run_module(&module.program, inputs).ok().map(|r| r[0].clone());
        assert_eq!(loops.as_ref(), want, "loops interpreter");
        let dir = tempfile::tempdir().expect("the temporary folder is writable");
        let path = dir.path().join("control.so");
        module.write(&path, &options).expect("it links");
        let got = Module::open(&path).expect("it opens").run(inputs).ok().map(|r| r[0].clone());
        assert_eq!(got.as_ref(), want, "{}", backend.name());
    }
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::from_slice(shape, values)
}

/// A list that a view of one element makes is in memory by the time when a Slice's extents are computed.
#[test]
fn a_slice_is_taken_where_a_carried_number_says() {
    let text = r#"graph @g(%x: f32[n, 2]) -> %rows {
  sym n = dim(%x, 0) in 0..
  const $trips: i64[] = [2]
  const $start: i64[] = [1]
  const $one: i64[] = [1]
  const $axis: i64[1] = [0]
  %end, %rows = Loop($trips, _, $start) : ?, ? @loop {
    region (%i: i64[], %go: bool[], %at: i64[]) -> (%go, %next, %row) {
      %next = Add(%at, $one) : ? @next
      %first = Unsqueeze(%at, $axis) : ? @first
      %starts = Concat(%first) { axis: 0 } : ? @starts
      %last = Unsqueeze(%next, $axis) : ? @last
      %part = Slice(%x, %starts, %last, $axis) : ? @slice
      %row = Squeeze(%part, $axis) : ? @row
    }
  }
}
"#;
    let x = floats(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    check(text, &[x], Some(&floats(&[2, 2], &[3.0, 4.0, 5.0, 6.0])));
}

/// What a body assumes of extents that it finds is checked in each iteration.
#[test]
fn extents_that_a_body_finds_are_compared_there() {
    let text = r#"graph @g(%x: f32[4], %y: f32[4]) -> %sum {
  const $trips: i64[] = [1]
  const $zero: f32[] = [0.0]
  %sum = Loop($trips, _, $zero) : ? @loop {
    region (%i: i64[], %go: bool[], %before: f32[]) -> (%go, %after) {
      %p = NonZero(%x) : ? @p
      %q = NonZero(%y) : ? @q
      %both = Add(%p, %q) : ? @both
      %number = Cast(%both) { to: f32 } : ? @number
      %total = ReduceSum(%number) { keepdims: 0, noop_with_empty_axes: 0 } : ? @total
      %after = Add(%before, %total) : ? @after
    }
  }
}
"#;
    let (two, three) = (floats(&[4], &[0.0, 1.0, 0.0, 1.0]), floats(&[4], &[1.0, 1.0, 0.0, 1.0]));
    check(text, &[two.clone(), two.clone()], Some(&floats(&[], &[8.0])));
    check(text, &[two, three], None);
}

/// Only one of two ranks fits what follows: runs that take the other branch are refused.
#[test]
fn a_branch_that_never_fits_is_refused_when_it_is_taken() {
    let text = r#"graph @g(%x: f32[1, 2]) -> %y {
  const $limit: f32[] = [10.0]
  const $axis: i64[1] = [0]
  const $w: f32[3, 2] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
  %most = ReduceMax(%x) { keepdims: 0, noop_with_empty_axes: 0 } : ? @most
  %large = Greater(%most, $limit) : ? @large
  %h = If(%large) : ? @if {
    region () -> (%a) {
      %a = Squeeze(%x, $axis) : ? @squeeze
    }
    region () -> (%b) {
      %b = Identity(%x) : ? @same
    }
  }
  %y = Concat(%h, $w) { axis: 0 } : ? @join
}
"#;
    let joined = floats(&[4, 2], &[7.0, 8.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    check(text, &[floats(&[1, 2], &[7.0, 8.0])], Some(&joined));
    check(text, &[floats(&[1, 2], &[7.0, 11.0])], None);
}

/// Pads that the run finds bound nothing: memory is asked for when they are known, not for the largest there could be.
#[test]
fn memory_is_not_set_aside_for_any_pads() {
    let text = r#"graph @g(%x: f32[2, 3], %p: f32[4]) -> %sum {
  const $one: f32[] = [1.0]
  %pads = Cast(%p) { to: i64 } : ? @pads
  %padded = Pad(%x, %pads, $one) { mode: "constant" } : ? @pad
  %square = Mul(%padded, %padded) : ? @square
  %sum = ReduceSum(%square) { keepdims: 0, noop_with_empty_axes: 0 } : ? @sum
}
"#;
    let x = floats(&[2, 3], &[1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    check(text, &[x.clone(), floats(&[4], &[0.0; 4])], Some(&floats(&[], &[28.0])));
    check(text, &[x, floats(&[4], &[1.0, 0.0, 0.0, 2.0])], Some(&floats(&[], &[37.0])));
}
