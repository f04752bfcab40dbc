//! Each pass on a small graph: the text before and after, and the same numbers.

use crate::from_kernel::{Machine, Memory};
use crate::manager::{GraphCx, GraphPass, Manager, Quiet};
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::patch::Editor;
use onnxc_ir::graph::{Attr, Attrs, Graph, OpName, ValueId};
use onnxc_ops::Registry;
use onnxc_ops::eval::Evaluator;
use onnxc_ops::infer::infer_graph;

/// Adds a node of ONNX's own; types come from inference.
pub(super) fn node(b: &mut GraphBuilder, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
    let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
    b.node(OpName::onnx(op), attrs, &inputs, vec![onnxc_ir::graph::Type::unknown()])[0]
}

pub(super) fn numbers(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f32> = (0..n).map(|i| ((i * 31 + 7) % 23) as f32 / 8.0 + 0.25).collect();
    Tensor::from_slice(shape, &v)
}

/// Runs passes; the outputs must stay the same numbers. Gives the operators that are left.
pub(super) fn check(graph: Graph, passes: &[&GraphPass], inputs: &[Tensor]) -> Vec<String> {
    check_on(Machine::USUAL, graph, passes, inputs)
}

/// The same for a machine.
pub(super) fn check_on(machine: Machine, mut graph: Graph, passes: &[&GraphPass], inputs: &[Tensor]) -> Vec<String> {
    let registry = Registry::new();
    let problems = infer_graph(&mut graph, &registry);
    assert!(!problems.has_errors(), "{problems}");
    let eval = Evaluator::new(&registry);
    let given: Vec<HostValue> = inputs.iter().cloned().map(HostValue::Tensor).collect();
    let before = run(&graph, &eval, &given).expect("the graph runs");
    let (mut quiet, mut editor) = (Quiet, Editor::new());
    let mut manager = Manager::new(&mut quiet);
    manager.verify = true;
    for pass in passes {
        let mut cx = GraphCx { registry: &registry, machine, editor: &mut editor, notes: &mut vec![] };
        manager.graph(pass, &mut graph, &mut cx).expect("the pass leaves a valid graph");
    }
    let after = run(&graph, &eval, &given).expect("the graph still runs");
    for (a, b) in before.iter().zip(&after) {
        let (a, b) = (a.tensor().and_then(Tensor::to_f64), b.tensor().and_then(Tensor::to_f64));
        for (x, y) in a.expect("numbers").iter().zip(&b.expect("numbers")) {
            assert!((x - y).abs() <= 1e-4 * x.abs().max(1.0), "{x} became {y}");
        }
    }
    graph.body.nodes.iter().map(|&n| graph.nodes[n].op.to_string()).collect()
}

/// A cheap convolution whose result is read by the next one, and again at the end. `wide`: it is most of the work itself.
fn long_residual(wide: bool) -> Graph {
    let mut b = GraphBuilder::new("g");
    let channels = if wide { 64 } else { 1 };
    let x = b.tensor_input("x", DType::F32, &["1", &channels.to_string(), "8", "8"]);
    let pads = || Attrs::default().with("pads", Attr::Ints(vec![1; 4]));
    let first = b.constant("first", numbers(&[4, channels, 3, 3]));
    let inner = b.constant("inner", numbers(&[4, 4, 3, 3]));
    let head = node(&mut b, "Conv", pads(), &[x, first]);
    let mut y = head;
    for _ in 0..3 {
        let product = node(&mut b, "Conv", pads(), &[y, inner]);
        y = node(&mut b, "Relu", Attrs::default(), &[product]);
    }
    let y = node(&mut b, "Add", Attrs::default(), &[y, head]);
    b.finish(&[y])
}

#[test]
fn what_waits_is_computed_again_if_that_is_cheap_and_asked_for() {
    let machine = |thrift: u32| Machine { memory: Memory { thrift, ..Memory::SCARCE }, ..Machine::USUAL };
    let convolutions = |wide: bool, thrift: u32| {
        let input = numbers(&[1, if wide { 64 } else { 1 }, 8, 8]);
        let ops = check_on(machine(thrift), long_residual(wide), &[&super::recompute::PASS], &[input]);
        ops.iter().filter(|op| *op == "Conv").count()
    };
    assert_eq!(convolutions(false, Machine::JOINING), 4);
    assert_eq!(convolutions(false, Machine::JOINING + 1), 5);
    // There is nothing more to spare.
    assert_eq!(convolutions(false, Machine::MOST_THRIFT), 5);
    assert_eq!(convolutions(true, Machine::MOST_THRIFT), 4);
}

/// A convolution of an image times a factor per channel.
fn scaled_image(side: &str, group: i64) -> Graph {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["2", "4", side, side]);
    let s = b.tensor_input("s", DType::F32, &["1", "4", "1", "1"]);
    let w = b.constant("w", numbers(&[4, 4 / group as usize, 1, 1]));
    let product = node(&mut b, "Mul", Attrs::default(), &[x, s]);
    let y = node(&mut b, "Conv", Attrs::default().with("group", Attr::Int(group)), &[product, w]);
    b.finish(&[y])
}

#[test]
fn factors_of_channels_go_into_the_weights() {
    for (side, group, moves) in [("4", 1, true), ("1", 1, false), ("4", 2, false)] {
        let n = side.parse().expect("a number");
        let given = [numbers(&[2, 4, n, n]), numbers(&[1, 4, 1, 1])];
        let mut graph = scaled_image(side, group);
        assert_eq!(check(graph.clone(), &[&super::scale_weights::PASS], &given), ["Mul", "Conv"]);
        let registry = Registry::new();
        infer_graph(&mut graph, &registry);
        let mut editor = Editor::new();
        let mut cx = GraphCx { registry: &registry, machine: Machine::USUAL, editor: &mut editor, notes: &mut vec![] };
        (super::scale_weights::PASS.run)(&mut graph, &mut cx).expect("it has no errors");
        let mul = graph.nodes[graph.body.nodes[0]].outputs[0];
        let batch = graph.tensor_type(mul).and_then(|t| t.shape[0].as_int());
        assert_eq!(batch, Some(if moves { 4 } else { 2 }), "an image of {side} by {side} in {group} groups");
    }
}

#[test]
fn batch_norm_goes_into_the_weights() {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["1", "2", "4", "4"]);
    let w = b.constant("w", numbers(&[3, 2, 1, 1]));
    let c = node(&mut b, "Conv", Attrs::default(), &[x, w]);
    let stats: Vec<ValueId> = ["s", "b", "m", "v"].iter().map(|n| b.constant(n, numbers(&[3]))).collect();
    let y = node(
        &mut b,
        "BatchNormalization",
        Attrs::default().with("epsilon", Attr::Float(1e-3)),
        &[&[c], &stats[..]].concat(),
    );
    let left = check(b.finish(&[y]), &[&super::fold_batch_norm::PASS], &[numbers(&[1, 2, 4, 4])]);
    assert_eq!(left, ["Conv"]);
}

#[test]
fn batch_norm_goes_into_the_weights_of_a_transposed_convolution() {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["1", "4", "3", "3"]);
    let (w, bias) = (b.constant("w", numbers(&[4, 3, 2, 2])), b.constant("c", numbers(&[6])));
    let c = node(&mut b, "ConvTranspose", Attrs::default().with("group", Attr::Int(2)), &[x, w, bias]);
    let stats: Vec<ValueId> = ["s", "b", "m", "v"].iter().map(|n| b.constant(n, numbers(&[6]))).collect();
    let y = node(&mut b, "BatchNormalization", Attrs::default(), &[&[c], &stats[..]].concat());
    let left = check(b.finish(&[y]), &[&super::fold_batch_norm::PASS], &[numbers(&[1, 4, 3, 3])]);
    assert_eq!(left, ["ConvTranspose"]);
}

#[test]
fn layer_norm_is_recognised() {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["2", "8"]);
    let keep = || Attrs::default().with("keepdims", Attr::Int(1));
    let axes = b.constant("axes", Tensor::from_slice(&[1], &[-1i64]));
    let mean = node(&mut b, "ReduceMean", keep(), &[x, axes]);
    let d = node(&mut b, "Sub", Attrs::default(), &[x, mean]);
    let two = b.constant("two", Tensor::scalar(2.0f32));
    let sq = node(&mut b, "Pow", Attrs::default(), &[d, two]);
    let var = node(&mut b, "ReduceMean", keep(), &[sq, axes]);
    let eps = b.constant("eps", Tensor::scalar(1e-5f32));
    let var = node(&mut b, "Add", Attrs::default(), &[var, eps]);
    let sd = node(&mut b, "Sqrt", Attrs::default(), &[var]);
    let y = node(&mut b, "Div", Attrs::default(), &[d, sd]);
    let (g, s) = (b.constant("g", numbers(&[8])), b.constant("s", numbers(&[8])));
    let y = node(&mut b, "Mul", Attrs::default(), &[y, g]);
    let y = node(&mut b, "Add", Attrs::default(), &[y, s]);
    let left = check(b.finish(&[y]), &[&super::fuse_layer_norm::PASS], &[numbers(&[2, 8])]);
    assert_eq!(left, ["LayerNormalization"]);
}

#[test]
fn constants_fold_and_equal_nodes_merge() {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["3"]);
    let (p, q) = (b.constant("p", numbers(&[3])), b.constant("q", numbers(&[3])));
    let pq = node(&mut b, "Add", Attrs::default(), &[p, q]);
    let s = node(&mut b, "Mul", Attrs::default(), &[x, pq]);
    let t = node(&mut b, "Mul", Attrs::default(), &[x, pq]);
    let y = node(&mut b, "Add", Attrs::default(), &[s, t]);
    let passes = [&super::fold_constants::PASS, &super::common_subexpressions::PASS, &super::dead_code::PASS];
    assert_eq!(check(b.finish(&[y]), &passes, &[numbers(&[3])]), ["Mul", "Add"]);
}

#[test]
fn aliases_of_one_value_to_two_shapes_stay_two() {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["2", "3"]);
    let axes = [0i64, 1].map(|a| b.constant(&format!("axes{a}"), Tensor::from_slice(&[1], &[a])));
    let [rows, columns] = axes.map(|a| node(&mut b, "Unsqueeze", Attrs::default(), &[x, a]));
    let y = node(&mut b, "Add", Attrs::default(), &[rows, columns]);
    let passes = [&super::simplify::PASS, &super::dead_code::PASS, &super::common_subexpressions::PASS];
    assert_eq!(check(b.finish(&[y]), &passes, &[numbers(&[2, 3])]), ["Unsqueeze", "Unsqueeze", "Add"]);
}

#[test]
fn identities_disappear() {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["3"]);
    let i = node(&mut b, "Identity", Attrs::default(), &[x]);
    let j = node(&mut b, "Identity", Attrs::default(), &[i]);
    let y = node(&mut b, "Add", Attrs::default(), &[j, i]);
    let left = check(b.finish(&[y]), &[&super::simplify::PASS, &super::dead_code::PASS], &[numbers(&[3])]);
    assert_eq!(left, ["Add"]);
}

#[test]
fn transposes_of_transposes_are_one_or_none() {
    let perm = |p: &[i64]| Attrs::default().with("perm", Attr::Ints(p.to_vec()));
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["2", "3", "4"]);
    let last = node(&mut b, "Transpose", perm(&[0, 2, 1]), &[x]);
    let back = node(&mut b, "Transpose", perm(&[0, -1, 1]), &[last]);
    let turned = node(&mut b, "Transpose", Attrs::default(), &[back]);
    let again = node(&mut b, "Transpose", perm(&[1, 2, 0]), &[turned]);
    let y = node(&mut b, "Concat", Attrs::default().with("axis", Attr::Int(0)), &[back, x]);
    let passes = [&super::simplify::PASS, &super::dead_code::PASS];
    assert_eq!(check(b.finish(&[y, again]), &passes, &[numbers(&[2, 3, 4])]), ["Transpose", "Concat"]);
}

#[test]
fn a_gemm_of_folded_axes_becomes_a_product() {
    for transposed in [0, 1] {
        let mut b = GraphBuilder::new("g");
        let x = b.tensor_input("x", DType::F32, &["2", "3", "4"]);
        let flat = b.constant("flat", Tensor::from_slice(&[2], &[-1i64, 4]));
        let m = node(&mut b, "Reshape", Attrs::default(), &[x, flat]);
        let w = b.constant("w", numbers(if transposed == 1 { &[5, 4] } else { &[4, 5] }));
        let bias = b.constant("b", numbers(&[5]));
        let attrs =
            [("alpha", 1.0), ("beta", 1.0)].iter().fold(Attrs::default(), |a, (n, v)| a.with(n, Attr::Float(*v)));
        let attrs = attrs.with("transA", Attr::Int(0)).with("transB", Attr::Int(transposed));
        let m = node(&mut b, "Gemm", attrs, &[m, w, bias]);
        let deep = b.constant("deep", Tensor::from_slice(&[3], &[2i64, 3, 5]));
        let y = node(&mut b, "Reshape", Attrs::default(), &[m, deep]);
        let graph = b.finish(&[y]);
        let passes = [&super::gemm_axes::PASS, &super::fold_constants::PASS];
        assert_eq!(check(graph, &passes, &[numbers(&[2, 3, 4])]), ["MatMul", "Add"]);
    }
}

/// Some of a constant's rows, picked and transposed, times weights for so many columns; or a recurrent layer's part of them.
fn picked(recurrent: bool, rows: usize, columns: usize) -> Vec<String> {
    let mut b = GraphBuilder::new("g");
    let i = b.tensor_input("i", DType::I64, &["2", "3"]);
    let e = b.constant("e", numbers(&[rows, 8]));
    let x = node(&mut b, "Gather", Attrs::default().with("axis", Attr::Int(0)), &[e, i]);
    let x = node(&mut b, "Transpose", Attrs::default().with("perm", Attr::Ints(vec![1, 0, 2])), &[x]);
    let y = if recurrent {
        let (w, bias) = (b.constant("w", numbers(&[columns, 8])), b.constant("b", numbers(&[columns])));
        let attrs = Attrs::default().with("directions", Attr::Int(2));
        let op = OpName { domain: "onnxc".into(), name: "RecurrentInput".into() };
        b.node(op, attrs, &[Some(x), Some(w), Some(bias)], vec![onnxc_ir::graph::Type::unknown()])[0]
    } else {
        let w = b.constant("w", numbers(&[8, columns]));
        node(&mut b, "MatMul", Attrs::default(), &[x, w])
    };
    let passes = [&super::gather_products::PASS, &super::fold_constants::PASS];
    check(b.finish(&[y]), &passes, &[Tensor::from_slice(&[2, 3], &[0i64, 5, -1, 2, -6, 3])])
}

#[test]
fn a_product_of_picked_rows_is_picked() {
    assert_eq!(picked(false, 6, 10), ["Transpose", "Gather"]);
    assert_eq!(picked(true, 6, 10), ["Transpose", "Gather", "Add"]);
    // 40 * 10 floats instead of (40 + 10) * 8, but 40 * 400 instead of (40 + 400) * 8 are more than twice as many.
    assert_eq!(picked(false, 40, 10), ["Transpose", "Gather"]);
    assert_eq!(picked(false, 40, 400), ["Gather", "Transpose", "MatMul"]);
}

/// A transposed convolution of 3 to 2 channels with these attributes, over an image of these extents.
fn transposed(extents: &[&str], kernel: &[usize], attrs: Attrs) -> Graph {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &[&["2", "3"], extents].concat());
    let (w, bias) = (b.constant("w", numbers(&[&[3, 2], kernel].concat())), b.constant("b", numbers(&[2])));
    let y = node(&mut b, "ConvTranspose", attrs, &[x, w, bias]);
    b.finish(&[y])
}

#[test]
fn transposed_convolutions_become_plain_ones() {
    let attrs = |strides: &[i64], pads: &[i64], extra: &[i64]| {
        Attrs::default()
            .with("strides", Attr::Ints(strides.to_vec()))
            .with("pads", Attr::Ints(pads.to_vec()))
            .with("output_padding", Attr::Ints(extra.to_vec()))
    };
    let cases: [(&[usize], Attrs, &[&str]); 6] = [
        (&[2, 2], attrs(&[2, 2], &[0; 4], &[0, 0]), &["Conv", "DepthToSpace"]),
        (&[4, 4], attrs(&[2, 2], &[1; 4], &[0, 0]), &["Conv", "DepthToSpace", "Slice"]),
        (&[3, 3], attrs(&[2, 2], &[1; 4], &[1, 1]), &["Conv", "DepthToSpace", "Slice"]),
        (&[5, 3], attrs(&[3, 2], &[0, 1, 2, 1], &[2, 0]), &["Conv", "Reshape", "Transpose", "Reshape", "Slice"]),
        (&[3, 2], attrs(&[1, 1], &[1, 0, 1, 0], &[0, 0]), &["Conv"]),
        (&[1, 1], attrs(&[3, 3], &[0; 4], &[0, 0]), &["Conv", "DepthToSpace", "Slice"]),
    ];
    for (kernel, attrs, made) in cases {
        let given = [numbers(&[2, 3, 4, 5])];
        let fixed = transposed(&["4", "5"], kernel, attrs.clone());
        assert_eq!(check(fixed, &[&super::sub_pixels::PASS], &given), made, "{kernel:?}");
        // The strides of this one differ.
        if kernel != [5, 3] {
            let symbolic = transposed(&["h", "w"], kernel, attrs);
            assert_eq!(check(symbolic, &[&super::sub_pixels::PASS], &given), made, "{kernel:?}, symbolic");
        }
    }
    // A quarter of a pixel's outputs are wanted.
    let few = transposed(&["1", "1"], &[2, 2], attrs(&[4, 4], &[0; 4], &[0, 0]));
    assert_eq!(check(few, &[&super::sub_pixels::PASS], &[numbers(&[2, 3, 1, 1])]), ["ConvTranspose"]);
    let row = transposed(&["n"], &[6], attrs(&[4], &[1, 1], &[0]));
    let made = ["Conv", "Reshape", "Transpose", "Reshape", "Slice"];
    assert_eq!(check(row, &[&super::sub_pixels::PASS], &[numbers(&[2, 3, 7])]), made);
}

#[test]
fn taps_that_meet_only_padding_disappear() {
    for (dilation, taps) in [(5, "1"), (3, "3")] {
        let mut b = GraphBuilder::new("g");
        let x = b.tensor_input("x", DType::F32, &["1", "2", "5", "9"]);
        let w = b.constant("w", numbers(&[3, 2, 3, 3]));
        let attrs = Attrs::default()
            .with("pads", Attr::Ints(vec![dilation; 4]))
            .with("dilations", Attr::Ints(vec![dilation; 2]))
            .with("kernel_shape", Attr::Ints(vec![3, 3]));
        let y = node(&mut b, "Conv", attrs, &[x, w]);
        let mut graph = b.finish(&[y]);
        let given = [numbers(&[1, 2, 5, 9])];
        let passes = [&super::dead_taps::PASS, &super::fold_constants::PASS, &super::dead_code::PASS];
        assert_eq!(check(graph.clone(), &passes, &given), ["Conv"]);
        let registry = Registry::new();
        infer_graph(&mut graph, &registry);
        let mut editor = Editor::new();
        let mut cx = GraphCx { registry: &registry, machine: Machine::USUAL, editor: &mut editor, notes: &mut vec![] };
        (super::dead_taps::PASS.run)(&mut graph, &mut cx).expect("it has no errors");
        let conv = &graph.nodes[*graph.body.nodes.last().expect("a node")];
        let weights = graph.tensor_type(conv.inputs[1].expect("weights")).expect("a tensor");
        assert_eq!(weights.shape[2].to_string(), taps, "dilation {dilation}");
        assert_eq!(weights.shape[3].to_string(), "3", "dilation {dilation}");
    }
}

#[test]
fn dilated_convolutions_go_in_parts() {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &["2", "3", "14", "9"]);
    let (w, bias) = (b.constant("w", numbers(&[4, 3, 3, 3])), b.constant("b", numbers(&[4])));
    let attrs = Attrs::default().with("pads", Attr::Ints(vec![6, 5, 6, 5])).with("dilations", Attr::Ints(vec![6, 5]));
    let y = node(&mut b, "Conv", attrs.with("group", Attr::Int(1)), &[x, w, bias]);
    let passes = [&super::live_taps::PASS, &super::fold_constants::PASS, &super::dead_code::PASS];
    let ops = check(b.finish(&[y]), &passes, &[numbers(&[2, 3, 14, 9])]);
    let count = |op: &str| ops.iter().filter(|o| *o == op).count();
    // The two rows in the middle that all taps meet are too few pixels to cut once more.
    assert_eq!((count("Conv"), count("Concat")), (7, 3), "{ops:?}");
}

/// An LSTM's steps, then `next` of what they give: MatMul and Add, or the input's part of a further layer. `wanted`: the
/// output is one of the model's, too.
fn recurrent(steps: usize, next: &str, wanted: bool, machine: Machine) -> Vec<String> {
    let mut b = GraphBuilder::new("g");
    let inner = |name: &str| OpName { domain: "onnxc".into(), name: name.into() };
    let unknown = onnxc_ir::graph::Type::unknown;
    let small = |shape: &[usize]| {
        let v: Vec<f32> = numbers(shape).to_vec().expect("floats");
        Tensor::from_slice(shape, &v.iter().map(|v| v / 64.0 - 0.025).collect::<Vec<_>>())
    };
    let px = b.tensor_input("px", DType::F32, &[&steps.to_string(), "1", "1", "512"]);
    let r = b.constant("r", small(&[1, 8, 128, 4, 16]));
    let strings = |v: &[&str]| Attr::Strs(v.iter().map(|s| s.to_string()).collect());
    let attrs = Attrs::default()
        .with("kind", Attr::Str("LSTM".into()))
        .with("direction", Attr::Str("forward".into()))
        .with("activations", strings(&["sigmoid", "tanh", "tanh"]))
        .with("alpha", Attr::Floats(vec![0.0; 3]))
        .with("beta", Attr::Floats(vec![0.0; 3]));
    let y = b.node(inner("RecurrentSteps"), attrs, &[Some(px), Some(r)], vec![unknown(), unknown()]);
    let axis = b.constant("axis", Tensor::from_slice(&[1], &[1i64]));
    let x = node(&mut b, "Squeeze", Attrs::default(), &[y[0], axis]);
    let z = if next == "MatMul" {
        let x = node(&mut b, "Transpose", Attrs::default().with("perm", Attr::Ints(vec![1, 0, 2])), &[x]);
        let (w, bias) = (b.constant("w", small(&[128, 40])), b.constant("bias", numbers(&[40])));
        let z = node(&mut b, "MatMul", Attrs::default(), &[x, w]);
        node(&mut b, "Add", Attrs::default(), &[bias, z])
    } else {
        let w = b.constant("w", small(&[96, 128]));
        b.node(inner(next), Attrs::default().with("directions", Attr::Int(2)), &[Some(x), Some(w)], vec![unknown()])[0]
    };
    let results = if wanted { vec![z, y[1], x] } else { vec![z, y[1]] };
    check_on(machine, b.finish(&results), &[&super::beside_steps::PASS], &[small(&[steps, 1, 1, 512])])
}

#[test]
fn products_of_layers_go_beside_steps() {
    let wide = Machine { vector_bits: 512, registers: 32, ..Machine::USUAL };
    let beside = ["onnxc.RecurrentColumns", "onnxc.RecurrentSteps", "Reshape"];
    assert_eq!(recurrent(24, "MatMul", false, wide), beside);
    assert_eq!(recurrent(29, "RecurrentInput", false, wide), beside);
    let alone = ["onnxc.RecurrentSteps", "Squeeze", "onnxc.RecurrentInput"];
    assert_eq!(recurrent(23, "RecurrentInput", false, wide), alone, "few steps");
    assert_eq!(recurrent(24, "RecurrentInput", true, wide), alone, "the layer's output is wanted");
    assert_eq!(recurrent(24, "RecurrentInput", false, Machine::USUAL), alone, "few registers");
}
