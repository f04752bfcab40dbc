//! The C header of a module: C99, also C++, from the program's interface alone.
//!
//! One header describes one module; several may be included together. What several modules share (status codes, the
//! allocator) is guarded by macros.

mod names;

use crate::abi::{ModuleInfo, set_threads};
use crate::backend::ALLOCATOR_PARAM;
use names::{Names, c_name};
use onnxc_base::DType;
use onnxc_ir::loops::{DimSource, Extern, Func, Interface, ParamKind, Port, Program};
use onnxc_runtime::status;
use std::fmt::Write;

/// What a header says beyond the interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// The module owns its workspace: `run` takes none.
    pub own_workspace: bool,
    /// Lines for the comment at the head.
    pub remarks: Vec<String>,
    /// Declarations at the end.
    pub declarations: String,
}

/// The header's text.
pub fn header(program: &Program, info: &ModuleInfo) -> String {
    header_in(program, info, &Style::default())
}

/// The header's text, with what a style adds.
pub fn header_in(program: &Program, info: &ModuleInfo, style: &Style) -> String {
    let name = &program.name;
    let upper = name.to_uppercase();
    let face = &program.interface;
    let mut out = String::new();
    preamble(&mut out, program, info, style);
    out += &format!("#ifndef ONNXC_{upper}_H\n#define ONNXC_{upper}_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n");
    out += "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n";
    status_codes(&mut out);
    if program.funcs.values().any(takes_allocator) {
        out += ALLOCATOR;
    }
    if face.inputs.iter().chain(&face.outputs).any(|p| p.value.is_some()) {
        out += VALUE;
    }
    if set_threads(program).is_some() {
        out += PARALLEL_FOR;
    }
    dims_struct(&mut out, name, face);
    if let Some(bytes) = face.workspace.as_ref().and_then(|w| w.as_int()) {
        out += "/* Bytes of workspace that a run needs. */\n";
        out += &format!("#define {upper}_WORKSPACE_BYTES {bytes}\n\n");
    }
    ports(&mut out, "Inputs", &face.inputs);
    ports(&mut out, "Outputs", &face.outputs);
    entries(&mut out, program, style);
    out += &style.declarations;
    externs(&mut out, program);
    out += "#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
    out
}

fn preamble(out: &mut String, program: &Program, info: &ModuleInfo, style: &Style) {
    let line = |text: &str| text.replace("*/", "* /").replace('\n', " ");
    *out += &format!("/* Module {}, compiled by {}.\n", program.name, line(&info.compiler));
    if !info.model_sha256.is_empty() {
        *out += &format!(" * SHA-256 of the model: {}\n", line(&info.model_sha256));
    }
    let alignment = if info.alignment == 0 { 64 } else { info.alignment };
    *out += " * Any thread may call with a workspace of its own. Buffers are row-major; inputs, outputs and workspace are aligned to\n";
    *out += &format!(" * {alignment} bytes for speed (the size of the largest element is enough).");
    for remark in &style.remarks {
        *out += &format!("\n * {}", line(remark));
    }
    *out += " */\n";
}

/// The C type of an allocator, guarded.
pub const ALLOCATOR: &str = "\
#ifndef ONNXC_ALLOCATOR
#define ONNXC_ALLOCATOR
/* Memory for tensors of which no size is known in advance: alloc gives bytes aligned to 64, or NULL. */
typedef struct {
    void *(*alloc)(void *context, size_t bytes);
    void (*release)(void *context, void *address);
    void *context;
} onnxc_allocator;
#endif

";

const VALUE: &str = "\
#ifndef ONNXC_VALUE
#define ONNXC_VALUE
/* Strings, sequences, optionals, maps, and tensors of which nobody knows the size before the run. kind: 0 nothing;
 * 1 a tensor: count elements of ONNX's type number dtype at data, strings as onnxc_text; 2 a sequence: count values at
 * data; 3 a map: two tensors at data, keys and values. An output is all zeros before the run; what it points to
 * afterwards lies in block, which is the allocator's. */
typedef struct { const char *bytes; uint64_t length; } onnxc_text;
typedef struct onnxc_value {
    uint32_t kind, dtype, rank, reserved;
    int64_t count;
    const int64_t *shape;
    const void *data;
    void *block;
} onnxc_value;
#endif

";

const PARALLEL_FOR: &str = "\
#ifndef ONNXC_PARALLEL_FOR
#define ONNXC_PARALLEL_FOR
/* Threads of your own: calls run(task, index) for each index below count, in any order and at once, and returns when all
 * calls have. */
typedef void (*onnxc_parallel_for)(void *context, int64_t count, void (*run)(void *task, int64_t index), void *task);
#endif

";

/// What a module for several threads lets its caller say.
fn threads(out: &mut String, program: &Program) {
    let name = &program.name;
    if set_threads(program).is_none() {
        return;
    }
    *out += &format!(
        "/* How many threads runs use from now on; 0, as at first: as many as the process' affinity and CPU quota allow. Never more\n\
         \x20* than the module was compiled for. The threads start at the first run, spin during runs and shortly after, and sleep\n\
         \x20* otherwise. They serve one run at a time: one that begins during another uses its caller's thread alone. */\n\
         void {name}_set_threads(int64_t threads);\n\
         /* Runs use your threads from now on; NULL: the built-in ones again. Neither may be called during a run. */\n\
         void {name}_set_parallel_for(onnxc_parallel_for run, void *context);\n"
    );
}

const STATUS_NAMES: [&str; status::TEXTS.len()] = ["OK", "DIMS", "INDEX", "MEMORY", "PLAN", "CUSTOM", "VALUE", "IMAGE"];

fn status_codes(out: &mut String) {
    *out += "#ifndef ONNXC_STATUS_OK\n";
    for (i, (name, text)) in STATUS_NAMES.iter().zip(status::TEXTS).enumerate() {
        *out += &format!("#define ONNXC_STATUS_{name} {i} /* {text} */\n");
    }
    *out += "#endif\n\n";
}

fn dims_struct(out: &mut String, name: &str, face: &Interface) {
    if face.dims.is_empty() {
        return;
    }
    let mut names = Names::default();
    *out += "/* Extents that aren't fixed. */\ntypedef struct {\n";
    for d in &face.dims {
        let range = d.hi.as_ref().map_or(format!("at least {}", d.lo), |hi| format!("{} to {hi}", d.lo));
        let source = match d.source {
            DimSource::Input => String::new(),
            DimSource::Plan => format!(", set by {name}_plan"),
            DimSource::Run(n) => format!(", known after the run: extents[{n}]"),
        };
        *out += &format!("    int64_t {}; /* {}{source} */\n", names.unique(&d.name), remark(&range));
    }
    *out += &format!("}} {name}_dims;\n\n");
}

/// Text that can't end a comment.
fn remark(text: &str) -> String {
    text.replace("*/", "* /").replace('\n', " ")
}

fn ports(out: &mut String, title: &str, ports: &[Port]) {
    *out += &format!("/* {title}:\n");
    for p in ports {
        let shape: Vec<String> = p.shape.iter().map(ToString::to_string).collect();
        match &p.value {
            Some(ty) if p.shape.is_empty() => *out += &format!(" *   {}: {}\n", remark(&p.name), remark(ty)),
            _ => *out += &format!(" *   {}: {}[{}]\n", remark(&p.name), p.dtype, remark(&shape.join(", "))),
        }
    }
    *out += " */\n";
}

fn takes_allocator(f: &Func) -> bool {
    f.params.iter().any(|p| p.name == ALLOCATOR_PARAM)
}

fn entries(out: &mut String, program: &Program, style: &Style) {
    let (name, face) = (&program.name, &program.interface);
    let symbolic = !face.dims.is_empty();
    let dims = if symbolic { format!("const {name}_dims *dims") } else { "void".into() };
    out.push('\n');
    if face.entries.workspace_bytes.is_some() {
        *out += &format!("int64_t {name}_workspace_bytes({dims});\n");
    }
    if let Some(plan) = face.entries.plan {
        let mut params = inputs_of(&program.funcs[plan], &face.inputs);
        params.push(format!("{name}_dims *dims"));
        *out += "/* Sets the dims that follow from the inputs' values; those of the inputs' shapes are set by the caller. */\n";
        *out += &format!("int {name}_plan({});\n", params.join(", "));
    }
    if let Some(run) = face.entries.run {
        let mut params = run_params(program, &program.funcs[run]);
        if style.own_workspace {
            params.pop();
        }
        *out += &format!("int {name}_run({});\n", params.join(", "));
    }
    *out += &format!("const char *{name}_status_text(int status);\n");
    threads(out, program);
    if face.entries.call.is_some() {
        *out += "/* The module's description of itself, for loaders. */\n";
        *out += &format!("const void *{}(void);\n", onnxc_runtime::module::SYMBOL);
    }
    out.push('\n');
}

/// The parameters of the ports, which come first.
fn inputs_of(f: &Func, ports: &[Port]) -> Vec<String> {
    let mut names = Names::reserved(&["dims"]);
    f.params.iter().zip(ports).map(|(p, port)| port_parameter(port, &p.kind, &names.unique(&p.name))).collect()
}

/// The parameter of an input or output.
fn port_parameter(port: &Port, kind: &ParamKind, name: &str) -> String {
    match (&port.value, kind) {
        (Some(_), ParamKind::Buf { mutable: true, .. }) => format!("onnxc_value *{name}"),
        (Some(_), _) => format!("const onnxc_value *{name}"),
        (None, kind) => parameter(kind, name),
    }
}

/// `run(dims, inputs.., outputs.., extents, allocator, workspace)`, of which some may be absent.
fn run_params(program: &Program, run: &Func) -> Vec<String> {
    let face = &program.interface;
    let first = usize::from(!face.dims.is_empty());
    let tensors = face.inputs.len() + face.outputs.len();
    let mut names = Names::reserved(&["dims", "extents", ALLOCATOR_PARAM, "workspace"]);
    let mut out = Vec::new();
    if first == 1 {
        out.push(format!("const {}_dims *dims", program.name));
    }
    for (i, p) in run.params.iter().enumerate().skip(first) {
        let port = face.inputs.iter().chain(&face.outputs).nth(i - first).filter(|_| i < first + tensors);
        out.push(if let Some(port) = port {
            port_parameter(port, &p.kind, &names.unique(&p.name))
        } else if p.name == ALLOCATOR_PARAM {
            format!("const onnxc_allocator *{ALLOCATOR_PARAM}")
        } else if i + 1 == run.params.len() {
            "void *workspace".into()
        } else {
            "int64_t *extents".into()
        });
    }
    out
}

fn parameter(kind: &ParamKind, name: &str) -> String {
    match kind {
        ParamKind::Scalar(d) => format!("{} {name}", c_type(*d)),
        ParamKind::Buf { dtype, mutable: true } => format!("{} *{name}", c_type(*dtype)),
        ParamKind::Buf { dtype, mutable: false } => format!("const {} *{name}", c_type(*dtype)),
        ParamKind::Table => format!("const void *const *{name}"),
    }
}

fn externs(out: &mut String, program: &Program) {
    let custom = || program.externs.values().filter(|x| !crate::artefact::is_runtime_call(&x.symbol));
    if custom().next().is_none() {
        return;
    }
    *out += "/* Custom operators: functions that you supply. They return 0, or another number if they fail. */\n";
    for x in custom() {
        // A symbol that C can't spell can't be declared either.
        if c_name(&x.symbol) == x.symbol {
            let _ = writeln!(out, "{}", prototype(x));
        }
    }
    out.push('\n');
}

/// The C prototype of a custom operator's function.
pub fn prototype(x: &Extern) -> String {
    let params: Vec<String> = x.params.iter().enumerate().map(|(i, k)| parameter(k, &format!("p{i}"))).collect();
    let params = if params.is_empty() { "void".into() } else { params.join(", ") };
    format!("{} {}({params});", x.ret.map_or("void", |ty| c_type(ty.elem)), x.symbol)
}

/// The C type that holds an element; halves and smaller floats are their bits.
pub fn c_type(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 | DType::C64 => "float",
        DType::F64 | DType::C128 => "double",
        DType::I8 => "int8_t",
        DType::I16 => "int16_t",
        DType::I32 => "int32_t",
        DType::I64 => "int64_t",
        DType::U16 | DType::F16 | DType::BF16 => "uint16_t",
        DType::U32 => "uint32_t",
        DType::U64 => "uint64_t",
        _ => "uint8_t",
    }
}

#[cfg(test)]
mod tests;
