//! Concat and Split: tensors put together along an axis, and taken apart.
//!
//! Concat since 1: `axis` is 1 by default; since 4 it must be given. Split since 1, 2, 11: sizes in an attribute (1
//! also knows an input); since 13: input 1; since 18: `num_outputs`, with a smaller last part where the extent doesn't
//! divide. From here down: `axis`; Split's sizes are input 1, if given, and attribute `uneven` allows for a smaller
//! last part.

use super::lengths::expect_length;
use super::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// Concat.
pub static CONCAT: OpDef = OpDef {
    domain: "",
    name: "Concat",
    versions: &[(1, import_concat_1), (4, import_concat), (11, import_concat), (13, import_concat)],
    infer: infer_concat,
    lower: Lower::Compute(lower_concat),
    extents: None,
};

/// Split.
pub static SPLIT: OpDef = OpDef {
    domain: "",
    name: "Split",
    versions: &[
        (1, import_split_attr),
        (2, import_split_attr),
        (11, import_split_attr),
        (13, import_split_even),
        (18, import_split),
    ],
    infer: infer_split,
    lower: Lower::Compute(lower_split),
    extents: Some(split_extents),
};

fn import_concat_1(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", 1)?)))
}

fn import_concat(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.need_int("axis")?)))
}

fn import_split_attr(n: &mut NodeReader) -> Result<Attrs> {
    ints_to_input(n, "split", 1)?;
    import_split_even(n)
}

fn import_split_even(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", 0)?)).with("uneven", Attr::Int(0)))
}

fn import_split(n: &mut NodeReader) -> Result<Attrs> {
    let outputs = n.output_count as i64;
    let num = n.int("num_outputs", outputs)?;
    if num < outputs || num < 1 {
        return Err(n
            .error("E2011", format!("attribute 'num_outputs' is {num}"))
            .expected(format!("at least the number of outputs, {outputs}")));
    }
    Ok(import_split_even(n)?.with("uneven", Attr::Int(1)).with("parts", Attr::Int(num)))
}

fn axis_of(attrs: &Attrs, rank: usize) -> usize {
    attrs.int("axis").unwrap_or(0).rem_euclid(rank.max(1) as i64) as usize
}

fn infer_concat(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(0), x.rank())?;
    let mut shape = x.shape.clone();
    for i in 1..cx.input_count() {
        let t = any(cx, i)?;
        if (t.dtype, t.rank()) != (x.dtype, x.rank()) {
            let found = format!("input {i} is of dtype {} and rank {}", t.dtype, t.rank());
            return Err(cx.error("E2005", found).expected(format!("{} and {}, as input 0", x.dtype, x.rank())));
        }
        for (a, (whole, part)) in shape.iter_mut().zip(&t.shape).enumerate() {
            let same = format!("axis {a} of input {i}");
            *whole = if a == axis { &*whole + part } else { cx.unify(whole, part, &same)? };
        }
    }
    concat_content(cx, axis, &shape);
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn concat_content(cx: &mut InferCx, axis: usize, shape: &[Sym]) {
    let parts: Option<Vec<(Known, usize)>> =
        (0..cx.input_count()).map(|i| Some((Known::input(cx, i)?, fixed(&cx.shape(i).ok()?)?[axis]))).collect();
    let Some(parts) = parts else { return };
    set_moved(cx, shape, |index| {
        let mut index = index.to_vec();
        for (part, extent) in &parts {
            if index[axis] < *extent {
                return part.at(&index);
            }
            index[axis] -= extent;
        }
        None
    });
}

/// Each output element comes from the input in whose range of the axis it lies, found by halving the list of inputs.
/// All loads are evaluated, so those out of range are padded.
fn lower_concat(cx: &mut ComputeCx) -> Result<()> {
    let axis = axis_of(cx.attrs(), cx.shape(0).len());
    let (mut parts, mut start) = (Vec::new(), Sym::int(0));
    for i in 0..cx.input_count() {
        let extent = cx.shape(i)[axis].clone();
        let end = &start + &extent;
        if !extent.is_zero() {
            parts.push(Part { src: cx.input(i), start, end: end.clone() });
        }
        start = end;
    }
    if parts.is_empty() {
        parts.push(Part { src: cx.input(0), start: Sym::int(0), end: start });
    }
    let zero = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| element(&parts, axis, i, zero));
    Ok(())
}

/// An input of Concat and its range of the output's axis.
struct Part {
    src: Src,
    start: Sym,
    end: Sym,
}

fn element(parts: &[Part], axis: usize, index: &[Sym], zero: Scalar) -> Expr {
    if let [only] = parts {
        let mut index = index.to_vec();
        index[axis] -= &only.start;
        return load_padded(only.src, &index, zero);
    }
    let (low, high) = parts.split_at(parts.len() / 2);
    let end = low.last().map_or(Sym::int(0), |p| p.end.clone());
    let is_low = compare(CmpOp::Lt, int(index[axis].clone()), int(end));
    select(is_low, element(low, axis, index, zero), element(high, axis, index, zero))
}

fn infer_split(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(0), x.rank())?;
    let sizes = sizes(cx, &x.shape[axis])?;
    let mut start = Some(0);
    for (i, size) in sizes.iter().enumerate() {
        let mut shape = x.shape.clone();
        shape[axis] = size.clone();
        if let (Some(known), Some(from)) = (Known::input(cx, 0), start) {
            let content = moved(&shape, |i| {
                let mut i = i.to_vec();
                i[axis] += from;
                known.at(&i)
            });
            if let Some(c) = content {
                cx.set_content(i, c);
            }
        }
        start = start.zip(size.as_int()).map(|(s, n)| s + n as usize);
        cx.set_tensor(i, x.dtype, shape);
    }
    Ok(())
}

/// How much of the axis each output gets.
fn sizes(cx: &mut InferCx, extent: &Sym) -> Result<Vec<Sym>> {
    let outputs = cx.output_count();
    if cx.opt(1).is_none() {
        return equal_sizes(cx, extent, outputs);
    }
    expect_length(cx, 1, outputs);
    let length = list_length(cx, 1)?;
    if length != outputs {
        return Err(cx
            .error("E2005", format!("there are {length} sizes for {outputs} outputs"))
            .expected("one size for each output"));
    }
    match cx.content(1) {
        Some(sizes) => {
            for s in &sizes {
                not_negative(cx, s)?;
            }
            cx.unify(&sizes.iter().sum(), extent, "the sizes of the parts must sum up to the extent")?;
            Ok(sizes)
        }
        None => Ok((0..outputs).map(|k| cx.fresh_extent(k as u32, "part", 0, Some(extent.clone()))).collect()),
    }
}

fn equal_sizes(cx: &mut InferCx, extent: &Sym, outputs: usize) -> Result<Vec<Sym>> {
    let parts = cx.attrs().int("parts").unwrap_or(outputs as i64);
    if cx.attrs().int("uneven") == Some(1) {
        let size = extent.ceildiv(&Sym::int(parts));
        let part = |k: usize| Sym::max(&Sym::min(&(extent - &size * k as i64), &size), &Sym::int(0));
        return Ok((0..outputs).map(part).collect());
    }
    let size = extent.floordiv(&Sym::int(parts));
    cx.unify(&(&size * parts), extent, &format!("the extent must be divisible by {parts}"))?;
    Ok(vec![size; outputs])
}

fn split_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let x = cx.input_type(0).shape.clone();
    let sizes = run_time_list(cx, 1)?;
    let zero = cx.f.int(0);
    let mut total = zero;
    for &s in &sizes {
        let negative = cx.f.compare(CmpOp::Lt, s, zero);
        cx.fail_if(negative, OUT_OF_RANGE);
        total = cx.f.add(total, s);
    }
    let extent = cx.f.sym(&x[axis_of(cx.attrs(), x.len())]);
    let differs = cx.f.compare(CmpOp::Ne, total, extent);
    cx.fail_if(differs, OUT_OF_RANGE);
    Ok(sizes)
}

fn lower_split(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype) = (cx.input(0), cx.dtype(0));
    let axis = axis_of(cx.attrs(), cx.shape(0).len());
    let mut start = Sym::int(0);
    for o in 0..cx.node().outputs.len() {
        let shape = cx.out_shape(o);
        let name = format!("{}_{o}", cx.node().name);
        let part = cx.k.map(&name, dtype, &shape, |_, i| {
            let mut i = i.to_vec();
            i[axis] += &start;
            load(x, &i)
        });
        cx.set_output(o, part);
        start += &shape[axis];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("concat");
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let x = |shape: &[usize]| Tensor::from_slice(shape, &vec![0f32; shape.iter().product()]);
        let concat =
            |a: Tensor, b: Tensor| Case::new("Concat", 13).input(a).input(b).attr("axis", Attr::Int(0)).error();
        assert_eq!(concat(x(&[2, 3]), x(&[2, 4])), "E2003");
        assert_eq!(concat(x(&[2, 3]), x(&[2])), "E2005");
        assert_eq!(Case::new("Split", 13).input(x(&[3])).outputs(2).error(), "E2003");
        let sizes = Tensor::from_slice(&[2], &[i64::MAX, 5]);
        assert_eq!(Case::new("Split", 13).input(x(&[3])).constant(sizes).outputs(2).error(), "E2048");
        let sizes = Tensor::from_slice(&[2], &[1i64, 1]);
        assert_eq!(Case::new("Split", 13).input(x(&[3])).constant(sizes).outputs(2).error(), "E2003");
    }
}
