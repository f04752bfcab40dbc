//! Static post-training quantisation: a float model and inputs like those it will get, to a model in QDQ form.
//!
//! [`raise`] gives an old model the opset that has scales for channels, [`plan`] says which nodes and tensors, [`ranges`] what a tensor's integers stand for, [`write`] makes the model,
//! [`run`] runs either of them with inner values as outputs, [`compare`] says what the integers cost.
//!
//! Holds afterwards: the model has the inputs and outputs of the old one, by name and type; weights are 8-bit initializers,
//! biases 32-bit ones of scale `input * weight`, and each quantised tensor goes through QuantizeLinear and
//! DequantizeLinear, which is the form that `quantised-integers` computes in integers. Nodes in subgraphs and functions,
//! and tensors that aren't f32, stay as they are.
//!
//! Codes: `E6201` a model that can't be quantised · `E6202` a name that no node has · `E6203` samples.

mod compare;
mod plan;
mod raise;
mod ranges;
mod run;
mod samples;
mod write;

pub use compare::Difference;
pub use ranges::Method;
pub use samples::read as read_samples;

use crate::Source;
use onnxc_base::{Bytes, DType, Diagnostic, Diagnostics, Tensor};
use onnxc_ir::graph::Graph;
use onnxc_onnx::Model;
use plan::Plan;
use ranges::{Parameters, Seen};
use run::Runner;
use std::collections::BTreeMap;

/// One set of inputs, in the order of the model's.
pub type Sample = Vec<Tensor>;

/// How to quantise.
#[derive(Clone, Debug)]
pub struct Quantisation {
    /// How the range of a tensor follows from its values.
    pub method: Method,
    /// Weights get a scale for each output channel.
    pub per_channel: bool,
    /// Zero stands for 0 (u8: 128) in activations, too.
    pub symmetric: bool,
    /// The type of activations: u8 or i8.
    pub activations: DType,
    /// Nodes that stay in float, by name, name of an output, or operator.
    pub exclude: Vec<String>,
}

/// What came of it.
pub struct Outcome {
    /// The quantised model, as a file holds it.
    pub model: Bytes,
    /// How many nodes are quantised, and how many the main graph has.
    pub nodes: (usize, usize),
    /// What was done otherwise than asked for, or to the model as a whole.
    pub remarks: Vec<String>,
    /// Nodes that stay in float, by name and operator, with the reason.
    pub left: Vec<(String, String)>,
    /// The model's outputs against those of the float model.
    pub outputs: Vec<Difference>,
    /// Each quantised tensor against the float model's, the worst first.
    pub layers: Vec<Difference>,
}

/// The types that inference finds, by the names of values.
fn types(model: &Model, options: &crate::Options) -> Result<Graph, Diagnostics> {
    let bytes = onnxc_onnx::encode(&model.proto);
    let mut source = Source::from_bytes(&bytes, model.dir(), options)?;
    let found = onnxc_ops::infer::infer_graph(&mut source.graph, &options.registry);
    found.into_result(source.graph)
}

/// Quantises a model.
///
/// # Errors
/// A model that can't be compiled, or has nothing to quantise; samples that don't fit.
pub fn quantise(
    model: &Model,
    samples: &[Sample],
    how: &Quantisation,
    options: &crate::Options,
) -> Result<Outcome, Diagnostics> {
    if samples.is_empty() {
        return Err(Diagnostic::error("E6203", "there are no samples")
            .expected("one or more to calibrate with")
            .into());
    }
    let opset = model.opset("").unwrap_or(0);
    if opset < 10 {
        return Err(Diagnostic::error("E6201", format!("the model is of opset {opset}"))
            .expected("10 or newer: QuantizeLinear and DequantizeLinear are")
            .help("export the model again, or convert it with onnx.version_converter")
            .into());
    }
    plan::check_float(model)?;
    let types = types(model, options)?;
    check_samples(samples, &types)?;
    let (mut how, mut remarks, mut newer) = (how.clone(), vec![], None);
    if how.per_channel && opset < raise::PER_CHANNEL {
        newer = raise::raised(model, samples, options)?;
        how.per_channel = newer.is_some();
        remarks.push(match how.per_channel {
            true => format!("opset {opset} became {}, for scales of each channel; the outputs stay the same", raise::PER_CHANNEL),
            false => format!(
                "weights have one scale for each tensor: scales of each channel are of opset {}, in which this model of opset {opset} means something else (export it again, or use onnx.version_converter)",
                raise::PER_CHANNEL
            ),
        });
    }
    let model = newer.as_ref().unwrap_or(model);
    let plan = Plan::new(model, &types, &how)?;
    let float = Runner::new(&model.proto, model.dir(), &plan.tensors, options)?;
    let parameters = calibrate(&float, samples, &plan, &how)?;
    let proto = write::quantised(model, &plan, &parameters, &how)?;
    let integer = Runner::new(&proto, None, &plan.tensors, options)?;
    let (outputs, layers) = compare::compare(&float, &integer, samples, model, &plan)?;
    Ok(Outcome {
        model: onnxc_onnx::encode(&proto),
        nodes: (plan.nodes.len(), model.graph().node.len()),
        remarks,
        left: plan.left,
        outputs,
        layers,
    })
}

/// What the integers of each tensor stand for.
fn calibrate(
    float: &Runner,
    samples: &[Sample],
    plan: &Plan,
    how: &Quantisation,
) -> Result<BTreeMap<String, Parameters>, Diagnostics> {
    let mut seen: BTreeMap<&str, Seen> = plan.tensors.iter().map(|t| (t.as_str(), Seen::default())).collect();
    // Magnitudes are counted once the greatest is known.
    let passes: [fn(&mut Seen, &[f32]); 2] = [Seen::note, Seen::count];
    let needed = if how.method == Method::MinMax { 1 } else { 2 };
    for pass in &passes[..needed] {
        for sample in samples {
            for (name, tensor) in float.run(sample)? {
                if let (Some(s), Some(values)) = (seen.get_mut(name.as_str()), tensor.to_vec::<f32>()) {
                    pass(s, &values);
                }
            }
        }
    }
    let of = |t: &String| {
        let range = seen[plan.range_of(t)].range(how.method);
        (t.clone(), Parameters::new(range, how.activations, how.symmetric))
    };
    Ok(plan.tensors.iter().map(of).collect())
}

/// An error for an input that is no number somewhere: no range follows from what comes of it.
fn check_samples(samples: &[Sample], graph: &Graph) -> Result<(), Diagnostics> {
    let mut problems = Diagnostics::new();
    for (i, &v) in graph.body.params.iter().enumerate() {
        let has_nan =
            |s: &Sample| s.get(i).and_then(Tensor::to_vec::<f32>).is_some_and(|x| x.iter().any(|x| x.is_nan()));
        if let Some(n) = samples.iter().position(has_nan) {
            let found =
                format!("sample {n} of input '{}' has elements that are no numbers (NaN)", graph.values[v].name);
            problems.push(Diagnostic::error("E6203", found).expected("numbers like those that the model will get"));
        }
    }
    problems.into_result(())
}
