//! For build scripts: an ONNX model becomes a Rust module of the crate that is built, for the target that Cargo builds for.
//!
//! ```no_run
//! // build.rs
//! onnxc_build::Model::new("kws.onnx").compile();
//! ```
//! ```ignore
//! // src/main.rs
//! #[allow(warnings)]
//! mod kws { include!(concat!(env!("OUT_DIR"), "/kws.rs")); }
//! ```
//! Does NOT make machine code: rustc does, with the rest of the crate.

use onnxc::{Diagnostics, Options, Source};
use onnxc_codegen::Target;
use onnxc_ops::import::ImportOptions;
use std::path::{Path, PathBuf};

/// A model to compile.
#[derive(Clone, Debug)]
pub struct Model {
    path: PathBuf,
    dims: Vec<String>,
    cpu: Option<String>,
    max_ram: Option<u64>,
    unsafe_fast: bool,
}

impl Model {
    /// A model in a file, relative to the crate's folder.
    pub fn new(path: impl AsRef<Path>) -> Model {
        Model { path: path.as_ref().to_owned(), dims: vec![], cpu: None, max_ram: None, unsafe_fast: false }
    }

    /// Fixes a dim (`h=256`) or bounds it (`h=1..1024`).
    pub fn dim(mut self, dim: impl Into<String>) -> Model {
        self.dims.push(dim.into());
        self
    }

    /// The processor, as `--target-cpu` has it: it decides which instructions there are.
    pub fn cpu(mut self, cpu: impl Into<String>) -> Model {
        self.cpu = Some(cpu.into());
        self
    }

    /// The most bytes of workspace, at the price of time; a model that needs more ends the build.
    pub fn max_ram(mut self, bytes: u64) -> Model {
        self.max_ram = Some(bytes);
        self
    }

    /// Indices that the compiler has proven aren't checked again.
    pub fn unsafe_fast(mut self) -> Model {
        self.unsafe_fast = true;
        self
    }

    /// Writes `$OUT_DIR/NAME.rs` and returns its path. Ends the build script with every problem of the model if there are any.
    pub fn compile(&self) -> PathBuf {
        println!("cargo:rerun-if-changed={}", self.path.display());
        self.write().unwrap_or_else(|problems| {
            eprintln!("{problems}");
            std::process::exit(1)
        })
    }

    fn write(&self) -> Result<PathBuf, Diagnostics> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let name = onnxc_passes::assemble::c_identifier(&stem);
        let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join(format!("{name}.rs"));
        let mut import = ImportOptions::default();
        let mut problems = Diagnostics::new();
        problems.extend(self.dims.iter().filter_map(|d| import.add_dim(d).err()));
        let import = problems.into_result(import)?;
        let triple = std::env::var("TARGET").ok();
        let mut options = Options {
            target: Target::parse(triple.as_deref(), self.cpu.as_deref())?,
            max_ram: self.max_ram,
            backend: Some("rust".into()),
            name: Some(name),
            import,
            ..Options::default()
        };
        // `include!` takes no attributes of a crate or module.
        options.rust.attributes = false;
        options.rust.unsafe_fast = self.unsafe_fast;
        let source = Source::open(&self.path, &options)?;
        onnxc::compile(&source, &options)?.write(&out, &options)?;
        Ok(out)
    }
}
