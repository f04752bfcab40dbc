//! The contract between the compiler and a backend: loops IR in, one relocatable object (or its text) out.
//!
//! What every backend does, beyond the meaning of loops IR itself:
//! - **Functions.** An exported function has the symbol `Func::name`, default visibility and the target's C calling
//!   convention; every other function is local. A `bool` is passed as a `uint8_t` that is 0 or 1, a buffer as a
//!   pointer, a table as `void *const *`. A function without `ret` returns nothing. Each function stands in a section
//!   of its own (`.text.NAME`) where the format allows that, so that a linker can drop what isn't used.
//! - **Constants** are not here: an access is relative to the symbol [`ConstLayout::symbol`] plus
//!   [`ConstLayout::offset`], an undefined data symbol with hidden visibility (thus reached relative to the
//!   instruction pointer, never through a GOT). The artefact writer defines it.
//! - **Address functions** ([`AddressFunction`]) are not loops IR, as no value there is an address: they are emitted as
//!   exported functions of one to four instructions. Their data symbols are external and hidden like the constants.
//! - **Externs** are called by their symbol with the C calling convention (through the PLT or GOT as usual).
//! - **Heap**: `Stmt::Alloc` with `Space::Heap` and `Stmt::Free` use the parameter of the same function named
//!   [`ALLOCATOR_PARAM`], the address of an `onnxc_allocator`: three pointers, `alloc(context, bytes)`,
//!   `release(context, address)` and `context`. `alloc` gives 64-byte-aligned memory or null; zero elements ask for
//!   one byte, so that an empty tensor isn't taken for a failure. `Free` of a null address calls nothing.
//! - **Bits.** The result of every operation has the bits that [`onnxc_ir::scalar`] says, but for the sign and payload
//!   of a NaN, which are free. `Fma` is one rounding: on a target without it ([`Target::has_fma`]) it is an error.
//! - **Errors.** No panic on any program: what the verifier lets through but the backend can't do is a [`Diagnostics`].
//!   Math functions (`UnOp::is_math`, `Pow` on floats) are gone by then; meeting one is such an error.
//! - **Threads.** `LoopKind::Parallel` may run in order on the calling thread; `ThreadId` is then 0. `Stmt::Fork` calls
//!   [`FORK`], `void (void (*task)(void *record, int64_t from, int64_t to, int64_t thread), void *record, int64_t count,
//!   int64_t team)`, with a local function as the task that calls the callee with the arguments in the record; only
//!   where [`Backend::forks`].
//! - The object is position independent, needs no executable stack and no symbol but those named above.

use crate::constants::ConstLayout;
use crate::object_file::DataObject;
use crate::target::Target;
use onnxc_base::Diagnostics;
use onnxc_ir::kernel::ByteProducts;
use onnxc_ir::loops::Program;
use std::collections::BTreeMap;

/// The parameter through which a function gets the caller's `onnxc_allocator`.
pub const ALLOCATOR_PARAM: &str = "allocator";

/// The runtime's function that shares out the ranges of a task.
pub const FORK: &str = "onnxc_threads_fork";

/// A way from loops IR to machine code.
pub trait Backend: Sync {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// True if its form of a module is source text, for somebody else's compiler.
    fn writes_source(&self) -> bool {
        false
    }

    /// True if `Stmt::Fork` may be in what this backend gets.
    fn forks(&self) -> bool {
        !self.writes_source()
    }

    /// The widest vector that the backend makes good code for on this target; the scheduler asks.
    fn max_vector_bits(&self, target: &Target) -> u32 {
        target.vector_bits
    }

    /// How many of those vectors a register tile may count on, accumulators, weights and broadcasts together.
    fn usable_vector_registers(&self, target: &Target) -> u32 {
        target.vector_registers
    }

    /// True if `Op::Fma` may be in what this backend gets for a target.
    fn has_fma(&self, target: &Target) -> bool {
        target.has_fma
    }

    /// How the backend sums products of 8-bit integers on this target, if without lanes; `Op::Dot` is in what it gets only
    /// where it says so.
    fn bytes(&self, _target: &Target) -> Option<ByteProducts> {
        None
    }

    /// True if memory keeps the type of its elements, so that no view of it has another.
    fn typed_memory(&self) -> bool {
        false
    }

    /// How much code the text's compiler makes of a program, in percent of what a compiler of C makes.
    fn code_percent(&self) -> u32 {
        100
    }

    /// Compiles a unit to what `options.emit` asks for: a relocatable object file, or UTF-8 text.
    fn compile(&self, unit: &Unit<'_>, target: &Target, options: &CompileOptions) -> Result<Code, Diagnostics>;
}

/// What a backend makes of a unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// What the options ask for: an object file, or UTF-8 text.
    pub bytes: Vec<u8>,
    /// Bytes of stack of each function that has a frame, by symbol, with what it saves of its caller's and what it spills;
    /// `None` of a backend that doesn't know.
    pub frames: Option<Frames>,
}

/// Bytes of frames, by symbol.
pub type Frames = BTreeMap<String, u64>;

impl From<Vec<u8>> for Code {
    fn from(bytes: Vec<u8>) -> Code {
        Code { bytes, frames: None }
    }
}

/// What one object file contains.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// The program.
    pub program: &'a Program,
    /// Where its constants will be.
    pub constants: &'a ConstLayout,
    /// Functions that return addresses of data defined elsewhere.
    pub address_functions: &'a [AddressFunction],
    /// What the backend has to put into the object together with the constants, where the format isn't one that they are
    /// added to afterwards (ELF).
    pub data: Option<&'a [DataObject]>,
}

/// An exported C function that returns `&data[min(index, count - 1) * stride]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressFunction {
    /// The function's symbol.
    pub symbol: String,
    /// The data's symbol: external, hidden.
    pub data: String,
    /// `Some`: the function takes an `int32_t` index, compared as unsigned. `None`: it takes nothing and returns `&data`.
    pub table: Option<Table>,
}

/// The shape of a table of equally large entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// Entries; at least 1. Larger indices get the last entry.
    pub count: u32,
    /// Bytes from one entry to the next.
    pub stride: u32,
}

/// How to compile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompileOptions {
    /// 0 (fastest compile) to 3 (fastest code).
    pub opt_level: u8,
    /// What to produce.
    pub emit: Emit,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self { opt_level: 2, emit: Emit::Object }
    }
}

/// The form of a backend's result.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Emit {
    /// A relocatable object file.
    Object,
    /// Assembly text (`.s`).
    Assembly,
    /// The backend's own IR after its optimisations: LLVM IR (`.ll`) or CLIF (`.clif`).
    BackendIr,
}
