//! Products beside steps: the numbers, what is refused, and what pays.

use super::*;
use crate::testing::{Case, assert_close};

fn numbers(shape: &[usize], scale: f32) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f32> = (0..n).map(|i| ((i * 7919 + 13) % 101) as f32 * scale - 50.0 * scale).collect();
    Tensor::from_slice(shape, &v)
}

/// A layer's kind, `linear`, steps, hidden units; how many columns, and for how many rows of weights an element.
type Product = (Kind, bool, usize, usize, usize, i64);

fn layer(&(kind, flag, steps, hidden, _, _): &Product, reverse: bool, layout: bool) -> Case {
    let (gates, blocks) = (kind.gates() as usize, hidden.div_ceil(16));
    let mut shape = [steps, 1, 1, gates * hidden];
    if layout {
        shape.swap(0, 1);
    }
    let strings = |v: &[&str]| Attr::Strs(v.iter().map(|s| s.to_string()).collect());
    let none = Attr::Floats(vec![0.0; kind.activations()]);
    let direction = if reverse { "reverse" } else { "forward" };
    Case::new("onnxc.RecurrentSteps", 1)
        .input(numbers(&shape, 0.02))
        .constant(numbers(&[1, blocks, hidden, gates, 16], 0.005))
        .attr("kind", Attr::Str(kind.name().into()))
        .attr("flag", Attr::Int(flag.into()))
        .attr("layout", Attr::Int(layout.into()))
        .attr("direction", Attr::Str(direction.into()))
        .attr("activations", strings(kind.functions()))
        .attr("alpha", none.clone())
        .attr("beta", none)
}

/// The layer's outputs and the product of the first, with a bias if there are steps enough for one to matter.
fn with_product(p: &Product, case: Case) -> Case {
    let &(kind, _, steps, hidden, columns, every) = p;
    let transposed = steps % 2 == 1;
    let w = weights(p, transposed);
    let packed = Case::new("onnxc.RecurrentColumns", 1).constant(w).attr("transposed", Attr::Int(transposed.into()));
    let packed = packed.run().expect("weights").remove(0);
    let case = (2..7).fold(case, |c, _| c.absent()).constant(packed);
    let case = if hidden > 16 { case.constant(numbers(&[columns], 0.01)) } else { case };
    let case = case.attr("columns", Attr::Int(columns as i64)).attr("every", Attr::Int(every));
    case.outputs(if kind == Kind::Lstm { 4 } else { 3 })
}

fn weights(&(_, _, _, hidden, columns, _): &Product, transposed: bool) -> Tensor {
    let w = numbers(&[hidden, columns], 0.003);
    let all: Vec<f32> = w.to_vec().expect("floats");
    let turned = |i: usize| all[i % hidden * columns + i / hidden];
    if transposed { Tensor::from_slice(&[columns, hidden], &(0..all.len()).map(turned).collect::<Vec<_>>()) } else { w }
}

/// Y W + b.
fn expected(p: &Product, y: &Tensor) -> Tensor {
    let &(_, _, steps, hidden, columns, _) = p;
    let [y, w, b] = [y.clone(), weights(p, false), numbers(&[columns], 0.01)].map(|t| t.to_f64().expect("numbers"));
    let sum = |r: usize, c: usize| (0..hidden).map(|k| y[r * hidden + k] * w[k * columns + c]).sum::<f64>();
    let bias = |c: usize| if hidden > 16 { b[c] } else { 0.0 };
    let all = (0..steps * columns).map(|i| (sum(i / columns, i % columns) + bias(i % columns)) as f32);
    Tensor::from_slice(&[steps, columns], &all.collect::<Vec<_>>())
}

#[test]
fn products_beside_steps_are_those_of_all_rows() {
    let cases: [Product; 12] = [
        (Kind::Lstm, false, 1, 16, 32, 8),
        (Kind::Lstm, false, 3, 16, 40, 4),
        (Kind::Lstm, false, 8, 16, 5, 2),
        (Kind::Lstm, false, 9, 32, 33, 4),
        (Kind::Lstm, false, 16, 32, 64, 8),
        (Kind::Lstm, false, 17, 48, 100, 4),
        (Kind::Lstm, false, 64, 36, 130, 2),
        (Kind::Gru, false, 31, 48, 90, 8),
        (Kind::Gru, true, 24, 48, 96, 4),
        (Kind::Gru, true, 37, 20, 64, 4),
        (Kind::Rnn, false, 25, 32, 48, 8),
        (Kind::Rnn, false, 40, 64, 17, 2),
    ];
    for p in &cases {
        for (reverse, layout) in [(false, false), (true, false), (false, true), (true, true)] {
            let what = format!("{} {:?} {reverse} {layout}", p.0.name(), (p.1, p.2, p.3, p.4, p.5));
            let case = layer(p, reverse, layout);
            let y = case.run().unwrap_or_else(|d| panic!("{what}: {d}")).remove(0);
            let got = with_product(p, case).run().unwrap_or_else(|d| panic!("{what}: {d}"));
            assert_close(&got[0], &y, 0.0, &what);
            assert_close(&got[got.len() - 1], &expected(p, &y), 1e-5, &what);
        }
    }
}

#[test]
fn what_can_not_go_beside_steps_is_refused() {
    let error = |columns, every| {
        let p = (Kind::Lstm, false, 9, 32, columns, every);
        with_product(&p, layer(&p, false, false)).error()
    };
    assert_eq!(error(33, 3), "E2041", "no power of two");
    assert_eq!(error(33, 16), "E2041", "more than a tile has rows");
    assert_eq!(error(32 * 4 + 1, 4), "E2041", "more tiles than blocks have turns");
}

#[test]
fn products_go_beside_steps_that_wait() {
    let wide = Cores { bits: 512, registers: 32, fma: true, l2_bytes: 2 << 20, ..Cores::default() };
    let layer = |kind: &str, v, hidden, columns| {
        let attrs = Attrs::default().with("kind", Attr::Str(kind.into()));
        rows_beside(&attrs, v, hidden, columns)
    };
    let lstm = |v, hidden, columns| layer("LSTM", v, hidden, columns);
    assert_eq!([1, 2].map(|threads| layer("RNN", Cores { threads, ..wide }, 512, 512)), [Some(8), None]);
    assert_eq!(
        [256, 1024, 1025, 2048, 2049].map(|c| lstm(wide, 256, c)),
        [8, 4, 2, 2, 0].map(|r| Some(r).filter(|&r| r > 0))
    );
    assert_eq!(lstm(wide, 64, 64), None, "the first-level cache holds the weights");
    assert_eq!(lstm(wide, 512, 64), None, "the second-level cache does not");
    assert_eq!(lstm(Cores { bits: 256, registers: 16, ..wide }, 256, 64), None, "too few registers");
    assert_eq!(lstm(Cores { threads: 4, ..wide }, 256, 64), Some(8), "each thread has blocks");
    assert_eq!(lstm(Cores { threads: 8, ..wide }, 256, 64), None, "half of the threads have");
    assert_eq!(lstm(Cores { scarce: true, ..wide }, 256, 64), None);
}
