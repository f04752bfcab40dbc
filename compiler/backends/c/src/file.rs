//! The whole file: preamble, helpers, weights, functions.

use crate::floats::Extension;
use crate::function::{File, comment, mentions};
use crate::helpers::{LIBRARY, c_type};
use crate::lang::{float_literal, int_literal};
use crate::{Options, Weights};
use onnxc_base::{DType, Diagnostics, EntityRef};
use onnxc_codegen::{AddressFunction, ConstLayout, ModuleInfo};
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Block, BufKind, Callee, ConstId, FuncId, Linkage, Program, Stmt};
use onnxc_source::helpers::Helpers;
use onnxc_source::scalar::{Lanes, Scalars, Vectors, scalarize};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Where constants are, seen from the code.
pub(crate) enum Place<'a> {
    /// Arrays in this file.
    Here,
    /// One blob behind a symbol.
    Blob(&'a ConstLayout),
}

/// What is written and how.
pub(crate) struct Job<'a> {
    pub program: &'a Program,
    pub info: &'a ModuleInfo,
    pub options: &'a Options,
    pub constants: Place<'a>,
    pub pointer_bits: u32,
    /// Whose vectors of four lanes stay.
    pub vectors: Option<Extension>,
    /// A header stands beside: entries have its types, and functions that it doesn't declare are left out.
    pub public: bool,
    pub address_functions: &'a [AddressFunction],
}

const PREAMBLE: &str = "\
#include <stddef.h>
#include <stdint.h>

/* Sums and products are rounded one by one, and no call of a library function comes in by the back door. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
/* What a function calls on another processor is here, too. */
#pragma clang diagnostic ignored \"-Wunused-function\"
#elif defined(__GNUC__)
#pragma GCC optimize (\"fp-contract=off\", \"no-math-errno\", \"no-tree-loop-distribute-patterns\")
#if (defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M') || (defined(__riscv_xlen) && __riscv_xlen == 32)
/* Tiles fill the registers: what makes values live longer makes them spill. */
#pragma GCC optimize (\"no-schedule-insns\", \"no-tree-loop-im\", \"no-tree-vectorize\", \"no-inline-functions-called-once\")
#endif
#endif

#ifdef __cplusplus
#define ONNXC_RESTRICT __restrict
#else
#define ONNXC_RESTRICT restrict
#endif
";

/// What weights and the module's own workspace are aligned to.
fn alignment(bytes: u32) -> String {
    let bytes = if bytes == 0 { 64 } else { bytes };
    format!(
        "\n#if defined(__GNUC__)\n#define ONNXC_ALIGNED __attribute__((aligned({bytes})))\n#define ONNXC_NOINLINE __attribute__((noinline))\n#else\n#define ONNXC_ALIGNED\n#define ONNXC_NOINLINE\n#endif\n"
    )
}

/// Without OpenMP the pragmas say nothing and there is one thread.
const OPENMP: &str = "
#ifdef _OPENMP
#include <omp.h>
#else
#define omp_get_thread_num() 0
#endif
";

/// Writes the file.
pub(crate) fn write(job: &Job<'_>) -> Result<String, Diagnostics> {
    let lanes = match job.vectors {
        None => Lanes::Split,
        Some(Extension::Helium) => Lanes::All,
        Some(Extension::Sse | Extension::Neon | Extension::V) => Lanes::Floats,
    };
    let scalars = scalarize(job.program, Vectors { dots: 16, lanes });
    let reached = reached(job);
    let file = describe(job, &scalars);
    let mut helpers = Helpers::new(&LIBRARY);
    let mut problems = Diagnostics::new();
    let mut code = String::new();
    for id in job.program.funcs.keys().filter(|id| reached.contains(id)) {
        let (text, found) = file.function(id, &mut helpers);
        problems.extend(found);
        code += &format!("\n{text}");
    }
    let mut out = title(job);
    out += PREAMBLE;
    if code.contains("omp_get_thread_num()") {
        out += OPENMP;
    }
    if job.public {
        out += &alignment(job.info.alignment);
    }
    if !job.public {
        out += &declarations(job, &file, &reached);
    }
    let helpers: String = helpers.texts().map(|t| format!("{t}\n")).collect();
    if !helpers.is_empty() {
        out += &format!("\n{helpers}");
    }
    out += &weights(job, &scalars, &reached, &code);
    out += &code;
    for f in job.address_functions {
        out += &address_function(f);
    }
    if job.public && job.options.static_workspace {
        out += &own_workspace(job.program, &file);
    }
    if job.public {
        out += &status_text(&job.program.name);
    }
    problems.into_result(out)
}

fn title(job: &Job<'_>) -> String {
    let (name, info) = (&job.program.name, job.info);
    let mut text = format!("Module {name}, compiled by {}.", info.compiler);
    if !info.model_sha256.is_empty() {
        text += &format!("\nSHA-256 of the model: {}", info.model_sha256);
    }
    text += "\nGenerated: change the model, not this file.";
    let own = format!("{name}.h");
    let header = job.options.header_file.as_ref().unwrap_or(&own);
    let include = if job.public { format!("#include \"{header}\"\n") } else { String::new() };
    format!("{}{include}", comment(&text))
}

/// Functions that an entry reaches.
fn reached(job: &Job<'_>) -> BTreeSet<FuncId> {
    let p = job.program;
    let mut todo: Vec<FuncId> = if job.public {
        let e = p.interface.entries;
        let size = if p.interface.dims.is_empty() { None } else { e.workspace_bytes };
        [e.run, e.plan, size].into_iter().flatten().collect()
    } else {
        p.funcs.iter().filter(|(_, f)| f.linkage == Linkage::Export).map(|(id, _)| id).collect()
    };
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            callees(&p.funcs[id].body, &mut todo);
        }
    }
    seen
}

fn callees(b: &Block, out: &mut Vec<FuncId>) {
    for s in &b.0 {
        if let Stmt::Call { callee: Callee::Func(id), .. } = s {
            out.push(*id);
        }
        blocks(s).into_iter().for_each(|b| callees(b, out));
    }
}

fn describe<'a>(job: &Job<'_>, scalars: &'a Scalars) -> File<'a> {
    let program = &scalars.program;
    let prefix = format!("{}_", program.name);
    let mut names = onnxc_source::names::Names::without(KEYWORDS.split_whitespace());
    let functions = program
        .funcs
        .values()
        .map(|f| if f.linkage == Linkage::Export { f.name.clone() } else { names.unique(&f.name) });
    let mut functions: Vec<String> = functions.collect();
    if let (true, Some(run)) = (job.options.static_workspace && job.public, program.interface.entries.run) {
        functions[run.index()] = format!("{prefix}run_in");
    }
    let constants = program
        .consts
        .iter()
        .map(|(id, c)| match &job.constants {
            Place::Here => names.unique(&format!("{prefix}{}", c.name)),
            Place::Blob(layout) => {
                format!("((const {} *)(const void *)({} + {}))", c_type(c.dtype), layout.symbol, layout.offset(id))
            }
        })
        .collect();
    let mut reserved: Vec<String> = KEYWORDS.split_whitespace().map(String::from).collect();
    reserved.extend(functions.iter().cloned());
    reserved.extend(program.externs.values().map(|x| x.symbol.clone()));
    File {
        scalars,
        functions,
        constants,
        pointer_bits: job.pointer_bits,
        openmp: job.options.openmp,
        vectors: job.vectors,
        public: job.public,
        reserved,
    }
}

/// Prototypes that no header gives.
fn declarations(job: &Job<'_>, file: &File<'_>, reached: &BTreeSet<FuncId>) -> String {
    let p = job.program;
    let mut out = String::from("\n");
    if p.funcs.values().any(|f| f.params.iter().any(|p| p.name == onnxc_codegen::backend::ALLOCATOR_PARAM)) {
        out += onnxc_codegen::header::ALLOCATOR;
    }
    for x in p.externs.values() {
        out += &format!("{}\n", onnxc_codegen::header::prototype(x));
    }
    for id in reached.iter().filter(|id| p.funcs[**id].linkage == Linkage::Export) {
        let names: Vec<String> = (0..p.funcs[*id].params.len()).map(|i| format!("p{i}")).collect();
        out += &format!("{};\n", file.signature(*id, &names));
    }
    out
}

/// Constants that a reached function names.
fn used(scalars: &Scalars, reached: &BTreeSet<FuncId>) -> BTreeSet<ConstId> {
    let of = |id: &FuncId| {
        scalars.program.funcs[*id].bufs.values().filter_map(|b| match b.kind {
            BufKind::Const(c) => Some(c),
            _ => None,
        })
    };
    reached.iter().flat_map(of).collect()
}

fn weights(job: &Job<'_>, scalars: &Scalars, reached: &BTreeSet<FuncId>, code: &str) -> String {
    let program = &scalars.program;
    let used = used(scalars, reached);
    if used.is_empty() {
        return String::new();
    }
    match &job.constants {
        Place::Blob(layout) if job.options.weights == Weights::File => {
            format!("\nconst uint8_t *{}_weights = NULL;\n#define {} {0}_weights\n", program.name, layout.symbol)
        }
        Place::Blob(layout) if job.public => format!("\nextern const uint8_t {}[];\n", layout.symbol),
        Place::Blob(layout) => format!(
            "\n#if defined(__GNUC__)\n__attribute__((visibility(\"hidden\")))\n#endif\nextern const uint8_t {}[];\n",
            layout.symbol
        ),
        Place::Here => {
            let names = describe(job, scalars).constants;
            let mut out = String::new();
            let section =
                job.options.section.as_ref().map_or(String::new(), |s| format!(" __attribute__((section(\"{s}\")))"));
            // An empty constant may have a name and no reader.
            for id in used.into_iter().filter(|id| mentions(code, &names[id.index()])) {
                let c = &program.consts[id];
                let n = c.data.len() / c.dtype.size().max(1);
                let _ = write!(out, "\n/* {} */\n", c.name.replace("*/", "* /"));
                let _ = write!(
                    out,
                    "static const {} {}[{}] ONNXC_ALIGNED{section} = {{",
                    c_type(c.dtype),
                    names[id.index()],
                    n.max(1)
                );
                elements(&mut out, c.dtype, &c.data);
                out += "\n};\n";
            }
            out
        }
    }
}

/// Numbers, as many as fit into a line.
fn elements(out: &mut String, d: DType, data: &[u8]) {
    let list = onnxc_source::elements(d, data, |s| match d {
        DType::F32 | DType::F64 => float_literal(s),
        DType::F16 | DType::BF16 | DType::Bool => s.bits.to_string(),
        DType::U64 => int_literal(i128::from(s.bits), d),
        d => int_literal(i128::from(s.to_i64()), d),
    });
    out.push_str(if list.is_empty() { "0" } else { list.trim_end_matches(',') });
}

/// `&data[min(index, count - 1) * stride]`.
fn address_function(f: &AddressFunction) -> String {
    let hidden = "#if defined(__GNUC__)\n__attribute__((visibility(\"hidden\")))\n#endif\n";
    let data = format!("\n{hidden}extern const uint8_t {}[];\n", f.data);
    let body = match f.table {
        None => format!("const void *{0}(void);\nconst void *{0}(void) {{ return {1}; }}\n", f.symbol, f.data),
        Some(t) => format!(
            "const void *{0}(int32_t index);\nconst void *{0}(int32_t index) {{\n    const uint32_t i = (uint32_t)index;\n    \
             return {1} + (size_t)(i < {2}u ? i : {2}u) * {3}u;\n}}\n",
            f.symbol,
            f.data,
            t.count.saturating_sub(1),
            t.stride
        ),
    };
    data + &body
}

/// The entry of a module that contains its workspace.
fn own_workspace(program: &Program, file: &File<'_>) -> String {
    let Some(run) = program.interface.entries.run else { return String::new() };
    let (name, count) = (&program.name, program.funcs[run].params.len());
    let names: Vec<String> = (0..count).map(|i| format!("p{i}")).collect();
    let inner = file.signature(run, &names);
    let outer = inner
        .replacen("static ", "", 1)
        .replacen(&format!("{name}_run_in("), &format!("{name}_run("), 1)
        .replace(&format!(", void *p{}", count - 1), "");
    let bytes = program.interface.workspace.as_ref().and_then(|w| w.as_int()).unwrap_or(0).max(1);
    let passed = names[..count - 1].join(", ");
    format!(
        "\nstatic uint8_t {name}_workspace[{bytes}] ONNXC_ALIGNED;\n\n{outer} {{\n    return {name}_run_in({passed}, {name}_workspace);\n}}\n"
    )
}

fn status_text(name: &str) -> String {
    use onnxc_runtime::status::{TEXTS, UNKNOWN};
    let cases: String = TEXTS.iter().enumerate().map(|(i, t)| format!("    case {i}: return \"{t}\";\n")).collect();
    format!(
        "\nconst char *{name}_status_text(int status) {{\n    switch (status) {{\n{cases}    default: return \"{UNKNOWN}\";\n    }}\n}}\n"
    )
}

/// Words of C, C++ and the headers, and macros of compilers that a model might use as names.
const KEYWORDS: &str = "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t \
    class compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default \
    delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable \
    namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires \
    restrict return short signed sizeof static static_assert static_cast struct switch template this thread_local throw true \
    try typedef typeid typename typeof union unsigned using virtual void volatile wchar_t while xor xor_eq NULL offsetof linux \
    unix i386 arm errno main int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ptrdiff_t intptr_t \
    uintptr_t y0 y1 yn j0 j1 jn gamma exp log sin cos tan pow sqrt floor ceil";
