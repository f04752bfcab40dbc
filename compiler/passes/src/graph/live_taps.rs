//! live-taps: where many taps of a dilated convolution meet only padding, its output is computed in parts, each by the taps
//! that meet the image there.
//!
//! With dilation 12 over 14 pixels, as in networks for segmentation, a tap beside the middle meets two rows of the image:
//! twelve of fourteen rows have one tap, not three. One axis is cut at a time, and what comes of that may be cut along the next
//! one. Parts need no padding along the axis; they are slices of the image and of the weights, and the results lie beside each
//! other (`parts`). Only constant weights, fixed extents and a single group, and only where it saves a fifth of the
//! products. The values are the same but for the sign of zeros and what infinite weights make of padding.

use super::patterns::{input, made_by};
use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{Diagnostics, Sym, Tensor};
use onnxc_ir::graph::patch::{Patch, remove_dead};
use onnxc_ir::graph::{Attr, Attrs, Graph, NodeId, OpName, Type, ValueId};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "live-taps", about: "cut dilated convolutions where taps begin to meet padding", level: 2, run };

/// The most parts of an axis.
const MOST: usize = 5;
/// Weights of a tap come from memory at the pace of the products of so many pixels.
const PIXELS: i64 = 12;

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    if cx.machine.memory.scarce {
        return Ok(());
    }
    let mut todo = graph.body.nodes.clone();
    while let Some(n) = todo.pop() {
        if graph.nodes[n].op == OpName::onnx("Conv")
            && let Some(patch) = cut(graph, n)
        {
            let made = patch.nodes().to_vec();
            if cx.editor.apply(graph, patch) {
                todo.extend(made);
            }
        }
    }
    remove_dead(graph);
    Ok(())
}

/// Positions of the output that the same taps serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Part {
    from: i64,
    to: i64,
    first: i64,
    taps: i64,
}

/// What is known of a convolution along an axis.
#[derive(Clone, Copy)]
struct Along {
    image: i64,
    out: i64,
    taps: i64,
    stride: i64,
    dilation: i64,
    begin: i64,
}

impl Along {
    /// The element that a tap meets.
    fn at(&self, position: i64, tap: i64) -> Option<i64> {
        position.checked_mul(self.stride)?.checked_add(tap.checked_mul(self.dilation)?)?.checked_sub(self.begin)
    }

    /// All positions, in parts; none if some position has no tap or there are too many parts.
    fn parts(&self) -> Option<Vec<Part>> {
        let mut parts: Vec<Part> = vec![];
        for o in 0..self.out {
            let meets = |t: &i64| self.at(o, *t).is_some_and(|i| (0..self.image).contains(&i));
            let (first, taps) = ((0..self.taps).find(meets)?, (0..self.taps).filter(meets).count() as i64);
            if let Some(p) = parts.last_mut().filter(|p| (p.first, p.taps) == (first, taps)) {
                p.to = o + 1;
            } else if parts.len() == MOST {
                return None;
            } else {
                parts.push(Part { from: o, to: o + 1, first, taps });
            }
        }
        Some(parts)
    }

    /// The parts, if computing them alone pays: `others` are the positions along the other axes.
    fn worth(&self, others: i64) -> Option<Vec<Part>> {
        let parts = self.parts().filter(|p| self.dilation > 1 && p.len() > 1)?;
        let live: i64 = parts.iter().map(|p| ((p.to - p.from) * others).max(PIXELS) * p.taps).sum();
        (live * 5 <= self.out * others * self.taps * 4).then_some(parts)
    }
}

fn cut(graph: &mut Graph, n: NodeId) -> Option<Patch> {
    let node = graph.nodes[n].clone();
    let (x, w, y) = (input(&node, 0)?, input(&node, 1)?, node.outputs[0]);
    let fixed = |v: ValueId| graph.tensor_type(v)?.shape.iter().map(Sym::as_int).collect::<Option<Vec<i64>>>();
    let (image, kernel) = (fixed(x)?, fixed(w).filter(|_| known(graph, w))?);
    let out = fixed(y).filter(|_| matches!(node.attrs.str("auto_pad"), None | Some("NOTSET")))?;
    let axes = kernel.len().checked_sub(2)?;
    let list = |name: &str, default: i64, count: usize| {
        node.attrs.ints(name).map_or_else(|| vec![default; count], <[i64]>::to_vec)
    };
    let (strides, dilations, pads) = (list("strides", 1, axes), list("dilations", 1, axes), list("pads", 0, 2 * axes));
    if node.attrs.int("group").unwrap_or(1) != 1 {
        return None;
    }
    let all: i64 = out[2..].iter().product();
    let (axis, parts) = (0..axes).find_map(|a| {
        let (stride, dilation, begin) = (strides[a], dilations[a], pads[a]);
        let along = Along { image: image[2 + a], out: out[2 + a], taps: kernel[2 + a], stride, dilation, begin };
        let parts = along.worth(all / out[2 + a].max(1))?;
        let cut = |p: Part| Some((p, along.at(p.from, p.first)?, along.at(p.to - 1, p.first + p.taps - 1)? + 1));
        Some((a, parts.into_iter().map(cut).collect::<Option<Vec<_>>>()?))
    })?;
    let mut patch = Patch::new(PASS.name, n);
    let mut results = vec![];
    for (part, from, to) in parts {
        let mut inputs = node.inputs.clone();
        inputs[0] = Some(slice(graph, &mut patch, x, 2 + axis, [from, to])?);
        inputs[1] = Some(slice(graph, &mut patch, w, 2 + axis, [part.first, part.first + part.taps])?);
        let mut around = pads.clone();
        (around[axis], around[axes + axis]) = (0, 0);
        let mut shape = kernel[2..].to_vec();
        shape[axis] = part.taps;
        let attrs = node.attrs.clone().with("pads", Attr::Ints(around)).with("kernel_shape", Attr::Ints(shape));
        let ty = with_extent(graph, y, 2 + axis, part.to - part.from)?;
        results.push(Some(patch.node(graph, node.op.clone(), attrs, &inputs, vec![ty])[0]));
    }
    let attrs = Attrs::default().with("axis", Attr::Int(2 + axis as i64));
    let ty = graph.values[y].ty.clone();
    let whole = patch.node(graph, OpName::onnx("Concat"), attrs, &results, vec![ty])[0];
    patch.replace(y, whole);
    Some(patch)
}

/// True for constants, and for slices of them, which will be folded.
fn known(graph: &Graph, v: ValueId) -> bool {
    let whole = made_by(graph, v, "Slice").and_then(|(_, slice)| input(slice, 0)).unwrap_or(v);
    whole != v && known(graph, whole) || graph.constant(v).is_some()
}

/// The type of a tensor with another extent of an axis.
fn with_extent(graph: &Graph, v: ValueId, axis: usize, extent: i64) -> Option<Type> {
    let mut ty = graph.tensor_type(v)?.clone();
    *ty.shape.get_mut(axis)? = Sym::int(extent);
    Some(Type::Tensor(ty))
}

/// Elements along an axis.
fn slice(graph: &mut Graph, patch: &mut Patch, v: ValueId, axis: usize, [from, to]: [i64; 2]) -> Option<ValueId> {
    let ty = with_extent(graph, v, axis, to - from)?;
    if graph.tensor_type(v)?.shape[axis].as_int() == Some(to - from) {
        return Some(v);
    }
    let [from, to, along] = [("starts", from), ("ends", to), ("axes", axis as i64)]
        .map(|(hint, n)| patch.constant(graph, hint, Tensor::from_slice(&[1], &[n])));
    let inputs = [Some(v), Some(from), Some(to), Some(along)];
    Some(patch.node(graph, OpName::onnx("Slice"), Attrs::default(), &inputs, vec![ty])[0])
}

#[cfg(test)]
mod tests {
    use super::{Along, Part};

    #[test]
    fn parts_are_where_the_same_taps_meet_the_image() {
        let along = Along { image: 14, out: 14, taps: 3, stride: 1, dilation: 12, begin: 12 };
        let part = |from, to, first, taps| Part { from, to, first, taps };
        assert_eq!(along.parts(), Some(vec![part(0, 2, 1, 2), part(2, 12, 1, 1), part(12, 14, 0, 2)]));
        assert!(along.worth(14).is_some());
        assert!(along.worth(1).is_none(), "so few pixels wait for the weights");
        assert!(Along { dilation: 1, begin: 1, ..along }.worth(14).is_none(), "plain padding");
        let strided = Along { image: 9, out: 3, taps: 3, stride: 3, dilation: 5, begin: 5 };
        assert_eq!(strided.parts(), Some(vec![part(0, 2, 1, 2), part(2, 3, 0, 2)]));
        assert_eq!(Along { begin: 30, ..along }.parts(), None, "the first positions meet nothing");
    }
}
