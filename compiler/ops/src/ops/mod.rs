//! The operators, one file each or per family.

pub mod activation;
pub mod arg;
mod axes;
pub mod binary;
pub mod cast;
pub mod clip;
pub mod cumulative;
mod elementwise;
pub mod identity;
pub mod pow;
pub mod reduce;
pub mod select;
pub mod softmax;
pub mod unary;
pub mod variadic;
