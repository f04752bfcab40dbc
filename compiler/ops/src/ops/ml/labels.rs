//! Labels of classes: a classifier finds the number of a class; its label is looked up.

use super::{INT64, emit};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The labels that a classifier lists, integers or strings.
pub(super) fn read(n: &mut NodeReader, ints: &str, strings: &str) -> Result<Tensor> {
    let (numbers, words) = (n.opt_ints(ints)?.unwrap_or_default(), n.opt_strs(strings)?.unwrap_or_default());
    if numbers.is_empty() && words.is_empty() {
        let found = format!("neither '{ints}' nor '{strings}' lists labels");
        return Err(n.error("E2012", found).help("check the exporter"));
    }
    if words.is_empty() {
        return Ok(Tensor::from_slice(&[numbers.len()], &numbers));
    }
    Ok(of_words(&words.iter().map(String::as_str).collect::<Vec<_>>()))
}

/// Labels 0 and 1 of the kind of some others.
pub(super) fn zero_and_one(like: &Tensor) -> Tensor {
    match like.dtype() {
        DType::I64 => Tensor::from_slice(&[2], &[0i64, 1]),
        _ => of_words(&["0", "1"]),
    }
}

fn of_words(words: &[&str]) -> Tensor {
    let bytes = words.iter().map(|w| w.as_bytes().to_vec()).collect();
    Tensor::from_strings(vec![words.len()], bytes).expect("as many words as the shape says")
}

/// The number of the greatest score of each row of a matrix.
pub(super) fn greatest(n: &mut NodeReader, scores: ValueId) -> Result<ValueId> {
    emit(n, "ArgMax", &[("axis", Attr::Int(1)), ("keepdims", Attr::Int(0))], &[scores])
}

/// 1 where a column of scores is greater than a threshold, else 0.
pub(super) fn above(n: &mut NodeReader, scores: ValueId, threshold: f32) -> Result<ValueId> {
    let threshold = n.constant("threshold", Tensor::scalar(threshold));
    let dtype = emit(n, "CastLike", &[], &[threshold, scores])?;
    let above = emit(n, "Greater", &[], &[scores, dtype])?;
    let above = emit(n, "Cast", &[("to", Attr::Int(INT64))], &[above])?;
    let list = n.constant("list", Tensor::from_slice(&[1], &[-1i64]));
    emit(n, "Reshape", &[], &[above, list])
}

/// The labels of classes.
pub(super) fn look_up(n: &mut NodeReader, labels: Tensor, classes: ValueId) -> Result<ValueId> {
    let labels = n.constant("labels", labels);
    emit(n, "Gather", &[], &[labels, classes])
}
