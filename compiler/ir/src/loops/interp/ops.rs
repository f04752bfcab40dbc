//! Values: what each operation computes, and the reads and writes of memory.

use super::exec::Frame;
use super::lanes::{self, At};
use super::{Fault, Interp};
use crate::loops::*;
use crate::scalar::{eval_binary, eval_cast, eval_compare, eval_unary};
use onnxc_base::EntityRef;

/// The most lanes, and the bytes of as many 64-bit elements.
const MAX_LANES: usize = 64;

impl<'p> Interp<'p> {
    /// Where a value's lanes start.
    pub(super) fn reg(&self, f: &Frame<'p>, v: Value) -> usize {
        f.layout.values[v.index()] as usize
    }

    /// The first lane.
    pub(super) fn lane(&self, f: &Frame<'p>, v: Value) -> u64 {
        f.regs[self.reg(f, v)]
    }

    /// An i64 scalar.
    pub(super) fn int(&self, f: &Frame<'p>, v: Value) -> i64 {
        self.lane(f, v) as i64
    }

    /// Where an element of a variable starts, and how many lanes it has.
    pub(super) fn place(&self, f: &Frame<'p>, p: &Place) -> Result<(usize, usize), Box<Fault>> {
        let def = &f.func.vars[p.var];
        let mut flat = 0;
        for (&v, &dim) in p.index.iter().zip(&def.dims) {
            let i = self.int(f, v);
            if i < 0 || i >= i64::from(dim) {
                return Err(Fault::TileIndex(i).into());
            }
            flat = flat * dim as usize + i as usize;
        }
        let lanes = usize::from(def.ty.lanes);
        Ok((f.layout.vars[p.var.index()] as usize + flat * lanes, lanes))
    }

    /// Computes a value.
    pub(super) fn compute(&mut self, f: &mut Frame<'p>, v: Value) -> Result<(), Box<Fault>> {
        let def = &f.func.values[v];
        let (to, lanes) = (self.reg(f, v), usize::from(def.ty.lanes));
        let dtype = def.ty.elem;
        match &def.op {
            Op::Param(i) => f.regs[to] = f.scalars[*i as usize],
            // Constants are in the registers from the start; loops and calls set the other two.
            Op::Const(_) | Op::Index | Op::Result => {}
            Op::Iota => (0..lanes).for_each(|i| f.regs[to + i] = i as u64),
            Op::Splat(a) => {
                let bits = self.lane(f, *a);
                f.regs[to..to + lanes].fill(bits);
            }
            Op::Unary(op, a) => self.map(f, *a, to, lanes, |s| eval_unary(*op, s)),
            Op::Binary(op, a, b) => {
                let at = At { to, a: self.reg(f, *a), b: self.reg(f, *b), lanes };
                lanes::binary(&mut f.regs, *op, dtype, at);
            }
            Op::Fma(a, b, c) => {
                let at = At { to, a: self.reg(f, *a), b: self.reg(f, *b), lanes };
                let c = self.reg(f, *c);
                lanes::fma(&mut f.regs, dtype, at, c);
            }
            Op::Dot(a, b, c) => self.dot(f, (*a, *b, *c), to, lanes),
            Op::Compare(op, a, b) => self.compare(f, *op, (*a, *b), to, lanes),
            Op::Select(c, a, b) => self.select(f, *c, (*a, *b), to, lanes),
            Op::Cast(a) => self.map(f, *a, to, lanes, |s| eval_cast(s, dtype)),
            Op::Bitcast(a) => self.bitcast(f, *a, to, def.ty),
            Op::Load { buf, offset, mask } => self.load(f, (*buf, *offset, *mask), to, lanes)?,
            Op::Gather { buf, offsets, mask } => self.gather(f, (*buf, *offsets, *mask), to, lanes)?,
            Op::Get(place) => {
                let (from, lanes) = self.place(f, place)?;
                f.regs.copy_within(from..from + lanes, to);
            }
            Op::Extract(a, lane) => f.regs[to] = f.regs[self.reg(f, *a) + usize::from(*lane)],
            Op::Reduce(op, a) => f.regs[to] = self.reduce(f, *op, *a),
            Op::Shuffle(a, b, pick) => self.shuffle(f, (*a, *b), pick, to),
            Op::IsNull(b) => f.regs[to] = u64::from(f.bufs[b.index()].is_null()),
            Op::ThreadId => f.regs[to] = 0,
        }
        Ok(())
    }

    fn map(&self, f: &mut Frame<'p>, a: Value, to: usize, lanes: usize, op: impl Fn(Scalar) -> Scalar) {
        let (from, dtype) = (self.reg(f, a), f.func.values[a].ty.elem);
        for i in 0..lanes {
            f.regs[to + i] = op(Scalar { dtype, bits: f.regs[from + i] }).bits;
        }
    }

    fn dot(&self, f: &mut Frame<'p>, (a, b, c): (Value, Value, Value), to: usize, lanes: usize) {
        let narrow = |f: &Frame<'p>, v: Value, i: usize| {
            let bits = f.regs[self.reg(f, v) + i];
            Scalar { dtype: f.func.values[v].ty.elem, bits }.to_i64() as i32
        };
        let group = usize::from(f.func.values[a].ty.lanes) / lanes.max(1);
        for lane in 0..lanes {
            let mut sum = f.regs[self.reg(f, c) + lane] as i32;
            for i in lane * group..(lane + 1) * group {
                sum = sum.wrapping_add(narrow(f, a, i).wrapping_mul(narrow(f, b, i)));
            }
            f.regs[to + lane] = u64::from(sum as u32);
        }
    }

    fn compare(&self, f: &mut Frame<'p>, op: CmpOp, (a, b): (Value, Value), to: usize, lanes: usize) {
        let dtype = f.func.values[a].ty.elem;
        let (a, b) = (self.reg(f, a), self.reg(f, b));
        for i in 0..lanes {
            let (x, y) = (Scalar { dtype, bits: f.regs[a + i] }, Scalar { dtype, bits: f.regs[b + i] });
            f.regs[to + i] = u64::from(eval_compare(op, x, y));
        }
    }

    fn select(&self, f: &mut Frame<'p>, cond: Value, (a, b): (Value, Value), to: usize, lanes: usize) {
        let each = usize::from(f.func.values[cond].ty.lanes > 1);
        let (cond, a, b) = (self.reg(f, cond), self.reg(f, a), self.reg(f, b));
        for i in 0..lanes {
            f.regs[to + i] = f.regs[if f.regs[cond + i * each] != 0 { a } else { b } + i];
        }
    }

    fn bitcast(&self, f: &mut Frame<'p>, a: Value, to: usize, ty: Ty) {
        let (from, old) = (self.reg(f, a), f.func.values[a].ty);
        let mut bytes = [0u8; 8 * MAX_LANES];
        lanes::write(&f.regs[from..from + usize::from(old.lanes)], old.elem.size(), &mut bytes);
        lanes::read(&mut f.regs[to..to + usize::from(ty.lanes)], ty.elem.size(), &bytes);
    }

    fn reduce(&self, f: &Frame<'p>, op: ReduceOp, a: Value) -> u64 {
        let (from, ty) = (self.reg(f, a), f.func.values[a].ty);
        let (mut n, mut tree) = (usize::from(ty.lanes), [0u64; MAX_LANES]);
        tree[..n].copy_from_slice(&f.regs[from..from + n]);
        let scalar = |bits| Scalar { dtype: ty.elem, bits };
        while n > 1 {
            n /= 2;
            (0..n).for_each(|i| tree[i] = eval_binary(op.binary(), scalar(tree[i]), scalar(tree[i + n])).bits);
        }
        tree[0]
    }

    fn shuffle(&self, f: &mut Frame<'p>, (a, b): (Value, Value), pick: &[u16], to: usize) {
        let lanes = usize::from(f.func.values[a].ty.lanes);
        let (a, b) = (self.reg(f, a), self.reg(f, b));
        for (i, &p) in pick.iter().enumerate() {
            let p = usize::from(p);
            f.regs[to + i] = f.regs[if p < lanes { a + p } else { b + p - lanes }];
        }
    }

    /// Is the lane to be read or written?
    fn masked_in(&self, f: &Frame<'p>, mask: Option<Value>, lane: usize) -> bool {
        mask.is_none_or(|m| f.regs[self.reg(f, m) + lane] != 0)
    }

    /// Are all lanes to be read or written? Then it is done at once.
    fn all_in(&self, f: &Frame<'p>, mask: Option<Value>, lanes: usize) -> bool {
        mask.is_none_or(|m| f.regs[self.reg(f, m)..][..lanes].iter().all(|&b| b != 0))
    }

    fn load(
        &mut self,
        f: &mut Frame<'p>,
        (buf, offset, mask): (Buf, Value, Option<Value>),
        to: usize,
        lanes: usize,
    ) -> Result<(), Box<Fault>> {
        let (ptr, size, at) = (f.bufs[buf.index()], f.func.bufs[buf].dtype.size(), self.int(f, offset));
        if self.all_in(f, mask, lanes) {
            let bytes = self.mem.bytes(ptr, at, size, size * lanes)?;
            lanes::read(&mut f.regs[to..to + lanes], size, bytes);
            return Ok(());
        }
        for i in 0..lanes {
            f.regs[to + i] = 0;
            if self.masked_in(f, mask, i) {
                let bytes = self.mem.bytes(ptr, at.saturating_add(i as i64), size, size)?;
                lanes::read(&mut f.regs[to + i..=to + i], size, bytes);
            }
        }
        Ok(())
    }

    fn gather(
        &mut self,
        f: &mut Frame<'p>,
        (buf, offsets, mask): (Buf, Value, Option<Value>),
        to: usize,
        lanes: usize,
    ) -> Result<(), Box<Fault>> {
        let (ptr, size) = (f.bufs[buf.index()], f.func.bufs[buf].dtype.size());
        for i in 0..lanes {
            let mut read = 0;
            if self.masked_in(f, mask, i) {
                let bytes = self.mem.bytes(ptr, self.offset(f, offsets, i), size, size)?;
                lanes::read(std::slice::from_mut(&mut read), size, bytes);
            }
            f.regs[to + i] = read;
        }
        Ok(())
    }

    /// A lane of i64 or i32 offsets.
    fn offset(&self, f: &Frame<'p>, offsets: Value, lane: usize) -> i64 {
        Scalar { dtype: f.func.values[offsets].ty.elem, bits: f.regs[self.reg(f, offsets) + lane] }.to_i64()
    }

    pub(super) fn store(
        &mut self,
        f: &Frame<'p>,
        buf: Buf,
        offset: Value,
        value: Value,
        mask: Option<Value>,
    ) -> Result<(), Box<Fault>> {
        let (ptr, size, at) = (f.bufs[buf.index()], f.func.bufs[buf].dtype.size(), self.int(f, offset));
        let (from, lanes) = (self.reg(f, value), usize::from(f.func.values[value].ty.lanes));
        if self.all_in(f, mask, lanes) {
            lanes::write(&f.regs[from..from + lanes], size, self.mem.bytes_mut(ptr, at, size, size * lanes)?);
            return Ok(());
        }
        for i in 0..lanes {
            if self.masked_in(f, mask, i) {
                let bytes = self.mem.bytes_mut(ptr, at.saturating_add(i as i64), size, size)?;
                lanes::write(&f.regs[from + i..=from + i], size, bytes);
            }
        }
        Ok(())
    }

    pub(super) fn scatter(
        &mut self,
        f: &Frame<'p>,
        buf: Buf,
        offsets: Value,
        value: Value,
        mask: Option<Value>,
    ) -> Result<(), Box<Fault>> {
        let (ptr, size) = (f.bufs[buf.index()], f.func.bufs[buf].dtype.size());
        let (from, lanes) = (self.reg(f, value), usize::from(f.func.values[value].ty.lanes));
        for i in 0..lanes {
            if self.masked_in(f, mask, i) {
                let at = self.offset(f, offsets, i);
                lanes::write(&f.regs[from + i..=from + i], size, self.mem.bytes_mut(ptr, at, size, size)?);
            }
        }
        Ok(())
    }
}
