//! Control flow, symbols and guards, over a handful of integer operators.

use super::{Env, HostValue, NodeEval, Outcome, run};
use crate::graph::{Graph, NodeId, parse_graph};
use onnxc_base::{Diagnostic, Tensor};

/// `Add`, `Less` (scalars against vectors), `Cut(x, n)` (the first n elements), `Wrong`.
struct Toy;

impl NodeEval for Toy {
    fn eval(&self, graph: &Graph, node: NodeId, inputs: &[Option<HostValue>], _: &Env) -> Result<Outcome, Diagnostic> {
        let ints = |i: usize| {
            let t = inputs.get(i)?.as_ref()?.tensor()?;
            Some((t.shape().to_vec(), t.to_i64()?))
        };
        let (shape, a) = ints(0).expect("an input");
        let output = match graph.nodes[node].op.name.as_str() {
            "Add" => {
                let b = ints(1).expect("two inputs").1;
                let sum: Vec<i64> = a.iter().enumerate().map(|(i, a)| a + b[i % b.len()]).collect();
                Tensor::from_slice(&shape, &sum)
            }
            "Less" => Tensor::from_bools(&[], &[a[0] < ints(1).expect("two inputs").1[0]]),
            "Cut" => {
                let n = ints(1).expect("two inputs").1[0] as usize;
                Tensor::from_slice(&[n], &a[..n])
            }
            op => return Err(Diagnostic::error("E2014", format!("no {op} here"))),
        };
        Ok(Outcome { outputs: vec![HostValue::Tensor(output)], symbols: vec![] })
    }
}

fn t(shape: &[usize], v: &[i64]) -> HostValue {
    HostValue::Tensor(Tensor::from_slice(shape, v))
}

/// The results of a graph as shapes and elements.
fn check(text: &str, inputs: &[HostValue]) -> Result<Vec<(Vec<usize>, Vec<i64>)>, String> {
    let graph = parse_graph(text, None, None).map_err(|d| d.to_string())?;
    let results = run(&graph, &Toy, inputs).map_err(|d| format!("{}: {}", d.code, d.message))?;
    let tensor = |v: &HostValue| v.tensor().map(|t| (t.shape().to_vec(), t.to_i64().unwrap_or_default()));
    Ok(results.iter().filter_map(tensor).collect())
}

const LOOP: &str = r#"graph @g(%n: i64[] = [n], %x: i64[m]) -> (%sum, %all) {
  sym n = element(%n, 0) in -9223372036854775808..
  sym m = dim(%x, 0) in 0..=4
  sym t = result(@loop, 0) in 0..=max(0, n)
  const $limit: i64[] = [100]
  %sum, %all = Loop(%n, _, %x) : i64[m], i64[t, m] @loop {
    region (%i: i64[], %c: bool[], %v: i64[m]) -> (%go, %w, %w) {
      %w = Add(%v, %i) : i64[m] @add
      %go = Less(%w, $limit) : bool[] @less
    }
  }
}
"#;

#[test]
fn loops_carry_and_collect() {
    let x = t(&[2], &[10, 20]);
    assert_eq!(
        check(LOOP, &[t(&[], &[3]), x.clone()]),
        Ok(vec![(vec![2], vec![13, 23]), (vec![3, 2], vec![10, 20, 11, 21, 13, 23])])
    );
    assert_eq!(check(LOOP, &[t(&[], &[0]), x]), Ok(vec![(vec![2], vec![10, 20]), (vec![0, 2], vec![])]));
    // The condition ends it after the first iteration.
    let far = t(&[1], &[100]);
    assert_eq!(check(LOOP, &[t(&[], &[3]), far]), Ok(vec![(vec![1], vec![100]), (vec![1, 1], vec![100])]));
}

#[test]
fn inputs_must_fit() {
    let cases = [
        (vec![t(&[], &[1])], "E3201: 1 inputs are given"),
        (vec![t(&[], &[1]), t(&[2, 1], &[0, 0])], "E3201: i64[2, 1] where the type is i64[m]"),
        (vec![t(&[], &[1]), t(&[5], &[0; 5])], "E3201: m is 5, but its range is 0..=4"),
    ];
    for (inputs, message) in cases {
        assert_eq!(check(LOOP, &inputs), Err(message.to_string()));
    }
}

#[test]
fn branches_and_guards() {
    let text = r#"graph @g(%a: i64[n], %b: i64[m]) -> %y {
  sym n = dim(%a, 0) in 0..
  sym m = dim(%b, 0) in 0..
  guard n == m "they are added"
  %c = Less(%a, %b) : bool[] @less
  %y = If(%c) : i64[n] @if {
    region () -> %s {
      %s = Add(%a, %b) : i64[n] @add
    }
    region () -> %b {
    }
  }
}
"#;
    assert_eq!(check(text, &[t(&[1], &[1]), t(&[1], &[2])]), Ok(vec![(vec![1], vec![3])]));
    assert_eq!(check(text, &[t(&[1], &[2]), t(&[1], &[1])]), Ok(vec![(vec![1], vec![1])]));
    let unequal = check(text, &[t(&[1], &[2]), t(&[2], &[1, 1])]);
    assert_eq!(unequal, Err("E3202: n is 1 and m is 2: they are added".into()));
}

#[test]
fn guards_compare_extents_of_one_iteration() {
    let text = r#"graph @g(%n: i64[], %x: i64[4]) -> %last {
  sym p = result(@first, 0) in 0..
  sym q = result(@second, 0) in 0..
  guard p == q "they are as long"
  %last = Loop(%n, _, %x) : i64[4] @loop {
    region (%i: i64[], %c: bool[], %v: i64[4]) -> (%c, %v) {
      %a = Cut(%v, %i) : i64[p] @first
      %b = Cut(%v, BY) : i64[q] @second
    }
  }
}
"#;
    let given = [t(&[], &[3]), t(&[4], &[1, 2, 3, 4])];
    assert_eq!(check(&text.replace("BY", "%i"), &given), Ok(vec![(vec![4], vec![1, 2, 3, 4])]));
    let unequal = check(&text.replace("BY", "%n"), &given);
    assert_eq!(unequal, Err("E3202: p is 0 and q is 3: they are as long".into()));
}

#[test]
fn wrong_inference_is_found() {
    let text = r#"graph @g(%a: i64[n]) -> %y {
  sym n = dim(%a, 0) in 0..
  sym r = result(@cut, 0) in 0..=1
  const $two: i64[] = [2]
  %y = Cut(%a, $two) : i64[TYPE] @cut
}
"#;
    let a = [t(&[3], &[7, 8, 9])];
    assert_eq!(check(&text.replace("TYPE", "n - 1"), &a), Ok(vec![(vec![2], vec![7, 8])]));
    let wrong = check(&text.replace("TYPE", "n"), &a);
    assert_eq!(wrong, Err("E3203: axis 0 has extent 2, but its type says n = 3".into()));
    let beyond = check(&text.replace("TYPE", "r"), &a);
    assert_eq!(beyond, Err("E3203: r is 2, but its range is 0..=1".into()));
    let content = check(&text.replace("TYPE] @cut", "2] = [7, n] @cut"), &a);
    assert_eq!(content, Err("E3203: element 1 is 8, but inference says 3".into()));
}

#[test]
fn scans_take_slices_forwards_and_backwards() {
    let text = r#"graph @g(%s: i64[2], %x: i64[2, 3]) -> (%last, %all) {
  %last, %all = Scan(%s, %x) { num_scan_inputs: 1, scan_input_axes: [-1], scan_input_directions: [DIR], scan_output_axes: [1], scan_output_directions: [DIR] } : i64[2], i64[2, 3] @scan {
    region (%v: i64[2], %e: i64[2]) -> (%w, %w) {
      %w = Add(%v, %e) : i64[2] @add
    }
  }
}
"#;
    let inputs = [t(&[2], &[0, 0]), t(&[2, 3], &[1, 2, 3, 10, 20, 30])];
    let forwards = check(&text.replace("DIR", "0"), &inputs);
    assert_eq!(forwards, Ok(vec![(vec![2], vec![6, 60]), (vec![2, 3], vec![1, 3, 6, 10, 30, 60])]));
    let backwards = check(&text.replace("DIR", "1"), &inputs);
    assert_eq!(backwards, Ok(vec![(vec![2], vec![6, 60]), (vec![2, 3], vec![6, 5, 3, 60, 50, 30])]));
}

#[test]
fn a_loop_may_carry_a_growing_tensor() {
    let text = r#"graph @g(%n: i64[] = [n], %x: i64[m]) -> %y {
  sym n = element(%n, 0) in -9223372036854775808..
  sym m = dim(%x, 0) in 0..
  sym c = carried(%v, 0) in 0..
  sym r = result(@loop, 0) in 0..
  %y = Loop(%n, _, %x) : i64[r] @loop {
    region (%i: i64[], %c: bool[], %v: i64[c]) -> (%c, %w) {
      %w = Cut(%v, %i) : i64[i2] @cut
    }
  }
}
"#;
    // `i2` is bound at each iteration by what `Cut` gives.
    let text = text.replace("  sym r =", "  sym i2 = result(@cut, 0) in 0..\n  sym r =");
    assert_eq!(check(&text, &[t(&[], &[1]), t(&[3], &[1, 2, 3])]), Ok(vec![(vec![0], vec![])]));
    assert_eq!(check(&text, &[t(&[], &[0]), t(&[3], &[1, 2, 3])]), Ok(vec![(vec![3], vec![1, 2, 3])]));
}
