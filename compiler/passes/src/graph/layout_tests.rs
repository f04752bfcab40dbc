//! Networks of image operators, some drawn at random: the program computes what the graph says, whatever the layouts.

use crate::assemble::Assembled;
use crate::from_kernel::Machine;
use crate::manager::{Manager, Quiet};
use crate::pipeline::{self, Wishes};
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::patch::Editor;
use onnxc_ir::graph::{Attr, Attrs, Graph, OpName, Type, ValueId};
use onnxc_ir::loops::interp::run_module;
use onnxc_ops::Registry;
use onnxc_ops::eval::Evaluator;

/// Random graphs tried.
const GRAPHS: u64 = 24;
/// Channels of every value of a random graph.
const C: usize = 16;

/// A small generator of numbers (splitmix64), the same on every machine.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % sides as u64) as usize
    }

    pub(crate) fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        let v: Vec<f32> = (0..n).map(|_| self.roll(2001) as f32 / 4000.0 - 0.25).collect();
        Tensor::from_slice(shape, &v)
    }
}

/// A graph under construction, with constants drawn at random.
pub(crate) struct Net {
    pub(crate) b: GraphBuilder,
    dice: Dice,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Net {
        Net { b: GraphBuilder::new("net"), dice: Dice(seed) }
    }

    pub(crate) fn node(&mut self, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
        let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
        self.b.node(OpName::onnx(op), attrs, &inputs, vec![Type::unknown()])[0]
    }

    pub(crate) fn ints(&mut self, v: &[i64]) -> ValueId {
        self.b.constant("ints", Tensor::from_slice(&[v.len()], v))
    }

    pub(crate) fn weights(&mut self, shape: &[usize]) -> ValueId {
        let t = self.dice.tensor(shape);
        self.b.constant("w", t)
    }

    /// A 3x3 convolution that keeps the extents at stride 1.
    pub(crate) fn conv(&mut self, x: ValueId, channels: [usize; 2], stride: i64, group: usize) -> ValueId {
        let w = self.weights(&[channels[1], channels[0] / group, 3, 3]);
        let bias = self.weights(&[channels[1]]);
        let attrs = Attrs::default()
            .with("pads", Attr::Ints(vec![1; 4]))
            .with("strides", Attr::Ints(vec![stride; 2]))
            .with("group", Attr::Int(group as i64));
        self.node("Conv", attrs, &[x, w, bias])
    }

    /// One more value of the same shape, from values of it.
    fn layer(&mut self, x: ValueId, y: ValueId) -> ValueId {
        let none = Attrs::default;
        match self.dice.roll(17) {
            0 => self.node("Relu", none(), &[x]),
            1 => self.node("Add", none(), &[x, y]),
            2 => self.conv(x, [C, C], 1, 1),
            3 => self.conv(x, [C, C], 1, C),
            4 => self.conv(x, [C, C], 1, 4),
            5 => {
                let window = none().with("kernel_shape", Attr::Ints(vec![3; 2])).with("pads", Attr::Ints(vec![1; 4]));
                let op = ["MaxPool", "AveragePool"][self.dice.roll(2)];
                self.node(op, window, &[x])
            }
            6 => {
                let mean = self.node("GlobalAveragePool", none(), &[x]);
                let gate = self.node("Sigmoid", none(), &[mean]);
                self.node("Mul", none(), &[y, gate])
            }
            7 => {
                let axis = Attr::Int(self.dice.roll(3) as i64 + 1);
                self.node("Softmax", none().with("axis", axis).with("flattened", Attr::Int(0)), &[x])
            }
            8 => {
                let (scale, bias) = (self.weights(&[C]), self.weights(&[C]));
                self.node("InstanceNormalization", none().with("epsilon", Attr::Float(1e-2)), &[x, scale, bias])
            }
            9 => {
                let slope = self.weights(&[C, 1, 1]);
                self.node("PRelu", none(), &[x, slope])
            }
            10 => {
                let both = self.node("Concat", none().with("axis", Attr::Int(1)), &[x, y]);
                let [from, to, axis] = [&[3i64], &[3 + C as i64], &[1i64]].map(|v| self.ints(v));
                self.node("Slice", none(), &[both, from, to, axis])
            }
            11 => {
                let axes = self.ints(&[1]);
                let mean = self.node("ReduceMean", none().with("keepdims", Attr::Int(1)), &[x, axes]);
                self.node("Sub", none(), &[y, mean])
            }
            12 => {
                let perm = |p: &[i64]| none().with("perm", Attr::Ints(p.to_vec()));
                let there = self.node("Transpose", perm(&[0, 2, 3, 1]), &[x]);
                let w = self.weights(&[C, C]);
                let mixed = self.node("MatMul", none(), &[there, w]);
                self.node("Transpose", perm(&[0, 3, 1, 2]), &[mixed])
            }
            13 => {
                let pads = self.ints(&[0, 0, 1, 1, 0, 0, 1, 1]);
                let padded = self.node("Pad", none().with("mode", Attr::Str("reflect".into())), &[x, pads]);
                let w = self.weights(&[C, C, 3, 3]);
                self.node("Conv", none().with("group", Attr::Int(1)), &[padded, w])
            }
            14 => {
                let flat = self.ints(&[0, 0, -1]);
                let flat = self.node("Reshape", none().with("allowzero", Attr::Int(0)), &[x, flat]);
                let mixed =
                    self.node("Softmax", none().with("axis", Attr::Int(2)).with("flattened", Attr::Int(0)), &[flat]);
                let shape = self.node("Shape", none(), &[y]);
                let back = self.node("Reshape", none().with("allowzero", Attr::Int(0)), &[mixed, shape]);
                self.node("Add", none(), &[back, y])
            }
            15 => {
                let both = self.conv(x, [C, 2 * C], 1, 1);
                let sizes = self.ints(&[C as i64, C as i64]);
                let attrs = none().with("axis", Attr::Int(1));
                let halves = [Type::unknown(), Type::unknown()].to_vec();
                let halves = self.b.node(OpName::onnx("Split"), attrs, &[Some(both), Some(sizes)], halves);
                let gate = self.node("Sigmoid", none(), &[halves[1]]);
                self.node("Mul", none(), &[halves[0], gate])
            }
            _ => {
                let (mean, var) = (self.weights(&[C]), self.b.constant("v", Tensor::from_slice(&[C], &[0.5f32; C])));
                let (s, b) = (self.weights(&[C]), self.weights(&[C]));
                self.node("BatchNormalization", none().with("epsilon", Attr::Float(1e-3)), &[x, s, b, mean, var])
            }
        }
    }

    /// A network from so many images of 3 channels to two results, one of which others read, too.
    pub(crate) fn random(mut self, images: &str) -> (Graph, Dice) {
        let x = self.b.tensor_input("x", DType::F32, &[images, "3", "h", "w"]);
        let mut values = vec![self.conv(x, [3, C], 1, 1)];
        for _ in 0..6 {
            let (a, b) = (values[self.dice.roll(values.len())], values[self.dice.roll(values.len())]);
            let v = self.layer(a, b);
            values.push(v);
        }
        let middle = values[self.dice.roll(values.len() - 1)];
        let last = *values.last().expect("there are values");
        let image = self.conv(last, [C, 3], 2, 1);
        (self.b.finish(&[image, middle, last]), self.dice)
    }
}

/// Compiles to loops IR and runs that beside the graph; gives the graph after the passes.
fn check(graph: &Graph, inputs: &[Tensor], what: &str) -> Graph {
    lowered(graph, inputs, what).0
}

/// The same, with the kernels.
pub(crate) fn lowered(graph: &Graph, inputs: &[Tensor], what: &str) -> (Graph, Assembled) {
    lowered_for(Machine::USUAL, graph, inputs, what)
}

/// The same for a machine.
pub(crate) fn lowered_for(machine: Machine, graph: &Graph, inputs: &[Tensor], what: &str) -> (Graph, Assembled) {
    let registry = Registry::new();
    let mut graph = graph.clone();
    let problems = onnxc_ops::infer::infer_graph(&mut graph, &registry);
    assert!(!problems.has_errors(), "{what}: {problems}");
    let given: Vec<HostValue> = inputs.iter().cloned().map(HostValue::Tensor).collect();
    let want = run(&graph, &Evaluator::new(&registry), &given).expect("the graph runs");
    let wishes = Wishes::new(machine, 2);
    let (mut quiet, mut editor) = (Quiet, Editor::new());
    let mut manager = Manager::new(&mut quiet);
    manager.verify = true;
    let lowered = pipeline::lower(&mut graph, &registry, &wishes, &mut editor, &mut manager).expect("it lowers");
    let got = run_module(&lowered.assembled.program, inputs).expect("the program runs");
    for (g, w) in got.iter().zip(&want) {
        let w = w.tensor().expect("a tensor");
        assert_eq!(g.shape(), w.shape(), "{what}");
        let (g, w) = (g.to_f64().expect("numbers"), w.to_f64().expect("numbers"));
        for (a, b) in g.iter().zip(&w) {
            assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{what}: {a} instead of {b}\n{graph}");
        }
    }
    (graph, lowered.assembled)
}

/// How often a graph copies from one layout to another.
fn reorders(graph: &Graph) -> usize {
    graph.body.nodes.iter().filter(|&&n| graph.nodes[n].op.name == "Reorder").count()
}

#[test]
fn random_networks_compute_the_same() {
    let mut laid = 0;
    for seed in 0..GRAPHS {
        let (graph, mut dice) = Net::new(seed).random("n");
        let shape = [1 + dice.roll(2), 3, 5 + dice.roll(3), 4 + dice.roll(5)];
        let x = dice.tensor(&shape);
        laid += check(&graph, &[x], &format!("graph {seed}")).layouts.len();
    }
    assert!(laid > 0, "some values are stored channels last");
}

#[test]
fn a_residual_block_needs_no_reorder() {
    let mut net = Net::new(1);
    let x = net.b.tensor_input("x", DType::F32, &["1", "3", "9", "9"]);
    let a = net.conv(x, [3, 16], 2, 1);
    let b = net.conv(a, [16, 16], 1, 1);
    let r = net.node("Relu", Attrs::default(), &[b]);
    let c = net.conv(r, [16, 16], 1, 16);
    let s = net.node("Add", Attrs::default(), &[c, a]);
    let p = net.node("GlobalAveragePool", Attrs::default(), &[s]);
    let f = net.node("Flatten", Attrs::default().with("axis", Attr::Int(1)), &[p]);
    let mut dice = Dice(5);
    let graph = check(&net.b.finish(&[f]), &[dice.tensor(&[1, 3, 9, 9])], "block");
    assert_eq!((graph.layouts.len(), reorders(&graph)), (5, 0), "{graph}");
}

/// As ConvNeXt begins: a normalisation over channels between a first convolution and a depthwise one, in Transposes. Both
/// sides are channels last, so the Transposes move nothing.
#[test]
fn transposes_give_convolutions_what_they_want() {
    let mut net = Net::new(4);
    let x = net.b.tensor_input("x", DType::F32, &["1", "3", "8", "8"]);
    let w = net.weights(&[32, 3, 2, 2]);
    let a = net.node("Conv", Attrs::default().with("strides", Attr::Ints(vec![2; 2])), &[x, w]);
    let perm = |p: &[i64]| Attrs::default().with("perm", Attr::Ints(p.to_vec()));
    let there = net.node("Transpose", perm(&[0, 2, 3, 1]), &[a]);
    let w = net.weights(&[32, 32]);
    let mixed = net.node("MatMul", Attrs::default(), &[there, w]);
    let back = net.node("Transpose", perm(&[0, 3, 1, 2]), &[mixed]);
    let b = net.conv(back, [32, 32], 1, 32);
    let c = net.node("Add", Attrs::default(), &[b, back]);
    let p = net.node("GlobalAveragePool", Attrs::default(), &[c]);
    let f = net.node("Flatten", Attrs::default().with("axis", Attr::Int(1)), &[p]);
    let mut dice = Dice(5);
    let graph = check(&net.b.finish(&[f]), &[dice.tensor(&[1, 3, 8, 8])], "convnext");
    assert_eq!((graph.layouts.len(), reorders(&graph)), (4, 0), "{graph}");
}

#[test]
fn results_are_row_major() {
    let mut net = Net::new(2);
    let x = net.b.tensor_input("x", DType::F32, &["1", "16", "6", "5"]);
    let a = net.conv(x, [16, 24], 1, 1);
    let b = net.node("Relu", Attrs::default(), &[a]);
    let c = net.conv(b, [24, 16], 1, 1);
    let mut dice = Dice(5);
    let graph = check(&net.b.finish(&[b, c]), &[dice.tensor(&[1, 16, 6, 5])], "results");
    assert_eq!(reorders(&graph), 2, "{graph}");
}

#[test]
fn networks_of_few_channels_stay_as_they_are() {
    let mut net = Net::new(3);
    let x = net.b.tensor_input("x", DType::F32, &["1", "3", "8", "8"]);
    let a = net.conv(x, [3, 12], 1, 1);
    let b = net.conv(a, [12, 3], 1, 1);
    let mut dice = Dice(5);
    let graph = check(&net.b.finish(&[b]), &[dice.tensor(&[1, 3, 8, 8])], "few");
    assert!(graph.layouts.values().all(|l| l.order().is_sorted()), "{graph}");
}

/// Kernels that are large enough for the transformed domain make their results channels last; vectors of the last
/// convolution, whose output stays as it is wanted, go along the channels that it sums over.
#[test]
fn large_kernels_make_channels_last() {
    let mut net = Net::new(3);
    let x = net.b.tensor_input("x", DType::F32, &["1", "3", "8", "8"]);
    let w = net.weights(&[64, 3, 9, 9]);
    let a = net.node("Conv", Attrs::default().with("pads", Attr::Ints(vec![4; 4])), &[x, w]);
    let r = net.node("Relu", Attrs::default(), &[a]);
    let w = net.weights(&[32, 64, 1, 1]);
    let b = net.node("Conv", Attrs::default(), &[r, w]);
    let c = net.conv(b, [32, 3], 1, 1);
    let mut dice = Dice(5);
    let graph = check(&net.b.finish(&[c]), &[dice.tensor(&[1, 3, 8, 8])], "srcnn");
    let last = |l: &onnxc_ir::graph::Layout| l.order() == [0, 2, 3, 1];
    assert_eq!(graph.layouts.values().filter(|l| last(l)).count(), 3, "{graph}");
}

/// The steps that copy for a Concat, Slice or Split.
fn copies(assembled: &Assembled) -> Vec<&str> {
    let moves = ["Concat", "Slice", "Split"];
    let ops = assembled.steps.iter().filter(|s| s.function.is_some()).flat_map(|s| &s.ops);
    ops.map(String::as_str).filter(|o| moves.contains(o)).collect()
}

#[test]
fn windows_read_the_border() {
    let mut net = Net::new(4);
    let x = net.b.tensor_input("x", DType::F32, &["2", "3", "h", "w"]);
    let a = net.conv(x, [3, 16], 1, 1);
    let b = net.conv(a, [16, 16], 1, 1);
    let window =
        Attrs::default().with("kernel_shape", Attr::Ints(vec![3; 2])).with("pads", Attr::Ints(vec![1, 0, 2, 1]));
    let c = net.node("MaxPool", window, &[b]);
    let d = net.conv(c, [16, 16], 1, 16);
    let mut dice = Dice(5);
    let (graph, assembled) = lowered(&net.b.finish(&[d]), &[dice.tensor(&[2, 3, 7, 9])], "borders");
    assert_eq!(graph.layouts.values().filter(|l| l.border().is_some()).count(), 3, "{graph}");
    let pads = |k: &onnxc_ir::kernel::Kernel| k.to_string().matches("padded").count();
    let padded: Vec<usize> = assembled.kernels.iter().map(|(k, _)| pads(k)).collect();
    assert_eq!(padded.iter().sum::<usize>(), 1, "only the image is padded: {padded:?}");
}

/// Pixels of 512 channels would meet in the same sets of a cache; of 256 in more, and of 480 they don't.
#[test]
fn pixels_whose_distance_is_a_power_of_two_are_apart() {
    for (channels, line) in [(512, 16), (256, 0), (480, 0)] {
        let mut net = Net::new(7);
        let x = net.b.tensor_input("x", DType::F32, &["1", "16", "4", "4"]);
        let a = net.conv(x, [16, channels], 1, 1);
        let b = net.conv(a, [channels, 16], 1, 1);
        let mut dice = Dice(5);
        let (graph, _) = lowered(&net.b.finish(&[b]), &[dice.tensor(&[1, 16, 4, 4])], "apart");
        let behind = graph.layouts.values().filter_map(|l| l.border()).map(|b| b.width[1].1).max();
        assert_eq!(behind, Some(line), "{graph}");
    }
}

#[test]
fn what_is_put_together_lies_together() {
    let mut net = Net::new(5);
    let x = net.b.tensor_input("x", DType::F32, &["1", "3", "h", "9"]);
    let a = net.conv(x, [3, 16], 1, 1);
    let (b, c) = (net.conv(a, [16, 24], 1, 1), net.conv(a, [16, 16], 1, 1));
    let c = net.node("Relu", Attrs::default(), &[c]);
    let inner = net.node("Concat", Attrs::default().with("axis", Attr::Int(1)), &[b, c]);
    let d = net.conv(a, [16, 24], 1, 1);
    let outer = net.node("Concat", Attrs::default().with("axis", Attr::Int(1)), &[d, inner]);
    let y = net.conv(outer, [64, 16], 2, 1);
    let mut dice = Dice(5);
    let (graph, assembled) = lowered(&net.b.finish(&[y]), &[dice.tensor(&[1, 3, 8, 9])], "concat");
    assert_eq!(copies(&assembled), [""; 0], "{graph}");
}

#[test]
fn what_is_taken_is_read_where_it_is() {
    let mut net = Net::new(6);
    let x = net.b.tensor_input("x", DType::F32, &["4", "s", "96"]);
    let w = net.weights(&[96, 96]);
    let all = net.node("MatMul", Attrs::default(), &[x, w]);
    let sizes = net.ints(&[32, 32, 32]);
    let parts = vec![Type::unknown(); 3];
    let p = net.b.node(
        OpName::onnx("Split"),
        Attrs::default().with("axis", Attr::Int(2)),
        &[Some(all), Some(sizes)],
        parts,
    );
    let t = net.node("Transpose", Attrs::default().with("perm", Attr::Ints(vec![0, 2, 1])), &[p[1]]);
    let scores = net.node("MatMul", Attrs::default(), &[p[0], t]);
    let y = net.node("MatMul", Attrs::default(), &[scores, p[2]]);
    let mut dice = Dice(5);
    let (graph, assembled) = lowered(&net.b.finish(&[y]), &[dice.tensor(&[4, 5, 96])], "split");
    assert_eq!(copies(&assembled), [""; 0], "{graph}");
}

#[test]
fn each_tensor_of_a_dense_block_lies_in_one_place() {
    let mut net = Net::new(7);
    let x = net.b.tensor_input("x", DType::F32, &["1", "3", "9", "w"]);
    let mut all = vec![net.conv(x, [3, 16], 1, 1)];
    for k in 1..4 {
        let both = net.node("Concat", Attrs::default().with("axis", Attr::Int(1)), &all);
        all.push(net.conv(both, [16 * k, 16], 1, 1));
    }
    let y = net.node("Concat", Attrs::default().with("axis", Attr::Int(1)), &all);
    let y = net.conv(y, [64, 16], 1, 1);
    let mut dice = Dice(5);
    let (graph, assembled) = lowered(&net.b.finish(&[y]), &[dice.tensor(&[1, 3, 9, 8])], "dense");
    assert_eq!(copies(&assembled), [""; 0], "{graph}");
}
