//! Programs like those that the scheduler makes, unrolled as its passes leave them.

use onnxc_base::DType;
use onnxc_ir::loops::*;

/// A program of one function.
pub fn program(func: Func) -> Program {
    let mut p = Program { name: "m".into(), ..Program::default() };
    p.funcs.push(func);
    p
}

/// A new exported function.
pub fn exported(name: &str) -> FuncBuilder {
    let mut b = FuncBuilder::new(name);
    b.func.linkage = Linkage::Export;
    b
}

/// A register tile of f32 vectors.
struct Tile {
    var: Var,
    rows: u32,
    vectors: u32,
    lanes: u16,
}

impl Tile {
    fn new(b: &mut FuncBuilder, rows: u32, vectors: u32, lanes: u16) -> Self {
        Tile { var: b.var(Ty::vector(DType::F32, lanes), &[rows, vectors], "acc"), rows, vectors, lanes }
    }

    fn each(&self, b: &mut FuncBuilder, mut f: impl FnMut(&mut FuncBuilder, u32, u32, [Value; 2])) {
        for r in 0..self.rows {
            for v in 0..self.vectors {
                let at = [b.int(r.into()), b.int(v.into())];
                f(b, r, v, at);
            }
        }
    }

    fn clear(&self, b: &mut FuncBuilder) {
        let zero = b.scalar(Scalar::f32(0.0));
        self.each(b, |b, _, _, at| b.set(self.var, &at, zero));
    }

    /// acc[r][v] += x[x_at + r * row] * w[w_at + v * lanes ..]. What is fewer, rows or vectors, is loaded first and held,
    /// the others pass by one at a time: so a tile needs rows * vectors + min(rows, vectors) + 1 registers.
    fn step(&self, b: &mut FuncBuilder, (x, x_at, row): (Buf, Value, i64), (w, w_at): (Buf, Value)) {
        let splat = |b: &mut FuncBuilder, r: u32| {
            let d = b.int(i64::from(r) * row);
            let at = b.add(x_at, d);
            let s = b.load(x, at, 1, None);
            b.splat(s, self.lanes)
        };
        let vector = |b: &mut FuncBuilder, v: u32| {
            let d = b.int(i64::from(v) * i64::from(self.lanes));
            let at = b.add(w_at, d);
            b.load(w, at, self.lanes, None)
        };
        let multiply = |b: &mut FuncBuilder, r: u32, v: u32, s: Value, w: Value| {
            let at = [b.int(r.into()), b.int(v.into())];
            let acc = b.get(self.var, &at);
            let sum = b.fma(w, s, acc);
            b.set(self.var, &at, sum);
        };
        if self.rows < self.vectors {
            let held: Vec<Value> = (0..self.rows).map(|r| splat(b, r)).collect();
            for v in 0..self.vectors {
                let w = vector(b, v);
                (0..self.rows).for_each(|r| multiply(b, r, v, held[r as usize], w));
            }
        } else {
            let held: Vec<Value> = (0..self.vectors).map(|v| vector(b, v)).collect();
            for r in 0..self.rows {
                let s = splat(b, r);
                (0..self.vectors).for_each(|v| multiply(b, r, v, s, held[v as usize]));
            }
        }
    }

    fn store(&self, b: &mut FuncBuilder, y: Buf, y_at: Value, row: i64) {
        let zero = b.scalar(Scalar::f32(0.0));
        self.each(b, |b, r, v, at| {
            let acc = b.get(self.var, &at);
            let z = b.splat(zero, self.lanes);
            let relu = b.binary(BinOp::Max, acc, z);
            let d = b.int(i64::from(r) * row + i64::from(v) * i64::from(self.lanes));
            let at = b.add(y_at, d);
            b.store(y, at, relu, None);
        });
    }
}

/// `y = relu(x * w)` in tiles of `rows` by `vectors`, with `m` rows, depth `k` and one panel of columns.
pub fn matmul((rows, vectors, lanes): (u32, u32, u16), m: i64, k: i64) -> Func {
    let mut b = exported("matmul");
    let (x, w) = (b.param_buf("x", DType::F32, false), b.param_buf("w", DType::F32, false));
    let y = b.param_buf("y", DType::F32, true);
    let tile = Tile::new(&mut b, rows, vectors, lanes);
    let width = i64::from(vectors) * i64::from(lanes);
    let (zero, m, kv) = (b.int(0), b.int(m), b.int(k));
    b.for_loop("i", zero, m, rows.into(), LoopKind::Serial, |b, i| {
        tile.clear(b);
        let (kc, n) = (b.int(k), b.int(width));
        let start = b.mul(i, kc);
        b.for_loop("k", zero, kv, 1, LoopKind::Serial, |b, q| {
            let x_at = b.add(start, q);
            let w_at = b.mul(q, n);
            tile.step(b, (x, x_at, k), (w, w_at));
        });
        let y_at = b.mul(i, n);
        tile.store(b, y, y_at, width);
    });
    b.finish()
}

/// A 3x3 convolution over a padded NHWC image: 16 input channels unrolled inside real loops over rows, columns and
/// channel blocks.
pub fn conv((rows, vectors, lanes): (u32, u32, u16), (h, w, ic, stride): (i64, i64, i64, i64)) -> Func {
    let mut b = exported("conv");
    let (x, k) = (b.param_buf("x", DType::F32, false), b.param_buf("w", DType::F32, false));
    let y = b.param_buf("y", DType::F32, true);
    let tile = Tile::new(&mut b, rows, vectors, lanes);
    let oc = i64::from(vectors) * i64::from(lanes);
    let pitch = (w * stride + 2) * ic;
    let (zero, three) = (b.int(0), b.int(3));
    let (hv, wv, icv) = (b.int(h), b.int(w), b.int(ic));
    b.for_loop("oh", zero, hv, 1, LoopKind::Parallel, |b, i| {
        b.for_loop("ow", zero, wv, rows.into(), LoopKind::Serial, |b, j| {
            tile.clear(b);
            b.for_loop("icb", zero, icv, 16, LoopKind::Serial, |b, c| {
                b.for_loop("r", zero, three, 1, LoopKind::Serial, |b, r| {
                    b.for_loop("s", zero, three, 1, LoopKind::Serial, |b, s| {
                        let mut at = |terms: &[(Value, i64)]| {
                            terms.iter().fold(zero, |acc, &(v, k)| {
                                let k = b.int(k);
                                let t = b.mul(v, k);
                                b.add(acc, t)
                            })
                        };
                        let x_at = at(&[(i, stride * pitch), (r, pitch), (j, stride * ic), (s, ic), (c, 1)]);
                        let w_at = at(&[(c, 9 * oc), (r, 3 * 16 * oc), (s, 16 * oc)]);
                        for q in 0..16 {
                            let (dx, dw) = (b.int(q), b.int(q * oc));
                            let (x_at, w_at) = (b.add(x_at, dx), b.add(w_at, dw));
                            tile.step(b, (x, x_at, stride * ic), (k, w_at));
                        }
                    });
                });
            });
            let (p, q) = (b.int(w * oc), b.int(oc));
            let (a, d) = (b.mul(i, p), b.mul(j, q));
            let y_at = b.add(a, d);
            tile.store(b, y, y_at, oc);
        });
    });
    b.finish()
}

/// One row of softmax but for the exponential, of which a polynomial stands here.
pub fn softmax(n: i64) -> Func {
    let mut b = exported("softmax");
    let (x, y) = (b.param_buf("x", DType::F32, false), b.param_buf("y", DType::F32, true));
    let v16 = Ty::vector(DType::F32, 16);
    let (max, sum) = (b.var(v16, &[], "max"), b.var(v16, &[], "sum"));
    let least = b.scalar(Scalar::least(DType::F32));
    b.set(max, &[], least);
    let (zero, n) = (b.int(0), b.int(n));
    b.for_loop("i", zero, n, 16, LoopKind::Serial, |b, i| {
        let (v, m) = (b.load(x, i, 16, None), b.get(max, &[]));
        let m = b.binary(BinOp::Max, m, v);
        b.set(max, &[], m);
    });
    let m = b.get(max, &[]);
    let m = b.op(Ty::scalar(DType::F32), Op::Reduce(ReduceOp::Max, m));
    b.for_loop("i", zero, n, 16, LoopKind::Serial, |b, i| {
        let v = b.load(x, i, 16, None);
        let mut e = b.scalar(Scalar::f32(0.001));
        let t = b.binary(BinOp::Sub, v, m);
        for c in [0.01, 0.04, 0.16, 0.5, 1.0, 1.0] {
            let c = b.scalar(Scalar::f32(c));
            e = b.fma(e, t, c);
        }
        b.store(y, i, e, None);
        let s = b.get(sum, &[]);
        let s = b.add(s, e);
        b.set(sum, &[], s);
    });
    let s = b.get(sum, &[]);
    let s = b.op(Ty::scalar(DType::F32), Op::Reduce(ReduceOp::Add, s));
    let one = b.scalar(Scalar::f32(1.0));
    let inv = b.binary(BinOp::Div, one, s);
    b.for_loop("i", zero, n, 16, LoopKind::Serial, |b, i| {
        let v = b.load(y, i, 16, None);
        let r = b.mul(v, inv);
        b.store(y, i, r, None);
    });
    b.finish()
}

/// A transposing copy with a masked tail, as layout changes are.
pub fn transpose() -> Func {
    let mut b = exported("transpose");
    let (x, y) = (b.param_buf("x", DType::F32, false), b.param_buf("y", DType::F32, true));
    let (h, w) = (b.param("h", DType::I64), b.param("w", DType::I64));
    let zero = b.int(0);
    b.for_loop("i", zero, h, 1, LoopKind::Serial, |b, i| {
        let row = b.mul(i, w);
        b.for_loop("j", zero, w, 16, LoopKind::Serial, |b, j| {
            let lane = b.op(Ty::vector(DType::I64, 16), Op::Iota);
            let left = b.binary(BinOp::Sub, w, j);
            let mask = b.compare(CmpOp::Lt, lane, left);
            let at = b.add(row, j);
            let v = b.load(x, at, 16, Some(mask));
            let col = b.add(lane, j);
            let col = b.mul(col, h);
            let to = b.add(col, i);
            b.stmt(Stmt::Scatter { buf: y, offsets: to, value: v, mask: Some(mask) });
        });
    });
    b.finish()
}
