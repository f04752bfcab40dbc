//! The text of a program: deterministic, for readers and for `parse`.
//!
//! Holds afterwards: parsing the text and printing the result gives the same text, and the parsed program means the
//! same. For the reader's sake the text isn't the data as it lies: names are made unique and count in order of
//! definition (whatever the ids are), scalar constants stand where they are used (`add %a, 4`), and values of scalar
//! parameters stand in the signature.
//!
//! ```text
//! program @srcnn
//! dim h: input from 1..=1024               # least and greatest value
//! input "x": f32[1, h]
//! output "y": f32[1, h]
//! size size#0 = 4*h                        # a name for what says the workspace
//! workspace size#0
//! entry run @srcnn_run
//! const $bias: f32[2] = [0.5, -1.0]
//! const $weight: f32[5184] = elided "0123456789abcdef"   # its SHA-256, or `hex "..."`
//! extern @my_add(const f32*, f32*, i64) -> i32
//! doc "what it is for"
//! export func @srcnn_run(%x: const f32*, %y: f32*, %n: i64, %more: table) -> i32 {
//!   buf %b: f32* = const $bias             # also: stack 256, pointer, param 0
//!   regtile %acc: v16f32[6][4]             # without dims: var %sum: f32
//!   parallel for %i in 0..%n step 16 {
//!     %0 = load %x[%i] mask %m : v16f32
//!     store %y[%i] = %0
//!   }
//!   return 0i32
//! }
//! ```
//! Literals: `4` is an i64, `0.5` an f32, `true` a bool; others carry their type: `4i32`, `0.5f64`.
//! The names of values that have none are numbers (`%0`), of variables `%var0`, of buffers `%buf0`.

mod consts;
mod names;
mod stmt;

use super::*;
pub use consts::elided_hash;
pub(super) use consts::elided_name;
pub(super) use names::is_nameless;
use names::{Names, ProgramNames};
use onnxc_base::sym::Symbol;
use onnxc_base::text::{Writer, quoted, sigil};
use std::fmt;
use stmt::FuncText;

/// What to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PrintOptions {
    /// The data of large constants too, not only its hash.
    pub full: bool,
}

/// The text of a whole program.
pub fn print_program(program: &Program, options: PrintOptions) -> String {
    let names = ProgramNames::new(program);
    let mut w = Writer::new();
    w.line(format_args!("program {}", sigil('@', &program.name)));
    interface(&mut w, program, &names);
    if !program.consts.is_empty() || !program.externs.is_empty() {
        w.line("");
    }
    for (id, c) in program.consts.iter() {
        consts::constant(&mut w, &names.consts[id], c, options.full);
    }
    for e in program.externs.values() {
        let params: Vec<String> = e.params.iter().map(|&p| kind(p)).collect();
        w.line(format_args!("extern {}({}){}", sigil('@', &e.symbol), params.join(", "), ret(e.ret)));
    }
    for f in program.funcs.values() {
        w.line("");
        stmt::function(&mut w, f, Some(&names));
    }
    w.finish()
}

/// The text of one function of a program.
pub fn print_func(program: &Program, func: FuncId) -> String {
    let mut w = Writer::new();
    stmt::function(&mut w, &program.funcs[func], Some(&ProgramNames::new(program)));
    w.finish()
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_program(self, PrintOptions::default()))
    }
}

impl fmt::Display for Func {
    /// Without its program, functions and constants are known by number only: `@f3`, `$c0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut w = Writer::new();
        stmt::function(&mut w, self, None);
        f.write_str(&w.finish())
    }
}

/// Prints single statements of a function, for messages. The names are those of the whole function's text.
pub(super) struct LinePrinter<'a> {
    func: &'a Func,
    program: ProgramNames,
    names: Names,
}

impl<'a> LinePrinter<'a> {
    /// For a function of a program.
    pub fn new(program: &Program, func: &'a Func) -> Self {
        Self { func, program: ProgramNames::new(program), names: Names::new(func) }
    }

    /// The statement's line, without the blocks inside it.
    pub fn line(&self, s: &Stmt) -> String {
        FuncText { func: self.func, program: Some(&self.program), names: &self.names }.line(s)
    }

    /// A value as it is called in the text.
    pub fn value(&self, v: Value) -> String {
        self.names.value(self.func, v)
    }

    /// A buffer as it is called in the text.
    pub fn buf(&self, b: Buf) -> String {
        self.names.buf(b)
    }

    /// A variable as it is called in the text.
    pub fn var(&self, v: Var) -> String {
        self.names.var(v)
    }
}

fn interface(w: &mut Writer, program: &Program, names: &ProgramNames) {
    let i = &program.interface;
    for d in &i.dims {
        let source = match d.source {
            DimSource::Input => "input".to_owned(),
            DimSource::Plan => "plan".to_owned(),
            DimSource::Run(n) => format!("run {n}"),
        };
        let hi = d.hi.as_ref().map(|h| format!("={h}")).unwrap_or_default();
        w.line(format_args!("dim {}: {source} from {}..{hi}", Symbol::new(&d.name), d.lo));
    }
    for (word, ports) in [("input", &i.inputs), ("output", &i.outputs)] {
        for p in ports {
            let shape: Vec<String> = p.shape.iter().map(Sym::to_string).collect();
            let value = p.value.as_ref().map(|t| format!(" value {}", quoted(t, '"'))).unwrap_or_default();
            w.line(format_args!("{word} {}: {}[{}]{value}", quoted(&p.name, '"'), p.dtype, shape.join(", ")));
        }
    }
    for (name, size) in &i.sizes {
        w.line(format_args!("size {name} = {size}"));
    }
    if let Some(bytes) = &i.workspace {
        w.line(format_args!("workspace {bytes}"));
    }
    for (role, entry) in i.entries.by_role() {
        if let Some(f) = entry {
            w.line(format_args!("entry {role} {}", names.func(f)));
        }
    }
}

impl Entries {
    /// The entries with the names of their roles.
    pub(super) fn by_role(&self) -> [(&'static str, Option<FuncId>); 4] {
        [("run", self.run), ("plan", self.plan), ("workspace_bytes", self.workspace_bytes), ("call", self.call)]
    }
}

/// The text of a parameter's kind.
fn kind(k: ParamKind) -> String {
    match k {
        ParamKind::Scalar(d) => d.to_string(),
        ParamKind::Buf { dtype, mutable: true } => format!("{dtype}*"),
        ParamKind::Buf { dtype, mutable: false } => format!("const {dtype}*"),
        ParamKind::Table => "table".to_owned(),
    }
}

fn ret(ty: Option<Ty>) -> String {
    ty.map(|t| format!(" -> {t}")).unwrap_or_default()
}

#[cfg(test)]
pub(super) mod tests;
