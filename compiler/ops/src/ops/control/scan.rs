//! Scan: a body run for each slice of its scanned inputs.
//!
//! Since 9: no batch axis. Version 8 had one: a Scan over the batch around one over the sequence. Where it
//! has lengths, the steps behind one leave the states as they are and give zeros, and backwards is from there.
//! Inputs: states, then `num_scan_inputs` scanned ones. Region: parameters states, slices; results states, slices of
//! the outputs. Outputs: all states at the end (files may omit the last ones), and what was stacked. Attributes
//! `scan_{input,output}_{axes,directions}` are there only if the file has them.

use super::carried::{Carried, Trips, check_replayed, infer_body, scanned, set_outputs};
use super::*;
use crate::Control;
use crate::infer::unknown_type;

/// Scan.
pub static SCAN: OpDef = OpDef {
    domain: "",
    name: "Scan",
    versions: &[
        (8, import_8),
        (9, import),
        (11, import),
        (16, import),
        (19, import),
        (21, import),
        (23, import),
        (24, import),
        (25, import),
    ],
    infer,
    lower: Lower::Control(Control::Scan),
    extents: None,
};

const LISTS: [&str; 4] = ["scan_input_axes", "scan_output_axes", "scan_input_directions", "scan_output_directions"];

fn import_8(n: &mut NodeReader) -> Result<Attrs> {
    n.region("body")?;
    let mut body = n.regions.pop().expect("just taken");
    let (scans, lengths) = (n.need_int("num_scan_inputs")?, n.inputs.first().copied().flatten());
    let mut inputs = n.inputs.get(1..).unwrap_or_default().to_vec();
    let states = inputs.len().saturating_sub(usize::try_from(scans).unwrap_or(0)).min(body.results.len());
    let outputs = body.results.len();
    let params = (0..inputs.len()).map(|k| n.param(&format!("batch_{k}"), unknown_type())).collect();
    let mut region = Region { params, nodes: vec![], results: vec![] };
    let mut directions = n.opt_ints("directions")?;
    let mut sequence: Vec<_> = region.params.iter().map(|&p| Some(p)).collect();
    if let Some(lengths) = lengths {
        // What is scanned backwards begins where its sample ends.
        let back = directions.take().unwrap_or_default();
        let axes = [("batch_axis", Attr::Int(0)), ("time_axis", Attr::Int(1))];
        for (_, x) in back.iter().zip(&mut inputs[states..]).filter(|(d, _)| **d == 1) {
            *x = Some(n.emit_one("ReverseSequence", &axes, &[*x, Some(lengths)])?);
        }
        let own = n.param("length", unknown_type());
        stop_at(n, &mut body, own, states)?;
        region.params.push(own);
        inputs.push(Some(lengths));
        // Which step it is, is a state in front of the others.
        sequence.insert(0, Some(n.constant("first", Tensor::scalar(0i64))));
    }
    let mut inner = Attrs::default().with("num_scan_inputs", Attr::Int(scans));
    if let Some(d) = directions {
        inner.set("scan_input_directions", Attr::Ints(d));
    }
    let op = onnxc_ir::graph::OpName::onnx("Scan");
    let count = body.results.len();
    let mut results = n.inside(&mut region, |n| Ok(n.emit_regions(op.clone(), inner, &sequence, count, vec![body])))?;
    region.results = results.split_off(count - outputs);
    let outer = Attrs::default().with("num_scan_inputs", Attr::Int(inputs.len() as i64));
    let outputs = n.emit_regions(op, outer, &inputs, outputs, vec![region]);
    n.become_values(outputs)
}

/// Lets a body count its steps in a state in front of its others; from step `length` on states stay as they are, and what is
/// scanned is 0.
fn stop_at(n: &mut NodeReader, body: &mut Region, length: ValueId, states: usize) -> Result<()> {
    let step = n.param("step", unknown_type());
    let (before, mut results) = (body.params.clone(), body.results.clone());
    let next = n.inside(body, |n| {
        let one = n.constant("one", Tensor::scalar(1i64));
        let nothing = n.constant("nothing", Tensor::scalar(0f32));
        let live = n.emit_one("Less", &[], &[Some(step), Some(length)])?;
        for (k, result) in results.iter_mut().enumerate() {
            let other = match before.get(k).filter(|_| k < states) {
                Some(&state) => state,
                None => n.emit_one("CastLike", &[], &[Some(nothing), Some(*result)])?,
            };
            *result = n.emit_one("Where", &[], &[Some(live), Some(*result), Some(other)])?;
        }
        n.emit_one("Add", &[], &[Some(step), Some(one)])
    })?;
    body.params.insert(0, step);
    body.results = results;
    body.results.insert(0, next);
    Ok(())
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.region("body")?;
    let scans = n.need_int("num_scan_inputs")?;
    let states = n.inputs.len().saturating_sub(usize::try_from(scans).unwrap_or(0));
    n.output_count = n.output_count.max(states);
    let mut attrs = Attrs::default().with("num_scan_inputs", Attr::Int(scans));
    for name in LISTS {
        if let Some(list) = n.opt_ints(name)? {
            attrs.set(name, Attr::Ints(list));
        }
    }
    Ok(attrs)
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (states, scans) = counts(cx)?;
    let body = region(cx, 0);
    let (params, results) = (body.params[..states].to_vec(), body.results[..states].to_vec());
    let carried = Carried { params, results, inputs: (0..states).collect() };
    let (length, slices) = slices(cx, states, scans)?;
    infer_body(cx, &carried, |cx| {
        for (&p, t) in body.params[states..].iter().zip(&slices) {
            cx.graph.values[p].ty = t.clone();
        }
        Ok(())
    })?;
    let trips = Trips { exact: Some(length.clone()), most: Some(length.clone()) };
    let mut which = set_outputs(cx, &carried, &trips)?;
    check_replayed(cx, &carried)?;
    for (k, &v) in body.results[states..].iter().enumerate() {
        let mut t = scanned(cx, v, which)?;
        which += t.rank() as u32;
        let axis = listed(cx, "scan_output_axes", k);
        let axis = cx.axis(axis, t.rank() + 1)?;
        t.shape.insert(axis, length.clone());
        cx.set_tensor(states + k, t.dtype, t.shape);
    }
    Ok(())
}

fn listed(cx: &InferCx, name: &str, k: usize) -> i64 {
    cx.attrs().ints(name).and_then(|l| l.get(k).copied()).unwrap_or(0)
}

/// How many states and scanned inputs there are.
fn counts(cx: &InferCx) -> Result<(usize, usize)> {
    let body = region(cx, 0);
    let scans = usize::try_from(cx.attrs().int("num_scan_inputs").unwrap_or(0)).unwrap_or(0);
    let states = cx.input_count().checked_sub(scans).filter(|_| scans > 0);
    let fits =
        |s: &usize| body.params.len() == cx.input_count() && (*s..=body.results.len()).contains(&cx.output_count());
    states.filter(fits).map(|s| (s, scans)).ok_or_else(|| {
        let found = format!(
            "{} inputs, {scans} of them scanned, for a body of {} inputs and {} outputs",
            cx.input_count(),
            body.params.len(),
            body.results.len()
        );
        cx.error("E2054", found).expected("a body with the same inputs, and states and slices as outputs")
    })
}

/// The length of the scanned inputs, and the types of their slices.
fn slices(cx: &mut InferCx, states: usize, scans: usize) -> Result<(Sym, Vec<Type>)> {
    let mut length: Option<Sym> = None;
    let mut types = Vec::new();
    for k in 0..scans {
        let mut t = cx.input_type(states + k)?;
        let axis = cx.axis(listed(cx, "scan_input_axes", k), t.rank())?;
        let own = t.shape.remove(axis);
        length = Some(match length {
            Some(n) => cx.unify(&n, &own, "the lengths of the scanned inputs")?,
            None => own,
        });
        types.push(Type::Tensor(t));
    }
    Ok((length.unwrap_or_else(|| Sym::int(0)), types))
}
