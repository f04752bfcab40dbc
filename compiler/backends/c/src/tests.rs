//! The shared differential cases through the machine's C compiler; said aloud and skipped where there is none.

use crate::C;
use onnxc_codegen::{Target, testing};

fn compiler() -> bool {
    let there = std::process::Command::new("cc").arg("--version").output().is_ok_and(|o| o.status.success());
    if !there {
        eprintln!("SKIPPED: no C compiler (cc) on this machine");
    }
    there
}

fn host() -> Target {
    Target { has_fma: false, ..Target::host() }
}

#[test]
fn agrees_with_the_interpreter() {
    if compiler() {
        testing::check(&C, &host(), 0).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// What compilers get of vectors that stay, where the extension that has them is not there.
#[test]
fn vectors_of_four_lanes_agree_with_the_interpreter() {
    if compiler() {
        let mut target = Target { vector_bits: 128, ..host() };
        target.features.insert("mve.fp");
        testing::check(&C, &target, 0).unwrap_or_else(|e| panic!("{e}"));
        testing::random::check(&C, &target, 1, 47, 20).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// What processors without instructions for roots get, by telling the compiler that there are none.
#[test]
fn software_roots_are_exact() {
    if compiler() {
        let roots = testing::ops::cases().into_iter().filter(|c| c.name.starts_with("sqrt")).collect::<Vec<_>>();
        assert!(roots.len() > 2);
        testing::check_cases(&crate::SoftwareRoots, &host(), 1, roots).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn libraries_load_and_run() {
    if compiler() {
        testing::artefacts::check_loading(&C).unwrap_or_else(|e| panic!("{e}"));
        testing::artefacts::check_refusals(&C).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn random_programs_agree_with_the_interpreter() {
    if compiler() {
        testing::random::check(&C, &host(), 1, 31, 20).unwrap_or_else(|e| panic!("{e}"));
    }
}
