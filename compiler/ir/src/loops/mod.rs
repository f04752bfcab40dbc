//! loops IR: one whole program of functions, scalars, buffers, loops, vectors, register tiles, branches and calls.
//! The only thing a backend sees.
//!
//! A function body is a tree of [`Block`]s of [`Stmt`]s. Three kinds of names live in it:
//! - a [`Value`] is defined once, by its [`Op`], at the `Let` (or loop, or call) that names it, and may be used by
//!   later statements of that block and of blocks inside it. Its [`Ty`] is an element type times a power-of-two
//!   number of lanes.
//! - a [`Var`] is a mutable scalar, vector or register tile (an array of those), private to the function and zero at
//!   its entry. It is never in memory: after `unroll` every index into a tile is a constant.
//! - a [`Buf`] is memory, addressed in elements of its own dtype. Two buffers overlap only if one is a view of the
//!   other. Accesses are in bounds: whoever builds the program proves it, the interpreter checks it.
//!
//! Scalar meaning is that of [`crate::scalar`]; a vector operation is the scalar one on each lane.
//! A function that returns a value returns an i32 status, 0 for success, unless its `ret` says otherwise.
//!
//! Absent here: tensors, shapes (only extents as i64 values), operators, layouts, and any allocation but
//! [`Stmt::Alloc`], of which none with [`Space::Workspace`] is left after `plan-memory`.

mod alike;
pub mod build;
mod interface;
pub mod interp;
pub mod parse;
pub mod print;
#[cfg(any(test, feature = "random"))]
pub mod random;
mod stmt;
#[cfg(test)]
mod tests;
pub mod unread;
pub mod verify;
pub mod walk;

pub use crate::scalar::{BinOp, CmpOp, ReduceOp, Scalar, UnOp};
pub use build::FuncBuilder;
pub use interface::{Check, DimInfo, DimSource, Entries, Interface, Port};
use onnxc_base::{Bytes, DType, PrimaryMap, Sym, entity_impl};
pub use stmt::{Arg, Block, Callee, LoopKind, Op, Place, Space, Stmt};

/// The linked function that gathers the threads of one run: `i64 (i64 most)`, the team, never more than `most` threads.
pub const TEAM_BEGIN: &str = "onnxc_threads_begin";
/// The linked function that lets a team go: `void (i64 team)`.
pub const TEAM_END: &str = "onnxc_threads_end";

/// A value: defined once, of a fixed type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(u32);
entity_impl!(Value, "v");

/// A mutable variable or register tile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Var(u32);
entity_impl!(Var, "r");

/// A buffer as seen by one function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Buf(u32);
entity_impl!(Buf, "b");

/// A function of the program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FuncId(u32);
entity_impl!(FuncId, "f");

/// A constant of the program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstId(u32);
entity_impl!(ConstId, "c");

/// A function that the program calls but doesn't define.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternId(u32);
entity_impl!(ExternId, "x");

/// The type of a value: an element type and a power-of-two number of lanes (1: a scalar).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ty {
    /// bool, an integer of 8 to 64 bits, f16, bf16 (storage only), f32 or f64.
    pub elem: DType,
    /// 1, 2, 4, ... 64.
    pub lanes: u16,
}

/// A whole module: what one artefact contains.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The module's name, a C identifier; prefix of every exported symbol.
    pub name: String,
    /// Constants, in the order of their use.
    pub consts: PrimaryMap<ConstId, ConstData>,
    /// Functions that the user or the runtime supplies.
    pub externs: PrimaryMap<ExternId, Extern>,
    /// Functions; callees before callers.
    pub funcs: PrimaryMap<FuncId, Func>,
    /// What a caller needs to know.
    pub interface: Interface,
}

/// A constant: never passes through a backend's own IR, which sees only an address.
#[derive(Clone, Debug)]
pub struct ConstData {
    /// Name for reports and headers.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Little-endian elements.
    pub data: Bytes,
}

/// A function that is linked in: its C symbol and signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extern {
    /// The linker symbol.
    pub symbol: String,
    /// What is passed.
    pub params: Vec<ParamKind>,
    /// What it returns.
    pub ret: Option<Ty>,
}

/// What a function is called with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamKind {
    /// A scalar by value.
    Scalar(DType),
    /// The address of elements of a dtype; `mutable` if the function writes there.
    Buf {
        /// Element type.
        dtype: DType,
        /// True if the function writes there.
        mutable: bool,
    },
    /// The address of an array of addresses (`void *const *`).
    Table,
}

/// A parameter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Param {
    /// Name in text and headers.
    pub name: String,
    /// Kind.
    pub kind: ParamKind,
}

/// Who can call a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Linkage {
    /// Functions of the same program.
    #[default]
    Local,
    /// Anyone: the symbol is `Func::name` as it stands.
    Export,
}

/// A function.
#[derive(Clone, Debug, Default)]
pub struct Func {
    /// Unique in the program; the linker symbol of an exported function.
    pub name: String,
    /// Linkage.
    pub linkage: Linkage,
    /// A remark for readers: the graph nodes and shapes behind a kernel.
    pub doc: String,
    /// Parameters, in C order.
    pub params: Vec<Param>,
    /// The type returned, if any.
    pub ret: Option<Ty>,
    /// Every value.
    pub values: PrimaryMap<Value, ValueDef>,
    /// Every variable and register tile.
    pub vars: PrimaryMap<Var, VarDef>,
    /// Every buffer.
    pub bufs: PrimaryMap<Buf, BufDef>,
    /// The statements.
    pub body: Block,
}

/// How a value comes to be.
#[derive(Clone, PartialEq, Debug)]
pub struct ValueDef {
    /// Type.
    pub ty: Ty,
    /// Definition.
    pub op: Op,
    /// A hint for readers; printed as part of the name. May be empty.
    pub name: String,
}

/// A mutable variable: a scalar or vector, or an array of those.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VarDef {
    /// Type of one element.
    pub ty: Ty,
    /// Extents of a register tile; empty for a plain variable.
    pub dims: Vec<u32>,
    /// A hint for readers. May be empty.
    pub name: String,
}

/// A buffer of a function.
#[derive(Clone, PartialEq, Debug)]
pub struct BufDef {
    /// Element type of every access.
    pub dtype: DType,
    /// Where the memory comes from.
    pub kind: BufKind,
    /// A hint for readers. May be empty.
    pub name: String,
}

/// Where a buffer's memory comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum BufKind {
    /// The function's parameter of this index.
    Param(u32),
    /// A constant of the program.
    Const(ConstId),
    /// A fixed number of elements on the stack, uninitialised at entry.
    Stack(u32),
    /// Defined by one `Alloc`, `View` or `Entry` statement.
    Local,
    /// A pointer that `Assign` statements set; loop-carried tensors swap through these.
    Pointer,
}

impl Ty {
    /// A scalar type.
    pub fn scalar(elem: DType) -> Ty {
        Ty { elem, lanes: 1 }
    }
    /// A vector type.
    pub fn vector(elem: DType, lanes: u16) -> Ty {
        Ty { elem, lanes }
    }
    /// The same number of lanes of another element type.
    pub fn with_elem(self, elem: DType) -> Ty {
        Ty { elem, ..self }
    }
    /// i64 scalar, the type of indices and offsets.
    pub const I64: Ty = Ty { elem: DType::I64, lanes: 1 };
    /// i32 scalar, the type of statuses.
    pub const I32: Ty = Ty { elem: DType::I32, lanes: 1 };
    /// bool scalar.
    pub const BOOL: Ty = Ty { elem: DType::Bool, lanes: 1 };
}

impl std::fmt::Display for Ty {
    /// `f32`, or `v16f32` for 16 lanes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.lanes == 1 { write!(f, "{}", self.elem) } else { write!(f, "v{}{}", self.lanes, self.elem) }
    }
}
