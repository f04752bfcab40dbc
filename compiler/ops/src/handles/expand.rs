//! What an operator's `Lower::Runtime` works with: the node that it takes the place of, and ways to add calls.

use super::{BOX, CALL, DOMAIN, UNBOX};
use onnxc_base::{DType, Diagnostic, Tensor};
use onnxc_ir::graph::{
    Attr, Attrs, Graph, Node, NodeId, OpName, SymbolSource, TensorType, Type, ValueData, ValueDef, ValueId,
};

/// A node being replaced by calls.
pub struct RuntimeCx<'a> {
    graph: &'a mut Graph,
    node: NodeId,
    nodes: &'a mut Vec<NodeId>,
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub enum Operand {
    /// A handle or an integer, in a tensor of one element.
    Value(ValueId),
    /// A handle that nobody needs after the call.
    Temporary(ValueId),
    /// A number.
    Int(i64),
}

impl Operand {
    /// The value; panics for a number (a bug of the caller).
    pub fn value(self) -> ValueId {
        match self {
            Operand::Value(v) | Operand::Temporary(v) => v,
            Operand::Int(_) => panic!("a number is no value"),
        }
    }
}

impl<'a> RuntimeCx<'a> {
    /// Starts replacing a node; what takes its place is added to `nodes`.
    pub(super) fn new(graph: &'a mut Graph, node: NodeId, nodes: &'a mut Vec<NodeId>) -> Self {
        Self { graph, node, nodes }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.graph.nodes[self.node]
    }
    /// Its attributes.
    pub fn attrs(&self) -> &Attrs {
        &self.node().attrs
    }
    /// Input `i`, if it is there.
    pub fn opt(&self, i: usize) -> Option<ValueId> {
        self.node().inputs.get(i).copied().flatten()
    }
    /// The type of input `i`, if it is there.
    pub fn opt_type(&self, i: usize) -> Option<Type> {
        self.opt(i).map(|v| self.graph.values[v].ty.clone())
    }
    /// The tensor type of input `i`. Panics if it is no tensor: `infer` has refused such a node.
    pub fn input_type(&self, i: usize) -> TensorType {
        self.opt_type(i).and_then(|t| t.as_tensor().cloned()).expect("infer has required a tensor")
    }
    /// The type of output `i`.
    pub fn output_type(&self, i: usize) -> Type {
        self.graph.values[self.node().outputs[i]].ty.clone()
    }

    /// Input `i` as a handle: that of its object, or one made for a tensor; 0 without an input.
    pub fn handle(&mut self, i: usize) -> Operand {
        match self.opt(i) {
            None => Operand::Int(0),
            Some(v) => match self.graph.values[v].ty.as_tensor().cloned() {
                Some(t) => self.boxed(v, t.dtype),
                None => Operand::Value(v),
            },
        }
    }

    /// Input `i`, a tensor of one integer, as a number; `None` without an input.
    pub fn number(&self, i: usize) -> Option<Operand> {
        self.opt(i).map(Operand::Value)
    }

    /// A constant as a handle.
    pub fn constant(&mut self, hint: &str, t: Tensor) -> Operand {
        let dtype = t.dtype();
        let ty = Type::tensor(dtype, t.shape().iter().map(|&d| (d as i64).into()).collect());
        let name = self.name(hint);
        let v = self.graph.values.push(ValueData { name, ty, def: ValueDef::Const(t), content: None });
        self.boxed(v, dtype)
    }

    /// The handle of an empty optional.
    pub fn zero(&mut self) -> ValueId {
        let name = self.name("none");
        let (ty, def) = (Type::tensor(DType::I64, vec![]), ValueDef::Const(Tensor::scalar(0i64)));
        self.graph.values.push(ValueData { name, ty, def, content: None })
    }

    /// The handle of a string: not that of a tensor of it.
    pub fn string(&mut self, t: Tensor) -> Operand {
        let name = self.name("string");
        let (ty, def) = (Type::tensor(DType::String, vec![]), ValueDef::Const(t));
        Operand::Value(self.graph.values.push(ValueData { name, ty, def, content: None }))
    }

    fn boxed(&mut self, v: ValueId, dtype: DType) -> Operand {
        let attrs = Attrs::default().with("dtype", Attr::DType(dtype));
        Operand::Temporary(self.add(&BOX, attrs, vec![Some(v)], Type::tensor(DType::I64, vec![])))
    }

    /// Calls a function of the runtime; what it gives is a handle or an integer.
    pub fn call(&mut self, symbol: &str, args: &[Operand]) -> ValueId {
        let (mut inputs, mut kinds, mut numbers, mut release) = (vec![], vec![], vec![], vec![]);
        for (i, a) in args.iter().enumerate() {
            match *a {
                Operand::Int(v) => numbers.push(v),
                Operand::Value(v) | Operand::Temporary(v) => inputs.push(Some(v)),
            }
            kinds.push(i64::from(!matches!(a, Operand::Int(_))));
            if matches!(a, Operand::Temporary(_)) {
                release.push(i as i64);
            }
        }
        let attrs = Attrs::default()
            .with("symbol", Attr::Str(format!("onnxc_rt_{symbol}")))
            .with("kinds", Attr::Ints(kinds))
            .with("numbers", Attr::Ints(numbers))
            .with("release", Attr::Ints(release));
        self.add(&CALL, attrs, inputs, Type::tensor(DType::I64, vec![]))
    }

    /// Lets output `i` be a value: a handle if it is no tensor, the tensor inside of the handle if it is one.
    pub fn set(&mut self, i: usize, handle: ValueId) {
        let Some(&out) = self.node().outputs.get(i) else { return };
        match self.output_type(i) {
            Type::Tensor(t) => self.unbox(out, handle, &t),
            _ => self.alias(out, handle),
        }
    }

    /// Lets the outputs be the items of a sequence that a call gave.
    pub fn set_items(&mut self, items: ValueId) {
        for i in 0..self.node().outputs.len() {
            let item = self.call("sequence_at", &[Operand::Value(items), Operand::Int(i as i64)]);
            self.set(i, item);
        }
    }

    /// Lets output `i` be an integer that a call gave, as the dtype that inference says.
    pub fn set_number(&mut self, i: usize, number: ValueId) {
        let Some(&out) = self.node().outputs.get(i) else { return };
        match self.output_type(i).as_tensor().map(|t| t.dtype) {
            Some(DType::I64) | None => self.alias(out, number),
            Some(dtype) => {
                let attrs = Attrs::default().with("to", Attr::DType(dtype));
                self.push(OpName::onnx("Cast"), attrs, vec![Some(number)], out);
            }
        }
    }

    /// Lets output `i` be a value as it is.
    pub fn same(&mut self, i: usize, v: ValueId) {
        let Some(&out) = self.node().outputs.get(i) else { return };
        self.alias(out, v);
    }

    fn alias(&mut self, out: ValueId, v: ValueId) {
        self.push(OpName::onnx("Identity"), Attrs::default(), vec![Some(v)], out);
    }

    /// The tensor inside of a handle. Extents that this node was to compute are the new node's.
    fn unbox(&mut self, out: ValueId, handle: ValueId, t: &TensorType) {
        let attrs = Attrs::default().with("dtype", Attr::DType(t.dtype));
        let n = self.push(super::nodes::name_of(&UNBOX), attrs, vec![Some(handle)], out);
        for (axis, d) in t.shape.iter().enumerate() {
            let Some(info) = d.as_symbol().and_then(|s| self.graph.symbols.get_mut(s)) else { continue };
            let own = matches!(info.source, SymbolSource::Extent(m, _) | SymbolSource::Result(m, _) if m == self.node);
            if own {
                info.source = SymbolSource::Extent(n, axis as u32);
            }
        }
    }

    fn name(&self, hint: &str) -> String {
        format!("{}/{hint}_{}", self.node().name, self.graph.values.len())
    }

    /// Adds a node that gives an existing value.
    fn push(&mut self, op: OpName, attrs: Attrs, inputs: Vec<Option<ValueId>>, out: ValueId) -> NodeId {
        let name = self.name(&op.name);
        let n = self.graph.nodes.push(Node { name, op, attrs, inputs, outputs: vec![out], regions: vec![] });
        self.graph.values[out].def = ValueDef::Node(n, 0);
        self.nodes.push(n);
        n
    }

    fn add(&mut self, op: &crate::OpDef, attrs: Attrs, inputs: Vec<Option<ValueId>>, ty: Type) -> ValueId {
        let name = self.name("value");
        let def = ValueDef::Param;
        let out = self.graph.values.push(ValueData { name, ty, def, content: None });
        self.push(OpName { domain: DOMAIN.into(), name: op.name.into() }, attrs, inputs, out);
        out
    }

    /// An error at this node.
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let n = self.node();
        Diagnostic::error(code, message).node(n.name.clone(), n.op.to_string())
    }
}
