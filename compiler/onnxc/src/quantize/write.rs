//! The quantised model: QuantizeLinear and DequantizeLinear around each tensor of the plan, 8-bit weights, 32-bit biases.
//!
//! A tensor that a node makes keeps its name behind the pair, so that whoever reads it, the model's outputs included, needs
//! no change; of an input, the nodes of the plan read what the pair gives instead.

use super::Quantisation;
use super::plan::{Plan, data_inputs, is_product};
use super::ranges::{self, Parameters};
use onnxc_base::{DType, Diagnostic, Diagnostics, Tensor};
use onnxc_onnx::dtype::to_onnx;
use onnxc_onnx::{AttributeKind, AttributeProto, GraphProto, Model, ModelProto, NodeProto, TensorProto};
use std::collections::{BTreeMap, BTreeSet};

/// A graph being written.
struct Writer<'a> {
    plan: &'a Plan,
    parameters: &'a BTreeMap<String, Parameters>,
    how: &'a Quantisation,
    names: BTreeSet<String>,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// What constants have become: by name, type and axis, the dequantised value and its scales.
    made: BTreeMap<(String, bool, Option<usize>), (String, Vec<f32>)>,
}

/// The model with the plan carried out.
///
/// # Errors
/// External weights that can't be read.
pub fn quantised(
    model: &Model,
    plan: &Plan,
    parameters: &BTreeMap<String, Parameters>,
    how: &Quantisation,
) -> Result<ModelProto, Diagnostics> {
    let mut proto = model.proto.clone();
    let Some(mut g) = proto.graph.take() else {
        return Err(Diagnostic::error("E6201", "the model has no graph").into());
    };
    let mut w =
        Writer { plan, parameters, how, names: all_names(&g), nodes: vec![], constants: vec![], made: BTreeMap::new() };
    let mut renamed = BTreeMap::new();
    for input in g.input.iter().filter(|v| parameters.contains_key(&v.name)) {
        let to = w.free(&format!("{}_dequantized", input.name));
        w.pair(&input.name, &to);
        renamed.insert(input.name.clone(), to);
    }
    for (i, node) in std::mem::take(&mut g.node).into_iter().enumerate() {
        w.node(node, plan.nodes.contains(&i), &renamed);
    }
    g.node = std::mem::take(&mut w.nodes);
    let used = all_inputs(&g);
    g.initializer.retain(|t| used.contains(&t.name));
    g.node.retain(|n| n.op_type != "Constant" || n.output.iter().any(|o| used.contains(o)));
    for t in &mut g.initializer {
        embed(model, t)?;
    }
    g.input.retain(|v| used.contains(&v.name) || !plan.constants.contains_key(&v.name));
    g.initializer.append(&mut w.constants);
    proto.graph = Some(g);
    // Since 4 initializers needn't be inputs.
    proto.ir_version = proto.ir_version.max(4);
    proto.producer_name = "onnxc quantize".into();
    Ok(proto)
}

/// A tensor in another file becomes one of the model itself: the new model may lie elsewhere.
fn embed(model: &Model, t: &mut TensorProto) -> Result<(), Diagnostic> {
    if t.data_location != 0 {
        t.raw_data = Some(model.tensor(t)?.packed());
        t.external_data.clear();
        t.data_location = 0;
    }
    Ok(())
}

impl Writer<'_> {
    fn free(&mut self, hint: &str) -> String {
        let mut name = hint.to_string();
        let mut i = 1;
        while !self.names.insert(name.clone()) {
            i += 1;
            name = format!("{hint}_{i}");
        }
        name
    }

    fn constant(&mut self, hint: &str, t: &Tensor) -> String {
        let name = self.free(hint);
        self.constants.push(TensorProto {
            name: name.clone(),
            dims: t.shape().iter().map(|&d| d as i64).collect(),
            data_type: to_onnx(t.dtype()),
            raw_data: Some(t.packed()),
            ..TensorProto::default()
        });
        name
    }

    fn push(&mut self, op: &str, inputs: Vec<String>, output: &str, axis: Option<usize>) {
        let name = self.free(&format!("{output}_{op}"));
        let axis = axis.map(|a| AttributeProto {
            name: "axis".into(),
            kind: AttributeKind::Int as i32,
            i: Some(a as i64),
            ..AttributeProto::default()
        });
        self.nodes.push(NodeProto {
            name,
            op_type: op.into(),
            input: inputs,
            output: vec![output.into()],
            attribute: axis.into_iter().collect(),
            ..NodeProto::default()
        });
    }

    /// Quantises and dequantises a tensor.
    fn pair(&mut self, from: &str, to: &str) {
        let key = if self.parameters.contains_key(from) { from } else { to };
        let p = self.parameters[key];
        let integer = integers(p.dtype, &[], &[p.zero]);
        let scale = self.constant(&format!("{key}_scale"), &Tensor::scalar(p.scale));
        let zero = self.constant(&format!("{key}_zero_point"), &integer);
        let between = self.free(&format!("{key}_quantized"));
        self.push("QuantizeLinear", vec![from.into(), scale.clone(), zero.clone()], &between, None);
        self.push("DequantizeLinear", vec![between, scale, zero], to, None);
    }

    fn node(&mut self, mut node: NodeProto, planned: bool, renamed: &BTreeMap<String, String>) {
        if planned {
            self.inputs(&mut node, renamed);
        }
        let (mut pairs, parameters) = (vec![], self.parameters);
        for out in node.output.iter_mut().filter(|o| parameters.contains_key(o.as_str())) {
            let before = self.free(&format!("{out}_float"));
            pairs.push((before.clone(), std::mem::replace(out, before)));
        }
        self.nodes.push(node);
        for (before, after) in pairs {
            self.pair(&before, &after);
        }
    }

    /// What a node of the plan reads.
    fn inputs(&mut self, node: &mut NodeProto, renamed: &BTreeMap<String, String>) {
        let data = node.input.first().cloned().unwrap_or_default();
        let mut weights = None;
        for i in 0..data_inputs(node).min(node.input.len()) {
            let name = node.input[i].clone();
            if let Some(t) = self.plan.constants.get(&name) {
                let product = is_product(node);
                let axis = if product { self.channels(node, t) } else { None };
                // A bias needs steps of the product of both scales, in 32 bits.
                let bias = node.input.get(2).and_then(|b| self.plan.constants.get(b)).filter(|_| product);
                let (to, scales) = self.stored(&name, t, product, axis, self.least(&data, bias));
                node.input[i] = to;
                weights = product.then_some(scales);
            } else if let Some(to) = renamed.get(&name) {
                node.input[i] = to.clone();
            }
        }
        if let Some(scales) = weights {
            self.bias(node, &data, &scales);
        }
    }

    /// The axis of a product's weights that is the output's channels, if each is to have a scale.
    fn channels(&self, node: &NodeProto, weights: &Tensor) -> Option<usize> {
        let int = |name: &str| node.attr(name).and_then(AttributeProto::as_int);
        let axis = match node.op_type.as_str() {
            "Conv" => Some(0),
            "ConvTranspose" => (int("group").unwrap_or(1) == 1).then_some(1),
            "Gemm" => Some(usize::from(int("transB").unwrap_or(0) == 0)),
            _ => (weights.shape().len() == 2).then_some(1),
        };
        axis.filter(|a| self.how.per_channel && *a < weights.shape().len())
    }

    /// The least scale of weights with which a bias still fits 32 bits.
    fn least(&self, data: &str, bias: Option<&Tensor>) -> Vec<f32> {
        let scale = self.parameters.get(data).map_or(1.0, |p| p.scale);
        let values = bias.and_then(Tensor::to_vec::<f32>).unwrap_or_default();
        values.iter().map(|b| b.abs() / (scale * (1u32 << 30) as f32)).collect()
    }

    /// A constant as integers, dequantised; once for each use of one kind.
    fn stored(
        &mut self,
        name: &str,
        t: &Tensor,
        product: bool,
        axis: Option<usize>,
        least: Vec<f32>,
    ) -> (String, Vec<f32>) {
        let key = (name.to_string(), product, axis);
        if let Some(made) = self.made.get(&key).filter(|_| least.is_empty()) {
            return made.clone();
        }
        let values = t.to_vec::<f32>().unwrap_or_default();
        let all = least.iter().copied().fold(0.0, f32::max);
        let least = |c: usize| if axis.is_some() { least.get(c).copied().unwrap_or(0.0) } else { all };
        let (q, scales, zero) = if product {
            let (q, s) = ranges::weights(&values, t.shape(), axis, &least);
            let zeros = vec![0i64; s.len()];
            (integers(DType::I8, t.shape(), &q.iter().map(|&v| i64::from(v)).collect::<Vec<_>>()), s, zeros)
        } else {
            let (low, high) = values.iter().fold((0f32, 0f32), |(l, h), v| (l.min(*v), h.max(*v)));
            let p = Parameters::new((f64::from(low), f64::from(high)), self.how.activations, self.how.symmetric);
            (p.tensor(t.shape(), &values), vec![p.scale], vec![p.zero])
        };
        let shape: &[usize] = if axis.is_some() { &[scales.len()] } else { &[] };
        let integer = self.constant(&format!("{name}_quantized"), &q);
        let scale = self.constant(&format!("{name}_scale"), &Tensor::from_slice(shape, &scales));
        let zero = self.constant(&format!("{name}_zero_point"), &integers(q.dtype(), shape, &zero));
        let to = self.free(&format!("{name}_dequantized"));
        self.push("DequantizeLinear", vec![integer, scale, zero], &to, axis);
        self.made.insert(key, (to.clone(), scales.clone()));
        (to, scales)
    }

    /// A bias of one element per channel, in steps of the product of both scales.
    fn bias(&mut self, node: &mut NodeProto, data: &str, weights: &[f32]) {
        let Some(name) = node.input.get(2).cloned() else { return };
        let Some(t) = self.plan.constants.get(&name).filter(|t| t.shape().len() == 1) else { return };
        let (Some(values), Some(x)) = (t.to_vec::<f32>(), self.parameters.get(data)) else { return };
        if weights.len() != 1 && weights.len() != values.len() {
            return;
        }
        let scales: Vec<f32> = weights.iter().map(|w| w * x.scale).collect();
        let of = |i: usize| scales[if scales.len() == 1 { 0 } else { i }];
        let round = |(i, b): (usize, &f32)| (f64::from(*b) / f64::from(of(i))).round_ties_even() as i32;
        let q: Vec<i32> = values.iter().enumerate().map(round).collect();
        let axis = (scales.len() > 1).then_some(0);
        let shape: &[usize] = if axis.is_some() { &[scales.len()] } else { &[] };
        let integer = self.constant(&format!("{name}_quantized"), &Tensor::from_slice(&[q.len()], &q));
        let scale = self.constant(&format!("{name}_scale"), &Tensor::from_slice(shape, &scales));
        let zero = self.constant(&format!("{name}_zero_point"), &Tensor::from_slice(shape, &vec![0i32; scales.len()]));
        let to = self.free(&format!("{name}_dequantized"));
        self.push("DequantizeLinear", vec![integer, scale, zero], &to, axis);
        node.input[2] = to;
    }
}

/// Integers of a type of 8 bits.
fn integers(dtype: DType, shape: &[usize], values: &[i64]) -> Tensor {
    match dtype {
        DType::U8 => Tensor::from_slice(shape, &values.iter().map(|&v| v as u8).collect::<Vec<_>>()),
        _ => Tensor::from_slice(shape, &values.iter().map(|&v| v as i8).collect::<Vec<_>>()),
    }
}

impl Parameters {
    /// Numbers as integers.
    fn tensor(&self, shape: &[usize], values: &[f32]) -> Tensor {
        let least = if self.dtype == DType::U8 { 0 } else { -128 };
        let place = |v: &f32| ((v / self.scale).round_ties_even() as i64 + self.zero).clamp(least, least + 255);
        integers(self.dtype, shape, &values.iter().map(place).collect::<Vec<_>>())
    }
}

/// Every name of a value or node in a graph.
fn all_names(g: &GraphProto) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = g.initializer.iter().map(|t| t.name.clone()).collect();
    names.extend(g.input.iter().chain(&g.output).map(|v| v.name.clone()));
    for n in &g.node {
        names.insert(n.name.clone());
        names.extend(n.output.iter().cloned());
        n.attribute.iter().flat_map(|a| a.subgraphs()).for_each(|inner| names.extend(all_names(inner)));
    }
    names
}

/// Every value that is read, in subgraphs, too.
fn all_inputs(g: &GraphProto) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = g.output.iter().map(|v| v.name.clone()).collect();
    for n in &g.node {
        names.extend(n.input.iter().cloned());
        n.attribute.iter().flat_map(|a| a.subgraphs()).for_each(|inner| names.extend(all_inputs(inner)));
    }
    names
}
