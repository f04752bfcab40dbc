//! Tests: what compiled code computes, against the definitions of `onnxc_ir::scalar`, and what it looks like.

mod control;
mod kernels;
mod load;
mod ops;
mod quality;
