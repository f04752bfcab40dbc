//! SequenceMap: a body for each item of a sequence, as the Loop that it is. Since 17.
//!
//! The body's first parameter is the item; further inputs are sequences of as many items, or tensors that every item sees.
//! Which of both an input is only inference knows, so `onnxc.Item` takes either.

use super::sequence::taken;
use crate::handles::Operand;
use crate::prelude::*;
use onnxc_ir::graph::{Node, NodeId, OpName, Region, ValueDef, ValueId};
use onnxc_onnx::dtype::to_onnx;

/// SequenceMap.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "SequenceMap",
    versions: &[(17, import)],
    infer: |cx| Err(cx.error("E2014", "the node is a Loop when it is imported")),
    lower: Lower::Alias,
    extents: None,
};

/// Item: of a sequence, the item at the position that input 1 says; a tensor as it is.
pub static ITEM: OpDef = OpDef {
    domain: super::INNER,
    name: "Item",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer: infer_item,
    lower: Lower::Runtime(lower_item),
    extents: None,
};

fn infer_item(cx: &mut InferCx) -> Result<()> {
    let ty = match cx.graph.values[cx.input(0)?].ty.clone() {
        Type::Sequence(item) => taken(cx, &item, 0, 0)?,
        other => other,
    };
    cx.set_output(0, ty);
    Ok(())
}

fn lower_item(cx: &mut RuntimeCx) -> Result<()> {
    let x = cx.opt(0).expect("infer has required this input");
    if let Some(Type::Sequence(_)) = cx.opt_type(0) {
        let args: Vec<Operand> = [Some(cx.handle(0)), cx.number(1)].into_iter().flatten().collect();
        let item = cx.call("sequence_at", &args);
        cx.set(0, item);
    } else {
        cx.same(0, x);
    }
    Ok(())
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    n.region("body")?;
    let body = n.regions.pop().expect("just taken");
    let inputs = n.inputs.clone();
    if body.params.len() != inputs.len() || body.results.len() != n.output_count {
        let found = format!("the body has {} inputs and {} outputs", body.params.len(), body.results.len());
        let want = format!("{} and {}, like the node", inputs.len(), n.output_count);
        return Err(n.error("E2054", found).expected(want));
    }
    let length = n.emit_one("SequenceLength", &[], &inputs[..1])?;
    let mut carried = vec![Some(length), None];
    for &r in &body.results {
        let Some(t) = n.graph.tensor_type(r) else {
            return Err(n
                .error("E2012", "the body doesn't declare the types of its outputs")
                .tensor(n.graph.values[r].name.clone())
                .help("declare element type and rank when exporting"));
        };
        let dtype = Attr::Int(i64::from(to_onnx(t.dtype)));
        carried.push(Some(n.emit_one("SequenceEmpty", &[("dtype", dtype)], &[])?));
    }
    let region = iteration(n, body, &inputs);
    let outputs = n.output_count;
    let results = n.emit_regions(OpName::onnx("Loop"), Attrs::default(), &carried, outputs, vec![region]);
    n.become_values(results)
}

/// The body of the Loop: items, the body itself, insertion.
fn iteration(n: &mut NodeReader, body: Region, inputs: &[Option<ValueId>]) -> Region {
    let scalar = |dtype| Type::tensor(dtype, vec![]);
    let number = n.param("number", scalar(DType::I64));
    let holds = n.param("holds", scalar(DType::Bool));
    let mut region = Region { params: vec![number, holds], nodes: vec![], results: vec![holds] };
    let item = OpName { domain: super::INNER.into(), name: "Item".into() };
    for (k, (&param, &input)) in body.params.iter().zip(inputs).enumerate() {
        let id = node(n, &format!("item_{k}"), item.clone(), vec![input, Some(number)], param);
        region.nodes.push(id);
    }
    region.nodes.extend(body.nodes);
    for (k, &result) in body.results.iter().enumerate() {
        let before = n.param(&format!("so_far_{k}"), crate::infer::unknown_type());
        let after = n.param(&format!("with_{k}"), crate::infer::unknown_type());
        let id =
            node(n, &format!("insert_{k}"), OpName::onnx("SequenceInsert"), vec![Some(before), Some(result)], after);
        region.params.push(before);
        region.nodes.push(id);
        region.results.push(after);
    }
    region
}

fn node(n: &mut NodeReader, hint: &str, op: OpName, inputs: Vec<Option<ValueId>>, output: ValueId) -> NodeId {
    let name = format!("{}/{hint}", n.name);
    let node = Node { name, op, attrs: Attrs::default(), inputs, outputs: vec![output], regions: vec![] };
    let id = n.graph.nodes.push(node);
    n.graph.values[output].def = ValueDef::Node(id, 0);
    id
}
