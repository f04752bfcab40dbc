//! Walks a scalar function and decides what a reader sees: which values get a name, which stand inside of the expression
//! that uses them, and where variables are declared. A [`Language`] says how each piece is written.
//!
//! A value that is used once waits until its user is written. It is written out before that if a statement comes that
//! would change it: an assignment to a variable that it reads, a store to memory that it loads from, a loop.

mod lanes;
mod limits;
mod ops;
mod stmts;

use crate::expr::Expr;
use crate::helpers::{Helpers, is_half};
use crate::homes::declared_at_first_set;
use crate::names::Names;
use crate::range::Range;
use onnxc_base::{DType, Diagnostics, SecondaryMap};
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{
    Arg, BinOp, Block, Buf, BufKind, Callee, CmpOp, Func, Op, Scalar, Space, Stmt, UnOp, Value, Var,
};

/// The longest expression that goes into another one.
const LONGEST: usize = 72;

/// An integer operation with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The type it is done in.
    pub dtype: DType,
    /// Ranges of the operands.
    pub a: Range,
    /// The second operand's.
    pub b: Range,
    /// True if the mathematical result fits the type: nothing wraps.
    pub exact: bool,
}

/// A loop's header.
#[derive(Clone, Debug)]
pub struct Header {
    /// The index's name.
    pub index: String,
    /// Type of the index.
    pub dtype: DType,
    /// First.
    pub lo: Expr,
    /// End, exclusive: a name or a literal.
    pub hi: Expr,
    /// Step.
    pub step: i64,
    /// True if index + step can't overflow.
    pub safe: bool,
    /// True if iterations may run at the same time, and nothing outside of the body is in their way.
    pub parallel: bool,
    /// True if no loop is inside.
    pub innermost: bool,
}

/// How the pieces of a function are written. Operands have the type of the operation already.
pub trait Language {
    /// The small functions of the file.
    fn helpers(&mut self) -> &mut Helpers;
    /// A conversion of values between types that aren't 16-bit floats. `a` may have fewer bits than its type in the program.
    fn convert(&mut self, a: Expr, to: DType) -> Expr;

    /// A call of a helper for a type, of result `out`.
    fn help(&mut self, op: &str, d: DType, args: &[&Expr], out: DType) -> Expr {
        let name = self.helpers().need(op, d);
        let args: Vec<&str> = args.iter().map(|a| a.text.as_str()).collect();
        Expr::primary(format!("{name}({})", args.join(", ")), out)
    }

    /// A conversion of values; 16-bit floats go through f32.
    fn cast(&mut self, a: Expr, to: DType) -> Expr {
        let from = a.dtype;
        if is_half(from) {
            let single = self.help(&format!("from_{from}"), DType::F32, &[&a], DType::F32);
            return if to == DType::F32 { single } else { self.cast(single, to) };
        }
        if is_half(to) {
            let single = if from == DType::F32 { a } else { self.cast(a, DType::F32) };
            return self.help(&format!("to_{to}"), DType::F32, &[&single], to);
        }
        self.convert(a, to)
    }

    /// A constant of a type that holds it.
    fn literal(&mut self, s: Scalar, dtype: DType) -> Expr;
    /// The same integer in another width.
    fn widen(&mut self, e: Expr, to: DType) -> Expr;
    /// One operand.
    fn unary(&mut self, op: UnOp, a: Expr, known: Known) -> Expr;
    /// Two operands.
    fn binary(&mut self, op: BinOp, a: Expr, b: Expr, known: Known) -> Expr;
    /// a * b + c in one rounding.
    fn fma(&mut self, a: Expr, b: Expr, c: Expr) -> Expr;
    /// An i32 kept within the limits of `bits` bits, signed or not; `None` if that is no operation of its own.
    fn saturate(&mut self, _a: &Expr, _bits: u32, _signed: bool) -> Option<Expr> {
        None
    }
    /// Neighbouring elements of a buffer as an operand of [`Language::dot`].
    fn load_packed(&mut self, _f: &Func, _buf: Buf, _offset: Expr, _lanes: u16) -> Option<Expr> {
        None
    }
    /// c plus the sum of the products of packed elements; `None` if the language has no such form.
    fn dot(&mut self, _a: Expr, _b: Expr, _c: Expr) -> Option<Expr> {
        None
    }
    /// A scalar in every lane of a vector that stays (`scalar::Vectors`).
    fn splat(&mut self, _a: Expr, _lanes: u16) -> Option<Expr> {
        None
    }
    /// Two vectors that stay; `b` may be a scalar that every lane gets, and is a literal where bits are shifted.
    fn binary_lanes(&mut self, _op: BinOp, _a: Expr, _b: Expr) -> Option<Expr> {
        None
    }
    /// a * b + c of vectors that stay, each lane in one rounding; `b` may be a scalar that every lane gets.
    fn fma_lanes(&mut self, _a: Expr, _b: Expr, _c: Expr) -> Option<Expr> {
        None
    }
    /// The upper halves of the products of vectors that stay.
    fn upper_lanes(&mut self, _a: Expr, _b: Expr) -> Option<Expr> {
        None
    }
    /// A vector that stays, in lanes of another type; lanes of fewer bits are only stored.
    fn cast_lanes(&mut self, _a: Expr, _to: DType) -> Option<Expr> {
        None
    }
    /// A comparison.
    fn compare(&mut self, op: CmpOp, a: Expr, b: Expr) -> Expr;
    /// A choice.
    fn select(&mut self, cond: Expr, a: Expr, b: Expr) -> Expr;
    /// The same bits.
    fn bitcast(&mut self, a: Expr, to: DType) -> Expr;
    /// An element of a buffer; 0 if the mask says no.
    fn load(&mut self, f: &Func, buf: Buf, offset: Expr, mask: Option<Expr>) -> Expr;
    /// True if a buffer has no memory.
    fn is_null(&mut self, f: &Func, buf: Buf) -> Expr;
    /// An element of a tile in memory.
    fn element(&mut self, name: &str, flat: Expr, dtype: DType) -> Expr;
    /// The number of the thread.
    fn thread(&mut self) -> Expr;
    /// True if that tells threads apart.
    fn has_threads(&self) -> bool {
        false
    }

    /// Declares a value (`let`) or, mutable, a variable.
    fn declare(&mut self, name: &str, value: &Expr, mutable: bool) -> String;
    /// Declares a tile in memory, all zero.
    fn declare_tile(&mut self, name: &str, dtype: DType, count: u64) -> String;
    /// Assigns; `op` for `x op= value`.
    fn assign(&mut self, place: &str, op: &str, value: &Expr) -> String;
    /// Writes an element.
    fn store(&mut self, f: &Func, buf: Buf, offset: Expr, value: Expr) -> String;
    /// Begins a loop: lines, the last one opening its block.
    fn open_for(&mut self, h: &Header) -> Vec<String>;
    /// Ends its body: lines inside, before the block closes.
    fn close_for(&mut self, h: &Header) -> Vec<String>;
    /// Begins an endless loop.
    fn open_loop(&mut self) -> String;
    /// Begins a branch.
    fn open_if(&mut self, cond: &Expr) -> String;
    /// Ends the function.
    fn ret(&mut self, value: Option<Expr>) -> String;
    /// A remark.
    fn comment(&mut self, text: &str) -> String;
    /// A view of memory.
    fn view(&mut self, f: &Func, buf: Buf, base: Buf, byte_offset: Expr) -> Result<Vec<String>, String>;
    /// An entry of a table.
    fn entry(&mut self, f: &Func, buf: Buf, table: u32, index: u32) -> Result<Vec<String>, String>;
    /// A pointer is set.
    fn assign_pointer(&mut self, f: &Func, buf: Buf, from: Buf) -> Result<Vec<String>, String>;
    /// Heap memory.
    fn alloc(&mut self, f: &Func, buf: Buf, count: Expr) -> Result<Vec<String>, String>;
    /// Heap memory is given back.
    fn free(&mut self, f: &Func, buf: Buf) -> Result<Vec<String>, String>;
    /// A call; `result`: the name of what it returns.
    fn call(
        &mut self,
        f: &Func,
        callee: Callee,
        args: Vec<Passed>,
        result: Option<(String, DType)>,
    ) -> Result<Vec<String>, String>;
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub enum Passed {
    /// A scalar of the program's type.
    Value(Expr),
    /// A buffer from an element on.
    Buf(Buf, Option<Expr>),
    /// A table of the caller.
    Table(u32),
}

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
