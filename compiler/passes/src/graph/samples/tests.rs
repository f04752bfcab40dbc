//! Batches sample by sample: the same numbers, and which nodes.

use super::PASS;
use crate::from_kernel::Machine;
use crate::graph::layout_tests::{Net, lowered_for};
use crate::graph::tests::{check_on, node, numbers};
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::{Attr, Attrs, Graph, OpName, Type, ValueId};

/// Caches so small that one image fits and few don't.
const SMALL: Machine = Machine { l2_bytes: 300, l3_bytes: 1 << 20, ..Machine::USUAL };

/// Images [n, 2, 6, 6] through three convolutions, `middle` and one more, and behind them a mean of all images.
fn network(images: &str, middle: impl Fn(&mut GraphBuilder, ValueId) -> ValueId) -> Graph {
    let mut b = GraphBuilder::new("g");
    let x = b.tensor_input("x", DType::F32, &[images, "2", "6", "6"]);
    let pads = || Attrs::default().with("pads", Attr::Ints(vec![1; 4]));
    let w = b.constant("w", numbers(&[2, 2, 3, 3]));
    let convolution = |b: &mut GraphBuilder, x| node(b, "Conv", pads(), &[x, w]);
    let first = (0..3).fold(x, |x, _| convolution(&mut b, x));
    let y = middle(&mut b, first);
    let last = convolution(&mut b, y);
    let axes = b.constant("all", Tensor::from_slice(&[1], &[0i64]));
    let mean = node(&mut b, "ReduceMean", Attrs::default().with("keepdims", Attr::Int(1)), &[last, axes]);
    b.finish(&[mean])
}

/// The operators of the body after the pass, for four images.
fn left(images: &str, middle: impl Fn(&mut GraphBuilder, ValueId) -> ValueId) -> Vec<String> {
    check_on(SMALL, network(images, middle), &[&PASS], &[numbers(&[4, 2, 6, 6])])
}

fn ints(b: &mut GraphBuilder, v: &[i64]) -> ValueId {
    b.constant("ints", Tensor::from_slice(&[v.len()], v))
}

#[test]
fn nodes_that_keep_samples_apart_are_run_sample_by_sample() {
    let none = Attrs::default;
    for images in ["4", "n"] {
        assert_eq!(left(images, |b, x| node(b, "Relu", none(), &[x])), ["Scan", "ReduceMean"]);
        let joined = |b: &mut GraphBuilder, x| {
            let pool = none().with("kernel_shape", Attr::Ints(vec![3; 2])).with("pads", Attr::Ints(vec![1; 4]));
            let pooled = node(b, "MaxPool", pool, &[x]);
            let mean = node(b, "GlobalAveragePool", none(), &[x]);
            let scaled = node(b, "Mul", none(), &[pooled, mean]);
            node(b, "Softmax", none().with("axis", Attr::Int(1)).with("flattened", Attr::Int(0)), &[scaled])
        };
        assert_eq!(left(images, joined), ["Scan", "ReduceMean"]);
    }
}

/// A target shape that speaks of all samples is one of a single sample inside.
#[test]
fn shapes_of_all_samples_are_cut() {
    let shuffled = |b: &mut GraphBuilder, x| {
        let there = ints(b, &[4, 6, 2, 6]);
        let y = node(b, "Reshape", Attrs::default().with("allowzero", Attr::Int(0)), &[x, there]);
        let back = ints(b, &[0, 2, 6, 6]);
        node(b, "Reshape", Attrs::default().with("allowzero", Attr::Int(0)), &[y, back])
    };
    assert_eq!(left("4", shuffled), ["Scan", "ReduceMean"]);
    let resized = |b: &mut GraphBuilder, x| {
        let sizes = Some(ints(b, &[4, 2, 6, 5]));
        let word = |s: &str| Attr::Str(s.into());
        let attrs = Attrs::default().with("mode", word("nearest")).with("coords", word("asymmetric"));
        let attrs = attrs.with("rounding", word("floor")).with("policy", word("stretch"));
        b.node(OpName::onnx("Resize"), attrs, &[Some(x), None, None, sizes], vec![Type::unknown()])[0]
    };
    assert_eq!(left("4", resized), ["Scan", "ReduceMean"]);
}

#[test]
fn nodes_that_mix_samples_end_the_run() {
    let none = Attrs::default;
    let softmax = |b: &mut GraphBuilder, x| {
        node(b, "Softmax", none().with("axis", Attr::Int(0)).with("flattened", Attr::Int(0)), &[x])
    };
    assert_eq!(left("4", softmax), ["Scan", "Softmax", "Conv", "ReduceMean"]);
    let twice = |b: &mut GraphBuilder, x| {
        let both = node(b, "Concat", none().with("axis", Attr::Int(0)), &[x, x]);
        let (from, to, axis) = (ints(b, &[2]), ints(b, &[6]), ints(b, &[0]));
        node(b, "Slice", none(), &[both, from, to, axis])
    };
    assert_eq!(left("4", twice), ["Scan", "Concat", "Slice", "Conv", "ReduceMean"]);
    let turned = |b: &mut GraphBuilder, x| {
        let flat = ints(b, &[2, 4, 6, 6]);
        let y = node(b, "Reshape", none().with("allowzero", Attr::Int(0)), &[x, flat]);
        node(b, "Transpose", none().with("perm", Attr::Ints(vec![1, 0, 2, 3])), &[y])
    };
    assert_eq!(left("4", turned), ["Scan", "Reshape", "Transpose", "Conv", "ReduceMean"]);
}

/// What convolutions behind the Scan read is stored channels last on both sides, so that it is moved once.
#[test]
fn what_leaves_for_convolutions_is_channels_last() {
    let mut net = Net::new(3);
    let x = net.b.tensor_input("x", DType::F32, &["4", "16", "24", "24"]);
    let z = [1, 2, 2].into_iter().fold(x, |x, stride| net.conv(x, [16, 16], stride, 1));
    let graph = net.b.finish(&[z]);
    // Four images of 24x24 are larger than the cache, of 12x12 they aren't.
    let machine = Machine { l2_bytes: 38_000, ..SMALL };
    let x = numbers(&[4, 16, 24, 24]);
    let (graph, assembled) = lowered_for(machine, &graph, &[x], "cut");
    let ops: Vec<&str> = graph.body.nodes.iter().map(|&n| &*graph.nodes[n].op.name).collect();
    assert_eq!(ops, ["Scan", "Transpose", "Conv", "Reorder"]);
    let steps: Vec<String> = assembled.steps.iter().map(|s| s.ops.join("+")).collect();
    // The first Transpose is where the convolution writes, the second copies into a border.
    let expected = ["Scan", "Unsqueeze", "Conv", "Conv+Transpose", "Squeeze", "Transpose", "Conv", "onnxc.Reorder"];
    assert_eq!(steps, expected, "{graph}");
}

#[test]
fn what_does_not_take_one_sample_ends_the_run() {
    let cropped = |b: &mut GraphBuilder, x| {
        let shape = ints(b, &[4, 2, 4, 4]);
        node(b, "CenterCropPad", Attrs::default(), &[x, shape])
    };
    assert_eq!(left("4", cropped), ["Scan", "CenterCropPad", "Conv", "ReduceMean"]);
}

#[test]
fn one_image_and_small_ones_stay_as_they_are() {
    let relu = |b: &mut GraphBuilder, x| node(b, "Relu", Attrs::default(), &[x]);
    let all = ["Conv", "Conv", "Conv", "Relu", "Conv", "ReduceMean"];
    assert_eq!(check_on(SMALL, network("1", relu), &[&PASS], &[numbers(&[1, 2, 6, 6])]), all);
    assert_eq!(check_on(Machine::USUAL, network("4", relu), &[&PASS], &[numbers(&[4, 2, 6, 6])]), all);
}

#[test]
fn random_batches_compute_the_same() {
    // Open extents count as 224: one value of 16 channels fits.
    let machine = Machine { l2_bytes: 4 << 20, ..Machine::USUAL };
    let mut split = 0;
    for seed in 0..12 {
        let images = ["n", "3"][seed as usize % 2];
        let (graph, mut dice) = Net::new(seed).random(images);
        let count = if images == "n" { seed as usize % 4 } else { 3 };
        let shape = [count, 3, 5 + dice.roll(3), 4 + dice.roll(5)];
        let x = dice.tensor(&shape);
        let (graph, _) = lowered_for(machine, &graph, &[x], &format!("graph {seed}"));
        split += graph.body.nodes.iter().filter(|n| graph.nodes[**n].op.name == "Scan").count();
    }
    assert!(split > 3, "{split} of the networks run sample by sample");
}
