//! Options of a compilation, resolved: what the command line's flags come down to.

use crate::tune::Tuner;
use onnxc_codegen::Target;
use onnxc_ops::Registry;
use onnxc_ops::import::ImportOptions;
use std::sync::Arc;

/// Everything that influences what comes out.
#[derive(Clone)]
pub struct Options {
    /// -O level, 0 to 3.
    pub opt_level: u8,
    /// Name of the backend; the preferred one when absent.
    pub backend: Option<String>,
    /// The machine to compile for.
    pub target: Target,
    /// Dims given on the command line.
    pub import: ImportOptions,
    /// Operators, the user's own included.
    pub registry: Registry,
    /// Limits on what a model may contain.
    pub limits: onnxc_onnx::Limits,
    /// How C files are written.
    pub source: onnxc_c::Options,
    /// How Rust modules are written.
    pub rust: onnxc_rust::Options,
    /// Name of the module (prefix of its symbols); from the model's file name when absent.
    pub name: Option<String>,
    /// Stop after this many graph patches.
    pub max_patches: Option<usize>,
    /// The most bytes of workspace.
    pub max_ram: Option<u64>,
    /// The most bytes of weights and code.
    pub max_flash: Option<u64>,
    /// Verify after every pass.
    pub verify: bool,
    /// Sums may be reordered, but are computed by their own formula: no transformed domains.
    pub strict_fp: bool,
    /// Extents that get kernels of their own, beside the general ones: dims and their values, per specialisation.
    pub hot: Vec<Vec<(String, i64)>>,
    /// Knows which schedules are the fastest, for kernels that were measured.
    pub tuner: Option<Arc<Tuner>>,
    /// The module counts the time of each of its steps, for whoever asks (`loader::Module::profile`).
    pub profile: bool,
    /// The most threads of a run, 1 to 128. Only machine code for this machine has more than 1.
    pub threads: u32,
}

/// The most threads that a module can be compiled for.
pub const MOST_THREADS: u32 = 128;

/// As many threads as this process may use, by its affinity mask and CPU quota.
pub fn allowed_threads() -> u32 {
    let n = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(n).unwrap_or(u32::MAX).min(MOST_THREADS)
}

impl Default for Options {
    fn default() -> Self {
        Self {
            opt_level: 2,
            backend: None,
            target: Target::host(),
            import: ImportOptions::default(),
            registry: Registry::new(),
            limits: onnxc_onnx::Limits::default(),
            source: onnxc_c::Options::default(),
            rust: onnxc_rust::Options::default(),
            name: None,
            max_patches: None,
            max_ram: None,
            max_flash: None,
            verify: cfg!(debug_assertions),
            strict_fp: false,
            hot: vec![],
            tuner: None,
            profile: false,
            threads: 1,
        }
    }
}
