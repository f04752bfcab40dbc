//! Tests: what compiled code computes, against the definitions of `onnxc_ir::scalar`, and what it looks like.

mod both;
mod control;
mod errors;
mod kernels;
mod load;
mod ops;
mod quality;
mod random;
mod shared;
