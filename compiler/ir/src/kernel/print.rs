//! The text of a kernel: deterministic, for readers and for `parse`.
//!
//! Holds afterwards: parsing the text (with full constants, or beside a kernel that has them) and printing the result
//! gives the same text, and the same kernel but for names that weren't unique.
//!
//! ```text
//! kernel @conv1_relu {
//!   doc "the nodes behind it"
//!   dim h in 1..=1024 about 224                           # also 1.., ..=n and .. (nothing is known)
//!   in x: f32[n, 3, h, w]
//!   const k: f32[64, 3, 9, 9] = elided "0123456789abcdef" # its SHA-256; also [1.0, 2.0] or hex "..." "..."
//!   c[m in n, o in 64, i in h, j in w]: f32 = sum(q in 3, r in 9, s in 9) from b[o] of
//!     x.padded(0.0)[m, q, i + r - 4, j + s - 4] * k[o, q, r, s]
//!   y[m2 in n, o2 in 64, i2 in h, j2 in w]: f32 = max(c[m2, o2, i2, j2], 0.0)
//!   out y                                                 # also: out y at [h*64, 64, 1] + 128
//!   check 3 [i in n]: index[i] < int(h)
//!   hints "registers=12"                                      # for whoever chooses the schedule
//!   schedule {
//!     stage t: loops [a 1, b 64], vector b 16, parallel
//!     stage c at y 2: loops [m 1, o 64, i 1, j 6], over [q 1, r 3, s 3], vector o 16
//!     stage y: loops [m2 1, i2 1, o2 64, j2 ~6], vector o2 16, parallel
//!   }
//! }
//! ```
//! A loop is an axis and its block, `~` if blocks are about equal, `?` if whole blocks are guarded, `!` if blocks of any size are
//! one loop; `at y 2` is inside two loops of stage y.
//! `~~` where smaller tiles make up for that; `few [1 96, 2 48]`: so much along the lanes where the tile has one row, or two.
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
        let outputs: Vec<String> =
            kernel.outputs.iter().enumerate().map(|(i, d)| names.def(*d) + &placed(kernel.placed(i))).collect();
        w.line(format_args!("out {}", outputs.join(", ")));
    }
    for c in &kernel.checks {
        w.line(names.check_line(c));
    }
    if kernel.hints != Hints::default() {
        w.line(format_args!("hints {}", quoted(&kernel.hints.to_string(), '"')));
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

/// ` at [strides] + offset`.
fn placed(at: Option<&Placed>) -> String {
    let Some(Placed { strides, offset }) = at else { return String::new() };
    let strides: Vec<String> = strides.iter().map(Sym::to_string).collect();
    format!(" at [{}] + {offset}", strides.join(", "))
}

fn dim_line(dim: &Symbol, range: &Range) -> String {
    let lo = range.lo.map(|v| v.to_string()).unwrap_or_default();
    let hi = range.hi.as_ref().map(|v| format!("={v}")).unwrap_or_default();
    let typical = range.typical.map(|v| format!(" about {v}")).unwrap_or_default();
    format!("dim {dim} in {lo}..{hi}{typical}")
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
        let acc = s.acc.map(|d| format!(" acc {}", self.def(d))).unwrap_or_default();
        let rolls = if s.at.is_some_and(|a| a.rolls) { " rolls" } else { "" };
        let at = s.at.map(|a| format!(" at {} {}{rolls}", self.def(a.owner), a.depth)).unwrap_or_default();
        let mut line = format!("stage {}{acc}{at}: loops [{}]", self.def(s.def), loops(&s.loops));
        if !s.over.is_empty() {
            line.push_str(&format!(", over [{}]", loops(&s.over)));
        }
        if let Some(Lanes { axis, lanes }) = &s.vector {
            line.push_str(&format!(", vector {axis} {lanes}"));
        }
        if !s.few.is_empty() {
            let each: Vec<String> = s.few.iter().map(|f| format!("{} {}", f.rows, f.block)).collect();
            line.push_str(&format!(", few [{}]", each.join(", ")));
        }
        if let Some(axis) = &s.ahead {
            line.push_str(&format!(", ahead {axis}"));
        }
        if s.fused {
            line.push_str(", fused");
        }
        if let Some(Dots { most, least }) = s.dots {
            line.push_str(&format!(", dots {most} {least}"));
        }
        if s.parallel {
            line.push_str(", parallel");
        }
        line
    }
}

fn loops(list: &[Loop]) -> String {
    let each = list.iter().map(|l| match l.cut {
        Cut::Aligned => format!("{} {}", l.axis, l.block),
        Cut::Even => format!("{} ~{}", l.axis, l.block),
        Cut::Graded => format!("{} ~~{}", l.axis, l.block),
        Cut::Guarded => format!("{} {}?", l.axis, l.block),
        Cut::Alike => format!("{} {}!", l.axis, l.block),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn schedule(w: &mut Writer, s: &Schedule, names: &Names) {
    w.open("schedule");
    s.stages.iter().for_each(|s| w.line(names.stage_line(s)));
    w.close();
}
