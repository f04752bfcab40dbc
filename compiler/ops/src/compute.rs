//! What an operator's `lower` works with when it is a formula: its node's types and attributes, and a kernel builder.

use crate::broadcast::{Along, index_of};
use onnxc_base::{DType, Diagnostic, Ranges, Sym, Tensor};
use onnxc_ir::graph::{Attrs, Graph, Node, NodeId, TensorType};
use onnxc_ir::kernel::build::load;
use onnxc_ir::kernel::{Expr, KernelBuilder, Src};

/// A node being lowered to kernel definitions.
pub struct ComputeCx<'a> {
    /// The kernel to which the node's definitions are added; other nodes may be in it already.
    pub k: &'a mut KernelBuilder,
    graph: &'a Graph,
    node: NodeId,
    inputs: Vec<Option<Src>>,
    outputs: Vec<Option<Src>>,
}

/// A node whose output elements are input elements elsewhere.
pub struct ViewCx<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The node.
    pub node: NodeId,
}

impl<'a> ComputeCx<'a> {
    /// Starts lowering a node whose inputs are parameters or definitions of `k`.
    pub fn new(k: &'a mut KernelBuilder, graph: &'a Graph, node: NodeId, inputs: Vec<Option<Src>>) -> Self {
        let outputs = vec![None; graph.nodes[node].outputs.len()];
        Self { k, graph, node, inputs, outputs }
    }

    /// The definitions of the outputs, or the first that is missing.
    pub fn finish(self) -> Result<Vec<Src>, usize> {
        self.outputs.into_iter().enumerate().map(|(i, o)| o.ok_or(i)).collect()
    }

    /// The graph.
    pub fn graph(&self) -> &'a Graph {
        self.graph
    }
    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.node
    }
    /// The node.
    pub fn node(&self) -> &'a Node {
        &self.graph.nodes[self.node]
    }
    /// Its attributes.
    pub fn attrs(&self) -> &'a Attrs {
        &self.node().attrs
    }
    /// What is known of the dims.
    pub fn ranges(&self) -> Ranges {
        self.k.kernel.ranges.clone()
    }

    /// The graph and the node, for functions that need no kernel.
    pub fn as_view(&self) -> ViewCx<'a> {
        ViewCx { graph: self.graph, node: self.node }
    }

    /// Input `i`. Panics if it is absent: `infer` has refused such a node.
    pub fn input(&self, i: usize) -> Src {
        self.opt(i).expect("infer has required this input")
    }
    /// Input `i`, if it is there.
    pub fn opt(&self, i: usize) -> Option<Src> {
        self.inputs.get(i).copied().flatten()
    }
    /// How many inputs the node lists.
    pub fn input_count(&self) -> usize {
        self.inputs.len()
    }
    /// The tensor type of input `i`. Panics if it is absent.
    pub fn input_type(&self, i: usize) -> &'a TensorType {
        let v = self.node().inputs.get(i).copied().flatten().expect("infer has required this input");
        self.graph.tensor_type(v).expect("infer has required a tensor")
    }
    /// Extents of input `i`.
    pub fn shape(&self, i: usize) -> Vec<Sym> {
        self.input_type(i).shape.clone()
    }
    /// Dtype of input `i`.
    pub fn dtype(&self, i: usize) -> DType {
        self.input_type(i).dtype
    }
    /// The constant behind input `i`, if it is one.
    pub fn constant(&self, i: usize) -> Option<&'a Tensor> {
        self.node().inputs.get(i).copied().flatten().and_then(|v| self.graph.constant(v))
    }
    /// The symbolic content of input `i`, if known.
    pub fn content(&self, i: usize) -> Option<Vec<Sym>> {
        let v = self.node().inputs.get(i).copied().flatten()?;
        crate::infer::content_of(self.graph, v)
    }

    /// The tensor type of output `i`.
    pub fn output_type(&self, i: usize) -> &'a TensorType {
        self.graph.tensor_type(self.node().outputs[i]).expect("infer has set a tensor type")
    }
    /// Extents of output `i`.
    pub fn out_shape(&self, i: usize) -> Vec<Sym> {
        self.output_type(i).shape.clone()
    }
    /// Sets output `i`.
    pub fn set_output(&mut self, i: usize, src: Src) {
        self.outputs[i] = Some(src);
    }

    /// Output 0 as a map over its own shape and dtype.
    pub fn map_output(&mut self, f: impl FnOnce(&mut KernelBuilder, &[Sym]) -> Expr) {
        let TensorType { dtype, shape } = self.output_type(0).clone();
        let name = self.node().name.clone();
        let def = self.k.map(&name, dtype, &shape, f);
        self.set_output(0, def);
    }

    /// An element of `src` (of extents `shape`) for an index of output 0, which it is broadcast to.
    pub fn broadcast(&self, src: Src, shape: &[Sym], index: &[Sym]) -> Expr {
        let along = Along::last_axes(self, shape, &self.out_shape(0));
        load(src, &index_of(&along, index))
    }

    /// An error at this node.
    pub fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        let n = self.node();
        Diagnostic::error(code, message).node(n.name.clone(), n.op.to_string())
    }
}

impl<'a> ViewCx<'a> {
    /// The node's attributes.
    pub fn attrs(&self) -> &'a Attrs {
        &self.graph.nodes[self.node].attrs
    }
    /// Extents of input `i`.
    pub fn shape(&self, i: usize) -> Vec<Sym> {
        let v = self.graph.nodes[self.node].inputs[i].expect("infer has required this input");
        self.graph.tensor_type(v).expect("infer has required a tensor").shape.clone()
    }
    /// The symbolic content of input `i`, if known.
    pub fn content(&self, i: usize) -> Option<Vec<Sym>> {
        let v = self.graph.nodes[self.node].inputs.get(i).copied().flatten()?;
        crate::infer::content_of(self.graph, v)
    }
    /// Extents of output 0.
    pub fn out_shape(&self) -> Vec<Sym> {
        self.graph.tensor_type(self.graph.nodes[self.node].outputs[0]).expect("infer has set it").shape.clone()
    }
}
