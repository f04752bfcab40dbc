//! Loop: a body run a number of times, while a condition holds. Versions differ in dtypes.
//!
//! Inputs: trip count and condition (either may be left out), carried values. Region: parameters iteration number,
//! condition, carried values; results condition, carried values, scan outputs. Outputs: all carried values at the end
//! (files may omit the last ones), and what the iterations gave, along a new first axis.

use super::carried::{Carried, Trips, check_replayed, infer_body, scanned, set_outputs};
use super::*;
use crate::Control;
use crate::infer::content_of;

/// Loop.
pub static LOOP: OpDef = OpDef {
    domain: "",
    name: "Loop",
    versions: &versions(import),
    infer,
    lower: Lower::Control(Control::Loop),
    extents: None,
};

/// A trip count of this size is none: what exporters write for `while`.
const ENDLESS: i64 = i32::MAX as i64;

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.region("body")?;
    if n.inputs.len() < 2 {
        n.inputs.resize(2, None);
    }
    n.output_count = n.output_count.max(n.inputs.len() - 2);
    Ok(Attrs::default())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let carried = carried(cx)?;
    check_scalar(cx, 0, &[DType::I64, DType::I32], "trip count")?;
    check_scalar(cx, 1, &[DType::Bool], "condition")?;
    let body = region(cx, 0);
    let limit = cx.content(0).and_then(|c| c.first().cloned()).filter(|n| n.as_int().is_none_or(|n| n < ENDLESS));
    let most = limit.map(|n| cx.ranges().simplify(&Sym::max(&n, &Sym::int(0))));
    let last = most.clone().map(|n| Sym::max(&(n - 1), &Sym::int(0)));
    infer_body(cx, &carried, |cx| {
        let number = parameter(cx, body.params[0], DType::I64);
        let i = cx.fresh(SymbolSource::Element(number, 0), "iteration", 0, last.clone());
        cx.graph.values[number].content = Some(vec![i]);
        // The body only runs while the condition holds.
        let holds = parameter(cx, body.params[1], DType::Bool);
        cx.graph.values[holds].content = Some(vec![Sym::int(1)]);
        Ok(())
    })?;
    let yes = Some(vec![Sym::int(1)]);
    let always = content_of(cx.graph, body.results[0]) == yes && (cx.opt(1).is_none() || cx.content(1) == yes);
    let trips = Trips { exact: most.clone().filter(|_| always), most };
    let mut which = set_outputs(cx, &carried, &trips)?;
    check_replayed(cx, &carried)?;
    let first = carried.params.len();
    let stacked = &body.results[first + 1..];
    if stacked.is_empty() {
        return Ok(());
    }
    // All that is stacked is as long.
    let rows = trips.exact.unwrap_or_else(|| cx.fresh_result(which, "trips", 0, trips.most));
    which += 1;
    for (k, &v) in stacked.iter().enumerate() {
        let mut t = scanned(cx, v, which)?;
        which += t.rank() as u32;
        t.shape.insert(0, rows.clone());
        cx.set_tensor(first + k, t.dtype, t.shape);
    }
    Ok(())
}

fn carried(cx: &InferCx) -> Result<Carried> {
    let body = region(cx, 0);
    let n = cx.input_count().saturating_sub(2);
    let fits =
        body.params.len() == n + 2 && body.results.len() > n && (n..body.results.len()).contains(&cx.output_count());
    if !fits {
        let found = format!("the body has {} inputs and {} outputs", body.params.len(), body.results.len());
        return Err(cx.error("E2054", found).expected(format!(
            "{} inputs (iteration number, condition, carried values), and as outputs condition, carried values, and \
             what is scanned ({} outputs of the node)",
            n + 2,
            cx.output_count()
        )));
    }
    let (params, results) = (body.params[2..].to_vec(), body.results[1..=n].to_vec());
    Ok(Carried { params, results, inputs: (2..n + 2).collect() })
}

fn check_scalar(cx: &InferCx, i: usize, dtypes: &[DType], what: &str) -> Result<()> {
    if cx.opt(i).is_none() {
        return Ok(());
    }
    let t = cx.input_type(i)?;
    if dtypes.contains(&t.dtype) && t.count().as_int() == Some(1) {
        return Ok(());
    }
    Err(cx.error("E2051", format!("the {what} is a {} tensor of {} elements", t.dtype, t.count())).expected("a scalar"))
}

/// Types a parameter that is one element; some exporters declare it with an axis.
fn parameter(cx: &mut InferCx, v: ValueId, dtype: DType) -> ValueId {
    let rank = cx.graph.tensor_type(v).map_or(0, |t| t.rank().min(1));
    cx.graph.values[v].ty = Type::tensor(dtype, vec![Sym::int(1); rank]);
    v
}
