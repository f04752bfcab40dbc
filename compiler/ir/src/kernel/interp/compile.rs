//! From an expression to a [`Program`]: dims become numbers, affine indices strides, shared parts one register each.
//!
//! Holds: operand types agree in what it returns. An expression that breaks the rules of kernel IR is an error here.
//! Symbolic integers are computed with 64-bit numbers that wrap.

use super::InterpError;
use super::load::{AffineLoad, Gather, Source};
use super::program::{Op, Program};
use super::space::Affine;
use crate::kernel::{Expr, ExprKind, Kernel, Scalar, Src};
use crate::scalar::{BinOp, CmpOp, UnOp};
use onnxc_base::{DType, Sym, SymNode, Symbol, Tensor};
use std::collections::{BTreeMap, HashMap};

/// Dims by name.
pub(super) type Dims<'a> = &'a dyn Fn(&Symbol) -> Option<i64>;
/// The tensors that can be loaded.
pub(super) type Sources<'a> = &'a dyn Fn(Src) -> Option<Tensor>;

/// A variable and its extent.
pub(super) type Extent = (Symbol, i64);

/// Where an expression is evaluated.
pub(super) struct Scope<'a> {
    pub kernel: &'a Kernel,
    pub dims: Dims<'a>,
    pub sources: Sources<'a>,
    /// What is being evaluated, for messages.
    pub what: &'a str,
}

impl Scope<'_> {
    /// An error about this expression.
    pub fn invalid(&self, message: impl Into<String>) -> InterpError {
        InterpError::Invalid { what: self.what.to_owned(), message: message.into() }
    }

    /// A symbolic integer with numbers for all dims; `vars` stay.
    pub fn resolve(&self, sym: &Sym, vars: &[Extent]) -> Sym {
        sym.subst(&|s| if vars.iter().any(|v| v.0 == *s) { None } else { (self.dims)(s).map(Sym::int) })
    }

    /// Compiles an expression for the points of a box that isn't empty.
    pub fn compile(&self, e: &Expr, vars: &[Extent]) -> Result<(Program, DType), InterpError> {
        let extents = vars.iter().map(|v| v.1).collect();
        let mut c = Compiler { scope: self, vars, extents, ..Compiler::empty(self) };
        let (result, dtype) = c.expr(e)?;
        Ok((c.finish(result), dtype))
    }
}

/// The sum of coefficients times variables, if that is what it is.
pub(super) fn as_affine(sym: &Sym, vars: &[Extent]) -> Option<Affine> {
    let mut rest = sym.clone();
    let mut terms = Vec::new();
    for (axis, (var, _)) in vars.iter().enumerate() {
        let (coef, other) = rest.split_linear(var)?;
        match coef.as_int()? {
            0 => {}
            c => terms.push((axis, c)),
        }
        rest = other;
    }
    Some(Affine { base: rest.as_int()?, terms })
}

struct Compiler<'a> {
    scope: &'a Scope<'a>,
    vars: &'a [Extent],
    extents: Vec<i64>,
    instrs: Vec<Op>,
    consts: BTreeMap<Scalar, usize>,
    sources: Vec<Source>,
    known: BTreeMap<Src, usize>,
    /// Shared subexpressions, by address: only ever looked up.
    seen: HashMap<*const ExprKind, (usize, DType)>,
}

/// Registers below this are instructions, those from it on constants.
const CONSTS: usize = usize::MAX / 2;

impl<'a> Compiler<'a> {
    fn empty(scope: &'a Scope<'a>) -> Self {
        let (instrs, consts, sources) = (vec![], BTreeMap::new(), vec![]);
        Self {
            scope,
            vars: &[],
            extents: vec![],
            instrs,
            consts,
            sources,
            known: BTreeMap::new(),
            seen: HashMap::new(),
        }
    }

    fn emit(&mut self, op: Op) -> usize {
        self.instrs.push(op);
        self.instrs.len() - 1
    }

    fn constant(&mut self, s: Scalar) -> usize {
        let next = CONSTS + self.consts.len();
        *self.consts.entry(s).or_insert(next)
    }

    fn expr(&mut self, e: &Expr) -> Result<(usize, DType), InterpError> {
        let key = std::ptr::from_ref(e.kind());
        if let Some(&done) = self.seen.get(&key) {
            return Ok(done);
        }
        let done = match e.kind() {
            ExprKind::Const(s) if Scalar::holds(s.dtype) => (self.constant(*s), s.dtype),
            ExprKind::Const(s) => return Err(self.scope.invalid(format!("{} is no scalar type", s.dtype))),
            ExprKind::Int(s) => (self.sym(&self.scope.resolve(s, self.vars))?, DType::I64),
            ExprKind::Load { src, index, pad } => self.load(*src, index, *pad)?,
            ExprKind::Unary(op, a) => self.unary(*op, a)?,
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b)?,
            ExprKind::Compare(op, a, b) => self.compare(*op, a, b)?,
            ExprKind::Select(c, a, b) => {
                let (c, cond) = self.expr(c)?;
                self.require(cond, DType::Bool)?;
                let ((a, t), (b, u)) = (self.expr(a)?, self.expr(b)?);
                self.require(u, t)?;
                (self.emit(Op::Select(t.size(), [c, a, b])), t)
            }
            ExprKind::Cast(to, a) => {
                let (a, from) = self.expr(a)?;
                if !Scalar::holds(*to) {
                    return Err(self.scope.invalid(format!("{to} is no scalar type")));
                }
                (self.emit(Op::Cast(from, *to, a)), *to)
            }
        };
        self.seen.insert(key, done);
        Ok(done)
    }

    fn require(&self, found: DType, expected: DType) -> Result<(), InterpError> {
        match found == expected {
            true => Ok(()),
            false => Err(self.scope.invalid(format!("an operand is {found} where {expected} is needed"))),
        }
    }

    fn unary(&mut self, op: UnOp, a: &Expr) -> Result<(usize, DType), InterpError> {
        let (a, t) = self.expr(a)?;
        Ok((self.emit(Op::Unary(op, t, a)), t))
    }

    fn binary(&mut self, op: BinOp, a: &Expr, b: &Expr) -> Result<(usize, DType), InterpError> {
        let ((a, t), (b, u)) = (self.expr(a)?, self.expr(b)?);
        self.require(u, t)?;
        Ok((self.emit(Op::Binary(op, t, a, b)), t))
    }

    fn compare(&mut self, op: CmpOp, a: &Expr, b: &Expr) -> Result<(usize, DType), InterpError> {
        let ((a, t), (b, u)) = (self.expr(a)?, self.expr(b)?);
        self.require(u, t)?;
        Ok((self.emit(Op::Compare(op, t, a, b)), DType::Bool))
    }

    /// A symbolic integer over the variables, dims replaced.
    fn sym(&mut self, s: &Sym) -> Result<usize, InterpError> {
        if let Some(v) = s.as_int() {
            return Ok(self.constant(Scalar::i64(v)));
        }
        if let Some(f) = as_affine(s, self.vars) {
            return Ok(self.emit(Op::Affine(f)));
        }
        match s.node() {
            SymNode::Int(v) => Ok(self.constant(Scalar::i64(v))),
            SymNode::Var(v) => Err(self.scope.invalid(format!("'{v}' has no value"))),
            SymNode::Overflow => Err(self.scope.invalid("an index expression is too large")),
            SymNode::Add(parts) => {
                // What is affine stays together.
                let (plain, other): (Vec<Sym>, Vec<Sym>) =
                    parts.into_iter().partition(|p| as_affine(p, self.vars).is_some());
                let plain: Sym = plain.iter().sum();
                let parts = other.into_iter().chain((!plain.is_zero()).then_some(plain)).collect();
                self.chain(BinOp::Add, parts)
            }
            SymNode::Mul(parts) => self.chain(BinOp::Mul, parts),
            SymNode::FloorDiv(a, b) => self.divide(BinOp::FloorDiv, &a, &b),
            SymNode::Mod(a, b) => self.divide(BinOp::FloorMod, &a, &b),
            SymNode::Min(a, b) => self.chain(BinOp::Min, vec![a, b]),
            SymNode::Max(a, b) => self.chain(BinOp::Max, vec![a, b]),
            SymNode::Joint(a, b) => self.joint(&a, &b),
        }
    }

    /// The smaller one if that is below 1, else the larger one.
    fn joint(&mut self, a: &Sym, b: &Sym) -> Result<usize, InterpError> {
        let (a, b, one) = (self.sym(a)?, self.sym(b)?, self.constant(Scalar::i64(1)));
        let [least, most] = [BinOp::Min, BinOp::Max].map(|op| self.emit(Op::Binary(op, DType::I64, a, b)));
        let none = self.emit(Op::Compare(CmpOp::Lt, DType::I64, least, one));
        Ok(self.emit(Op::Select(DType::I64.size(), [none, least, most])))
    }

    fn chain(&mut self, op: BinOp, parts: Vec<Sym>) -> Result<usize, InterpError> {
        let mut result = None;
        for p in &parts {
            let p = self.sym(p)?;
            result = Some(match result {
                None => p,
                Some(r) => self.emit(Op::Binary(op, DType::I64, r, p)),
            });
        }
        Ok(result.expect("an operation of a symbolic integer has operands"))
    }

    fn divide(&mut self, op: BinOp, a: &Sym, b: &Sym) -> Result<usize, InterpError> {
        let (a, mut d) = (self.sym(a)?, self.sym(b)?);
        if b.as_int().is_none_or(|v| v == 0) {
            d = self.emit(Op::NonZero(d));
        }
        Ok(self.emit(Op::Binary(op, DType::I64, a, d)))
    }

    fn load(&mut self, src: Src, index: &[Expr], pad: Option<Scalar>) -> Result<(usize, DType), InterpError> {
        let (source, dtype) = self.source(src)?;
        let (name, rank) = (&self.sources[source].name, self.sources[source].extents.len());
        if index.len() != rank {
            return Err(self.scope.invalid(format!("{} indices for '{name}' of rank {rank}", index.len())));
        }
        if let Some(p) = pad {
            self.require(p.dtype, dtype)?;
        }
        let pad = pad.map(|p| p.bits);
        let affine = |e: &Expr| as_affine(&self.scope.resolve(e.as_sym()?, self.vars), self.vars);
        if let Some(index) = index.iter().map(affine).collect::<Option<Vec<_>>>() {
            let load = AffineLoad::new(source, &self.sources[source], index, pad, &self.extents);
            return Ok((self.emit(Op::Load(load)), dtype));
        }
        let mut regs = Vec::new();
        for e in index {
            let (reg, t) = self.expr(e)?;
            self.require(t, DType::I64)?;
            regs.push(reg);
        }
        Ok((self.emit(Op::Gather(Gather { source, index: regs, pad })), dtype))
    }

    /// The number of a source, and its type.
    fn source(&mut self, src: Src) -> Result<(usize, DType), InterpError> {
        let (name, dtype) = match src {
            Src::Param(p) => self.scope.kernel.params.get(p).map(|p| (&p.name, p.dtype)),
            Src::Def(d) => self.scope.kernel.defs.get(d).map(|d| (&d.name, d.dtype)),
        }
        .ok_or_else(|| self.scope.invalid(format!("{src:?} doesn't exist")))?;
        if let Some(&known) = self.known.get(&src) {
            return Ok((known, dtype));
        }
        let tensor =
            (self.scope.sources)(src).ok_or_else(|| self.scope.invalid(format!("'{name}' has no value yet")))?;
        if tensor.dtype() != dtype || !Scalar::holds(dtype) {
            let found = tensor.dtype();
            return Err(self.scope.invalid(format!("'{name}' is {found}, a scalar type is needed: {dtype}")));
        }
        self.sources.push(Source::new(name, &tensor));
        self.known.insert(src, self.sources.len() - 1);
        Ok((self.sources.len() - 1, dtype))
    }

    /// Gives registers to instructions, each free again after its last use.
    fn finish(mut self, result: usize) -> Program {
        let mut last: Vec<usize> = (0..self.instrs.len()).collect();
        for (i, op) in self.instrs.iter_mut().enumerate() {
            op.operands().into_iter().filter(|o| **o < CONSTS).for_each(|o| last[*o] = i);
        }
        if result < CONSTS {
            last[result] = usize::MAX;
        }
        let first = self.consts.len();
        let (mut free, mut registers) = (Vec::new(), first);
        let mut place = Vec::new();
        let mut instrs = Vec::new();
        for (i, mut op) in self.instrs.into_iter().enumerate() {
            let dst = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            place.push(dst);
            let mut done: Vec<usize> = Vec::new();
            for o in op.operands() {
                let old = *o;
                *o = if old < CONSTS { place[old] } else { old - CONSTS };
                if old < CONSTS && last[old] == i && !done.contains(o) {
                    done.push(*o);
                }
            }
            free.extend(done);
            if last[i] == i {
                free.push(dst);
            }
            instrs.push((dst, op));
        }
        let consts = self.consts.into_iter().map(|(s, r)| (r - CONSTS, s)).collect();
        let result = if result < CONSTS { place[result] } else { result - CONSTS };
        Program { instrs, consts, registers, result, sources: self.sources }
    }
}
