//! The arguments as they are typed. [`super::resolve`] says what they mean.

use super::threads::{Threads, threads};
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER: &str = "\
The kind of output follows the suffix of OUT: .so shared library, .a static library, .o object file, .s assembly, \
.ll LLVM IR, .clif Cranelift IR, .c C source, .rs a Rust module, NAME/ a Rust crate, .h C header, none a standalone executable. A header is written beside .so, .a, .o and .c.

Exit codes:
  0  done
  1  the model or an input has errors
  2  wrong usage
  3  this machine or build lacks something: a linker, a backend, the driver library
  4  a defect of onnxc";

/// Compiles ONNX models to native code.
#[derive(Parser, Debug)]
#[command(
    name = "onnxc",
    bin_name = "onnxc",
    version,
    styles = STYLES,
    after_help = AFTER,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Cli {
    /// Without a command: compile.
    #[command(flatten)]
    pub compile: CompileArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Everything that isn't compiling.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// List every problem of a model
    Check(CheckArgs),
    /// Run a model or a compiled module once, on tensors in files
    Run(RunArgs),
    /// Measure how long a model or a compiled module takes
    Bench(BenchArgs),
    /// Make a model of 8-bit integers of a float model
    Quantize(QuantizeArgs),
    /// Run one pass over the text of an IR
    Opt(OptArgs),
    /// List the operators that onnxc knows
    ListOps(ListOpsArgs),
    /// Print a script that completes onnxc's arguments in a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

/// What settles what a model's file leaves open.
#[derive(Args, Debug, Clone, Default)]
pub struct IntakeArgs {
    /// Fix a dim (h=256) or bound it (h=1..1024); may be repeated
    #[arg(long = "dim", value_name = "NAME=EXTENT")]
    pub dims: Vec<String>,
    /// Give an input without a rank its extents (x=n,3,224,224), or make an initializer an input (w); may be repeated
    #[arg(long = "input", value_name = "NAME[=EXTENT,..]")]
    pub given: Vec<String>,
    /// Compile for one branch of an If whose branches have different ranks (If_0=else); may be repeated
    #[arg(long = "branch", value_name = "NODE=then|else")]
    pub branches: Vec<String>,
}

/// What says how a model is compiled.
#[derive(Args, Debug, Clone)]
pub struct BuildArgs {
    /// How much to optimise: 0 (compiles fastest) to 3 (runs fastest)
    #[arg(short = 'O', value_name = "LEVEL", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: u8,
    /// What makes the machine code [default: the best one of this build]
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
    /// What is read into the model.
    #[command(flatten)]
    pub intake: IntakeArgs,
    /// Extents (h=256,w=256) that get kernels of their own, beside the general ones; may be repeated
    #[arg(long = "hot", value_name = "NAME=EXTENT,..")]
    pub hot: Vec<String>,
    /// The processor, as LLVM names it; `list` prints them [default: native]
    #[arg(long, value_name = "NAME")]
    pub target_cpu: Option<String>,
    /// How many threads the module may use, or `auto`: as many as this process may [default: 1; a MODULE's own choice]
    #[arg(long, value_name = "N|auto", value_parser = threads)]
    pub threads: Option<Threads>,
    /// Measure the best few schedules of each distinct kernel on this machine, and take the fastest
    #[arg(long)]
    pub tune: bool,
    /// Schedules that were measured: those in the file are taken, what --tune measures is added
    #[arg(long, value_name = "FILE")]
    pub tune_cache: Option<PathBuf>,
    /// Reorder sums, but never replace their formulas (no Winograd convolutions)
    #[arg(long)]
    pub strict_fp: bool,
    /// An operator that is a C function; may be repeated
    #[arg(long = "custom", value_name = "DOMAIN.OP=SYMBOL")]
    pub custom: Vec<String>,
    /// An object file or library to link with; may be repeated
    #[arg(long = "link", value_name = "FILE")]
    pub link: Vec<PathBuf>,
    /// The most bytes of workspace; what needs more is made thriftier, or refused with the tensors that stand in its way. The
    /// stack, which --report names beside it, is not among them, and may grow with thrift
    #[arg(long, value_name = "BYTES")]
    pub max_ram: Option<u64>,
    /// The most bytes of weights and code; what needs more is refused with the largest constants
    #[arg(long, value_name = "BYTES")]
    pub max_flash: Option<u64>,
    /// Check the IR after every pass
    #[arg(long)]
    pub verify: bool,
    /// Stop editing the graph after this many patches, to find the one that is wrong
    #[arg(long, value_name = "N")]
    pub max_patches: Option<usize>,
}

/// `onnxc MODEL -o OUT`.
#[derive(Args, Debug)]
pub struct CompileArgs {
    /// The ONNX model
    #[arg(required = true)]
    pub model: Option<PathBuf>,
    /// Where to write; the suffix says what
    #[arg(short, long, value_name = "OUT", required_unless_present_any = ["emit", "stop_after", "print_after", "report"])]
    pub output: Option<PathBuf>,
    /// How to compile.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The machine to compile for, such as aarch64-unknown-linux-gnu [default: this one]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Name of the module, the prefix of its symbols [default: from the model's file name]
    #[arg(long)]
    pub name: Option<String>,
    /// How source text (-o OUT.c, OUT.rs, OUT/) is written.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Print an IR as it is in the end
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub emit: Option<Level>,
    /// Print the IR after a pass, or after 'all'; may be repeated
    #[arg(long, value_name = "PASS")]
    pub print_after: Vec<String>,
    /// End after a pass, and write nothing
    #[arg(long, value_name = "PASS")]
    pub stop_after: Option<String>,
    /// Print how long each pass took
    #[arg(long)]
    pub time_passes: bool,
    /// Print memory, code size, operations and what was fused
    #[arg(long, value_enum, value_name = "FORM")]
    pub report: Option<Form>,
}

/// How source text is written.
#[derive(Args, Debug, Clone)]
pub struct SourceArgs {
    /// Where the weights of a C file are: in it, behind the symbol NAME_constants, or behind the pointer NAME_weights; the
    /// bytes of the latter two are written to OUT.weights
    #[arg(long, value_enum, value_name = "PLACE", default_value = "embed")]
    pub weights: WeightsPlace,
    /// The linker section of a C file's weights
    #[arg(long, value_name = "NAME")]
    pub section: Option<String>,
    /// The C file has its workspace in itself: NAME_run takes none, and isn't reentrant
    #[arg(long)]
    pub static_workspace: bool,
    /// Write `#pragma omp parallel for` before long loops of C, for the threads that --threads says, or up to 8
    #[arg(long)]
    pub openmp: bool,
    /// The Rust module doesn't check indices again that the compiler has proven
    #[arg(long)]
    pub unsafe_fast: bool,
}

/// Where weights are.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum WeightsPlace {
    /// In the file.
    Embed,
    /// Behind a symbol.
    Extern,
    /// Behind a pointer.
    File,
}

/// The levels of IR.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// Tensors.
    Graph,
    /// One formula and schedule per kernel.
    Kernel,
    /// What a backend gets.
    Loops,
}

/// How a report is printed.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// `onnxc check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The ONNX model
    pub model: PathBuf,
    /// Say also what keeps the model from being written there; nothing is written
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// As for compiling.
    #[command(flatten)]
    pub build: BuildArgs,
    /// The machine to check for, such as aarch64-unknown-linux-gnu [default: this one]
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// As for compiling.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// `onnxc run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// An ONNX model, or a shared library that onnxc made
    #[arg(value_name = "MODEL|MODULE")]
    pub module: PathBuf,
    /// Tensors: IN.npz, NAME=x.npy, or x.npy in the order of the inputs; also ONNX .pb
    #[arg(short, long, num_args = 1.., value_name = "FILE|NAME=FILE")]
    pub inputs: Vec<String>,
    /// Where results go: OUT.npz, NAME=y.npy, also ONNX .pb [default: a summary is printed]
    #[arg(short, long, num_args = 1.., value_name = "FILE|NAME=FILE")]
    pub outputs: Vec<String>,
    /// How to compile a model.
    #[command(flatten)]
    pub build: BuildArgs,
}

/// `onnxc bench`.
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// An ONNX model, or a shared library that onnxc made
    #[arg(value_name = "MODEL|MODULE")]
    pub module: PathBuf,
    /// Tensors, as for `run` [default: random ones]
    #[arg(short, long, num_args = 1.., value_name = "FILE|NAME=FILE")]
    pub inputs: Vec<String>,
    /// Measure each kernel: time, GFLOP/s, bytes, and their shares of what the machine can do
    #[arg(long)]
    pub profile: bool,
    /// How long to measure
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    pub seconds: f64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// How to compile a model; `--dim` also chooses the extents of random inputs.
    #[command(flatten)]
    pub build: BuildArgs,
}

/// `onnxc quantize`.
#[derive(Args, Debug)]
pub struct QuantizeArgs {
    /// The ONNX model, in float
    pub model: PathBuf,
    /// Inputs like those that the model will get: an .npz whose arrays have one more axis than the inputs, that of samples, or
    /// a folder of .npz or .npy files, one sample each
    #[arg(long, value_name = "DATA.npz|DIR")]
    pub calibrate: PathBuf,
    /// Where to write the quantised model
    #[arg(short, long, value_name = "OUT.onnx")]
    pub output: PathBuf,
    /// How the range of a tensor follows from its values
    #[arg(long, value_enum, value_name = "METHOD", default_value = "min-max")]
    pub method: MethodName,
    /// How many percent of the values are in range, for --method percentile
    #[arg(long, value_name = "P", default_value_t = 99.99)]
    pub percentile: f64,
    /// One scale for all weights of a node, not one for each output channel
    #[arg(long)]
    pub per_tensor: bool,
    /// Zero points of activations in the middle
    #[arg(long)]
    pub symmetric: bool,
    /// Activations as i8, not u8
    #[arg(long)]
    pub signed: bool,
    /// A node that stays in float, by its name, that of an output, or its operator; may be repeated
    #[arg(long, value_name = "NODE")]
    pub exclude: Vec<String>,
    /// Use so many samples at most
    #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
    pub samples: usize,
    /// What is read into the model.
    #[command(flatten)]
    pub intake: IntakeArgs,
    /// What runs the models [default: the best one of this build]
    #[arg(long, value_name = "NAME")]
    pub backend: Option<String>,
}

/// Ways to choose a range.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum MethodName {
    /// From the least to the greatest value.
    MinMax,
    /// Without the greatest magnitudes.
    Percentile,
    /// The least divergence of distributions.
    Entropy,
    /// The least mean squared error.
    Mse,
}

/// `onnxc opt`.
#[derive(Args, Debug)]
pub struct OptArgs {
    /// The pass; may be repeated
    #[arg(long = "pass", value_name = "NAME", required_unless_present = "list")]
    pub passes: Vec<String>,
    /// IR text of any level; `-` is the standard input
    #[arg(required_unless_present = "list")]
    pub file: Option<PathBuf>,
    /// The model that a graph's text came from, for constants that the text elides
    #[arg(long, value_name = "MODEL")]
    pub constants: Option<PathBuf>,
    /// How many threads outline-parallel may count on
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=128))]
    pub threads: u32,
    /// List the passes
    #[arg(long)]
    pub list: bool,
}

/// `onnxc list-ops`.
#[derive(Args, Debug)]
pub struct ListOpsArgs {
    /// Print a Markdown table
    #[arg(long)]
    pub markdown: bool,
    /// Add the results of ONNX's official suite, as the conformance test writes them
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
}

/// `onnxc completions`.
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `onnxc man`.
#[derive(Args, Debug)]
pub struct ManArgs {
    /// The page of one command
    pub command: Option<String>,
}
