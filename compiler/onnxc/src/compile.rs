//! From a model's file to a module's files.

use crate::options::Options;
use crate::output;
use crate::{backends, budget, refusals};
use onnxc_base::{Bytes, Diagnostic, Diagnostics, Sym};
use onnxc_codegen::{Artefact, Backend, CompileOptions, Emit, ModuleInfo};
use onnxc_ir::graph::patch::Editor;
use onnxc_ir::graph::{Graph, SymbolInfo, SymbolSource};
use onnxc_ir::kernel::ByteProducts;
use onnxc_ir::loops::Program;
use onnxc_ir::loops::verify::{Stage, verify};
use onnxc_ops::import::DimRange;
use onnxc_passes::assemble::c_identifier;
use onnxc_passes::from_kernel::{Machine, Memory};
use onnxc_passes::manager::{Manager, Observer, Quiet, Stop, Timings};
use onnxc_passes::pipeline::{self, Lowered, Plans, Wishes};
use onnxc_passes::specialise;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A model: read, checked, imported.
pub struct Source {
    /// The graph as imported.
    pub graph: Graph,
    /// The same for the extents of [`Options::hot`], with the symbols that they stand for.
    pub hot: Vec<Hot>,
    /// SHA-256 of the model file, in hex.
    pub sha256: String,
    /// What the user should know.
    pub warnings: Diagnostics,
}

/// A model with some dims fixed.
pub struct Hot {
    /// Symbols of the model with any extents, and their values here.
    pub extents: Vec<(String, i64)>,
    /// The graph as imported.
    pub graph: Graph,
}

/// A compiled module.
pub struct Module {
    /// The program that the backend was given.
    pub program: Program,
    /// Steps, kernels and memory, for the report.
    pub lowered: Lowered,
    /// What the module says of itself.
    pub info: ModuleInfo,
    /// How long each pass took.
    pub timings: Timings,
    /// The extents that it has kernels of their own for.
    pub hot: Vec<Vec<(String, i64)>>,
    /// The nodes, by name and operator, that need the runtime's strings, sequences, optionals and maps.
    pub objects: Vec<(String, String)>,
}

impl Source {
    /// Reads, checks and imports a model.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn open(path: &Path, options: &Options) -> Result<Source, Diagnostics> {
        let model = onnxc_onnx::load(path, &options.limits)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::import(&model, &stem, file_hash(path)?, options)
    }

    /// As [`Source::open`], for a model in memory. External data are looked for in `folder`.
    ///
    /// # Errors
    /// Every problem of the model.
    pub fn from_bytes(bytes: &Bytes, folder: Option<&Path>, options: &Options) -> Result<Source, Diagnostics> {
        let model = onnxc_onnx::load_bytes(bytes, folder, &options.limits)?;
        let name = model.graph().name.clone();
        Self::import(&model, &name, hex(&Sha256::digest(bytes)), options)
    }

    /// Every problem of a model in a file, that of inference included, and the graph as far as it is right.
    ///
    /// # Errors
    /// A file that can't be read, or isn't well-formed ONNX.
    pub fn check(path: &Path, options: &Options) -> Result<(Graph, Diagnostics), Diagnostics> {
        Self::checked(&onnxc_onnx::load(path, &options.limits)?, options)
    }

    /// As [`Source::check`], for a model in memory.
    ///
    /// # Errors
    /// The same.
    pub fn check_bytes(
        bytes: &Bytes,
        folder: Option<&Path>,
        options: &Options,
    ) -> Result<(Graph, Diagnostics), Diagnostics> {
        Self::checked(&onnxc_onnx::load_bytes(bytes, folder, &options.limits)?, options)
    }

    fn checked(model: &onnxc_onnx::Model, options: &Options) -> Result<(Graph, Diagnostics), Diagnostics> {
        let mut found = onnxc_onnx::check(model);
        if found.has_errors() {
            return Err(found);
        }
        let (mut graph, problems) = onnxc_ops::import::import_what_is_right(model, &options.registry, &options.import);
        found.extend(onnxc_ops::infer::loosen_names(&mut graph, &options.registry));
        let mut inferred = onnxc_ops::infer::infer_graph(&mut graph, &options.registry);
        if problems.has_errors() {
            // A result without a type follows from a node that isn't right; what is unknown has been said.
            inferred.0.retain(|d| d.code != "E2026" && d.code != "E2014");
        }
        found.extend(problems);
        found.extend(inferred);
        Ok((graph, found))
    }

    fn import(model: &onnxc_onnx::Model, name: &str, sha256: String, options: &Options) -> Result<Source, Diagnostics> {
        let mut warnings = onnxc_onnx::check(model);
        if warnings.has_errors() {
            return Err(warnings);
        }
        let (mut graph, more) = onnxc_ops::import::import(model, &options.registry, &options.import)?;
        graph.name = c_identifier(options.name.as_deref().unwrap_or(name));
        warnings.extend(more);
        warnings.extend(onnxc_ops::infer::loosen_names(&mut graph, &options.registry));
        let hot = options.hot.iter().map(|dims| Self::fixed(model, &graph, dims, options)).collect::<Result<_, _>>()?;
        Ok(Source { graph, hot, sha256, warnings })
    }

    /// The model with some more dims fixed. Warnings are those of `general`, which has them already.
    fn fixed(
        model: &onnxc_onnx::Model,
        general: &Graph,
        dims: &[(String, i64)],
        options: &Options,
    ) -> Result<Hot, Diagnostics> {
        let mut import = options.import.clone();
        let mut problems = Diagnostics::new();
        for (name, v) in dims {
            let range = import.dims.insert(name.clone(), DimRange { lo: *v, hi: Some(*v) });
            if range.is_some_and(|r| *v < r.lo || r.hi.is_some_and(|hi| *v > hi) || r.fixed().is_some()) {
                problems.push(
                    Diagnostic::error("E5019", format!("--hot {name}={v}: --dim says something else of '{name}'"))
                        .expected("a value that --dim leaves open"),
                );
            }
        }
        problems.into_result(())?;
        let imported = onnxc_ops::import::import(model, &options.registry, &import);
        let (mut graph, _) = imported.map_err(|mut problems| {
            problems.0.iter_mut().for_each(|d| d.message = d.message.replace("--dim", "--hot"));
            problems
        })?;
        graph.name.clone_from(&general.name);
        let value = |info: &SymbolInfo| match info.source {
            SymbolSource::Dim(v, axis) => graph.tensor_type(v)?.shape.get(axis as usize)?.as_int(),
            _ => None,
        };
        let extents = general.symbols.iter().filter_map(|(s, info)| Some((s.to_string(), value(info)?)));
        Ok(Hot { extents: extents.collect(), graph })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// SHA-256 of a file, in hex.
fn file_hash(path: &Path) -> Result<String, Diagnostics> {
    let failed = |e: std::io::Error| {
        Diagnostic::error("E0001", format!("can't read the model: {e}")).file(path.display().to_string())
    };
    let mut hasher = Sha256::new();
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut chunk = vec![0u8; 1 << 16];
    loop {
        let n = file.read(&mut chunk).map_err(failed)?;
        if n == 0 {
            break;
        }
        hasher.update(&chunk[..n]);
    }
    Ok(hex(&hasher.finalize()))
}

/// The machine as the scheduler sees it through a backend.
pub fn machine(options: &Options, backend: &dyn Backend) -> Machine {
    let bits = backend.max_vector_bits(&options.target).min(options.target.vector_bits);
    let registers = backend.usable_vector_registers(&options.target);
    let memory = if options.target.small { scarce(backend) } else { Memory::PLENTY };
    let [l2_bytes, l3_bytes] = caches(options.target.vector_bits);
    Machine {
        vector_bits: bits,
        unit_bits: options.target.vector_unit_bits,
        registers,
        fma: backend.has_fma(&options.target),
        calls_floats: !options.target.has_floats(),
        l2_bytes,
        l3_bytes,
        threads: threads(options, backend),
        bytes: byte_products(options, backend),
        strict: options.strict_fp,
        memory: Memory { typed: backend.typed_memory(), ..memory },
    }
}

/// How a backend sums products of bytes; what is written in Rust depends on what users allow.
fn byte_products(options: &Options, backend: &dyn Backend) -> Option<ByteProducts> {
    if backend.name() == onnxc_rust::Rust.name() {
        return onnxc_rust::byte_products(&options.target, &options.rust);
    }
    backend.bytes(&options.target)
}

/// A small machine's memory, with as much code as leaves room for what the backend adds.
fn scarce(backend: &dyn Backend) -> Memory {
    Memory { code_bytes: Memory::SCARCE.code_bytes * 100 / backend.code_percent(), ..Memory::SCARCE }
}

/// Threads that the backend has for parallel loops.
fn threads(options: &Options, backend: &dyn Backend) -> u32 {
    match options.source.openmp {
        _ if backend.forks() && options.target.has_threads() => options.threads,
        Some(n) if backend.name() == onnxc_c::C.name() => n,
        _ => 1,
    }
}

/// Bytes of the second-level and the third-level cache of the usual processor with such vectors: 2 MiB a core since Sapphire
/// Rapids, 256 KiB to 512 KiB of those without 512-bit ones. Zen 4, which has 1 MiB, is better off so as well: what is beyond
/// is near in its third-level cache. The third level is 32 MiB, as eight cores of Zen 4 share, or 8 MiB, as desktops with
/// four cores had.
fn caches(vector_bits: u32) -> [u32; 2] {
    if vector_bits >= 512 { [2 << 20, 32 << 20] } else { [512 << 10, 8 << 20] }
}

/// Everything up to the loops program, watched by an observer.
///
/// # Errors
/// The observer's wish to stop, or every problem found.
pub fn lower(source: &Source, options: &Options, observer: &mut dyn Observer) -> Result<Module, Stop> {
    let backend = backends::find(options.backend.as_deref())?;
    let mut manager = Manager::new(observer);
    manager.verify = options.verify;
    manager.forks = backend.forks();
    let mut graph = source.graph.clone();
    let chosen = machine(options, backend);
    let new_editor = || options.max_patches.map_or_else(Editor::new, Editor::stop_after);
    let mut editor = new_editor();
    let plans = Plans::default();
    let mut wishes = Wishes {
        plans: Some(&plans),
        profile: options.profile,
        tuner: options.tuner.as_deref().map(|t| t as _),
        ..Wishes::new(chosen, options.opt_level)
    };
    let lowered = budget::within(options, &source.graph, chosen, |machine| {
        (editor, graph, wishes.machine) = (new_editor(), source.graph.clone(), machine);
        pipeline::lower(&mut graph, &options.registry, &wishes, &mut editor, &mut manager)
    })?;
    wishes.plans = None;
    let mut program = lowered.assembled.program.clone();
    if let Some((extents, special)) = usual_case(source, &graph, options, &wishes, &mut manager)? {
        // It only makes the module faster: where it can't be joined, the general program is right by itself.
        let mut joined = program.clone();
        if specialise::add(&mut joined, special, &extents, source.hot.len() + 1).is_ok() {
            program = joined;
        }
    }
    // The first is compared with first, so it goes in last.
    for (i, hot) in source.hot.iter().enumerate().rev() {
        let mut graph = hot.graph.clone();
        let special = pipeline::lower(&mut graph, &options.registry, &wishes, &mut editor, &mut manager)?;
        let extents: Vec<_> = hot.extents.iter().map(|(name, v)| (name.clone(), Sym::int(*v))).collect();
        specialise::add(&mut program, special.assembled.program, &extents, i + 1)?;
        if manager.verify {
            verify(&program, Stage::FINAL)?;
        }
    }
    let objects = refusals::objects(&graph);
    if let Some(place) =
        refusals::without_objects(None, options).filter(|_| onnxc_codegen::artefact::uses_objects(&program))
    {
        return Err(Stop::Failed(refusals::refuse_objects(&objects, &place)));
    }
    let info = ModuleInfo {
        compiler: format!("onnxc {}", env!("CARGO_PKG_VERSION")),
        model_sha256: source.sha256.clone(),
        flops: Some(total_flops(&lowered)),
        alignment: options.target.alignment(),
    };
    if options.target.is_hosted() {
        onnxc_codegen::complete(&mut program);
    } else {
        onnxc_codegen::artefact::for_firmware(&mut program);
    }
    let hot = source.hot.iter().map(|h| h.extents.clone()).collect();
    Ok(Module { program, lowered, info, timings: manager.timings, hot, objects })
}

/// Where a run decides what broadcasts: the program for the dims with which nothing is repeated, and those dims. Small
/// targets have no room for both.
fn usual_case(
    source: &Source,
    inferred: &Graph,
    options: &Options,
    wishes: &Wishes,
    manager: &mut Manager,
) -> Result<Option<(Vec<(String, Sym)>, Program)>, Stop> {
    let same = onnxc_ops::infer::agreement(inferred);
    if same.is_empty() || options.opt_level == 0 || options.target.small {
        return Ok(None);
    }
    let mut graph = onnxc_ops::infer::agreed(source.graph.clone(), &same);
    let extents = same.iter().map(|(s, is)| (s.as_str().to_string(), is.clone())).collect();
    match pipeline::lower(&mut graph, &options.registry, wishes, &mut Editor::new(), manager) {
        Ok(special) => Ok(Some((extents, special.assembled.program))),
        Err(Stop::Failed(_)) => Ok(None),
        Err(stop) => Err(stop),
    }
}

/// Floating-point operations of one run, as far as they are known.
fn total_flops(lowered: &Lowered) -> Sym {
    lowered.assembled.steps.iter().filter_map(|s| s.flops.clone()).fold(Sym::int(0), |a, b| a + b)
}

/// Compiles a model to a program that a backend can take.
///
/// # Errors
/// Every problem found.
pub fn compile(source: &Source, options: &Options) -> Result<Module, Diagnostics> {
    lower(source, options, &mut Quiet).map_err(|s| match s {
        Stop::Failed(d) => d,
        Stop::Asked => Diagnostics::new(),
    })
}

impl Module {
    /// Machine code.
    ///
    /// # Errors
    /// What the backend can't do, and code that is beyond the budget after all: before it was an estimate.
    pub fn code(&self, options: &Options) -> Result<Artefact<'_>, Diagnostics> {
        let backend = backends::find(options.backend.as_deref())?;
        let how = CompileOptions { opt_level: options.opt_level, emit: Emit::Object };
        let code = onnxc_codegen::compile(backend, &self.program, &self.info, &options.target, &how)?;
        crate::flash::check(options.max_flash, &code)?;
        Ok(code)
    }

    /// Writes a file of the kind that its suffix says: `.so`, `.a`, `.o`, `.s`, `.ll`, `.h`, none for an executable.
    ///
    /// # Errors
    /// An unknown suffix, or a file that can't be written.
    pub fn write(&self, path: &Path, options: &Options) -> Result<(), Diagnostics> {
        self.write_with(path, &[], options)
    }

    /// Writes a file; libraries and executables are linked with further objects.
    ///
    /// # Errors
    /// An unknown suffix, or a file that can't be written.
    pub fn write_with(&self, path: &Path, link: &[PathBuf], options: &Options) -> Result<(), Diagnostics> {
        output::write(self, None, output::Kind::of(path)?, path, link, options)
    }
}
