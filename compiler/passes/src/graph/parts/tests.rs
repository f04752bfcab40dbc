//! Parts whose places only the run knows: the program finds them where the graph says.

use crate::graph::layout_tests::{Dice, lowered};
use onnxc_base::Tensor;
use onnxc_ir::graph::parse_graph;

#[test]
fn bounds_that_lie_within_another_tensor_are_read_there() {
    let text = r#"graph @bounds(%x: f32[9], %list: i32[n]) -> %all {
  sym n = dim(%list, 0) in 0..
  const $trips: i64[] = [3]
  const $true: bool[] = [true]
  const $zero: i64[1] = [0]
  const $one: i32[] = [1]
  const $next: i64[1] = [1]
  %all = Loop($trips, $true) : ? @loop {
    region (%i: i64[], %go: bool[]) -> ($true, %y) {
      %from = Unsqueeze(%i, $zero) : ? @unsqueeze
      %to = Add(%from, $next) : ? @to
      %start = Slice(%list, %from, %to, $zero) : ? @start
      %end = Add(%start, $one) : ? @end
      %y = Slice(%x, %start, %end, $zero) : ? @y
    }
  }
}
"#;
    let graph = parse_graph(text, None, None).expect("well-formed");
    lowered(&graph, &[Dice(5).tensor(&[9]), Tensor::from_slice(&[3], &[0_i32, 5, 2])], "bounds");
}

/// As a mixture of experts does: rows are in the order of their experts, and each has its part of them.
#[test]
fn where_a_split_cuts_may_be_computed() {
    let text = r#"graph @experts(%x: f32[k, 8], %chosen: i64[k]) -> %all {
  sym k = dim(%x, 0) in 0..
  const $two: i64[] = [2]
  const $yes: i64[2] = [0, 1]
  const $rows: i64[1] = [0]
  %hot = OneHot(%chosen, $two, $yes) { axis: -1 } : ? @hot
  %sizes = ReduceSum(%hot, $rows) { keepdims: 0, noop: 0 } : ? @sizes
  %twice = Add(%x, %x) : ? @twice
  %a, %b = Split(%twice, %sizes) { axis: 0, parts: 2, uneven: 1 } : ?, ? @split
  %ya = MatMul(%a, $wa) : ? @ya
  %yb = MatMul(%b, $wb) : ? @yb
  %all = Concat(%ya, %yb) { axis: 0 } : ? @all
}
"#;
    let weights = |factor: i32| {
        let values: Vec<String> = (0..32).map(|i| format!("{:?}", (i % 5 * factor) as f32)).collect();
        format!("f32[8, 4] = [{}]", values.join(", "))
    };
    let constants = format!("  const $wa: {}\n  const $wb: {}\n  %hot", weights(1), weights(-2));
    let graph = parse_graph(&text.replacen("  %hot", &constants, 1), None, None).expect("well-formed");
    let chosen = Tensor::from_slice(&[5], &[0_i64, 0, 0, 1, 1]);
    let (graph, _) = lowered(&graph, &[Dice(5).tensor(&[5, 8]), chosen], "experts");
    assert_eq!(graph.layouts.values().filter(|l| l.within().is_some()).count(), 2, "{graph}");
}
