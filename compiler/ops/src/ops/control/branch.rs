//! If: one of two regions, by a condition. Versions differ in dtypes.
//!
//! Regions: `then`, `else`; without parameters. Results of both have one dtype and rank; extents may differ, and ranks where
//! there is one element. If the condition is known, the region that runs counts alone.

use super::super::movement::product;
use super::*;
use crate::Control;
use crate::infer::{UNDECIDED, chosen, guard};
use onnxc_ir::graph::TensorType;

/// If.
pub static IF: OpDef = OpDef {
    domain: "",
    name: "If",
    versions: &versions(import),
    infer,
    lower: Lower::Control(Control::If),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.region("then_branch")?;
    n.region("else_branch")?;
    Ok(Attrs::default())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let cond = cx.input_type(0)?;
    if cond.dtype != DType::Bool || product(&cond.shape).as_int().is_some_and(|n| n != 1) {
        return Err(cx.error("E2051", "the condition isn't one bool").expected("a tensor of one bool"));
    }
    if let Some(which) = chosen(cx.graph, cx.id()) {
        return infer_chosen(cx, which);
    }
    let types = [cx.infer_region(0)?, cx.infer_region(1)?];
    let regions = [region(cx, 0), region(cx, 1)];
    let outputs = cx.output_count();
    if types.iter().any(|t| t.len() != outputs) {
        return Err(cx
            .error("E2051", "the branches give another number of values than the node")
            .expected(format!("{outputs} results of each branch")));
    }
    let mut which = 0;
    for i in 0..outputs {
        let tensors = [0, 1].map(|r| cx.graph.tensor_type(regions[r].results[i]).cloned());
        let [Some(a), Some(b)] = tensors else {
            either(cx, &regions, i)?;
            continue;
        };
        let single = |t: &TensorType| t.shape.iter().all(Sym::is_one);
        if a.dtype == b.dtype && a.rank() != b.rank() && single(&a) && single(&b) {
            // One element either way: operators broadcast a scalar as they do a list of one.
            same_content(cx, &regions, i);
            cx.set_tensor(i, a.dtype, if a.rank() > b.rank() { a.shape } else { b.shape });
            continue;
        }
        if (a.dtype, a.rank()) != (b.dtype, b.rank()) {
            let found = format!("result {i} is {} of rank {} or {} of rank {}", a.dtype, a.rank(), b.dtype, b.rank());
            // Only one of two ranks may fit the rest of the model.
            let code = if a.dtype == b.dtype { UNDECIDED } else { "E2051" };
            return Err(cx.error(code, found).expected("one dtype and rank in both branches").help(
                "if the condition is known, fold it when exporting (onnx-simplifier, or PyTorch's tracing export)",
            ));
        }
        let shape = merged(cx, &regions, &a, &b, which);
        which += a.rank() as u32;
        same_content(cx, &regions, i);
        cx.set_tensor(i, a.dtype, shape);
    }
    Ok(())
}

/// Only the region that runs is looked at: when all is inferred, its nodes take this node's place. If that it runs is an
/// assumption, a run is held to it.
fn infer_chosen(cx: &mut InferCx, which: usize) -> Result<()> {
    let types = cx.infer_region(which)?;
    if types.len() != cx.output_count() {
        let found = format!("the branch that is always taken gives {} values", types.len());
        return Err(cx.error("E2051", found).expected(format!("{} results", cx.output_count())));
    }
    let known = cx.content(0).is_some_and(|c| c.iter().all(|c| c.as_int().is_some()));
    if let Some(g) = guard(cx.graph, cx.id(), which).filter(|_| !known) {
        cx.add_guard(g);
    }
    let results = region(cx, which).results;
    for (i, ty) in types.into_iter().enumerate() {
        let content = crate::infer::content_of(cx.graph, results[i]);
        cx.set_output(i, ty);
        content.into_iter().for_each(|c| cx.set_content(i, c));
    }
    Ok(())
}

/// Sets output `i` to what two results that aren't both tensors have in common.
fn either(cx: &mut InferCx, regions: &[Region; 2], i: usize) -> Result<()> {
    let [a, b] = [0, 1].map(|r| {
        let ty = &cx.graph.values[regions[r].results[i]].ty;
        escaped(cx.graph, &Inside::of(cx.graph, &regions[r]), ty)
    });
    let both = crate::handles::join(&cx.ranges(), &a, &b).ok_or_else(|| {
        cx.error("E2051", format!("result {i} is {a} or {b}")).expected("one kind of value in both branches")
    })?;
    cx.set_output(i, both);
    Ok(())
}

/// Extents that both branches agree on, and symbols for the others.
fn merged(cx: &mut InferCx, regions: &[Region; 2], a: &TensorType, b: &TensorType, which: u32) -> Vec<Sym> {
    let inside = [0, 1].map(|r| Inside::of(cx.graph, &regions[r]));
    let mut shape = Vec::new();
    for (axis, (x, y)) in a.shape.iter().zip(&b.shape).enumerate() {
        let own = inside[0].depends(cx.graph, x) || inside[1].depends(cx.graph, y);
        if !own && cx.ranges().prove_eq(x, y) == Some(true) {
            shape.push(x.clone());
            continue;
        }
        let bounds = inside[0].bound(cx.graph, x).zip(inside[1].bound(cx.graph, y));
        let hi = bounds.map(|(x, y)| Sym::max(&x, &y));
        shape.push(cx.fresh_result(which + axis as u32, "branch", 0, hi));
    }
    shape
}

/// Elements that both branches agree on.
fn same_content(cx: &mut InferCx, regions: &[Region; 2], i: usize) {
    let [a, b] = [0, 1].map(|r| crate::infer::content_of(cx.graph, regions[r].results[i]));
    let Some(content) = a.filter(|a| Some(a) == b.as_ref()) else { return };
    let inside = Inside::of(cx.graph, &regions[0]);
    if !content.iter().any(|s| inside.depends(cx.graph, s)) {
        cx.set_content(i, content);
    }
}
