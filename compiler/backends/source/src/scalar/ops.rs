//! Operations of vectors as operations of their lanes.

use super::Splitter;
use crate::range::Range;
use onnxc_base::DType;
use onnxc_ir::loops::{Buf, Op, Stmt, Ty, Value, ValueDef};
use onnxc_ir::scalar::{BinOp, ReduceOp, Scalar};

impl Splitter<'_> {
    /// Computes an old value: its lanes.
    pub(super) fn compute(&mut self, v: Value) {
        let def = &self.func.values[v];
        let lanes = if self.kept.values[v] { vec![self.whole_op(def)] } else { self.lanes_of(def) };
        self.lanes[v] = lanes;
    }

    /// An operation on vectors, or a sum of products, as it is.
    fn whole_op(&mut self, def: &ValueDef) -> Value {
        let mut op = def.op.clone();
        if let Op::Get(place) = &op {
            op = Op::Get(self.place(place, 0));
        } else {
            onnxc_ir::loops::walk::map_operands(&mut op, &mut |v| self.whole(v));
        }
        self.define_whole(def.ty, op, &def.name)
    }

    fn define_whole(&mut self, ty: Ty, op: Op, name: &str) -> Value {
        let v = self.define(ty.elem, op, Range::of(ty.elem), name);
        self.out.values[v].ty = ty;
        self.stmt(Stmt::Let(v));
        v
    }

    /// An operand of what stays whole: a scalar, a vector that stays, or a splat, which is made one.
    pub(super) fn whole(&mut self, v: Value) -> Value {
        let def = &self.func.values[v];
        if def.ty.lanes == 1 || self.kept.values[v] {
            return self.one(v);
        }
        let op = Op::Splat(self.one(v));
        let key = format!("{} {op:?}", def.ty);
        if let Some(&v) = self.known.iter().rev().find_map(|m| m.get(&key)) {
            return v;
        }
        let v = self.define_whole(def.ty, op, "");
        self.known.last_mut().expect("a block is open").insert(key, v);
        v
    }

    /// Sums of products, product by product.
    fn dot(&mut self, a: Value, b: Value, c: Value) -> Vec<Value> {
        let wide = |s: &mut Self, v: Value| s.of(v).into_iter().map(|v| s.cast(v, DType::I32)).collect::<Vec<_>>();
        let (a, b, sums) = (wide(self, a), wide(self, b), self.of(c));
        let group = a.len() / sums.len();
        let product = |s: &mut Self, sum: Value, i: usize| {
            let p = s.binary(BinOp::Mul, a[i], b[i]);
            s.binary(BinOp::Add, sum, p)
        };
        let all =
            |(lane, sum): (usize, Value)| (lane * group..(lane + 1) * group).fold(sum, |c, i| product(self, c, i));
        sums.into_iter().enumerate().map(all).collect()
    }

    fn lanes_of(&mut self, def: &ValueDef) -> Vec<Value> {
        let (elem, n) = (def.ty.elem, usize::from(def.ty.lanes));
        match &def.op {
            Op::Param(_) | Op::Index | Op::Result | Op::IsNull(_) | Op::ThreadId => {
                let v = self.define(elem, def.op.clone(), Range::of(elem), &def.name);
                self.stmt(Stmt::Let(v));
                vec![v]
            }
            Op::Const(s) => vec![self.constant(*s)],
            Op::Iota => (0..n).map(|i| self.constant(Scalar::from_i64(elem, i as i64))).collect(),
            Op::Splat(a) => vec![self.one(*a); n],
            Op::Unary(op, a) => self.of(*a).into_iter().map(|a| self.unary(*op, a)).collect(),
            Op::Binary(op, a, b) => self.pairs(*a, *b, |s, a, b| s.binary(*op, a, b)),
            Op::Compare(op, a, b) => self.pairs(*a, *b, |s, a, b| s.compare(*op, a, b)),
            Op::Fma(a, b, c) => {
                let c = self.of(*c);
                let mut at = c.into_iter();
                self.pairs(*a, *b, |s, a, b| {
                    let c = at.next().expect("three operands of as many lanes");
                    s.pure(elem, Op::Fma(a, b, c), Range::of(elem))
                })
            }
            Op::Dot(a, b, c) => self.dot(*a, *b, *c),
            Op::Select(cond, a, b) => {
                let conds = self.of(*cond);
                let mut at = conds.iter().cycle().copied();
                self.pairs(*a, *b, |s, a, b| {
                    let cond = at.next().expect("there is a condition");
                    s.select(cond, a, b)
                })
            }
            Op::Cast(a) => self.of(*a).into_iter().map(|a| self.cast(a, elem)).collect(),
            Op::Bitcast(a) => self.bitcast(*a, elem, n),
            Op::Load { .. } | Op::Gather { .. } => self.loads(&def.op, n),
            Op::Get(place) => (0..n)
                .map(|lane| {
                    let place = self.place(place, lane);
                    let v = self.define(elem, Op::Get(place), Range::of(elem), &def.name);
                    self.stmt(Stmt::Let(v));
                    v
                })
                .collect(),
            Op::Extract(a, i) => vec![self.lanes[*a][usize::from(*i)]],
            Op::Reduce(op, a) => vec![self.reduce(*op, *a)],
            Op::Shuffle(a, b, pick) => {
                let both = [self.of(*a), self.of(*b)].concat();
                pick.iter().map(|&p| both[usize::from(p)]).collect()
            }
        }
    }

    /// Elements of a buffer, beside each other or not.
    fn loads(&mut self, op: &Op, n: usize) -> Vec<Value> {
        match op {
            Op::Load { buf, offset, mask } => {
                let (offset, masks) = (self.one(*offset), mask.map(|m| self.of(m)));
                let mut all = Vec::with_capacity(n);
                for i in 0..n {
                    let lane = self.int(i as i64);
                    let at = self.binary(BinOp::Add, offset, lane);
                    all.push(self.load(*buf, at, masks.as_ref().map(|m| m[i])));
                }
                all
            }
            Op::Gather { buf, offsets, mask } => {
                let (offsets, masks) = (self.of(*offsets), mask.map(|m| self.of(m)));
                let mut all = Vec::with_capacity(n);
                for (i, at) in offsets.into_iter().enumerate() {
                    let at = self.cast(at, DType::I64);
                    all.push(self.load(*buf, at, masks.as_ref().map(|m| m[i])));
                }
                all
            }
            _ => vec![],
        }
    }

    fn pairs(&mut self, a: Value, b: Value, mut f: impl FnMut(&mut Self, Value, Value) -> Value) -> Vec<Value> {
        self.of(a).into_iter().zip(self.of(b)).map(|(a, b)| f(self, a, b)).collect()
    }

    /// One element; 0 where the mask says no.
    fn load(&mut self, buf: Buf, offset: Value, mask: Option<Value>) -> Value {
        let elem = self.func.bufs[buf].dtype;
        let known = mask.and_then(|m| self.known_constant(m));
        if known.is_some_and(|m| m.bits == 0) {
            return self.constant(Scalar { dtype: elem, bits: 0 });
        }
        let mask = if known.is_some() { None } else { mask };
        let v = self.define(elem, Op::Load { buf, offset, mask }, Range::of(elem), "");
        self.stmt(Stmt::Let(v));
        v
    }

    /// Halves combined until one lane is left.
    fn reduce(&mut self, op: ReduceOp, a: Value) -> Value {
        let mut all = self.of(a);
        while all.len() > 1 {
            let high = all.split_off(all.len() / 2);
            all = all.into_iter().zip(high).map(|(x, y)| self.binary(op.binary(), x, y)).collect();
        }
        all[0]
    }

    /// The same bits in lanes of another size, the lowest first.
    fn bitcast(&mut self, a: Value, to: DType, lanes: usize) -> Vec<Value> {
        let old = self.of(a);
        let from = self.elem(old[0]);
        if from.bits() == to.bits() {
            return old.into_iter().map(|v| self.bits_as(v, to)).collect();
        }
        let (small, large) = (unsigned(from), unsigned(to));
        let old: Vec<Value> = old.into_iter().map(|v| self.bits_as(v, small)).collect();
        let new: Vec<Value> = if from.bits() < to.bits() {
            let each = old.len() / lanes;
            old.chunks(each).map(|parts| self.joined(parts, large)).collect()
        } else {
            let each = lanes / old.len();
            old.into_iter().flat_map(|v| self.parts(v, large, each)).collect()
        };
        new.into_iter().map(|v| self.bits_as(v, to)).collect()
    }

    fn joined(&mut self, parts: &[Value], to: DType) -> Value {
        let mut all = None;
        for (i, &p) in parts.iter().enumerate() {
            let bits = self.elem(p).bits() * i;
            let (wide, by) = (self.cast(p, to), self.constant(Scalar::from_i64(to, bits as i64)));
            let there = self.binary(BinOp::Shl, wide, by);
            all = Some(all.map_or(there, |x| self.binary(BinOp::Or, x, there)));
        }
        all.expect("a lane has parts")
    }

    fn parts(&mut self, v: Value, to: DType, count: usize) -> Vec<Value> {
        let from = self.elem(v);
        let part = |s: &mut Self, i: usize| {
            let by = s.constant(Scalar::from_i64(from, (to.bits() * i) as i64));
            let low = s.binary(BinOp::Shr, v, by);
            s.cast(low, to)
        };
        (0..count).map(|i| part(self, i)).collect()
    }
}

fn unsigned(d: DType) -> DType {
    match d.bits() {
        8 => DType::U8,
        16 => DType::U16,
        32 => DType::U32,
        _ => DType::U64,
    }
}
