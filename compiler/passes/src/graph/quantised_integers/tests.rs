//! Quantised graphs before and after: which operators are left, and the same numbers within one step of the output.

use super::PASS;
use crate::from_kernel::Machine;
use crate::graph::dead_code;
use crate::manager::{GraphCx, Manager, Note, Quiet};
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::patch::Editor;
use onnxc_ir::graph::{Attr, Attrs, OpName, Type, ValueId};
use onnxc_ops::Registry;
use onnxc_ops::eval::Evaluator;
use onnxc_ops::infer::infer_graph;

/// A quantised graph under construction; its input is f32 and quantised first.
struct Case {
    b: GraphBuilder,
    made: usize,
}

const STEP: f32 = 0.04;

impl Case {
    fn new(shape: &[&str]) -> (Case, ValueId) {
        let mut c = Case { b: GraphBuilder::new("g"), made: 0 };
        let x = c.b.tensor_input("x", DType::F32, shape);
        let x = c.quantised(x, STEP, 3);
        (c, x)
    }

    fn name(&mut self) -> String {
        self.made += 1;
        format!("c{}", self.made)
    }

    fn constant(&mut self, t: Tensor) -> ValueId {
        let name = self.name();
        self.b.constant(&name, t)
    }

    fn node(&mut self, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
        let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
        self.b.node(OpName::onnx(op), attrs, &inputs, vec![Type::unknown()])[0]
    }

    /// QuantizeLinear and DequantizeLinear.
    fn quantised(&mut self, v: ValueId, scale: f32, zero: i8) -> ValueId {
        let (s, z) = (self.constant(Tensor::scalar(scale)), self.constant(Tensor::scalar(zero)));
        let q = self.node("QuantizeLinear", axis(1), &[v, s, z]);
        self.node("DequantizeLinear", axis(1), &[q, s, z])
    }

    /// Weights, a scale for each position of axis 0.
    fn weights(&mut self, shape: &[usize]) -> ValueId {
        let n: usize = shape.iter().product();
        let v: Vec<i8> = (0..n).map(|i| ((i * 89 + 17) % 255) as i8).collect();
        let scales: Vec<f32> = (0..shape[0]).map(|c| 0.002 + 0.001 * c as f32).collect();
        let (w, s) =
            (self.constant(Tensor::from_slice(shape, &v)), self.constant(Tensor::from_slice(&[shape[0]], &scales)));
        self.node("DequantizeLinear", axis(0), &[w, s])
    }

    /// Runs the pass. Gives the operators that are left but for the outer two, and the notes.
    fn check(self, y: ValueId, scale: f32, shape: &[usize]) -> (Vec<String>, Vec<Note>) {
        let mut graph = self.b.finish(&[y]);
        let registry = Registry::new();
        let problems = infer_graph(&mut graph, &registry);
        assert!(!problems.has_errors(), "{problems}");
        let eval = Evaluator::new(&registry);
        let n: usize = shape.iter().product();
        let x: Vec<f32> = (0..n).map(|i| ((i * 37 + 11) % 200) as f32 / 20.0 - 5.0).collect();
        let given = [HostValue::Tensor(Tensor::from_slice(shape, &x))];
        let before = run(&graph, &eval, &given).expect("the graph runs");
        let (mut quiet, mut editor, mut notes) = (Quiet, Editor::new(), vec![]);
        let mut manager = Manager::new(&mut quiet);
        manager.verify = true;
        for pass in [&PASS, &dead_code::PASS] {
            let mut cx =
                GraphCx { registry: &registry, machine: Machine::USUAL, editor: &mut editor, notes: &mut notes };
            manager.graph(pass, &mut graph, &mut cx).expect("the pass leaves a valid graph");
        }
        let after = run(&graph, &eval, &given).expect("the graph still runs");
        let numbers = |v: &HostValue| v.tensor().and_then(Tensor::to_f64).expect("numbers");
        let (a, b) = (numbers(&before[0]), numbers(&after[0]));
        assert!(a.iter().any(|v| *v != a[0]) || a.len() == 1, "the case says nothing: {a:?}");
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() <= f64::from(scale) * 1.001, "{a} became {b}");
        }
        let ops: Vec<String> = graph.body.nodes.iter().map(|&n| graph.nodes[n].op.to_string()).collect();
        assert_eq!((ops[0].as_str(), ops[ops.len() - 1].as_str()), ("QuantizeLinear", "DequantizeLinear"), "{ops:?}");
        (ops[1..ops.len() - 1].to_vec(), notes)
    }
}

fn axis(a: i64) -> Attrs {
    Attrs::default().with("axis", Attr::Int(a)).with("block_size", Attr::Int(0)).with("saturate", Attr::Int(1))
}

#[test]
fn a_convolution_with_its_activation_is_one_operator() {
    for group in [1, 2] {
        let (mut c, x) = Case::new(&["1", "2", "5", "5"]);
        let w = c.weights(&[4, 2 / group, 3, 3]);
        let bias = c.constant(Tensor::from_slice(&[4], &[0.1f32, -0.2, 0.3, 0.05]));
        let attrs = Attrs::default().with("pads", Attr::Ints(vec![1, 0, 1, 2])).with("group", Attr::Int(group as i64));
        let y = c.node("Conv", attrs, &[x, w, bias]);
        let y = c.node("Relu", Attrs::default(), &[y]);
        let y = c.quantised(y, 0.1, -100);
        let (ops, notes) = c.check(y, 0.1, &[1, 2, 5, 5]);
        assert_eq!((ops, notes), (vec!["onnxc.IntegerConv".to_string()], vec![]));
    }
}

#[test]
fn moves_lie_between_products() {
    let (mut c, x) = Case::new(&["1", "2", "4", "4"]);
    let attrs = Attrs::default().with("kernel_shape", Attr::Ints(vec![2, 2])).with("strides", Attr::Ints(vec![2, 2]));
    let y = c.node("MaxPool", attrs, &[x]);
    let y = c.quantised(y, STEP, 3);
    let y = c.node("Flatten", Attrs::default().with("axis", Attr::Int(1)), &[y]);
    let w = c.weights(&[3, 8]);
    let attrs = Attrs::default().with("transB", Attr::Int(1));
    let y = c.node("Gemm", attrs, &[y, w]);
    let y = c.quantised(y, 0.2, 0);
    let (ops, notes) = c.check(y, 0.2, &[1, 2, 4, 4]);
    assert_eq!((ops, notes), (["MaxPool", "Flatten", "onnxc.IntegerMatMul"].map(String::from).to_vec(), vec![]));
}

#[test]
fn sums_products_means_and_softmax() {
    let (mut c, x) = Case::new(&["1", "3", "3", "5"]);
    let f = c.node("Mul", Attrs::default(), &[x, x]);
    let f = c.quantised(f, 0.1, -128);
    let s = c.node("Add", Attrs::default(), &[x, f]);
    let s = c.quantised(s, 0.12, -60);
    let m = c.node("GlobalAveragePool", Attrs::default(), &[s]);
    let m = c.quantised(m, 0.05, -90);
    let p = c.node("Softmax", Attrs::default().with("axis", Attr::Int(1)), &[m]);
    let p = c.quantised(p, 1.0 / 256.0, -128);
    // A step of the means is up to 0.05 / 4 of a probability, to which comes a step of its own.
    let (ops, notes) = c.check(p, 5.0 / 256.0, &[1, 3, 3, 5]);
    let want = ["onnxc.IntegerMul", "onnxc.IntegerAdd", "onnxc.IntegerAverage", "onnxc.IntegerSoftmax"];
    // A square is a function of one tensor.
    assert_eq!(
        (ops, notes),
        ([&["onnxc.IntegerTable"], &want[1..]].concat().iter().map(|s| s.to_string()).collect(), vec![])
    );
}

#[test]
fn formulas_of_one_tensor_are_tables_and_parts_are_rescaled() {
    let (mut c, x) = Case::new(&["2", "6"]);
    let y = c.node("Sigmoid", Attrs::default(), &[x]);
    let y = c.node("Mul", Attrs::default(), &[x, y]);
    let y = c.quantised(y, 0.05, -100);
    let z = c.node("Concat", Attrs::default().with("axis", Attr::Int(1)), &[x, y]);
    let z = c.quantised(z, 0.05, -100);
    let (ops, notes) = c.check(z, 0.05, &[2, 6]);
    assert_eq!(
        (ops, notes),
        (["onnxc.IntegerTable", "onnxc.IntegerTable", "Concat"].map(String::from).to_vec(), vec![])
    );
}

#[test]
fn what_stays_in_float_is_noted() {
    let (mut c, x) = Case::new(&["1", "2", "4", "4"]);
    let attrs = Attrs::default()
        .with("kernel_shape", Attr::Ints(vec![3, 3]))
        .with("pads", Attr::Ints(vec![1, 1, 1, 1]))
        .with("count_include_pad", Attr::Int(0));
    let y = c.node("AveragePool", attrs, &[x]);
    let y = c.quantised(y, STEP, 3);
    let y = c.node("LpNormalization", Attrs::default().with("axis", Attr::Int(-1)).with("p", Attr::Int(2)), &[y]);
    let y = c.quantised(y, 0.01, 0);
    let (ops, notes) = c.check(y, 0.01, &[1, 2, 4, 4]);
    assert!(ops.contains(&"AveragePool".to_string()) && ops.contains(&"LpNormalization".to_string()));
    let notes: Vec<String> = notes.iter().map(|n| format!("{}: {}", n.op, n.message)).collect();
    assert_eq!(
        notes,
        [
            "AveragePool: stays in float: windows at the border are of fewer elements",
            "LpNormalization: stays in float: there is no form of LpNormalization in integers"
        ]
    );
}
