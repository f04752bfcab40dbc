//! Walks down trees in tables: the operator behind every ensemble of trees.
//!
//! Input 0: rows of features. Then tables (see `forest`): 1 roots · 2 each node's feature · 3 where it goes on, for no and
//! for yes · 4 where each leaf's weights end (and the next leaf's begin) · 5 weights' targets · 6 thresholds · 7 weights ·
//! 8 what is added to each target · 9 modes, unless attribute `mode` says it for all · 10 whether NaN is a yes, unless it
//! never is. A place below 0 is leaf `-1 - place`.
//! Output 0: a number for each row and target; one without any weight counts as 0. Output 1: was there any weight?
//! It is computed in f64 if anything is f64, else in f32.
//!
//! Does NOT transform scores or choose labels: nodes behind it do.

use super::super::super::elementwise::{Class, tensor, wide};
use super::super::super::heap::stop_if;
use super::super::super::routines::{extents, load_wide};
use super::super::INNER;
use super::forest::Mode;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Ty, Value};

/// The operator.
pub static DEF: OpDef = OpDef {
    domain: INNER,
    name: "TreeEnsemble",
    versions: &[(1, import)],
    infer,
    lower: Lower::Routine(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = ["aggregate", "mode", "features"].map(|name| (name, n.attr(name)));
    Ok(attrs.into_iter().fold(Attrs::default(), |a, (name, v)| v.into_iter().fold(a, |a, v| a.with(name, v))))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    let rows = match x.rank() {
        1 => Sym::int(1),
        2 => x.shape[0].clone(),
        r => return Err(cx.error("E2041", format!("input 0 has rank {r}")).expected("1 or 2: rows of features")),
    };
    let features = Sym::int(cx.attrs().int("features").unwrap_or(0));
    let own = &x.shape[x.rank() - 1];
    cx.unify(&Sym::max(own, &features), own, "a row must have every feature that the trees ask for")?;
    let dtype = if x.dtype == DType::F64 { DType::F64 } else { cx.dtype(6)? };
    let shape = vec![rows, cx.shape(8)?[0].clone()];
    cx.set_tensor(0, dtype, shape.clone());
    cx.set_tensor(1, DType::Bool, shape);
    Ok(())
}

/// What the parts of the walk need.
struct Walk {
    x: TensorBuf,
    tables: Vec<Option<Buf>>,
    /// The one mode of all nodes.
    mode: Option<Mode>,
    /// The dtype of the arithmetic.
    dtype: DType,
    aggregate: String,
}

impl Walk {
    fn table(&self, i: usize) -> Buf {
        self.tables[i].expect("the import has given this table")
    }

    fn int(&self, f: &mut FuncBuilder, i: usize, at: Value) -> Value {
        let v = f.load(self.table(i), at, 1, None);
        f.cast(v, DType::I64)
    }

    fn float(&self, f: &mut FuncBuilder, i: usize, at: Value) -> Value {
        let v = f.load(self.table(i), at, 1, None);
        f.cast(v, self.dtype)
    }

    /// The leaf where the row at an offset ends in a tree.
    fn leaf(&self, f: &mut FuncBuilder, row: Value, tree: Value) -> Value {
        let at = f.var(Ty::I64, &[], "node");
        let root = self.int(f, 1, tree);
        f.set(at, &[], root);
        f.loop_forever(|f| {
            let (zero, two) = (f.int(0), f.int(2));
            let node = f.get(at, &[]);
            let leaf = f.compare(CmpOp::Lt, node, zero);
            stop_if(f, leaf);
            let yes = self.decide(f, row, node);
            let yes = f.cast(yes, DType::I64);
            let next = f.mul(node, two);
            let next = f.add(next, yes);
            let next = self.int(f, 3, next);
            f.set(at, &[], next);
        });
        let (minus, node) = (f.int(-1), f.get(at, &[]));
        f.sub(minus, node)
    }

    /// Does a row go the way of yes at a node?
    fn decide(&self, f: &mut FuncBuilder, row: Value, node: Value) -> Value {
        let feature = self.int(f, 2, node);
        let at = f.add(row, feature);
        let v = load_wide(f, self.x.buf, self.x.dtype, at);
        let v = f.cast(v, self.dtype);
        let threshold = self.float(f, 6, node);
        let mut yes = match self.mode {
            Some(mode) => f.compare(mode.compare(), v, threshold),
            None => {
                let own = self.int(f, 9, node);
                let mut yes = f.compare(CmpOp::Le, v, threshold);
                for (i, mode) in Mode::ALL.iter().enumerate().skip(1) {
                    let (i, other) = (f.int(i as i64), f.compare(mode.compare(), v, threshold));
                    let here = f.compare(CmpOp::Eq, own, i);
                    yes = f.select(here, other, yes);
                }
                yes
            }
        };
        if self.tables[10].is_some() {
            let (missing, zero) = (self.int(f, 10, node), f.int(0));
            let (missing, nan) = (f.compare(CmpOp::Ne, missing, zero), f.compare(CmpOp::Ne, v, v));
            let both = f.binary(BinOp::And, missing, nan);
            yes = f.binary(BinOp::Or, yes, both);
        }
        yes
    }

    /// Adds a leaf's weights to the numbers from an offset on.
    fn add(&self, f: &mut FuncBuilder, leaf: Value, y: Buf, hits: Option<Buf>, from: Value) {
        let one = f.int(1);
        let after = f.add(leaf, one);
        let (lo, hi) = (self.int(f, 4, leaf), self.int(f, 4, after));
        f.for_loop("w", lo, hi, 1, LoopKind::Serial, |f, w| {
            let target = self.int(f, 5, w);
            let (at, weight) = (f.add(from, target), self.float(f, 7, w));
            let old = f.load(y, at, 1, None);
            let op = match self.aggregate.as_str() {
                "MIN" => BinOp::Min,
                "MAX" => BinOp::Max,
                _ => BinOp::Add,
            };
            let new = f.binary(op, old, weight);
            f.store(y, at, new, None);
            if let Some(hits) = hits {
                let hit = f.scalar(Scalar::bool(true));
                f.store(hits, at, hit, None);
            }
        });
    }
}

fn lower(cx: &mut RoutineCx) -> Result<()> {
    let (x, y) = (cx.input(0), cx.output(0));
    let hits = (cx.node().outputs.len() > 1).then(|| cx.output(1).buf);
    let mode = cx.attrs().int("mode").and_then(|m| Mode::ALL.get(usize::try_from(m).ok()?).copied());
    let tables = (0..11).map(|i| cx.opt(i).map(|t| t.buf)).collect();
    let aggregate = cx.attrs().str("aggregate").unwrap_or("SUM").to_string();
    let trees = cx.input(1).shape[0].clone();
    let walk = Walk { dtype: wide(y.dtype), x, tables, mode, aggregate };
    let start = match walk.aggregate.as_str() {
        "MIN" => f64::INFINITY,
        "MAX" => f64::NEG_INFINITY,
        _ => 0.0,
    };
    let f = &mut *cx.f;
    let (shape, width, trees) = (extents(f, &y.shape), f.sym(&walk.x.shape[walk.x.shape.len() - 1]), f.sym(&trees));
    let zero = f.int(0);
    f.for_loop("row", zero, shape[0], 1, LoopKind::Serial, |f, row| {
        let (from, features) = (f.mul(row, shape[1]), f.mul(row, width));
        let zero = f.int(0);
        f.for_loop("t", zero, shape[1], 1, LoopKind::Serial, |f, t| {
            let (at, start) = (f.add(from, t), f.scalar(Scalar::from_f64(walk.dtype, start)));
            f.store(y.buf, at, start, None);
            if let Some(hits) = hits {
                let none = f.scalar(Scalar::bool(false));
                f.store(hits, at, none, None);
            }
        });
        f.for_loop("tree", zero, trees, 1, LoopKind::Serial, |f, tree| {
            let leaf = walk.leaf(f, features, tree);
            walk.add(f, leaf, y.buf, hits, from);
        });
        f.for_loop("t", zero, shape[1], 1, LoopKind::Serial, |f, t| finish(f, &walk, &y, from, t, trees, start));
    });
    Ok(())
}

/// What is left to do for one number.
fn finish(f: &mut FuncBuilder, walk: &Walk, y: &TensorBuf, from: Value, t: Value, trees: Value, start: f64) {
    let at = f.add(from, t);
    let mut v = f.load(y.buf, at, 1, None);
    if walk.aggregate == "AVERAGE" {
        let trees = f.cast(trees, walk.dtype);
        v = f.binary(BinOp::Div, v, trees);
    }
    if start != 0.0 {
        let (none, zero) = (f.scalar(Scalar::from_f64(walk.dtype, start)), f.scalar(Scalar::from_f64(walk.dtype, 0.0)));
        let untouched = f.compare(CmpOp::Eq, v, none);
        v = f.select(untouched, zero, v);
    }
    let base = walk.float(f, 8, t);
    let v = f.add(v, base);
    f.store(y.buf, at, v, None);
}
