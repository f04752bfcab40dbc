//! Tokenizer of com.microsoft: strings cut into tokens along a new last axis.
//!
//! Attributes: `separators`, patterns that are cut out one after the other (a single empty one: each character is a
//! token), or `tokenexp`, a pattern of tokens; `mincharnum`, the least characters of a token; `pad_value` fills shorter
//! rows; `mark`: rows begin with U+0002 and their tokens end with U+0003. Patterns are of the language of RE2; the
//! longest of the matches that begin first counts.
//!
//! Code: `E2058` a pattern that is none, or a separator that matches nothing.

use super::super::automaton;
use super::DOMAIN;
use crate::handles::Operand;
use crate::prelude::*;

/// Tokenizer.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "Tokenizer",
    versions: &[(1, import)],
    infer,
    lower: Lower::Runtime(lower),
    extents: None,
};

/// Attribute `way`: each character, between separators, what matches.
const CHARACTERS: i64 = 0;
const BETWEEN: i64 = 1;
const MATCHES: i64 = 2;

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let (mark, least) = (n.need_int("mark")?, n.need_int("mincharnum")?);
    let fill = n.opt_str("pad_value")?;
    let fill = fill.ok_or_else(|| n.error("E2012", "attribute 'pad_value' is missing").expected("a string"))?;
    let (separators, token) = (n.opt_strs("separators")?, n.opt_str("tokenexp")?);
    let (way, patterns) = match (separators, token) {
        (Some(s), _) if s == [""] => (CHARACTERS, vec![]),
        (Some(s), _) if !s.is_empty() => (BETWEEN, s),
        (None, Some(t)) if t == "." => (CHARACTERS, vec![]),
        (None, Some(t)) if !t.is_empty() => (MATCHES, vec![t]),
        _ => return Err(n.error("E2012", "neither 'separators' nor 'tokenexp' says what a token is")),
    };
    if least < 1 || way == CHARACTERS && least > 1 {
        let expected = if way == CHARACTERS { "1, as each character is a token" } else { "1 or more" };
        return Err(n.error("E2011", format!("attribute 'mincharnum' is {least}")).expected(expected));
    }
    for p in &patterns {
        let why = match automaton::search(p).and_then(|_| automaton::matches_nothing(p)) {
            Ok(true) if way == BETWEEN => "it matches where there is nothing".into(),
            Ok(_) => continue,
            Err(why) => why,
        };
        return Err(n
            .error("E2058", format!("the pattern '{p}' can't be used: {why}"))
            .expected("a regular expression as RE2 has them; of separators, one that matches at least a character"));
    }
    Ok(Attrs::default()
        .with("mark", Attr::Int(mark))
        .with("mincharnum", Attr::Int(least))
        .with("pad_value", Attr::Str(fill))
        .with("way", Attr::Int(way))
        .with("patterns", Attr::Strs(patterns)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = cx.input_type(0)?;
    if x.dtype != DType::String {
        return Err(cx.error("E2022", format!("input 0 is of dtype {}", x.dtype)).expected("string"));
    }
    if !(1..=2).contains(&x.rank()) {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("1 or 2"));
    }
    let most = cx.fresh_extent(0, "tokens", 0, None);
    cx.set_tensor(0, DType::String, [&x.shape[..], &[most]].concat());
    Ok(())
}

fn lower(cx: &mut RuntimeCx) -> Result<()> {
    let attrs = cx.attrs().clone();
    let fill = Tensor::from_strings(vec![], vec![attrs.str("pad_value").unwrap_or_default().into()]);
    let mut args = vec![cx.handle(0), cx.string(fill.expect("one string fills a scalar"))];
    args.extend(["mark", "mincharnum", "way"].map(|a| Operand::Int(attrs.int(a).unwrap_or(0))));
    for pattern in attrs.strs("patterns").unwrap_or_default() {
        let table = automaton::search(pattern).map_err(|e| cx.error("E2058", e))?;
        args.push(cx.constant("automaton", Tensor::from_slice(&[table.len()], &table)));
    }
    let y = cx.call("tokenize", &args);
    cx.set(0, y);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn what_says_no_token_is_refused() {
        let error = |least: i64, name: &str, pattern: Attr| {
            let x = Tensor::from_strings(vec![1], vec![b"a".to_vec()]).expect("one string");
            let case = Case::new("com.microsoft.Tokenizer", 1).attr("mark", Attr::Int(0)).input(x);
            case.attr("mincharnum", Attr::Int(least))
                .attr("pad_value", Attr::Str(String::new()))
                .attr(name, pattern)
                .error()
        };
        let list = |patterns: &[&str]| Attr::Strs(patterns.iter().map(|p| p.to_string()).collect());
        assert_eq!(error(1, "separators", list(&[])), "E2012");
        assert_eq!(error(2, "separators", list(&[""])), "E2011");
        assert_eq!(error(0, "separators", list(&[" "])), "E2011");
        assert_eq!(error(1, "separators", list(&[" ", "x*"])), "E2058");
        assert_eq!(error(1, "tokenexp", Attr::Str("(".into())), "E2058");
    }
}
