//! The text of a kernel: deterministic, for readers and for `parse`.
//!
//! Holds afterwards: parsing the text (with full constants, or beside a kernel that has them) and printing the result
//! gives the same text, and the same kernel but for names that weren't unique.
//!
//! ```text
//! kernel @conv1_relu {
//!   doc "the nodes behind it"
//!   dim h in 1..=1024                                     # also 1.., ..=n and .. (nothing is known)
//!   in x: f32[n, 3, h, w]
//!   const k: f32[64, 3, 9, 9] = elided "0123456789abcdef" # its SHA-256; also [1.0, 2.0] or hex "..." "..."
//!   c[m in n, o in 64, i in h, j in w]: f32 = sum(q in 3, r in 9, s in 9) from b[o] of
//!     x.padded(0.0)[m, q, i + r - 4, j + s - 4] * k[o, q, r, s]
//!   y[m2 in n, o2 in 64, i2 in h, j2 in w]: f32 = max(c[m2, o2, i2, j2], 0.0)
//!   out y
//!   check 3 [i in n]: index[i] < int(h)
//!   schedule {
//!     shared 2
//!     parallel
//!     stage y acc c: order [m2, o2, i2, j2, q, r, s], vector o2 16 x 4, rows j2 6, unroll [r, s]
//!     stage t hoisted: order [a, b]
//!   }
//! }
//! ```
//! Expressions: `a[i, j]` loads; an index is a symbolic integer as it stands, or any expression. As a value, a symbolic
//! integer is `int(2*i + 1)`. Literals: `0.5` is an f32, `true` a bool, others carry their type: `4i64`, `0.5f64`.
//! `+ - * /` are left-associative, comparisons bind less; all other operations are functions (`exp(x)`, `floordiv(a, b)`,
//! `select(c, a, b)`, a cast by the name of its type: `f16(x)`). Reductions: `sum product min max all any`.
//! Names that aren't identifiers are in backticks.

mod data;
mod expr;
mod names;

use super::*;
pub(super) use data::hash as data_hash;
pub(super) use expr::REDUCTIONS;
pub(super) use names::Names;
use onnxc_base::sym::Range;
use onnxc_base::text::{Writer, quoted, sigil};
use std::fmt;

/// What to print.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PrintOptions {
    /// The data of large constants too, not only its hash.
    pub full: bool,
}

/// The text of a whole kernel.
pub fn print_kernel(kernel: &Kernel, options: PrintOptions) -> String {
    let names = Names::new(kernel);
    let mut w = Writer::new();
    w.open(format_args!("kernel {}", sigil('@', &kernel.name)));
    if !kernel.doc.is_empty() {
        w.line(format_args!("doc {}", quoted(&kernel.doc, '"')));
    }
    for (dim, range) in kernel.ranges.iter() {
        w.line(dim_line(dim, range));
    }
    for p in kernel.params.keys() {
        let value = kernel.params[p].value.as_ref().map(|t| format!(" = {}", data::text(t, options.full)));
        w.line(format_args!("{}{}", names.param_line(kernel, p), value.unwrap_or_default()));
    }
    for d in kernel.defs.keys() {
        w.line(names.def_line(kernel, d));
    }
    if !kernel.outputs.is_empty() {
        let outputs: Vec<String> = kernel.outputs.iter().map(|d| names.def(*d)).collect();
        w.line(format_args!("out {}", outputs.join(", ")));
    }
    for c in &kernel.checks {
        w.line(names.check_line(c));
    }
    if kernel.schedule != Schedule::default() {
        schedule(&mut w, &kernel.schedule, &names);
    }
    w.close();
    w.finish()
}

impl fmt::Display for Kernel {
    /// Large constants are elided.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print_kernel(self, PrintOptions::default()))
    }
}

/// The text of one expression of a kernel.
pub fn print_expr(kernel: &Kernel, e: &Expr) -> String {
    Names::new(kernel).expr(e)
}

fn dim_line(dim: &Symbol, range: &Range) -> String {
    let lo = range.lo.map(|v| v.to_string()).unwrap_or_default();
    let hi = range.hi.as_ref().map(|v| format!("={v}")).unwrap_or_default();
    format!("dim {dim} in {lo}..{hi}")
}

/// `[m in n, o in 64]`, with the brackets asked for.
fn axes(axes: &[Axis], open: char, close: char) -> String {
    let each: Vec<String> = axes.iter().map(|a| format!("{} in {}", a.var, a.extent)).collect();
    format!("{open}{}{close}", each.join(", "))
}

impl Names {
    /// The line of a parameter, but for the elements of a constant (there may be many).
    pub fn param_line(&self, kernel: &Kernel, id: ParamId) -> String {
        let p = &kernel.params[id];
        let shape: Vec<String> = p.shape.iter().map(Sym::to_string).collect();
        let word = if p.value.is_some() { "const" } else { "in" };
        format!("{word} {}: {}[{}]", self.param(id), p.dtype, shape.join(", "))
    }

    /// The line of a definition.
    pub fn def_line(&self, kernel: &Kernel, id: DefId) -> String {
        let d = &kernel.defs[id];
        let head = format!("{}{}: {} =", self.def(id), axes(&d.axes, '[', ']'), d.dtype);
        match &d.body {
            Body::Map(e) => format!("{head} {}", self.expr(e)),
            Body::Reduce { op, axes: over, init, value } => {
                let word = expr::reduction(*op);
                let init = init.as_ref().map(|e| format!(" from {}", self.expr(e))).unwrap_or_default();
                format!("{head} {word}{}{init} of {}", axes(over, '(', ')'), self.expr(value))
            }
        }
    }

    /// The line of a check.
    pub fn check_line(&self, c: &Check) -> String {
        format!("check {} {}: {}", c.status, axes(&c.axes, '[', ']'), self.expr(&c.cond))
    }

    /// The line of a stage.
    pub fn stage_line(&self, s: &Stage) -> String {
        let symbols = |list: &[Symbol]| list.iter().map(Symbol::to_string).collect::<Vec<_>>().join(", ");
        let acc = s.acc.map(|d| format!(" acc {}", self.def(d))).unwrap_or_default();
        let hoisted = if s.hoisted { " hoisted" } else { "" };
        let mut line = format!("stage {}{acc}{hoisted}: order [{}]", self.def(s.def), symbols(&s.order));
        if let Some(Lanes { axis, lanes, vectors }) = &s.vector {
            line.push_str(&format!(", vector {axis} {lanes} x {vectors}"));
        }
        if let Some((axis, rows)) = &s.rows {
            line.push_str(&format!(", rows {axis} {rows}"));
        }
        if !s.unroll.is_empty() {
            line.push_str(&format!(", unroll [{}]", symbols(&s.unroll)));
        }
        line
    }
}

fn schedule(w: &mut Writer, s: &Schedule, names: &Names) {
    w.open("schedule");
    if s.shared > 0 {
        w.line(format_args!("shared {}", s.shared));
    }
    if s.parallel {
        w.line("parallel");
    }
    s.stages.iter().for_each(|s| w.line(names.stage_line(s)));
    w.close();
}
