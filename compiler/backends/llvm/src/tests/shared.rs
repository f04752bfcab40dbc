//! The cases and artefacts that all backends share, on processors with and without the instructions that code is chosen by.
//!
//! There are thousands, so each run takes its part of them; [`super::ops`] covers the operations densely.

use crate::Llvm;
use onnxc_codegen::{Target, testing};

/// Checks the cases whose number leaves `rest` when divided by `every`.
fn check(target: &Target, opt_level: u8, every: usize, rest: usize) {
    let cases = testing::all().into_iter().enumerate().filter(|(i, _)| i % every == rest).map(|(_, c)| c).collect();
    let result = testing::check_cases(&Llvm, target, opt_level, cases);
    result.unwrap_or_else(|e| panic!("{} -O{opt_level}: {e}", target.cpu));
}

#[test]
fn agrees_with_the_interpreter() {
    check(&Target::host(), 2, 3, 0);
    check(&Target::host(), 0, 11, 1);
}

/// The levels of x86-64 that this machine has, too.
#[test]
#[cfg(target_arch = "x86_64")]
fn agrees_on_older_processors() {
    for (rest, cpu) in ["x86-64", "x86-64-v2", "x86-64-v3"].into_iter().enumerate() {
        let target = Target::parse(None, Some(cpu)).expect("it is in the table");
        if target.is_host() {
            check(&target, 2, 11, 3 * rest + 2);
        }
    }
}

/// Control flow, calls and buffers are few enough to run all of them at each level.
#[test]
fn programs_at_every_level() {
    for level in 0..4 {
        let result = testing::check_cases(&Llvm, &Target::host(), level, testing::programs::cases());
        result.unwrap_or_else(|e| panic!("-O{level}: {e}"));
    }
}

#[test]
fn artefacts() {
    let checks = [
        testing::artefacts::check_loading,
        testing::artefacts::check_refusals,
        testing::artefacts::check_linking,
        testing::artefacts::check_symbols,
    ];
    for check in checks {
        check(&Llvm).unwrap_or_else(|e| panic!("{e}"));
    }
}
