//! Loops IR without vectors: every lane becomes a value of its own, every register tile a variable per element.
//!
//! Source languages for small machines have no vectors, and their compilers make good vectors from plain statements
//! where there are any. On the way constants fold, comparisons that the ranges decide disappear, loops of one iteration
//! become their body, and equal operations of a block are computed once: lanes of index arithmetic are mostly constants.
//! Vectors that a language has forms for may stay ([`Vectors`]).
//! What comes out is loops IR again, which the verifier and the interpreter take, with a range for every value.
//!
//! Does NOT reorder anything that touches memory or variables.

mod fold;
pub(crate) mod lanes;
mod ops;
mod packed;
mod stmts;
mod sweep;

use crate::range::Range;
use onnxc_base::{DType, PrimaryMap, SecondaryMap};
use onnxc_ir::loops::{Block, Func, FuncId, Op, Place, Program, Scalar, Stmt, Ty, Value, ValueDef, Var, VarDef};
use std::collections::{BTreeMap, BTreeSet};

/// A program of scalars.
#[derive(Clone, Debug)]
pub struct Scalars {
    /// The program: every type has one lane.
    pub program: Program,
    /// What is known of each value of each function.
    pub ranges: PrimaryMap<FuncId, SecondaryMap<Value, Range>>,
}

/// Which vectors a language has forms for: those that stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Vectors {
    /// Sums of up to so many products into one lane, and the loads that only they read.
    pub dots: u16,
    /// Arithmetic of four lanes of 32 bits.
    pub lanes: Lanes,
}

/// Which vectors of four lanes a language has arithmetic for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Lanes {
    /// None: every lane is a value of its own.
    #[default]
    Split,
    /// Of floats.
    Floats,
    /// Of floats, and of integers, which may be bytes in memory.
    All,
}

/// Takes a program apart. What no entry reaches stays.
pub fn scalarize(program: &Program, vectors: Vectors) -> Scalars {
    let mut out = Program { funcs: PrimaryMap::new(), ..program.clone() };
    let mut ranges = PrimaryMap::new();
    for func in program.funcs.values() {
        let (f, r) = function(func, vectors);
        out.funcs.push(f);
        ranges.push(r);
    }
    Scalars { program: out, ranges }
}

fn function(func: &Func, vectors: Vectors) -> (Func, SecondaryMap<Value, Range>) {
    let out = Func { values: PrimaryMap::new(), vars: PrimaryMap::new(), body: Block::default(), ..func.clone() };
    let mut kept = lanes::kept(func, vectors.lanes);
    if vectors.dots > 0 {
        packed::packed(func, vectors.dots).into_iter().for_each(|v| kept.values[v] = true);
    }
    let mut s = Splitter {
        func,
        out,
        kept,
        lanes: SecondaryMap::new(),
        homes: PrimaryMap::new(),
        ranges: SecondaryMap::new(),
        open: vec![],
        known: vec![],
    };
    s.variables();
    let body = s.block(&func.body);
    s.out.body = body;
    let (mut f, ranges) = (s.out, s.ranges);
    sweep::sweep(&mut f);
    (f, ranges)
}

/// Where the elements of a variable are now.
enum Home {
    /// Element by element, lanes innermost.
    Split(Vec<Var>),
    /// Element by element, each a vector.
    Whole(Vec<Var>),
    /// A tile that loops index; the lanes are one more dim.
    Tile(Var),
}

/// One function under way.
struct Splitter<'a> {
    func: &'a Func,
    out: Func,
    /// What stays whole: loads, the sums of products that read them, arithmetic.
    kept: lanes::Kept,
    /// The lanes of each old value.
    lanes: SecondaryMap<Value, Vec<Value>>,
    homes: PrimaryMap<Var, Home>,
    ranges: SecondaryMap<Value, Range>,
    /// Statements of the blocks that are open.
    open: Vec<Vec<Stmt>>,
    /// Pure operations computed in the blocks that are open.
    known: Vec<BTreeMap<String, Value>>,
}

impl Splitter<'_> {
    fn variables(&mut self) {
        let dynamic = dynamic_tiles(self.func);
        for (var, def) in &self.func.vars {
            let ty = Ty::scalar(def.ty.elem);
            let lanes = def.ty.lanes;
            let home = if self.kept.vars[var] {
                let count = def.dims.iter().product::<u32>() as usize;
                let one = VarDef { ty: Ty::scalar(def.ty.elem), ..def.clone() };
                let vars = (0..count).map(|i| VarDef { ty: def.ty, dims: vec![], name: element_name(&one, i) });
                Home::Whole(vars.map(|def| self.out.vars.push(def)).collect())
            } else if dynamic.contains(&var) {
                let mut dims = def.dims.clone();
                if lanes > 1 {
                    dims.push(u32::from(lanes));
                }
                Home::Tile(self.out.vars.push(VarDef { ty, dims, name: def.name.clone() }))
            } else {
                let count = def.dims.iter().map(|&d| d as usize).product::<usize>();
                let names = (0..count * usize::from(lanes)).map(|i| element_name(def, i));
                Home::Split(names.map(|name| self.out.vars.push(VarDef { ty, dims: vec![], name })).collect())
            };
            self.homes.push(home);
        }
    }

    fn stmt(&mut self, s: Stmt) {
        self.open.last_mut().expect("a block is open").push(s);
    }

    /// The lanes of an old value.
    fn of(&self, v: Value) -> Vec<Value> {
        self.lanes[v].clone()
    }

    /// The only lane of an old value.
    fn one(&self, v: Value) -> Value {
        self.lanes[v][0]
    }

    fn elem(&self, v: Value) -> DType {
        self.out.values[v].ty.elem
    }

    fn known_constant(&self, v: Value) -> Option<Scalar> {
        match self.out.values[v].op {
            Op::Const(s) => Some(s),
            _ => None,
        }
    }

    /// A value that is computed here, whatever is known already.
    fn define(&mut self, dtype: DType, op: Op, range: Range, name: &str) -> Value {
        let v = self.out.values.push(ValueDef { ty: Ty::scalar(dtype), op, name: name.into() });
        self.ranges[v] = range;
        v
    }

    /// The place of one lane of an element.
    fn place(&mut self, place: &Place, lane: usize) -> Place {
        let def = &self.func.vars[place.var];
        let lanes = usize::from(def.ty.lanes);
        let flat = || {
            let at = |i: &Value| match self.func.values[*i].op {
                Op::Const(s) => usize::try_from(s.to_i64()).unwrap_or(0),
                _ => 0,
            };
            place.index.iter().zip(&def.dims).fold(0, |n, (i, &d)| n * d as usize + at(i))
        };
        match &self.homes[place.var] {
            Home::Split(vars) => Place { var: vars[flat() * lanes + lane], index: vec![] },
            Home::Whole(vars) => Place { var: vars[flat()], index: vec![] },
            Home::Tile(var) => {
                let var = *var;
                let mut index: Vec<Value> = place.index.iter().map(|&i| self.one(i)).collect();
                if lanes > 1 {
                    index.push(self.int(lane as i64));
                }
                Place { var, index }
            }
        }
    }
}

/// `acc_1_0` for an element of a tile, with the lane last if there are several.
fn element_name(def: &VarDef, flat: usize) -> String {
    let lanes = usize::from(def.ty.lanes);
    let mut parts = vec![];
    if lanes > 1 {
        parts.push(flat % lanes);
    }
    let mut rest = flat / lanes;
    for &d in def.dims.iter().rev() {
        parts.push(rest % d as usize);
        rest /= d as usize;
    }
    parts.iter().rev().fold(def.name.clone(), |name, i| format!("{name}_{i}"))
}

/// Tiles of which some index is not a constant.
fn dynamic_tiles(func: &Func) -> BTreeSet<Var> {
    fn walk(block: &Block, note: &mut dyn FnMut(&Place)) {
        for s in &block.0 {
            if let Stmt::Set(place, _) = s {
                note(place);
            }
            onnxc_ir::loops::walk::blocks(s).into_iter().for_each(|b| walk(b, note));
        }
    }
    let mut out = BTreeSet::new();
    let mut note = |place: &Place| {
        let fixed = place.index.iter().all(|&i| matches!(func.values[i].op, Op::Const(_)));
        if !fixed {
            out.insert(place.var);
        }
    };
    walk(&func.body, &mut note);
    for def in func.values.values() {
        if let Op::Get(place) = &def.op {
            note(place);
        }
    }
    out
}

#[cfg(test)]
mod tests;
