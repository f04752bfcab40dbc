//! The whole module: constants, workspace, the typed entry, functions.

use crate::Options;
use crate::extents::{Extents, extents};
use crate::function::{Module, elements, workspace};
use crate::helpers::{LIBRARY, memory_type};
use onnxc_base::{Diagnostics, EntityRef, Sym};
use onnxc_codegen::{ModuleInfo, Target};
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Block, BufKind, Callee, DimSource, FuncId, Port, Program, Stmt};
use onnxc_runtime::status;
use onnxc_source::helpers::Helpers;
use onnxc_source::names::Names;
use onnxc_source::scalar::{Vectors, scalarize};
use std::collections::BTreeSet;

/// Writes the module. `more`: functions to keep beside the entries.
pub(crate) fn write(
    program: &Program,
    info: &ModuleInfo,
    target: &Target,
    options: &Options,
    more: &[FuncId],
) -> Result<String, Diagnostics> {
    let scalars = scalarize(program, Vectors { dots: if options.unsafe_fast { 4 } else { 0 }, ..Vectors::default() });
    let e = program.interface.entries;
    let mut kept: Vec<FuncId> = [e.run, e.plan].into_iter().flatten().collect();
    if !program.interface.dims.is_empty() {
        kept.extend(e.workspace_bytes);
    }
    kept.extend(more);
    let reached = reached(program, kept);
    // The names that borrowing apart gives would hide functions.
    let most = program.funcs.values().map(|f| f.params.len()).max().unwrap_or(0);
    let parts = (0..most).map(|i| format!("part_{i}"));
    let mut reserved: Vec<String> = KEYWORDS.split_whitespace().map(String::from).chain(parts).collect();
    let mut names = Names::without(reserved.iter().map(String::as_str));
    let functions: Vec<String> = program
        .funcs
        .iter()
        .map(|(id, f)| {
            let own = format!("{}_", program.name);
            let short = f.name.strip_prefix(&own).unwrap_or(&f.name).to_lowercase();
            // The public functions have these names.
            names.unique(&if e.run == Some(id) || e.plan == Some(id) || e.workspace_bytes == Some(id) {
                format!("{short}_raw")
            } else {
                short
            })
        })
        .collect();
    let constants: Vec<String> = program.consts.values().map(|c| names.unique(&c.name.to_uppercase())).collect();
    reserved.extend(functions.iter().chain(&constants).cloned());
    let pointer_bits = target.pointer_bits;
    let unchecked = options.unsafe_fast;
    // Indices that are believed need no proofs.
    let extents = match unchecked {
        true => Extents::new(),
        false => extents(&scalars.program, &reached, more, |id| workspace(&scalars.program, id)),
    };
    let rolled = options.rolled;
    let module = Module { scalars: &scalars, functions, constants, reserved, pointer_bits, unchecked, rolled, extents };
    let (mut helpers, mut arenas, mut problems) = (Helpers::new(&LIBRARY), BTreeSet::new(), Diagnostics::new());
    let mut code = String::new();
    for &id in &reached {
        let (text, found) = module.function(id, &mut helpers, &mut arenas);
        problems.extend(found);
        code += &format!("\n{text}");
    }
    problems.into_result(())?;
    let mut out = title(program, info, options);
    out += &public(program, &module, &arenas);
    out += &weights(&scalars.program, &module, &reached);
    helpers.texts().for_each(|t| out += &format!("\n{t}\n"));
    Ok(out + &code)
}

fn title(program: &Program, info: &ModuleInfo, options: &Options) -> String {
    if !options.attributes {
        return format!("// Module {}, compiled by {}.\n", program.name, info.compiler);
    }
    let mut out = format!("//! Module {}, compiled by {}.\n", program.name, info.compiler);
    if !info.model_sha256.is_empty() {
        out += &format!("//! SHA-256 of the model: {}\n", info.model_sha256);
    }
    out += "//! Generated: change the model, not this file.\n";
    if options.no_std {
        out += "#![no_std]\n";
    }
    if !options.unsafe_fast {
        out += "#![forbid(unsafe_code)]\n";
    }
    out += "#![allow(dead_code, unused_variables, unused_mut, unused_assignments, unused_parens, unreachable_code, non_snake_case, \
            clippy::all)]\n";
    out
}

fn reached(p: &Program, mut todo: Vec<FuncId>) -> BTreeSet<FuncId> {
    fn callees(b: &Block, out: &mut Vec<FuncId>) {
        for s in &b.0 {
            if let Stmt::Call { callee: Callee::Func(id), .. } = s {
                out.push(*id);
            }
            blocks(s).into_iter().for_each(|b| callees(b, out));
        }
    }
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            callees(&p.funcs[id].body, &mut todo);
        }
    }
    seen
}

/// `[f32; 490]` where the extents are fixed, else a slice.
fn port_type(p: &Port) -> String {
    let ty = memory_type(p.dtype);
    let count = p.shape.iter().try_fold(1i64, |n, e| n.checked_mul(e.as_int()?));
    count.map_or(format!("[{ty}]"), |n| format!("[{ty}; {n}]"))
}

fn public(p: &Program, module: &Module<'_>, arenas: &BTreeSet<&'static str>) -> String {
    let face = &p.interface;
    let Some(run) = face.entries.run else { return String::new() };
    let mut out = status_type();
    let bytes = face.workspace.as_ref().and_then(Sym::as_int);
    out += &workspace_type(bytes, arenas);
    let mut names = Names::without(KEYWORDS.split_whitespace().chain(["dims", "workspace", "extents"]));
    let ports = |ports: &[Port], f: FuncId, first: usize, mutable: &str, names: &mut Names| -> Vec<(String, String)> {
        let name = |i: usize| p.funcs[f].params.get(first + i).map_or(String::new(), |q| q.name.to_lowercase());
        ports
            .iter()
            .enumerate()
            .map(|(i, port)| (names.unique(&name(i)), format!("&{mutable}{}", port_type(port))))
            .collect()
    };
    let first = usize::from(!face.dims.is_empty());
    let mut params: Vec<(String, String)> = vec![];
    let mut passed: Vec<String> = vec![];
    if first == 1 {
        out += &dims_type(p);
        params.push(("dims".into(), "&Dims".into()));
        passed.push("&dims.values()".into());
    }
    let inputs = ports(&face.inputs, run, first, "", &mut names);
    let outputs = ports(&face.outputs, run, first + inputs.len(), "mut ", &mut names);
    for (name, ty) in inputs.iter().chain(&outputs) {
        params.push((name.clone(), ty.clone()));
        passed.push(name.clone());
    }
    if face.dims.iter().any(|d| matches!(d.source, DimSource::Run(_))) {
        params.push(("extents".into(), "&mut [i64]".into()));
        passed.push("extents".into());
    }
    params.push(("workspace".into(), "&mut Workspace".into()));
    passed.push("workspace".into());
    let list = |all: &[(String, String)]| all.iter().map(|(n, t)| format!("{n}: {t}")).collect::<Vec<_>>().join(", ");
    out += &run_doc(inputs.iter().chain(&outputs).map(|(name, _)| name).zip(face.inputs.iter().chain(&face.outputs)));
    out += &format!(
        "pub fn run({}) -> Result<(), Status> {{\n    Status::check({}({}))\n}}\n",
        list(&params),
        module.functions[run.index()],
        passed.join(", ")
    );
    if let Some(plan) = face.entries.plan {
        let mut names = Names::without(KEYWORDS.split_whitespace().chain(["dims"]));
        let inputs = ports(&face.inputs, plan, 0, "", &mut names);
        let passed: Vec<&str> = inputs.iter().map(|(n, _)| n.as_str()).chain(["&mut values"]).collect();
        let mut params = inputs.clone();
        params.push(("dims".into(), "&mut Dims".into()));
        out += &format!(
            "\n/// Sets the dims that follow from the inputs' values.\n///\n/// # Errors\n/// What [`Status`] lists.\npub fn plan({}) -> Result<(), \
             Status> {{\n    let mut values = dims.values();\n    Status::check({}({}))?;\n    *dims = Dims::from(values);\n    Ok(())\n}}\n",
            list(&params),
            module.functions[plan.index()],
            passed.join(", ")
        );
    }
    out
}

/// What `run` takes.
fn run_doc<'a>(ports: impl Iterator<Item = (&'a String, &'a Port)>) -> String {
    let mut out = String::from("\n/// Runs the model.\n///\n");
    for (name, port) in ports {
        let shape: Vec<String> = port.shape.iter().map(ToString::to_string).collect();
        out += &format!("/// - `{name}`: {} `{}[{}]`\n", port.name.replace('\n', " "), port.dtype, shape.join(", "));
    }
    out + "///\n/// # Errors\n/// What [`Status`] lists.\n"
}

fn status_type() -> String {
    let mut out = String::from(
        "\n/// Why a run failed.\n#[derive(Clone, Copy, PartialEq, Eq, Debug)]\npub struct Status(pub i32);\n\nimpl Status {\n",
    );
    out += "    fn check(code: i32) -> Result<(), Status> {\n        if code == 0 { Ok(()) } else { Err(Status(code)) }\n    }\n\n";
    out += "    /// One line for people.\n    pub fn text(self) -> &'static str {\n        match self.0 {\n";
    for (i, text) in status::TEXTS.iter().enumerate() {
        out += &format!("            {i} => \"{text}\",\n");
    }
    out + &format!("            _ => \"{}\",\n        }}\n    }}\n}}\n", status::UNKNOWN)
}

/// An array per element type: safe Rust sees no memory under two types. With sizes known only in a run the caller gives slices.
fn workspace_type(bytes: Option<i64>, arenas: &BTreeSet<&'static str>) -> String {
    let size = |ty: &str| {
        if ty.ends_with("64") {
            8
        } else if ty.ends_with("32") {
            4
        } else if ty.ends_with("16") {
            2
        } else {
            1
        }
    };
    let mut out = String::from("\n/// The memory of a run; its content doesn't matter before or after.\n");
    match bytes {
        Some(bytes) => {
            let count = |ty: &str| bytes.div_euclid(size(ty)) + i64::from(bytes % size(ty) != 0);
            out += "pub struct Workspace {\n";
            arenas.iter().for_each(|ty| out += &format!("    {ty}s: [{ty}; {}],\n", count(ty)));
            out += "}\n\nimpl Workspace {\n    /// Zeros, for a `static` or the stack.\n    pub const fn new() -> Workspace {\n        Workspace {";
            arenas.iter().for_each(|ty| {
                out += &format!(" {ty}s: [{}; {}],", if ty.starts_with('f') { "0.0" } else { "0" }, count(ty))
            });
            out += " }\n    }\n}\n\nimpl Default for Workspace {\n    fn default() -> Workspace {\n        Workspace::new()\n    }\n}\n";
        }
        None => {
            let life = if arenas.is_empty() { "" } else { "'a" };
            out += &format!(
                "///\n/// Each slice holds at least `workspace_bytes(dims)` bytes.\npub struct Workspace<{life}> {{\n"
            );
            arenas.iter().for_each(|ty| out += &format!("    /// Tensors of {ty}.\n    pub {ty}s: &'a mut [{ty}],\n"));
            out += "}\n";
        }
    }
    out
}

fn dims_type(p: &Program) -> String {
    let mut names = Names::without(KEYWORDS.split_whitespace());
    let fields: Vec<String> = p.interface.dims.iter().map(|d| names.unique(&d.name)).collect();
    let mut out = String::from(
        "\n/// Extents that aren't fixed.\n#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]\npub struct Dims {\n",
    );
    for (d, field) in p.interface.dims.iter().zip(&fields) {
        let limit = d.hi.as_ref().map_or(format!("at least {}", d.lo), |hi| format!("{} to {hi}", d.lo));
        let source = match d.source {
            DimSource::Input => String::new(),
            DimSource::Plan => ", set by `plan`".into(),
            DimSource::Run(n) => format!(", known after the run: `extents[{n}]`"),
        };
        out += &format!("    /// {limit}{source}.\n    pub {field}: i64,\n");
    }
    let (n, list) = (fields.len(), fields.join(", "));
    let values: Vec<String> = fields.iter().map(|f| format!("self.{f}")).collect();
    out += &format!(
        "}}\n\nimpl Dims {{\n    fn values(&self) -> [i64; {n}] {{\n        [{}]\n    }}\n\n    ",
        values.join(", ")
    );
    out += &format!("fn from([{list}]: [i64; {n}]) -> Dims {{\n        Dims {{ {list} }}\n    }}\n}}\n");
    if p.interface.entries.workspace_bytes.is_some() {
        out += "\n/// Bytes of workspace that a run needs.\npub fn workspace_bytes(dims: &Dims) -> usize {\n    workspace_bytes_raw(&dims.values()) as usize\n}\n";
    }
    out
}

fn weights(p: &Program, module: &Module<'_>, reached: &BTreeSet<FuncId>) -> String {
    let used: BTreeSet<_> = reached
        .iter()
        .flat_map(|id| p.funcs[*id].bufs.values())
        .filter_map(|b| if let BufKind::Const(c) = b.kind { Some(c) } else { None })
        .collect();
    let mut out = String::new();
    for id in used {
        let c = &p.consts[id];
        let n = c.data.len() / c.dtype.size().max(1);
        let name = &module.constants[id.index()];
        out += &format!("\nstatic {name}: [{}; {n}] = [{}\n];\n", memory_type(c.dtype), elements(c.dtype, &c.data));
    }
    out
}

/// Words of Rust, and names that a module has at its top.
const KEYWORDS: &str = "as break const continue crate else enum extern false fn for if impl in let loop match mod move mut pub ref \
    return self Self static struct super trait true type unsafe use where while async await dyn abstract become box do final \
    macro override priv typeof unsized virtual yield try gen union macro_rules run plan workspace_bytes Workspace Status Dims \
    min max parts get put chunk chunk_mut rolled rest bool u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 usize isize str char core std workspace";
