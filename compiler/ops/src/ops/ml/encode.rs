//! LabelEncoder: a table from keys to values; OneHotEncoder: 1 at the place of a category, 0 elsewhere.
//!
//! LabelEncoder since 1: strings and their positions; 2: keys and values of any two kinds; 4: tensors of them, and NaN is
//! a key like others. From here down: inputs 1 and 2 are keys and values, input 3 what belongs to no key; attribute `nan`
//! says whether a NaN matches one. The first of equal keys counts.
//! OneHotEncoder: numbers are truncated to integers; strings are compared as they are. Without `zeros`, an unknown category is a status of the module.

use super::super::elementwise::{Class, tensor};
use super::super::movement::OUT_OF_RANGE;
use super::DOMAIN;
use crate::prelude::*;

/// LabelEncoder.
pub static LABEL: OpDef = OpDef {
    domain: DOMAIN,
    name: "LabelEncoder",
    versions: &[(1, import_positions), (2, import_lists), (4, import_tensors)],
    infer: infer_label,
    lower: Lower::Compute(lower_label),
    extents: None,
};

/// OneHotEncoder.
pub static ONE_HOT: OpDef = OpDef {
    domain: DOMAIN,
    name: "OneHotEncoder",
    versions: &[(1, import_one_hot)],
    infer: infer_one_hot,
    lower: Lower::Compute(lower_one_hot),
    extents: None,
};

fn words(values: &[String]) -> Tensor {
    let bytes = values.iter().map(|w| w.as_bytes().to_vec()).collect();
    Tensor::from_strings(vec![values.len()], bytes).expect("as many words as the shape says")
}

/// The table as inputs 1 to 3.
fn set_table(n: &mut NodeReader, keys: Tensor, values: Tensor, default: Tensor, nan: bool) -> Result<Attrs> {
    if keys.len() != values.len() {
        return Err(n.error("E2011", format!("{} keys, {} values", keys.len(), values.len())).expected("as many"));
    }
    n.inputs.truncate(1);
    n.set_input(1, "keys", keys);
    n.set_input(2, "values", values);
    n.set_input(3, "default", default);
    Ok(Attrs::default().with("nan", Attr::Int(i64::from(nan))))
}

fn import_positions(n: &mut NodeReader) -> Result<Attrs> {
    let (names, word, number) = (
        n.opt_strs("classes_strings")?.unwrap_or_default(),
        n.str("default_string", "_Unused")?,
        n.int("default_int64", -1)?,
    );
    let positions: Vec<i64> = (0..names.len() as i64).collect();
    let positions = Tensor::from_slice(&[positions.len()], &positions);
    // The input's type says which way the table goes.
    let number_in = n.inputs[0].and_then(|v| n.graph.tensor_type(v)).is_some_and(|t| t.dtype != DType::String);
    match number_in {
        true => set_table(n, positions, words(&names), words(&[word]), false),
        false => set_table(n, words(&names), positions, Tensor::scalar(number), false),
    }
}

/// The list of one of three kinds.
fn list(n: &mut NodeReader, what: &str) -> Result<Option<Tensor>> {
    let ints = n.opt_ints(&format!("{what}_int64s"))?.map(|v| Tensor::from_slice(&[v.len()], &v));
    let floats = n.opt_floats(&format!("{what}_floats"))?.map(|v| Tensor::from_slice(&[v.len()], &v));
    let strings = n.opt_strs(&format!("{what}_strings"))?.map(|v| words(&v));
    Ok([ints, floats, strings].into_iter().flatten().find(|t| !t.is_empty()))
}

/// The default for values of a dtype.
fn default(n: &mut NodeReader, dtype: DType) -> Result<Tensor> {
    let (int, float, word) =
        (n.int("default_int64", -1)?, n.float("default_float", -0.0)?, n.str("default_string", "_Unused")?);
    Ok(match dtype {
        DType::String => words(&[word]),
        d if d.is_float() => scalar_of(Scalar::from_f64(d, f64::from(float))),
        d => scalar_of(Scalar::from_i64(d, int)),
    })
}

fn scalar_of(s: Scalar) -> Tensor {
    let mut bytes = vec![0; s.dtype.size()];
    s.write(&mut bytes);
    Tensor::from_bytes(s.dtype, vec![], bytes.into()).expect("one element fills a scalar")
}

fn missing(n: &NodeReader) -> Diagnostic {
    n.error("E2012", "no attribute lists keys, or none lists values").help("check the exporter")
}

fn import_lists(n: &mut NodeReader) -> Result<Attrs> {
    let (keys, values) = (list(n, "keys")?, list(n, "values")?);
    let (keys, values) = keys.zip(values).ok_or_else(|| missing(n))?;
    let default = default(n, values.dtype())?;
    set_table(n, keys, values, default, false)
}

fn import_tensors(n: &mut NodeReader) -> Result<Attrs> {
    let keys = n.opt_tensor("keys_tensor")?.or(list(n, "keys")?);
    let values = n.opt_tensor("values_tensor")?.or(list(n, "values")?);
    let (keys, values) = keys.zip(values).ok_or_else(|| missing(n))?;
    let plain = default(n, values.dtype())?;
    let default = n.opt_tensor("default_tensor")?.unwrap_or(plain);
    if default.dtype() != values.dtype() || default.len() != 1 {
        return Err(n.error("E2011", "'default_tensor' isn't one element of the values' type"));
    }
    let list = |t: Tensor| t.reshaped(&[t.len()]).expect("a list of as many elements");
    set_table(n, list(keys), list(values), default, true)
}

fn infer_label(cx: &mut InferCx) -> Result<()> {
    let (x, keys) = (tensor(cx, 0, Class::Comparable)?, tensor(cx, 1, Class::Comparable)?);
    let values = tensor(cx, 2, Class::Any)?;
    if x.dtype != keys.dtype {
        return Err(cx
            .error("E2022", format!("input 0 is of dtype {}", x.dtype))
            .expected(format!("the keys' {}", keys.dtype)));
    }
    cx.set_tensor(0, values.dtype, x.shape);
    Ok(())
}

fn lower_label(cx: &mut ComputeCx) -> Result<()> {
    let (x, keys, values, d) = (cx.input(0), cx.input(1), cx.input(2), cx.dtype(0));
    let default = cx.constant(3).map(|t| Scalar::read(t.dtype(), t.bytes()));
    let (shape, count) = (cx.shape(0), cx.shape(1));
    let nan = cx.attrs().int("nan") == Some(1) && d.is_float();
    let nowhere = int(count[0].clone());
    let first = cx.k.reduce("first", DType::I64, &shape, ReduceOp::Min, &count, None, |_, i, r| {
        let (v, key) = (load(x, i), load(keys, r));
        let mut same = compare(CmpOp::Eq, v.clone(), key.clone());
        if nan {
            let is_nan = |v: Expr| compare(CmpOp::Ne, v.clone(), v);
            same = binary(BinOp::Or, same, binary(BinOp::And, is_nan(v), is_nan(key)));
        }
        select(same, int(r[0].clone()), nowhere.clone())
    });
    cx.map_output(|_, i| load_at(values, vec![load(first, i)], default));
    Ok(())
}

fn import_one_hot(n: &mut NodeReader) -> Result<Attrs> {
    let (ints, strings) =
        (n.opt_ints("cats_int64s")?.unwrap_or_default(), n.opt_strs("cats_strings")?.unwrap_or_default());
    let zeros = n.int("zeros", 1)?;
    let cats = match (ints.is_empty(), strings.is_empty()) {
        (false, _) => Tensor::from_slice(&[ints.len()], &ints),
        (_, false) => words(&strings),
        _ => return Err(n.error("E2012", "no attribute lists categories").expected("'cats_int64s' or 'cats_strings'")),
    };
    n.inputs.truncate(1);
    n.set_input(1, "categories", cats);
    Ok(Attrs::default().with("zeros", Attr::Int(i64::from(zeros != 0))))
}

fn infer_one_hot(cx: &mut InferCx) -> Result<()> {
    let (x, cats) = (tensor(cx, 0, Class::Comparable)?, tensor(cx, 1, Class::Comparable)?);
    if (x.dtype == DType::String) != (cats.dtype == DType::String) {
        let found = format!("input 0 is of dtype {}, the categories of {}", x.dtype, cats.dtype);
        return Err(cx.error("E2022", found).expected("strings among strings, numbers among integers"));
    }
    cx.set_tensor(0, DType::F32, [x.shape, cats.shape].concat());
    Ok(())
}

fn lower_one_hot(cx: &mut ComputeCx) -> Result<()> {
    let (x, cats, d, shape, count) = (cx.input(0), cx.input(1), cx.dtype(0), cx.shape(0), cx.shape(1));
    let is =
        |i: &[Sym], c: &Sym| compare(CmpOp::Eq, cast(d, DType::I64, load(x, i)), load(cats, std::slice::from_ref(c)));
    if cx.attrs().int("zeros") == Some(0) {
        let known = cx.k.reduce("known", DType::Bool, &shape, ReduceOp::Or, &count, None, |_, i, r| is(i, &r[0]));
        cx.k.check(&shape, OUT_OF_RANGE, |_, i| load(known, i));
    }
    let rank = shape.len();
    cx.map_output(|_, i| select(is(&i[..rank], &i[rank]), number(DType::F32, 1.0), number(DType::F32, 0.0)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored_but("ml_encode", &["LabelEncoder-1"]);
    }

    #[test]
    fn categories_must_be_known() {
        let case = |x: i64| {
            let case = Case::new("ai.onnx.ml.OneHotEncoder", 1).input(Tensor::from_slice(&[1], &[x]));
            case.attr("cats_int64s", Attr::Ints(vec![1, 3])).attr("zeros", Attr::Int(0))
        };
        assert_eq!(case(2).error(), "E6000");
        case(3).expect(&[Tensor::from_slice(&[1, 2], &[0f32, 1.0])], 0.0);
    }
}
