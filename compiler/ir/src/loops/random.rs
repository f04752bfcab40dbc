//! Random programs that pass the verifier: every operation and statement, with accesses in bounds. For tests of
//! whatever reads loops IR (feature `random`).
//!
//! NaNs may turn up with any bits, but never reach anything that isn't a float: compare floats accordingly.

use super::verify::Stage;
use super::*;

/// Elements of each buffer of [`program`].
pub const SIZE: i64 = 64;

/// Decisions, one number after the other; zeros when they run out.
struct Dice<'a>(std::slice::Iter<'a, u32>);

impl Dice<'_> {
    fn roll(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |&v| v as usize % n.max(1))
    }
    fn more(&self) -> bool {
        self.0.len() > 0
    }
}

struct Gen<'a> {
    b: FuncBuilder,
    dice: Dice<'a>,
    /// Values in scope.
    pool: Vec<Value>,
    x: Buf,
    y: Buf,
    tile: Var,
    in_loop: bool,
    depth: u32,
    stage: Stage,
}

const ELEMS: [DType; 6] = [DType::F32, DType::I64, DType::I32, DType::F64, DType::U8, DType::Bool];

/// A program whose last function is `@f(x: const f32*, y: f32*, n: i64, d: f64) -> i64`, for any `n` and `d` and
/// buffers of [`SIZE`] elements. Any decisions give one; fewer and smaller numbers give a simpler one. `stage` says what
/// must be absent.
pub fn program(decisions: &[u32], stage: Stage) -> Program {
    let mut p = Program { name: "random".into(), ..Program::default() };
    let bytes: Vec<u8> = (0..SIZE).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let table = p.consts.push(ConstData { name: "table".into(), dtype: DType::F32, data: bytes.into() });
    let mut helper = FuncBuilder::new("helper");
    let a = helper.param("a", DType::I64);
    let one = helper.int(1);
    let r = helper.add(a, one);
    helper.stmt(Stmt::Return(Some(r)));
    helper.func.ret = Some(Ty::I64);
    p.funcs.push(helper.finish());

    let mut b = FuncBuilder::new("f");
    let x = b.param_buf("x", DType::F32, false);
    let y = b.param_buf("y", DType::F32, true);
    let (n, d) = (b.param("n", DType::I64), b.param("d", DType::F64));
    b.buf(DType::F32, BufKind::Const(table), "table");
    b.buf(DType::I32, BufKind::Stack(SIZE as u32), "");
    let tile = b.var(Ty::vector(DType::F32, 4), &[2, 3], "x");
    let mut g = Gen { b, dice: Dice(decisions.iter()), pool: vec![n, d], x, y, tile, in_loop: false, depth: 0, stage };
    while g.dice.more() {
        g.statement();
    }
    let r = g.get(Ty::I64);
    g.b.stmt(Stmt::Return(Some(r)));
    g.b.func.ret = Some(Ty::I64);
    p.funcs.push(g.b.finish());
    p
}

impl Gen<'_> {
    /// A value of a type: one in scope, or a new one.
    fn get(&mut self, ty: Ty) -> Value {
        let fits: Vec<Value> = self.pool.iter().copied().filter(|&v| self.b.ty(v) == ty).collect();
        if !fits.is_empty() && self.dice.roll(4) > 0 {
            return fits[self.dice.roll(fits.len())];
        }
        let bits = self.dice.roll(1 << 20) as i64;
        let scalar = match ty.elem {
            DType::F32 if bits % 7 == 0 => Scalar { dtype: DType::F32, bits: 0x7f80_0000 + bits as u64 },
            d if d.is_float() => Scalar::from_f64(d, bits as f64 / 1024.0 - 100.0),
            d => Scalar::from_i64(d, bits - 1000),
        };
        let v = self.b.scalar(scalar);
        self.b.splat(v, ty.lanes)
    }

    fn elem(&mut self) -> DType {
        ELEMS[self.dice.roll(ELEMS.len())]
    }

    fn lanes(&mut self) -> u16 {
        [1, 1, 4, 8][self.dice.roll(4)]
    }

    /// An i64 in `0..=SIZE - 8`.
    fn offset(&mut self) -> Value {
        let v = self.get(Ty::I64);
        let m = self.b.int(SIZE - 7);
        self.b.binary(BinOp::FloorMod, v, m)
    }

    fn keep(&mut self, v: Value) {
        let name = ["", "", "a", "a", "sum", "12", "odd name"][self.dice.roll(7)];
        if !matches!(self.b.func.values[v].op, Op::Const(_) | Op::Param(_)) {
            self.b.named(v, name);
        }
        self.pool.push(v);
    }

    fn statement(&mut self) {
        match self.dice.roll(12) {
            0 => self.store(),
            1 => self.tile(),
            2 if self.depth < 3 => self.for_loop(),
            3 if self.depth < 3 => self.branch(),
            4 if self.depth < 3 => self.endless(),
            5 => self.call(),
            6 => self.memory(),
            _ => self.value(),
        }
    }

    fn value(&mut self) {
        let (elem, lanes) = (self.elem(), self.lanes());
        let ty = Ty::vector(elem, lanes);
        let float = Ty::vector([DType::F32, DType::F64][self.dice.roll(2)], lanes);
        let op = match self.dice.roll(11) {
            0 => Op::Unary(self.unary(), self.get(float)),
            1 => return self.binary(ty),
            2 => Op::Fma(self.get(float), self.get(float), self.get(float)),
            3 => return self.compare(ty),
            4 => Op::Select(self.get(Ty::vector(DType::Bool, lanes)), self.get(ty), self.get(ty)),
            5 => {
                let from = Ty::vector(self.elem(), lanes);
                let v = self.get(from);
                return self.push(ty, Op::Cast(v));
            }
            6 => return self.load(lanes),
            7 => return self.lane_ops(elem),
            8 => {
                let v = self.get(Ty::vector(DType::I32, lanes));
                return self.push(Ty::vector(DType::F32, lanes), Op::Bitcast(v));
            }
            9 => return self.dot(lanes),
            _ => return self.push(Ty::I64, Op::ThreadId),
        };
        let ty = if matches!(op, Op::Select(..)) { ty } else { float };
        self.push(ty, op);
    }

    fn dot(&mut self, lanes: u16) {
        let narrow = [DType::I8, DType::U8, DType::I16];
        let many = lanes.saturating_mul([1, 2, 4][self.dice.roll(3)]).min(64);
        let [a, b] = [0, 1].map(|_| Ty::vector(narrow[self.dice.roll(3)], many));
        let (a, b, c) = (self.get(a), self.get(b), self.get(Ty::vector(DType::I32, lanes)));
        let v = self.b.dot(a, b, c);
        self.keep(v);
    }

    /// An operation with a float meaning.
    fn unary(&mut self) -> UnOp {
        let absent = |op: &UnOp| *op == UnOp::Not || (self.stage.expanded && op.is_math());
        let all: Vec<UnOp> = UnOp::ALL.iter().copied().filter(|op| !absent(op)).collect();
        all[self.dice.roll(all.len())]
    }

    fn push(&mut self, ty: Ty, op: Op) {
        let v = self.b.op(ty, op);
        self.keep(v);
    }

    fn binary(&mut self, ty: Ty) {
        let op = match ty.elem {
            DType::Bool => [BinOp::And, BinOp::Or, BinOp::Xor][self.dice.roll(3)],
            // The last of these is `pow`, a math function.
            d if d.is_float() => BinOp::ALL[self.dice.roll(if self.stage.expanded { 9 } else { 10 })],
            _ => BinOp::ALL[self.dice.roll(BinOp::ALL.len())],
        };
        let (a, b) = (self.get(ty), self.get(ty));
        let v = self.b.op(ty, Op::Binary(op, a, b));
        self.keep(v);
    }

    fn compare(&mut self, ty: Ty) {
        let n = if ty.elem == DType::Bool { 2 } else { 6 };
        let op = CmpOp::ALL[self.dice.roll(n)];
        let (a, b) = (self.get(ty), self.get(ty));
        self.push(ty.with_elem(DType::Bool), Op::Compare(op, a, b));
    }

    fn load(&mut self, lanes: u16) {
        let buf = [self.x, self.y][self.dice.roll(2)];
        let offset = self.offset();
        let mask = if self.dice.roll(2) == 1 { Some(self.get(Ty::vector(DType::Bool, lanes))) } else { None };
        let v = if self.dice.roll(3) == 0 && lanes > 1 {
            let offsets = self.b.splat(offset, lanes);
            self.b.gather(buf, offsets, mask)
        } else {
            self.b.load(buf, offset, lanes, mask)
        };
        self.keep(v);
    }

    fn lane_ops(&mut self, elem: DType) {
        let elem = if elem == DType::Bool { DType::I32 } else { elem };
        let v4 = Ty::vector(elem, 4);
        let a = self.get(v4);
        match self.dice.roll(4) {
            0 => self.push(Ty::scalar(elem), Op::Extract(a, 3)),
            1 => self.push(Ty::scalar(elem), Op::Reduce(ReduceOp::ALL[self.dice.0.len() % 4], a)),
            2 => {
                let b = self.get(v4);
                self.push(Ty::vector(elem, 8), Op::Shuffle(a, b, vec![7, 0, 1, 1, 2, 6, 5, 4]));
            }
            _ => self.push(Ty::vector(DType::I64, 8), Op::Iota),
        }
    }

    fn store(&mut self) {
        let lanes = self.lanes();
        let (offset, v) = (self.offset(), self.get(Ty::vector(DType::F32, lanes)));
        let mask = if self.dice.roll(2) == 1 { Some(self.get(Ty::vector(DType::Bool, lanes))) } else { None };
        if self.dice.roll(3) == 0 && lanes > 1 {
            let offsets = self.b.splat(offset, lanes);
            self.b.stmt(Stmt::Scatter { buf: self.y, offsets, value: v, mask });
        } else {
            self.b.store(self.y, offset, v, mask);
        }
    }

    fn tile(&mut self) {
        let (i, j) = (self.b.int(1), self.b.int(2));
        let v = self.get(Ty::vector(DType::F32, 4));
        self.b.set(self.tile, &[i, j], v);
        let v = self.b.get(self.tile, &[i, j]);
        self.keep(v);
    }

    /// Runs `f` with values that go out of scope afterwards.
    fn scoped(&mut self, index: Option<Value>, breakable: bool) -> Block {
        let (pool, in_loop) = (self.pool.len(), self.in_loop);
        self.in_loop |= breakable;
        self.pool.extend(index);
        self.depth += 1;
        // The builder's block takes a closure of itself only; the same by hand.
        let mut inner = std::mem::replace(&mut self.b, FuncBuilder::new(""));
        let (block, ()) = inner.block(|b| {
            std::mem::swap(&mut self.b, b);
            for _ in 0..self.dice.roll(4) {
                self.statement();
            }
            std::mem::swap(&mut self.b, b);
        });
        self.b = inner;
        self.depth -= 1;
        self.pool.truncate(pool);
        self.in_loop = in_loop;
        block
    }

    fn for_loop(&mut self) {
        let (lo, hi) = (self.b.int(-1), self.b.int(self.dice.roll(5) as i64));
        let kind = [LoopKind::Serial, LoopKind::Unrolled][self.dice.roll(if self.stage.unrolled { 1 } else { 2 })];
        let step = 1 + self.dice.roll(3) as i64;
        let name = ["i", "i", ""][self.dice.roll(3)].to_owned();
        let index = self.b.func.values.push(ValueDef { ty: Ty::I64, op: Op::Index, name });
        let body = self.scoped(Some(index), kind == LoopKind::Serial);
        self.b.stmt(Stmt::For { index, lo, hi, step, kind, body });
    }

    fn branch(&mut self) {
        let cond = self.get(Ty::BOOL);
        let mut then = self.scoped(None, false);
        if self.in_loop && self.dice.roll(3) == 0 {
            then.0.push(Stmt::Break);
        }
        let els = self.scoped(None, false);
        self.b.stmt(Stmt::If { cond, then, els });
    }

    /// `loop { ...; break }`
    fn endless(&mut self) {
        let mut body = self.scoped(None, true);
        body.0.push(Stmt::Comment("once\n\"is\" enough \\".into()));
        body.0.push(Stmt::Break);
        self.b.stmt(Stmt::Loop(body));
        self.hint();
    }

    /// `prefetch %buf[offset]`, anywhere.
    fn hint(&mut self) {
        let readable = self.b.func.bufs.iter().find(|(_, b)| matches!(b.kind, BufKind::Param(_)));
        if let Some(buf) = readable.map(|(id, _)| id) {
            let offset = self.get(Ty::I64);
            self.b.prefetch(buf, offset);
        }
    }

    fn call(&mut self) {
        let v = self.get(Ty::I64);
        let callee = Callee::Func(FuncId::from_u32(0));
        if let Some(v) = self.b.call(callee, vec![Arg::Value(v)], Some(Ty::I64)) {
            self.keep(v);
        }
    }

    fn memory(&mut self) {
        let name = ["", "tmp", "tmp"][self.dice.roll(3)];
        let (buf, count) = (self.b.buf(DType::F32, BufKind::Local, name), self.b.int(SIZE));
        match self.dice.roll(2) {
            0 if !self.stage.planned => {
                self.b.stmt(Stmt::Alloc { buf, count, space: Space::Workspace, bound: Some(Sym::int(SIZE)) });
                let (zero, v) = (self.b.int(0), self.get(Ty::scalar(DType::F32)));
                self.b.store(buf, zero, v, None);
                let v = self.b.load(buf, zero, 1, None);
                self.keep(v);
            }
            _ => {
                let byte_offset = self.b.int(4 * (SIZE - 4));
                let count = [None, Some(Sym::int(2))][self.dice.roll(2)].clone();
                self.b.stmt(Stmt::View { buf, base: self.x, byte_offset, count });
                self.push(Ty::BOOL, Op::IsNull(buf));
            }
        }
    }
}
