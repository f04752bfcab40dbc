//! Which vectors may stay: four lanes of 32 bits, integers or floats, and of bytes that stand for integers in memory, as
//! small machines with vectors have them.
//!
//! A value stays if the language has a form for its operation, all vectors that it reads stay, and whatever reads it can take
//! it whole; a variable if all that it is set to and all its readers stay. What is left after taking out, again and again,
//! what doesn't fit is the largest such set.
//!
//! Splats are either: lanes of their own for those who take lanes, or a vector.
//!
//! A product of which the upper half is taken goes through 64 bits in loops IR: those values stay, and are never written.

use super::{Lanes, dynamic_tiles};
use onnxc_base::{DType, SecondaryMap};
use onnxc_ir::loops::walk::{blocks, operands, reads};
use onnxc_ir::loops::{BinOp, Block, Func, Op, Stmt, Value, Var};

/// Lanes of a vector that stays.
const LANES: u16 = 4;

/// What stays.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub values: SecondaryMap<Value, bool>,
    pub vars: SecondaryMap<Var, bool>,
}

/// The largest set of values and variables that can stay whole.
pub(super) fn kept(f: &Func, lanes: Lanes) -> Kept {
    let mut s = Search { f, kept: Kept::default(), changed: true };
    if lanes == Lanes::Split {
        return s.kept;
    }
    let wanted = |d: DType| lanes == Lanes::All || d == DType::F32;
    for (v, def) in &f.values {
        s.kept.values[v] = wanted(def.ty.elem) && supported(f, v);
    }
    let dynamic = dynamic_tiles(f);
    for (var, def) in &f.vars {
        let fits = def.ty.lanes == LANES && element(def.ty.elem) && wanted(def.ty.elem);
        s.kept.vars[var] = fits && !dynamic.contains(&var);
    }
    while std::mem::take(&mut s.changed) {
        s.block(&f.body);
    }
    s.kept
}

/// Integers of 8 or 32 bits, and floats of 32.
fn element(d: DType) -> bool {
    matches!(d, DType::I8 | DType::U8 | DType::I32 | DType::F32)
}

fn splat_constant(f: &Func, v: Value) -> Option<i64> {
    let Op::Splat(a) = f.values[v].op else { return None };
    match f.values[a].op {
        Op::Const(s) => Some(s.to_i64()),
        _ => None,
    }
}

/// True if a language may have the operation, its operands apart.
fn supported(f: &Func, v: Value) -> bool {
    let def = &f.values[v];
    let (d, ty) = (def.ty.elem, |v: Value| f.values[v].ty.elem);
    if def.ty.lanes != LANES {
        return false;
    }
    match &def.op {
        Op::Load { mask, .. } => element(d) && mask.is_none_or(|m| matches!(f.values[m].op, Op::Splat(_))),
        Op::Select(c, ..) => element(d) && f.values[*c].ty.lanes == 1,
        Op::Get(_) => element(d),
        Op::Binary(BinOp::Add | BinOp::Sub | BinOp::Mul, ..) if matches!(d, DType::I32 | DType::F32) => true,
        Op::Fma(..) => d == DType::F32,
        Op::Binary(BinOp::Max | BinOp::Min, ..) => element(d),
        Op::Binary(BinOp::Shl | BinOp::Shr, _, by) if d == DType::I32 => {
            splat_constant(f, *by).is_some_and(|n| (1..32).contains(&n))
        }
        Op::Binary(..) if d == DType::I64 => upper(f, v).is_some() || wide_product(f, v).is_some(),
        Op::Cast(a) => match (ty(*a), d) {
            (DType::I8 | DType::U8, DType::I32) | (DType::I32, DType::I8 | DType::U8 | DType::I64) => true,
            (DType::I64, DType::I32) => upper(f, *a).is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// The factors of a product of integers of 32 bits in 64.
fn wide_product(f: &Func, v: Value) -> Option<(Value, Value)> {
    let Op::Binary(BinOp::Mul, a, b) = f.values[v].op else { return None };
    let narrow = |v: Value| match f.values[v].op {
        Op::Cast(x) if f.values[x].ty.elem == DType::I32 && f.values[v].ty.elem == DType::I64 => Some(x),
        _ => None,
    };
    Some((narrow(a)?, narrow(b)?))
}

/// The factors of a product of which the upper half is moved down.
pub(crate) fn upper(f: &Func, v: Value) -> Option<(Value, Value)> {
    let Op::Binary(BinOp::Shr, product, by) = f.values[v].op else { return None };
    if splat_constant(f, by) != Some(32) {
        return None;
    }
    wide_product(f, product)
}

struct Search<'a> {
    f: &'a Func,
    kept: Kept,
    changed: bool,
}

impl Search<'_> {
    fn drop_value(&mut self, v: Value) {
        self.changed |= std::mem::take(&mut self.kept.values[v]);
    }

    fn drop_var(&mut self, v: Var) {
        self.changed |= std::mem::take(&mut self.kept.vars[v]);
    }

    /// True if a value can be had as a vector.
    fn whole(&self, v: Value) -> bool {
        self.kept.values[v] || matches!(self.f.values[v].op, Op::Splat(_))
    }

    fn block(&mut self, b: &Block) {
        for s in &b.0 {
            self.statement(s);
            blocks(s).into_iter().for_each(|b| self.block(b));
        }
    }

    fn statement(&mut self, s: &Stmt) {
        match s {
            Stmt::Let(v) => self.value(*v),
            Stmt::Set(place, v) => {
                if !self.whole(*v) {
                    self.drop_var(place.var);
                }
                if !self.kept.vars[place.var] || narrowed(self.f, *v) {
                    self.drop_value(*v);
                }
            }
            Stmt::Store { mask: None, value, .. } => {
                if !element(self.f.values[*value].ty.elem) {
                    self.drop_value(*value);
                }
            }
            s => {
                reads(s, &mut |v| self.drop_value(v));
            }
        }
    }

    fn value(&mut self, v: Value) {
        let f = self.f;
        let mut read = vec![];
        operands(&f.values[v].op, &mut |x| read.push(x));
        if let Op::Get(place) = &f.values[v].op {
            if !self.kept.values[v] {
                self.drop_var(place.var);
            } else if !self.kept.vars[place.var] {
                self.drop_value(v);
            }
        }
        let vectors: Vec<Value> = read.into_iter().filter(|&x| f.values[x].ty.lanes > 1).collect();
        if vectors.iter().any(|&x| !self.whole(x)) {
            self.drop_value(v);
        }
        for x in vectors {
            // Sums cut to bytes are good for memory only: their upper bits are still there.
            if !self.kept.values[v] || narrowed(f, x) {
                self.drop_value(x);
            }
        }
    }
}

/// True for a cast to fewer bits.
fn narrowed(f: &Func, v: Value) -> bool {
    let def = &f.values[v];
    matches!(def.op, Op::Cast(a) if f.values[a].ty.elem == DType::I32 && def.ty.elem.bits() == 8)
}
