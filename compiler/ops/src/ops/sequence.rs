//! Sequences: making them, reading an item, inserting, erasing, counting.
//!
//! The type of a sequence says what all its items have in common; of an empty one, only the dtype. An item's extents
//! that aren't in the type are found when it is read. Where not even the rank is known, it is that of the type that the
//! file declares for what is read.

use crate::handles::{Operand, join, leaf};
use crate::prelude::*;
use onnxc_onnx::dtype::from_onnx;

const fn def(
    name: &'static str,
    versions: &'static [(i64, crate::Import)],
    infer: fn(&mut InferCx) -> Result<()>,
    lower: fn(&mut RuntimeCx) -> Result<()>,
) -> OpDef {
    OpDef { domain: "", name, versions, infer, lower: Lower::Runtime(lower), extents: None }
}

/// SequenceEmpty.
pub static EMPTY: OpDef = def("SequenceEmpty", &[(11, import_empty)], infer_empty, |cx| {
    let s = cx.call("sequence_construct", &[]);
    cx.set(0, s);
    Ok(())
});
/// SequenceConstruct.
pub static CONSTRUCT: OpDef = def("SequenceConstruct", &[(11, none)], infer_construct, |cx| {
    let items: Vec<Operand> = (0..cx.node().inputs.len()).map(|i| cx.handle(i)).collect();
    let s = cx.call("sequence_construct", &items);
    cx.set(0, s);
    Ok(())
});
/// SequenceAt.
pub static AT: OpDef = def("SequenceAt", &[(11, none)], infer_at, |cx| {
    let args: Vec<Operand> = [Some(cx.handle(0)), cx.number(1)].into_iter().flatten().collect();
    let item = cx.call("sequence_at", &args);
    cx.set(0, item);
    Ok(())
});
/// SequenceInsert.
pub static INSERT: OpDef = def("SequenceInsert", &[(11, none)], infer_insert, |cx| {
    let (s, item) = (cx.handle(0), cx.handle(1));
    let args: Vec<Operand> = [Some(s), Some(item), cx.number(2)].into_iter().flatten().collect();
    let s = cx.call("sequence_insert", &args);
    cx.set(0, s);
    Ok(())
});
/// SequenceErase.
pub static ERASE: OpDef = def("SequenceErase", &[(11, none)], infer_erase, |cx| {
    let args: Vec<Operand> = [Some(cx.handle(0)), cx.number(1)].into_iter().flatten().collect();
    let s = cx.call("sequence_erase", &args);
    cx.set(0, s);
    Ok(())
});
/// SequenceLength.
pub static LENGTH: OpDef = def("SequenceLength", &[(11, none)], infer_length, |cx| {
    let s = cx.handle(0);
    let n = cx.call("sequence_length", &[s]);
    cx.set_number(0, n);
    Ok(())
});

fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn import_empty(n: &mut NodeReader) -> Result<Attrs> {
    let number = n.int("dtype", 1)?;
    let dtype = i32::try_from(number).ok().and_then(from_onnx);
    let dtype = dtype
        .ok_or_else(|| n.error("E2011", format!("attribute 'dtype' is {number}")).expected("the number of a dtype"))?;
    Ok(Attrs::default().with("dtype", Attr::DType(dtype)))
}

/// The type of the items of input `i`, which must be a sequence.
pub(super) fn items(cx: &InferCx, i: usize) -> Result<Type> {
    match &cx.graph.values[cx.input(i)?].ty {
        Type::Sequence(t) => Ok((**t).clone()),
        other => Err(cx.error("E2055", format!("input {i} is {other}")).expected("a sequence")),
    }
}

/// An integer that says a position.
fn position(cx: &InferCx, i: usize) -> Result<()> {
    if cx.opt(i).is_none() {
        return Ok(());
    }
    let t = cx.input_type(i)?;
    let one = t.count().as_int().is_none_or(|n| n == 1);
    if matches!(t.dtype, DType::I32 | DType::I64) && one {
        return Ok(());
    }
    Err(cx.error("E2055", format!("the position is {t}")).expected("one integer"))
}

/// The type of a value taken out of a sequence or an optional, as output `out`. Unknown extents are found before the node
/// runs.
pub(super) fn taken(cx: &mut InferCx, item: &Type, out: usize, which: u32) -> Result<Type> {
    let rank = match item {
        Type::AnyTensor(_, Some(r)) => Some(*r),
        Type::AnyTensor(_, None) | Type::Absent(_) => {
            let v = cx.node().outputs.get(out).copied();
            v.and_then(|v| cx.graph.tensor_type(v)).map(|t| t.rank() as u32)
        }
        other => return Ok(other.clone()),
    };
    let rank = rank.ok_or_else(|| {
        if matches!(item, Type::Absent(_)) {
            // A loop that puts something in is typed again.
            return Diagnostic::error(crate::infer::REPORTED, "the sequence is empty");
        }
        cx.error("E2057", format!("the rank of what the node takes out isn't known ({item})"))
            .expected("items of one rank, or a declared type for the output")
            .help("run ONNX's shape inference before compiling, or declare the shape of the input's items")
    })?;
    let shape = (0..rank).map(|i| cx.fresh_extent(which + i, "item", 0, None)).collect();
    Ok(Type::tensor(leaf(item), shape))
}

fn infer_empty(cx: &mut InferCx) -> Result<()> {
    let dtype = cx.attrs().dtype("dtype").unwrap_or(DType::F32);
    cx.set_output(0, Type::Sequence(Box::new(Type::Absent(dtype))));
    Ok(())
}

fn infer_construct(cx: &mut InferCx) -> Result<()> {
    let mut all = Type::Tensor(cx.input_type(0)?);
    for i in 1..cx.input_count() {
        all = joined(cx, &all, &Type::Tensor(cx.input_type(i)?))?;
    }
    cx.set_output(0, Type::Sequence(Box::new(all)));
    Ok(())
}

fn joined(cx: &InferCx, a: &Type, b: &Type) -> Result<Type> {
    join(&cx.ranges(), a, b)
        .ok_or_else(|| cx.error("E2055", format!("items of {a} and of {b}")).expected("items of one element type"))
}

fn infer_at(cx: &mut InferCx) -> Result<()> {
    let item = items(cx, 0)?;
    position(cx, 1)?;
    let ty = taken(cx, &item, 0, 0)?;
    cx.set_output(0, ty);
    Ok(())
}

fn infer_insert(cx: &mut InferCx) -> Result<()> {
    let item = items(cx, 0)?;
    position(cx, 2)?;
    let all = joined(cx, &item, &Type::Tensor(cx.input_type(1)?))?;
    cx.set_output(0, Type::Sequence(Box::new(all)));
    Ok(())
}

fn infer_erase(cx: &mut InferCx) -> Result<()> {
    let item = items(cx, 0)?;
    position(cx, 1)?;
    cx.set_output(0, Type::Sequence(Box::new(item)));
    Ok(())
}

fn infer_length(cx: &mut InferCx) -> Result<()> {
    items(cx, 0)?;
    cx.set_tensor(0, DType::I64, vec![]);
    Ok(())
}
