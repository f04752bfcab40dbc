//! Compiles what modules are linked with (`onnxc-runtime`, feature `archive`) to object files, which the compiler carries:
//! one for strings, sequences, optionals and maps, one for threads, one for both. They are `no_std`, so that a module needs nothing but
//! the C library.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An object file's name, and the feature of the runtime that is in it.
const OBJECTS: [(&str, &str); 3] = [("objects", "alloc"), ("threads", "threads"), ("runtime", "alloc,threads")];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let runtime = here.join("../../runtime");
    for changed in ["src", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", runtime.join(changed).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for (name, feature) in OBJECTS {
        compile(&runtime, &out, name, feature);
    }
}

fn compile(runtime: &Path, out: &Path, name: &str, feature: &str) {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["rustc", "--lib", "--crate-type", "staticlib", "--release", "--features"]);
    cargo.arg(format!("archive,{feature}"));
    cargo.arg("--manifest-path").arg(runtime.join("Cargo.toml"));
    cargo.arg("--target").arg(env::var_os("TARGET").expect("cargo sets it"));
    cargo.arg("--target-dir").arg(out.join("runtime"));
    // One object with everything in it; a panic there is a defect and ends the process.
    for setting in ["panic=\"abort\"", "lto=\"fat\"", "opt-level=\"s\"", "codegen-units=1"] {
        cargo.args(["--config", &format!("profile.release.{setting}")]);
    }
    cargo.arg("--").arg(format!("--emit=obj={}", out.join(format!("{name}.o")).display()));
    // What was asked of the compiler itself (processor, lints, coverage) isn't asked of what it carries.
    for key in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER", "CARGO_TARGET_DIR"]
    {
        cargo.env_remove(key);
    }
    let status = cargo.status().expect("cargo runs, as it runs this");
    assert!(status.success(), "the runtime's {name} can't be compiled: {status}");
}
