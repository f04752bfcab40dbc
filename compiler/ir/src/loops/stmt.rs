//! Statements of a function's body, and the operations that give values. What they mean is said at each; that they are well
//! formed is checked by `verify`.

use super::{BinOp, Buf, CmpOp, ExternId, FuncId, ReduceOp, Scalar, UnOp, Value, Var};
use onnxc_base::Sym;

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
