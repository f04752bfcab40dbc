//! SVMClassifier, SVMRegressor: kernels between rows and support vectors, sums of them, and what is made of the sums.
//!
//! Without support vectors the coefficients are a linear model. A classifier asks each pair of classes: scores [rows,
//! pairs], and a vote each. With `prob_a` and `prob_b` the pairs' probabilities become the classes' (`svm_probability`).
//! Of two classes in a linear model, the second is chosen by its best score, as in ONNX Runtime: from 0.5 on if no
//! coefficient is negative, else above 0.
//!
//! Does NOT compute kernels and probabilities itself: they are nodes (see `svm_parts`).

use super::post::{self, Second};
use super::{DOMAIN, FLOAT, INT64, affine, emit, floats, inner, labels, must_have, rows};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// SVMClassifier.
pub static CLASSIFIER: OpDef = OpDef::composed(DOMAIN, "SVMClassifier", &[(1, import_classifier)]);

/// SVMRegressor.
pub static REGRESSOR: OpDef = OpDef::composed(DOMAIN, "SVMRegressor", &[(1, import_regressor)]);

/// A kernel function and its parameters.
struct Kernel {
    word: String,
    /// gamma, coef0, degree.
    params: [f32; 3],
}

fn kernel(n: &mut NodeReader) -> Result<Kernel> {
    let word = n.choice("kernel_type", &["LINEAR", "POLY", "RBF", "SIGMOID"])?;
    let params = n.opt_floats("kernel_params")?.unwrap_or_default();
    let param = |i: usize| params.get(i).copied().unwrap_or(0.0);
    Ok(Kernel { word, params: [param(0), param(1), param(2)] })
}

impl Kernel {
    /// The kernel of each row and each of `count` support vectors.
    fn emit(&self, n: &mut NodeReader, vectors: &[f32], count: usize) -> Result<ValueId> {
        let width = vectors.len() / count.max(1);
        must_have(n, "support_vectors", vectors.len(), width.max(1) * count)?;
        let x = rows(n, width)?;
        let [gamma, offset, degree] = self.params;
        if self.word == "RBF" {
            let vectors = floats(n, "vectors", &[count, width], vectors);
            let gamma = [("gamma", Attr::Float(gamma))];
            return Ok(n.emit(inner("RadialBasis"), &gamma, &[Some(x), Some(vectors)], 1)?[0]);
        }
        let dots = affine(n, x, vectors, width, &vec![0.0; count])?;
        if self.word == "LINEAR" {
            return Ok(dots);
        }
        let [gamma, offset, degree] = [gamma, offset, degree].map(|v| n.constant("parameter", Tensor::scalar(v)));
        let scaled = emit(n, "Mul", &[], &[dots, gamma])?;
        let moved = emit(n, "Add", &[], &[scaled, offset])?;
        if self.word == "SIGMOID" { emit(n, "Tanh", &[], &[moved]) } else { emit(n, "Pow", &[], &[moved, degree]) }
    }
}

/// A list of floats that must be there.
fn need_floats(n: &mut NodeReader, name: &str) -> Result<Vec<f32>> {
    let found = n.opt_floats(name)?.filter(|v| !v.is_empty());
    found.ok_or_else(|| n.error("E2012", format!("attribute '{name}' is missing")).help("check the exporter"))
}

fn import_regressor(n: &mut NodeReader) -> Result<Attrs> {
    let word = n.choice("post_transform", &post::WORDS)?;
    let (kernel, coefficients, rho) = (kernel(n)?, need_floats(n, "coefficients")?, need_floats(n, "rho")?);
    let vectors = n.opt_floats("support_vectors")?.unwrap_or_default();
    let count = usize::try_from(n.int("n_supports", 0)?).unwrap_or(0);
    let one_class = n.int("one_class", 0)? != 0;
    let scores = if count > 0 {
        must_have(n, "coefficients", coefficients.len(), count)?;
        let kernels = kernel.emit(n, &vectors, count)?;
        affine(n, kernels, &coefficients, count, &rho[..1])?
    } else {
        let x = rows(n, coefficients.len())?;
        affine(n, x, &coefficients, coefficients.len(), &rho[..1])?
    };
    let y = if one_class {
        let [zero, one, minus] = [0.0f32, 1.0, -1.0].map(|v| n.constant("sign", Tensor::scalar(v)));
        let above = emit(n, "Greater", &[], &[scores, zero])?;
        emit(n, "Where", &[], &[above, one, minus])?
    } else {
        post::transform(n, scores, 1, &word, Second::None)?
    };
    n.become_values(vec![y])
}

/// A classifier's attributes.
struct Classifier {
    word: String,
    labels: Tensor,
    kernel: Kernel,
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    vectors: Vec<f32>,
    per_class: Vec<usize>,
    probability: Option<[Vec<f32>; 2]>,
}

fn read(n: &mut NodeReader) -> Result<Classifier> {
    let word = n.choice("post_transform", &post::WORDS)?;
    let labels = labels::read(n, "classlabels_ints", "classlabels_strings")?;
    let per_class = n.opt_ints("vectors_per_class")?.unwrap_or_default();
    let per_class = per_class.iter().map(|v| usize::try_from(*v).unwrap_or(0)).collect();
    let (a, b) = (n.opt_floats("prob_a")?.unwrap_or_default(), n.opt_floats("prob_b")?.unwrap_or_default());
    must_have(n, "prob_b", b.len(), a.len())?;
    Ok(Classifier {
        word,
        labels,
        kernel: kernel(n)?,
        coefficients: need_floats(n, "coefficients")?,
        rho: need_floats(n, "rho")?,
        vectors: n.opt_floats("support_vectors")?.unwrap_or_default(),
        per_class,
        probability: Some([a, b]).filter(|[a, _]| !a.is_empty()),
    })
}

fn import_classifier(n: &mut NodeReader) -> Result<Attrs> {
    let c = read(n)?;
    if c.per_class.iter().sum::<usize>() > 0 { pairwise(n, &c) } else { linear(n, &c) }
}

/// One score for each class.
fn linear(n: &mut NodeReader, c: &Classifier) -> Result<Attrs> {
    let count = c.labels.len();
    let width = c.coefficients.len() / count;
    must_have(n, "coefficients", c.coefficients.len(), width.max(1) * count)?;
    let x = rows(n, width)?;
    let scores = affine(n, x, &c.coefficients, width, &vec![c.rho[0]; count])?;
    let mut class = labels::greatest(n, scores)?;
    if count == 2 {
        let positive = c.coefficients.iter().all(|v| *v >= 0.0);
        let axis = n.constant("axis", Tensor::from_slice(&[1], &[1i64]));
        let best = emit(n, "ReduceMax", &[("keepdims", Attr::Int(0))], &[scores, axis])?;
        let limit = n.constant("limit", Tensor::scalar(if positive { 0.5f32 } else { 0.0 }));
        let sure = emit(n, if positive { "GreaterOrEqual" } else { "Greater" }, &[], &[best, limit])?;
        let second = n.constant("second", Tensor::scalar(1i64));
        class = emit(n, "Where", &[], &[sure, second, class])?;
    }
    let y = labels::look_up(n, c.labels.clone(), class)?;
    let z = post::transform(n, scores, count, &c.word, Second::None)?;
    n.become_values(vec![y, z])
}

/// One score for each pair of classes.
fn pairwise(n: &mut NodeReader, c: &Classifier) -> Result<Attrs> {
    let (classes, vectors) = (c.labels.len(), c.per_class.iter().sum::<usize>());
    must_have(n, "vectors_per_class", c.per_class.len(), classes)?;
    let pairs: Vec<(usize, usize)> = (0..classes).flat_map(|i| (i + 1..classes).map(move |j| (i, j))).collect();
    must_have(n, "coefficients", c.coefficients.len(), (classes - 1) * vectors)?;
    must_have(n, "rho", c.rho.len(), pairs.len())?;
    let kernels = c.kernel.emit(n, &c.vectors, vectors)?;
    let scores = affine(n, kernels, &pair_weights(c, &pairs, vectors), vectors, &c.rho)?;
    let class = most_votes(n, scores, &pairs, classes)?;
    let y = labels::look_up(n, c.labels.clone(), class)?;
    let z = match &c.probability {
        Some([a, b]) => {
            must_have(n, "prob_a", a.len(), pairs.len())?;
            let (a, b) = (floats(n, "prob_a", &[a.len()], a), floats(n, "prob_b", &[b.len()], b));
            let classes_attr = [("classes", Attr::Int(classes as i64))];
            let inputs = [Some(scores), Some(a), Some(b)];
            let p = n.emit(inner("PairProbability"), &classes_attr, &inputs, 1)?[0];
            post::transform(n, p, classes, &c.word, Second::None)?
        }
        None => {
            let second = if c.word == "NONE" { Second::Negative } else { Second::Complement };
            post::transform(n, scores, pairs.len(), &c.word, second)?
        }
    };
    n.become_values(vec![y, z])
}

/// The coefficients as a matrix [pairs, support vectors]: a pair has those of its two classes' vectors.
fn pair_weights(c: &Classifier, pairs: &[(usize, usize)], vectors: usize) -> Vec<f32> {
    let start = |class: usize| c.per_class[..class].iter().sum::<usize>();
    let mut weights = vec![0.0; pairs.len() * vectors];
    for (p, &(i, j)) in pairs.iter().enumerate() {
        // Row r of the coefficients is for the other class: a class has no row for itself.
        for (own, row) in [(i, j - 1), (j, i)] {
            for s in start(own)..start(own) + c.per_class[own] {
                weights[p * vectors + s] = c.coefficients[row * vectors + s];
            }
        }
    }
    weights
}

/// The class with the most votes of its pairs: a score above 0 is a vote for the pair's first.
fn most_votes(n: &mut NodeReader, scores: ValueId, pairs: &[(usize, usize)], classes: usize) -> Result<ValueId> {
    let zero = n.constant("zero", Tensor::scalar(0f32));
    let first = emit(n, "Greater", &[], &[scores, zero])?;
    let first = emit(n, "Cast", &[("to", Attr::Int(FLOAT))], &[first])?;
    // Votes are counted by a product: what the first wins, the second loses.
    let mut matrix = vec![0f32; classes * pairs.len()];
    let mut seconds = vec![0f32; classes];
    for (p, &(i, j)) in pairs.iter().enumerate() {
        matrix[i * pairs.len() + p] = 1.0;
        matrix[j * pairs.len() + p] = -1.0;
        seconds[j] += 1.0;
    }
    let votes = affine(n, first, &matrix, pairs.len(), &seconds)?;
    let class = labels::greatest(n, votes)?;
    emit(n, "Cast", &[("to", Attr::Int(INT64))], &[class])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("ml_svm");
    }
}
