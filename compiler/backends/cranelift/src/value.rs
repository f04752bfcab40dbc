//! `Stmt::Let`: one operation to CLIF, packed chunks where there are instructions for them, else lane by lane.

use crate::func::Translator;
use crate::rep::{Rep, chunk_type, int_type, scalar_type};
use cranelift_codegen::ir::{self, InstBuilder, types};
use onnxc_base::DType;
use onnxc_ir::loops::{Op, ReduceOp, Scalar, Ty, UnOp, Value};

impl Translator<'_, '_> {
    /// Computes a value.
    pub fn value(&mut self, v: Value) {
        let def = &self.func.values[v];
        let ty = def.ty;
        if scalar_type(ty.elem).is_none() {
            self.fail(format!("value {v} is of type {ty}, which no register holds"));
            return;
        }
        let rep = match &def.op {
            Op::Param(i) => match self.params.get(*i as usize) {
                Some(&p) => Rep::scalar(p),
                None => return self.fail(format!("parameter {i} isn't there")),
            },
            // Defined by their loop and their call.
            Op::Index | Op::Result => return,
            Op::Const(s) => Rep::scalar(self.const_scalar(*s)),
            Op::Iota => {
                let lanes = (0..ty.lanes).map(|i| self.const_scalar(Scalar::from_i64(ty.elem, i64::from(i)))).collect();
                self.with_lanes(ty, lanes)
            }
            Op::Splat(a) => self.splat(*a, ty),
            Op::Unary(op, a) => self.unary(*op, *a, ty),
            Op::Binary(op, a, b) => self.binary(*op, *a, *b, ty),
            Op::Fma(a, b, c) => self.fma(*a, *b, *c, ty),
            Op::Dot(a, b, c) => self.dot(*a, *b, *c, ty),
            Op::Compare(op, a, b) => self.compare(*op, *a, *b),
            Op::Select(c, a, b) => self.select(*c, *a, *b, ty),
            Op::Cast(a) => {
                let from = self.func.values[*a].ty;
                let rep = self.rep(*a);
                self.cast(&rep, from, ty.elem)
            }
            Op::Bitcast(a) => self.bitcast(*a, ty),
            Op::Load { buf, offset, mask } => self.load(ty, *buf, *offset, *mask),
            Op::Gather { buf, offsets, mask } => self.gather(ty, *buf, *offsets, *mask),
            Op::Get(place) => self.get(place),
            Op::Extract(a, i) => {
                let (rep, elem) = (self.rep(*a), ty.elem);
                Rep::scalar(self.lane(&rep, elem, usize::from(*i)))
            }
            Op::Reduce(op, a) => self.reduce(*op, *a),
            Op::Shuffle(a, b, pick) => self.shuffle(*a, *b, pick, ty),
            Op::IsNull(buf) => self.is_null(*buf),
            Op::ThreadId => Rep::scalar(self.int(types::I64, 0)),
        };
        self.define(v, rep);
    }

    /// A scalar constant.
    pub fn const_scalar(&mut self, s: Scalar) -> ir::Value {
        match s.dtype {
            DType::F32 => self.b.ins().f32const(f32::from_bits(s.bits as u32)),
            DType::F64 => self.b.ins().f64const(f64::from_bits(s.bits)),
            d => self.int(scalar_type(d).unwrap_or(types::I64), s.bits as i64),
        }
    }

    fn splat(&mut self, a: Value, ty: Ty) -> Rep {
        let v = self.scalar(a);
        // A bool stays a list of equal scalars: how wide its mask must be shows where it is used.
        let width = if ty.elem == DType::Bool { 0 } else { self.width(ty) };
        if width == 0 {
            return Rep::scalars(vec![v; usize::from(ty.lanes)]);
        }
        let chunk = self.part_type(ty).unwrap_or(types::I64X2);
        let v = self.b.ins().splat(chunk, v);
        Rep::packed(width, vec![v; crate::rep::part_count(ty.lanes, width)])
    }

    fn unary(&mut self, op: UnOp, a: Value, ty: Ty) -> Rep {
        let rep = self.rep(a);
        if op.is_math() {
            self.fail(format!("'{}' was not expanded into simpler operations", op.name()));
            return rep;
        }
        let width = rep.width;
        if ty.elem == DType::Bool && op == UnOp::Not {
            let parts = rep.parts.iter().map(|&p| self.bool_not(p, width)).collect();
            return Rep { width, parts };
        }
        let parts = rep.parts.iter().map(|&p| self.unary_part(op, ty.elem, p)).collect();
        Rep { width, parts }
    }

    fn fma(&mut self, a: Value, b: Value, c: Value, ty: Ty) -> Rep {
        if !self.cx.has_fma {
            self.fail("a fused multiply-add for a processor without that instruction");
            return self.zeros(ty);
        }
        let (a, b, c) = (self.rep(a), self.rep(b), self.rep(c));
        let parts = (0..a.parts.len()).map(|i| self.b.ins().fma(a.parts[i], b.parts[i], c.parts[i])).collect();
        Rep { width: a.width, parts }
    }

    /// Lane by lane: no schedule for this backend asks for sums of products.
    fn dot(&mut self, a: Value, b: Value, c: Value, ty: Ty) -> Rep {
        let [a, b] = [a, b].map(|v| {
            let ty = self.func.values[v].ty;
            let rep = self.rep(v);
            let wide = |t: &mut Self, lane: ir::Value| match ty.elem.is_signed_int() {
                true => t.b.ins().sextend(types::I32, lane),
                false => t.b.ins().uextend(types::I32, lane),
            };
            self.lanes(&rep, ty).into_iter().map(|lane| wide(self, lane)).collect::<Vec<_>>()
        });
        let c = self.rep(c);
        let mut sums = self.lanes(&c, ty);
        let group = a.len() / sums.len().max(1);
        for (i, (x, y)) in a.into_iter().zip(b).enumerate() {
            let product = self.b.ins().imul(x, y);
            sums[i / group] = self.b.ins().iadd(sums[i / group], product);
        }
        self.with_lanes(ty, sums)
    }

    /// True if `select(cond, a, b)` is `a`: a load that gives 0 wherever the same mask is unset, and `b` is 0.
    fn selects_masked_load(&self, cond: Value, a: Value, b: Value) -> bool {
        let values = &self.func.values;
        let masked = match &values[a].op {
            Op::Load { mask, .. } | Op::Gather { mask, .. } => *mask == Some(cond),
            _ => false,
        };
        let scalar = match values[b].op {
            Op::Splat(s) => s,
            _ => b,
        };
        masked && matches!(values[scalar].op, Op::Const(s) if s.bits == 0)
    }

    fn select(&mut self, cond: Value, a: Value, b: Value, ty: Ty) -> Rep {
        if self.selects_masked_load(cond, a, b) {
            return self.rep(a);
        }
        let scalar_cond = self.func.values[cond].ty.lanes == 1;
        let c = self.rep(cond);
        let (a, b) = (self.rep(a), self.rep(b));
        if ty.elem == DType::Bool {
            return self.select_bools(&c, scalar_cond, &a, &b, ty);
        }
        let width = self.width(ty);
        if scalar_cond {
            let parts = a.parts.iter().zip(&b.parts).map(|(&x, &y)| self.b.ins().select(c.one(), x, y)).collect();
            return Rep { width, parts };
        }
        if width == 0 {
            let c = self.mask_lanes(&c, ty.lanes);
            let parts = (0..c.len()).map(|i| self.b.ins().select(c[i], a.parts[i], b.parts[i])).collect();
            return Rep::scalars(parts);
        }
        let c = self.mask_of_width(&c, ty.lanes, width);
        let chunk = self.part_type(ty).unwrap_or(types::I64X2);
        let parts = (0..c.parts.len())
            .map(|i| {
                let m = self.recast(chunk, c.parts[i]);
                self.b.ins().bitselect(m, a.parts[i], b.parts[i])
            })
            .collect();
        Rep::packed(width, parts)
    }

    /// Bool operands may be in different forms: lane by lane, unless all are masks of one width.
    fn select_bools(&mut self, c: &Rep, scalar_cond: bool, a: &Rep, b: &Rep, ty: Ty) -> Rep {
        let n = usize::from(ty.lanes);
        if !scalar_cond && c.width != 0 {
            let (a, b) = (self.mask_of_width(a, ty.lanes, c.width), self.mask_of_width(b, ty.lanes, c.width));
            let parts =
                (0..c.parts.len()).map(|i| self.b.ins().bitselect(c.parts[i], a.parts[i], b.parts[i])).collect();
            return Rep::packed(c.width, parts);
        }
        let cond = if scalar_cond { vec![c.one(); n] } else { c.parts.clone() };
        let (a, b) = (self.mask_lanes(a, ty.lanes), self.mask_lanes(b, ty.lanes));
        Rep::scalars((0..n).map(|i| self.b.ins().select(cond[i], a[i], b[i])).collect())
    }

    fn bitcast(&mut self, a: Value, ty: Ty) -> Rep {
        let from = self.func.values[a].ty;
        if from.elem == DType::Bool || ty.elem == DType::Bool {
            self.fail(format!("bool has no bits of its own: a bitcast from {from} to {ty}"));
            return self.zeros(ty);
        }
        let rep = self.rep(a);
        let part = self.part_type(ty).unwrap_or(types::I64);
        let width = self.width(ty);
        if width != 0 || from.lanes == ty.lanes {
            let parts = rep.parts.iter().map(|&p| self.recast(part, p)).collect();
            return Rep { width, parts };
        }
        // At most 64 bits in scalars of another size: through one integer, the first lane lowest.
        let bits = from.elem.bits() as u32;
        let mut whole = self.int(types::I64, 0);
        for (i, &p) in rep.parts.iter().enumerate() {
            let int = self.recast(int_type(bits), p);
            let wide = if bits < 64 { self.b.ins().uextend(types::I64, int) } else { int };
            let by = self.int(types::I64, i64::from(bits) * i as i64);
            let moved = self.b.ins().ishl(wide, by);
            whole = self.b.ins().bor(whole, moved);
        }
        let bits = part.bits();
        let parts = (0..i64::from(ty.lanes))
            .map(|i| {
                let by = self.int(types::I64, i64::from(bits) * i);
                let moved = self.b.ins().ushr(whole, by);
                let int = if bits < 64 { self.b.ins().ireduce(int_type(bits), moved) } else { moved };
                self.recast(part, int)
            })
            .collect();
        Rep::scalars(parts)
    }

    /// Halves combined lane-wise until one lane is left; chunks as long as there is more than one.
    fn reduce(&mut self, op: ReduceOp, a: Value) -> Rep {
        let ty = self.func.values[a].ty;
        let rep = self.rep(a);
        let mut width = rep.width;
        let mut parts = rep.parts;
        let mut lanes = ty.lanes;
        loop {
            if parts.len() == 1 && width != 0 {
                let one_chunk = Rep::packed(width, parts);
                parts = (0..usize::from(lanes)).map(|i| self.lane(&one_chunk, ty.elem, i)).collect();
                width = 0;
            }
            if parts.len() == 1 {
                return Rep::scalar(parts[0]);
            }
            let half = parts.len() / 2;
            lanes /= 2;
            let part_ty = self.part(ty.elem, width);
            parts = (0..half)
                .map(|i| self.binary_part(op.binary(), part_ty, width, parts[i], parts[i + half], None))
                .collect();
        }
    }

    fn shuffle(&mut self, a: Value, b: Value, pick: &[u16], ty: Ty) -> Rep {
        let from = self.func.values[a].ty;
        let (a, b) = (self.rep(a), self.rep(b));
        let (a, b) = (self.canonical(a, from), self.canonical(b, from));
        let width = self.width(ty);
        if a.width == 0 || width == 0 {
            let mut all = self.lanes(&a, from);
            all.extend(self.lanes(&b, from));
            let lanes = pick.iter().map(|&i| all[usize::from(i)]).collect();
            return self.with_lanes(ty, lanes);
        }
        let sources: Vec<ir::Value> = a.parts.iter().chain(&b.parts).copied().collect();
        let per = 128 / width as usize;
        let chunk =
            if ty.elem == DType::Bool { types::I8X16 } else { chunk_type(scalar_type(ty.elem).unwrap_or(types::I64)) };
        let parts =
            pick.chunks(per).map(|lanes| self.shuffle_chunk(&sources, lanes, width as usize / 8, chunk)).collect();
        Rep::packed(width, parts)
    }

    /// One chunk of picked lanes: a byte shuffle of two sources at a time, later pairs merged in.
    fn shuffle_chunk(&mut self, sources: &[ir::Value], pick: &[u16], bytes: usize, chunk: ir::Type) -> ir::Value {
        let per = pick.len();
        let mut used: Vec<usize> = pick.iter().map(|&i| usize::from(i) / per).collect();
        used.sort_unstable();
        used.dedup();
        let first = used[0];
        let second = used.get(1).copied().unwrap_or(first);
        let mask: Vec<u8> = pick
            .iter()
            .flat_map(|&lane| {
                let base = if usize::from(lane) / per == first { 0 } else { 16 };
                (0..bytes).map(move |b| base + ((usize::from(lane) % per) * bytes + b) as u8)
            })
            .collect();
        let mut acc = self.shuffle_bytes(sources[first], sources[second], &mask);
        for &source in used.iter().skip(2) {
            // Lanes of this source replace what stands in their place; the others stay.
            let mask: Vec<u8> = pick
                .iter()
                .enumerate()
                .flat_map(|(i, &lane)| {
                    let here = usize::from(lane) / per == source;
                    let start = if here { 16 + (usize::from(lane) % per) * bytes } else { i * bytes };
                    (start..start + bytes).map(|b| b as u8)
                })
                .collect();
            acc = self.shuffle_bytes(acc, sources[source], &mask);
        }
        self.recast(chunk, acc)
    }
}
