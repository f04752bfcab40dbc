//! LinearClassifier, LinearRegressor: a matrix of coefficients, offsets, and what is made of the scores.
//!
//! Missing intercepts are 0. `multi_class` has no effect, in ONNX Runtime either.
//! A class is chosen by the scores before they are transformed: the greatest, or, of one column, whether it is above 0.

use super::post::{self, Second};
use super::{DOMAIN, affine, labels, must_have, rows};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// LinearClassifier.
pub static CLASSIFIER: OpDef = OpDef::composed(DOMAIN, "LinearClassifier", &[(1, import_classifier)]);

/// LinearRegressor.
pub static REGRESSOR: OpDef = OpDef::composed(DOMAIN, "LinearRegressor", &[(1, import_regressor)]);

/// The scores of `targets` rows of coefficients.
fn scores(n: &mut NodeReader, coefficients: &[f32], intercepts: Option<Vec<f32>>, targets: usize) -> Result<ValueId> {
    let mut width = coefficients.len() / targets.max(1);
    let mut coefficients = coefficients;
    // Converters wrote more rows than there are classes; ONNX Runtime reads the first ones.
    if let Some(columns) = columns(n).filter(|c| (1..width).contains(c)) {
        width = columns;
        coefficients = &coefficients[..columns * targets];
    }
    must_have(n, "coefficients", coefficients.len(), width.max(1) * targets.max(1))?;
    let intercepts = intercepts.unwrap_or_else(|| vec![0.0; targets]);
    must_have(n, "intercepts", intercepts.len(), targets)?;
    let x = rows(n, width)?;
    affine(n, x, coefficients, width, &intercepts)
}

/// How many columns the model declares for the input.
fn columns(n: &NodeReader) -> Option<usize> {
    let t = n.graph.tensor_type(n.inputs.first().copied().flatten()?)?;
    usize::try_from(t.shape.last()?.as_int()?).ok()
}

fn coefficients(n: &mut NodeReader) -> Result<Vec<f32>> {
    let found = n.opt_floats("coefficients")?.filter(|c| !c.is_empty());
    found.ok_or_else(|| n.error("E2012", "attribute 'coefficients' is missing").help("check the exporter"))
}

fn import_regressor(n: &mut NodeReader) -> Result<Attrs> {
    let targets = n.int("targets", 1)?;
    let word = n.choice("post_transform", &post::WORDS)?;
    let (coefficients, intercepts) = (coefficients(n)?, n.opt_floats("intercepts")?.filter(|v| !v.is_empty()));
    let columns = usize::try_from(targets).ok().filter(|t| (1..=coefficients.len()).contains(t));
    let columns =
        columns.ok_or_else(|| n.error("E2011", format!("attribute 'targets' is {targets}")).expected("1 or more"))?;
    let scores = scores(n, &coefficients, intercepts, columns)?;
    let y = post::transform(n, scores, columns, &word, Second::None)?;
    n.become_values(vec![y])
}

fn import_classifier(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["multi_class"]);
    let word = n.choice("post_transform", &post::WORDS)?;
    let labels = labels::read(n, "classlabels_ints", "classlabels_strings")?;
    let (coefficients, intercepts) = (coefficients(n)?, n.opt_floats("intercepts")?.filter(|v| !v.is_empty()));
    let columns = intercepts.as_ref().map_or(labels.len(), Vec::len);
    let scores = scores(n, &coefficients, intercepts, columns)?;
    let (class, names) = match columns {
        1 => (
            labels::above(n, scores, 0.0)?,
            if labels.len() == 2 { labels.clone() } else { labels::zero_and_one(&labels) },
        ),
        _ => (labels::greatest(n, scores)?, labels.clone()),
    };
    let y = labels::look_up(n, names, class)?;
    let second = if labels.len() == 2 { Second::Complement } else { Second::None };
    let z = post::transform(n, scores, columns, &word, second)?;
    n.become_values(vec![y, z])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("ml_linear");
    }
}
