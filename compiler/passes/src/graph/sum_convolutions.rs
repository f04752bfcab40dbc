//! sum-convolutions: convolutions of the same tensor whose results are added (or subtracted) become one.
//!
//! conv(x, v) + conv(x, w) = conv(x, v + w), where the smaller kernel's taps are among the larger one's. A BatchNormalization
//! of x is a 1x1 convolution of as many groups as channels. Networks that are trained with parallel branches (RepVGG,
//! MobileOne, FastViT) are exported so.
//!
//! The weights are added in f64 and rounded once. Only constant f32 weights, and results that nobody else uses. Does NOT
//! make a kernel larger than the largest, nor groups of more channels than those of the larger kernel.

use super::patterns::{floats, input};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_ir::graph::patch::{Patch, Uses};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, ValueId};

/// The pass.
pub const PASS: GraphPass = GraphPass {
    name: "sum-convolutions",
    about: "make one convolution of those whose results are added",
    level: 2,
    run,
};

/// The most terms of a sum that are looked at together.
const MOST_TERMS: usize = 16;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    cx.patch_nodes(graph, |graph, _, n| {
        sign_of(&graph.nodes[n])?;
        summed(graph, &Uses::new(graph), n)
    });
    Ok(())
}

/// The sign of the second operand of a sum or difference.
fn sign_of(node: &Node) -> Option<f64> {
    match (&*node.op.domain, &*node.op.name) {
        ("", "Add") => Some(1.0),
        ("", "Sub") => Some(-1.0),
        _ => None,
    }
}

/// A term of a sum.
struct Term {
    sign: f64,
    part: Part,
}

enum Part {
    Value(ValueId),
    /// What several of them have become, which has their signs in its numbers.
    Joined(Taps),
}

/// A convolution, its sign in its numbers.
#[derive(Clone)]
struct Taps {
    x: ValueId,
    attrs: Attrs,
    group: usize,
    /// `[output channels, input channels of a group, taps..]`.
    shape: Vec<usize>,
    weights: Vec<f64>,
    bias: Vec<f64>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
    /// Padding in front.
    begin: Vec<i64>,
}

fn summed(graph: &mut Graph, uses: &Uses, n: NodeId) -> Option<Patch> {
    let mut found = vec![];
    expand(graph, uses, n, 1.0, &mut found);
    let mut terms = joined(graph, uses, found)?;
    // A sum begins with what is added.
    let first = terms.iter().position(|t| t.sign > 0.0)?;
    terms.swap(0, first);
    let root = graph.nodes[n].outputs[0];
    let mut patch = Patch::new(PASS.name, n);
    let mut sum = None;
    for term in terms {
        let value = match &term.part {
            Part::Joined(taps) => convolution(graph, &mut patch, taps, root),
            Part::Value(v) => *v,
        };
        sum = Some(match sum {
            None => value,
            Some(before) => {
                let op = OpName::onnx(if term.sign > 0.0 { "Add" } else { "Sub" });
                let ty = graph.values[root].ty.clone();
                patch.node(graph, op, Attrs::default(), &[Some(before), Some(value)], vec![ty])[0]
            }
        });
    }
    patch.replace(root, sum?);
    Some(patch)
}

/// The terms of a sum and their signs, through sums of the same extents that nobody else uses.
fn expand(graph: &Graph, uses: &Uses, n: NodeId, sign: f64, terms: &mut Vec<(ValueId, f64)>) {
    let node = &graph.nodes[n];
    let Some(second) = sign_of(node) else { return };
    for (v, sign) in [(input(node, 0), sign), (input(node, 1), sign * second)] {
        let Some(v) = v else { continue };
        let same = graph.tensor_type(v) == graph.tensor_type(node.outputs[0]);
        let inner =
            graph.producer(v).filter(|m| same && uses.single(v).is_some() && sign_of(&graph.nodes[*m]).is_some());
        match inner.filter(|_| terms.len() < MOST_TERMS) {
            Some(m) => expand(graph, uses, m, sign, terms),
            None => terms.push((v, sign)),
        }
    }
}

/// The terms with those joined that can be; none if there are no such.
fn joined(graph: &Graph, uses: &Uses, found: Vec<(ValueId, f64)>) -> Option<Vec<Term>> {
    let same = |v: ValueId| graph.tensor_type(v) == graph.tensor_type(found[0].0);
    let taken = |v: ValueId| {
        let n = graph.producer(v).filter(|_| uses.single(v).is_some() && same(v))?;
        let linear = ["Conv", "BatchNormalization"].iter().any(|op| graph.nodes[n].op == OpName::onnx(op));
        linear.then(|| input(&graph.nodes[n], 0)).flatten()
    };
    let inputs: Vec<Option<ValueId>> = found.iter().map(|t| taken(t.0)).collect();
    let mut left: Vec<Option<Taps>> = vec![None; found.len()];
    for (i, (v, sign)) in found.iter().enumerate() {
        let several = inputs[i].is_some() && inputs.iter().filter(|x| **x == inputs[i]).count() > 1;
        if let Some(n) = graph.producer(*v).filter(|_| several) {
            left[i] = convolved(graph, n, *sign).or_else(|| normalised(graph, n, *sign));
        }
    }
    let mut terms: Vec<Term> = vec![];
    let mut gone = vec![false; found.len()];
    for i in 0..found.len() {
        let mut whole = false;
        for j in i + 1..found.len() {
            let Some((a, b)) = left[i].as_ref().zip(left[j].as_ref().filter(|_| !gone[j])) else { continue };
            if let Some(sum) = a.plus(b).or_else(|| b.plus(a)) {
                left[i] = Some(sum);
                (gone[j], whole) = (true, true);
            }
        }
        match left[i].take().filter(|_| whole) {
            _ if gone[i] => {}
            Some(taps) => terms.push(Term { sign: 1.0, part: Part::Joined(taps) }),
            None => terms.push(Term { sign: found[i].1, part: Part::Value(found[i].0) }),
        }
    }
    gone.contains(&true).then_some(terms)
}

/// A convolution's numbers.
fn convolved(graph: &Graph, n: NodeId, sign: f64) -> Option<Taps> {
    let node = &graph.nodes[n];
    let notset = matches!(node.attrs.str("auto_pad"), None | Some("NOTSET"));
    if node.op != OpName::onnx("Conv") || !notset {
        return None;
    }
    let w = graph.constant(input(node, 1)?).filter(|w| w.dtype() == DType::F32)?;
    let shape = w.shape().to_vec();
    let axes = shape.len().checked_sub(2)?;
    let bias = match input(node, 2) {
        Some(b) => floats(graph, b)?,
        None => vec![0.0; shape[0]],
    };
    let list = |name: &str, default: i64| node.attrs.ints(name).map_or_else(|| vec![default; axes], <[i64]>::to_vec);
    let signed = |v: Vec<f64>| v.into_iter().map(|x| sign * x).collect();
    Some(Taps {
        x: input(node, 0)?,
        attrs: node.attrs.clone(),
        group: usize::try_from(node.attrs.int("group").unwrap_or(1)).ok()?,
        weights: signed(w.to_f64()?),
        bias: signed(bias),
        strides: list("strides", 1),
        dilations: list("dilations", 1),
        begin: node.attrs.ints("pads").map_or_else(|| vec![0; axes], |p| p[..axes].to_vec()),
        shape,
    })
}

/// The numbers of a normalisation by constants.
fn normalised(graph: &Graph, n: NodeId, sign: f64) -> Option<Taps> {
    let node = &graph.nodes[n];
    if node.op != OpName::onnx("BatchNormalization") || node.attrs.int("training") == Some(1) {
        return None;
    }
    let x = input(node, 0)?;
    let axes = graph.tensor_type(x).filter(|t| t.dtype == DType::F32)?.rank().checked_sub(2)?;
    let numbers = |i: usize| floats(graph, input(node, i)?);
    let (scale, beta, mean, var) = (numbers(1)?, numbers(2)?, numbers(3)?, numbers(4)?);
    let channels = scale.len();
    if [&beta, &mean, &var].iter().any(|v| v.len() != channels) {
        return None;
    }
    let epsilon = f64::from(node.attrs.float("epsilon").unwrap_or(1e-5));
    let by: Vec<f64> = scale.iter().zip(&var).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    Some(Taps {
        x,
        attrs: Attrs::default().with("group", Attr::Int(channels as i64)),
        group: channels,
        shape: [vec![channels, 1], vec![1; axes]].concat(),
        bias: (0..channels).map(|c| sign * (beta[c] - mean[c] * by[c])).collect(),
        weights: by.into_iter().map(|s| sign * s).collect(),
        strides: vec![1; axes],
        dilations: vec![1; axes],
        begin: vec![0; axes],
    })
}

impl Taps {
    /// This with another one's numbers in it; none if they don't all have a place here.
    fn plus(&self, other: &Taps) -> Option<Taps> {
        let (kernel, theirs) = (&self.shape[2..], &other.shape[2..]);
        let groups = self.group.max(1);
        let alike = self.x == other.x && self.strides == other.strides && self.shape[0] == other.shape[0];
        let inputs = |t: &Taps| t.shape[1] * t.group;
        if !alike || inputs(self) != inputs(other) || !other.group.is_multiple_of(groups) {
            return None;
        }
        // Where each of their taps is along each axis here.
        let place = |a: usize, t: usize| {
            let at = i64::try_from(t).ok()? * other.dilations[a] - other.begin[a] + self.begin[a];
            let tap = usize::try_from(at.checked_div(self.dilations[a])?).ok()?;
            (at >= 0 && at % self.dilations[a] == 0 && tap < kernel[a]).then_some(tap)
        };
        let places: Vec<Vec<usize>> = theirs
            .iter()
            .enumerate()
            .map(|(a, &n)| (0..n).map(|t| place(a, t)).collect::<Option<_>>())
            .collect::<Option<_>>()?;
        let mut sum = self.clone();
        let of_group = |t: &Taps| (t.shape[0] / t.group.max(1)).max(1);
        let (own, their) = (of_group(self), of_group(other));
        let each: usize = theirs.iter().product();
        for (i, w) in other.weights.iter().enumerate() {
            let (out, input, mut tap) = (i / each / other.shape[1], i / each % other.shape[1], i % each);
            let channel = out / their * other.shape[1] + input - out / own * self.shape[1];
            let (mut at, mut step) = (0, 1);
            for a in (0..kernel.len()).rev() {
                at += places[a][tap % theirs[a]] * step;
                tap /= theirs[a];
                step *= kernel[a];
            }
            sum.weights[(out * self.shape[1] + channel) * step + at] += w;
        }
        sum.bias.iter_mut().zip(&other.bias).for_each(|(a, b)| *a += b);
        Some(sum)
    }
}

/// The node of a convolution with the type of the sum.
fn convolution(graph: &mut Graph, patch: &mut Patch, taps: &Taps, root: ValueId) -> ValueId {
    let rounded = |v: &[f64]| v.iter().map(|x| *x as f32).collect::<Vec<f32>>();
    let w = patch.constant(graph, "weights", Tensor::from_slice(&taps.shape, &rounded(&taps.weights)));
    let b = patch.constant(graph, "bias", Tensor::from_slice(&[taps.bias.len()], &rounded(&taps.bias)));
    let ty = graph.values[root].ty.clone();
    patch.node(graph, OpName::onnx("Conv"), taps.attrs.clone(), &[Some(taps.x), Some(w), Some(b)], vec![ty])[0]
}

#[cfg(test)]
mod tests {
    use super::PASS;
    use crate::graph::tests::{check, node, numbers};
    use onnxc_base::{DType, Tensor};
    use onnxc_ir::graph::build::GraphBuilder;
    use onnxc_ir::graph::{Attr, Attrs, Graph, ValueId};

    /// A block of parallel branches: kernels of 3 and of 1, a normalisation of the input, and, under them, another tensor.
    fn branches(group: usize, stride: i64, minus: bool) -> (Graph, Vec<Tensor>) {
        let mut b = GraphBuilder::new("g");
        let x = b.tensor_input("x", DType::F32, &["1", "4", "6", "5"]);
        let other = b.tensor_input("other", DType::F32, &["1", "4", "6", "5"]);
        let attrs = |pad: i64, group: usize| {
            let strides = Attrs::default().with("strides", Attr::Ints(vec![stride; 2]));
            strides.with("pads", Attr::Ints(vec![pad; 4])).with("group", Attr::Int(group as i64))
        };
        let (w, bias) = (b.constant("w", numbers(&[4, 4 / group, 3, 3])), b.constant("bias", numbers(&[4])));
        let large = node(&mut b, "Conv", attrs(1, group), &[x, w, bias]);
        // Groups of the smaller kernel may be smaller, too.
        let w = b.constant("w1", numbers(&[4, 1, 1, 1]));
        let small = node(&mut b, "Conv", attrs(0, 4), &[x, w]);
        let mut terms = vec![small];
        if stride == 1 {
            let stats: Vec<ValueId> = ["s", "b", "m", "v"].iter().map(|n| b.constant(n, numbers(&[4]))).collect();
            terms.push(other);
            terms.push(node(&mut b, "BatchNormalization", Attrs::default(), &[&[x], &stats[..]].concat()));
        }
        let add = |b: &mut GraphBuilder, y, t| node(b, if minus { "Sub" } else { "Add" }, Attrs::default(), &[y, t]);
        let mut y = terms.remove(0);
        for t in terms {
            y = add(&mut b, y, t);
        }
        let y = add(&mut b, y, large);
        (b.finish(&[y]), vec![numbers(&[1, 4, 6, 5]), numbers(&[1, 4, 6, 5])])
    }

    #[test]
    fn convolutions_of_the_same_tensor_are_added_beforehand() {
        for group in [1, 2, 4] {
            for minus in [false, true] {
                let left = |stride: i64| {
                    let (graph, inputs) = branches(group, stride, minus);
                    check(graph, &[&PASS], &inputs)
                };
                assert_eq!(left(2), ["Conv"]);
                assert_eq!(left(1), ["Conv", if minus { "Sub" } else { "Add" }]);
            }
        }
    }

    #[test]
    fn a_convolution_that_is_read_twice_stays() {
        let mut b = GraphBuilder::new("g");
        let x = b.tensor_input("x", DType::F32, &["1", "2", "4", "4"]);
        let convolution = |b: &mut GraphBuilder, name: &str| {
            let w = b.constant(name, numbers(&[2, 2, 1, 1]));
            node(b, "Conv", Attrs::default(), &[x, w])
        };
        let (c, d) = (convolution(&mut b, "v"), convolution(&mut b, "w"));
        let y = node(&mut b, "Add", Attrs::default(), &[c, d]);
        let z = node(&mut b, "Mul", Attrs::default(), &[y, c]);
        let left = check(b.finish(&[z]), &[&PASS], &[numbers(&[1, 2, 4, 4])]);
        assert_eq!(left, ["Conv", "Conv", "Add", "Mul"]);
    }
}
