//! Operators of `ai.onnx.ml` on maps: DictVectorizer, CastMap, ZipMap; and CategoryMapper, which is a LabelEncoder.

use super::strings::words;
use crate::handles::Operand;
use crate::prelude::*;
use onnxc_ir::graph::OpName;
use onnxc_onnx::dtype::to_onnx;

const DOMAIN: &str = "ai.onnx.ml";

const fn def(
    name: &'static str,
    import: &'static [(i64, crate::Import)],
    infer: fn(&mut InferCx) -> Result<()>,
    lower: fn(&mut RuntimeCx) -> Result<()>,
) -> OpDef {
    OpDef { domain: DOMAIN, name, versions: import, infer, lower: Lower::Runtime(lower), extents: None }
}

/// DictVectorizer.
pub static DICT: OpDef = def("DictVectorizer", &[(1, import_dict)], infer_dict, |cx| {
    let vocabulary = keys(cx.attrs());
    let (x, vocabulary) = (cx.handle(0), cx.constant("vocabulary", vocabulary));
    let y = cx.call("dict", &[x, vocabulary]);
    cx.set(0, y);
    Ok(())
});
/// CastMap.
pub static CAST: OpDef = def("CastMap", &[(1, import_cast)], infer_cast, lower_cast);
/// ZipMap.
pub static ZIP: OpDef = def("ZipMap", &[(1, import_zip)], infer_zip, |cx| {
    let keys = keys(cx.attrs());
    let (x, keys) = (cx.handle(0), cx.constant("keys", keys));
    let maps = cx.call("zip_map", &[x, keys]);
    cx.set(0, maps);
    Ok(())
});
/// CategoryMapper.
pub static CATEGORIES: OpDef = OpDef {
    domain: DOMAIN,
    name: "CategoryMapper",
    versions: &[(1, import_categories)],
    infer: |cx| Err(cx.error("E2014", "the node is a LabelEncoder when it is imported")),
    lower: Lower::Alias,
    extents: None,
};

/// Keys that a file lists as integers or strings, as attribute `ints` or `strings`.
fn read_keys(n: &mut NodeReader, ints: &str, strings: &str) -> Result<Attrs> {
    let (numbers, words) = (n.opt_ints(ints)?.unwrap_or_default(), n.opt_strs(strings)?.unwrap_or_default());
    match (numbers.is_empty(), words.is_empty()) {
        (_, false) => Ok(Attrs::default().with("strings", Attr::Strs(words))),
        (false, _) => Ok(Attrs::default().with("ints", Attr::Ints(numbers))),
        _ => Err(n.error("E2012", format!("neither '{ints}' nor '{strings}' is given"))),
    }
}

fn keys(attrs: &Attrs) -> Tensor {
    match (attrs.strs("strings"), attrs.ints("ints")) {
        (Some(w), _) => words(w),
        (_, ints) => {
            let ints = ints.unwrap_or_default();
            Tensor::from_slice(&[ints.len()], ints)
        }
    }
}

fn import_dict(n: &mut NodeReader) -> Result<Attrs> {
    read_keys(n, "int64_vocabulary", "string_vocabulary")
}

fn import_zip(n: &mut NodeReader) -> Result<Attrs> {
    read_keys(n, "classlabels_int64s", "classlabels_strings")
}

fn import_cast(n: &mut NodeReader) -> Result<Attrs> {
    let to = n.choice("cast_to", &["TO_FLOAT", "TO_STRING", "TO_INT64"])?;
    let to = match to.as_str() {
        "TO_FLOAT" => DType::F32,
        "TO_STRING" => DType::String,
        _ => DType::I64,
    };
    let (form, most) = (n.choice("map_form", &["DENSE", "SPARSE"])?, n.int("max_map", 1)?);
    let length = if form == "SPARSE" { most } else { -1 };
    Ok(Attrs::default().with("to", Attr::DType(to)).with("length", Attr::Int(length)))
}

/// The key and value dtypes of input 0, which must be a map.
fn map(cx: &InferCx) -> Result<(DType, DType)> {
    match &cx.graph.values[cx.input(0)?].ty {
        Type::Map(k, v) => Ok((*k, crate::handles::leaf(v))),
        other => Err(cx.error("E2055", format!("input 0 is {other}")).expected("a map")),
    }
}

fn infer_dict(cx: &mut InferCx) -> Result<()> {
    let (key, value) = map(cx)?;
    let vocabulary = keys(cx.attrs());
    if vocabulary.dtype() != key {
        return Err(cx.error("E2022", format!("the keys are {key}")).expected(vocabulary.dtype().name()));
    }
    // A row, as ONNX Runtime gives it and converters declare it; the standard's text says "1-D".
    cx.set_tensor(0, value, vec![Sym::int(1), Sym::int(vocabulary.len() as i64)]);
    Ok(())
}

fn infer_cast(cx: &mut InferCx) -> Result<()> {
    map(cx)?;
    let to = cx.attrs().dtype("to").unwrap_or(DType::F32);
    let length = match cx.attrs().int("length") {
        Some(n) if n >= 0 => Sym::int(n),
        _ => cx.fresh_extent(1, "entries", 0, None),
    };
    cx.set_tensor(0, to, vec![Sym::int(1), length]);
    Ok(())
}

fn lower_cast(cx: &mut RuntimeCx) -> Result<()> {
    let to = i64::from(to_onnx(cx.attrs().dtype("to").unwrap_or(DType::F32)));
    let length = cx.attrs().int("length").unwrap_or(-1);
    let x = cx.handle(0);
    let y = cx.call("cast_map", &[x, Operand::Int(to), Operand::Int(length)]);
    cx.set(0, y);
    Ok(())
}

fn infer_zip(cx: &mut InferCx) -> Result<()> {
    let (x, keys) = (cx.input_type(0)?, keys(cx.attrs()));
    if x.rank() == 0 || x.rank() > 2 {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("a row, or a matrix of rows"));
    }
    cx.unify(&x.shape[x.rank() - 1], &Sym::int(keys.len() as i64), "one key for each column")?;
    let value = Box::new(Type::tensor(x.dtype, vec![]));
    cx.set_output(0, Type::Sequence(Box::new(Type::Map(keys.dtype(), value))));
    Ok(())
}

/// A LabelEncoder that looks up what the default isn't.
fn import_categories(n: &mut NodeReader) -> Result<Attrs> {
    let (ints, strings) =
        (n.opt_ints("cats_int64s")?.unwrap_or_default(), n.opt_strs("cats_strings")?.unwrap_or_default());
    let (number, word) = (n.opt_int("default_int64")?, n.opt_str("default_string")?);
    // The input says the direction. Where its type isn't known yet, the default does: both have one if none is given.
    let to_strings = match n.inputs[0].and_then(|v| n.graph.tensor_type(v)) {
        Some(t) => t.dtype != DType::String,
        None => number.is_none() && word.is_some(),
    };
    let op = OpName { domain: DOMAIN.into(), name: "LabelEncoder".into() };
    let default = match to_strings {
        true => ("default_string", Attr::Str(word.unwrap_or_else(|| "_Unused".into()))),
        false => ("default_int64", Attr::Int(number.unwrap_or(-1))),
    };
    let (keys, values) = match to_strings {
        true => (("keys_int64s", Attr::Ints(ints)), ("values_strings", Attr::Strs(strings))),
        false => (("keys_strings", Attr::Strs(strings)), ("values_int64s", Attr::Ints(ints))),
    };
    n.become_op(op, &[keys, values, default])
}
