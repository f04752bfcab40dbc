//! The operators, one file each or per family.

pub mod softmax;
