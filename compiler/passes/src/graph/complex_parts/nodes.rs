//! Nodes and values that the pass adds.

use super::Converter;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::graph::patch::new_value;
use onnxc_ir::graph::{Attrs, Node, NodeId, OpName, TensorType, Type, ValueDef, ValueId};
use onnxc_ops::ops::INNER;
use onnxc_ops::ops::complex::part_of;

impl Converter<'_> {
    /// Gives output `i` of a node to a new value.
    pub(super) fn output(&mut self, n: NodeId, i: usize, ty: Type) -> ValueId {
        let hint = format!("{}/{i}", self.graph.nodes[n].name);
        let v = new_value(self.graph, &hint, ty, ValueDef::Node(n, i as u32));
        match self.graph.nodes[n].outputs.get_mut(i) {
            Some(o) => *o = v,
            None => self.graph.nodes[n].outputs.push(v),
        }
        v
    }

    pub(super) fn free(&self, n: NodeId, hint: &str) -> String {
        let name = &self.graph.nodes[n].name;
        let taken = |x: &str| self.graph.nodes.values().any(|n| n.name == x);
        let names = std::iter::once(format!("{name}/{hint}")).chain((2..).map(|i| format!("{name}/{hint}_{i}")));
        names.into_iter().find(|x| !taken(x)).unwrap_or_default()
    }

    pub(super) fn constant(&mut self, hint: &str, t: Tensor) -> ValueId {
        let ty = Type::tensor(t.dtype(), t.shape().iter().map(|&d| Sym::int(d as i64)).collect());
        new_value(self.graph, hint, ty, ValueDef::Const(t))
    }

    /// Adds a node of our own; its type follows from its inputs'.
    pub(super) fn add(&mut self, name: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
        let TensorType { dtype, mut shape } = self.tensor(inputs[0]);
        let two = Sym::int(2);
        let dtype = match name {
            "Parts" => {
                shape.push(two);
                part_of(dtype).unwrap_or(dtype)
            }
            "Pair" => {
                shape.push(two);
                dtype
            }
            _ => {
                shape.pop();
                match (name, dtype) {
                    ("Rows", _) => DType::I64,
                    ("Complex", DType::F32) => DType::C64,
                    ("Complex", _) => DType::C128,
                    _ => dtype,
                }
            }
        };
        self.add_node(OpName { domain: INNER.into(), name: name.into() }, attrs, inputs, Type::tensor(dtype, shape))
    }

    pub(super) fn add_onnx(&mut self, name: &str, attrs: Attrs, inputs: &[ValueId], ty: Type) -> ValueId {
        self.add_node(OpName::onnx(name), attrs, inputs, ty)
    }

    pub(super) fn add_node(&mut self, op: OpName, attrs: Attrs, inputs: &[ValueId], ty: Type) -> ValueId {
        let hint = format!("{}/{}", self.graph.values[inputs[0]].name, op.name);
        let v = new_value(self.graph, &hint, ty, ValueDef::Param);
        self.push(v, op, attrs, inputs);
        v
    }

    /// Lets a value that was complex128 (pairs from now on), or that is complex64, be what a new node gives.
    pub(super) fn define(&mut self, v: ValueId, op: OpName, attrs: Attrs, inputs: &[ValueId]) {
        self.retype(v);
        self.push(v, op, attrs, inputs);
    }

    pub(super) fn push(&mut self, v: ValueId, op: OpName, attrs: Attrs, inputs: &[ValueId]) {
        let name = self.graph.values[v].name.clone();
        let taken = |x: &str| self.graph.nodes.values().any(|n| n.name == x);
        let mut names = std::iter::once(name.clone()).chain((2..).map(|i| format!("{name}_{i}")));
        let name = names.find(|x| !taken(x)).unwrap_or_default();
        let inputs = inputs.iter().map(|&v| Some(v)).collect();
        let n = self.graph.nodes.push(Node { name, op, attrs, inputs, outputs: vec![v], regions: vec![] });
        self.graph.values[v].def = ValueDef::Node(n, 0);
        self.nodes.push(n);
    }
}
