//! Checks a kernel against the rules of kernel IR and lists every violation, with the printed line under it.
//!
//! Types (E4201)
//! - Parameters, definitions and literals have scalar types; f16 and bf16 are only loaded, stored, selected and cast.
//! - Two operands have one type, which the operation takes; a condition (and a check) is a bool; an index is an i64; a pad
//!   has the type of what is loaded.
//! - The value of a definition has its type; so has a reduction's start, and the reduction takes it.
//! - The value of a constant has its type and extents.
//!
//! Names (E4202)
//! - Definitions have unique names. Index variables are unique in the kernel, and no dims.
//! - A symbol is an index variable in scope (reduction variables: not in the start) or a known dim: one with a range, or
//!   in a parameter's shape or an extent. Shapes and extents are over dims only. No expression is the overflow marker.
//!
//! Loads (E4203)
//! - What is loaded exists, and comes before the definition; there is an index per dim.
//! - Without a pad, no index is provably out of range at some point. What can't be proved passes.
//! - Outputs exist; where one is placed, there is a stride per axis.
//!
//! Schedule (E4204), see [`verify_schedule`].

mod expr;
mod load;
mod schedule;
#[cfg(test)]
mod tests;

use super::print::Names;
use super::*;
use onnxc_base::text::sigil;
use onnxc_base::{Diagnostic, Diagnostics, Place};
pub use schedule::verify_schedule;
use std::collections::BTreeSet;

/// Lists every violated rule, of the algorithm and (if there is one) of the schedule.
pub fn verify(kernel: &Kernel) -> Result<(), Diagnostics> {
    let mut c = Checker::new(kernel);
    c.names();
    kernel.params.keys().for_each(|p| c.param(p));
    kernel.defs.keys().for_each(|d| c.def(d));
    kernel.checks.iter().for_each(|check| c.check(check));
    for d in &kernel.outputs {
        if kernel.defs.get(*d).is_none() {
            c.report(code::LOAD, "", format!("output {d} doesn't exist"));
        }
    }
    c.placed();
    let mut found = Diagnostics(c.found);
    // What a schedule does with a broken algorithm is no question.
    if !found.has_errors() {
        found.extend(verify_schedule(kernel).err().unwrap_or_default());
    }
    found.into_result(())
}

/// The kinds of rules, as error codes.
mod code {
    pub const TYPE: &str = "E4201";
    pub const NAME: &str = "E4202";
    pub const LOAD: &str = "E4203";
    pub const SCHEDULE: &str = "E4204";
}

/// The check of one kernel.
struct Checker<'a> {
    kernel: &'a Kernel,
    names: Names,
    /// Symbols that are known without being index variables.
    dims: BTreeSet<Symbol>,
    /// Of dims and of all index variables.
    ranges: Ranges,
    found: Vec<Diagnostic>,
}

/// Where an expression stands.
struct Scope<'a> {
    /// The printed line.
    line: &'a str,
    /// Index variables.
    axes: Vec<&'a Axis>,
    /// How many definitions come before.
    before: usize,
}

impl<'a> Checker<'a> {
    fn new(kernel: &'a Kernel) -> Self {
        let mut dims: BTreeSet<Symbol> = kernel.ranges.iter().map(|(s, _)| s.clone()).collect();
        kernel.params.values().flat_map(|p| &p.shape).for_each(|e| dims.extend(e.symbols()));
        let mut ranges = kernel.ranges.clone();
        let all = all_axes(kernel);
        let vars: BTreeSet<&Symbol> = all.iter().map(|a| &a.var).collect();
        for a in &all {
            dims.extend(a.extent.symbols().into_iter().filter(|s| !vars.contains(s)));
            ranges.set_index(&a.var, &a.extent);
        }
        Self { kernel, names: Names::new(kernel), dims, ranges, found: vec![] }
    }

    /// Reports a violation by a line.
    fn report(&mut self, code: &'static str, line: &str, message: impl Into<String>) {
        let mut text = message.into();
        if !line.is_empty() {
            text.push_str(&format!("\n  | {line}"));
        }
        let scope = vec![sigil('@', &self.kernel.name)];
        self.found.push(Diagnostic::error(code, text).at(Place { scope, ..Place::default() }));
    }

    fn names(&mut self) {
        let mut seen = BTreeSet::new();
        for (id, d) in self.kernel.defs.iter() {
            if !seen.insert(&d.name) {
                let line = self.names.def_line(self.kernel, id);
                self.report(code::NAME, &line, format!("there are two definitions '{}'", d.name));
            }
        }
        let mut seen = BTreeSet::new();
        for a in all_axes(self.kernel) {
            let axis = format!("{} in {}", a.var, a.extent);
            if !seen.insert(&a.var) {
                self.report(code::NAME, &axis, format!("there are two index variables '{}'", a.var));
            } else if self.dims.contains(&a.var) {
                self.report(code::NAME, &axis, format!("'{}' is a dim and an index variable", a.var));
            }
        }
    }

    /// An extent, or a dim of a parameter.
    fn extent(&mut self, e: &Sym, line: &str) {
        if e.is_overflow() {
            self.report(code::NAME, line, "an extent is too large an expression");
        }
        for s in e.symbols() {
            if !self.dims.contains(&s) {
                self.report(code::NAME, line, format!("the extent {e} is not over dims: '{s}'"));
            }
        }
    }

    fn param(&mut self, id: ParamId) {
        let p = &self.kernel.params[id];
        let line = self.names.param_line(self.kernel, id);
        p.shape.iter().for_each(|e| self.extent(e, &line));
        if !Scalar::holds(p.dtype) {
            self.report(code::TYPE, &line, format!("{} is no scalar type", p.dtype));
        }
        if let Some(t) = &p.value {
            let fits = t.shape().iter().map(|&e| Sym::int(e as i64)).eq(p.shape.iter().cloned());
            if t.dtype() != p.dtype || !fits {
                self.report(code::TYPE, &line, format!("the value is {}{:?}", t.dtype(), t.shape()));
            }
        }
    }

    fn placed(&mut self) {
        for (i, &d) in self.kernel.outputs.iter().enumerate() {
            let (Some(at), Some(def)) = (self.kernel.placed(i), self.kernel.defs.get(d)) else { continue };
            at.strides.iter().chain([&at.offset]).for_each(|s| self.extent(s, "out"));
            if at.strides.len() != def.axes.len() {
                let line = self.names.def_line(self.kernel, d);
                self.report(code::LOAD, &line, format!("the output is placed with {} strides", at.strides.len()));
            }
        }
    }

    fn def(&mut self, id: DefId) {
        let d = &self.kernel.defs[id];
        let line = self.names.def_line(self.kernel, id);
        d.axes.iter().for_each(|a| self.extent(&a.extent, &line));
        if !Scalar::holds(d.dtype) {
            self.report(code::TYPE, &line, format!("{} is no scalar type", d.dtype));
        }
        let mut scope = Scope { line: &line, axes: d.axes.iter().collect(), before: id.as_u32() as usize };
        if let Body::Reduce { op, axes, init, .. } = &d.body {
            if let Some(e) = init {
                self.value(e, d.dtype, "the start", &scope);
            }
            if !op.binary().takes(d.dtype) {
                self.report(code::TYPE, &line, format!("a reduction by {} of {}", op.name(), d.dtype));
            }
            axes.iter().for_each(|a| self.extent(&a.extent, &line));
            scope.axes.extend(axes);
        }
        self.value(d.value(), d.dtype, "the value", &scope);
    }

    fn check(&mut self, check: &Check) {
        let line = self.names.check_line(check);
        check.axes.iter().for_each(|a| self.extent(&a.extent, &line));
        let scope = Scope { line: &line, axes: check.axes.iter().collect(), before: self.kernel.defs.len() };
        self.value(&check.cond, DType::Bool, "the condition", &scope);
    }

    /// An expression that must have a type.
    fn value(&mut self, e: &Expr, expected: DType, what: &str, scope: &Scope) {
        let found = expr::Types::new(self, scope).of(e);
        if let Some(found) = found.filter(|f| *f != expected) {
            self.report(code::TYPE, scope.line, format!("{what} is {found}, not {expected}"));
        }
    }
}

/// All axes of a kernel, in order.
fn all_axes(kernel: &Kernel) -> Vec<&Axis> {
    let mut all = Vec::new();
    for d in kernel.defs.values() {
        all.extend(&d.axes);
        if let Body::Reduce { axes, .. } = &d.body {
            all.extend(axes);
        }
    }
    all.extend(kernel.checks.iter().flat_map(|c| &c.axes));
    all
}
