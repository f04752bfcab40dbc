//! Every operator, with inputs and attributes drawn at random: whatever a model says, nothing panics, what is inferred is
//! consistent, and what then runs agrees with what was inferred.

use super::build::*;
use super::load;
use crate::eval::Evaluator;
use crate::import::{ImportOptions, import};
use crate::infer::infer_graph;
use crate::registry::{OPS, Registry};
use onnxc_base::Tensor;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::{ValueId, verify, verify::Stage};
use onnxc_ir::scalar::Scalar;
use onnxc_onnx::checker::schemas::{Formal, Schema, State, versions};
use onnxc_onnx::{AttributeKind, AttributeProto, GraphProto, ModelProto, TensorProto, dtype};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Nodes tried of each version of each operator.
const TRIES: usize = 12;

const WORDS: &[&str] = &[
    "",
    "NOTSET",
    "SAME_UPPER",
    "SAME_LOWER",
    "VALID",
    "nearest",
    "linear",
    "cubic",
    "constant",
    "reflect",
    "edge",
    "wrap",
    "half_pixel",
    "align_corners",
    "asymmetric",
    "floor",
    "ceil",
    "stretch",
    "not_larger",
    "add",
    "mul",
    "max",
    "min",
    "none",
    "tanh",
    "DCR",
    "CRD",
    "LEFT",
    "RIGHT",
    "bogus",
];

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// A small integer, or anything if `hostile`.
    fn int(&mut self, hostile: bool) -> i64 {
        if hostile && self.one_in(4) {
            return self.pick(&[i64::MAX, i64::MIN, i64::MAX / 2, 1 << 33, 1000, -1000, 64]);
        }
        self.pick(&[-2, -1, 0, 0, 1, 1, 1, 2, 2, 3, 4])
    }

    fn float(&mut self, hostile: bool) -> f32 {
        if hostile && self.one_in(4) {
            return self.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0, 1e-30]);
        }
        self.pick(&[-1.5, -1.0, 0.0, 0.5, 1.0, 1.0, 2.0, 3.0])
    }

    fn attribute(&mut self, name: &str, kind: AttributeKind, hostile: bool) -> Option<AttributeProto> {
        let count = self.below(5);
        Some(match kind {
            AttributeKind::Int => attr(name, kind, |a| a.i = Some(self.int(hostile))),
            AttributeKind::Float => attr(name, kind, |a| a.f = Some(self.float(hostile))),
            AttributeKind::String => attr(name, kind, |a| a.s = Some(self.pick(WORDS).into())),
            AttributeKind::Ints => attr(name, kind, |a| a.ints = (0..count).map(|_| self.int(hostile)).collect()),
            AttributeKind::Floats => attr(name, kind, |a| a.floats = (0..count).map(|_| self.float(hostile)).collect()),
            AttributeKind::Strings => attr(name, kind, |a| a.strings = vec![self.pick(WORDS).into(); count]),
            AttributeKind::Tensor => {
                let n = self.below(3);
                let t = self.tensor(&[n], 1, hostile);
                attr(name, kind, |a| a.t = Some(Box::new(proto("", &t))))
            }
            _ => return None,
        })
    }

    fn tensor(&mut self, shape: &[usize], onnx: i32, hostile: bool) -> Tensor {
        let dtype = dtype::from_onnx(onnx).expect("a known dtype");
        let n = shape.iter().product::<usize>();
        let mut bytes = vec![0u8; n * dtype.size()];
        for e in bytes.chunks_exact_mut(dtype.size()) {
            let v = if dtype.is_float() {
                Scalar::from_f64(dtype, f64::from(self.float(hostile)))
            } else {
                Scalar::from_i64(dtype, self.int(hostile))
            };
            v.write(e);
        }
        Tensor::from_bytes(dtype, shape.to_vec(), bytes.into()).expect("as many bytes as the shape needs")
    }
}

fn proto(name: &str, t: &Tensor) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: t.shape().iter().map(|&d| d as i64).collect(),
        data_type: dtype::to_onnx(t.dtype()),
        raw_data: Some(t.bytes().clone()),
        ..Default::default()
    }
}

/// A model of one node, and values for its inputs.
struct Trial {
    model: ModelProto,
    inputs: BTreeMap<String, Tensor>,
}

fn trial(schema: &Schema, r: &mut Random, hostile: bool) -> Option<Trial> {
    let count = schema.inputs.min + r.below(schema.inputs.max.min(6).saturating_sub(schema.inputs.min) + 1);
    let dtypes = [1, 1, 1, 1, 7, 7, 6, 9, 10, 11, 2, 3];
    // Mostly one dtype and shape, as most operators want.
    let (main, rank) = (r.pick(&dtypes), r.below(5));
    let shape: Vec<usize> = (0..rank).map(|_| r.pick(&[0, 1, 2, 3, 4, 5])).collect();
    let mut g = GraphProto::default();
    let (mut names, mut inputs) = (vec![], BTreeMap::new());
    for i in 0..count {
        if schema.inputs.formal(i) == Some(Formal::Optional) && r.one_in(3) {
            names.push(String::new());
            continue;
        }
        let name = format!("x{i}");
        let like = i == 0 || r.one_in(2);
        let shape = if like && !r.one_in(6) { shape.clone() } else { vec![r.below(5); r.below(3)] };
        let dtype = if like && !r.one_in(6) { main } else { r.pick(&dtypes) };
        let t = r.tensor(&shape, dtype, hostile);
        if r.one_in(if i == 0 { 5 } else { 2 }) {
            g.initializer.push(proto(&name, &t));
        } else {
            let dim = |(k, d): (usize, &usize)| if r.one_in(2) { format!("d{i}_{k}") } else { d.to_string() };
            let dims: Vec<String> = shape.iter().enumerate().map(dim).collect();
            let dims: Vec<&str> = dims.iter().map(String::as_str).collect();
            g.input.push(tensor(&name, dtype, &dims));
            inputs.insert(name.clone(), t);
        }
        names.push(name);
    }
    let mut attributes = vec![];
    for (name, a) in &schema.attributes {
        if a.required || r.one_in(2) {
            attributes.push(r.attribute(name, a.kind, hostile)?);
        }
    }
    let outputs =
        schema.outputs.min.max(1) + r.below(schema.outputs.max.min(4).saturating_sub(schema.outputs.min.max(1)) + 1);
    let outputs: Vec<String> = (0..outputs).map(|i| format!("y{i}")).collect();
    g.output = outputs.iter().map(|o| untyped(o)).collect();
    let refs = |v: &[String]| v.to_vec();
    let mut n = node(schema.name, &[], &[], attributes);
    (n.input, n.output) = (refs(&names), refs(&outputs));
    g.node = vec![n];
    let mut m = model(g);
    m.opset_import[0].version = schema.since;
    Some(Trial { model: m, inputs })
}

/// What is wrong with how a trial went, if anything is.
fn judge(t: &Trial, evaluate: bool) -> Result<bool, String> {
    let registry = Registry::new();
    let Ok((mut graph, _)) = import(&load(&t.model), &registry, &ImportOptions::default()) else { return Ok(false) };
    if infer_graph(&mut graph, &registry).has_errors() {
        return Ok(false);
    }
    verify(&graph, Stage::Typed).map_err(|d| format!("{d}\n{graph}"))?;
    if !evaluate {
        return Ok(true);
    }
    let value = |v: &ValueId| HostValue::Tensor(t.inputs[&graph.values[*v].name].clone());
    let inputs: Vec<HostValue> = graph.body.params.iter().map(value).collect();
    match run(&graph, &Evaluator::new(&registry), &inputs) {
        Err(d) if d.code == "E3303" || d.code == "E3203" => Err(format!("{d}\n{graph}{:?}", t.inputs)),
        _ => Ok(true),
    }
}

#[test]
fn whatever_a_node_says_nothing_panics() {
    let mut r = Random(0x1234_5678_9abc_def1);
    let (mut wrong, mut inferred) = (vec![], 0);
    for op in OPS.iter().filter(|op| op.domain.is_empty()) {
        for schema in versions(op.domain, op.name).iter().filter(|s| s.state != State::Deprecated) {
            for i in 0..TRIES {
                let hostile = i % 3 == 0;
                let Some(t) = trial(schema, &mut r, hostile) else { break };
                let judged = catch_unwind(AssertUnwindSafe(|| judge(&t, !hostile)));
                match judged {
                    Ok(Ok(ok)) => inferred += usize::from(ok),
                    Ok(Err(why)) => wrong.push(format!("{}-{}: {why}", schema.name, schema.since)),
                    Err(p) => {
                        let why = p.downcast_ref::<String>().cloned().unwrap_or_else(|| "panicked".into());
                        wrong.push(format!("{}-{}: {why}\n{:?}", schema.name, schema.since, t.model.graph));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} nodes:\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(inferred > 500, "{inferred}");
}
