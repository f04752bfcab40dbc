//! The `main` of standalone executables: the module that it is linked with says everything else.
//!
//! `onnxc MODEL -o PROGRAM` links this library with the model's object file. Everything but the entry is in
//! [`onnxc_host::program`].

use onnxc_runtime::module::ModuleV1;
use std::ffi::{CStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

unsafe extern "C" {
    /// Defined by the model's object file.
    fn onnxc_module_v1() -> *const ModuleV1;
}

/// The entry of the program.
///
/// # Safety
/// Called by the C start-up code, with `argc` texts at `argv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    let args = (0..count).map(|i| unsafe {
        // The start-up code gives `argc` C strings.
        OsString::from_vec(CStr::from_ptr(*argv.add(i)).to_bytes().to_vec())
    });
    let args: Vec<OsString> = args.collect();
    c_int::from(onnxc_host::program::main(unsafe { onnxc_module_v1() }, &args))
}
