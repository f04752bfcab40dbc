//! graph IR: SSA over tensors, sequences and optionals, with symbolic shapes and regions for control flow.
//!
//! A [`Graph`] is one arena of values and nodes; its body is a [`Region`]: parameters, an ordered list of nodes,
//! results. A node's own regions (branches of If, bodies of Loop and Scan) may use values of the regions around them.
//! Every value is defined once: as a constant, a region's parameter, or a node's output; definitions come before
//! uses in the order of the region (or of a region around it).
//!
//! - Operators are named, not enumerated: `ir` doesn't know what `Conv` means, `onnxc-ops` does. Each node holds its
//!   operator's newest, canonical attributes.
//! - Shapes are lists of [`Sym`] over the graph's symbols ([`SymbolInfo`]): ranks are always known, extents may not be.
//! - Small integer tensors may have known symbolic `content`; shape arithmetic lives there.
//! - Where two extents must be equal, or one of them 1, and it can't be proved, there is a [`Guard`], checked when the
//!   module runs.
//! - How a value lies in memory ([`Layout`]) is said apart from what it is.
//!
//! Absent here: opset versions, schedules, addresses.

pub mod build;
pub mod interp;
pub mod layout;
pub mod parse;
pub mod patch;
pub mod print;
mod typical;
pub mod verify;

pub use build::GraphBuilder;
pub use layout::{Border, Frame, Layout, Within};
pub use parse::parse_graph;
pub use patch::{Editor, Patch, Use, Uses, remove_dead};
pub use print::{PrintOptions, print_graph};
pub use verify::verify;

use onnxc_base::sym::{Range, Symbol};
use onnxc_base::{DType, IndexMap, PrimaryMap, Ranges, Sym, Tensor, entity_impl};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A value: tensor, sequence or optional.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(u32);
entity_impl!(ValueId, "v");

/// A node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);
entity_impl!(NodeId, "n");

/// A model's computation.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// Symbols of shapes, in order of appearance.
    pub symbols: IndexMap<Symbol, SymbolInfo>,
    /// Every value.
    pub values: PrimaryMap<ValueId, ValueData>,
    /// Every node, also those that a pass has removed from all regions.
    pub nodes: PrimaryMap<NodeId, Node>,
    /// Inputs, nodes, outputs.
    pub body: Region,
    /// What the run has to check of extents.
    pub guards: Vec<Guard>,
    /// Values that aren't row-major in memory.
    pub layouts: BTreeMap<ValueId, Layout>,
    /// What [`Graph::ranges`] gave last.
    pub asked: Asked,
}

/// Ranges that were asked for: while nothing changes, what is found of the symbols is found once. No part of what a graph is.
#[derive(Debug, Default)]
pub struct Asked(Mutex<Option<Ranges>>);

impl Clone for Asked {
    fn clone(&self) -> Asked {
        Asked::default()
    }
}

/// A list of nodes with parameters and results.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Region {
    /// Values that whoever runs the region provides.
    pub params: Vec<ValueId>,
    /// In order of execution.
    pub nodes: Vec<NodeId>,
    /// What the region gives back.
    pub results: Vec<ValueId>,
}

/// What is known of a value.
#[derive(Clone, Debug)]
pub struct ValueData {
    /// The tensor's name in the model, or one made from it. Unique in the graph.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// Definition.
    pub def: ValueDef,
    /// The elements of a small integer tensor, row-major, where they are known as symbolic integers.
    pub content: Option<Vec<Sym>>,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Debug)]
pub enum ValueDef {
    /// Known at compile time.
    Const(Tensor),
    /// A parameter of a region (an input of the model, for the body).
    Param,
    /// Output number `.1` of node `.0`.
    Node(NodeId, u32),
}

/// The type of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Type {
    /// A tensor of known rank.
    Tensor(TensorType),
    /// A sequence of values of one type.
    Sequence(Box<Type>),
    /// A value or nothing.
    Optional(Box<Type>),
    /// A map from keys of a dtype to values.
    Map(DType, Box<Type>),
    /// A tensor inside of another type whose extents aren't known, nor its rank if there is none here.
    AnyTensor(DType, Option<u32>),
    /// What the items of an empty sequence would be: tensors of a dtype, of which there are none.
    Absent(DType),
}

/// A tensor's type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Vec<Sym>,
}

/// One application of an operator.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name in the model, or one made up. Unique in the graph.
    pub name: String,
    /// Operator.
    pub op: OpName,
    /// Canonical attributes.
    pub attrs: Attrs,
    /// Inputs; `None` where an optional one is left out.
    pub inputs: Vec<Option<ValueId>>,
    /// Outputs, all of them named even if unused.
    pub outputs: Vec<ValueId>,
    /// Bodies of control flow, in the order that the operator documents.
    pub regions: Vec<Region>,
}

/// An operator's identity. The default domain (`ai.onnx`) is the empty string.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OpName {
    /// Domain.
    pub domain: String,
    /// Name.
    pub name: String,
}

/// Attributes by name, in name order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Attrs(pub std::collections::BTreeMap<String, Attr>);

/// An attribute's value.
#[derive(Clone, PartialEq, Debug)]
pub enum Attr {
    /// An integer or a flag.
    Int(i64),
    /// A float.
    Float(f32),
    /// A word.
    Str(String),
    /// Integers.
    Ints(Vec<i64>),
    /// Floats.
    Floats(Vec<f32>),
    /// Words.
    Strs(Vec<String>),
    /// Symbolic integers: a shape, pads ...
    Syms(Vec<Sym>),
    /// A dtype.
    DType(DType),
    /// A constant.
    Tensor(Tensor),
    /// A type.
    Type(Type),
}

/// A symbol of the graph: what it stands for and what is known of it.
#[derive(Clone, PartialEq, Debug)]
pub struct SymbolInfo {
    /// Where its value comes from.
    pub source: SymbolSource,
    /// Least value.
    pub lo: i64,
    /// Greatest value, over symbols that come before; none: unknown.
    pub hi: Option<Sym>,
}

/// When and how a symbol gets its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolSource {
    /// The extent of axis `.1` of the graph's input `.0`.
    Dim(ValueId, u32),
    /// Element `.1` of the small integer tensor `.0` (a scale, a trip count, a target shape).
    Element(ValueId, u32),
    /// An extent that the node's operator computes from the *values* of its inputs before it runs (`OpDef::extents`):
    /// Resize with runtime scales.
    Extent(NodeId, u32),
    /// An extent known when the node has run: rows of NonZero or NonMaxSuppression, trips of a Loop.
    Result(NodeId, u32),
    /// An extent that the region that owns the parameter `.0` finds anew at each entry (a loop-carried tensor whose
    /// shape changes): axis `.1`.
    Carried(ValueId, u32),
}

/// What two extents must be to each other when the module runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guard {
    /// One side.
    pub left: Sym,
    /// The other.
    pub right: Sym,
    /// What is asked of them.
    pub relation: Relation,
    /// Which node needs it, and why.
    pub reason: String,
    /// The branch that needs it: number `.1` of node `.0`; none: every run. Not part of the text.
    pub region: Option<(NodeId, usize)>,
}

/// What a guard asks of its sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// They are equal.
    Equal,
    /// They are equal, or the left one is 1: it is repeated.
    Repeated,
}

impl Relation {
    /// True if the sides are as asked.
    pub fn holds(self, left: i64, right: i64) -> bool {
        left == right || self == Relation::Repeated && left == 1
    }
}

impl Guard {
    /// True if both ask for the same, wherever it is needed.
    pub fn same(&self, other: &Guard) -> bool {
        (&self.left, &self.right, self.relation, &self.reason)
            == (&other.left, &other.right, other.relation, &other.reason)
    }
}

impl Type {
    /// The type of a value before anyone has said anything of it. No value of the standard has this type.
    pub fn unknown() -> Type {
        Type::Optional(Box::new(Type::Sequence(Box::new(Type::tensor(DType::Bool, vec![])))))
    }

    /// A tensor type.
    pub fn tensor(dtype: DType, shape: Vec<Sym>) -> Type {
        Type::Tensor(TensorType { dtype, shape })
    }

    /// The tensor type, if it is one.
    pub fn as_tensor(&self) -> Option<&TensorType> {
        match self {
            Type::Tensor(t) => Some(t),
            _ => None,
        }
    }
}

impl TensorType {
    /// The number of dims.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn count(&self) -> Sym {
        self.shape.iter().fold(Sym::int(1), |n, d| &n * d)
    }

    /// The extents, if all are constants.
    pub fn fixed(&self) -> Option<Vec<usize>> {
        self.shape.iter().map(|d| d.as_int().and_then(|v| usize::try_from(v).ok())).collect()
    }
}

impl OpName {
    /// An operator of the default domain.
    pub fn onnx(name: &str) -> OpName {
        OpName { domain: String::new(), name: name.into() }
    }
}

impl std::fmt::Display for OpName {
    /// `Conv`, or `com.microsoft.Gelu` with a domain.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.domain.is_empty() { f.write_str(&self.name) } else { write!(f, "{}.{}", self.domain, self.name) }
    }
}

macro_rules! attr_getters {
    ($($get:ident: $variant:ident -> $t:ty),* $(,)?) => { $(
        /// The attribute of this name and kind.
        pub fn $get(&self, name: &str) -> Option<&$t> {
            match self.0.get(name) { Some(Attr::$variant(v)) => Some(v), _ => None }
        }
    )* };
}

impl Attrs {
    attr_getters!(int_ref: Int -> i64, float_ref: Float -> f32, str: Str -> str, ints: Ints -> [i64],
        floats: Floats -> [f32], strs: Strs -> [String], syms: Syms -> [Sym], dtype_ref: DType -> DType,
        tensor: Tensor -> Tensor);

    /// An integer.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.int_ref(name).copied()
    }
    /// A float.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.float_ref(name).copied()
    }
    /// A dtype.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        self.dtype_ref(name).copied()
    }
    /// Sets an attribute.
    pub fn set(&mut self, name: &str, value: Attr) {
        self.0.insert(name.into(), value);
    }
    /// The same with one attribute set, for building in a row.
    pub fn with(mut self, name: &str, value: Attr) -> Self {
        self.set(name, value);
        self
    }
}

impl Graph {
    /// What is known of the symbols: their ranges, for proofs, and what they usually are.
    pub fn ranges(&self) -> Ranges {
        let range = |i: &SymbolInfo| Range { lo: Some(i.lo), hi: i.hi.clone(), typical: self.typical(i) };
        let mut asked = self.asked.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |(s, r): (&Symbol, &Range)| self.symbols.get(s).is_some_and(|info| range(info) == *r);
        let mut ranges = asked.take().filter(|r| r.iter().all(same)).unwrap_or_default();
        for (s, info) in &self.symbols {
            ranges.insert(s.clone(), range(info));
        }
        *asked = Some(ranges.clone());
        ranges
    }

    /// A value's tensor type, if it is a tensor.
    pub fn tensor_type(&self, v: ValueId) -> Option<&TensorType> {
        self.values[v].ty.as_tensor()
    }

    /// A value's constant, if it is one.
    pub fn constant(&self, v: ValueId) -> Option<&Tensor> {
        match &self.values[v].def {
            ValueDef::Const(t) => Some(t),
            _ => None,
        }
    }

    /// The node that computes a value, if one does.
    pub fn producer(&self, v: ValueId) -> Option<NodeId> {
        match self.values[v].def {
            ValueDef::Node(n, _) => Some(n),
            _ => None,
        }
    }
}
