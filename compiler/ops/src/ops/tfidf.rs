//! TfIdfVectorizer: counts of the n-grams of a pool, with weights. Since 9. Of integers and of strings.

use super::strings::words;
use crate::handles::Operand;
use crate::prelude::*;

/// TfIdfVectorizer.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "TfIdfVectorizer",
    versions: &[(9, import)],
    infer,
    lower: Lower::Runtime(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mode = n.choice("mode", &["TF", "IDF", "TFIDF"])?;
    let mode = ["TF", "IDF", "TFIDF"].iter().position(|m| *m == mode).unwrap_or(0);
    let mut attrs = Attrs::default().with("mode", Attr::Int(mode as i64));
    for name in ["min_gram_length", "max_gram_length", "max_skip_count"] {
        attrs.set(name, Attr::Int(n.need_int(name)?));
    }
    for name in ["ngram_counts", "ngram_indexes"] {
        attrs.set(name, Attr::Ints(n.need_ints(name)?));
    }
    attrs.set("weights", Attr::Floats(n.opt_floats("weights")?.unwrap_or_default()));
    match (n.opt_ints("pool_int64s")?, n.opt_strs("pool_strings")?) {
        (_, Some(pool)) if !pool.is_empty() => attrs.set("pool_strings", Attr::Strs(pool)),
        (pool, _) => attrs.set("pool_int64s", Attr::Ints(pool.unwrap_or_default())),
    }
    Ok(attrs)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = cx.input_type(0)?;
    let strings = cx.attrs().strs("pool_strings").is_some();
    let fits = if strings { x.dtype == DType::String } else { matches!(x.dtype, DType::I32 | DType::I64) };
    if !fits {
        let want = if strings { "string, like the pool" } else { "i32 or i64, like the pool" };
        return Err(cx.error("E2022", format!("input 0 is of dtype {}", x.dtype)).expected(want));
    }
    if x.rank() > 2 {
        return Err(cx.error("E2005", format!("input 0 has rank {}", x.rank())).expected("a row, or a matrix of rows"));
    }
    let columns = cx.attrs().ints("ngram_indexes").and_then(|i| i.iter().max()).map_or(0, |&m| m.max(-1) + 1);
    let mut shape = vec![Sym::int(columns)];
    if x.rank() == 2 {
        shape.insert(0, x.shape[0].clone());
    }
    cx.set_tensor(0, DType::F32, shape);
    Ok(())
}

fn lower(cx: &mut RuntimeCx) -> Result<()> {
    let list = |cx: &RuntimeCx, name: &str| {
        let values = cx.attrs().ints(name).unwrap_or_default().to_vec();
        Tensor::from_slice(&[values.len()], &values)
    };
    let pool = match cx.attrs().strs("pool_strings") {
        Some(pool) => words(pool),
        None => list(cx, "pool_int64s"),
    };
    let (counts, columns) = (list(cx, "ngram_counts"), list(cx, "ngram_indexes"));
    let weights = cx.attrs().floats("weights").unwrap_or_default().to_vec();
    let weights = Tensor::from_slice(&[weights.len()], &weights);
    let numbers = ["mode", "min_gram_length", "max_gram_length", "max_skip_count"]
        .map(|a| Operand::Int(cx.attrs().int(a).unwrap_or(0)));
    let mut args = vec![cx.handle(0)];
    for (name, t) in [("pool", pool), ("counts", counts), ("columns", columns), ("weights", weights)] {
        args.push(cx.constant(name, t));
    }
    args.extend(numbers);
    let y = cx.call("tfidf", &args);
    cx.set(0, y);
    Ok(())
}
