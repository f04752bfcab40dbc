//! Statements, buffers, calls and the less common values: compiled code does what the interpreter does.

use super::both::Both;
use super::kernels::{exported, program};
use super::load::load;
use onnxc_base::DType;
use onnxc_codegen::Target;
use onnxc_codegen::backend::ALLOCATOR_PARAM;
use onnxc_ir::loops::interp::ArgVal;
use onnxc_ir::loops::*;
use std::ffi::{CStr, c_char};

const F32: DType = DType::F32;

fn int(v: i64) -> ArgVal {
    ArgVal::Scalar(Scalar::i64(v))
}

fn floats(n: usize) -> ArgVal {
    ArgVal::buf(&(0..n).map(|i| i as f32 * 0.5 - 3.0).collect::<Vec<_>>())
}

/// The first index of a row above a limit, or -1; rows end at a 0.
#[test]
fn loops_and_branches() {
    let mut b = exported("find");
    let (x, y) = (b.param_buf("x", DType::I32, false), b.param_buf("y", DType::I64, true));
    let (rows, limit) = (b.param("rows", DType::I64), b.param("limit", DType::I32));
    b.func.ret = Some(Ty::I32);
    let (at, found) = (b.var(Ty::I64, &[], "at"), b.var(Ty::I64, &[], "found"));
    let (zero, one, minus) = (b.int(0), b.int(1), b.int(-1));
    let stop = b.scalar(Scalar::from_i64(DType::I32, 0));
    b.for_loop("row", zero, rows, 1, LoopKind::Serial, |b, row| {
        b.set(found, &[], minus);
        b.loop_forever(|b| {
            let i = b.get(at, &[]);
            let v = b.load(x, i, 1, None);
            let next = b.add(i, one);
            b.set(at, &[], next);
            let end = b.compare(CmpOp::Eq, v, stop);
            b.if_else(end, |b| b.stmt(Stmt::Break), |_| {});
            let above = b.compare(CmpOp::Gt, v, limit);
            let f = b.get(found, &[]);
            let first = b.compare(CmpOp::Lt, f, zero);
            let both = b.binary(BinOp::And, above, first);
            b.if_else(both, |b| b.set(found, &[], i), |_| {});
        });
        let f = b.get(found, &[]);
        let huge = b.int(1000);
        let wrong = b.compare(CmpOp::Gt, f, huge);
        let status = b.scalar(Scalar::from_i64(DType::I32, 7));
        b.if_else(wrong, |b| b.stmt(Stmt::Return(Some(status))), |_| {});
        b.store(y, row, f, None);
        // A serial loop is left too; its index has steps.
        let (from, hundred) = (b.int(10), b.int(100));
        b.for_loop("k", from, hundred, 7, LoopKind::Serial, |b, k| {
            let far = b.int(40);
            let c = b.compare(CmpOp::Ge, k, far);
            b.if_else(
                c,
                |b| {
                    let f = b.get(found, &[]);
                    let f = b.add(f, k);
                    b.store(y, row, f, None);
                    b.stmt(Stmt::Break);
                },
                |_| {},
            );
        });
    });
    let ok = b.scalar(Scalar::from_i64(DType::I32, 0));
    b.stmt(Stmt::Return(Some(ok)));
    let p = program(b.finish());
    let x = ArgVal::buf(&[3i32, 9, 12, 0, 1, 0, 0, 50, 60, 0]);
    let limit = ArgVal::Scalar(Scalar::from_i64(DType::I32, 8));
    let mut both = Both::new(&p);
    let (ret, out) = both.call("find", &[x.clone(), ArgVal::buf(&[0i64; 4]), int(4), limit.clone()]);
    assert_eq!((ret.map(|s| s.bits), out[1].elements::<i64>()), (Some(0), vec![46, 44, 44, 52]));
    // No iteration at all.
    let (_, out) = both.call("find", &[x, ArgVal::buf(&[5i64; 4]), int(-3), limit]);
    assert_eq!(out[1].elements::<i64>(), [5; 4]);
}

/// Small integers and bools as arguments and results, buffers from an offset on, and a function of another object.
#[test]
fn calls() {
    let mut linked = Program { name: "lib".into(), ..Program::default() };
    let mut b = exported("twice");
    let (x, n) = (b.param_buf("x", F32, true), b.param("n", DType::I64));
    let (neg, at) = (b.param("neg", DType::Bool), b.param("at", DType::I8));
    b.func.ret = Some(Ty::scalar(DType::I16));
    let (zero, two) = (b.int(0), b.scalar(Scalar::f32(2.0)));
    b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
        let v = b.load(x, i, 1, None);
        let v = b.mul(v, two);
        let m = b.unary(UnOp::Neg, v);
        let v = b.select(neg, m, v);
        b.store(x, i, v, None);
    });
    let (wide, three) = (b.cast(at, DType::I16), b.scalar(Scalar::from_i64(DType::I16, 300)));
    let r = b.mul(wide, three);
    b.stmt(Stmt::Return(Some(r)));
    let twice = b.finish();
    linked.funcs.push(Func { name: "ext_twice".into(), ..twice.clone() });

    let mut p = Program { name: "m".into(), ..Program::default() };
    let params: Vec<ParamKind> = twice.params.iter().map(|p| p.kind).collect();
    let ext = p.externs.push(Extern { symbol: "ext_twice".into(), params, ret: twice.ret });
    let local = p.funcs.push(Func { linkage: Linkage::Local, name: "local twice".into(), ..twice });
    let mut b = exported("calls");
    let (x, y) = (b.param_buf("x", F32, true), b.param_buf("y", DType::I32, true));
    let (neg, at) = (b.param("neg", DType::Bool), b.param("at", DType::I8));
    b.func.ret = Some(Ty::BOOL);
    let (zero, one, two, four) = (b.int(0), b.int(1), b.int(2), b.int(4));
    let args = |offset, n| vec![Arg::Buf { buf: x, offset }, Arg::Value(n), Arg::Value(neg), Arg::Value(at)];
    for (i, (callee, offset, n)) in
        [(Callee::Func(local), None, two), (Callee::Extern(ext), Some(four), one)].into_iter().enumerate()
    {
        let r = b.call(callee, args(offset, n), Some(Ty::scalar(DType::I16))).expect("it returns one");
        let r = b.cast(r, DType::I32);
        let i = b.int(i as i64);
        b.store(y, i, r, None);
    }
    let r = b.load(y, zero, 1, None);
    let s = b.load(y, one, 1, None);
    let same = b.compare(CmpOp::Eq, r, s);
    b.stmt(Stmt::Return(Some(same)));
    p.funcs.push(b.finish());
    let mut both = Both::linked(&p, Some(&linked));
    both.supply(
        "ext_twice",
        Box::new(|c| {
            let v = f32::from_le_bytes(c.bytes(0)?[..4].try_into().expect("four bytes")) * -2.0;
            c.bytes_mut(0)?[..4].copy_from_slice(&v.to_le_bytes());
            Ok(Some(Scalar::from_i64(DType::I16, c.scalar(3)?.to_i64() * 300)))
        }),
    );
    let args = [floats(6), ArgVal::buf(&[0i32; 2]), ArgVal::Scalar(Scalar::bool(true))];
    let at = ArgVal::Scalar(Scalar::from_i64(DType::I8, -100));
    let (ret, out) = both.call("calls", &[args.as_slice(), &[at]].concat());
    assert_eq!(ret, Some(Scalar::bool(true)));
    assert_eq!(out[0].elements::<f32>(), [6.0, 5.0, -2.0, -1.5, 2.0, -0.5]);
    assert_eq!(out[1].elements::<i32>(), [-30000, -30000]);
}

/// Heap buffers, pointers that swap, null addresses, and what there is without memory.
#[test]
fn heap() {
    let mut b = exported("fib");
    let y = b.param_buf("y", DType::I64, true);
    let (n, steps) = (b.param("n", DType::I64), b.param("steps", DType::I64));
    b.param_buf(ALLOCATOR_PARAM, DType::U8, false);
    b.func.ret = Some(Ty::I32);
    let [p0, p1, tmp] = ["p0", "p1", "tmp"].map(|s| b.buf(DType::I64, BufKind::Pointer, s));
    let [a0, a1] = ["a0", "a1"].map(|s| b.buf(DType::I64, BufKind::Local, s));
    let (zero, one) = (b.int(0), b.int(1));
    for (a, p) in [(a0, p0), (a1, p1)] {
        b.stmt(Stmt::Alloc { buf: a, count: n, space: Space::Heap, bound: None });
        b.stmt(Stmt::Assign { buf: p, from: a });
    }
    let (n0, n1) = (b.op(Ty::BOOL, Op::IsNull(a0)), b.op(Ty::BOOL, Op::IsNull(p1)));
    let none = b.binary(BinOp::Or, n0, n1);
    let no_memory = b.scalar(Scalar::from_i64(DType::I32, 3));
    b.if_else(
        none,
        |b| {
            b.stmt(Stmt::Free(a0));
            b.stmt(Stmt::Free(a1));
            b.stmt(Stmt::Return(Some(no_memory)));
        },
        |_| {},
    );
    b.for_loop("i", zero, n, 1, LoopKind::Parallel, |b, i| {
        b.store(p0, i, i, None);
        b.store(p1, i, one, None);
    });
    b.for_loop("s", zero, steps, 1, LoopKind::Serial, |b, _| {
        b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
            let (u, v) = (b.load(p0, i, 1, None), b.load(p1, i, 1, None));
            let w = b.add(u, v);
            b.store(p0, i, w, None);
        });
        b.stmt(Stmt::Assign { buf: tmp, from: p0 });
        b.stmt(Stmt::Assign { buf: p0, from: p1 });
        b.stmt(Stmt::Assign { buf: p1, from: tmp });
    });
    b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
        let v = b.load(p1, i, 1, None);
        b.store(y, i, v, None);
    });
    b.stmt(Stmt::Free(p0));
    b.stmt(Stmt::Free(p1));
    let ok = b.scalar(Scalar::from_i64(DType::I32, 0));
    b.stmt(Stmt::Return(Some(ok)));
    let p = program(b.finish());
    let mut both = Both::new(&p);
    for n in [0, 1, 5] {
        let (ret, _) = both.call("fib", &[ArgVal::buf(&[0i64; 5]), int(n), int(10), ArgVal::Null]);
        assert_eq!(ret.map(|s| s.bits), Some(0));
    }
    both.without_memory();
    let (ret, _) = both.call("fib", &[ArgVal::buf(&[0i64; 5]), int(5), int(10), ArgVal::Null]);
    assert_eq!(ret.map(|s| s.bits), Some(3));
}

/// Entries of tables, views from a byte on, and memory on the stack.
#[test]
fn tables_views_and_stack() {
    let mut b = exported("tables");
    let ins = b.param_table("ins");
    let n = b.param("n", DType::I64);
    let bytes = b.param_buf("bytes", DType::U8, true);
    let [x, y] = ["x", "y"].map(|s| b.buf(F32, BufKind::Local, s));
    b.stmt(Stmt::Entry { buf: x, table: ins, index: 1 });
    b.stmt(Stmt::Entry { buf: y, table: ins, index: 0 });
    let view = b.buf(DType::I16, BufKind::Local, "view");
    let off = b.int(6);
    b.stmt(Stmt::View { buf: view, base: bytes, byte_offset: off, count: None });
    let stack = b.buf(F32, BufKind::Stack(32), "stack");
    let zero = b.int(0);
    b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
        let v = b.load(x, i, 1, None);
        let v = b.mul(v, v);
        b.store(stack, i, v, None);
    });
    b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
        let v = b.load(stack, i, 1, None);
        b.store(y, i, v, None);
        let k = b.cast(v, DType::I16);
        b.store(view, i, k, None);
    });
    let p = program(b.finish());
    let table = ArgVal::Table(vec![ArgVal::buf(&[0f32; 20]), floats(20)]);
    let (_, out) = Both::new(&p).call("tables", &[table, int(20), ArgVal::Buf(vec![1; 60])]);
    let ArgVal::Buf(bytes) = &out[2] else { panic!("it was a buffer") };
    assert_eq!(bytes[..8], [1, 1, 1, 1, 1, 1, 9, 0]);
}

/// Masks of every form of access, on elements of every width.
#[test]
fn masks_and_gathers() {
    let dtypes = [DType::Bool, DType::U8, DType::I16, DType::F16, F32, DType::I64, DType::F64];
    let mut p = Program { name: "m".into(), ..Program::default() };
    for d in dtypes {
        for (lanes, index) in [(1, DType::I64), (4, DType::I64), (8, DType::I32), (16, DType::I64)] {
            p.funcs.push(masked(d, lanes, index));
        }
    }
    let mut both = Both::new(&p);
    for f in p.funcs.values() {
        let ParamKind::Buf { dtype: d, .. } = f.params[0].kind else { panic!("x is a buffer") };
        let bytes = |n: usize| (0..n * d.size()).map(|i| if d == DType::Bool { i % 3 / 2 } else { i * 7 } as u8);
        for n in [5, 16] {
            let args = [ArgVal::Buf(bytes(n).collect()), ArgVal::Buf(vec![1; 2 * n * d.size()]), int(n as i64)];
            both.call(&f.name, &args);
        }
    }
}

/// Copies n elements, then gathers every second one from the other end; lanes beyond n are masked.
fn masked(d: DType, lanes: u16, index: DType) -> Func {
    let mut b = exported(&format!("masks_{d}_{lanes}"));
    let (x, y) = (b.param_buf("x", d, false), b.param_buf("y", d, true));
    let n = b.param("n", DType::I64);
    let zero = b.int(0);
    b.for_loop("i", zero, n, i64::from(lanes), LoopKind::Serial, |b, i| {
        let lane = b.op(Ty::vector(index, lanes), Op::Iota);
        let (i_as, n_as) = (b.cast(i, index), b.cast(n, index));
        let at = b.add(lane, i_as);
        let mask = b.compare(CmpOp::Lt, at, n_as);
        let v = b.load(x, i, lanes, Some(mask));
        b.store(y, i, v, Some(mask));
        let one = b.scalar(Scalar::from_i64(index, 1));
        let last = b.binary(BinOp::Sub, n_as, one);
        let back = b.binary(BinOp::Sub, last, at);
        let odd = b.binary(BinOp::And, at, one);
        let odd = b.cast(odd, DType::Bool);
        let odd = b.binary(BinOp::And, odd, mask);
        let g = b.gather(x, back, Some(odd));
        let to = b.add(at, n_as);
        b.stmt(Stmt::Scatter { buf: y, offsets: to, value: g, mask: Some(mask) });
    });
    b.finish()
}

/// Scattered lanes that meet: the last one stays. Unmasked, with signed 32-bit offsets.
#[test]
fn scatters_run_in_lane_order() {
    let mut b = exported("scatter");
    let (x, y) = (b.param_buf("x", DType::I32, false), b.param_buf("y", F32, true));
    let (zero, four) = (b.int(0), b.int(4));
    let at = b.load(x, zero, 8, None);
    let mid = b.buf(F32, BufKind::Local, "mid");
    let off = b.int(16);
    b.stmt(Stmt::View { buf: mid, base: y, byte_offset: off, count: None });
    let lane = b.op(Ty::vector(DType::I32, 8), Op::Iota);
    let lane = b.cast(lane, F32);
    b.stmt(Stmt::Scatter { buf: mid, offsets: at, value: lane, mask: None });
    let g = b.gather(mid, at, None);
    let s = b.op(Ty::scalar(F32), Op::Reduce(ReduceOp::Add, g));
    b.store(y, four, s, None);
    let p = program(b.finish());
    let x = ArgVal::buf(&[-4i32, 1, 1, -3, 2, 1, -4, 3]);
    let (_, out) = Both::new(&p).call("scatter", &[x, ArgVal::buf(&[0f32; 8])]);
    assert_eq!(out[1].elements::<f32>()[..6], [6.0, 3.0, 0.0, 0.0, 41.0, 5.0]);
}

/// Shuffles to other lane counts, lanes taken out, bits under other types, tiles with indices that aren't constant.
#[test]
fn lanes_bits_and_tiles() {
    let mut b = exported("lanes");
    let (x, y) = (b.param_buf("x", DType::U32, false), b.param_buf("y", DType::U32, true));
    let (z, n) = (b.param_buf("z", DType::U8, true), b.param("n", DType::I64));
    let (zero, four) = (b.int(0), b.int(4));
    let (p, q) = (b.load(x, zero, 4, None), b.load(x, four, 4, None));
    let u32s = |n| Ty::vector(DType::U32, n);
    let s = b.op(u32s(8), Op::Shuffle(p, q, vec![7, 0, 6, 1, 5, 2, 4, 3]));
    b.store(y, zero, s, None);
    let two = b.op(u32s(2), Op::Shuffle(s, s, vec![1, 9]));
    let eight = b.int(8);
    b.store(y, eight, two, None);
    let one = b.op(u32s(1), Op::Shuffle(p, q, vec![6]));
    let last = b.op(u32s(1), Op::Extract(q, 3));
    let pair = b.op(u32s(2), Op::Shuffle(one, last, vec![1, 0]));
    let ten = b.int(10);
    b.store(y, ten, pair, None);
    let bytes = b.op(Ty::vector(DType::U8, 16), Op::Bitcast(p));
    b.store(z, zero, bytes, None);
    let float = b.op(Ty::vector(F32, 4), Op::Bitcast(q));
    let float = b.op(Ty::vector(F32, 4), Op::Unary(UnOp::Neg, float));
    let back = b.op(u32s(4), Op::Bitcast(float));
    let twelve = b.int(12);
    b.store(y, twelve, back, None);
    let twenty = b.int(20);
    let tile = b.var(Ty::scalar(DType::U32), &[3, 5], "tile");
    let (three, five) = (b.int(3), b.int(5));
    b.for_loop("i", zero, three, 1, LoopKind::Serial, |b, i| {
        b.for_loop("j", zero, five, 1, LoopKind::Serial, |b, j| {
            let k = b.mul(i, five);
            let k = b.add(k, j);
            let v = b.cast(k, DType::U32);
            b.set(tile, &[i, j], v);
        });
    });
    let one = b.int(1);
    let v = b.get(tile, &[one, n]);
    let w = b.get(tile, &[n, one]);
    let r = b.mul(v, w);
    b.store(y, twenty, r, None);
    let p = program(b.finish());
    let x = ArgVal::buf(&(0..8u32).map(|i| i * 0x1234_5679 + 3).collect::<Vec<_>>());
    Both::new(&p).call("lanes", &[x, ArgVal::buf(&[0u32; 24]), ArgVal::Buf(vec![0; 16]), int(2)]);
}

/// Constants at their offsets, and the functions that return addresses.
#[test]
fn constants_and_addresses() {
    let mut p = Program { name: "m".into(), ..Program::default() };
    let konst = |v: u8, n| ConstData { name: String::new(), dtype: DType::U8, data: vec![v; n].into() };
    let (_, second) = (p.consts.push(konst(1, 70)), p.consts.push(konst(2, 3)));
    let mut b = exported("read");
    let y = b.param_buf("y", DType::U8, true);
    let c = b.buf(DType::U8, BufKind::Const(second), "c");
    let (zero, two) = (b.int(0), b.int(2));
    let v = b.load(c, two, 1, None);
    b.store(y, zero, v, None);
    p.funcs.push(b.finish());
    let (_, out) = Both::new(&p).call("read", &[ArgVal::Buf(vec![0])]);
    assert_eq!(out[0], ArgVal::Buf(vec![2]));
    let lib = load(&p, &Target::host(), 2);
    let text: extern "C" fn(i32) -> *const c_char = lib.get("m_status_text");
    // SAFETY: the texts of a module end with a zero byte.
    let text = |status| unsafe { CStr::from_ptr(text(status)) }.to_str().expect("it is ASCII");
    for (i, t) in onnxc_runtime::status::TEXTS.iter().enumerate() {
        assert_eq!(text(i as i32), *t);
    }
    assert_eq!([text(1000), text(-1)], [onnxc_runtime::status::UNKNOWN; 2]);
}
