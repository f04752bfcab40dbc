//! Cases for statements: loops, branches, variables and register tiles, calls, buffers of every kind.

use super::values::many;
use super::{Case, CaseBuilder};
use onnxc_base::DType;
use onnxc_ir::loops::*;

/// Elements per case.
const N: usize = 64;

/// The cases. They need the functions and constants of [`add_helpers`].
pub fn cases() -> Vec<Case> {
    let vector =
        [1, 4, 8, 16].into_iter().flat_map(|lanes| [tile(lanes, false), tile(lanes, true), carried_bools(lanes)]);
    let single = [
        nested_loops(),
        early_exit(),
        search(),
        views(),
        pointers(),
        stack(),
        constants(),
        calls(),
        heap(),
        no_memory(),
        empty_loops(),
        loops_at_the_edge(),
    ];
    vector.chain(single).collect()
}

/// Constant number 0: 100 f32. Number 1: 7 u8. Function 0: `helper(x: f32, n: i64, buf) -> i32` adds x to n elements.
pub fn add_helpers(program: &mut Program) {
    let floats: Vec<u8> = (0..100).flat_map(|i| (i as f32 * 0.25 - 3.0).to_le_bytes()).collect();
    program.consts.push(ConstData { name: "floats".into(), dtype: DType::F32, data: floats.into() });
    program.consts.push(ConstData { name: "bytes".into(), dtype: DType::U8, data: vec![9, 8, 7, 6, 5, 4, 3].into() });
    let mut b = FuncBuilder::new("helper");
    b.func.ret = Some(Ty::I32);
    let (x, n) = (b.param("x", DType::F32), b.param("n", DType::I64));
    let buf = b.param_buf("buf", DType::F32, true);
    let zero = b.int(0);
    b.for_loop("i", zero, n, 1, LoopKind::Parallel, |b, i| {
        let v = b.load(buf, i, 1, None);
        let v = b.add(v, x);
        b.store(buf, i, v, None);
    });
    let status = b.cast(n, DType::I32);
    b.stmt(Stmt::Return(Some(status)));
    program.funcs.push(b.finish());
}

fn helper() -> Callee {
    Callee::Func(onnxc_base::EntityRef::new(0))
}

fn constant(i: usize) -> BufKind {
    BufKind::Const(onnxc_base::EntityRef::new(i))
}

/// A 2 x 3 tile of accumulators, read and set by constant indices or, `dynamic`, by loop indices.
fn tile(lanes: u16, dynamic: bool) -> Case {
    let mut c = CaseBuilder::new(&format!("tile_{dynamic}_x{lanes}"), [DType::F32; 3], DType::F32);
    let ty = Ty::vector(DType::F32, lanes);
    let t = c.b.var(ty, &[2, 3], "acc");
    let step = |c: &mut CaseBuilder, k: Value, i: Value, j: Value| {
        let x = c.load(0, k, lanes);
        let old = c.b.get(t, &[i, j]);
        let weight = c.b.add(i, j);
        let weight = c.b.cast(weight, DType::F32);
        let scaled = c.b.mul(x, weight);
        let sum = c.b.add(old, scaled);
        c.b.set(t, &[i, j], sum);
    };
    c.each(16, 1, |c, k| {
        if dynamic {
            let (lo, two, three) = (c.b.int(0), c.b.int(2), c.b.int(3));
            let (ins, out) = (c.ins, c.out);
            c.b.for_loop("i", lo, two, 1, LoopKind::Serial, |b, i| {
                b.for_loop("j", lo, three, 1, LoopKind::Serial, |b, j| {
                    let mut c = CaseBuilder { b: std::mem::replace(b, FuncBuilder::new("")), ins, out };
                    step(&mut c, k, i, j);
                    *b = c.b;
                });
            });
        } else {
            for (i, j) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
                let (i, j) = (c.b.int(i), c.b.int(j));
                step(c, k, i, j);
            }
        }
    });
    for n in 0..6 {
        let (i, j, at) = (c.b.int(n / 3), c.b.int(n % 3), c.b.int(n * i64::from(lanes)));
        let v = c.b.get(t, &[i, j]);
        c.store(at, v);
    }
    let x: Vec<u8> = (0..32).flat_map(|i| (i as f32 - 11.5).to_le_bytes()).collect();
    c.finish([x, vec![], vec![]], 6 * usize::from(lanes))
}

/// A mask variable that accumulates comparisons.
fn carried_bools(lanes: u16) -> Case {
    let mut c = CaseBuilder::new(&format!("carried_bools_x{lanes}"), [DType::I32, DType::I32, DType::I32], DType::Bool);
    let seen = c.b.var(Ty::vector(DType::Bool, lanes), &[], "seen");
    c.each(N, lanes, |c, i| {
        let (x, y) = (c.load(0, i, lanes), c.load(1, i, lanes));
        let now = c.b.compare(CmpOp::Lt, x, y);
        let old = c.b.get(seen, &[]);
        let both = c.b.binary(BinOp::Xor, old, now);
        c.b.set(seen, &[], both);
        c.store(i, both);
    });
    let mut other = many(DType::I32, N);
    other.rotate_left(20);
    c.finish([many(DType::I32, N), other, vec![]], N)
}

fn nested_loops() -> Case {
    let mut c = CaseBuilder::new("nested_loops", [DType::I64; 3], DType::I64);
    let sum = c.b.var(Ty::I64, &[], "sum");
    c.each(N, 3, |c, i| {
        let (zero, n, out, a) = (c.b.int(0), c.b.int(5), c.out, c.ins[0]);
        c.b.for_loop("j", zero, n, 2, LoopKind::Serial, |b, j| {
            let (x, old) = (b.load(a, j, 1, None), b.get(sum, &[]));
            let odd = b.int(1);
            let parity = b.binary(BinOp::And, x, odd);
            let cond = b.compare(CmpOp::Eq, parity, odd);
            b.if_else(
                cond,
                |b| {
                    let v = b.add(old, x);
                    b.set(sum, &[], v);
                },
                |b| {
                    let v = b.binary(BinOp::Xor, old, i);
                    b.set(sum, &[], v);
                },
            );
        });
        let v = c.b.get(sum, &[]);
        c.b.store(out, i, v, None);
    });
    c.finish([many(DType::I64, 8), vec![], vec![]], N)
}

/// Breaks out of a loop, and out of the one around it.
fn early_exit() -> Case {
    let mut c = CaseBuilder::new("early_exit", [DType::I64; 3], DType::I64);
    let n = c.b.var(Ty::I64, &[], "n");
    let (one, ten, five, zero) = (c.b.int(1), c.b.int(10), c.b.int(5), c.b.int(0));
    let out = c.out;
    c.b.for_loop("i", zero, ten, 1, LoopKind::Serial, |b, i| {
        b.loop_forever(|b| {
            let old = b.get(n, &[]);
            let new = b.add(old, one);
            b.set(n, &[], new);
            let bit = b.binary(BinOp::FloorMod, new, five);
            let stop = b.compare(CmpOp::Eq, bit, zero);
            b.if_else(stop, |b| b.stmt(Stmt::Break), |_| {});
        });
        let v = b.get(n, &[]);
        b.store(out, i, v, None);
        let late = b.compare(CmpOp::Ge, i, five);
        b.if_else(late, |b| b.stmt(Stmt::Break), |_| {});
    });
    c.finish([vec![], vec![], vec![]], 10)
}

/// Returns from inside of a loop.
fn search() -> Case {
    let mut c = CaseBuilder::new("search", [DType::I32; 3], DType::I64);
    let (zero, n) = (c.b.int(0), c.b.int(N as i64));
    let (a, out) = (c.ins[0], c.out);
    c.b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
        let x = b.load(a, i, 1, None);
        let wanted = b.scalar(Scalar::from_i64(DType::I32, 8));
        let found = b.compare(CmpOp::Eq, x, wanted);
        b.if_else(
            found,
            |b| {
                b.store(out, zero, i, None);
                b.stmt(Stmt::Return(None));
            },
            |_| {},
        );
    });
    let none = c.b.int(-1);
    c.store(zero, none);
    c.finish([many(DType::I32, N), vec![], vec![]], 1)
}

/// The output's second half seen as bytes.
fn views() -> Case {
    let mut c = CaseBuilder::new("views", [DType::U8; 3], DType::I32);
    let view = c.local(DType::U8, "bytes");
    let half = c.b.int(4 * N as i64 / 2);
    c.b.stmt(Stmt::View { buf: view, base: c.out, byte_offset: half, count: None });
    c.each(N * 2, 4, |c, i| {
        let v = c.load(0, i, 4);
        c.b.store(view, i, v, None);
    });
    c.finish([many(DType::U8, N * 2), vec![], vec![]], N)
}

/// Two pointers that swap in every iteration.
fn pointers() -> Case {
    let mut c = CaseBuilder::new("pointers", [DType::I32; 3], DType::I32);
    let [p, q, t] = ["p", "q", "t"].map(|n| c.b.buf(DType::I32, BufKind::Pointer, n));
    for (pointer, from) in [(p, c.ins[0]), (q, c.ins[1]), (t, c.ins[0])] {
        c.b.stmt(Stmt::Assign { buf: pointer, from });
    }
    c.each(N, 1, |c, i| {
        let v = c.b.load(p, i, 1, None);
        c.store(i, v);
        for (buf, from) in [(t, p), (p, q), (q, t)] {
            c.b.stmt(Stmt::Assign { buf, from });
        }
    });
    let mut other = many(DType::I32, N);
    other.rotate_left(40);
    c.finish([many(DType::I32, N), other, vec![]], N)
}

fn stack() -> Case {
    let mut c = CaseBuilder::new("stack", [DType::F32; 3], DType::F32);
    let s = c.b.buf(DType::F32, BufKind::Stack(N as u32), "scratch");
    c.each(N, 8, |c, i| {
        let v = c.load(0, i, 8);
        c.b.store(s, i, v, None);
    });
    c.each(N, 1, |c, i| {
        let last = c.b.int(N as i64 - 1);
        let at = c.b.sub(last, i);
        let v = c.b.load(s, at, 1, None);
        c.store(i, v);
    });
    c.finish([many(DType::F32, N), vec![], vec![]], N)
}

fn constants() -> Case {
    let mut c = CaseBuilder::new("constants", [DType::F32; 3], DType::F32);
    let floats = c.b.buf(DType::F32, constant(0), "floats");
    let bytes = c.b.buf(DType::U8, constant(1), "bytes");
    c.each(N, 4, |c, i| {
        let seven = c.b.int(7);
        let at = c.b.binary(BinOp::FloorMod, i, seven);
        let byte = c.b.load(bytes, at, 1, None);
        let scale = c.b.cast(byte, DType::F32);
        let thirty = c.b.int(30);
        let from = c.b.add(i, thirty);
        let v = c.b.load(floats, from, 4, None);
        let v = c.b.mul(v, scale);
        c.store(i, v);
    });
    c.finish([vec![], vec![], vec![]], N)
}

/// Calls a local function on a part of the output; its result becomes an element.
fn calls() -> Case {
    let mut c = CaseBuilder::new("calls", [DType::F32; 3], DType::F32);
    c.each(N, 4, |c, i| {
        let v = c.load(0, i, 4);
        c.store(i, v);
    });
    let (x, n, from) = (c.b.scalar(Scalar::f32(1.5)), c.b.int(20), c.b.int(7));
    let args = vec![Arg::Value(x), Arg::Value(n), Arg::Buf { buf: c.out, offset: Some(from) }];
    let result = c.b.call(helper(), args, Some(Ty::I32)).expect("it has a result");
    let result = c.b.cast(result, DType::F32);
    let zero = c.b.int(0);
    c.store(zero, result);
    c.finish([many(DType::F32, N), vec![], vec![]], N)
}

fn heap() -> Case {
    let mut c = CaseBuilder::with_allocator("heap", [DType::I64, DType::I64], DType::I64);
    c.each(N, 1, |c, i| {
        let count = c.b.load(c.ins[0], i, 1, None);
        let fifteen = c.b.int(15);
        let count = c.b.binary(BinOp::And, count, fifteen);
        let block = c.local(DType::I64, "block");
        c.b.stmt(Stmt::Alloc { buf: block, count, space: Space::Heap, bound: None });
        let zero = c.b.int(0);
        let any = c.b.compare(CmpOp::Gt, count, zero);
        let out = c.out;
        c.b.store(out, i, count, None);
        c.b.if_else(
            any,
            |b| {
                b.store(block, zero, i, None);
                let v = b.load(block, zero, 1, None);
                b.store(out, i, v, None);
            },
            |_| {},
        );
        c.b.stmt(Stmt::Free(block));
    });
    c.finish([many(DType::I64, N), vec![], vec![]], N)
}

/// Asks for nothing, and for small blocks: none of them is null.
fn no_memory() -> Case {
    let mut c = CaseBuilder::with_allocator("no_memory", [DType::I64, DType::I64], DType::Bool);
    for (i, n) in [0, 1, 1000].into_iter().enumerate() {
        let count = c.b.int(n);
        let block = c.local(DType::F64, "block");
        c.b.stmt(Stmt::Alloc { buf: block, count, space: Space::Heap, bound: None });
        let null = c.b.op(Ty::BOOL, Op::IsNull(block));
        let at = c.b.int(i as i64);
        c.store(at, null);
        c.b.stmt(Stmt::Free(block));
    }
    c.finish([vec![], vec![], vec![]], 3)
}

/// Counts iterations whose next index would be beyond every i64.
fn loops_at_the_edge() -> Case {
    let mut c = CaseBuilder::new("loops_at_the_edge", [DType::I64; 3], DType::I64);
    let out = c.out;
    let bounds =
        [(i64::MAX - 9, i64::MAX), (i64::MIN, i64::MIN + 1), (i64::MAX - 1, i64::MAX), (i64::MIN, i64::MIN + 7)];
    for i in 0..bounds.len() as i64 {
        let count = c.b.var(Ty::I64, &[], "count");
        let (at, to) = (c.b.int(2 * i), c.b.int(2 * i + 1));
        let (lo, hi) = (c.load(0, at, 1), c.load(0, to, 1));
        c.b.for_loop("i", lo, hi, 4, LoopKind::Serial, |b, _| {
            let (old, one) = (b.get(count, &[]), b.int(1));
            let new = b.add(old, one);
            b.set(count, &[], new);
        });
        let (n, at) = (c.b.get(count, &[]), c.b.int(i));
        c.b.store(out, at, n, None);
    }
    let bytes = bounds.iter().flat_map(|(lo, hi)| [lo.to_le_bytes(), hi.to_le_bytes()].concat()).collect();
    c.finish([bytes, vec![], vec![]], bounds.len())
}

fn empty_loops() -> Case {
    let mut c = CaseBuilder::new("empty_loops", [DType::I64; 3], DType::I64);
    let (ins, out) = (c.ins, c.out);
    for (lo, hi) in [(0, 0), (5, 2), (-3, -1), (i64::MIN, i64::MIN)] {
        let (lo, hi) = (c.b.int(lo), c.b.int(hi));
        c.b.for_loop("i", lo, hi, 1, LoopKind::Serial, |b, i| {
            let three = b.int(3);
            let at = b.add(i, three);
            let v = b.load(ins[0], at, 1, None);
            b.store(out, at, v, None);
        });
    }
    c.finish([many(DType::I64, 4), vec![], vec![]], 4)
}
