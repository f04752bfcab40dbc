//! What each operator hands to its inputs of its output's derivative.
//!
//! Ranks and extents aren't known yet where these nodes are made: shapes are taken from the tensors (`Shape`), and what a
//! broadcast repeated is summed by `SumTo`. MatMul has a rule for operands of two axes and more.

use crate::prelude::*;
use onnxc_ir::graph::{NodeId, OpName, ValueId};

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

/// The shares of a node's inputs, for those `asked` for at least; `from`: the derivatives of its outputs.
pub(super) fn shares(
    n: &mut NodeReader,
    id: NodeId,
    from: &[Option<ValueId>],
    asked: &[bool],
) -> Result<Vec<Option<ValueId>>> {
    let node = n.graph.nodes[id].clone();
    if node.op == OpName::onnx("Split") {
        return joined(n, &node.attrs, &node.outputs, from);
    }
    let (Some(&Some(g)), true) = (from.first(), node.op.domain.is_empty() && node.regions.is_empty()) else {
        return Err(refused(n, id));
    };
    if from.iter().skip(1).any(Option::is_some)
        || node.attrs.int("flattened") == Some(1)
        || legacy(&node.op.name, &node.attrs)
    {
        return Err(refused(n, id));
    }
    let inputs: Vec<ValueId> = node.inputs.iter().flatten().copied().collect();
    let mut cx = Cx { n, id, attrs: node.attrs, inputs, asked, y: node.outputs[0], g };
    let name = node.op.name.as_str();
    if let Some(share) = unary(&mut cx, name)? {
        return Ok(vec![Some(share)]);
    }
    for rules in [binary, moved, super::picks::shares] {
        if let Some(shares) = rules(&mut cx, name)? {
            return Ok(shares);
        }
    }
    let before = cx.n.emitted().len();
    match super::decomposed::output(&mut cx, name)? {
        Some(y) => through(n, before, y, g, &node.inputs, asked),
        None => Err(refused(n, id)),
    }
}

/// The shares of a node's inputs through the nodes emitted since, which compute its output anew as `y`.
fn through(
    n: &mut NodeReader,
    before: usize,
    y: ValueId,
    g: ValueId,
    inputs: &[Option<ValueId>],
    asked: &[bool],
) -> Result<Vec<Option<ValueId>>> {
    let nodes = n.emitted()[before..].to_vec();
    // A value that is given twice gets its share once.
    let wanted = |i: usize| inputs[i].filter(|v| asked[i] && !inputs[..i].contains(&Some(*v)));
    let values: Vec<ValueId> = (0..inputs.len()).filter_map(wanted).collect();
    let mut shares = super::through(n, &nodes, &[(y, g)], &values)?.into_iter();
    Ok((0..inputs.len()).map(|i| wanted(i).and_then(|_| shares.next().flatten())).collect())
}

/// What was taken apart is put together; parts that nothing depends on have no derivative.
fn joined(
    n: &mut NodeReader,
    attrs: &Attrs,
    outputs: &[ValueId],
    from: &[Option<ValueId>],
) -> Result<Vec<Option<ValueId>>> {
    let mut parts = vec![];
    for (&y, g) in outputs.iter().zip(from) {
        parts.push(Some(g.map_or_else(|| filled(n, 0.0, y), Ok)?));
    }
    let axis = ("axis", Attr::Int(attrs.int("axis").unwrap_or(0)));
    Ok(vec![Some(n.emit_one("Concat", &[axis], &parts)?)])
}

/// Binary operators of an opset before 7, whose second operand stands beside axes of the first.
fn legacy(name: &str, attrs: &Attrs) -> bool {
    matches!(name, "Add" | "Sub" | "Mul" | "Div" | "Pow") && attrs.int("axis").is_some()
}

/// The error for a node without a rule.
pub(super) fn refused(n: &NodeReader, id: NodeId) -> Diagnostic {
    let node = &n.graph.nodes[id];
    n.error("E2029", format!("'{}' ({}) can't be derived", node.name, node.op))
        .expected("arithmetic, activations, MatMul, Gemm, Conv, pools, normalisations, Softmax, sums, means, extremes, or what moves elements")
        .help("list a tensor after it in 'zs' if it counts as constant, or compute the gradient in the exporting framework")
}

/// A tensor of one number, with the shape and dtype of `like`.
pub(super) fn filled(n: &mut NodeReader, v: f32, like: ValueId) -> Result<ValueId> {
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
    pub(super) fn number(&mut self, v: f32) -> Result<ValueId> {
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
        let op = OpName { domain: "onnxc".into(), name: name.into() };
        Ok(self.n.emit_regions(op, self.attrs.clone(), &inputs, 1, vec![])[0])
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

/// Elementary functions of one tensor.
fn unary(cx: &mut Cx, name: &str) -> Result<Option<ValueId>> {
    let (Some(&x), y, g) = (cx.inputs.first(), cx.y, cx.g) else { return Ok(None) };
    let factor = match name {
        "Identity" => return Ok(Some(g)),
        "Cast" | "CastLike" => return cx.op("CastLike", &[g, x]).map(Some),
        "Neg" => return cx.op("Neg", &[g]).map(Some),
        "Log" => return cx.op("Div", &[g, x]).map(Some),
        "Relu" => {
            let zero = cx.number(0.0)?;
            let on = cx.op("Greater", &[x, zero])?;
            return cx.op("Where", &[on, g, zero]).map(Some);
        }
        "Exp" => y,
        "Abs" => cx.op("Sign", &[x])?,
        "Sin" => cx.op("Cos", &[x])?,
        "Cos" => {
            let sine = cx.op("Sin", &[x])?;
            cx.op("Neg", &[sine])?
        }
        "Softplus" => cx.op("Sigmoid", &[x])?,
        "Erf" => {
            // 2 / sqrt(pi) e^(-x^2).
            let (square, scale) = (cx.op("Mul", &[x, x])?, cx.number(std::f32::consts::FRAC_2_SQRT_PI)?);
            let minus = cx.op("Neg", &[square])?;
            let bell = cx.op("Exp", &[minus])?;
            cx.op("Mul", &[scale, bell])?
        }
        "LeakyRelu" => {
            let (zero, one) = (cx.number(0.0)?, cx.number(1.0)?);
            let slope = cx.number(cx.attrs.float("alpha").unwrap_or(0.01))?;
            let on = cx.op("Greater", &[x, zero])?;
            cx.op("Where", &[on, one, slope])?
        }
        "Sqrt" => {
            let half = cx.number(0.5)?;
            cx.op("Div", &[half, y])?
        }
        "Reciprocal" => {
            let square = cx.op("Mul", &[y, y])?;
            cx.op("Neg", &[square])?
        }
        "Tanh" | "Sigmoid" => {
            let one = cx.number(1.0)?;
            let square = cx.op("Mul", &[y, y])?;
            cx.op("Sub", &[if name == "Tanh" { one } else { y }, square])?
        }
        _ => return Ok(None),
    };
    cx.times(factor).map(Some)
}

/// Arithmetic of several tensors, and products of matrices.
fn binary(cx: &mut Cx, name: &str) -> Result<Option<Vec<Option<ValueId>>>> {
    let (g, all) = (cx.g, cx.inputs.clone());
    if name == "Sum" {
        return all.iter().map(|&x| cx.sum_to(g, x).map(Some)).collect::<Result<_>>().map(Some);
    }
    let [a, b, ..] = all[..] else { return Ok(None) };
    let mut shares = vec![None, None, None];
    match name {
        "Add" => (shares[0], shares[1]) = (Some(g), Some(g)),
        "Sub" => (shares[0], shares[1]) = (Some(g), Some(cx.op("Neg", &[g])?)),
        "Mul" => (shares[0], shares[1]) = (Some(cx.times(b)?), Some(cx.times(a)?)),
        "Div" => {
            let by_a = cx.op("Div", &[g, b])?;
            let y = cx.y;
            let scaled = cx.op("Mul", &[by_a, y])?;
            (shares[0], shares[1]) = (Some(by_a), Some(cx.op("Neg", &[scaled])?));
        }
        "Pow" => {
            if cx.asked(0) {
                shares[0] = Some(power_by_base(cx, a, b)?);
            }
            if cx.asked(1) {
                shares[1] = Some(power_by_exponent(cx, a)?);
            }
        }
        "Where" if all.len() == 3 => {
            let zero = cx.number(0.0)?;
            shares[1] = Some(cx.op("Where", &[a, g, zero])?);
            shares[2] = Some(cx.op("Where", &[a, zero, g])?);
        }
        "MatMul" => {
            (shares[0], shares[1]) = (Some(product(cx, g, b, "transB")?), Some(product(cx, a, g, "transA")?));
        }
        "Gemm" => return gemm(cx, &all).map(Some),
        _ => return Ok(None),
    }
    shares.truncate(all.len());
    for (&x, share) in all.iter().zip(&mut shares) {
        if let Some(v) = *share {
            *share = Some(cx.sum_to(v, x)?);
        }
    }
    Ok(Some(shares))
}

/// g b a^(b - 1).
fn power_by_base(cx: &mut Cx, a: ValueId, b: ValueId) -> Result<ValueId> {
    let b = cx.op("CastLike", &[b, a])?;
    let one = cx.number(1.0)?;
    let less = cx.op("Sub", &[b, one])?;
    let power = cx.op("Pow", &[a, less])?;
    let factor = cx.op("Mul", &[b, power])?;
    cx.times(factor)
}

/// g a^b log a, and 0 where the logarithm isn't a number.
fn power_by_exponent(cx: &mut Cx, a: ValueId) -> Result<ValueId> {
    let (zero, one, y) = (cx.number(0.0)?, cx.number(1.0)?, cx.y);
    let positive = cx.op("Greater", &[a, zero])?;
    let base = cx.op("Where", &[positive, a, one])?;
    let log = cx.op("Log", &[base])?;
    let factor = cx.op("Mul", &[y, log])?;
    cx.times(factor)
}

/// A product with one operand transposed.
fn product(cx: &mut Cx, a: ValueId, b: ValueId, flag: &str) -> Result<ValueId> {
    let op = OpName { domain: "com.microsoft".into(), name: "FusedMatMul".into() };
    Ok(cx.n.emit(op, &[(flag, Attr::Int(1))], &[Some(a), Some(b)], 1)?[0])
}

/// Of alpha a' b' + beta c, where a' and b' may be transposed.
fn gemm(cx: &mut Cx, inputs: &[ValueId]) -> Result<Vec<Option<ValueId>>> {
    let (a, b, g) = (inputs[0], inputs[1], cx.g);
    let [alpha, beta] = ["alpha", "beta"].map(|name| cx.attrs.float(name).unwrap_or(1.0));
    let [ta, tb] = ["transA", "transB"].map(|name| cx.attrs.int(name) == Some(1));
    let mut gemm = |x: ValueId, y: ValueId, tx: bool, ty: bool| {
        let attrs =
            [("alpha", Attr::Float(alpha)), ("transA", Attr::Int(i64::from(tx))), ("transB", Attr::Int(i64::from(ty)))];
        cx.with("Gemm", &attrs, &[x, y])
    };
    let by_a = if ta { gemm(b, g, tb, true)? } else { gemm(g, b, false, !tb)? };
    let by_b = if tb { gemm(g, a, true, ta)? } else { gemm(a, g, !ta, false)? };
    let mut shares = vec![Some(by_a), Some(by_b)];
    if let Some(&c) = inputs.get(2) {
        let beta = cx.number(beta)?;
        let scaled = cx.times(beta)?;
        shares.push(Some(cx.sum_to(scaled, c)?));
    }
    Ok(shares)
}

/// Operators that move elements, or sum them; Softmax.
fn moved(cx: &mut Cx, name: &str) -> Result<Option<Vec<Option<ValueId>>>> {
    let (g, y, all) = (cx.g, cx.y, cx.inputs.clone());
    let Some(&x) = all.first() else { return Ok(None) };
    let share = match name {
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => cx.shaped(g, x)?,
        "Expand" => cx.sum_to(g, x)?,
        "Transpose" => {
            let inverse = cx.attrs.ints("perm").map(inverse);
            let attrs: Vec<_> = inverse.map(|p| ("perm", Attr::Ints(p))).into_iter().collect();
            cx.with("Transpose", &attrs, &[g])?
        }
        "ReduceSum" | "ReduceMean" => reduction(cx, name, x, all.get(1).copied())?,
        "Concat" => return parts(cx, &all).map(Some),
        "Softmax" | "LogSoftmax" => {
            let axis = Tensor::from_slice(&[1], &[cx.attrs.int("axis").unwrap_or(-1)]);
            let axis = cx.n.constant("axis", axis);
            let log = name == "LogSoftmax";
            let weighted = if log { g } else { cx.times(y)? };
            let sum = cx.with("ReduceSum", &[("keepdims", Attr::Int(1))], &[weighted, axis])?;
            let p = if log { cx.op("Exp", &[y])? } else { y };
            let part = cx.op("Mul", &[p, sum])?;
            cx.op("Sub", &[weighted, part])?
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![Some(share)]))
}

/// The order that undoes one.
fn inverse(perm: &[i64]) -> Vec<i64> {
    let rank = perm.len() as i64;
    (0..rank).map(|a| perm.iter().position(|&p| (p + rank) % rank.max(1) == a).map_or(a, |k| k as i64)).collect()
}

/// Each element had a part in one sum, or in one mean.
fn reduction(cx: &mut Cx, name: &str, x: ValueId, axes: Option<ValueId>) -> Result<ValueId> {
    let mut g = cx.g;
    if name == "ReduceMean" {
        g = super::picks::mean_share(cx, x)?;
    }
    // Without axes the sum is a scalar, or all axes are kept: it broadcasts as it is.
    if let (Some(axes), Some(0)) = (axes, cx.attrs.int("keepdims")) {
        g = cx.op("Unsqueeze", &[g, axes])?;
    }
    let shape = cx.op("Shape", &[x])?;
    cx.op("Expand", &[g, shape])
}

/// What was put together is taken apart.
fn parts(cx: &mut Cx, inputs: &[ValueId]) -> Result<Vec<Option<ValueId>>> {
    let (axis, g) = (cx.attrs.int("axis").unwrap_or(0), cx.g);
    let mut window = vec![("start", Attr::Int(axis))];
    if axis != -1 {
        window.push(("end", Attr::Int(axis + 1)));
    }
    let lengths = inputs.iter().map(|&x| cx.with("Shape", &window, &[x])).collect::<Result<Vec<_>>>()?;
    let lengths = cx.with("Concat", &[("axis", Attr::Int(0))], &lengths)?;
    let attrs = [("axis", Attr::Int(axis))];
    let parts = cx.n.emit(OpName::onnx("Split"), &attrs, &[Some(g), Some(lengths)], inputs.len())?;
    Ok(parts.into_iter().map(Some).collect())
}
