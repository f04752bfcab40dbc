//! Whole modules: dims from shapes and values, outputs cut to their true extents.

use super::*;
use onnxc_base::Tensor;

/// Keeps the positive elements of x; `k` rows are reserved by `plan`, of which `m` are used.
const POSITIVE: &str = "program @positive
dim n: input from 1..=8
dim k: plan from 0..=n
dim m: run 0 from 0..=k
input \"x\": f32[n, 2]
input \"limit\": i64[]
output \"y\": f32[m, 1]
output \"sum\": f32[]
size row = 4*n
size rows = 2*row
workspace rows
entry run @positive_run
entry plan @positive_plan
export func @positive_plan(%x: const f32*, %limit: const i64*, %dims: i64*) -> i32 {
  %k = load %limit[0] : i64
  %n = load %dims[0] : i64
  %bad = cmp gt %k, %n : bool
  if %bad { return 3i32 }
  store %dims[1] = %k
  return 0i32
}
export func @positive_run(%dims: const i64*, %x: const f32*, %limit: const i64*, %y: f32*, %sum: f32*,
    %extents: i64*, %work: f32*) -> i32 {
  %n = load %dims[0] : i64
  %k = load %dims[1] : i64
  store %work[0] = 0.0
  store %extents[0] = 0
  for %i in 0..%n {
    %at = mul %i, 2 : i64
    %v = load %x[%at] : f32
    %old = load %work[0] : f32
    %new = add %old, %v : f32
    store %work[0] = %new
    %used = load %extents[0] : i64
    %more = add %used, 1 : i64
    %keep = cmp gt %v, 0.0 : bool
    %room = cmp lt %used, %k : bool
    %both = and %keep, %room : bool
    if %both {
      store %y[%used] = %v
      store %extents[0] = %more
    }
  }
  %total = load %work[0] : f32
  store %sum[0] = %total
  return 0i32
}";

fn positive() -> Program {
    let p = parse_program(POSITIVE, None).unwrap_or_else(|e| panic!("{e}"));
    verify(&p, Stage::FINAL).unwrap_or_else(|e| panic!("{e}"));
    p
}

fn outputs(x: &Tensor, limit: i64) -> Result<Vec<Tensor>, String> {
    run_module(&positive(), &[x.clone(), Tensor::scalar(limit)]).map_err(|e| e.fault.to_string())
}

#[test]
fn dims_from_shapes_values_and_the_run() {
    let x = Tensor::from_slice(&[4, 2], &[1f32, 0.0, -2.0, 0.0, 3.0, 0.0, 4.0, 0.0]);
    for (limit, want) in [(4, &[1f32, 3.0, 4.0][..]), (2, &[1.0, 3.0]), (0, &[])] {
        let y = Tensor::from_slice(&[want.len(), 1], want);
        assert_eq!(outputs(&x, limit), Ok(vec![y, Tensor::scalar(6f32)]));
    }
}

#[test]
fn wrong_inputs_are_refused() {
    let f = |shape: &[usize]| Tensor::zeros(DType::F32, shape).expect("small");
    let refused = |x: &Tensor, text: &str| assert_eq!(outputs(x, 1).expect_err(text), text);
    refused(&f(&[4, 3]), "input 'x', dim 1: 3 given, 2 expected");
    refused(&f(&[9, 2]), "'n' is 9, allowed: 1 to 8");
    refused(&f(&[4]), "input 'x' has rank 1, expected 2");
    refused(&Tensor::from_slice(&[1, 2], &[1i32, 2]), "input 'x' has elements of i32, expected f32");
    assert_eq!(outputs(&f(&[4, 2]), 5), Err("status 3".into()));
    assert_eq!(
        run_module(&positive(), &[]).map_err(|e| e.fault),
        Err(Fault::Arguments("0 inputs given, 2 expected".into()))
    );
}

#[test]
fn dims_are_solved_from_linear_extents() {
    let text = "dim h: input from 1..\ndim w: input from 1..\ninput \"a\": f32[2*h + 1]\ninput \"b\": f32[w - h]";
    let p = parse_program(text, None).unwrap_or_else(|e| panic!("{e}"));
    let zeros = |n: usize| Tensor::zeros(DType::F32, &[n]).expect("small");
    assert_eq!(infer_dims(&p.interface, &[zeros(7), zeros(2)]), Ok(vec![3, 5]));
    assert_eq!(
        infer_dims(&p.interface, &[zeros(8), zeros(2)]),
        Err("input 'a', dim 0: 8 given, 7 (2*h + 1) expected".into())
    );
}
