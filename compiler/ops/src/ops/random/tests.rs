//! Numbers are reproducible, and distributed as they should be.

use crate::testing::Case;
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::Attr;

/// 4000 numbers of an operator with attributes.
fn numbers(case: Case) -> Vec<f64> {
    let outputs = case.run().unwrap_or_else(|d| panic!("{d}"));
    outputs[0].to_f64().expect("numbers")
}

fn drawn(op: &str, attrs: &[(&str, f32)]) -> Vec<f64> {
    let case = Case::new(op, 22).attr("shape", Attr::Ints(vec![40, 100])).attr("seed", Attr::Float(3.0));
    numbers(attrs.iter().fold(case, |c, (n, v)| c.attr(n, Attr::Float(*v))))
}

/// Mean and variance.
fn moments(v: &[f64]) -> (f64, f64) {
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    (mean, v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n)
}

#[test]
fn uniform_numbers_fill_their_range_evenly() {
    let v = drawn("RandomUniform", &[("low", -1.0), ("high", 3.0)]);
    let (mean, variance) = moments(&v);
    assert!(v.iter().all(|x| (-1.0..3.0).contains(x)));
    assert!((mean - 1.0).abs() < 0.06 && (variance - 16.0 / 12.0).abs() < 0.06, "{mean} {variance}");
    assert_eq!(v, drawn("RandomUniform", &[("low", -1.0), ("high", 3.0)]));
    // Neighbours don't depend on each other.
    let covariance = v.windows(2).map(|p| (p[0] - mean) * (p[1] - mean)).sum::<f64>() / v.len() as f64;
    assert!(covariance.abs() < 0.06, "{covariance}");
}

#[test]
fn normal_numbers_have_their_moments() {
    let v = drawn("RandomNormal", &[("mean", 2.0), ("scale", 0.5)]);
    let (mean, variance) = moments(&v);
    assert!((mean - 2.0).abs() < 0.03 && (variance - 0.25).abs() < 0.02, "{mean} {variance}");
    let within = v.iter().filter(|x| (*x - 2.0).abs() < 0.5).count() as f64 / v.len() as f64;
    assert!((within - 0.6827).abs() < 0.03, "{within}");
}

#[test]
fn forms_like_an_input_take_its_shape_and_other_seeds_give_other_numbers() {
    let x = Tensor::from_slice(&[3, 2], &[0i32; 6]);
    let of = |op: &str, seed: f32| {
        let case = Case::new(op, 1).input(x.clone()).attr("dtype", Attr::Int(11)).attr("seed", Attr::Float(seed));
        case.run().unwrap_or_else(|d| panic!("{d}")).remove(0)
    };
    for op in ["RandomUniformLike", "RandomNormalLike"] {
        let (a, b) = (of(op, 1.0), of(op, 2.0));
        assert_eq!((a.dtype(), a.shape()), (DType::F64, &[3, 2][..]));
        assert_ne!(a.to_f64(), b.to_f64());
    }
}

#[test]
fn bernoulli_draws_with_the_probability() {
    let p: Vec<f32> = (0..3000).map(|i| (i % 3) as f32 / 2.0).collect();
    let case = Case::new("Bernoulli", 15).input(Tensor::from_slice(&[3000], &p)).attr("dtype", Attr::Int(9));
    let v = numbers(case);
    let ones = |k: usize| v.iter().skip(k).step_by(3).sum::<f64>();
    assert_eq!((ones(0), ones(2)), (0.0, 1000.0));
    assert!((ones(1) - 500.0).abs() < 60.0, "{}", ones(1));
}

#[test]
fn multinomial_draws_with_the_probabilities() {
    let logits = Tensor::from_slice(
        &[2, 3],
        &[0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln(), f32::NEG_INFINITY, 5.0, f32::NEG_INFINITY],
    );
    let v = numbers(Case::new("Multinomial", 7).input(logits).attr("sample_size", Attr::Int(2000)));
    let share =
        |row: usize, class: f64| v[row * 2000..][..2000].iter().filter(|x| **x == class).count() as f64 / 2000.0;
    for (class, p) in [(0.0, 0.5), (1.0, 0.3), (2.0, 0.2)] {
        assert!((share(0, class) - p).abs() < 0.04, "{class}: {}", share(0, class));
    }
    assert_eq!(share(1, 1.0), 1.0);
}

#[test]
fn dropout_drops_while_training_and_scales_what_is_left() {
    let x = Tensor::from_slice(&[1000], &[3.0f32; 1000]);
    let ratio = |r: f32| Tensor::from_slice(&[], &[r]);
    let run = |r: f32, training: bool| {
        let case =
            Case::new("Dropout", 13).input(x.clone()).input(ratio(r)).input(Tensor::from_bools(&[], &[training]));
        let outputs = case.outputs(2).run().unwrap_or_else(|d| panic!("{d}"));
        (outputs[0].to_f64().expect("floats"), outputs[1].to_f64().expect("bools"))
    };
    let (y, mask) = run(0.25, true);
    assert!(y.iter().zip(&mask).all(|(y, m)| *y == if *m == 1.0 { 4.0 } else { 0.0 }));
    let kept: f64 = mask.iter().sum();
    assert!((kept - 750.0).abs() < 60.0, "{kept}");
    for (r, training) in [(0.25, false), (0.0, true)] {
        let (y, mask) = run(r, training);
        assert!(y.iter().all(|y| *y == 3.0) && mask.iter().all(|m| *m == 1.0));
    }
}
