//! The self-description of a module as it lies in memory: what `const onnxc_module *onnxc_module_v1(void)` points to.
//!
//! Every pointer is set for as long as the module is loaded; texts are UTF-8 and end with a zero byte. Fields are only
//! ever added at the end, which [`ModuleV1::size`] shows. In C:
//! ```c
//! typedef struct { uint32_t kind, length; int64_t value; const int64_t *code; } onnxc_extent;
//! typedef struct { const char *name; uint32_t dtype, rank; const onnxc_extent *shape; uint32_t form, reserved;
//!                  const char *type; } onnxc_port;
//! typedef struct { const char *name; uint32_t source, extent; int64_t lo; onnxc_extent hi; } onnxc_dim;
//! typedef struct { const char *reason; uint32_t relation, reserved; onnxc_extent left, right; } onnxc_check;
//! typedef struct {
//!     uint32_t magic, version, size, flags;
//!     const char *name, *compiler, *model_sha256;
//!     uint32_t dim_count, input_count, output_count, extent_count;
//!     const onnxc_dim *dims; const onnxc_port *inputs, *outputs;
//!     int64_t (*workspace_bytes)(const int64_t *dims);
//!     int (*plan_call)(int64_t *dims, const void *const *inputs);
//!     int (*call)(const int64_t *dims, const void *const *inputs, void *const *outputs, int64_t *extents,
//!                 const onnxc_allocator *allocator, void *workspace);
//!     const char *(*status_text)(int status);
//!     onnxc_extent flops;
//!     void (*set_threads)(int64_t threads);
//!     void (*set_parallel_for)(onnxc_parallel_for run, void *context);
//!     uint32_t check_count, reserved; const onnxc_check *checks;
//! } onnxc_module;
//! ```
//! To run a module: fill `dims` (one int64 per [`DimV1`]) of source [`SOURCE_INPUT`] from the inputs' shapes, call
//! `plan_call` if it is there (it sets those of source [`SOURCE_PLAN`]), give `workspace_bytes(dims)` bytes aligned to
//! 64, and buffers for the outputs with every [`SOURCE_RUN`] dim at its upper bound; after `call`, `extents[dim.extent]`
//! are the true values of the dims of source [`SOURCE_RUN`]. An input or output of form [`FORM_VALUE`] is the address of
//! an [`ValueV1`](crate::value::ValueV1) instead: the module fills an output's from the allocator.

use core::ffi::{c_char, c_void};

/// The first field of every description: `ONXC`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"ONXC");
/// The version described here.
pub const VERSION: u32 = 1;
/// The symbol of the function that returns the description.
pub const SYMBOL: &str = "onnxc_module_v1";

/// [`ModuleV1::flags`]: `call` uses the allocator.
pub const FLAG_ALLOCATOR: u32 = 1;

/// [`ExtentV1::kind`]: `value` is the extent.
pub const EXTENT_FIXED: u32 = 0;
/// [`ExtentV1::kind`]: `value` is the number of a dim.
pub const EXTENT_DIM: u32 = 1;
/// [`ExtentV1::kind`]: `code` computes the extent.
pub const EXTENT_CODE: u32 = 2;
/// [`ExtentV1::kind`]: there is no limit.
pub const EXTENT_NONE: u32 = 3;

/// [`DimV1::source`]: from the inputs' shapes.
pub const SOURCE_INPUT: u32 = 0;
/// [`DimV1::source`]: from the inputs' values, by `plan_call`.
pub const SOURCE_PLAN: u32 = 1;
/// [`DimV1::source`]: from the run.
pub const SOURCE_RUN: u32 = 2;

/// Opcodes of [`ExtentV1::code`], a program for a stack of int64: what it leaves on the stack is the extent. `CONST` and
/// `DIM` are followed by an operand; the others take two values, the right one last pushed, and push one. `floordiv`
/// rounds down and `mod` has the divisor's sign.
pub mod opcode {
    /// Pushes the next word.
    pub const CONST: i64 = 0;
    /// Pushes the dim whose number is the next word.
    pub const DIM: i64 = 1;
    /// a + b.
    pub const ADD: i64 = 2;
    /// a * b.
    pub const MUL: i64 = 3;
    /// floor(a / b).
    pub const FLOORDIV: i64 = 4;
    /// a - b * floor(a / b).
    pub const MOD: i64 = 5;
    /// The lesser.
    pub const MIN: i64 = 6;
    /// The greater.
    pub const MAX: i64 = 7;
    /// The extent that both broadcast to: the lesser if that is below 1, else the greater.
    pub const JOINT: i64 = 8;
}

/// One extent of a shape, or a limit.
#[repr(C)]
pub struct ExtentV1 {
    /// `EXTENT_*`.
    pub kind: u32,
    /// Words of `code`.
    pub length: u32,
    /// The extent, or the number of the dim that it is.
    pub value: i64,
    /// A program; see [`opcode`].
    pub code: *const i64,
}

/// An input or output.
#[repr(C)]
pub struct PortV1 {
    /// The tensor's name in the model.
    pub name: *const c_char,
    /// Element type, numbered as ONNX's `TensorProto.DataType`.
    pub dtype: u32,
    /// Number of extents; 0 for what is no tensor.
    pub rank: u32,
    /// Extents, outermost first.
    pub shape: *const ExtentV1,
    /// `FORM_*`.
    pub form: u32,
    /// 0.
    pub reserved: u32,
    /// The type as ONNX spells it: `tensor(float)`, `seq(tensor(string))`.
    pub type_text: *const c_char,
}

/// [`PortV1::form`]: the address of the elements.
pub const FORM_ELEMENTS: u32 = 0;
/// [`PortV1::form`]: the address of a [`ValueV1`](crate::value::ValueV1): strings, sequences, optionals, maps, and
/// tensors whose size nothing bounds.
pub const FORM_VALUE: u32 = 1;

/// A symbolic dim.
#[repr(C)]
pub struct DimV1 {
    /// Its name in the model, or one made up.
    pub name: *const c_char,
    /// `SOURCE_*`.
    pub source: u32,
    /// For [`SOURCE_RUN`]: its place among the extents that `call` returns.
    pub extent: u32,
    /// Least value.
    pub lo: i64,
    /// Greatest value, over dims that come before.
    pub hi: ExtentV1,
}

/// [`CheckV1::relation`]: the extents are equal.
pub const CHECK_EQUAL: u32 = 0;
/// [`CheckV1::relation`]: they are equal, or the left one is 1 (and repeated).
pub const CHECK_REPEATED: u32 = 1;

/// What has to hold between two extents.
#[repr(C)]
pub struct CheckV1 {
    /// Which node of the model needs it, and why.
    pub reason: *const c_char,
    /// `CHECK_*`.
    pub relation: u32,
    /// 0.
    pub reserved: u32,
    /// One side, over dims that are known before a run.
    pub left: ExtentV1,
    /// The other.
    pub right: ExtentV1,
}

/// `int64_t NAME_workspace_bytes(const int64_t *dims)`.
pub type WorkspaceBytesFn = unsafe extern "C" fn(dims: *const i64) -> i64;
/// Sets the dims that follow from the inputs' values.
pub type PlanCallFn = unsafe extern "C" fn(dims: *mut i64, inputs: *const *const c_void) -> i32;
/// Runs the model.
pub type CallFn = unsafe extern "C" fn(
    dims: *const i64,
    inputs: *const *const c_void,
    outputs: *const *mut c_void,
    extents: *mut i64,
    allocator: *const Allocator,
    workspace: *mut c_void,
) -> i32;
/// The text of a status.
pub type StatusTextFn = unsafe extern "C" fn(status: i32) -> *const c_char;

/// Sets how many threads runs use from now on; 0: as many as this process may.
pub type SetThreadsFn = unsafe extern "C" fn(threads: i64);
/// Runs a task for each index below `count`, in any order, and returns when all are done.
pub type ParallelForFn = unsafe extern "C" fn(
    context: *mut c_void,
    count: i64,
    run: unsafe extern "C" fn(task: *mut c_void, index: i64),
    task: *mut c_void,
);
/// Replaces the built-in pool by the caller's, or brings it back.
pub type SetParallelForFn = unsafe extern "C" fn(run: Option<ParallelForFn>, context: *mut c_void);

/// A module's self-description.
#[repr(C)]
pub struct ModuleV1 {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Bytes of this struct.
    pub size: u32,
    /// `FLAG_*`.
    pub flags: u32,
    /// The module's name, the prefix of its symbols.
    pub name: *const c_char,
    /// The compiler's name and version.
    pub compiler: *const c_char,
    /// SHA-256 of the model file, 64 hex digits.
    pub model_sha256: *const c_char,
    /// Number of `dims`.
    pub dim_count: u32,
    /// Number of `inputs`.
    pub input_count: u32,
    /// Number of `outputs`.
    pub output_count: u32,
    /// Number of extents that `call` returns.
    pub extent_count: u32,
    /// Symbolic dims.
    pub dims: *const DimV1,
    /// Inputs, in the model's order.
    pub inputs: *const PortV1,
    /// Outputs, in the model's order.
    pub outputs: *const PortV1,
    /// Bytes of workspace.
    pub workspace_bytes: Option<WorkspaceBytesFn>,
    /// Null if no dim follows from values.
    pub plan_call: Option<PlanCallFn>,
    /// Runs the model.
    pub call: Option<CallFn>,
    /// The text of a status.
    pub status_text: Option<StatusTextFn>,
    /// Floating-point operations of a run, as far as they are counted; `EXTENT_NONE` if they aren't.
    pub flops: ExtentV1,
    /// Null if the module runs on one thread only.
    pub set_threads: Option<SetThreadsFn>,
    /// Null if the module runs on one thread only.
    pub set_parallel_for: Option<SetParallelForFn>,
    /// Number of `checks`.
    pub check_count: u32,
    /// 0.
    pub reserved: u32,
    /// What runs check of the dims, beyond their ranges: where it doesn't hold, the status is 1.
    pub checks: *const CheckV1,
}

/// Memory for tensors of which no size is known in advance.
#[repr(C)]
pub struct Allocator {
    /// Gives `bytes` bytes aligned to 64, or null.
    pub alloc: unsafe extern "C" fn(context: *mut c_void, bytes: usize) -> *mut c_void,
    /// Takes back what `alloc` gave.
    pub release: unsafe extern "C" fn(context: *mut c_void, address: *mut c_void),
    /// Handed to both.
    pub context: *mut c_void,
}
