//! sub-pixels: a transposed convolution is a plain one that computes all outputs of a step of its strides as channels.
//!
//! Output o of an axis of stride s stands, with `begin` before it, at s*q + r: it sums x[q - t] * w[r + s*t] over t. So a
//! convolution of ceil(kernel / s) taps gives for each q the outputs of all r, as many channels for each; DepthToSpace (or
//! a transposition, for other axes than two alike) puts these beside each other, and a Slice takes what sticks out.
//! Without strides this is the convolution with its weights mirrored. What made convolutions fast then serves.
//!
//! Only constant weights and bias of f32, one group, taps side by side where there are strides; not where what is cut off
//! would be most of the work. Extents may be
//! symbolic.

use super::patterns::{floats, input};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Sym, Tensor};
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Attrs, Graph, NodeId, OpName, TensorType, Type, ValueId};
use onnxc_ops::ops::conv_transpose::{Axis, axes};

/// The pass.
pub const PASS: GraphPass = GraphPass {
    name: "sub-pixels",
    about: "make transposed convolutions plain ones, whose channels are the outputs of a step",
    level: 1,
    run,
};

/// The work may grow by this factor.
const WASTE: f64 = 3.0;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let name = OpName::onnx("ConvTranspose");
    cx.patch_nodes(
        graph,
        |graph, _, n| if graph.nodes[n].op == name { Plain::of(graph, n)?.build(graph, n) } else { None },
    );
    Ok(())
}

/// One axis of the plain convolution.
struct Steps {
    stride: i64,
    dilation: i64,
    taps: i64,
    /// Padding of the input, and how many positions there are.
    begin: i64,
    end: i64,
    positions: Sym,
    /// Outputs before the first and behind the last that is wanted.
    before: i64,
    behind: i64,
}

impl Steps {
    fn of(axis: &Axis, x: &Sym) -> Option<Steps> {
        let (stride, kernel, begin) = (axis.stride, axis.kernel.as_int()?, axis.begin.as_int()?);
        let dilation = if stride == 1 { axis.dilation } else { 1 };
        if dilation != axis.dilation || begin < 0 {
            return None;
        }
        let taps = kernel.div_euclid(stride) + i64::from(kernel % stride != 0);
        let (first, reach) = (begin.div_euclid(stride), (taps - 1) * dilation);
        let last = (&axis.out + (begin - 1)).floordiv(&Sym::int(stride));
        let positions = last - first + 1;
        let before = begin - stride * first;
        let behind = (&positions * stride - &axis.out - before).as_int()?;
        let end = (&positions - x - (reach - first) + reach).as_int()?;
        let begin = reach - first;
        (begin >= 0 && end >= 0).then_some(Steps { stride, dilation, taps, begin, end, positions, before, behind })
    }

    /// How much more is computed than is wanted.
    fn waste(&self) -> f64 {
        let all = self.positions.as_int().map_or(1.0, |n| (n * self.stride) as f64);
        let wanted = all - if all > 1.0 { (self.before + self.behind) as f64 } else { 0.0 };
        all / wanted.max(1.0)
    }
}

/// A convolution in place of a transposed one.
struct Plain {
    x: ValueId,
    /// [input channels, output channels, taps..].
    weights: Tensor,
    bias: Option<Vec<f64>>,
    steps: Vec<Steps>,
    /// Shapes of the input and of the result.
    from: Vec<Sym>,
    to: Vec<Sym>,
}

impl Plain {
    fn of(graph: &Graph, n: NodeId) -> Option<Plain> {
        let node = &graph.nodes[n];
        let x = input(node, 0)?;
        let weights = graph.constant(input(node, 1)?)?.clone();
        let bias = match input(node, 2) {
            Some(b) => Some(floats(graph, b)?),
            None => None,
        };
        let shape = |v: ValueId| graph.tensor_type(v).map(|t| t.shape.clone());
        let (from, to) = (shape(x)?, shape(node.outputs[0])?);
        if weights.dtype() != DType::F32 || node.attrs.int("group").unwrap_or(1) != 1 {
            return None;
        }
        let kernel: Vec<Sym> = weights.shape()[2..].iter().map(|&k| Sym::int(k as i64)).collect();
        let axes = axes(&node.attrs, &from[2..], &kernel).ok()?;
        let steps = axes.iter().zip(&from[2..]).map(|(a, x)| Steps::of(a, x)).collect::<Option<Vec<_>>>()?;
        let sensible = steps.iter().map(Steps::waste).product::<f64>() <= WASTE;
        sensible.then_some(Plain { x, weights, bias, steps, from, to })
    }

    /// How many outputs a position has.
    fn each(&self) -> i64 {
        self.steps.iter().map(|s| s.stride).product()
    }

    /// [each * output channels, input channels, taps..], mirrored; 0 where a position's taps are fewer than another's.
    fn plain_weights(&self) -> Option<Tensor> {
        let w: Vec<f32> = self.weights.to_vec()?;
        let shape = self.weights.shape();
        let (channels, outputs, kernel) = (shape[0], shape[1], &shape[2..]);
        let taps: Vec<usize> = self.steps.iter().map(|s| s.taps as usize).collect();
        let strides: Vec<usize> = self.steps.iter().map(|s| s.stride as usize).collect();
        let (per, count) = (kernel.iter().product::<usize>(), taps.iter().product::<usize>());
        let each = self.each() as usize;
        let mut out = vec![0f32; each * outputs * channels * count];
        for phase in 0..each {
            let phases = digits(phase, &strides);
            for tap in 0..count {
                let at = digits(tap, &taps);
                let own = |a: usize| phases[a] + strides[a] * (taps[a] - 1 - at[a]);
                if (0..kernel.len()).any(|a| own(a) >= kernel[a]) {
                    continue;
                }
                let from = (0..kernel.len()).fold(0, |i, a| i * kernel[a] + own(a));
                for (p, q) in (0..outputs).flat_map(|p| (0..channels).map(move |q| (p, q))) {
                    out[((phase * outputs + p) * channels + q) * count + tap] = w[(q * outputs + p) * per + from];
                }
            }
        }
        let shape: Vec<usize> = [each * outputs, channels].into_iter().chain(taps).collect();
        Some(Tensor::from_slice(&shape, &out))
    }

    fn build(&self, graph: &mut Graph, n: NodeId) -> Option<Patch> {
        let mut patch = Patch::new(PASS.name, n);
        let weights = patch.constant(graph, "weights", self.plain_weights()?);
        let bias = self.bias.as_ref().map(|b| {
            let all: Vec<f32> = (0..self.each()).flat_map(|_| b.iter().map(|&v| v as f32)).collect();
            patch.constant(graph, "bias", Tensor::from_slice(&[all.len()], &all))
        });
        let list = |f: fn(&Steps) -> i64| self.steps.iter().map(f).collect::<Vec<_>>();
        let pads = [list(|s| s.begin), list(|s| s.end)].concat();
        let attrs = Attrs::default()
            .with("auto_pad", Attr::Str("NOTSET".into()))
            .with("dilations", Attr::Ints(list(|s| s.dilation)))
            .with("group", Attr::Int(1))
            .with("pads", Attr::Ints(pads));
        let mut shape = vec![self.from[0].clone(), &self.to[1] * self.each()];
        shape.extend(self.steps.iter().map(|s| s.positions.clone()));
        let inputs = [Some(self.x), Some(weights), bias];
        let y = patch.node(graph, OpName::onnx("Conv"), attrs, &inputs, vec![floats_of(&shape)])[0];
        let y = self.spread(graph, &mut patch, y)?;
        let y = self.cut(graph, &mut patch, y);
        patch.replace(graph.nodes[n].outputs[0], y);
        Some(patch)
    }

    /// Puts the outputs of each position beside each other.
    fn spread(&self, graph: &mut Graph, patch: &mut Patch, y: ValueId) -> Option<ValueId> {
        if self.each() == 1 {
            return Some(y);
        }
        let whole: Vec<Sym> = self.to[..2].iter().cloned().chain(self.steps.iter().map(Steps::all)).collect();
        let block = self.steps[0].stride;
        if self.steps.len() == 2 && self.steps[1].stride == block {
            let attrs = Attrs::default().with("blocksize", Attr::Int(block)).with("mode", Attr::Str("DCR".into()));
            let whole = vec![floats_of(&whole)];
            return Some(patch.node(graph, OpName::onnx("DepthToSpace"), attrs, &[Some(y)], whole)[0]);
        }
        // [batch, strides.., channels, positions..] to [batch, channels, position and stride of each axis].
        let n = self.steps.len();
        let strides = self.steps.iter().map(|s| Sym::int(s.stride));
        let positions = self.steps.iter().map(|s| s.positions.clone());
        let apart: Vec<Sym> =
            [self.to[0].clone()].into_iter().chain(strides).chain([self.to[1].clone()]).chain(positions).collect();
        let mut perm = vec![0, n + 1];
        perm.extend((0..n).flat_map(|a| [n + 2 + a, 1 + a]));
        let turned: Vec<Sym> = perm.iter().map(|&a| apart[a].clone()).collect();
        let y = reshape(graph, patch, y, &apart)?;
        let attrs = Attrs::default().with("perm", Attr::Ints(perm.iter().map(|&a| a as i64).collect()));
        let y = patch.node(graph, OpName::onnx("Transpose"), attrs, &[Some(y)], vec![floats_of(&turned)])[0];
        reshape(graph, patch, y, &whole)
    }

    /// Takes off what isn't wanted at both ends.
    fn cut(&self, graph: &mut Graph, patch: &mut Patch, y: ValueId) -> ValueId {
        if self.steps.iter().all(|s| s.before == 0 && s.behind == 0) {
            return y;
        }
        let ints = |v: Vec<i64>| Tensor::from_slice(&[v.len()], &v);
        let starts = ints(self.steps.iter().map(|s| s.before).collect());
        let ends = ints(self.steps.iter().map(|s| if s.behind == 0 { i64::MAX } else { -s.behind }).collect());
        let along = ints((2..).take(self.steps.len()).collect());
        let [starts, ends, along] =
            [("starts", starts), ("ends", ends), ("axes", along)].map(|(hint, t)| patch.constant(graph, hint, t));
        let inputs = [Some(y), Some(starts), Some(ends), Some(along)];
        patch.node(graph, OpName::onnx("Slice"), Attrs::default(), &inputs, vec![floats_of(&self.to)])[0]
    }
}

impl Steps {
    /// All outputs of all positions.
    fn all(&self) -> Sym {
        &self.positions * self.stride
    }
}

/// The indices of an element that is number `i` of a tensor in row-major order.
fn digits(mut i: usize, shape: &[usize]) -> Vec<usize> {
    let mut out = vec![0; shape.len()];
    for (d, n) in out.iter_mut().zip(shape).rev() {
        (*d, i) = (i % n, i / n);
    }
    out
}

fn floats_of(shape: &[Sym]) -> Type {
    Type::Tensor(TensorType { dtype: DType::F32, shape: shape.to_vec() })
}

/// The same memory under another shape, of which at most the batch and one more extent aren't known.
fn reshape(graph: &mut Graph, patch: &mut Patch, y: ValueId, shape: &[Sym]) -> Option<ValueId> {
    let keeps = |axis: usize| if axis == 0 { 0 } else { -1 };
    let list: Vec<i64> = shape.iter().enumerate().map(|(a, d)| d.as_int().unwrap_or(keeps(a))).collect();
    if list.iter().filter(|&&d| d == -1).count() > 1 {
        return None;
    }
    let shaped = patch.constant(graph, "shape", Tensor::from_slice(&[list.len()], &list));
    let attrs = Attrs::default().with("allowzero", Attr::Int(0));
    Some(patch.node(graph, OpName::onnx("Reshape"), attrs, &[Some(y), Some(shaped)], vec![floats_of(shape)])[0])
}
