//! Random programs and hand-made ones: the interpreter gives the same before and after.

use super::{Lanes, Vectors, scalarize};
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::random::{SIZE, program};
use onnxc_ir::loops::verify::{Stage, verify};
use onnxc_ir::loops::{Op, Scalar};

#[test]
fn random_programs_stay_the_same() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..200 {
        let length = 20 + next() % 400;
        let decisions: Vec<u32> = (0..length).map(|_| (next() >> 32) as u32).collect();
        let p = program(&decisions, Stage::FINAL);
        let (dots, lanes) =
            ([0, 4, 16][(next() % 3) as usize], [Lanes::Split, Lanes::Floats, Lanes::All][(next() % 3) as usize]);
        let q = scalarize(&p, Vectors { dots, lanes }).program;
        let whole = dots > 0 || lanes != Lanes::Split;
        verify(&q, Stage::FRESH).unwrap_or_else(|e| panic!("{e}\n{p}\n{q}"));
        assert!(whole || q.funcs.values().all(|f| f.values.values().all(|v| v.ty.lanes == 1)));
        let Some(f) = p.funcs.keys().next_back() else { continue };
        let x: Vec<f32> = (0..SIZE).map(|_| (next() >> 40) as f32 / 4096.0 - 2048.0).collect();
        let y = vec![0.5f32; SIZE as usize];
        let (n, d) = (Scalar::i64((next() % 64) as i64 - 8), Scalar::f64((next() >> 40) as f64 / 1000.0 - 5000.0));
        let args = || [ArgVal::buf(&x), ArgVal::buf(&y), ArgVal::Scalar(n), ArgVal::Scalar(d)];
        let (mut a, mut b) = (args(), args());
        let mut interp = Interp::new(&p);
        interp.limit_steps(1_000_000);
        let Ok(want) = interp.call(f, &mut a) else { continue };
        let mut interp = Interp::new(&q);
        interp.limit_steps(10_000_000);
        let got = interp.call(f, &mut b).unwrap_or_else(|e| panic!("{e}\n{p}\n{q}"));
        let bits = |v: &ArgVal| {
            v.elements::<f32>().iter().map(|v| if v.is_nan() { 0 } else { v.to_bits() }).collect::<Vec<_>>()
        };
        assert!(got == want && bits(&a[1]) == bits(&b[1]), "{p}\n{q}");
    }
}

/// Every value that the interpreter would compute lies in its range: constants are the easy witnesses.
#[test]
fn loops_of_one_iteration_disappear() {
    let text = "func @f(%x: const f32*, %y: f32*) {
        for %i in 0..4 step 4 { %o = iota : v4i64 %s = splat %i : v4i64 %a = add %s, %o : v4i64 %k = splat 3 : v4i64
          %m = cmp lt %a, %k : v4bool %v = load %x[%i] mask %m : v4f32 store %y[%i] = %v } }";
    let p = onnxc_ir::loops::parse::parse_program(text, None).unwrap_or_else(|e| panic!("{e}"));
    let q = scalarize(&p, Vectors::default());
    let text = q.program.to_string();
    assert!(!text.contains("for ") && !text.contains("cmp") && !text.contains("mask"), "{text}");
    let f = &q.program.funcs[q.program.funcs.keys().next().expect("there is one")];
    assert_eq!(f.values.values().filter(|v| matches!(v.op, Op::Load { .. })).count(), 3);
}

#[test]
fn what_decides_over_nothing_goes() {
    let text = "func @f(%x: const i64*, %y: i64*) {
        var %seen: i64
        for %i in 0..4 { %a = load %x[%i] : i64 %k = splat 3 : i64 %big = cmp lt %k, %a : bool
          if %big { set %seen = %a } store %y[%i] = %k } }";
    let p = onnxc_ir::loops::parse::parse_program(text, None).unwrap_or_else(|e| panic!("{e}"));
    let text = scalarize(&p, Vectors::default()).program.to_string();
    assert!(!text.contains("set") && !text.contains("cmp") && !text.contains("load"), "{text}");
}
