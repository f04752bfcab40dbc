//! Operators that look into strings: StringConcat, StringSplit (since 20), StringNormalizer (since 10), RegexFullMatch
//! (since 20).
//!
//! RegexFullMatch's pattern is of the language of RE2 and becomes an automaton at compile time: `\d`, `\s` and `\w` are
//! ASCII, a `.` is a character of UTF-8.
//!
//! Code: `E2058` a pattern that is none.

use super::automaton;
use crate::handles::Operand;
use crate::prelude::*;

const fn def(
    name: &'static str,
    versions: &'static [(i64, crate::Import)],
    infer: fn(&mut InferCx) -> Result<()>,
    lower: fn(&mut RuntimeCx) -> Result<()>,
) -> OpDef {
    OpDef { domain: "", name, versions, infer, lower: Lower::Runtime(lower), extents: None }
}

/// StringConcat.
pub static CONCAT: OpDef = def("StringConcat", &[(20, |_| Ok(Attrs::default()))], infer_concat, |cx| {
    let (a, b) = (cx.handle(0), cx.handle(1));
    let y = cx.call("string_concat", &[a, b]);
    cx.set(0, y);
    Ok(())
});
/// StringSplit.
pub static SPLIT: OpDef = def("StringSplit", &[(20, import_split)], infer_split, lower_split);
/// StringNormalizer.
pub static NORMALIZER: OpDef = def("StringNormalizer", &[(10, import_normalizer)], infer_normalizer, lower_normalizer);
/// RegexFullMatch.
pub static FULL_MATCH: OpDef = def("RegexFullMatch", &[(20, import_match)], infer_match, lower_match);

/// Extents of input `i`, which must hold strings.
fn strings(cx: &InferCx, i: usize) -> Result<Vec<Sym>> {
    let t = cx.input_type(i)?;
    if t.dtype == DType::String {
        return Ok(t.shape);
    }
    Err(cx.error("E2022", format!("input {i} is of dtype {}", t.dtype)).expected("string"))
}

/// A list of strings.
pub(super) fn words(values: &[String]) -> Tensor {
    let bytes = values.iter().map(|w| w.as_bytes().to_vec()).collect();
    Tensor::from_strings(vec![values.len()], bytes).expect("as many words as the shape says")
}

fn infer_concat(cx: &mut InferCx) -> Result<()> {
    let shapes = [strings(cx, 0)?, strings(cx, 1)?];
    let shape = cx.broadcast(&shapes)?;
    cx.set_tensor(0, DType::String, shape);
    Ok(())
}

fn import_split(n: &mut NodeReader) -> Result<Attrs> {
    let delimiter = n.str("delimiter", "")?;
    let limit = n.opt_int("maxsplit")?.unwrap_or(-1);
    Ok(Attrs::default().with("delimiter", Attr::Str(delimiter)).with("maxsplit", Attr::Int(limit)))
}

fn infer_split(cx: &mut InferCx) -> Result<()> {
    let x = strings(cx, 0)?;
    let most = cx.fresh_extent(0, "parts", 0, None);
    cx.set_tensor(0, DType::String, [&x[..], &[most]].concat());
    cx.set_tensor(1, DType::I64, x);
    Ok(())
}

fn lower_split(cx: &mut RuntimeCx) -> Result<()> {
    let delimiter = Tensor::from_strings(vec![], vec![cx.attrs().str("delimiter").unwrap_or_default().into()]);
    let delimiter = cx.string(delimiter.expect("one string fills a scalar"));
    let limit = Operand::Int(cx.attrs().int("maxsplit").unwrap_or(-1));
    let x = cx.handle(0);
    let both = cx.call("string_split", &[x, delimiter, limit]);
    cx.set_items(both);
    Ok(())
}

fn import_normalizer(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["locale"]);
    let case = n.choice("case_change_action", &["NONE", "LOWER", "UPPER"])?;
    let case = ["NONE", "LOWER", "UPPER"].iter().position(|w| *w == case).unwrap_or(0);
    let stops = n.opt_strs("stopwords")?.unwrap_or_default();
    Ok(Attrs::default()
        .with("case", Attr::Int(case as i64))
        .with("case_matters", Attr::Int(n.int("is_case_sensitive", 0)?))
        .with("stopwords", Attr::Strs(stops)))
}

fn infer_normalizer(cx: &mut InferCx) -> Result<()> {
    let x = strings(cx, 0)?;
    let row = x.last().cloned();
    let row = row.filter(|_| x.len() == 1 || x.len() == 2 && cx.ranges().prove_eq(&x[0], &Sym::int(1)) != Some(false));
    let row = row.ok_or_else(|| {
        cx.error("E2005", format!("input 0 has rank {}", x.len())).expected("a list of strings, or a matrix of one row")
    })?;
    let kept = match (cx.attrs().strs("stopwords"), row.as_int()) {
        // Nothing is left out, but an empty row becomes one empty string.
        (None | Some([]), Some(n)) => Sym::int(n.max(1)),
        _ => cx.fresh_extent(0, "kept", 1, Some(Sym::max(&row, &Sym::int(1)))),
    };
    let shape = if x.len() == 2 { vec![Sym::int(1), kept] } else { vec![kept] };
    cx.set_tensor(0, DType::String, shape);
    Ok(())
}

fn lower_normalizer(cx: &mut RuntimeCx) -> Result<()> {
    let stops = words(cx.attrs().strs("stopwords").unwrap_or_default());
    let [case, matters] = ["case", "case_matters"].map(|a| Operand::Int(cx.attrs().int(a).unwrap_or(0)));
    let (x, stops) = (cx.handle(0), cx.constant("stopwords", stops));
    let y = cx.call("string_normalize", &[x, stops, case, matters]);
    cx.set(0, y);
    Ok(())
}

fn import_match(n: &mut NodeReader) -> Result<Attrs> {
    let pattern = n.opt_str("pattern")?.unwrap_or_default();
    if let Err(e) = automaton::full_match(&pattern) {
        return Err(n
            .error("E2058", format!("the pattern '{pattern}' can't be compiled: {e}"))
            .expected("a regular expression as RE2 has them"));
    }
    Ok(Attrs::default().with("pattern", Attr::Str(pattern)))
}

fn infer_match(cx: &mut InferCx) -> Result<()> {
    let x = strings(cx, 0)?;
    cx.set_tensor(0, DType::Bool, x);
    Ok(())
}

fn lower_match(cx: &mut RuntimeCx) -> Result<()> {
    let pattern = cx.attrs().str("pattern").unwrap_or_default().to_string();
    let table = automaton::full_match(&pattern).map_err(|e| cx.error("E2058", e))?;
    let table = Tensor::from_slice(&[table.len()], &table);
    let (x, table) = (cx.handle(0), cx.constant("automaton", table));
    let y = cx.call("string_match", &[x, table]);
    cx.set(0, y);
    Ok(())
}
