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
pub mod interp;
pub mod parse;
pub mod print;
#[cfg(any(test, feature = "random"))]
pub mod random;
#[cfg(test)]
mod tests;
pub mod verify;
pub mod walk;

pub use crate::scalar::{BinOp, CmpOp, ReduceOp, Scalar, UnOp};
pub use build::FuncBuilder;
use onnxc_base::{Bytes, DType, PrimaryMap, Sym, entity_impl};

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

/// Who provides the memory of an `Alloc`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    /// The workspace: `plan-memory` turns it into a view. Alive until the last use. The count is a `Sym` of the
    /// program's dims.
    Workspace,
    /// The caller's allocator, given at the entry; its address is null when there is no memory. Until `Free`.
    Heap,
}

/// Statements in order.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Block(pub Vec<Stmt>);

/// An element of a variable: its tile index has one value per tile dim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The variable.
    pub var: Var,
    /// i64 scalars; constants once loops are unrolled.
    pub index: Vec<Value>,
}

/// How a loop runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoopKind {
    /// In order.
    Serial,
    /// In any order, on any number of threads: iterations don't depend on each other.
    Parallel,
    /// Constant bounds; `unroll` replaces it by its iterations.
    Unrolled,
}

/// A statement.
#[derive(Clone, PartialEq, Debug)]
pub enum Stmt {
    /// Computes a value.
    Let(Value),
    /// Sets a variable.
    Set(Place, Value),
    /// Writes lanes to `buf[offset ..]`; with a mask (bool lanes) only the lanes that are set.
    Store {
        /// Where.
        buf: Buf,
        /// i64 scalar, in elements.
        offset: Value,
        /// Scalar or vector of the buffer's dtype.
        value: Value,
        /// Lanes to write; all when absent.
        mask: Option<Value>,
    },
    /// Writes lane i to `buf[offsets[i]]`, in lane order.
    Scatter {
        /// Where.
        buf: Buf,
        /// i64 or i32 vector, in elements.
        offsets: Value,
        /// Vector of the buffer's dtype.
        value: Value,
        /// Lanes to write; all when absent.
        mask: Option<Value>,
    },
    /// Gives a `Local` buffer its memory: `count` elements (an i64), aligned to 64 bytes. `bound` is a closed form
    /// of the program's dims that is never below `count` (workspace only).
    Alloc {
        /// The buffer.
        buf: Buf,
        /// Elements, an i64 scalar.
        count: Value,
        /// Who provides it.
        space: Space,
        /// Upper bound of `count` over dims known before the run.
        bound: Option<Sym>,
    },
    /// Gives back a heap buffer (or pointer variable); nothing happens if it is null.
    Free(Buf),
    /// Makes a `Local` buffer a view of `base` from a byte offset on.
    View {
        /// The new name.
        buf: Buf,
        /// Memory that exists.
        base: Buf,
        /// i64 scalar, in BYTES, a multiple of the dtype's size.
        byte_offset: Value,
        /// Elements that are reached through it at most, where that is less than the base has.
        count: Option<Sym>,
    },
    /// Makes a `Local` buffer the address in entry `index` of a `Table` parameter.
    Entry {
        /// The new name.
        buf: Buf,
        /// Parameter number.
        table: u32,
        /// Which entry.
        index: u32,
    },
    /// Makes a `Pointer` buffer point to another buffer.
    Assign {
        /// The pointer.
        buf: Buf,
        /// What it points to from now on.
        from: Buf,
    },
    /// A hint that elements from an offset on will be read soon. It may lie outside of the buffer, and does nothing else.
    Prefetch {
        /// From where.
        buf: Buf,
        /// i64 scalar, in elements.
        offset: Value,
    },
    /// Runs the body for index = lo, lo + step, ... while index < hi.
    For {
        /// The index: an i64 defined here (`Op::Index`).
        index: Value,
        /// First.
        lo: Value,
        /// End, exclusive.
        hi: Value,
        /// At least 1.
        step: i64,
        /// How.
        kind: LoopKind,
        /// What.
        body: Block,
    },
    /// Runs the body until a `Break`.
    Loop(Block),
    /// Leaves the innermost `Loop` or serial `For`.
    Break,
    /// Runs one of two blocks.
    If {
        /// A bool scalar.
        cond: Value,
        /// If true.
        then: Block,
        /// If false.
        els: Block,
    },
    /// Calls a function.
    Call {
        /// Which.
        callee: Callee,
        /// One per parameter.
        args: Vec<Arg>,
        /// What it returns (`Op::Result`), if it does.
        result: Option<Value>,
    },
    /// Calls a function for ranges that together are 0 .. `count`, on up to `team` threads at once: its first parameters
    /// are the range's start and end and the number of the thread (i64, below `team`; calls that run at once have
    /// different ones), then come `args`. It returns nothing, and no range depends on another. `outline-parallel` makes
    /// these of parallel loops.
    Fork {
        /// Which.
        callee: FuncId,
        /// What every call gets after its range and thread.
        args: Vec<Arg>,
        /// How many there are, an i64 scalar.
        count: Value,
        /// What [`TEAM_BEGIN`] gave, or 1: the calling thread alone. An i64 scalar.
        team: Value,
    },
    /// Ends the function.
    Return(Option<Value>),
    /// A remark for readers of the IR and of emitted source.
    Comment(String),
}

/// Who is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Callee {
    /// A function of the program.
    Func(FuncId),
    /// A linked one.
    Extern(ExternId),
}

/// What is passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arg {
    /// A scalar.
    Value(Value),
    /// A buffer's address, from an element offset on.
    Buf {
        /// The buffer.
        buf: Buf,
        /// i64 scalar in elements; the start when absent.
        offset: Option<Value>,
    },
    /// A `Table` parameter of the caller, by number.
    Table(u32),
}

/// How a value is computed. Result types follow from the operands unless said otherwise.
#[derive(Clone, PartialEq, Debug)]
pub enum Op {
    /// The scalar parameter of this index.
    Param(u32),
    /// The index of the loop that names it (i64).
    Index,
    /// The result of the call that names it.
    Result,
    /// A scalar constant.
    Const(Scalar),
    /// Lanes 0, 1, 2, ... of an integer type.
    Iota,
    /// A scalar in every lane.
    Splat(Value),
    /// One operand.
    Unary(UnOp, Value),
    /// Two operands of one type.
    Binary(BinOp, Value, Value),
    /// a * b + c, rounded once. f32 or f64.
    Fma(Value, Value, Value),
    /// Sums of products of narrow integers: lane l is c[l] plus the products of lanes l * g to l * g + g - 1 of a and b,
    /// where a and b have g times the lanes of c. a and b hold integers of 8 or 16 bits, signed or not; c and the result
    /// are i32, and wrap.
    Dot(Value, Value, Value),
    /// Bool lanes.
    Compare(CmpOp, Value, Value),
    /// Lane-wise `cond ? a : b`; a scalar condition decides for all lanes.
    Select(Value, Value, Value),
    /// Value conversion to the result's element type, same lanes.
    Cast(Value),
    /// The same bits under another type of equal total size.
    Bitcast(Value),
    /// `buf[offset .. offset + lanes]`; lanes whose mask bit is unset are not read and are 0.
    Load {
        /// From where.
        buf: Buf,
        /// i64 scalar, in elements.
        offset: Value,
        /// Bool lanes; all when absent.
        mask: Option<Value>,
    },
    /// Lane i is `buf[offsets[i]]`; lanes whose mask bit is unset are not read and are 0.
    Gather {
        /// From where.
        buf: Buf,
        /// i64 or i32 vector, in elements.
        offsets: Value,
        /// Bool lanes; all when absent.
        mask: Option<Value>,
    },
    /// A variable's present value.
    Get(Place),
    /// One lane.
    Extract(Value, u16),
    /// All lanes combined, as a balanced tree: halves combined lane-wise until one lane is left.
    Reduce(ReduceOp, Value),
    /// Lane i is lane `pick[i]` of the concatenation of both operands.
    Shuffle(Value, Value, Vec<u16>),
    /// True if a buffer's address is null (heap only). Bool.
    IsNull(Buf),
    /// The number of the running thread, 0 outside of parallel loops. i64.
    ThreadId,
}

/// What a caller needs to know of a module.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Interface {
    /// Symbolic dims, in the order of the dims struct.
    pub dims: Vec<DimInfo>,
    /// Inputs, in the model's order.
    pub inputs: Vec<Port>,
    /// Outputs, in the model's order.
    pub outputs: Vec<Port>,
    /// What a run checks of the dims. Not part of the text.
    pub checks: Vec<Check>,
    /// Workspace bytes over the dims; known after `plan-memory`.
    pub workspace: Option<Sym>,
    /// The entry functions, by role.
    pub entries: Entries,
}

/// Entry functions. All take `dims: const i64*` first unless the module has no dims.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entries {
    /// `NAME_run(dims, inputs.., outputs.., extents, allocator, workspace) -> status`; extents only if some dim is
    /// known only after the run, allocator only if needed.
    pub run: Option<FuncId>,
    /// `NAME_plan(inputs.., dims) -> status`: sets the dims of [`DimSource::Plan`] from input values.
    pub plan: Option<FuncId>,
    /// `NAME_workspace_bytes(dims) -> i64`.
    pub workspace_bytes: Option<FuncId>,
    /// `NAME_call(dims, inputs, outputs, extents, allocator, workspace) -> status`, the same for every module:
    /// inputs and outputs are tables of addresses.
    pub call: Option<FuncId>,
}

/// What has to hold for the dims: a run where it doesn't is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// One side.
    pub left: Sym,
    /// The other.
    pub right: Sym,
    /// It is enough that the left side is 1.
    pub or_one: bool,
    /// Who needs it, and why.
    pub reason: String,
}

/// A symbolic dim of a module.
#[derive(Clone, PartialEq, Debug)]
pub struct DimInfo {
    /// Its name, as in every `Sym` of the program.
    pub name: String,
    /// Where its value comes from.
    pub source: DimSource,
    /// Least value accepted.
    pub lo: i64,
    /// Greatest value accepted, over dims that come before; none: no limit.
    pub hi: Option<Sym>,
}

/// When a dim becomes known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DimSource {
    /// From the inputs' shapes.
    Input,
    /// From the inputs' values, before the run (`NAME_plan`).
    Plan,
    /// During the run; its number among the extents that the run returns.
    Run(u32),
}

/// An input or output of a module.
#[derive(Clone, PartialEq, Debug)]
pub struct Port {
    /// The tensor's name in the model.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Extents over the module's dims; none for what is no tensor.
    pub shape: Vec<Sym>,
    /// For what isn't passed as the address of elements but as that of an `onnxc_value`: its type as ONNX spells it,
    /// `seq(tensor(float))`. `dtype` is then that of the tensors in it.
    pub value: Option<String>,
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
