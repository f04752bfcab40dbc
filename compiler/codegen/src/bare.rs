//! Runs functions of a program that is no module: exported ones that take a table of addresses.

use crate::artefact::{compile, complete};
use crate::{Backend, CompileOptions, Linker, ModuleInfo, Target};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_ir::loops::Program;
use std::ffi::c_void;
use std::path::Path;

/// A compiled program in this process.
pub struct Bare(libloading::Library);

impl Bare {
    /// Compiles a program for this machine, to the library `file`.
    ///
    /// # Errors
    /// What the backend or the linker reports.
    pub fn new(
        backend: &dyn Backend,
        mut program: Program,
        target: &Target,
        options: &CompileOptions,
        file: &Path,
    ) -> Result<Bare, Diagnostics> {
        complete(&mut program);
        compile(backend, &program, &ModuleInfo::default(), target, options)?.write_shared(
            file,
            &[],
            &Linker::find_for(target)?,
        )?;
        // It was just made and has no initialisers.
        unsafe { libloading::Library::new(file) }.map(Bare).map_err(|e| {
            Diagnostic::error("E6001", format!("cannot be loaded: {e}")).file(file.display().to_string()).into()
        })
    }

    /// Calls the function of this name.
    ///
    /// # Safety
    /// It takes a table of addresses, `addresses` is as long as it expects, and each is that of what it expects there.
    pub unsafe fn call(&self, name: &str, addresses: &[*mut c_void]) -> Result<(), Diagnostic> {
        type Function = unsafe extern "C" fn(*const *mut c_void);
        let f = unsafe { self.0.get::<Function>(name.as_bytes()) };
        let f = f.map_err(|e| Diagnostic::error("E6001", format!("there is no function '{name}': {e}")))?;
        unsafe { f(addresses.as_ptr()) };
        Ok(())
    }
}
