//! Runs compiled modules in this process: opens a shared library, binds its dims to given inputs, gives it memory, calls it.
//!
//! ```no_run
//! # fn main() -> Result<(), onnxc_base::Diagnostics> {
//! use onnxc_base::Tensor;
//! let module = onnxc_codegen::loader::Module::open("srcnn.so".as_ref())?;
//! let outputs = module.run(&[Tensor::from_slice(&[1, 3, 2, 2], &[0.5f32; 12])])?;
//! # Ok(()) }
//! ```
//! What doesn't fit is refused before anything is called, naming the input, the dim's index, what was given and what
//! is expected. To run many times with the same shapes, [`Module::prepare`] once.
//!
//! Strings, sequences, optionals and maps go through [`Module::run_values`] and [`Module::prepare_values`]; for models of
//! tensors only those are the same as [`Module::run`] and [`Module::prepare`].

mod bind;
mod profile;
mod session;
mod values;

pub use bind::Binding;
pub use profile::Profile;
pub use session::Session;

use onnxc_base::{DType, Diagnostic, Diagnostics, Tensor, Value};
use onnxc_runtime::module::{ModuleV1, SYMBOL};
use onnxc_runtime::reader::{Module as Description, Port};
use onnxc_runtime::{Extent, Status};
use std::ffi::CStr;
use std::path::Path;

/// A module in this process.
pub struct Module {
    /// Keeps the code where it is, unless it is part of this program.
    _library: Option<libloading::Library>,
    description: Description<'static>,
}

// A description is constant data.
unsafe impl Send for Module {}
unsafe impl Sync for Module {}

/// An input or output, for people and for binding by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortInfo {
    /// The tensor's name in the model.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Each extent: a number, a dim's name, or `?` for an expression. None for what is no tensor.
    pub shape: Vec<String>,
    /// The type as ONNX spells it: `tensor(float)`, `seq(tensor(string))`, `optional(tensor(int64))`.
    pub type_text: String,
}

impl Module {
    /// Opens a shared library that onnxc made. Its custom operators' libraries must be found by the system's loader.
    pub fn open(path: &Path) -> Result<Module, Diagnostics> {
        let file = path.display().to_string();
        // A name without a slash would be searched for in the system's folders.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let refuse = |code, what: String| Diagnostics::from(Diagnostic::error(code, what).file(file.clone()));
        // A module has no initialisers; another library might, as for every plug-in.
        let library = unsafe { libloading::Library::new(&path) }
            .map_err(|e| refuse("E6001", format!("cannot be loaded: {e}")))?;
        let entry = unsafe { library.get::<unsafe extern "C" fn() -> *const ModuleV1>(SYMBOL.as_bytes()) };
        let entry = entry.map_err(|_| refuse("E6002", format!("no module of onnxc: there is no symbol '{SYMBOL}'")))?;
        // The description lives as long as the library, which lives in the same struct.
        let raw = unsafe { entry() };
        unsafe { Self::described(raw, Some(library)) }.map_err(|d| d.file(file.clone()).into())
    }

    /// A module that is part of this program.
    ///
    /// # Safety
    /// `raw` is null or what the `onnxc_module_v1` of a module returned that stays loaded.
    pub unsafe fn linked(raw: *const ModuleV1) -> Result<Module, Diagnostics> {
        Ok(unsafe { Self::described(raw, None) }?)
    }

    /// Safety: as for [`Module::linked`], where `library` keeps the module loaded if there is one.
    unsafe fn described(raw: *const ModuleV1, library: Option<libloading::Library>) -> Result<Module, Diagnostic> {
        let description: Option<Description<'static>> = unsafe { Description::new(raw) };
        let description = description
            .ok_or_else(|| Diagnostic::error("E6003", "a module of another version of onnxc's interface"))?;
        let module = Module { _library: library, description };
        for p in module.description.inputs().chain(module.description.outputs()) {
            module.port(&p).ok_or_else(|| {
                Diagnostic::error("E6004", format!("tensor '{}' has an unknown element type ({})", p.name, p.dtype))
            })?;
        }
        Ok(module)
    }

    /// What the module says of itself.
    pub fn description(&self) -> Description<'_> {
        self.description
    }

    /// Sets how many threads runs use from now on, never more than the module was compiled for; 0, as at first: as many as
    /// this process may use. False if the module runs on one thread only.
    pub fn set_threads(&self, threads: u32) -> bool {
        match self.description.raw().set_threads {
            // A function of the module, which stores a number.
            Some(f) => unsafe { f(i64::from(threads)) },
            None => return false,
        }
        true
    }

    /// Inputs, in order.
    pub fn inputs(&self) -> Vec<PortInfo> {
        self.description.inputs().filter_map(|p| self.port(&p)).collect()
    }

    /// Outputs, in order.
    pub fn outputs(&self) -> Vec<PortInfo> {
        self.description.outputs().filter_map(|p| self.port(&p)).collect()
    }

    fn port(&self, p: &Port<'_>) -> Option<PortInfo> {
        let dims = self.description.dims();
        let shape = p.shape().map(|e| match e {
            Extent::Fixed(v) => v.to_string(),
            Extent::Dim(i) => dims.get(i).map_or("?".into(), |d| d.name.to_string()),
            _ => "?".into(),
        });
        let dtype = crate::abi::dtype_of_number(p.dtype)?;
        let type_text = p.type_text.to_string();
        Some(PortInfo { name: p.name.to_string(), dtype, shape: shape.collect(), type_text })
    }

    /// Runs once: inputs in the module's order, outputs with their true extents. Refuses a module with outputs that are
    /// no tensors.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Diagnostics> {
        let mut session = self.prepare(inputs)?;
        session.run()?;
        session.into_outputs()
    }

    /// The same for inputs and outputs of any kind.
    pub fn run_values(&self, inputs: &[Value]) -> Result<Vec<Value>, Diagnostics> {
        let mut session = self.prepare_values(inputs)?;
        session.run()?;
        session.into_values()
    }

    /// Binds the dims and gives memory for any number of runs with these inputs.
    pub fn prepare(&self, inputs: &[Tensor]) -> Result<Session<'_>, Diagnostics> {
        let values: Vec<Value> = inputs.iter().cloned().map(Value::Tensor).collect();
        Session::new(self, &values)
    }

    /// The same for inputs of any kind.
    pub fn prepare_values(&self, inputs: &[Value]) -> Result<Session<'_>, Diagnostics> {
        Session::new(self, inputs)
    }

    /// The diagnostic for a status that isn't 0, of a run with these dims.
    fn failed(&self, what: &str, status: i32, dims: &[i64]) -> Diagnostic {
        let text = match self.description.raw().status_text {
            // A function of the module; its texts live as long as it does.
            Some(f) => unsafe { CStr::from_ptr(f(status)) }.to_string_lossy().into_owned(),
            None => Status(status).text().to_string(),
        };
        let d = Diagnostic::error(
            "E6020",
            format!("{what} of module '{}' ended with status {status}: {text}", self.description.name()),
        );
        match Status(status) {
            Status::INDEX => d.help("look for indices in the inputs that lie outside of the tensors they index"),
            Status::DIMS => {
                let mut d = d.help("look at the extents of the inputs and at values that extents follow from");
                if let Some((why, left, right)) = self.description.contradiction(dims) {
                    d.message += &format!(" ({left} and {right}, {why})");
                }
                d
            }
            _ => d,
        }
    }
}
