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

#[test]
fn libraries_load_and_run() {
    testing::artefacts::check_loading(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    testing::artefacts::check_refusals(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn objects_and_archives_link() {
    testing::artefacts::check_linking(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}

#[test]
fn libraries_export_the_interface_only() {
    testing::artefacts::check_symbols(&Cranelift).unwrap_or_else(|e| panic!("{e}"));
}
