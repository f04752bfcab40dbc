//! Normalisation per channel (axis 1): BatchNormalization by given statistics, InstanceNormalization and
//! GroupNormalization by those of each sample; LRN by neighbouring channels.
//!
//! BatchNormalization: 1, 6, 7 have `spatial`; 0 means one statistic for each element of a sample. Training is
//! said by `training_mode` (14, 15) or by outputs that only training has: that is `batch_training`.
//! GroupNormalization: 18 scales by group (attribute `grouped`), 21 by channel.
//!
//! Does NOT fold into a convolution: `passes/graph/fold_batch_norm` does that.

use super::axes::Axes;
use super::batch_training;
use super::elementwise::*;
use super::moments::moments;
use crate::prelude::*;
use onnxc_ir::graph::TensorType;

/// BatchNormalization.
pub static BATCH_NORM: OpDef = OpDef {
    domain: "",
    name: "BatchNormalization",
    versions: &[
        (1, import_batch),
        (6, import_batch),
        (7, import_batch),
        (9, import_batch),
        (14, import_batch),
        (15, import_batch),
    ],
    infer: infer_batch,
    lower: Lower::Compute(lower_batch),
    extents: None,
};

/// InstanceNormalization.
pub static INSTANCE_NORM: OpDef = OpDef {
    domain: "",
    name: "InstanceNormalization",
    versions: &[(1, import_epsilon), (6, import_epsilon), (22, import_epsilon)],
    infer: |cx| infer_affine(cx, None),
    lower: Lower::Compute(lower_instance),
    extents: None,
};

/// GroupNormalization.
pub static GROUP_NORM: OpDef = OpDef {
    domain: "",
    name: "GroupNormalization",
    versions: &[(18, |n| import_group(n, 1)), (21, |n| import_group(n, 0))],
    infer: infer_group,
    lower: Lower::Compute(lower_group),
    extents: None,
};

/// LRN: x / (bias + alpha / size * sum of squares over `size` channels around) ^ beta.
pub static LRN: OpDef = OpDef {
    domain: "",
    name: "LRN",
    versions: &[(1, import_lrn), (13, import_lrn)],
    infer: |cx| image(cx).map(|x| cx.set_output(0, Type::Tensor(x))),
    lower: Lower::Compute(lower_lrn),
    extents: None,
};

fn import_epsilon(n: &mut NodeReader) -> Result<Attrs> {
    import_floats(n, &[("epsilon", 1e-5)])
}

fn import_batch(n: &mut NodeReader) -> Result<Attrs> {
    // In versions 1 and 6 `is_test` is 0 by default; only outputs beyond the first tell of training.
    n.ignore(&["is_test"]);
    let training = if n.opset >= 14 { n.int("training_mode", 0)? != 0 } else { n.output_count > 1 };
    let spatial = if n.opset < 9 { n.int("spatial", 1)? } else { 1 };
    let momentum = n.float("momentum", 0.9)?;
    let attrs = import_epsilon(n)?.with("spatial", Attr::Int(spatial));
    if !training && n.output_count == 1 {
        return Ok(attrs);
    }
    if !training || spatial == 0 {
        return Err(n
            .error("E2030", "the node has outputs for statistics of its batch, but doesn't compute those of channels")
            .expected("training_mode = 1, or one output, and spatial = 1")
            .help("export the model for inference (PyTorch: model.eval())"));
    }
    Ok(attrs.with("training", Attr::Int(1)).with("momentum", Attr::Float(momentum)))
}

fn import_group(n: &mut NodeReader, grouped: i64) -> Result<Attrs> {
    n.ignore(&["stash_type"]);
    let groups = n.need_int("num_groups")?;
    if groups < 1 {
        return Err(n.error("E2011", format!("attribute 'num_groups' is {groups}")).expected("at least 1"));
    }
    Ok(import_epsilon(n)?.with("groups", Attr::Int(groups)).with("grouped", Attr::Int(grouped)))
}

fn import_lrn(n: &mut NodeReader) -> Result<Attrs> {
    let size = n.need_int("size")?;
    if size < 1 {
        return Err(n.error("E2011", format!("attribute 'size' is {size}")).expected("at least 1"));
    }
    Ok(import_floats(n, &[("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)])?.with("size", Attr::Int(size)))
}

/// Input 0, which must have samples and channels.
fn image(cx: &InferCx) -> Result<TensorType> {
    let x = tensor(cx, 0, Class::Float)?;
    if x.rank() < 2 {
        return Err(cx.error("E2005", format!("input 0 has {} axes", x.rank())).expected("samples and channels"));
    }
    Ok(x)
}

/// Requires that input `i` has given extents.
fn must_have(cx: &mut InferCx, i: usize, shape: &[Sym]) -> Result<()> {
    let own = tensor(cx, i, Class::Float)?.shape;
    if own.len() != shape.len() {
        return Err(cx.error("E2005", format!("input {i} has {} axes", own.len())).expected(shape.len().to_string()));
    }
    for (axis, (a, b)) in own.iter().zip(shape).enumerate() {
        cx.unify(a, b, &format!("axis {axis} of input {i}"))?;
    }
    Ok(())
}

/// Output 0 is like input 0; scale and bias have one element per channel, or as many as `extent` says.
fn infer_affine(cx: &mut InferCx, extent: Option<Sym>) -> Result<()> {
    let x = image(cx)?;
    let extent = extent.unwrap_or_else(|| x.shape[1].clone());
    for i in 1..3 {
        must_have(cx, i, std::slice::from_ref(&extent))?;
    }
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

/// Statistics of a sample without channels are those of one channel.
fn infer_batch(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let per = match (x.shape.get(1), cx.attrs().int("spatial")) {
        (None, _) => vec![Sym::int(1)],
        (_, Some(0)) => x.shape[1..].to_vec(),
        (Some(c), _) => vec![c.clone()],
    };
    for i in 1..5 {
        must_have(cx, i, &per)?;
    }
    if batch_training::is_on(cx.attrs()) && x.rank() < 2 {
        return Err(cx.error("E2005", format!("input 0 has {} axes", x.rank())).expected("samples and channels"));
    }
    let statistics = cx.dtype(3)?;
    for i in 1..cx.output_count() {
        cx.set_tensor(i, statistics, per.clone());
    }
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn infer_group(cx: &mut InferCx) -> Result<()> {
    let x = image(cx)?;
    let groups = cx.attrs().int("groups").unwrap_or(1);
    if x.shape[1].as_int().is_some_and(|c| c % groups != 0) {
        let message = format!("{} channels can't be divided into {groups} groups", x.shape[1]);
        return Err(cx.error("E2005", message).expected("a multiple of num_groups"));
    }
    let whole = &x.shape[1].floordiv(&Sym::int(groups)) * groups;
    cx.unify(&x.shape[1], &whole, "channels divide into groups")?;
    let grouped = cx.attrs().int("grouped") == Some(1);
    infer_affine(cx, grouped.then(|| Sym::int(groups)))
}

fn attr(cx: &ComputeCx, name: &str, d: DType) -> Expr {
    number(d, f64::from(cx.attrs().float(name).unwrap_or(0.0)))
}

/// (x - mean) * factor + bias, with factor = scale / sqrt(variance + epsilon) for each statistic.
fn lower_batch(cx: &mut ComputeCx) -> Result<()> {
    if batch_training::is_on(cx.attrs()) {
        return batch_training::lower(cx);
    }
    let [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map(|i| Operand::new(cx, i));
    let (d, eps, per) = (x.wide(), attr(cx, "epsilon", x.wide()), cx.shape(1));
    let factor = cx.k.map("factor", d, &per, |_, c| scale.at_as(d, c) / unary(UnOp::Sqrt, variance.at_as(d, c) + eps));
    let rank = cx.shape(0).len();
    map_from(cx, d, |i| {
        let c = if rank < 2 { vec![Sym::int(0)] } else { i[1..1 + per.len()].to_vec() };
        (x.at(i) - mean.at_as(d, &c)) * load(factor, &c) + bias.at_as(d, &c)
    });
    Ok(())
}

fn lower_instance(cx: &mut ComputeCx) -> Result<()> {
    let [x, scale, bias] = [0, 1, 2].map(|i| Operand::new(cx, i));
    let (d, shape) = (x.wide(), cx.shape(0));
    let axes = Axes::range(shape.len(), 2..shape.len()).keeping(false);
    let m = moments(cx.k, d, &shape, &axes, |i| x.at(i));
    let eps = attr(cx, "epsilon", d);
    let inverse =
        cx.k.map("inverse", d, &shape[..2], |_, i| number(d, 1.0) / unary(UnOp::Sqrt, load(m.variance, i) + eps));
    map_from(cx, d, |i| {
        let (at, c) = (&i[..2], &i[1..2]);
        (x.at(i) - load(m.mean, at)) * load(inverse, at) * scale.at_as(d, c) + bias.at_as(d, c)
    });
    Ok(())
}

/// As InstanceNormalization, of x viewed with its channels split into groups and channels of a group.
fn lower_group(cx: &mut ComputeCx) -> Result<()> {
    let [x, scale, bias] = [0, 1, 2].map(|i| Operand::new(cx, i));
    let (d, shape) = (x.wide(), cx.shape(0));
    let groups = Sym::int(cx.attrs().int("groups").unwrap_or(1));
    let per_group = shape[1].floordiv(&groups);
    let split = [&[shape[0].clone(), groups.clone(), per_group.clone()], &shape[2..]].concat();
    let axes = Axes::range(split.len(), 2..split.len()).keeping(false);
    let m = moments(cx.k, d, &split, &axes, |i| x.at(&[&[i[0].clone(), &i[1] * &per_group + &i[2]], &i[3..]].concat()));
    let eps = attr(cx, "epsilon", d);
    let inverse =
        cx.k.map("inverse", d, &split[..2], |_, i| number(d, 1.0) / unary(UnOp::Sqrt, load(m.variance, i) + eps));
    let grouped = cx.attrs().int("grouped") == Some(1);
    map_from(cx, d, |i| {
        let group = if groups.is_one() { Sym::int(0) } else { i[1].floordiv(&per_group) };
        let at = [i[0].clone(), group.clone()];
        let c = [if grouped { group } else { i[1].clone() }];
        (x.at(i) - load(m.mean, &at)) * load(inverse, &at) * scale.at_as(d, &c) + bias.at_as(d, &c)
    });
    Ok(())
}

fn lower_lrn(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape) = (Operand::new(cx, 0), cx.shape(0));
    let (src, from, d) = (cx.input(0), cx.dtype(0), x.wide());
    let size = cx.attrs().int("size").unwrap_or(1);
    let sum = cx.k.reduce("square_sum", d, &shape, ReduceOp::Add, &[Sym::int(size)], None, |_, i, r| {
        let mut at = i.to_vec();
        at[1] = &i[1] + &r[0] - (size - 1) / 2;
        let v = cast(from, d, load_padded(src, &at, Scalar::from_i64(from, 0)));
        v.clone() * v
    });
    let [alpha, beta, bias] = ["alpha", "beta", "bias"].map(|a| attr(cx, a, d));
    let factor = alpha / number(d, size as f64);
    map_from(cx, d, |i| x.at(i) / binary(BinOp::Pow, bias + factor * load(sum, i), beta));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("channel_norm");
    }

    #[test]
    fn training_and_odd_groups_are_refused() {
        let x = Tensor::from_slice(&[1, 3], &[1.0f32, 2.0, 3.0]);
        let c = Tensor::from_slice(&[3], &[1.0f32, 2.0, 3.0]);
        let batch = (0..4).fold(Case::new("BatchNormalization", 15).input(x.clone()), |case, _| case.input(c.clone()));
        assert_eq!(batch.outputs(3).error(), "E2030");
        let group = Case::new("GroupNormalization", 21).input(x).input(c.clone()).input(c);
        assert_eq!(group.attr("num_groups", Attr::Int(2)).error(), "E2005");
    }
}
