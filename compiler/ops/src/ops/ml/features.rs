//! ArrayFeatureExtractor: chosen features, the last axis; FeatureVectorizer: features of several inputs side by side.
//!
//! A list of features is one row, and so it leaves as one: rank 2.
//! FeatureVectorizer gives f32, and each input as many columns as `inputdimensions` says: cut, or filled up with 0.

use super::super::elementwise::{Class, tensor};
use super::super::movement::*;
use super::DOMAIN;
use crate::prelude::*;

/// ArrayFeatureExtractor.
pub static EXTRACTOR: OpDef = OpDef {
    domain: DOMAIN,
    name: "ArrayFeatureExtractor",
    versions: &[(1, none)],
    infer: infer_extractor,
    lower: Lower::Compute(lower_extractor),
    extents: None,
};

/// FeatureVectorizer.
pub static VECTORIZER: OpDef = OpDef {
    domain: DOMAIN,
    name: "FeatureVectorizer",
    versions: &[(1, import_vectorizer)],
    infer: infer_vectorizer,
    lower: Lower::Compute(lower_vectorizer),
    extents: None,
};

fn infer_extractor(cx: &mut InferCx) -> Result<()> {
    let (x, at) = (any(cx, 0)?, tensor(cx, 1, Class::Int)?);
    if x.rank() == 0 {
        return Err(cx.error("E2041", "input 0 is a scalar").expected("a list of features, or rows of them"));
    }
    let mut shape = if x.rank() == 1 { vec![Sym::int(1)] } else { x.shape[..x.rank() - 1].to_vec() };
    shape.push(product(&at.shape));
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn lower_extractor(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape, at, picks) = (cx.input(0), cx.shape(0), cx.input(1), cx.shape(1));
    let (dtype, extent) = (cx.dtype(1), shape[shape.len() - 1].clone());
    let pick = |i: &[Sym]| cast(dtype, DType::I64, load(at, i));
    cx.k.check(&picks, OUT_OF_RANGE, |_, i| {
        let low = compare(CmpOp::Ge, pick(i), int(0));
        binary(BinOp::And, low, compare(CmpOp::Lt, pick(i), int(extent.clone())))
    });
    let zero = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| {
        let (rows, column) = i.split_at(i.len() - 1);
        let outer = if shape.len() == 1 { &[] } else { rows };
        let index = outer.iter().cloned().map(int).chain([pick(&position(&column[0], &picks))]).collect();
        load_at(x, index, Some(zero))
    });
    Ok(())
}

/// The index of the element at a row-major position.
fn position(at: &Sym, shape: &[Sym]) -> Vec<Sym> {
    let inner = |a: usize| product(&shape[a + 1..]);
    (0..shape.len())
        .map(|a| if a == 0 { at.floordiv(&inner(a)) } else { at.floordiv(&inner(a)).modulo(&shape[a]) })
        .collect()
}

fn import_vectorizer(n: &mut NodeReader) -> Result<Attrs> {
    let widths = n.opt_ints("inputdimensions")?.unwrap_or_default();
    super::must_have(n, "inputdimensions", widths.len(), n.inputs.len())?;
    if widths.iter().any(|w| *w < 0) {
        return Err(n
            .error("E2011", format!("attribute 'inputdimensions' is {widths:?}"))
            .expected("numbers of at least 0"));
    }
    Ok(Attrs::default().with("widths", Attr::Ints(widths)))
}

fn infer_vectorizer(cx: &mut InferCx) -> Result<()> {
    let mut rows: Option<Sym> = None;
    for i in 0..cx.input_count() {
        let x = tensor(cx, i, Class::Number)?;
        let own = match x.rank() {
            1 => Sym::int(1),
            2 => x.shape[0].clone(),
            r => return Err(cx.error("E2041", format!("input {i} has rank {r}")).expected("1 or 2")),
        };
        rows = Some(match rows {
            Some(r) => cx.unify(&r, &own, "as many rows in each input")?,
            None => own,
        });
    }
    let width = cx.attrs().ints("widths").unwrap_or_default().iter().fold(Sym::int(0), |s, w| s + Sym::int(*w));
    cx.set_tensor(0, DType::F32, vec![rows.unwrap_or(Sym::int(0)), width]);
    Ok(())
}

fn lower_vectorizer(cx: &mut ComputeCx) -> Result<()> {
    let widths = cx.attrs().ints("widths").unwrap_or_default();
    let inputs: Vec<_> = (0..cx.input_count()).map(|i| (cx.input(i), cx.dtype(i), cx.shape(i).len())).collect();
    cx.map_output(|_, i| {
        let mut end: i64 = widths.iter().sum();
        let mut value = None;
        // From the last input to the first: what lies before an input's end and in no earlier one is its own.
        for (&(x, dtype, rank), width) in inputs.iter().zip(widths).rev() {
            let column = &i[1] - Sym::int(end - width);
            let index = if rank == 1 { vec![column] } else { vec![i[0].clone(), column] };
            let own = cast(dtype, DType::F32, load_padded(x, &index, Scalar::from_i64(dtype, 0)));
            let inside = compare(CmpOp::Lt, int(i[1].clone()), int(end));
            value = Some(value.map_or(own.clone(), |later| select(inside, own, later)));
            end -= width;
        }
        value.unwrap_or(number(DType::F32, 0.0))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("ml_features");
    }

    #[test]
    fn features_must_be_there() {
        let x = Tensor::from_slice(&[1, 2], &[1f32, 2.0]);
        for i in [2i64, -1] {
            let case = Case::new("ai.onnx.ml.ArrayFeatureExtractor", 1).input(x.clone());
            assert_eq!(case.input(Tensor::from_slice(&[1], &[i])).error(), "E6000");
        }
    }
}
