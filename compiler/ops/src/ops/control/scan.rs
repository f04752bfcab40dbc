//! Scan: a body run for each slice of its scanned inputs.
//!
//! Since 9: no batch axis. Version 8 had one: a Scan over the batch around one over the sequence. Its lengths are refused.
//! Inputs: states, then `num_scan_inputs` scanned ones. Region: parameters states, slices; results states, slices of
//! the outputs. Attributes `scan_{input,output}_{axes,directions}` are there only if the file has them.

use super::carried::{Carried, Trips, infer_body, scanned, set_outputs};
use super::*;
use crate::Control;

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
    let body = n.regions.pop().expect("just taken");
    let scans = n.need_int("num_scan_inputs")?;
    if n.inputs.first().copied().flatten().is_some() {
        return Err(n
            .error("E2020", "Scan of opset 8 with lengths of sequences isn't supported")
            .help("convert the model to opset 9 or newer with onnx.version_converter"));
    }
    let mut inner = Attrs::default().with("num_scan_inputs", Attr::Int(scans));
    if let Some(d) = n.opt_ints("directions")? {
        inner.set("scan_input_directions", Attr::Ints(d));
    }
    let inputs = n.inputs.get(1..).unwrap_or_default().to_vec();
    let outputs = body.results.len();
    let value = |n: &mut NodeReader, hint: String, def| {
        let (name, ty) = (format!("{}/{hint}", n.name), crate::infer::unknown_type());
        n.graph.values.push(onnxc_ir::graph::ValueData { name, ty, def, content: None })
    };
    let params: Vec<ValueId> =
        (0..inputs.len()).map(|k| value(n, format!("batch_{k}"), onnxc_ir::graph::ValueDef::Param)).collect();
    let id = n.graph.nodes.next_key();
    let def = |k| onnxc_ir::graph::ValueDef::Node(id, k as u32);
    let results: Vec<ValueId> = (0..outputs).map(|k| value(n, format!("item_{k}"), def(k))).collect();
    n.graph.nodes.push(onnxc_ir::graph::Node {
        name: format!("{}/sequence", n.name),
        op: onnxc_ir::graph::OpName::onnx("Scan"),
        attrs: inner,
        inputs: params.iter().map(|&p| Some(p)).collect(),
        outputs: results.clone(),
        regions: vec![body],
    });
    let region = Region { params, nodes: vec![id], results };
    let outer = Attrs::default().with("num_scan_inputs", Attr::Int(inputs.len() as i64));
    let op = onnxc_ir::graph::OpName::onnx("Scan");
    let outputs = n.emit_regions(op, outer, &inputs, outputs, vec![region]);
    n.become_values(outputs)
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.region("body")?;
    let mut attrs = Attrs::default().with("num_scan_inputs", Attr::Int(n.need_int("num_scan_inputs")?));
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
    let fits = |s: &usize| {
        body.params.len() == cx.input_count() && body.results.len() >= *s && cx.output_count() <= body.results.len()
    };
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
