//! Round trips, and the messages for texts that aren't programs.

use super::*;
use crate::loops::interp::{ArgVal, Interp};
use crate::loops::print::{PrintOptions, elided_hash, print_program, tests::sample};
use crate::loops::random;
use crate::loops::tests::snapshot;
use crate::loops::verify::{Stage, verify};
use proptest::prelude::*;

fn round_trip(p: &Program, options: PrintOptions) -> Program {
    let text = print_program(p, options);
    let back = parse_program(&text, None).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(print_program(&back, options), text);
    back
}

#[test]
fn the_sample_returns() {
    let p = round_trip(&sample(), PrintOptions::default());
    assert_eq!(verify(&p, Stage::FRESH), Ok(()));
    let full = round_trip(&sample(), PrintOptions { full: true });
    let data = |p: &Program| p.consts.values().map(|c| c.data.clone()).collect::<Vec<_>>();
    assert_eq!(data(&full), data(&sample()));
    assert_eq!(full.interface, sample().interface);
    assert_eq!(full.externs, sample().externs);
}

#[test]
fn a_constant_without_data_is_marked_zeros() {
    let p = parse_program("const $w: f32[3] = elided \"0123456789abcdef\"", None).expect("this is a program");
    let c = p.consts.values().next().expect("with one constant");
    assert_eq!((elided_hash(c), &c.data[..]), (Some("0123456789abcdef"), &[0u8; 12][..]));
    round_trip(&p, PrintOptions { full: true });
}

#[test]
fn names_and_layout_are_free() {
    let p = parse_program("func @f(%a: i64) -> i64 { %twice = add %a, %a : i64 return %twice }", None);
    let text = p.expect("this is a program").to_string();
    assert!(text.contains("\n  %twice = add %a, %a : i64\n  return %twice\n"), "{text}");
}

#[test]
fn literals_keep_their_bits() {
    let scalars = [
        Scalar::i64(i64::MIN),
        Scalar::i64(-1),
        Scalar::bool(true),
        Scalar::f32(-0.0),
        Scalar::f32(f32::NEG_INFINITY),
        Scalar::f32(1e-45),
        Scalar::f64(0.1),
        Scalar::f64(f64::INFINITY),
        Scalar::from_i64(DType::U8, 255),
        Scalar { dtype: DType::U64, bits: u64::MAX },
        Scalar { dtype: DType::F32, bits: 0x7fc0_0001 },
        Scalar { dtype: DType::F32, bits: 0xffc0_0000 },
        Scalar { dtype: DType::F64, bits: 0x7ff0_0000_0000_0001 },
        Scalar { dtype: DType::F16, bits: 0x7e01 },
        Scalar { dtype: DType::BF16, bits: 0xff81 },
        Scalar { dtype: DType::F16, bits: 0x0001 },
        Scalar { dtype: DType::BF16, bits: 0x7f80 },
        Scalar::from_i64(DType::I16, -5),
        Scalar { dtype: DType::I8, bits: 0x80 },
    ];
    for s in scalars {
        let text = crate::scalar::literal::literal(s);
        let mut c = Cursor::new(&text, None).expect("a literal is tokens");
        assert_eq!(crate::scalar::literal::parse_literal(&mut c), Ok(s), "{text}");
        assert!(c.at_end(), "{text}");
    }
}

#[test]
fn messages_say_where() {
    let texts = [
        "func @f() { %x = add %y, 1 : i64 }",
        "func @f(%x: i64) {\n  %x = add %x, 1 : i64\n}",
        "func @f(%x: i64) {\n  %y = plus %x, 1 : i64\n}\nfunc @g() {\n  call @h()\n}",
        "func @f(%x: f32*) { store %x[0] = 1.0 mask }",
        "func @f(%x: f32*) { %a = add %x, 1 : i64 }",
        "func @f(%t: table) { entry %b: f32* = %t[4294967296] }",
        "func @f() { return 300u8 }",
        "const $w: f32[2] = [1.0]",
        "const $w: f32[99999999999] = elided \"0123456789abcdef\"",
        "const $w: i64[1] = hex \"0102030405060g\"",
        "entry run @nothing",
        "input \"x\": f33[n]",
        "func @f() { for %i in 0.. step 2 { } }",
        "func @f() { loop {",
        "dim n: input from 1..=2*",
        "what is this",
        "func @f() -> v { }",
    ];
    let messages: Vec<String> = texts
        .iter()
        .map(|t| parse_program(t, Some("t.loops")).err().map_or_else(|| format!("no error: {t}"), |e| e.to_string()))
        .collect();
    snapshot("parse-errors", &messages.join("\n\n"));
}

#[test]
fn deep_nesting_is_an_error() {
    let text = format!("func @f() {{ {}", "loop { ".repeat(100_000));
    let e = parse_program(&text, None).expect_err("there is a limit");
    assert_eq!(e.0[0].code, "E7004");
}

/// Runs `@f` of a random program; gives everything it wrote.
fn outcome(p: &Program) -> (Option<Scalar>, Vec<u8>) {
    let mut interp = Interp::new(p);
    let x: Vec<f32> = (0..random::SIZE).map(|i| 1.0 / (i as f32 + 0.5)).collect();
    let scalars = [ArgVal::Scalar(Scalar::i64(5)), ArgVal::Scalar(Scalar::f64(-2.5))];
    let [n, d] = scalars;
    let mut args = [ArgVal::buf(&x), ArgVal::buf(&vec![0f32; random::SIZE as usize]), n, d];
    let f = p.funcs.keys().next_back().expect("there are two functions");
    let r = interp.call(f, &mut args).unwrap_or_else(|e| panic!("{e}\n{p}"));
    (r, args[1].elements())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_programs_return_and_mean_the_same(decisions in proptest::collection::vec(any::<u32>(), 0..400)) {
        let stage = if decisions.len() % 2 == 0 { Stage::FRESH } else { Stage::FINAL };
        let p = random::program(&decisions, stage);
        if let Err(e) = verify(&p, stage) {
            panic!("{e}\n{p}");
        }
        let back = round_trip(&p, PrintOptions { full: true });
        prop_assert_eq!(verify(&back, Stage::FRESH), Ok(()));
        prop_assert_eq!(outcome(&p), outcome(&back));
    }

    #[test]
    fn no_text_panics(cut in 0usize..1400, with in "[%@$a-z0-9\\[\\]{}():=., \n]{0,6}", gone in 0usize..40) {
        let mut text = sample().to_string();
        let at = (0..=cut.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        let end = (at + gone).min(text.len());
        text.replace_range(at..end, &with);
        if let Ok(p) = parse_program(&text, None) {
            let _ = verify(&p, Stage::FRESH);
        }
    }
}
