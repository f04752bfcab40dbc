//! Walks a scalar function and decides what a reader sees: which values get a name, which stand inside of the expression
//! that uses them, and where variables are declared. A [`Language`] says how each piece is written.
//!
//! A value that is used once waits until its user is written. It is written out before that if a statement comes that
//! would change it: an assignment to a variable that it reads, a store to memory that it loads from, a loop.

mod lanes;
mod language;
mod limits;
mod ops;
mod stmts;

use crate::expr::Expr;
use crate::homes::declared_at_first_set;
use crate::names::Names;
use crate::range::Range;
pub use language::{Header, Known, Language, Passed};
use onnxc_base::{DType, Diagnostics, SecondaryMap};
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Block, Buf, BufKind, Func, Op, Scalar, Stmt, Value, Var};

/// The longest expression that goes into another one.
const LONGEST: usize = 72;

/// How to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Indices that provably fit are computed in 32 bits, for machines whose registers have no more.
    pub narrow: bool,
}

/// A value that waits for its only user.
struct Pending {
    value: Value,
    expr: Expr,
    /// Buffers that it loads from.
    loads: Vec<Buf>,
    /// Variables that it reads.
    reads: Vec<Var>,
    /// `x op= rest`, if the value is `x op rest`.
    update: Option<(String, &'static str, Expr)>,
    /// The place that it is, if it is nothing but the content of a variable.
    place: Option<String>,
}

/// One function under way.
pub struct Flow<'a, L: Language> {
    func: &'a Func,
    ranges: &'a SecondaryMap<Value, Range>,
    style: Style,
    lang: &'a mut L,
    uses: SecondaryMap<Value, u32>,
    /// Maxima that are written together with the minimum that alone reads them.
    limited: SecondaryMap<Value, bool>,
    names: &'a mut Names,
    value_names: SecondaryMap<Value, Option<String>>,
    var_names: SecondaryMap<Var, Option<String>>,
    at_first_set: SecondaryMap<Var, bool>,
    declared: SecondaryMap<Var, bool>,
    pending: Vec<Pending>,
    lines: Vec<(usize, String)>,
    depth: usize,
    in_parallel: bool,
    /// What the language can't say.
    pub problems: Diagnostics,
}

impl<'a, L: Language> Flow<'a, L> {
    /// A walk over a function whose parameters have names already. `param_names`: of scalar parameters, by number.
    pub fn new(
        func: &'a Func,
        ranges: &'a SecondaryMap<Value, Range>,
        style: Style,
        names: &'a mut Names,
        lang: &'a mut L,
    ) -> Self {
        let mut uses = SecondaryMap::new();
        count(func, &func.body, &mut uses);
        let at_first_set = declared_at_first_set(func);
        let limited = limits::inner(func, &uses);
        Self {
            limited,
            func,
            ranges,
            style,
            lang,
            uses,
            names,
            value_names: SecondaryMap::new(),
            var_names: SecondaryMap::new(),
            at_first_set,
            declared: SecondaryMap::new(),
            pending: vec![],
            lines: vec![],
            depth: 1,
            in_parallel: false,
            problems: Diagnostics::new(),
        }
    }

    /// The body's lines, each with its depth.
    pub fn run(mut self, param_names: &[String]) -> (Vec<(usize, String)>, Diagnostics) {
        for (v, def) in &self.func.values {
            if let Op::Param(i) = def.op {
                self.value_names[v] = param_names.get(i as usize).cloned();
            }
        }
        let mut used: SecondaryMap<Var, bool> = SecondaryMap::new();
        mark_vars(self.func, &self.func.body, &mut used);
        let func = self.func;
        for (var, def) in &func.vars {
            if !used[var] {
                continue;
            }
            let hint = if def.name.is_empty() { "acc" } else { &def.name };
            let name = self.names.unique(hint);
            if !def.dims.is_empty() {
                let count = def.dims.iter().map(|&d| u64::from(d)).product();
                let line = self.lang.declare_tile(&name, def.ty.elem, count);
                self.line(line);
            } else if !self.at_first_set[var] {
                let zero = self.zero(def.ty);
                let line = self.lang.declare(&name, &zero, true);
                self.line(line);
                self.declared[var] = true;
            }
            self.var_names[var] = Some(name);
        }
        let func = self.func;
        self.block(&func.body);
        (self.lines, self.problems)
    }

    fn line(&mut self, text: String) {
        self.lines.push((self.depth, text));
    }

    fn lines_or(&mut self, made: Result<Vec<String>, String>) {
        match made {
            Ok(lines) => lines.into_iter().for_each(|l| self.line(l)),
            Err(why) => self.fail(why),
        }
    }

    fn fail(&mut self, why: String) {
        let d = onnxc_base::Diagnostic::error("E5120", why).node(self.func.name.clone(), "function");
        self.problems.push(d);
    }

    /// The type that a value has in the text.
    fn repr(&self, v: Value) -> DType {
        let d = self.func.values[v].ty.elem;
        if d == DType::I64 && self.style.narrow && self.is_narrow(v) { DType::I32 } else { d }
    }

    /// True if 32 bits hold the value, and it can be computed in them.
    fn is_narrow(&self, v: Value) -> bool {
        let fits = |v: Value| self.ranges[v].fits(DType::I32);
        if !fits(v) {
            return false;
        }
        match &self.func.values[v].op {
            Op::Const(_) | Op::Index | Op::Cast(_) => true,
            Op::Unary(_, a) => fits(*a),
            Op::Binary(_, a, b) | Op::Select(_, a, b) => fits(*a) && fits(*b),
            _ => false,
        }
    }

    fn constant(&self, v: Value) -> Option<Scalar> {
        match self.func.values[v].op {
            Op::Const(s) => Some(s),
            _ => None,
        }
    }
}

/// Counts uses of values.
fn count(f: &Func, b: &Block, uses: &mut SecondaryMap<Value, u32>) {
    for s in &b.0 {
        if let Stmt::Let(v) = s {
            lanes::reads(f, *v, &mut |x| uses[x] += 1);
        }
        onnxc_ir::loops::walk::reads(s, &mut |x| uses[x] += 1);
        blocks(s).into_iter().for_each(|b| count(f, b, uses));
    }
}

fn mark_vars(f: &Func, b: &Block, used: &mut SecondaryMap<Var, bool>) {
    for s in &b.0 {
        match s {
            Stmt::Set(p, _) => used[p.var] = true,
            Stmt::Let(v) => {
                if let Op::Get(p) = &f.values[*v].op {
                    used[p.var] = true;
                }
            }
            _ => {}
        }
        blocks(s).into_iter().for_each(|b| mark_vars(f, b, used));
    }
}

/// True if a store to one buffer may change what a load from another sees.
fn may_overlap(f: &Func, a: Buf, b: Buf) -> bool {
    let root = |b: Buf| !matches!(f.bufs[b].kind, BufKind::Local | BufKind::Pointer);
    if matches!(f.bufs[b].kind, BufKind::Const(_)) {
        return false;
    }
    !(root(a) && root(b)) || a == b || f.bufs[a].kind == f.bufs[b].kind
}
