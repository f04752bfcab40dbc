//! SplitToSequence and ConcatFromSequence: tensors to sequences and back. Since 11; 24 adds dtypes.

use super::sequence::items;
use crate::handles::Operand;
use crate::handles::leaf;
use crate::prelude::*;

/// SplitToSequence.
pub static SPLIT: OpDef = OpDef {
    domain: "",
    name: "SplitToSequence",
    versions: &[(11, import_split), (24, import_split)],
    infer: infer_split,
    lower: Lower::Runtime(lower_split),
    extents: None,
};

/// ConcatFromSequence.
pub static CONCAT: OpDef = OpDef {
    domain: "",
    name: "ConcatFromSequence",
    versions: &[(11, import_concat)],
    infer: infer_concat,
    lower: Lower::Runtime(lower_concat),
    extents: None,
};

fn import_split(n: &mut NodeReader) -> Result<Attrs> {
    let axis = n.int("axis", 0)?;
    Ok(Attrs::default().with("axis", Attr::Int(axis)).with("keepdims", Attr::Int(n.int("keepdims", 1)?)))
}

fn import_concat(n: &mut NodeReader) -> Result<Attrs> {
    let axis = n.need_int("axis")?;
    Ok(Attrs::default().with("axis", Attr::Int(axis)).with("new_axis", Attr::Int(n.int("new_axis", 0)?)))
}

fn infer_split(cx: &mut InferCx) -> Result<()> {
    let mut x = cx.input_type(0)?;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(0), x.rank())?;
    if cx.opt(1).is_none() {
        if cx.attrs().int("keepdims") == Some(0) {
            x.shape.remove(axis);
        } else {
            x.shape[axis] = Sym::int(1);
        }
        cx.set_output(0, Type::Sequence(Box::new(Type::Tensor(x))));
        return Ok(());
    }
    let lengths = cx.input_type(1)?;
    if lengths.rank() > 1 || !matches!(lengths.dtype, DType::I32 | DType::I64) {
        return Err(cx.error("E2055", format!("the lengths are {lengths}")).expected("an integer, or a list of them"));
    }
    let known = cx.const_ints(1).filter(|l| !l.is_empty() && l.iter().all(|n| *n == l[0]));
    let equal = known
        .map(|l| l[0])
        .filter(|&n| lengths.rank() == 1 || n > 0 && x.shape[axis].as_int().is_some_and(|extent| extent % n == 0));
    let item = match equal {
        Some(n) => {
            x.shape[axis] = Sym::int(n);
            Type::Tensor(x)
        }
        None => Type::AnyTensor(x.dtype, Some(x.rank() as u32)),
    };
    cx.set_output(0, Type::Sequence(Box::new(item)));
    Ok(())
}

fn lower_split(cx: &mut RuntimeCx) -> Result<()> {
    let [axis, keep] = ["axis", "keepdims"].map(|a| Operand::Int(cx.attrs().int(a).unwrap_or(0)));
    let (x, lengths) = (cx.handle(0), cx.handle(1));
    let s = cx.call("sequence_split", &[x, lengths, axis, keep]);
    cx.set(0, s);
    Ok(())
}

fn infer_concat(cx: &mut InferCx) -> Result<()> {
    let item = items(cx, 0)?;
    let new = cx.attrs().int("new_axis").unwrap_or(0);
    let rank = match &item {
        Type::Tensor(t) => Some(t.rank()),
        Type::AnyTensor(_, r) => r.map(|r| r as usize),
        _ => None,
    };
    let declared = cx.node().outputs.first().and_then(|&v| cx.graph.tensor_type(v)).map(|t| t.rank());
    let rank = rank.map(|r| r + new as usize).or(declared).ok_or_else(|| {
        cx.error("E2057", "the rank of the items isn't known")
            .expected("items of one rank, or a declared type for the output")
            .help("run ONNX's shape inference before compiling, or declare the shape of the input's items")
    })?;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(0), rank)?;
    let mut shape: Vec<Sym> = match &item {
        Type::Tensor(t) if new == 1 => {
            let mut s = t.shape.clone();
            s.insert(axis, Sym::int(0));
            s
        }
        Type::Tensor(t) => t.shape.clone(),
        _ => (0..rank).map(|i| cx.fresh_extent(i as u32, "items", 0, None)).collect(),
    };
    shape[axis] = cx.fresh_extent(axis as u32, "items", 0, None);
    cx.set_tensor(0, leaf(&item), shape);
    Ok(())
}

fn lower_concat(cx: &mut RuntimeCx) -> Result<()> {
    let [axis, new] = ["axis", "new_axis"].map(|a| Operand::Int(cx.attrs().int(a).unwrap_or(0)));
    let s = cx.handle(0);
    let y = cx.call("sequence_concat", &[s, axis, new]);
    cx.set(0, y);
    Ok(())
}
