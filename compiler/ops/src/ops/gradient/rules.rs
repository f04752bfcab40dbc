//! What each operator hands to its inputs of its output's derivative.
//!
//! Ranks and extents needn't be known where these nodes are made (`NodeReader::known` has those that are): shapes are taken
//! from the tensors (`Shape`), and what a broadcast repeated is summed by `SumTo`. What a rule emits has rules itself, so
//! derivatives have derivatives.
//!
//! Does NOT go into regions (see `branches`, `loops`).

use super::constant::is_like;
use super::{arithmetic, decomposed, elementary, linear, moved, picks, products, reduced, scatters, sequences, slides};
use crate::prelude::*;
use onnxc_ir::graph::{NodeId, OpName, ValueId};

/// The shares of a node's inputs, in their order, if there is a rule; inputs without an influence have none.
pub(super) type Found = Option<Vec<Option<ValueId>>>;

/// What the rules share: where nodes are added, and the node that is derived.
pub(super) struct Cx<'a, 'b> {
    pub(super) n: &'a mut NodeReader<'b>,
    pub(super) id: NodeId,
    pub(super) attrs: Attrs,
    pub(super) inputs: Vec<ValueId>,
    /// The inputs whose shares are wanted, by their places in the node.
    asked: &'a [bool],
    /// The first output and its derivative.
    pub(super) y: ValueId,
    pub(super) g: ValueId,
}

/// Domains of which there are rules; names in them don't clash.
const DOMAINS: [&str; 3] = ["", crate::ops::INNER, "com.microsoft"];

/// Rules for operators by the derivative of their first output.
const RULES: [fn(&mut Cx, &str) -> Result<Found>; 10] = [
    elementary::shares,
    arithmetic::shares,
    products::shares,
    moved::shares,
    reduced::shares,
    picks::shares,
    linear::shares,
    scatters::shares,
    slides::shares,
    sequences::shares,
];

/// The shares of a node's inputs, for those `asked` for at least; `from`: the derivatives of its outputs.
pub(super) fn shares(
    n: &mut NodeReader,
    id: NodeId,
    from: &[Option<ValueId>],
    asked: &[bool],
) -> Result<Vec<Option<ValueId>>> {
    let node = n.graph.nodes[id].clone();
    let name = node.op.name.as_str();
    if !DOMAINS.contains(&node.op.domain.as_str()) || !node.regions.is_empty() || legacy(name, &node.attrs) {
        return Err(refused(n, id));
    }
    if name == "Split" {
        return moved::joined(n, id, from);
    }
    let g = from.first().copied().flatten();
    let one = g.filter(|_| from[1..].iter().all(Option::is_none));
    let g = g.map_or_else(|| filled(n, 0.0, node.outputs[0]), Ok)?;
    let inputs: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    let mut cx = Cx { n, id, attrs: node.attrs.clone(), inputs, asked, y: node.outputs[0], g };
    let before = cx.n.emitted().len();
    if let Some(outputs) = decomposed::outputs(&mut cx, name)? {
        let seeds: Vec<_> = outputs.into_iter().zip(from).filter_map(|(y, g)| Some((y, (*g)?))).collect();
        return if seeds.len() == from.iter().flatten().count() {
            through(n, before, &seeds, &node.inputs, asked)
        } else {
            Err(refused(n, id))
        };
    }
    if one.is_some() && node.attrs.int("flattened") != Some(1) {
        for rules in RULES {
            if let Some(shares) = rules(&mut cx, name)? {
                let missing = |i: usize| asked[i] && shares.get(i).copied().flatten().is_none() && !is_like(&node, i);
                let missing = (0..asked.len()).any(missing);
                return if missing { Err(refused(n, id)) } else { Ok(shares) };
            }
        }
    }
    Err(refused(n, id))
}

/// The shares of a node's inputs through the nodes emitted since, which compute its outputs anew; `seeds`: these, each with
/// its derivative.
fn through(
    n: &mut NodeReader,
    before: usize,
    seeds: &[(ValueId, ValueId)],
    inputs: &[Option<ValueId>],
    asked: &[bool],
) -> Result<Vec<Option<ValueId>>> {
    let nodes = n.emitted()[before..].to_vec();
    // A value that is given twice gets its share once.
    let wanted = |i: usize| inputs[i].filter(|v| asked[i] && !inputs[..i].contains(&Some(*v)));
    let values: Vec<ValueId> = (0..inputs.len()).filter_map(wanted).collect();
    let mut shares = super::through(n, &nodes, seeds, &values)?.into_iter();
    Ok((0..inputs.len()).map(|i| wanted(i).and_then(|_| shares.next().flatten())).collect())
}

/// Binary operators of an opset before 7, whose second operand stands beside axes of the first.
fn legacy(name: &str, attrs: &Attrs) -> bool {
    matches!(name, "Add" | "Sub" | "Mul" | "Div" | "Pow") && attrs.int("axis").is_some()
}

/// The error for a node without a rule.
pub(super) fn refused(n: &NodeReader, id: NodeId) -> Diagnostic {
    let node = &n.graph.nodes[id];
    n.error("E2029", format!("'{}' ({}) can't be derived", node.name, node.op))
        .expected("an operator with a rule: arithmetic, activations, products, convolutions, pools, normalisations, attention, recurrent layers, losses, sums, extremes, or what moves elements")
        .help("list a tensor after it in 'zs' if it counts as constant, or compute the gradient in the exporting framework")
}

/// A tensor of one number, with the shape and dtype of `like`; of a sequence, a sequence of such.
pub(super) fn filled(n: &mut NodeReader, v: f64, like: ValueId) -> Result<ValueId> {
    if n.known.is_sequence(like) {
        return sequences::map(n, &[like], like, |n, items| filled(n, v, items[0]));
    }
    let number = n.constant("number", Tensor::scalar(v));
    let number = n.emit_one("CastLike", &[], &[Some(number), Some(like)])?;
    let shape = n.emit_one("Shape", &[], &[Some(like)])?;
    n.emit_one("Expand", &[], &[Some(number), Some(shape)])
}

impl Cx<'_, '_> {
    pub(super) fn op(&mut self, name: &str, inputs: &[ValueId]) -> Result<ValueId> {
        self.with(name, &[], inputs)
    }

    pub(super) fn with(&mut self, name: &str, attrs: &[(&str, Attr)], inputs: &[ValueId]) -> Result<ValueId> {
        self.n.emit_one(name, attrs, &inputs.iter().map(|&v| Some(v)).collect::<Vec<_>>())
    }

    /// A number of y's dtype.
    pub(super) fn number(&mut self, v: f64) -> Result<ValueId> {
        let number = self.n.constant("number", Tensor::scalar(v));
        let y = self.y;
        self.op("CastLike", &[number, y])
    }

    /// Is the share of the node's input `i` wanted?
    pub(super) fn asked(&self, i: usize) -> bool {
        self.asked.get(i) == Some(&true)
    }

    /// The node's inputs as they are listed.
    pub(super) fn given(&self) -> Vec<Option<ValueId>> {
        self.n.graph.nodes[self.id].inputs.clone()
    }

    /// The first output of the node on other inputs.
    pub(super) fn copy(&mut self, inputs: &[Option<ValueId>]) -> Result<ValueId> {
        let (_, outputs) = self.n.emit_copy(self.id, inputs.to_vec());
        outputs.first().copied().ok_or_else(|| refused(self.n, self.id))
    }

    /// An operator that only these rules make, with the node's attributes.
    pub(super) fn inner(&mut self, name: &str, inputs: &[ValueId]) -> Result<ValueId> {
        let inputs: Vec<_> = inputs.iter().map(|&v| Some(v)).collect();
        let op = OpName { domain: crate::ops::INNER.into(), name: name.into() };
        Ok(self.n.emit_regions(op, self.attrs.clone(), &inputs, 1, vec![])[0])
    }

    /// An operator of ONNX's own domain that has the node's attributes.
    pub(super) fn same_attrs(&mut self, name: &str, inputs: &[ValueId]) -> ValueId {
        let inputs: Vec<_> = inputs.iter().map(|&v| Some(v)).collect();
        self.n.emit_regions(OpName::onnx(name), self.attrs.clone(), &inputs, 1, vec![])[0]
    }

    /// What a broadcast repeated is summed.
    pub(super) fn sum_to(&mut self, v: ValueId, like: ValueId) -> Result<ValueId> {
        let op = OpName { domain: "onnxc".into(), name: "SumTo".into() };
        Ok(self.n.emit(op, &[], &[Some(v), Some(like)], 1)?[0])
    }

    /// The derivative times a factor.
    pub(super) fn times(&mut self, factor: ValueId) -> Result<ValueId> {
        let g = self.g;
        self.op("Mul", &[g, factor])
    }

    /// `v` with the shape of `like`: the same elements.
    pub(super) fn shaped(&mut self, v: ValueId, like: ValueId) -> Result<ValueId> {
        let shape = self.op("Shape", &[like])?;
        self.with("Reshape", &[("allowzero", Attr::Int(1))], &[v, shape])
    }
}
