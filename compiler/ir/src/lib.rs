//! The three intermediate representations of onnxc, from the model to the machine.
//!
//! - [`graph`]: SSA over tensors, with symbolic shapes and regions for control flow.
//! - [`kernel`]: what one kernel computes (definitions over index variables) and how (a schedule, as data).
//! - [`loops`]: a whole program of functions, buffers, loops, vectors and calls: the only thing a backend sees.
//! - [`scalar`]: scalar values and operations, shared by kernel and loops IR, with their exact meaning.
//!
//! Each level has the same six files: `mod` (data), `build`, `verify`, `print`, `parse`, `interp`.
//! Levels don't look up: loops knows nothing of kernels, kernels nothing of graphs.

pub mod graph;
pub mod kernel;
pub mod loops;
pub mod scalar;
