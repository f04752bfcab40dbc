//! Programs and the numbers they must give.

mod module;

use super::*;
use crate::loops::parse::parse_program;
use crate::loops::print::tests::sample;
use crate::loops::verify::{Stage, verify};
use crate::scalar::literal::literal;

#[test]
fn the_printed_sample_runs() {
    let p = sample();
    let mut seen = vec![];
    let mut interp = Interp::new(&p);
    interp.supply(
        "my_op",
        Box::new(|c| {
            seen.push(c.scalar(1)?.to_i64());
            c.bytes_mut(0)?[..4].copy_from_slice(&9f32.to_le_bytes());
            Ok(Some(Scalar { dtype: DType::I32, bits: 7 }))
        }),
    );
    let x: Vec<f32> = (0..11).map(|i| i as f32).collect();
    let n = ArgVal::Scalar(Scalar::i64(11));
    let mut args = [ArgVal::buf(&x), ArgVal::buf(&[0f32; 11]), n, ArgVal::Table(vec![])];
    let status = interp.call(p.interface.entries.run.expect("the sample has one"), &mut args);
    assert_eq!(status, Ok(Some(Scalar { dtype: DType::I32, bits: 7 })));
    let mut want: Vec<f32> = x.iter().map(|v| v * 2.0 + 0.5).collect();
    want[8] = 9.0;
    assert_eq!(args[1].elements::<f32>(), want);
    drop(interp);
    assert_eq!(seen, [11]);
}

/// Bodies of `@f(%x: f32*, %n: i64, %t: table) -> TYPE` with `%x` = 0, 1, .. 15, `%n` = 5, and what they return.
const RESULTS: &[(&str, &str)] = &[
    // Arithmetic, in the scalar and in the vector loops.
    ("%r = sub 7, %n : i64", "2"),
    ("%r = floordiv -7, 2 : i64", "-4"),
    ("%r = add 250u8, 10u8 : u8", "4u8"),
    ("%r = xor true, true : bool", "false"),
    ("%r = sqrt 2.25 : f32", "1.5"),
    ("%r = neg 1i32 : i32", "-1i32"),
    ("%r = fma 3.0, 4.0, 0.5 : f32", "12.5"),
    ("%r = fma 3.0f64, 4.0f64, 0.5f64 : f64", "12.5f64"),
    ("%v = load %x[1] : v4f32 %w = mul %v, %v : v4f32 %r = reduce add %w : f32", "30.0"),
    ("%r = cmp lt nan, 1.0 : bool", "false"),
    ("%r = cmp ge %n, 5 : bool", "true"),
    ("%r = select false, 1.0, 2.0 : f32", "2.0"),
    ("%r = cast -1.5 : i32", "-1i32"),
    ("%r = cast 300 : u8", "44u8"),
    ("%h = cast 1.0009765 : f16 %r = cast %h : f32", "1.0009766"),
    ("%r = bitcast 1.0 : i32", "1065353216i32"),
    ("%v = splat 1i32 : v2i32 %r = bitcast %v : i64", "4294967297"),
    ("%v = bitcast 1.0f64 : v2u32 %r = extract %v, 1 : u32", "1072693248u32"),
    ("%r = param 1 : i64", "5"),
    ("%r = thread_id : i64", "0"),
    // Lanes.
    ("%i = iota : v8i32 %r = extract %i, 6 : i32", "6i32"),
    ("%v = load %x[0] : v4f32 %r = reduce max %v : f32", "3.0"),
    ("%v = load %x[0] : v4f32 %w = load %x[8] : v4f32 %s = shuffle %v, %w, [7, 1] : v2f32 %r = extract %s, 0 : f32", "11.0"),
    ("%v = load %x[0] : v4f32 %i = iota : v4i32 %k = splat 2i32 : v4i32 %m = cmp eq %i, %k : v4bool
      %z = splat -1.0 : v4f32 %s = select %m, %v, %z : v4f32 %r = reduce add %s : f32", "-1.0"),
    // The tree of a sum: (a + c) + (b + d).
    ("store %x[0] = 1.0e20 store %x[1] = 1.0 store %x[2] = -1.0e20 store %x[3] = 2.0
      %v = load %x[0] : v4f32 %r = reduce add %v : f32", "3.0"),
    // Memory.
    ("%i = iota : v4i64 %k = splat 2 : v4i64 %m = cmp lt %i, %k : v4bool %v = load %x[14] mask %m : v4f32
      %r = reduce add %v : f32", "29.0"),
    ("%i = iota : v4i32 %k = splat 3i32 : v4i32 %o = mul %i, %k : v4i32 %v = gather %x[%o] : v4f32
      %r = reduce add %v : f32", "18.0"),
    ("%i = iota : v4i64 %k = splat 100 : v4i64 %o = mul %i, %k : v4i64 %z = splat 0 : v4i64
      %m = cmp eq %o, %z : v4bool %v = gather %x[%o] mask %m : v4f32 %r = reduce add %v : f32", "0.0"),
    // The last lane of a scatter to one place stays.
    ("%o = splat 3 : v4i64 %v = load %x[4] : v4f32 scatter %x[%o] = %v %r = load %x[3] : f32", "7.0"),
    ("%m = splat false : v4bool %v = splat 9.0 : v4f32 store %x[13] = %v mask %m %r = load %x[13] : f32", "13.0"),
    ("view %v: f32* = %x at byte 8 %r = load %v[1] : f32", "3.0"),
    ("view %v: f32* = %x at byte 8 count 2 %r = load %v[1] : f32", "3.0"),
    ("view %v: i32* = %x at byte 4 %r = load %v[0] : i32", "1065353216i32"),
    ("entry %e: i64* = %t[1] %r = load %e[0] : i64", "77"),
    ("entry %e: i64* = %t[0] %r = isnull %e : bool", "true"),
    ("buf %s: f32* = stack 4 %r = load %s[3] : f32", "0.0"),
    ("alloc %w: i32* = workspace[%n] bound 8 %r = load %w[4] : i32", "-1i32"),
    ("alloc %h: f32* = heap[%n] store %h[4] = 2.0 %r = load %h[4] : f32 free %h", "2.0"),
    ("alloc %h: f32* = heap[100000] %r = isnull %h : bool free %h", "true"),
    ("buf %c: f32* = const $c %r = load %c[1] : f32", "2.0"),
    // Variables and control.
    ("var %v: i64 %r = get %v : i64", "0"),
    ("regtile %v: v2i64[2][3] for %i in 0..2 { for %j in 0..3 { %p = mul %i, 3 : i64 %q = add %p, %j : i64
      %s = splat %q : v2i64 set %v[%i][%j] = %s } } %g = get %v[1][1] : v2i64 %r = reduce add %g : i64", "8"),
    ("var %v: i64 for %i in 10..20 step 4 { %g = get %v : i64 %a = add %g, %i : i64 set %v = %a } %r = get %v : i64", "42"),
    ("var %v: i64 for %i in 3..3 { set %v = 1 } %r = get %v : i64", "0"),
    ("var %v: i64 loop { %g = get %v : i64 %a = add %g, 1 : i64 set %v = %a %c = cmp eq %a, 6 : bool if %c { break } }
      %r = get %v : i64", "6"),
    ("var %v: i64 for %i in 0..9 { unrolled for %j in 0..9 { set %v = %j if true { break } } set %v = 5 } %r = get %v : i64", "0"),
    ("parallel for %i in 0..4 { store %x[%i] = 8.0 } %r = load %x[3] : f32", "8.0"),
    // The swap of two buffers, as in a loop over tensors.
    ("alloc %a: i64* = workspace[1] alloc %b: i64* = workspace[1] store %a[0] = 1 store %b[0] = 0
      buf %p: i64* = pointer buf %q: i64* = pointer buf %s: i64* = pointer assign %p = %a assign %q = %b
      for %i in 0..%n { %v = load %p[0] : i64 %w = mul %v, 3 : i64 store %q[0] = %w
      assign %s = %p assign %p = %q assign %q = %s } %r = load %p[0] : i64", "243"),
    // Calls.
    ("%r = call @twice(%n) : i64", "10"),
    ("call @set(%x[2], 6.5) %r = load %x[2] : f32", "6.5"),
    ("%r = call extern @sum(%x[10], 3i32) : f32", "33.0"),
];

/// What surrounds a body.
fn program(body: &str, ty: &str, end: &str) -> Program {
    let text = format!(
        "const $c: f32[2] = [1.0, 2.0]
         extern @sum(f32*, i32) -> f32
         func @twice(%a: i64) -> i64 {{ %r = add %a, %a : i64 return %r }}
         func @set(%p: f32*, %v: f32) {{ store %p[0] = %v }}
         func @f(%x: f32*, %n: i64, %t: table){ty} {{ {body} {end} }}"
    );
    let p = parse_program(&text, None).unwrap_or_else(|e| panic!("{e}"));
    verify(&p, Stage::FRESH).unwrap_or_else(|e| panic!("{e}"));
    p
}

fn sum(c: &mut ExternCall) -> Result<Option<Scalar>, String> {
    let n = c.scalar(1)?.to_i64() as usize;
    let all = c.bytes(0)?.chunks_exact(4).map(|b| Scalar::read(DType::F32, b).to_f64());
    Ok(Some(Scalar::from_f64(DType::F32, all.take(n).sum())))
}

/// Runs `@f`; gives the result and `%x` as it is then.
fn run(p: &Program, setup: impl FnOnce(&mut Interp)) -> (Result<Option<Scalar>, InterpError>, Vec<f32>) {
    let mut interp = Interp::new(p);
    interp.supply("sum", Box::new(sum));
    interp.limit_heap(1000);
    setup(&mut interp);
    let x: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let table = ArgVal::Table(vec![ArgVal::Null, ArgVal::buf(&[77i64])]);
    let mut args = [ArgVal::buf(&x), ArgVal::Scalar(Scalar::i64(5)), table];
    let f = p.funcs.keys().next_back().expect("@f is the last one");
    let r = interp.call(f, &mut args);
    (r, args[0].elements())
}

#[test]
fn every_operation_and_statement_gives_the_expected_number() {
    for (body, want) in RESULTS {
        // The type of the result is that of the last definition of %r.
        let ty = body.rsplit_once("%r = ").and_then(|(_, r)| r.split_once(" : ")).expect("bodies define %r").1;
        let ty = ty.split_whitespace().next().expect("a type follows");
        let p = program(body, &format!(" -> {ty}"), "return %r");
        let got = run(&p, |_| {}).0.unwrap_or_else(|e| panic!("{body}\n{e}"));
        assert_eq!(got.map(literal).as_deref(), Some(*want), "{body}");
    }
}

#[test]
fn faults_name_the_statement() {
    let bodies = [
        "store %x[16] = 1.0",
        "%a = load %x[-1] : f32",
        "%a = load %x[13] : v4f32",
        "%o = splat 9223372036854775807 : v2i64 %a = gather %x[%o] : v2f32",
        "view %v: f32* = %x at byte 32 store %v[8] = 1.0",
        "view %v: f32* = %x at byte 8 count 2 store %v[2] = 1.0",
        "buf %c: f32* = const $c call @set(%x[16], 1.0)",
        "entry %e: f32* = %t[0] store %e[0] = 1.0",
        "entry %e: f32* = %t[2]",
        "alloc %h: f32* = heap[4] free %h store %h[0] = 1.0",
        "alloc %h: f32* = heap[4] free %h free %h",
        "alloc %h: f32* = heap[4]",
        "alloc %h: f32* = workspace[-1]",
        "buf %c: f32* = const $c buf %p: f32* = pointer assign %p = %x assign %p = %c store %p[0] = 1.0",
        "regtile %v: i64[3] for %i in 0..%n { set %v[%i] = 1 }",
        "loop { }",
        "for %i in 0..1000 { }",
        "%a = call extern @sum(%x, 99i32) : f32 %b = call extern @unknown() : f32",
    ];
    let unknown = "extern @unknown() -> f32\n";
    let mut text = String::new();
    for body in bodies {
        let p = parse_program(&format!("{unknown}{}", program_text(body)), None).unwrap_or_else(|e| panic!("{e}"));
        let e = run(&p, |i| i.limit_steps(500)).0.expect_err(body);
        text.push_str(&format!("## {body}\n{e}\n\n"));
    }
    crate::loops::tests::snapshot("interp-faults", &text);
}

/// The text of a program with a body, also one that the verifier would refuse.
fn program_text(body: &str) -> String {
    format!(
        "const $c: f32[2] = [1.0, 2.0]
         extern @sum(f32*, i32) -> f32
         func @set(%p: f32*, %v: f32) {{ store %p[0] = %v }}
         func @f(%x: f32*, %n: i64, %t: table) {{ {body} }}"
    )
}

#[test]
fn what_was_written_before_a_fault_is_there() {
    let p = program("store %x[0] = 5.0 store %x[99] = 1.0", "", "");
    let (r, x) = run(&p, |_| {});
    assert!(r.is_err());
    assert_eq!(x[..2], [5.0, 1.0]);
}

#[test]
fn a_race_shows_when_iterations_run_backwards() {
    let body = "parallel for %i in 0..4 { %f = cast %i : f32 store %x[0] = %f }";
    let p = program(body, "", "");
    assert_eq!(run(&p, |_| {}).1[0], 3.0);
    assert_eq!(run(&p, |i| i.parallel_backwards(true)).1[0], 0.0);
}

#[test]
fn an_interpreter_can_be_used_again_after_a_fault() {
    let p = program("store %x[16] = 1.0", "", "");
    let mut interp = Interp::new(&p);
    let f = p.funcs.keys().next_back().expect("@f is the last one");
    for _ in 0..2 {
        let mut args = [ArgVal::buf(&[0f32; 4]), ArgVal::Scalar(Scalar::i64(0)), ArgVal::Table(vec![])];
        assert!(matches!(interp.call(f, &mut args), Err(InterpError { fault: Fault::OutOfBounds { .. }, .. })));
        assert!(matches!(interp.call(f, &mut []), Err(InterpError { fault: Fault::Arguments(_), .. })));
    }
}
