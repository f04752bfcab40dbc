//! Compress, NonZero, Unique: as many elements as the data says.
//!
//! Versions differ in dtypes. Their outputs' extents are known when they have run; the number of elements of the input
//! bounds them.

use super::complex::part_of;
use super::elementwise::{Class, tensor, tensor_of};
use super::heap;
use super::movement::*;
use super::routines::*;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::graph::TensorType;
use onnxc_ir::loops::{Buf, FuncBuilder, Ty, Value, Var};

/// Compress.
pub static COMPRESS: OpDef = OpDef {
    domain: "",
    name: "Compress",
    versions: &[(9, import_axis), (11, import_axis), (28, import_axis)],
    infer: infer_compress,
    lower: Lower::Routine(lower_compress),
    extents: None,
};

/// NonZero.
pub static NON_ZERO: OpDef = OpDef {
    domain: "",
    name: "NonZero",
    versions: &[(9, none), (13, none)],
    infer: infer_non_zero,
    lower: Lower::Routine(lower_non_zero),
    extents: None,
};

/// Unique.
pub static UNIQUE: OpDef = OpDef {
    domain: "",
    name: "Unique",
    versions: &[(11, import_unique), (28, import_unique)],
    infer: infer_unique,
    lower: Lower::Routine(lower_unique),
    extents: None,
};

/// `axis` is there only if the file has it.
fn import_axis(n: &mut NodeReader) -> Result<Attrs> {
    let axis = n.opt_int("axis")?;
    Ok(axis.map_or_else(Attrs::default, |a| Attrs::default().with("axis", Attr::Int(a))))
}

fn import_unique(n: &mut NodeReader) -> Result<Attrs> {
    let sorted = n.int("sorted", 1)?;
    Ok(import_axis(n)?.with("sorted", Attr::Int(sorted)))
}

/// A tensor as rows along an axis: extents before, along and behind it. Without axis, each element is a row.
struct Rows {
    outer: Sym,
    count: Sym,
    inner: Sym,
    axis: Option<usize>,
}

fn rows(attrs: &Attrs, shape: &[Sym]) -> Rows {
    match attrs.int("axis") {
        Some(a) => {
            let a = a.rem_euclid(shape.len().max(1) as i64) as usize;
            let (outer, inner) = (product(&shape[..a]), product(&shape[a + 1..]));
            Rows { outer, count: shape[a].clone(), inner, axis: Some(a) }
        }
        None => Rows { outer: Sym::int(1), count: product(shape), inner: Sym::int(1), axis: None },
    }
}

fn checked_rows(cx: &InferCx, shape: &[Sym]) -> Result<Rows> {
    if let Some(a) = cx.attrs().int("axis") {
        cx.axis(a, shape.len())?;
    }
    Ok(rows(cx.attrs(), shape))
}

/// The shape with `n` rows.
fn with_rows(shape: &[Sym], axis: Option<usize>, n: &Sym) -> Vec<Sym> {
    let Some(axis) = axis else { return vec![n.clone()] };
    let mut shape = shape.to_vec();
    shape[axis] = n.clone();
    shape
}

fn infer_compress(cx: &mut InferCx) -> Result<()> {
    let (x, chosen) = (any(cx, 0)?, tensor_of(cx, 1, DType::Bool)?);
    let r = checked_rows(cx, &x.shape)?;
    if chosen.rank() != 1 {
        return Err(cx.error("E2005", format!("the condition has rank {}", chosen.rank())).expected("rank 1"));
    }
    if cx.ranges().prove_le(&chosen.shape[0], &r.count) == Some(false) {
        let found = format!("there are {} conditions for {} rows", chosen.shape[0], r.count);
        return Err(cx.error("E2003", found).expected("no more conditions than rows"));
    }
    let n = cx.fresh_result(0, "chosen", 0, Some(Sym::min(&r.count, &chosen.shape[0])));
    cx.set_tensor(0, x.dtype, with_rows(&x.shape, r.axis, &n));
    Ok(())
}

/// Adds 1 to a variable.
fn increase(f: &mut FuncBuilder, var: Var) {
    let (v, one) = (f.get(var, &[]), f.int(1));
    let next = f.add(v, one);
    f.set(var, &[], next);
}

fn counter(f: &mut FuncBuilder, name: &str) -> Var {
    let var = f.var(Ty::I64, &[], name);
    let zero = f.int(0);
    f.set(var, &[], zero);
    var
}

/// Is an element of any dtype other than 0?
fn is_set(f: &mut FuncBuilder, t: &TensorBuf, at: Value) -> Value {
    let v = load_wide(f, t.buf, t.dtype, at);
    f.cast(v, DType::Bool)
}

/// Copies a row of a tensor to a row of another that has `to.1` rows.
fn copy_row(f: &mut FuncBuilder, outer: Value, inner: Value, from: (Buf, Value, Value), to: (Buf, Value, Value)) {
    nest(f, &[outer], &mut |f, o| {
        let [from, to] = [from, to].map(|(buf, count, row)| {
            let at = f.mul(o[0], count);
            let at = f.add(at, row);
            (buf, f.mul(at, inner))
        });
        copy(f, from, to, inner);
    });
}

fn lower_compress(cx: &mut RoutineCx) -> Result<()> {
    let (x, chosen, y) = (cx.input(0), cx.input(1), cx.output(0));
    let r = rows(cx.attrs(), &x.shape);
    let f = &mut *cx.f;
    let limit = f.sym(&Sym::min(&r.count, &chosen.shape[0]));
    let found = counter(f, "found");
    nest(f, &[limit], &mut |f, i| {
        let yes = is_set(f, &chosen, i[0]);
        f.if_else(yes, |f| increase(f, found), |_| {});
    });
    let n = f.get(found, &[]);
    let (outer, count, inner) = (f.sym(&r.outer), f.sym(&r.count), f.sym(&r.inner));
    let next = counter(f, "next");
    nest(f, &[limit], &mut |f, i| {
        let yes = is_set(f, &chosen, i[0]);
        f.if_else(
            yes,
            |f| {
                let to = f.get(next, &[]);
                copy_row(f, outer, inner, (x.buf, count, i[0]), (y.buf, n, to));
                increase(f, next);
            },
            |_| {},
        );
    });
    cx.define_result(0, n);
    Ok(())
}

/// Input 0, also of complex numbers: those are what a pass makes of their parts.
fn comparable(cx: &InferCx) -> Result<TensorType> {
    let complex = part_of(cx.input_type(0)?.dtype).is_some();
    tensor(cx, 0, if complex { Class::Any } else { Class::Comparable })
}

fn infer_non_zero(cx: &mut InferCx) -> Result<()> {
    let x = comparable(cx)?;
    let n = cx.fresh_result(0, "nonzero", 0, Some(product(&x.shape)));
    cx.set_tensor(0, DType::I64, vec![Sym::int(x.rank().max(1) as i64), n]);
    Ok(())
}

fn lower_non_zero(cx: &mut RoutineCx) -> Result<()> {
    let (x, y) = (cx.input(0), cx.output(0));
    // A scalar is a list of one element.
    let shape = if x.shape.is_empty() { vec![Sym::int(1)] } else { x.shape.clone() };
    let f = &mut *cx.f;
    let (dims, count) = (extents(f, &shape), f.sym(&product(&shape)));
    let found = counter(f, "found");
    nest(f, &[count], &mut |f, i| {
        let yes = is_set(f, &x, i[0]);
        f.if_else(yes, |f| increase(f, found), |_| {});
    });
    let n = f.get(found, &[]);
    let next = counter(f, "next");
    nest(f, &dims.clone(), &mut |f, i| {
        let at = offset(f, &dims, i);
        let yes = is_set(f, &x, at);
        f.if_else(
            yes,
            |f| {
                let column = f.get(next, &[]);
                for (k, &i) in i.iter().enumerate() {
                    let k = f.int(k as i64);
                    let row = f.mul(k, n);
                    let at = f.add(row, column);
                    f.store(y.buf, at, i, None);
                }
                increase(f, next);
            },
            |_| {},
        );
    });
    cx.define_result(0, n);
    Ok(())
}

fn infer_unique(cx: &mut InferCx) -> Result<()> {
    let x = comparable(cx)?;
    let r = checked_rows(cx, &x.shape)?;
    let n = cx.fresh_result(0, "unique", 0, Some(r.count.clone()));
    cx.set_tensor(0, x.dtype, with_rows(&x.shape, r.axis, &n));
    cx.set_tensor(1, DType::I64, vec![n.clone()]);
    cx.set_tensor(2, DType::I64, vec![r.count]);
    cx.set_tensor(3, DType::I64, vec![n]);
    Ok(())
}

/// The rows of a tensor while duplicates are looked for.
struct Search {
    x: TensorBuf,
    outer: Value,
    count: Value,
    inner: Value,
    /// All rows in order.
    order: Buf,
    /// For each row the first one that equals it; for each such, its number.
    leader: Buf,
    number: Buf,
}

/// Sorts the rows, finds the first of each kind, numbers the kinds, then writes the outputs.
fn lower_unique(cx: &mut RoutineCx) -> Result<()> {
    let x = cx.input(0);
    let r = rows(cx.attrs(), &x.shape);
    let [order, leader, number] = ["order", "leader", "number"].map(|n| cx.scratch(n, DType::I64, r.count.clone()));
    let outputs: Vec<TensorBuf> = (0..cx.node().outputs.len()).map(|i| cx.output(i)).collect();
    let sorted = cx.attrs().int("sorted") != Some(0);
    let f = &mut *cx.f;
    let (outer, count, inner) = (f.sym(&r.outer), f.sym(&r.count), f.sym(&r.inner));
    let s = Search { x, outer, count, inner, order, leader, number };
    let found = counter(f, "found");
    s.sort(f);
    s.find_leaders(f, sorted.then_some(found));
    if !sorted {
        nest(f, &[count], &mut |f, i| {
            let first = f.load(leader, i[0], 1, None);
            let own = f.compare(CmpOp::Eq, first, i[0]);
            f.if_else(own, |f| s.give_number(f, i[0], found), |_| {});
        });
    }
    let n = f.get(found, &[]);
    s.write(f, n, &outputs);
    cx.define_result(0, n);
    Ok(())
}

impl Search {
    /// Compares two rows by an operation at the first place where they differ; `false` if there is none.
    fn differ(&self, f: &mut FuncBuilder, op: CmpOp, a: Value, b: Value) -> Value {
        let (less, known) = (f.var(Ty::BOOL, &[], "less"), f.var(Ty::BOOL, &[], "known"));
        let no = f.scalar(Scalar::bool(false));
        f.set(less, &[], no);
        f.set(known, &[], no);
        nest(f, &[self.outer, self.inner], &mut |f, at| {
            let [p, q] = [a, b].map(|row| {
                let i = f.mul(at[0], self.count);
                let i = f.add(i, row);
                let i = f.mul(i, self.inner);
                let i = f.add(i, at[1]);
                let v = load_wide(f, self.x.buf, self.x.dtype, i);
                // Bools have no order of their own.
                if self.x.dtype == DType::Bool { f.cast(v, DType::U8) } else { v }
            });
            let differ = f.compare(CmpOp::Ne, p, q);
            let known_now = f.get(known, &[]);
            let open = f.unary(UnOp::Not, known_now);
            let first = f.binary(BinOp::And, differ, open);
            let here = f.compare(op, p, q);
            let before = f.get(less, &[]);
            let v = f.select(first, here, before);
            f.set(less, &[], v);
            let v = f.binary(BinOp::Or, known_now, differ);
            f.set(known, &[], v);
            heap::stop_if(f, v);
        });
        f.get(less, &[])
    }

    /// Sorts the rows; equal ones by rising index. A heap that is emptied leaves its indices in reverse.
    fn sort(&self, f: &mut FuncBuilder) {
        let before = |f: &mut FuncBuilder, a: Value, b: Value| {
            let (less, more) = (self.differ(f, CmpOp::Lt, a, b), self.differ(f, CmpOp::Gt, a, b));
            let earlier = f.compare(CmpOp::Lt, a, b);
            let no_more = f.unary(UnOp::Not, more);
            let tie = f.binary(BinOp::And, earlier, no_more);
            f.binary(BinOp::Or, less, tie)
        };
        nest(f, &[self.count], &mut |f, i| f.store(self.order, i[0], i[0], None));
        heap::build(f, self.order, self.count, &before);
        nest(f, &[self.count], &mut |f, i| {
            let left = f.sub(self.count, i[0]);
            heap::pop(f, self.order, left, &before);
        });
    }

    /// Finds the first of equal rows; numbers the kinds as they come, if there is a counter.
    fn find_leaders(&self, f: &mut FuncBuilder, found: Option<Var>) {
        let leader = counter(f, "leader");
        nest(f, &[self.count], &mut |f, i| {
            let (one, zero) = (f.int(1), f.int(0));
            let left = f.sub(self.count, i[0]);
            let at = f.sub(left, one);
            let row = f.load(self.order, at, 1, None);
            let start = f.compare(CmpOp::Eq, i[0], zero);
            let previous = f.get(leader, &[]);
            let other = self.differ(f, CmpOp::Ne, previous, row);
            let new = f.binary(BinOp::Or, start, other);
            let first = f.select(new, row, previous);
            f.set(leader, &[], first);
            f.store(self.leader, row, first, None);
            if let Some(found) = found {
                f.if_else(new, |f| self.give_number(f, row, found), |_| {});
            }
        });
    }

    fn give_number(&self, f: &mut FuncBuilder, row: Value, found: Var) {
        let n = f.get(found, &[]);
        f.store(self.number, row, n, None);
        increase(f, found);
    }

    /// Outputs: rows, first indices, inverse, counts; those that the node has.
    fn write(&self, f: &mut FuncBuilder, n: Value, outputs: &[TensorBuf]) {
        if let Some(counts) = outputs.get(3) {
            let zero = f.int(0);
            nest(f, &[n], &mut |f, i| f.store(counts.buf, i[0], zero, None));
        }
        nest(f, &[self.count], &mut |f, i| {
            let leader = f.load(self.leader, i[0], 1, None);
            let kind = f.load(self.number, leader, 1, None);
            let own = f.compare(CmpOp::Eq, leader, i[0]);
            f.if_else(
                own,
                |f| {
                    copy_row(f, self.outer, self.inner, (self.x.buf, self.count, i[0]), (outputs[0].buf, n, kind));
                    if let Some(first) = outputs.get(1) {
                        f.store(first.buf, kind, i[0], None);
                    }
                },
                |_| {},
            );
            if let Some(inverse) = outputs.get(2) {
                f.store(inverse.buf, i[0], kind, None);
            }
            if let Some(counts) = outputs.get(3) {
                let (old, one) = (f.load(counts.buf, kind, 1, None), f.int(1));
                let new = f.add(old, one);
                f.store(counts.buf, kind, new, None);
            }
        });
    }
}

/// Unique of strings, whose order is in the strings: the runtime's.
pub(crate) fn expand_unique(cx: &mut RuntimeCx) -> Result<()> {
    let (axis, sorted) = (cx.attrs().int("axis"), cx.attrs().int("sorted").unwrap_or(1));
    let x = cx.handle(0);
    let numbers = [axis.unwrap_or(0), i64::from(axis.is_some()), sorted].map(crate::handles::Operand::Int);
    let all = cx.call("unique", &[&[x], &numbers[..]].concat());
    cx.set_items(all);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("compress");
    }
}
