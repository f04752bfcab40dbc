//! complex-parts: complex128, which no machine's registers hold, becomes pairs of f64; what computes with complex numbers
//! of either size works on their parts.
//!
//! Afterwards only the model's inputs and outputs and what the runtime keeps (sequences, optionals) are complex128, with
//! `onnxc.Parts` and `onnxc.Complex` beside them, which compute nothing. Inside, such a tensor `[s]` is f64 `[s, 2]`.
//! - A node that moves elements, whichever it is, moves the numbers of rows instead (`onnxc.Rows`): its result is what
//!   Gather takes from the pairs of all its operands. Row 0 is the zero that is there where nothing else is.
//! - A node that is linear in its elements (it interpolates or adds) runs once for each part.
//! - Products and extremes in Scatter's reductions are of pairs.
//! - NonZero and Unique look at both parts; control flow carries the pairs.

mod nodes;

use crate::manager::{GraphCx, GraphPass};
use onnxc_base::{DType, Diagnostics, SecondaryMap, Sym, Tensor};
use onnxc_ir::graph::{Attr, Attrs, Graph, Node, NodeId, OpName, Region, TensorType, Type, ValueDef, ValueId};
use onnxc_ops::ops::INNER;
use onnxc_ops::ops::complex::part_of;
use onnxc_ops::{Lower, OpRef, Registry};

/// The pass.
pub const PASS: GraphPass =
    GraphPass { name: "complex-parts", about: "compute with the parts of complex numbers", level: 0, run };

fn run(graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let wide = |t: &Type| t.as_tensor().is_some_and(|t| part_of(t.dtype).is_some());
    if !graph.values.values().any(|v| wide(&v.ty)) {
        return Ok(());
    }
    let pairs = SecondaryMap::new();
    let mut c = Converter { registry: cx.registry, wide: SecondaryMap::new(), pairs, graph, nodes: vec![] };
    for (v, data) in c.graph.values.iter() {
        c.wide[v] = data.ty.as_tensor().is_some_and(|t| t.dtype == DType::C128);
    }
    let mut body = std::mem::take(&mut c.graph.body);
    for &v in &body.params {
        if c.wide[v] {
            let pair = c.add("Parts", Attrs::default(), &[v]);
            c.pairs[v] = Some(pair);
        }
    }
    c.region(&mut body);
    for v in &mut body.results {
        if c.wide[*v] {
            *v = c.result(*v);
        }
    }
    body.nodes.append(&mut c.nodes);
    c.graph.body = body;
    Ok(())
}

/// Operators that are linear in their complex operands, as long as they don't just move them.
fn is_linear(node: &Node) -> bool {
    let word = |name: &str| node.attrs.str(name);
    node.op.domain.is_empty()
        && match node.op.name.as_str() {
            "GridSample" | "Resize" | "Upsample" => word("mode").is_some_and(|m| m != "nearest"),
            "ScatterElements" | "ScatterND" => word("reduction") == Some("add"),
            "Col2Im" => true,
            _ => false,
        }
}

struct Converter<'a> {
    graph: &'a mut Graph,
    registry: &'a Registry,
    /// The values that were complex128.
    wide: SecondaryMap<ValueId, bool>,
    /// The pairs of those that still are.
    pairs: SecondaryMap<ValueId, Option<ValueId>>,
    /// What has been made of the region's nodes so far.
    nodes: Vec<NodeId>,
}

impl Converter<'_> {
    fn region(&mut self, region: &mut Region) {
        for n in std::mem::take(&mut region.nodes) {
            self.node(n);
        }
        region.nodes = std::mem::take(&mut self.nodes);
    }

    /// A region of a node: what it is given and gives are pairs.
    fn inner(&mut self, region: &mut Region) {
        let outer = std::mem::take(&mut self.nodes);
        region.params.iter().for_each(|&v| self.retype(v));
        self.region(region);
        region.results.iter_mut().for_each(|v| *v = self.carried(*v));
        self.nodes = outer;
    }

    fn node(&mut self, n: NodeId) {
        let mut regions = std::mem::take(&mut self.graph.nodes[n].regions);
        regions.iter_mut().for_each(|r| self.inner(r));
        let node = &mut self.graph.nodes[n];
        node.regions = regions;
        let (op, linear) = (node.op.clone(), is_linear(node));
        let reduces = node.attrs.str("reduction").is_some_and(|r| r != "none");
        let (inputs, outputs) = (node.inputs.clone(), node.outputs.clone());
        let complex = |v: &ValueId| self.wide[*v] || self.dtype(*v) == Some(DType::C64);
        if !inputs.iter().flatten().chain(&outputs).any(complex) {
            return self.nodes.push(n);
        }
        let lower = match self.registry.find(&op) {
            Some(OpRef::Builtin(d)) => Some(d.lower),
            _ => None,
        };
        match (op.name.as_str(), lower) {
            (_, Some(Lower::Runtime(_))) => self.kept(n),
            ("Identity", _) | (_, Some(Lower::Control(_))) => self.carry(n),
            _ if linear => self.by_parts(n),
            ("NonZero", _) => self.non_zero(n),
            ("Unique", _) => self.unique(n),
            ("ScatterElements" | "ScatterND", _) if reduces => self.scatter(n),
            _ => self.by_rows(n),
        }
    }

    fn dtype(&self, v: ValueId) -> Option<DType> {
        self.graph.tensor_type(v).map(|t| t.dtype)
    }

    fn tensor(&self, v: ValueId) -> TensorType {
        self.graph.tensor_type(v).cloned().expect("only tensors are complex")
    }

    /// Lets a value that was complex128 be pairs.
    fn retype(&mut self, v: ValueId) {
        let data = &mut self.graph.values[v];
        let Type::Tensor(t) = &mut data.ty else { return };
        if t.dtype != DType::C128 {
            return;
        }
        t.dtype = DType::F64;
        t.shape.push(Sym::int(2));
        if let ValueDef::Const(c) = &mut data.def {
            let shape = [c.shape(), &[2]].concat();
            *c = Tensor::from_bytes(DType::F64, shape, c.bytes().clone()).expect("a complex128 is two f64");
        }
    }

    /// The pairs of a value that was complex128; any other value as it is.
    fn carried(&mut self, v: ValueId) -> ValueId {
        if !self.wide[v] {
            return v;
        }
        self.pairs[v].unwrap_or_else(|| {
            self.retype(v);
            v
        })
    }

    /// The pairs of a complex value.
    fn pair(&mut self, v: ValueId) -> ValueId {
        if self.wide[v] { self.carried(v) } else { self.add("Parts", Attrs::default(), &[v]) }
    }

    fn part(&mut self, v: ValueId, part: i64) -> ValueId {
        let pair = self.pair(v);
        self.add("Part", Attrs::default().with("part", Attr::Int(part)), &[pair])
    }

    fn is_complex(&self, v: ValueId) -> bool {
        self.wide[v] || self.dtype(v) == Some(DType::C64)
    }

    /// Control flow, and what gives its input: pairs in the place of complex128.
    fn carry(&mut self, n: NodeId) {
        for i in 0..self.graph.nodes[n].inputs.len() {
            self.graph.nodes[n].inputs[i] = self.graph.nodes[n].inputs[i].map(|v| self.carried(v));
        }
        self.nodes.push(n);
        self.graph.nodes[n].outputs.clone().into_iter().for_each(|v| self.retype(v));
    }

    /// A node of the runtime: it takes and gives complex128.
    fn kept(&mut self, n: NodeId) {
        for i in 0..self.graph.nodes[n].inputs.len() {
            let Some(v) = self.graph.nodes[n].inputs[i].filter(|&v| self.wide[v]) else { continue };
            let pair = self.carried(v);
            self.graph.nodes[n].inputs[i] = Some(self.add("Complex", Attrs::default(), &[pair]));
        }
        self.nodes.push(n);
        for (i, v) in self.graph.nodes[n].outputs.clone().into_iter().enumerate() {
            if self.wide[v] {
                let ty = self.graph.values[v].ty.clone();
                let kept = self.output(n, i, ty);
                self.define(v, OpName { domain: INNER.into(), name: "Parts".into() }, Attrs::default(), &[kept]);
            }
        }
    }

    /// Once for each part.
    fn by_parts(&mut self, n: NodeId) {
        let (inputs, v) = (self.graph.nodes[n].inputs.clone(), self.graph.nodes[n].outputs[0]);
        let complex = self.tensor(v);
        let ty = Type::tensor(part_of(complex.dtype).unwrap_or(DType::F64), complex.shape);
        let mut parts = vec![];
        for part in 0..2 {
            let of: Vec<_> =
                inputs.iter().map(|i| i.map(|v| if self.is_complex(v) { self.part(v, part) } else { v })).collect();
            let at = if part == 0 { n } else { self.again(n) };
            self.graph.nodes[at].inputs = of;
            if part == 1 && self.graph.nodes[at].attrs.float("extrapolation_value").is_some() {
                // A real number in the place of what is outside.
                self.graph.nodes[at].attrs.set("extrapolation_value", Attr::Float(0.0));
            }
            self.nodes.push(at);
            parts.push(self.output(at, 0, ty.clone()));
        }
        if self.wide[v] {
            return self.define(v, OpName { domain: INNER.into(), name: "Pair".into() }, Attrs::default(), &parts);
        }
        let pair = self.add("Pair", Attrs::default(), &parts);
        self.define(v, OpName { domain: INNER.into(), name: "Complex".into() }, Attrs::default(), &[pair]);
    }

    /// The same node once more.
    fn again(&mut self, n: NodeId) -> NodeId {
        let node = Node { name: self.free(n, "imaginary"), outputs: vec![], ..self.graph.nodes[n].clone() };
        self.graph.nodes.push(node)
    }

    /// Is either part other than 0?
    fn non_zero(&mut self, n: NodeId) {
        let Some(v) = self.graph.nodes[n].inputs[0] else { return self.nodes.push(n) };
        let shape = self.tensor(v).shape;
        let ty = Type::tensor(DType::Bool, shape);
        let to = Attrs::default().with("to", Attr::DType(DType::Bool));
        let [re, im] = [0, 1].map(|k| {
            let part = self.part(v, k);
            self.add_onnx("Cast", to.clone(), &[part], ty.clone())
        });
        let any = self.add_onnx("Or", Attrs::default(), &[re, im], ty);
        self.graph.nodes[n].inputs[0] = Some(any);
        self.nodes.push(n);
    }

    /// The order of rows of pairs is that of complex numbers: by real parts, then by imaginary ones.
    fn unique(&mut self, n: NodeId) {
        let (Some(v), y) = (self.graph.nodes[n].inputs[0], self.graph.nodes[n].outputs[0]) else { return };
        let complex = self.graph.nodes[n].outputs.first().map(|&y| self.tensor(y)).expect("it has an output");
        let mut pair = self.pair(v);
        let rank = self.tensor(pair).rank() - 1;
        match self.graph.nodes[n].attrs.int("axis") {
            Some(a) if a < 0 => self.graph.nodes[n].attrs.set("axis", Attr::Int(a + rank as i64)),
            Some(_) => {}
            None => {
                pair = self.flat(pair);
                self.graph.nodes[n].attrs.set("axis", Attr::Int(0));
            }
        }
        self.graph.nodes[n].inputs[0] = Some(pair);
        self.nodes.push(n);
        self.whole(n, y, complex);
    }

    /// Data and updates are pairs.
    fn scatter(&mut self, n: NodeId) {
        let y = self.graph.nodes[n].outputs[0];
        let complex = self.tensor(y);
        for i in [0, 2] {
            self.graph.nodes[n].inputs[i] = self.graph.nodes[n].inputs[i].map(|v| self.pair(v));
        }
        self.graph.nodes[n].attrs.set("pairs", Attr::Int(1));
        self.nodes.push(n);
        self.whole(n, y, complex);
    }

    /// Lets output 0 of a node, which was complex, be pairs; a complex64 is made of them.
    fn whole(&mut self, n: NodeId, y: ValueId, complex: TensorType) {
        if self.wide[y] {
            return self.retype(y);
        }
        let ty = Type::tensor(DType::F32, [&complex.shape[..], &[Sym::int(2)]].concat());
        let found = self.output(n, 0, ty);
        self.define(y, OpName { domain: INNER.into(), name: "Complex".into() }, Attrs::default(), &[found]);
    }

    /// Pairs as a list of rows.
    fn flat(&mut self, pair: ValueId) -> ValueId {
        let TensorType { dtype, shape } = self.tensor(pair);
        let shape = vec![shape[..shape.len() - 1].iter().product(), Sym::int(2)];
        let target = self.constant("rows", Tensor::from_slice(&[2], &[-1i64, 2]));
        let attrs = Attrs::default().with("allowzero", Attr::Int(0));
        self.add_onnx("Reshape", attrs, &[pair, target], Type::tensor(dtype, shape))
    }

    /// What moves elements moves the numbers of rows.
    fn by_rows(&mut self, n: NodeId) {
        if !self.graph.nodes[n].inputs.iter().flatten().chain(&self.graph.nodes[n].outputs).any(|&v| self.wide[v]) {
            return self.nodes.push(n);
        }
        let mut table = vec![self.constant("zero", Tensor::from_slice(&[1, 2], &[0f64; 2]))];
        let mut first = Sym::int(1);
        for i in 0..self.graph.nodes[n].inputs.len() {
            let Some(v) = self.graph.nodes[n].inputs[i].filter(|&v| self.wide[v]) else { continue };
            let pair = self.pair(v);
            let rows = self.add("Rows", Attrs::default().with("first", Attr::Syms(vec![first.clone()])), &[pair]);
            self.graph.nodes[n].inputs[i] = Some(rows);
            let flat = self.flat(pair);
            first += &self.tensor(flat).shape[0];
            table.push(flat);
        }
        let axis = Attrs::default().with("axis", Attr::Int(0));
        let ty = Type::tensor(DType::F64, vec![first, Sym::int(2)]);
        let all = self.add_onnx("Concat", axis.clone(), &table, ty);
        self.nodes.push(n);
        for (i, v) in self.graph.nodes[n].outputs.clone().into_iter().enumerate() {
            if self.wide[v] {
                let ty = Type::tensor(DType::I64, self.tensor(v).shape);
                let rows = self.output(n, i, ty);
                self.define(v, OpName::onnx("Gather"), axis.clone(), &[all, rows]);
            }
        }
    }

    /// The model's output for a result: complex128 under its name.
    fn result(&mut self, v: ValueId) -> ValueId {
        let (name, pair) = (self.graph.values[v].name.clone(), self.carried(v));
        // An input or constant, which is copied.
        if pair != v {
            return v;
        }
        let y = self.add("Complex", Attrs::default(), &[pair]);
        let other = std::mem::replace(&mut self.graph.values[y].name, name);
        self.graph.values[v].name = other;
        y
    }
}

#[cfg(test)]
mod tests;
