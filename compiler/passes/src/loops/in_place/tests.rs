//! What is proven and what isn't, and that a proven function gives the same.

use super::in_place;
use onnxc_base::DType;
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::{BinOp, Buf, Func, FuncBuilder, LoopKind, Program, Value};

const N: i64 = 12;

/// `for i in 0..n { y[write(i)] = x[read(i)] + 1 }`
fn shifted(read: impl Fn(&mut FuncBuilder, Value) -> Value, write: impl Fn(&mut FuncBuilder, Value) -> Value) -> Func {
    function(|f, x, y, i| {
        let from = read(f, i);
        let v = f.load(x, from, 1, None);
        let to = write(f, i);
        f.store(y, to, v, None);
    })
}

fn function(body: impl Fn(&mut FuncBuilder, Buf, Buf, Value)) -> Func {
    let mut f = FuncBuilder::new("f");
    let (x, y) = (f.param_buf("x", DType::I32, false), f.param_buf("y", DType::I32, true));
    let (lo, hi) = (f.int(0), f.int(N));
    f.for_loop("i", lo, hi, 1, LoopKind::Parallel, |f, i| body(f, x, y, i));
    f.finish()
}

fn same(_: &mut FuncBuilder, i: Value) -> Value {
    i
}

fn plus(k: i64) -> impl Fn(&mut FuncBuilder, Value) -> Value {
    move |f, i| {
        let k = f.int(k);
        f.add(i, k)
    }
}

fn bytes(v: &[i32]) -> Vec<u8> {
    v.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Runs both forms on the same numbers.
fn agree(f: &Func, merged: &Func) {
    let data: Vec<i32> = (0..2 * N as i32).map(|i| i * i).collect();
    let run = |f: &Func, mut args: Vec<ArgVal>| {
        let mut p = Program { name: "t".into(), ..Program::default() };
        let id = p.funcs.push(f.clone());
        Interp::new(&p).call(id, &mut args).expect("it runs");
        match args.pop() {
            Some(ArgVal::Buf(b)) => b,
            _ => panic!("the last argument is a buffer"),
        }
    };
    let apart = run(f, vec![ArgVal::Buf(bytes(&data)), ArgVal::Buf(bytes(&vec![0; data.len()]))]);
    let together = run(merged, vec![ArgVal::Buf(bytes(&data))]);
    let n = N as usize * 4;
    assert_eq!(apart[..n], together[..n]);
}

#[test]
fn what_is_read_before_it_is_overwritten_is_proven() {
    for f in [shifted(same, same), shifted(plus(1), same), shifted(plus(5), same)] {
        let merged = in_place(&f, 0, 1).expect("it is proven");
        assert_eq!(merged.params.len(), 1);
        assert!(!merged.to_string().contains("parallel"), "iterations depend on each other now");
        agree(&f, &merged);
    }
}

#[test]
fn what_is_read_afterwards_is_not() {
    assert!(in_place(&shifted(same, plus(1)), 0, 1).is_none());
    let backwards = |f: &mut FuncBuilder, i: Value| {
        let last = f.int(N - 1);
        f.binary(BinOp::Sub, last, i)
    };
    assert!(in_place(&shifted(backwards, same), 0, 1).is_none());
    // Every iteration reads the first element.
    let first = |f: &mut FuncBuilder, _: Value| f.int(0);
    assert!(in_place(&shifted(first, same), 0, 1).is_none());
}

#[test]
fn addresses_that_depend_on_data_are_not() {
    let f = function(|f, x, y, i| {
        let v = f.load(x, i, 1, None);
        let at = f.cast(v, DType::I64);
        f.store(y, at, v, None);
    });
    assert!(in_place(&f, 0, 1).is_none());
}

#[test]
fn masked_lanes_are_neither_read_nor_written() {
    // Vectors of four from every even place, of which two lanes count.
    let f = |masked: bool| {
        function(move |f, x, y, i| {
            let two = f.int(2);
            let half = f.binary(BinOp::FloorDiv, i, two);
            let at = f.mul(half, two);
            let count = f.int(2);
            let lanes = f.op(onnxc_ir::loops::Ty::vector(DType::I64, 4), onnxc_ir::loops::Op::Iota);
            let on = f.compare(onnxc_ir::scalar::CmpOp::Lt, lanes, count);
            let mask = masked.then_some(on);
            let v = f.load(x, at, 4, mask);
            f.store(y, at, v, mask);
        })
    };
    assert!(in_place(&f(true), 0, 1).is_none(), "each pair is read twice");
    assert!(in_place(&f(false), 0, 1).is_none());
}
