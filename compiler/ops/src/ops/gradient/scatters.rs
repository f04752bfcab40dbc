//! Rules for ScatterElements and ScatterND: the derivative is read where updates were written.

use super::rules::{Cx, Found, filled};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// The shares of data and updates, if the node is such a one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    if !matches!(name, "Scatter" | "ScatterElements" | "ScatterND") {
        return Ok(None);
    }
    let (g, [x, at, updates]) = (cx.g, [cx.inputs[0], cx.inputs[1], cx.inputs[2]]);
    let by = Scatter { nd: name == "ScatterND", at };
    let (data, update) = match cx.attrs.str("reduction").unwrap_or("none") {
        "none" => {
            let zeros = filled(cx.n, 0.0, updates)?;
            (by.put(cx, g, zeros, "none")?, by.read(cx, g)?)
        }
        "add" => (g, by.read(cx, g)?),
        "mul" => product(cx, &by, x, updates)?,
        _ => extreme(cx, &by, x, updates)?,
    };
    Ok(Some(vec![Some(data), None, Some(update)]))
}

/// Where a node scatters to.
struct Scatter {
    nd: bool,
    at: ValueId,
}

impl Scatter {
    fn axis(&self, cx: &Cx) -> Vec<(&'static str, Attr)> {
        if self.nd { vec![] } else { vec![("axis", Attr::Int(cx.attrs.int("axis").unwrap_or(0)))] }
    }

    /// What stands where updates go to.
    fn read(&self, cx: &mut Cx, v: ValueId) -> Result<ValueId> {
        let attrs = self.axis(cx);
        cx.with(if self.nd { "GatherND" } else { "GatherElements" }, &attrs, &[v, self.at])
    }

    fn put(&self, cx: &mut Cx, data: ValueId, updates: ValueId, how: &str) -> Result<ValueId> {
        let mut attrs = self.axis(cx);
        attrs.push(("reduction", Attr::Str(how.into())));
        cx.with(if self.nd { "ScatterND" } else { "ScatterElements" }, &attrs, &[data, self.at, updates])
    }
}

/// The product of all other factors: 0 unless all of those differ from 0.
fn product(cx: &mut Cx, by: &Scatter, x: ValueId, updates: ValueId) -> Result<(ValueId, ValueId)> {
    let (g, zero, one) = (cx.g, cx.number(0.0)?, cx.number(1.0)?);
    let mut split = |v: ValueId| {
        let none = cx.op("Equal", &[v, zero])?;
        Ok::<_, Diagnostic>((cx.op("Where", &[none, one, v])?, cx.op("CastLike", &[none, v])?))
    };
    let ((data, data_zeros), (factors, zeros)) = (split(x)?, split(updates)?);
    let product = by.put(cx, data, factors, "mul")?;
    let count = by.put(cx, data_zeros, zeros, "add")?;
    let mut share = |g: ValueId, product: ValueId, own: ValueId, count: ValueId, zeros: ValueId| {
        let others = cx.op("Equal", &[count, zeros])?;
        let rest = cx.op("Div", &[product, own])?;
        let rest = cx.op("Where", &[others, rest, zero])?;
        cx.op("Mul", &[g, rest])
    };
    let of_data = share(g, product, data, count, data_zeros)?;
    let (g, product, count) = (by.read(cx, g)?, by.read(cx, product)?, by.read(cx, count)?);
    let others = cx.op("Equal", &[count, zeros])?;
    let rest = cx.op("Div", &[product, factors])?;
    let rest = cx.op("Where", &[others, rest, zero])?;
    Ok((of_data, cx.op("Mul", &[g, rest])?))
}

/// What is as great as the result, shares.
fn extreme(cx: &mut Cx, by: &Scatter, x: ValueId, updates: ValueId) -> Result<(ValueId, ValueId)> {
    let (g, y) = (cx.g, cx.y);
    let mut hits = |v: ValueId, y: ValueId| {
        let equal = cx.op("Equal", &[v, y])?;
        cx.op("CastLike", &[equal, v])
    };
    let of_data = hits(x, y)?;
    let there = by.read(cx, y)?;
    let equal = cx.op("Equal", &[updates, there])?;
    let of_updates = cx.op("CastLike", &[equal, updates])?;
    let count = by.put(cx, of_data, of_updates, "add")?;
    let part = cx.op("Div", &[g, count])?;
    let data = cx.op("Mul", &[part, of_data])?;
    let part = by.read(cx, part)?;
    Ok((data, cx.op("Mul", &[part, of_updates])?))
}
