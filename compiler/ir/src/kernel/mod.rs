//! kernel IR: an ALGORITHM (pure definitions over index variables, with reductions) and a SCHEDULE (plain data).
//!
//! A [`Kernel`] computes its outputs from its inputs by definitions. A [`Def`] gives the value of a tensor at each
//! point of its index variables: a [`Body::Map`] is an expression, a [`Body::Reduce`] combines an expression over
//! further (reduction) variables. A definition may load parameters and *earlier* definitions at any index.
//!
//! Meaning, whatever the schedule: each definition is evaluated for every point of its extents; an index out of the
//! range of what it loads gives the load's `pad` value, and without one it must not happen. Reductions may be
//! combined in any order.
//!
//! Index variables and dims are symbols of one namespace; variables are unique in the kernel.
//!
//! Absent here: memory, addresses, loops (but for their description in the schedule), nodes, operators.

pub mod build;
pub mod hints;
pub mod interp;
pub mod parse;
pub mod print;
pub mod reach;
pub mod schedule;
pub mod verify;

pub use crate::scalar::{BinOp, CmpOp, ReduceOp, Scalar, UnOp};
pub use build::KernelBuilder;
pub use hints::Hints;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, PrimaryMap, Ranges, Sym, Tensor, entity_impl};
pub use schedule::{At, ByteProducts, ByteTile, Cut, Dots, Few, Lanes, Loop, Schedule, Signs, Stage};
use std::sync::Arc;

/// A tensor given to or taken from the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParamId(u32);
entity_impl!(ParamId, "p");

/// A definition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefId(u32);
entity_impl!(DefId, "d");

/// One kernel: algorithm and schedule.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// Name.
    pub name: String,
    /// The graph nodes behind it, for readers.
    pub doc: String,
    /// What is known of the dims (not of index variables: those are `0 .. extent`).
    pub ranges: Ranges,
    /// Inputs and constants, in order.
    pub params: PrimaryMap<ParamId, Param>,
    /// Definitions, each after those that it loads.
    pub defs: PrimaryMap<DefId, Def>,
    /// What leaves the kernel, in order: tensors of the definition's extents.
    pub outputs: Vec<DefId>,
    /// For each output where in its buffer it lies; contiguous row-major from the start where that isn't said.
    pub placed: Vec<Option<Placed>>,
    /// What must hold of the data; otherwise the module's status is `check.status`.
    pub checks: Vec<Check>,
    /// How to run it; empty until chosen.
    pub schedule: Schedule,
    /// What whoever chooses is asked to do.
    pub hints: Hints,
}

/// A contiguous row-major tensor that a kernel reads.
#[derive(Clone, PartialEq, Debug)]
pub struct Param {
    /// Name for readers.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Extents.
    pub shape: Vec<Sym>,
    /// Its value, if it is a constant.
    pub value: Option<Tensor>,
}

/// Where an output lies in its buffer, in elements: inside of a border, or as a part of a larger tensor. What is around
/// it belongs to others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The distance of two neighbours along each axis of the definition.
    pub strides: Vec<Sym>,
    /// Where the first element is.
    pub offset: Sym,
}

/// An index variable and its extent: it runs over `0 .. extent`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Axis {
    /// The variable.
    pub var: Symbol,
    /// How many values it takes.
    pub extent: Sym,
}

/// A definition: a tensor's value at each point.
#[derive(Clone, PartialEq, Debug)]
pub struct Def {
    /// Name for readers, unique in the kernel.
    pub name: String,
    /// Element type of the result.
    pub dtype: DType,
    /// Index variables, outermost first.
    pub axes: Vec<Axis>,
    /// Value.
    pub body: Body,
}

/// How a definition computes its points.
#[derive(Clone, PartialEq, Debug)]
pub enum Body {
    /// An expression of the index variables.
    Map(Expr),
    /// `init`, combined with `value` at each point of the reduction axes.
    Reduce {
        /// How two values combine.
        op: ReduceOp,
        /// Reduction variables.
        axes: Vec<Axis>,
        /// Start; the operation's identity when absent.
        init: Option<Expr>,
        /// What is combined, of the definition's dtype.
        value: Expr,
    },
}

/// Something that can be loaded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Src {
    /// A parameter.
    Param(ParamId),
    /// An earlier definition.
    Def(DefId),
}

/// An expression: a shared tree, cheap to clone.
#[derive(Clone, PartialEq, Debug)]
pub struct Expr(pub Arc<ExprKind>);

/// The forms of an expression. Every expression has a dtype (see [`Kernel::dtype_of`]).
#[derive(Clone, PartialEq, Debug)]
pub enum ExprKind {
    /// A constant.
    Const(Scalar),
    /// A symbolic integer over dims and index variables, as an i64.
    Int(Sym),
    /// An element of a parameter or definition.
    Load {
        /// Of what.
        src: Src,
        /// One i64 expression per dim.
        index: Vec<Expr>,
        /// The value where an index is out of range; without it, all indices are in range.
        pad: Option<Scalar>,
    },
    /// One operand.
    Unary(UnOp, Expr),
    /// Two operands of one dtype.
    Binary(BinOp, Expr, Expr),
    /// A bool.
    Compare(CmpOp, Expr, Expr),
    /// `cond ? a : b`. Both sides may be evaluated.
    Select(Expr, Expr, Expr),
    /// Conversion to a dtype.
    Cast(DType, Expr),
}

/// A condition on the data, for every point of its axes.
#[derive(Clone, PartialEq, Debug)]
pub struct Check {
    /// Points.
    pub axes: Vec<Axis>,
    /// A bool that must hold.
    pub cond: Expr,
    /// The module's status if it doesn't.
    pub status: i32,
}

impl Expr {
    /// Wraps a form.
    pub fn new(kind: ExprKind) -> Expr {
        Expr(Arc::new(kind))
    }
    /// The form.
    pub fn kind(&self) -> &ExprKind {
        &self.0
    }
    /// The symbolic integer behind it, if it is one.
    pub fn as_sym(&self) -> Option<&Sym> {
        match self.kind() {
            ExprKind::Int(s) => Some(s),
            _ => None,
        }
    }
}

impl Kernel {
    /// The dtype of what can be loaded.
    pub fn src_dtype(&self, src: Src) -> DType {
        match src {
            Src::Param(p) => self.params[p].dtype,
            Src::Def(d) => self.defs[d].dtype,
        }
    }

    /// The extents of what can be loaded.
    pub fn src_shape(&self, src: Src) -> Vec<Sym> {
        match src {
            Src::Param(p) => self.params[p].shape.clone(),
            Src::Def(d) => self.defs[d].axes.iter().map(|a| a.extent.clone()).collect(),
        }
    }

    /// Where output number `i` lies, if that isn't contiguous row-major from the start of its buffer.
    pub fn placed(&self, output: usize) -> Option<&Placed> {
        self.placed.get(output)?.as_ref()
    }

    /// Says where output number `i` lies.
    pub fn place(&mut self, output: usize, at: Placed) {
        self.placed.resize(self.placed.len().max(output + 1), None);
        self.placed[output] = Some(at);
    }

    /// The outputs that a definition is.
    pub fn outputs_of(&self, d: DefId) -> impl Iterator<Item = usize> + '_ {
        self.outputs.iter().enumerate().filter(move |(_, o)| **o == d).map(|(i, _)| i)
    }

    /// The dtype of an expression of this kernel.
    pub fn dtype_of(&self, e: &Expr) -> DType {
        match e.kind() {
            ExprKind::Const(s) => s.dtype,
            ExprKind::Int(_) => DType::I64,
            ExprKind::Load { src, .. } => self.src_dtype(*src),
            ExprKind::Unary(_, a) | ExprKind::Binary(_, a, _) | ExprKind::Select(_, a, _) => self.dtype_of(a),
            ExprKind::Compare(..) => DType::Bool,
            ExprKind::Cast(d, _) => *d,
        }
    }
}

impl Def {
    /// The index variables, as symbolic integers.
    pub fn vars(&self) -> Vec<Sym> {
        self.axes.iter().map(|a| Sym::var(a.var.clone())).collect()
    }
    /// The extents.
    pub fn shape(&self) -> Vec<Sym> {
        self.axes.iter().map(|a| a.extent.clone()).collect()
    }
    /// The expression that is mapped or reduced.
    pub fn value(&self) -> &Expr {
        match &self.body {
            Body::Map(e) => e,
            Body::Reduce { value, .. } => value,
        }
    }
}

#[cfg(test)]
mod tests;
