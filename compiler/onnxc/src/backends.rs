//! The backends of this build, by name. A backend is one line here.

use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::Backend;

/// Every backend, the preferred one first.
pub static BACKENDS: &[&dyn Backend] = &[
    #[cfg(feature = "llvm")]
    &onnxc_llvm::Llvm,
    #[cfg(feature = "cranelift")]
    &onnxc_cranelift::Cranelift,
    &onnxc_c::C,
    &onnxc_rust::Rust,
];

/// The backends that make machine code themselves.
pub fn native() -> impl Iterator<Item = &'static dyn Backend> {
    BACKENDS.iter().copied().filter(|b| !b.writes_source())
}

/// The backend of a name, or the preferred one.
///
/// # Errors
/// A name that this build doesn't have.
pub fn find(name: Option<&str>) -> Result<&'static dyn Backend, Diagnostics> {
    let found = match name {
        None => BACKENDS.first(),
        Some(n) => BACKENDS.iter().find(|b| b.name() == n),
    };
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = BACKENDS.iter().map(|b| b.name()).collect();
        Diagnostic::error("E5010", format!("no backend '{}' in this build", name.unwrap_or("")))
            .expected(format!("one of: {}", names.join(", ")))
            .help("build with `--features llvm` (needs LLVM 22) or `--features cranelift`")
            .into()
    })
}
