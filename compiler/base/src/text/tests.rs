//! Round trips of names, numbers and strings; tokens; error texts.

use super::*;
use crate::sym::Sym;
use proptest::prelude::*;

fn cursor(text: &str) -> Cursor<'_> {
    Cursor::new(text, None).unwrap_or_else(|d| panic!("{text}: {d}"))
}

fn tokens(text: &str) -> Vec<Tok> {
    let all = tokenize(text, None).unwrap_or_else(|d| panic!("{text}: {d}"));
    all.into_iter().map(|t| t.tok).collect()
}

#[test]
fn tokens_of_each_kind() {
    use Tok::*;
    let (ident, float) = (|s: &str| Ident(s.into()), |s: &str| Float(s.into()));
    let table = [
        ("conv1.weight j#3 _x", vec![ident("conv1.weight"), ident("j#3"), ident("_x")]),
        ("0..n", vec![Int(0), Punct(".."), ident("n")]),
        ("n..m", vec![ident("n"), Punct(".."), ident("m")]),
        (
            "1.5 2e3 1.e 7e+ 1e-9",
            vec![
                float("1.5"),
                float("2e3"),
                Int(1),
                Punct("."),
                ident("e"),
                Int(7),
                ident("e"),
                Punct("+"),
                float("1e-9"),
            ],
        ),
        ("0f7fc00001 0f", vec![float("0f7fc00001"), Int(0), ident("f")]),
        ("99999999999999999999", vec![float("99999999999999999999")]),
        (
            "%x: $12 -> @\"a\\\"b/\"",
            vec![Sigil('%', "x".into()), Punct(":"), Sigil('$', "12".into()), Punct("->"), Sigil('@', "a\"b/".into())],
        ),
        ("a % b $", vec![ident("a"), Punct("%"), ident("b"), Punct("$")]),
        ("a # rest -> \n b#c", vec![ident("a"), ident("b#c")]),
        ("\"\\u{e9}\\n\\t\\\\é\"", vec![Str("é\n\t\\é".into())]),
        ("`a b`", vec![Backtick("a b".into())]),
        (
            "a->b<=c+=d:=e",
            vec![
                ident("a"),
                Punct("->"),
                ident("b"),
                Punct("<="),
                ident("c"),
                Punct("+="),
                ident("d"),
                Punct(":="),
                ident("e"),
            ],
        ),
        ("\u{a0}\u{2003}", vec![]),
    ];
    for (text, mut expected) in table {
        expected.push(End);
        assert_eq!(tokens(text), expected, "{text}");
    }
}

#[test]
fn readers_take_what_they_name_and_leave_the_rest() {
    let mut c =
        cursor("f32[-3, 3*h + floordiv(h, 2)] %x { pads: [1, 2,], mode = \"cubic\" } 18446744073709551615 -inf 2");
    assert_eq!(c.ident().as_deref(), Ok("f32"));
    assert!(c.eat("[") && !c.eat("["));
    assert_eq!(c.int(), Ok(-3));
    assert_eq!(c.expect(","), Ok(()));
    assert_eq!(c.parse_sym(), Sym::parse("floordiv(h, 2) + 3*h").map_err(|_| unreachable!()));
    assert_eq!(c.expect("]"), Ok(()));
    assert_eq!((c.eat_sigil('$'), c.sigil('%').as_deref()), (None, Ok("x")));
    assert!(c.eat("{") && c.at("pads") && *c.peek_at(1) == Tok::Punct(":"));
    assert!(c.eat("pads") && c.eat(":") && c.eat("["));
    assert_eq!(c.list("]", Cursor::int), Ok(vec![1, 2]));
    assert!(c.eat(",") && c.eat("mode") && c.eat("="));
    assert_eq!(c.string().as_deref(), Ok("cubic"));
    assert!(c.eat("}"));
    assert!(c.int().is_err());
    assert_eq!(c.uint(), Ok(u64::MAX));
    assert_eq!(c.f32(), Ok(f32::NEG_INFINITY));
    assert_eq!((c.f64(), c.expect_end()), (Ok(2.0), Ok(())));
}

#[test]
fn errors_show_the_place() {
    let text = "graph @m {\n\t%y = Relu(%x,) ->\n}";
    let mut c = Cursor::new(text, Some("m.graph")).expect("these are tokens");
    while !c.eat("->") {
        c.next();
    }
    assert_eq!(
        c.expect("f32").expect_err("a brace is next").to_string(),
        "error[E7001]: expected 'f32', found '}'\n  | }\n  | ^\n  --> m.graph:3:1"
    );
    c.rewind(c.position() - 1);
    assert_eq!(
        c.error("no type").to_string(),
        "error[E7001]: no type\n  | \t%y = Relu(%x,) ->\n  | \t               ^^\n  --> m.graph:2:17"
    );
}

#[test]
fn broken_tokens_are_errors() {
    let table = [
        ("a \"b", "the quote isn't closed", (1, 3)),
        ("\n  é", "unexpected character 'é'", (2, 3)),
        ("\"\\q\"", "unknown escape", (1, 2)),
        ("\"\\u{d800}\"", "no such character", (1, 2)),
        ("\"\\u{1234567}\"", "expected \\u{hex}", (1, 2)),
        ("\"\\u{+1}\"", "no such character", (1, 2)),
        ("%\"", "the quote isn't closed", (1, 2)),
        ("\"\\", "the quote isn't closed", (1, 2)),
    ];
    for (text, message, place) in table {
        let error = tokenize(text, None).expect_err(text);
        assert_eq!((error.message.lines().next(), error.place.line), (Some(message), Some(place)), "{text}");
    }
}

#[test]
fn writer_indents_lines_that_have_text() {
    use std::fmt::Write;
    let mut w = Writer::new();
    w.open("graph @m");
    write!(w, "a").and_then(|()| writeln!(w, " = b\n\nc")).expect("strings take all");
    w.open("if");
    w.line(3);
    w.close();
    w.close();
    assert_eq!(w.finish(), "graph @m {\n  a = b\n\n  c\n  if {\n    3\n  }\n}\n");
}

#[test]
fn floats_have_one_spelling() {
    let table = [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (0.1, "0.1"),
        (1e30, "1e30"),
        (f32::MIN_POSITIVE, "1.1754944e-38"),
        (f32::INFINITY, "inf"),
        (f32::NAN, "nan"),
        (f32::from_bits(0xffc0_0000), "-nan"),
        (f32::from_bits(0x7f80_0001), "0f7f800001"),
    ];
    for (value, text) in table {
        assert_eq!(fmt_f32(value), text);
    }
    for wrong in ["0f7fc0", "0f7ff8000000000000", "infinity", "x", "1.0.0", ""] {
        assert_eq!(parse_f32(wrong).map(f32::to_bits), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn f32_reads_back_bit_for_bit(bits in any::<u32>()) {
        let text = fmt_f32(f32::from_bits(bits));
        let mut c = cursor(&text);
        prop_assert_eq!(c.f32().map(f32::to_bits), Ok(bits), "{}", text);
        prop_assert!(c.at_end());
    }

    #[test]
    fn f64_reads_back_bit_for_bit(bits in any::<u64>()) {
        let text = fmt_f64(f64::from_bits(bits));
        prop_assert_eq!(cursor(&text).f64().map(f64::to_bits), Ok(bits), "{}", text);
    }

    #[test]
    fn nan_payloads_read_back(payload in 1_u64..1 << 52, negative in any::<bool>()) {
        let bits = 0x7ff0_0000_0000_0000 | payload | u64::from(negative) << 63;
        prop_assert_eq!(cursor(&fmt_f64(f64::from_bits(bits))).f64().map(f64::to_bits), Ok(bits));
        let bits = 0x7f80_0000 | (payload as u32 & 0x7f_ffff).max(1) | u32::from(negative) << 31;
        prop_assert_eq!(cursor(&fmt_f32(f32::from_bits(bits))).f32().map(f32::to_bits), Ok(bits));
    }

    #[test]
    fn any_name_and_string_reads_back(name in "\\PC{0,8}|(?s).{0,4}|[a-z0-9_.#/\"\\\\]{1,6}") {
        let text = format!("{}: {}", sigil('%', &name), quoted(&name, '"'));
        let mut c = cursor(&text);
        prop_assert_eq!(c.sigil('%'), Ok(name.clone()), "{}", text);
        prop_assert_eq!(c.expect(":"), Ok(()));
        prop_assert_eq!(c.string(), Ok(name.clone()));
        if is_identifier(&name) {
            prop_assert_eq!(cursor(&name).ident(), Ok(name));
        }
    }

    #[test]
    fn any_text_is_tokens_or_an_error(text in "(?s).{0,16}|[-%$@\"`\\\\u{}0-9a-f.#eE\n ]{0,16}") {
        match tokenize(&text, None) {
            Ok(tokens) => {
                prop_assert!(tokens.windows(2).all(|w| w[0].span.end <= w[1].span.start));
                prop_assert_eq!(tokens.last().map(|t| t.span.end), Some(text.len()));
            }
            Err(d) => prop_assert!(d.place.line.is_some()),
        }
    }
}
