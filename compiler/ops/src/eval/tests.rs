//! Whole graphs through inference and the graph's interpreter, with this evaluator.

mod models;

use super::Evaluator;
use crate::custom::{CFunction, CustomBody, CustomOp};
use crate::infer::infer_graph;
use crate::prelude::*;
use crate::registry::Registry;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::{Graph, OpName, parse_graph, verify, verify::Stage};
use std::sync::Arc;

/// `my.Twice`, a formula of the user.
struct Twice;

impl CustomOp for Twice {
    fn op_name(&self) -> OpName {
        OpName { domain: "my".into(), name: "Twice".into() }
    }
    fn body(&self) -> CustomBody<'_> {
        CustomBody::Compute(&|cx: &mut ComputeCx| {
            let x = cx.input(0);
            cx.map_output(|_, i| load(x, i) + load(x, i));
            Ok(())
        })
    }
}

fn registry() -> Registry {
    let mut r = Registry::new();
    r.add(Arc::new(Twice));
    let name = OpName { domain: "my".into(), name: "InC".into() };
    r.add(Arc::new(CFunction { name, symbol: "in_c".into() }));
    r
}

/// A graph whose node outputs are untyped in the text, inferred.
fn graph(text: &str) -> Graph {
    let mut g = parse_graph(text, None, None).expect("well-formed");
    assert_eq!(infer_graph(&mut g, &registry()).to_string(), "");
    assert_eq!(verify(&g, Stage::Typed), Ok(()));
    g
}

fn results(g: &Graph, inputs: &[Tensor]) -> std::result::Result<Vec<Tensor>, String> {
    let inputs: Vec<HostValue> = inputs.iter().cloned().map(HostValue::Tensor).collect();
    let results = run(g, &Evaluator::new(&registry()), &inputs).map_err(|d| format!("{}: {}", d.code, d.message))?;
    Ok(results.iter().filter_map(|v| v.tensor().cloned()).collect())
}

const NET: &str = r#"graph @net(%x: f32[n, 2]) -> (%y, %sum) {
  sym n = dim(%x, 0) in 0..
  const $w: f32[2] = [1.0, -1.0]
  const $axis: i64[] = [0]
  %scaled = Mul(%x, $w) : ? @mul
  %same = Identity(%scaled) : ? @identity
  %twice = my.Twice(%same) : ? @twice
  %y = Relu(%twice) : ? @relu
  %sum = CumSum(%y, $axis) { exclusive: 0, reverse: 0 } : ? @sum
}
"#;

#[test]
fn formulas_aliases_routines_and_custom_operators_run() {
    let g = graph(NET);
    let x = Tensor::from_slice(&[3, 2], &[1.0f32, 2.0, -3.0, -4.0, 5.0, -6.0]);
    let y = Tensor::from_slice(&[3, 2], &[2.0f32, 0.0, 0.0, 8.0, 10.0, 12.0]);
    let sum = Tensor::from_slice(&[3, 2], &[2.0f32, 0.0, 2.0, 8.0, 12.0, 20.0]);
    assert_eq!(results(&g, &[x]), Ok(vec![y, sum]));
    let none = Tensor::from_slice::<f32>(&[0, 2], &[]);
    assert_eq!(results(&g, std::slice::from_ref(&none)), Ok(vec![none.clone(), none]));
    let wrong = results(&g, &[Tensor::from_slice(&[1, 3], &[0.0f32; 3])]);
    assert_eq!(wrong, Err("E3201: axis 1 has extent 3, but its type says 2 = 2".into()));
}

#[test]
fn what_cannot_be_evaluated_says_so() {
    let text = r#"graph @g(%x: f32[2]) -> %y {
  %y = my.InC(%x) : ? @c
}
"#;
    let result = results(&graph(text), &[Tensor::from_slice(&[2], &[0.0f32; 2])]);
    assert_eq!(result, Err("E3301: the C function 'in_c' can't be called by the compiler".into()));
}

#[test]
fn nodes_of_constants_fold() {
    let g = graph(
        r#"graph @g(%x: f32[2]) -> (%a, %b, %c) {
  const $u: f32[2] = [1.0, 2.0]
  const $axis: i64[] = [0]
  %a = Add($u, $u) : ? @add
  %b = CumSum($u, $axis) { exclusive: 0, reverse: 1 } : ? @sum
  %c = Add(%x, $u) : ? @not_constant
}
"#,
    );
    // Inference folds small ones.
    let folded: Vec<Option<&Tensor>> = g.body.results.iter().map(|&v| g.constant(v)).collect();
    let (sum, running) = (Tensor::from_slice(&[2], &[2.0f32, 4.0]), Tensor::from_slice(&[2], &[3.0f32, 2.0]));
    assert_eq!(folded, [Some(&sum), Some(&running), None]);
    let registry = registry();
    assert_eq!(Evaluator::new(&registry).fold(&g, g.body.nodes[0]), None);
}
