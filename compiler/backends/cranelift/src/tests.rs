//! The shared differential cases, at both of Cranelift's optimisation levels.

use crate::Cranelift;
use onnxc_codegen::{Target, testing};

#[test]
fn agrees_with_the_interpreter_without_optimisation() {
    testing::check(&Cranelift, &Target::host(), 0).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn agrees_with_the_interpreter_optimised() {
    testing::check(&Cranelift, &Target::host(), 2).unwrap_or_else(|e| panic!("{e}"));
}
