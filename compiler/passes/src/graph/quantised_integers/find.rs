//! Reading what is quantised, and how: scales, zero points, integer weights, biases.

use super::super::patterns::{input, made_by};
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::{Graph, Node, ValueId};
use onnxc_ir::scalar::Scalar;

/// Integers that stand for numbers: (q - zero) * scale.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantised {
    /// The integers.
    pub(super) value: ValueId,
    /// Step.
    pub(super) scale: f64,
    /// The integer that stands for 0.
    pub(super) zero: i64,
    /// i8 or u8.
    pub(super) dtype: DType,
}

/// What integers are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) scale: f64,
    pub(super) zero: i64,
    pub(super) dtype: DType,
    /// The least and the greatest integer to come out.
    pub(super) low: i64,
    pub(super) top: i64,
}

/// Constant weights, less their zero points.
#[derive(Clone, Debug)]
pub(super) struct Weights {
    pub(super) values: Vec<i64>,
    pub(super) shape: Vec<usize>,
    /// One for all or one for each output channel.
    pub(super) scale: Vec<f64>,
}

impl Target {
    /// The same, with numbers kept between limits.
    pub(super) fn within(mut self, low: Option<f64>, top: Option<f64>) -> Target {
        let place = |v: f64| (v / self.scale).round_ties_even() as i64 + self.zero;
        let (all_low, all_top) = (self.low, self.top);
        if let Some(v) = low {
            self.low = place(v).clamp(all_low, all_top);
        }
        if let Some(v) = top {
            self.top = place(v).clamp(self.low, all_top);
        }
        self
    }
}

impl Weights {
    /// As a tensor of the narrowest type that holds them.
    pub(super) fn tensor(&self) -> Tensor {
        let fits = self.values.iter().all(|v| (-128..=127).contains(v));
        if fits {
            Tensor::from_slice(&self.shape, &self.values.iter().map(|&v| v as i8).collect::<Vec<_>>())
        } else {
            Tensor::from_slice(&self.shape, &self.values.iter().map(|&v| v as i16).collect::<Vec<_>>())
        }
    }

    /// For each position of an axis: the sum of the weights, and the sum of their magnitudes.
    pub(super) fn sums(&self, axis: usize) -> Vec<(i64, i64)> {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let mut sums = vec![(0, 0); self.shape[axis]];
        for (i, &v) in self.values.iter().enumerate() {
            let s = &mut sums[i / inner.max(1) % self.shape[axis]];
            *s = (s.0 + v, s.1 + v.abs());
        }
        sums
    }
}

/// Elements of a constant of floats.
fn floats(graph: &Graph, v: Option<ValueId>) -> Option<Vec<f64>> {
    let t = graph.constant(v?)?;
    if t.dtype().is_float() { t.to_f64() } else { None }
}

/// Scale and zero point that belong to a whole tensor, given as values; `dtype` is that of the integers.
fn one(graph: &Graph, scale: Option<ValueId>, zero: Option<ValueId>, dtype: DType) -> Result<(f64, i64), String> {
    let scale = floats(graph, scale).ok_or("a scale is no constant")?;
    let zero = match zero {
        None => vec![0],
        Some(z) => graph.constant(z).and_then(Tensor::to_i64).ok_or("a zero point is no constant")?,
    };
    if !matches!(dtype, DType::I8 | DType::U8) {
        return Err(format!("integers of {} bits are quantised", dtype.bits()));
    }
    match (&scale[..], &zero[..]) {
        ([s], [z]) if *s > 0.0 && s.is_finite() => Ok((*s, *z)),
        ([_], [_]) => Err("a scale isn't positive".into()),
        _ => Err("an activation is quantised by axis".into()),
    }
}

/// Integers given by value, scale and zero point.
pub(super) fn by_parts(
    graph: &Graph,
    value: Option<ValueId>,
    scale: Option<ValueId>,
    zero: Option<ValueId>,
) -> Result<Quantised, String> {
    let value = value.ok_or("an input is missing")?;
    let dtype = graph.tensor_type(value).ok_or("an input is no tensor")?.dtype;
    let (scale, zero) = one(graph, scale, zero, dtype)?;
    Ok(Quantised { value, scale, zero, dtype })
}

/// The integers that a value is dequantised from.
pub(super) fn dequantised(graph: &Graph, v: Option<ValueId>) -> Result<Quantised, String> {
    let v = v.ok_or("an input is missing")?;
    let Some((_, node)) = made_by(graph, v, "DequantizeLinear") else {
        return Err(format!("input '{}' isn't quantised", graph.values[v].name));
    };
    by_parts(graph, input(node, 0), input(node, 1), input(node, 2))
}

/// What scale and zero point ask of the output.
pub(super) fn target_of(
    graph: &Graph,
    scale: Option<ValueId>,
    zero: Option<ValueId>,
    dtype: DType,
) -> Result<Target, String> {
    let (scale, zero) = one(graph, scale, zero, dtype)?;
    let (low, top) = (Scalar::least(dtype).to_i64(), Scalar::greatest(dtype).to_i64());
    Ok(Target { scale, zero, dtype, low, top })
}

/// What a QuantizeLinear asks for.
pub(super) fn target(graph: &Graph, q: &Node) -> Result<Target, String> {
    let dtype = graph.tensor_type(q.outputs[0]).ok_or("the output is no tensor")?.dtype;
    target_of(graph, input(q, 1), input(q, 2), dtype)
}

/// Constant weights by value, scale and zero point, which belong to the positions of `axis` if they are several.
pub(super) fn weights_by_parts(
    graph: &Graph,
    value: Option<ValueId>,
    scale: Option<ValueId>,
    zero: Option<ValueId>,
    axis: usize,
) -> Result<Weights, String> {
    let t = value.and_then(|v| graph.constant(v)).ok_or("the weights are no constant")?;
    let shape = t.shape().to_vec();
    if !t.dtype().is_int() || t.dtype().bits() > 8 {
        return Err(format!("the weights are of {} bits", t.dtype().bits()));
    }
    let values = t.to_i64().ok_or("the weights are no integers")?;
    let scale = floats(graph, scale).ok_or("a scale is no constant")?;
    let zero = match zero {
        None => vec![0],
        Some(z) => graph.constant(z).and_then(Tensor::to_i64).ok_or("a zero point is no constant")?,
    };
    let extent = shape.get(axis).copied().unwrap_or(1);
    let fits = |n: usize| n == 1 || n == extent;
    if !fits(scale.len()) || !fits(zero.len()) || !scale.iter().all(|s| s.is_finite() && *s >= 0.0) {
        return Err("the weights are quantised by other than their output channels".into());
    }
    let inner: usize = shape.get(axis + 1..).unwrap_or(&[]).iter().product();
    let shifted = |(i, v): (usize, i64)| v - zero[if zero.len() == 1 { 0 } else { i / inner.max(1) % extent }];
    let values = values.into_iter().enumerate().map(shifted).collect();
    Ok(Weights { values, shape, scale })
}

/// Constant weights that a value is dequantised from; several scales must belong to `axis`.
pub(super) fn weights(graph: &Graph, v: Option<ValueId>, axis: usize) -> Result<Weights, String> {
    let v = v.ok_or("the weights are missing")?;
    let Some((_, node)) = made_by(graph, v, "DequantizeLinear") else {
        return Err("the weights aren't quantised".into());
    };
    let rank = graph.tensor_type(v).map_or(0, |t| t.rank()) as i64;
    let own = node.attrs.int("axis").unwrap_or(1).rem_euclid(rank.max(1)) as usize;
    let several = input(node, 1).and_then(|s| graph.tensor_type(s)).is_some_and(|t| !t.count().is_one());
    if several && (own != axis || node.attrs.int("block_size").unwrap_or(0) != 0) {
        return Err("the weights are quantised by other than their output channels".into());
    }
    weights_by_parts(graph, input(node, 0), input(node, 1), input(node, 2), axis)
}

/// A constant bias as integers of the sums' scales.
pub(super) fn bias(graph: &Graph, v: Option<ValueId>, scales: &[f64], channels: usize) -> Result<Vec<i64>, String> {
    let Some(v) = v else { return Ok(vec![0; channels]) };
    let scale = |c: usize| scales[if scales.len() == 1 { 0 } else { c }];
    let spread = |all: &[i64]| match all.len() {
        1 => Ok(vec![all[0]; channels]),
        n if n == channels => Ok(all.to_vec()),
        _ => Err("the bias isn't one for each output channel".to_string()),
    };
    if let Some((_, node)) = made_by(graph, v, "DequantizeLinear") {
        let ints =
            input(node, 0).and_then(|q| graph.constant(q)).and_then(Tensor::to_i64).ok_or("the bias is no constant")?;
        let own = floats(graph, input(node, 1)).ok_or("a scale is no constant")?;
        let zero = input(node, 2).and_then(|z| graph.constant(z)).and_then(Tensor::to_i64).unwrap_or(vec![0]);
        let ints = spread(&ints)?;
        let of = |c: usize| own[if own.len() == 1 { 0 } else { c }];
        if own.len() != 1 && own.len() != channels || zero.iter().any(|z| *z != 0) {
            return Err("the bias is quantised in another way".into());
        }
        // The same scale but for rounding: the integers as they are.
        let same = |c: usize| (of(c) - scale(c)).abs() <= 1e-5 * scale(c);
        let moved = |(c, &b): (usize, &i64)| if same(c) { b } else { nearest(b as f64 * of(c), scale(c)) };
        return Ok(ints.iter().enumerate().map(moved).collect());
    }
    let numbers = floats(graph, Some(v)).ok_or("the bias is no constant")?;
    let all: Vec<f64> = match numbers.len() {
        1 => vec![numbers[0]; channels],
        n if n == channels => numbers,
        _ => return Err("the bias isn't one for each output channel".into()),
    };
    Ok(all.iter().enumerate().map(|(c, &b)| nearest(b, scale(c))).collect())
}

fn nearest(v: f64, scale: f64) -> i64 {
    if scale > 0.0 { (v / scale).round_ties_even().clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i64 } else { 0 }
}

/// The greatest magnitude of integers of a type.
pub(super) fn magnitude(dtype: DType) -> i64 {
    Scalar::greatest(dtype).to_i64().max(-Scalar::least(dtype).to_i64())
}
