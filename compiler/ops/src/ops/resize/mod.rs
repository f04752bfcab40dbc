//! Resize and its predecessor Upsample: every output element is a weighted sum of input elements around a position.
//!
//! Upsample: since 1 (`height_scale`, `width_scale`, mode "bilinear"), 7 (`scales` is an attribute), 9 and 10 (an input).
//! Resize: since 10 (inputs X, scales), 11 (inputs X, roi, scales, sizes; the transformations), 13 (bf16), 18
//! (`antialias`, `axes`, `keep_aspect_ratio_policy`), 19 ("half_pixel_symmetric").
//!
//! From here down there is the form of 19: inputs X, roi, scales, sizes, each of the latter absent if empty. What came
//! before 11 is `asymmetric` with the rounding "simple": downwards, but upwards along an axis that shrinks (that is what
//! ONNX Runtime does; the standard leaves it open).
//!
//! Where the standard's text, its reference evaluator and ONNX Runtime differ: the length of the output that
//! `align_corners` and the like divide by is the fractional one (scale times length), as in the reference and its test
//! data; `scales` give extents by floor in f32, regardless of `roi`, as in all implementations.
//!
//! - `plan`: by how much each axis is resized. - `infer`: extents. - `coords`: positions and weights. - `lower`: the sums.
//!
//! Does NOT resize the first two axes of a tensor of rank 4 or more by interpolation where the factors are data and there
//! is no `axes`: they are batch and channels; a run that asks for another factor than 1 ends with status 2 (ONNX Runtime
//! refuses it, too).

mod coords;
mod infer;
mod lower;
mod plan;

use crate::prelude::*;

/// Resize.
pub static RESIZE: OpDef = OpDef {
    domain: "",
    name: "Resize",
    versions: &[(10, import_10), (11, import), (13, import), (18, import), (19, import)],
    infer: infer::infer,
    lower: Lower::Compute(lower::lower),
    extents: Some(infer::extents),
};

/// Upsample.
pub static UPSAMPLE: OpDef = OpDef {
    domain: "",
    name: "Upsample",
    versions: &[(1, import_upsample_1), (7, import_upsample_7), (9, import_10), (10, import_10)],
    infer: infer::infer,
    lower: Lower::Compute(lower::lower),
    extents: Some(infer::extents),
};

const COORDS: &[&str] = &[
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
];
const ROUNDING: &[&str] = &["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default()
        .with("mode", Attr::Str(n.choice("mode", &["nearest", "linear", "cubic"])?))
        .with("coords", Attr::Str(n.choice("coordinate_transformation_mode", COORDS)?))
        .with("rounding", Attr::Str(n.choice("nearest_mode", ROUNDING)?))
        .with("policy", Attr::Str(n.choice("keep_aspect_ratio_policy", &["stretch", "not_larger", "not_smaller"])?))
        .with("cubic_coeff_a", Attr::Float(n.float("cubic_coeff_a", -0.75)?))
        .with("extrapolation_value", Attr::Float(n.float("extrapolation_value", 0.0)?));
    for flag in ["exclude_outside", "antialias"] {
        attrs.set(flag, Attr::Int(i64::from(n.int(flag, 0)? != 0)));
    }
    if let Some(axes) = n.opt_ints("axes")? {
        attrs.set("axes", Attr::Ints(axes));
    }
    for i in 1..4 {
        drop_empty(n, i);
    }
    Ok(attrs)
}

/// Leaves out an optional input that has no elements: that is how exporters spell its absence.
fn drop_empty(n: &mut NodeReader, i: usize) {
    let Some(v) = n.inputs.get(i).copied().flatten() else { return };
    if n.graph.tensor_type(v).is_some_and(|t| t.rank() > 0 && t.shape.iter().any(Sym::is_zero)) {
        n.inputs[i] = None;
    }
}

/// The form before 11, with the scales where they are from 11 on.
fn before_11(n: &mut NodeReader) -> Result<Attrs> {
    let mode = match n.choice("mode", &["nearest", "linear", "bilinear", "cubic"])?.as_str() {
        "bilinear" => "linear".to_string(),
        other => other.to_string(),
    };
    let word = |s: &str| Attr::Str(s.into());
    Ok(Attrs::default()
        .with("mode", Attr::Str(mode))
        .with("coords", word("asymmetric"))
        .with("rounding", word("simple"))
        .with("policy", word("stretch")))
}

fn import_10(n: &mut NodeReader) -> Result<Attrs> {
    if n.inputs.len() > 2 {
        return Err(n.error("E2043", format!("{} inputs", n.inputs.len())).expected("2: X and scales"));
    }
    n.inputs.resize(2, None);
    let scales = n.inputs.pop().flatten();
    n.inputs.extend([None, scales]);
    before_11(n)
}

fn import_upsample_7(n: &mut NodeReader) -> Result<Attrs> {
    let scales = n.opt_floats("scales")?.unwrap_or_default();
    set_scales(n, &scales);
    before_11(n)
}

fn import_upsample_1(n: &mut NodeReader) -> Result<Attrs> {
    let factors = [n.opt_float("height_scale")?, n.opt_float("width_scale")?];
    let [Some(h), Some(w)] = factors else {
        return Err(n
            .error("E2012", "attribute 'height_scale' or 'width_scale' is missing")
            .help("the operator needs them; check the exporter"));
    };
    set_scales(n, &[1.0, 1.0, h, w]);
    before_11(n)
}

fn set_scales(n: &mut NodeReader, scales: &[f32]) {
    n.inputs.truncate(1);
    n.set_input(2, "scales", Tensor::from_slice(&[scales.len()], scales));
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::testing::Case;

    #[test]
    fn stored() {
        crate::testing::check_stored("resize");
    }

    fn floats(v: &[f32]) -> Tensor {
        Tensor::from_slice(&[v.len()], v)
    }

    fn resize() -> Case {
        Case::new("Resize", 19).input(Tensor::from_slice(&[1, 1, 2, 2], &[1f32, 2.0, 3.0, 4.0])).absent()
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let ints = |v: &[i64]| Attr::Ints(v.to_vec());
        let word = |s: &str| Attr::Str(s.into());
        assert_eq!(resize().error(), "E2043", "neither scales nor sizes");
        let sizes = Tensor::from_slice(&[4], &[1i64, 1, 4, 4]);
        assert_eq!(resize().constant(floats(&[1.0; 4])).constant(sizes).error(), "E2043", "both");
        assert_eq!(resize().constant(floats(&[1.0; 3])).error(), "E2043", "three scales for four axes");
        assert_eq!(resize().constant(floats(&[1.0, 1.0, 0.0, 1.0])).error(), "E2043", "a scale of 0");
        assert_eq!(resize().constant(floats(&[1.0, 2.0])).attr("axes", ints(&[2, 2])).error(), "E2004", "repeated");
        assert_eq!(resize().constant(floats(&[1.0])).attr("axes", ints(&[4])).error(), "E2004");
        assert_eq!(resize().constant(floats(&[1.0; 4])).attr("mode", word("area")).error(), "E2011");
        let crop = resize().constant(floats(&[1.0; 4]));
        assert_eq!(crop.attr("coordinate_transformation_mode", word("tf_crop_and_resize")).error(), "E2043", "no roi");
        let negative = Tensor::from_slice(&[4], &[1i64, 1, -4, 4]);
        assert_eq!(resize().absent().constant(negative).error(), "E2042");
    }

    #[test]
    fn batch_and_channels_are_not_interpolated_by_data() {
        let cubic = |scales: &[f32]| resize().input(floats(scales)).attr("mode", Attr::Str("cubic".into()));
        assert_eq!(cubic(&[1.0, 2.0, 1.0, 1.0]).error(), "E6000", "a status of the run");
        assert_eq!(cubic(&[1.0, 1.0, 2.0, 1.0]).run().expect("spatial axes").first().map(|t| t.len()), Some(8));
    }
}
