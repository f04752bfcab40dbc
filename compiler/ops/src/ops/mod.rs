//! The operators, one file each or per family.

pub mod activation;
pub mod arg;
mod axes;
pub mod binary;
pub mod cast;
pub mod channel_norm;
pub mod clip;
pub mod conv;
pub mod cumulative;
mod elementwise;
pub mod gemm;
pub mod global_pool;
pub mod identity;
pub mod layer_norm;
pub mod matmul;
pub mod max_pool;
mod moments;
pub mod pool;
pub mod pow;
pub mod reduce;
pub mod select;
pub mod softmax;
pub mod unary;
pub mod variadic;
mod window;
