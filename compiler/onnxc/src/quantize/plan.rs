//! What is quantised: nodes of the main graph whose operators `quantised-integers` computes in integers, and the tensors
//! around them.
//!
//! - A product's weights are constants and its data are not; products of two computed matrices are quantised, too.
//! - What moves elements is quantised where its input is, with its input's range.
//! - A Relu or Clip that alone reads the result of such a node is one with it: nothing is quantised between them.

use super::Quantisation;
use onnxc_base::{DType, Diagnostic, Diagnostics, Tensor};
use onnxc_ir::graph::Graph;
use onnxc_onnx::{GraphProto, Model, NodeProto};
use std::collections::{BTreeMap, BTreeSet};

/// Sums of products.
const PRODUCTS: &[&str] = &["Conv", "ConvTranspose", "Gemm", "MatMul"];

/// Others that have a range of their own.
const OTHERS: &[&str] = &[
    "Add",
    "AveragePool",
    "Clip",
    "Concat",
    "Elu",
    "Gelu",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Mul",
    "ReduceMean",
    "Relu",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Sub",
    "Tanh",
];

/// What only moves elements, or picks the greatest.
const MOVES: &[&str] = &[
    "DepthToSpace",
    "Flatten",
    "Identity",
    "MaxPool",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// What is quantised.
pub struct Plan {
    /// Numbers of the nodes.
    pub nodes: BTreeSet<usize>,
    /// Names of the tensors that integers stand for, producers first.
    pub tensors: Vec<String>,
    /// Constants by name.
    pub constants: BTreeMap<String, Tensor>,
    /// Nodes that stay in float: name and operator, why.
    pub left: Vec<(String, String)>,
    /// Tensors that have the range of another.
    shared: BTreeMap<String, String>,
}

/// What a node's inputs are, for quantising.
pub fn data_inputs(node: &NodeProto) -> usize {
    match node.op_type.as_str() {
        "Concat" => node.input.len(),
        "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "Add" | "Sub" | "Mul" => 2,
        _ => 1,
    }
}

/// True for a node whose second input is weights if that is constant.
pub fn is_product(node: &NodeProto) -> bool {
    PRODUCTS.contains(&node.op_type.as_str())
}

/// A node as messages name it.
pub fn label(node: &NodeProto) -> String {
    let name = if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name };
    format!("{name} ({})", node.op_type)
}

impl Plan {
    /// The plan for a model whose values have the types of `graph`.
    ///
    /// # Errors
    /// Excluded names that nothing has; nothing to quantise.
    pub fn new(model: &Model, graph: &Graph, how: &Quantisation) -> Result<Plan, Diagnostics> {
        let g = model.graph();
        check_names(g, how)?;
        let floats = graph.values.values().filter(|v| v.ty.as_tensor().is_some_and(|t| t.dtype == DType::F32));
        let mut making = Making {
            plan: Plan {
                nodes: BTreeSet::new(),
                tensors: vec![],
                constants: constants(model)?,
                left: vec![],
                shared: BTreeMap::new(),
            },
            floats: floats.map(|v| v.name.as_str()).collect(),
            uses: uses(g),
            producers: BTreeMap::new(),
            excluded: how.exclude.iter().map(String::as_str).collect(),
        };
        for (i, node) in g.node.iter().enumerate() {
            if let Err(why) = making.node(g, i, node)
                && node.op_type != "Constant"
            {
                making.plan.left.push((label(node), why.into()));
            }
            node.output.iter().for_each(|o| {
                making.producers.insert(o, i);
            });
        }
        if making.plan.nodes.is_empty() {
            return Err(Diagnostic::error("E6201", "there is nothing to quantise in the model")
                .expected("nodes such as Conv, Gemm or MatMul on f32, with constant weights, in the main graph")
                .into());
        }
        Ok(making.plan)
    }

    /// The tensor that a tensor has its range from: itself, or what it is moved from.
    pub fn range_of<'a>(&'a self, name: &'a str) -> &'a str {
        self.shared.get(name).map_or(name, |from| self.range_of(from))
    }

    fn add(&mut self, name: &str) {
        if !self.tensors.iter().any(|t| t == name) {
            self.tensors.push(name.into());
        }
    }
}

/// A plan being made.
struct Making<'a> {
    plan: Plan,
    floats: BTreeSet<&'a str>,
    uses: BTreeMap<&'a str, usize>,
    producers: BTreeMap<&'a str, usize>,
    excluded: BTreeSet<&'a str>,
}

impl Making<'_> {
    /// Takes a node into the plan, or says why not.
    fn node(&mut self, g: &GraphProto, i: usize, node: &NodeProto) -> Result<(), &'static str> {
        let op = node.op_type.as_str();
        let known = [PRODUCTS, OTHERS, MOVES].iter().any(|l| l.contains(&op));
        if !known || !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err("the operator is computed in float");
        }
        let names = [op, node.name.as_str()].into_iter().chain(node.output.iter().map(String::as_str));
        if names.into_iter().any(|n| self.excluded.contains(n)) {
            return Err("excluded");
        }
        let (Some(out), data) = (node.output.first(), node.input.iter().take(data_inputs(node))) else {
            return Err("it has no output");
        };
        let data: Vec<&String> = data.collect();
        if !data.iter().copied().chain([out]).all(|v| self.floats.contains(v.as_str())) {
            return Err("it isn't on f32");
        }
        let constant = |v: &String| self.plan.constants.contains_key(v);
        let weights = PRODUCTS.contains(&op).then(|| data.get(1).is_some_and(|w| constant(w)));
        if data.first().is_none_or(|x| constant(x)) || weights == Some(false) && op != "MatMul" {
            return Err("its data are constant or its weights are computed");
        }
        let computed: Vec<String> = data.iter().filter(|v| !constant(v)).map(|v| v.to_string()).collect();
        if MOVES.contains(&op) {
            let from = &computed[0];
            if !self.plan.tensors.contains(from) {
                return Err("its input isn't quantised");
            }
            self.plan.shared.insert(out.clone(), from.clone());
        } else if matches!(op, "Relu" | "Clip") && self.follows(g, &computed[0]) {
            self.plan.tensors.retain(|t| *t != computed[0]);
        } else {
            computed.iter().for_each(|v| self.plan.add(v));
        }
        self.plan.add(out);
        self.plan.nodes.insert(i);
        Ok(())
    }

    /// True if an activation is one with the quantised node that makes its input: nothing else reads that.
    fn follows(&self, g: &GraphProto, x: &str) -> bool {
        let Some(by) = self.producers.get(x) else { return false };
        let op = g.node[*by].op_type.as_str();
        let limits = PRODUCTS.contains(&op) || matches!(op, "Add" | "Sub" | "Mul" | "AveragePool" | "Concat");
        limits && self.plan.nodes.contains(by) && self.uses.get(x) == Some(&1)
    }
}

/// An error for a model that computes with integers already: it has operators for that, a tensor that is quantised and
/// dequantised, or dequantised weights. Inputs and outputs may be integers.
pub fn check_float(model: &Model) -> Result<(), Diagnostic> {
    let g = model.graph();
    let named = |op: &'static str| {
        let of = move |n: &&NodeProto| n.op_type == op;
        g.node.iter().filter(of).filter_map(|n| n.output.first()).map(String::as_str)
    };
    let integers: BTreeSet<&str> = named("QuantizeLinear").chain(named("Constant")).collect();
    let stored = |v: &String| integers.contains(v.as_str()) || g.initializer.iter().any(|t| t.name == *v);
    let quantised = |n: &&NodeProto| match n.op_type.as_str() {
        "DequantizeLinear" => n.input.first().is_some_and(stored),
        op => op.starts_with("QLinear") || op.starts_with("DynamicQuantize") || op.ends_with("Integer"),
    };
    let Some(node) = g.node.iter().find(quantised) else { return Ok(()) };
    let found = format!("the model is quantised already: it has '{}'", label(node));
    Err(Diagnostic::error("E6201", found)
        .expected("a model in float")
        .help("quantise the model that this one was made of; compiled as it is, what is quantised runs in integers"))
}

/// The f32 constants of the main graph.
fn constants(model: &Model) -> Result<BTreeMap<String, Tensor>, Diagnostics> {
    let g = model.graph();
    let mut found = BTreeMap::new();
    for t in g.initializer.iter().filter(|t| t.data_type == onnxc_onnx::dtype::to_onnx(DType::F32)) {
        found.insert(t.name.clone(), model.tensor(t)?);
    }
    for n in g.node.iter().filter(|n| n.op_type == "Constant") {
        let value = n.attr("value").and_then(|a| a.as_tensor());
        if let (Some(t), Some(out)) = (value, n.output.first()) {
            found.insert(out.clone(), model.tensor(t)?);
        }
    }
    Ok(found)
}

/// How often each value is read, by nodes, subgraphs and the model's outputs.
fn uses(g: &GraphProto) -> BTreeMap<&str, usize> {
    let mut count = BTreeMap::new();
    count_uses(g, &mut count);
    count
}

fn count_uses<'a>(g: &'a GraphProto, count: &mut BTreeMap<&'a str, usize>) {
    for v in &g.output {
        *count.entry(v.name.as_str()).or_default() += 1;
    }
    for n in &g.node {
        for v in &n.input {
            *count.entry(v.as_str()).or_default() += 1;
        }
        n.attribute.iter().flat_map(|a| a.subgraphs()).for_each(|inner| count_uses(inner, count));
    }
}

/// An error for excluded names that no node has.
fn check_names(g: &GraphProto, how: &Quantisation) -> Result<(), Diagnostics> {
    let mut problems = Diagnostics::new();
    for name in &how.exclude {
        let has = |n: &NodeProto| n.name == *name || n.op_type == *name || n.output.contains(name);
        if !g.node.iter().any(has) {
            problems.push(
                Diagnostic::error("E6202", format!("no node of the main graph is called '{name}'"))
                    .expected("the name of a node, of one of its outputs, or an operator"),
            );
        }
    }
    problems.into_result(())
}
