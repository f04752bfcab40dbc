//! Passes over loops IR: what is between assembling and a backend.

pub mod check_memory;
pub mod expand_storage;
pub mod hoist;
pub mod math;
pub mod plan_memory;
pub mod release;
pub mod simplify;
pub mod unroll;
pub use onnxc_ir::loops::walk;
