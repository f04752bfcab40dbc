//! Programs that break rules, and the messages.

use super::*;
use crate::loops::print::tests::sample;

#[test]
fn a_good_program_passes() {
    assert_eq!(verify(&sample(), Stage::FRESH), Ok(()));
}

/// Bodies of `@f(%x: const f32*, %y: f32*, %n: i64, %t: table) -> i32`, each with what is wrong.
const BAD: &[(&str, &str)] = &[
    ("lanes", "%a = splat 1.0 : v3f32"),
    ("lanes", "%a = splat 1.0 : v128f32"),
    ("elements", "%a = splat 1.0 : v4c128"),
    ("operands", "%a = add %n, 1.0 : i64"),
    ("operands", "%a = splat 1.0 : v4f32 %b = add %a, 1.0 : v4f32"),
    ("arithmetic on f16", "%a = mul 1.0f16, 1.0f16 : f16"),
    ("arithmetic on bool", "%a = add true, false : bool"),
    ("shift of floats", "%a = shl 1.0, 1.0 : f32"),
    ("not of floats", "%a = not 1.0 : f32"),
    ("floor of integers", "%a = floor %n : i64"),
    ("fma of integers", "%a = fma %n, %n, %n : i64"),
    ("iota of floats", "%a = iota : v4f32"),
    ("splat", "%a = splat %n : v4f32"),
    ("comparison", "%a = cmp lt %n, 1.0 : bool"),
    ("comparison", "%a = cmp lt %n, %n : i64"),
    ("comparison of bool", "%a = cmp lt true, false : bool"),
    ("select", "%a = select %n, 1.0, 2.0 : f32"),
    ("select", "%m = splat true : v2bool %v = splat 1.0 : v4f32 %a = select %m, %v, %v : v4f32"),
    ("cast of other lanes", "%v = splat 1.0 : v4f32 %a = cast %v : v8i32"),
    ("bitcast of another size", "%a = bitcast %n : f32"),
    ("bitcast of bool", "%a = bitcast true : u8"),
    ("load of another type", "%a = load %x[%n] : f64"),
    ("load at f32", "%a = load %x[1.0] : f32"),
    ("mask", "%a = load %x[%n] mask true : v4f32"),
    ("gather", "%o = splat 1.0 : v4f32 %a = gather %x[%o] : v4f32"),
    ("gather", "%o = splat 1 : v4i64 %a = gather %x[%o] : v8f32"),
    ("extract", "%v = splat 1.0 : v4f32 %a = extract %v, 4 : f32"),
    ("reduce", "%v = splat 1.0 : v4f32 %a = reduce add %v : v4f32"),
    ("reduce", "%v = splat 1.0 : v4f32 %a = reduce and %v : f32"),
    ("shuffle", "%v = splat 1.0 : v4f32 %a = shuffle %v, %v, [0, 8] : v2f32"),
    ("shuffle", "%v = splat 1.0 : v4f32 %a = shuffle %v, %v, [0, 1, 2] : v4f32"),
    ("thread", "%a = thread_id : i32"),
    ("param", "%a = param 0 : i64"),
    ("index by hand", "%a = index : i64"),
    ("result by hand", "%a = result : i64"),
    ("tile", "regtile %r: f32[2][3] %a = get %r[0] : f32"),
    ("tile", "regtile %r: f32[2][3] set %r[0][3] = 1.0"),
    ("tile", "regtile %r: f32[2] set %r[1.0] = 1.0"),
    ("variable", "var %r: f32 set %r = %n"),
    ("variable", "var %r: f32 %a = get %r : i64"),
    ("huge tile", "regtile %r: v16f32[65536][65536]"),
    ("huge stack", "buf %b: f32* = stack 4294967295"),
    ("scope", "if true { %a = add %n, 1 : i64 } return 0i32 %b = add %a, 1 : i64"),
    ("scope", "for %i in 0..4 { } %b = add %i, 1 : i64"),
    ("scope of memory", "if true { alloc %b: f32* = heap[%n] } %a = isnull %b : bool"),
    ("unassigned pointer", "buf %p: f32* = pointer if true { assign %p = %y } store %p[0] = 1.0"),
    ("unassigned pointer", "buf %p: f32* = pointer for %i in 0..%n { assign %p = %y } store %p[0] = 1.0"),
    ("unassigned pointer", "buf %p: f32* = pointer loop { if true { break } assign %p = %y } store %p[0] = 1.0"),
    (
        "assigned on all ways",
        "buf %p: f32* = pointer if true { assign %p = %y } else { return 1i32 } store %p[0] = 1.0",
    ),
    ("pointer to another type", "buf %p: i32* = pointer assign %p = %y"),
    ("assign to no pointer", "assign %x = %y"),
    ("write to read-only", "store %x[0] = 1.0"),
    ("write to read-only", "view %v: f32* = %x at byte 4 store %v[0] = 1.0"),
    ("write to read-only", "buf %p: f32* = pointer assign %p = %x store %p[0] = 1.0"),
    ("write to a constant", "buf %c: f32* = const $c %o = splat 0 : v2i64 %v = splat 1.0 : v2f32 scatter %c[%o] = %v"),
    ("other dtype than the constant", "buf %c: i32* = const $c"),
    ("other dtype than the parameter", "buf %c: i32* = param 0"),
    ("no buffer parameter", "buf %c: i64* = param 2"),
    ("store of another type", "store %y[0] = 1.0f64"),
    ("free of a parameter", "free %y"),
    ("free of workspace", "alloc %b: f32* = workspace[8] free %b"),
    ("no bound", "alloc %b: f32* = workspace[%n]"),
    ("bound over unknown dims", "alloc %b: f32* = workspace[%n] bound 4*h"),
    ("bound of a heap buffer", "alloc %b: f32* = heap[%n] bound 4"),
    ("break", "break"),
    ("break", "parallel for %i in 0..%n { loop { break } break }"),
    ("break", "unrolled for %i in 0..2 { break }"),
    ("return from parallel", "parallel for %i in 0..%n { return 1i32 }"),
    ("after return", "return 0i32 store %y[0] = 1.0"),
    ("after an endless loop", "loop { } store %y[0] = 1.0"),
    ("step", "for %i in 0..%n step 0 { }"),
    ("unrolled bounds", "unrolled for %i in 0..%n { }"),
    ("loop bounds", "for %i in 0..4i32 { }"),
    ("parallel carries", "var %s: f32 parallel for %i in 0..%n { %a = get %s : f32 set %s = %a }"),
    ("parallel result", "var %s: f32 parallel for %i in 0..%n { set %s = 1.0 } %a = get %s : f32"),
    ("condition", "if %n { }"),
    ("recursion", "call @f(%x, %y, %n, %t)"),
    ("arguments", "call @g(1.0)"),
    ("arguments", "call @g(%y, 1)"),
    ("argument kinds", "call extern @e(%t, %x)"),
    ("read-only argument", "call extern @e(%x, %t)"),
    ("result", "%r = call @g(1) : i32"),
    ("result", "%r = call extern @e(%y, %t) : i32"),
    ("return type", "return 1"),
    ("return of nothing", "return"),
];

/// The program around a body; the line that ends it unless the body does.
fn program(body: &str) -> Program {
    let end = if body.contains("return") { "" } else { "return 0i32" };
    let text = format!(
        "const $c: f32[2] = [1.0, 2.0]\nextern @e(f32*, table)\n\
         func @g(%n: i64) -> i64 {{ return %n }}\n\
         func @f(%x: const f32*, %y: f32*, %n: i64, %t: table) -> i32 {{ {body} {end} }}"
    );
    crate::loops::parse::parse_program(&text, None).unwrap_or_else(|e| panic!("{e}"))
}

fn messages(p: &Program, stage: Stage) -> String {
    verify(p, stage).err().map_or_else(|| "fine".to_owned(), |e| e.to_string().replace("\n  --> in @f", ""))
}

#[test]
fn every_rule_has_a_program_that_breaks_it() {
    let all: Vec<String> = BAD
        .iter()
        .map(|(what, body)| format!("## {what}: {body}\n{}", messages(&program(body), Stage::FRESH)))
        .collect();
    crate::loops::tests::snapshot("verify", &all.join("\n\n"));
}

#[test]
fn what_looks_odd_may_be_right() {
    let bodies = [
        "buf %p: f32* = pointer if true { assign %p = %y } else { return 1i32 } store %p[0] = 1.0 return 0i32",
        "buf %p: f32* = pointer loop { assign %p = %y if true { break } } store %p[0] = 1.0",
        "loop { for %i in 0..4 { break } return 1i32 }",
        "loop { unrolled for %i in 0..4 { break } }",
        "if true { return 1i32 } else { return 0i32 }",
        "regtile %r: f32[2] parallel for %i in 0..%n { set %r[0] = 1.0 %a = get %r[0] : f32 store %y[%i] = %a }",
        "call @g(1)",
        "%a = cast 1.0f16 : f32 %b = cmp ne true, false : bool %c = not %b : bool",
    ];
    for body in bodies {
        assert_eq!(messages(&program(body), Stage::FRESH), "fine", "{body}");
    }
}

#[test]
fn stages_forbid_what_their_pass_removes() {
    let body = "regtile %r: f32[2] unrolled for %i in 0..2 { set %r[%i] = 1.0 }
        alloc %b: f32* = workspace[8] %e = exp 1.0 : f32";
    assert_eq!(messages(&program(body), Stage::FRESH), "fine");
    crate::loops::tests::snapshot("verify-final", &messages(&program(body), Stage::FINAL));
}

#[test]
fn a_value_or_buffer_is_defined_once() {
    let mut b = FuncBuilder::new("f");
    let n = b.param("n", DType::I64);
    let late = b.func.values.push(ValueDef { ty: Ty::I64, op: Op::Unary(UnOp::Neg, n), name: "late".into() });
    b.add(late, n);
    b.stmt(Stmt::Let(late));
    b.stmt(Stmt::Let(late));
    let buf = b.buf(DType::F32, BufKind::Local, "b");
    b.stmt(Stmt::Free(buf));
    for _ in 0..2 {
        b.stmt(Stmt::Alloc { buf, count: n, space: Space::Heap, bound: None });
    }
    let mut p = Program { name: "p".into(), ..Program::default() };
    p.funcs.push(b.finish());
    crate::loops::tests::snapshot("verify-once", &messages(&p, Stage::FRESH));
}

#[test]
fn the_interface_is_checked() {
    let text = "program @\"not c\"
        dim n: input from 1..=2*m
        dim n: run 0 from 0..
        input \"x\": f32[k]
        size a = 4*b
        size a = 8
        size n = 8
        workspace n*k
        entry run @f
        const $c: c128 bytes 3 = hex \"010203\"
        extern @f()
        extern @g()
        func @f() -> i64 { return 1 }
        export func @\"odd name\"() { }
        func @f() { }";
    let p = crate::loops::parse::parse_program(text, None).unwrap_or_else(|e| panic!("{e}"));
    crate::loops::tests::snapshot("verify-program", &messages(&p, Stage::FRESH));
}
