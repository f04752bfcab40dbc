//! Gather, GatherElements, GatherND: elements picked by indices that are data.
//!
//! Versions differ in dtypes; GatherND since 12 has `batch_dims`. An index counts from the end if it is negative. One
//! out of range is a status of the module; loads stay in memory all the same.

use super::elementwise::{Class, tensor};
use super::lengths::{declared_rank, expect_last};
use super::movement::*;
use crate::prelude::*;
use onnxc_ir::graph::TensorType;

/// Gather.
pub static GATHER: OpDef = OpDef {
    domain: "",
    name: "Gather",
    versions: &[(1, import_axis), (11, import_axis), (13, import_axis)],
    infer: infer_gather,
    lower: Lower::Compute(lower_gather),
    extents: None,
};

/// GatherElements.
pub static GATHER_ELEMENTS: OpDef = OpDef {
    domain: "",
    name: "GatherElements",
    versions: &[(11, import_axis), (13, import_axis)],
    infer: infer_elements,
    lower: Lower::Compute(lower_elements),
    extents: None,
};

/// GatherND.
pub static GATHER_ND: OpDef = OpDef {
    domain: "",
    name: "GatherND",
    versions: &[(11, import_nd_11), (12, import_nd), (13, import_nd)],
    infer: infer_nd,
    lower: Lower::Compute(lower_nd),
    extents: None,
};

fn import_axis(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", 0)?)))
}

fn import_nd_11(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("batch_dims", Attr::Int(0)))
}

fn import_nd(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("batch_dims", Attr::Int(n.int("batch_dims", 0)?)))
}

fn axis_of(attrs: &Attrs, rank: usize) -> usize {
    attrs.int("axis").unwrap_or(0).rem_euclid(rank.max(1) as i64) as usize
}

/// Input 1 holds indices.
fn indices(cx: &InferCx) -> Result<TensorType> {
    tensor(cx, 1, Class::Int)
}

fn infer_gather(cx: &mut InferCx) -> Result<()> {
    let (x, at) = (any(cx, 0)?, indices(cx)?);
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(0), x.rank())?;
    check_constant(cx, &x.shape[axis])?;
    let shape = [&x.shape[..axis], &at.shape, &x.shape[axis + 1..]].concat();
    if let (Some(known), Some(picks), Some(extent)) = (Known::input(cx, 0), Known::input(cx, 1), x.shape[axis].as_int())
    {
        set_moved(cx, &shape, |i| {
            let pick = picks.at(&i[axis..axis + at.rank()])?.as_int()?;
            let pick = usize::try_from(if pick < 0 { pick + extent } else { pick }).ok()?;
            known.at(&[&i[..axis], &[pick], &i[axis + at.rank()..]].concat())
        });
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// Indices that are constants are checked now, if the extent is one, too.
fn check_constant(cx: &InferCx, extent: &Sym) -> Result<()> {
    let (Some(list), Some(extent)) = (cx.const_ints(1), extent.as_int()) else { return Ok(()) };
    match list.iter().find(|i| !(-extent..extent).contains(*i)) {
        Some(i) => Err(cx
            .error("E2046", format!("index {i} is out of range for an extent of {extent}"))
            .expected(format!("{}..{extent}", -extent))),
        None => Ok(()),
    }
}

fn lower_gather(cx: &mut ComputeCx) -> Result<()> {
    let (x, dims) = (cx.input(0), cx.shape(0));
    let axis = axis_of(cx.attrs(), dims.len());
    let (extent, rank) = (dims[axis].clone(), cx.shape(1).len());
    let picks = Picks::new(cx, &extent);
    picks.check(cx);
    let zero = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| {
        let inside = |i: &[Sym]| i.iter().cloned().map(int).collect::<Vec<_>>();
        let pick = picks.at(&i[axis..axis + rank]);
        let index = [inside(&i[..axis]), vec![pick], inside(&i[axis + rank..])].concat();
        load_at(x, index, picks.pad(zero))
    });
    Ok(())
}

/// Input 1 as indices along an axis of some extent.
struct Picks {
    src: Src,
    dtype: DType,
    shape: Vec<Sym>,
    extent: Sym,
    /// The only index, if it is known.
    only: Option<Sym>,
    /// Are all of them known to be in range? To be 0 or more?
    checked: bool,
    positive: bool,
}

impl Picks {
    fn new(cx: &ComputeCx, extent: &Sym) -> Picks {
        let constants = cx.constant(1).and_then(Tensor::to_i64);
        let positive = constants.as_ref().is_some_and(|c| c.iter().all(|&i| i >= 0));
        let bound = extent.as_int();
        let checked = constants.zip(bound).is_some_and(|(c, n)| c.iter().all(|i| (-n..n).contains(i)));
        let only = cx.content(1).filter(|c| c.len() == 1).and_then(|c| in_front(&cx.ranges(), &c[0], extent));
        let (src, dtype, shape) = (cx.input(1), cx.dtype(1), cx.shape(1));
        Picks { src, dtype, shape, extent: extent.clone(), only, checked, positive }
    }

    fn raw(&self, index: &[Sym]) -> Expr {
        cast(self.dtype, DType::I64, load(self.src, index))
    }

    /// The index, counted from the front.
    fn at(&self, index: &[Sym]) -> Expr {
        match &self.only {
            Some(s) => int(s.clone()),
            None if self.positive => self.raw(index),
            None => wrapped(self.raw(index), &self.extent),
        }
    }

    fn check(&self, cx: &mut ComputeCx) {
        if !self.checked {
            cx.k.check(&self.shape, OUT_OF_RANGE, |_, i| in_range(&self.raw(i), &self.extent));
        }
    }

    fn pad(&self, zero: Scalar) -> Option<Scalar> {
        (!self.checked).then_some(zero)
    }
}

/// A symbolic index counted from the front, if its sign is known.
fn in_front(ranges: &onnxc_base::Ranges, index: &Sym, extent: &Sym) -> Option<Sym> {
    match ranges.prove_le(&Sym::int(0), index)? {
        true => Some(index.clone()),
        false => Some(index + extent),
    }
}

fn infer_elements(cx: &mut InferCx) -> Result<()> {
    let (x, at) = (any(cx, 0)?, indices(cx)?);
    let axis = cx.axis(cx.attrs().int("axis").unwrap_or(0), x.rank())?;
    if at.rank() != x.rank() {
        return Err(cx
            .error("E2005", format!("the indices have rank {}, input 0 has {}", at.rank(), x.rank()))
            .expected("equal ranks"));
    }
    check_constant(cx, &x.shape[axis])?;
    for a in (0..x.rank()).filter(|&a| a != axis) {
        if cx.ranges().prove_le(&at.shape[a], &x.shape[a]) == Some(false) {
            let found = format!("axis {a} of the indices is {}, of input 0 {}", at.shape[a], x.shape[a]);
            return Err(cx.error("E2003", found).expected("no more indices than elements along the other axes"));
        }
    }
    cx.set_tensor(0, x.dtype, at.shape);
    Ok(())
}

fn lower_elements(cx: &mut ComputeCx) -> Result<()> {
    let (x, dims) = (cx.input(0), cx.shape(0));
    let axis = axis_of(cx.attrs(), dims.len());
    let picks = Picks::new(cx, &dims[axis]);
    picks.check(cx);
    let zero = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| {
        let mut index: Vec<Expr> = i.iter().cloned().map(int).collect();
        index[axis] = picks.at(i);
        load_at(x, index, Some(zero))
    });
    Ok(())
}

fn infer_nd(cx: &mut InferCx) -> Result<()> {
    let batch = usize::try_from(cx.attrs().int("batch_dims").unwrap_or(0)).unwrap_or(usize::MAX);
    if let Some(rank) = declared_rank(cx) {
        let both = cx.shape(0)?.len() + cx.shape(1)?.len();
        expect_last(cx, 1, both.checked_sub(1 + rank).and_then(|n| n.checked_sub(batch)));
    }
    let (x, at) = (any(cx, 0)?, indices(cx)?);
    let length = at.shape.last().and_then(Sym::as_int);
    let length = length.and_then(|k| usize::try_from(k).ok()).ok_or_else(|| {
        cx.error("E2041", "the length of an index tuple isn't known").expected("indices with a constant last extent")
    })?;
    if batch >= at.rank() || batch.saturating_add(length) > x.rank() {
        let found = format!("tuples of {length} indices and {batch} batch axes for a tensor of rank {}", x.rank());
        return Err(cx
            .error("E2005", found)
            .expected("no more than its rank, and fewer batch axes than axes of indices"));
    }
    let mut shape = Vec::new();
    for a in 0..batch {
        shape.push(cx.unify(&x.shape[a], &at.shape[a], &format!("batch axis {a}"))?);
    }
    shape.extend_from_slice(&at.shape[batch..at.rank() - 1]);
    shape.extend_from_slice(&x.shape[batch + length..]);
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn lower_nd(cx: &mut ComputeCx) -> Result<()> {
    let (x, dims, at, at_dims) = (cx.input(0), cx.shape(0), cx.input(1), cx.shape(1));
    let batch = cx.attrs().int("batch_dims").unwrap_or(0) as usize;
    let (outer, dtype) = (at_dims.len() - 1, cx.dtype(1));
    let length = at_dims[outer].as_int().unwrap_or(0) as usize;
    let raw = |i: &[Sym], k: usize| {
        let tuple = [&i[..outer], &[Sym::int(k as i64)]].concat();
        cast(dtype, DType::I64, load(at, &tuple))
    };
    for k in 0..length {
        cx.k.check(&at_dims[..outer], OUT_OF_RANGE, |_, i| in_range(&raw(i, k), &dims[batch + k]));
    }
    let zero = Scalar::from_i64(cx.dtype(0), 0);
    cx.map_output(|_, i| {
        let inside = |i: &[Sym]| i.iter().cloned().map(int).collect::<Vec<_>>();
        let picked = (0..length).map(|k| wrapped(raw(i, k), &dims[batch + k])).collect();
        load_at(x, [inside(&i[..batch]), picked, inside(&i[outer..])].concat(), Some(zero))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("gather");
    }

    #[test]
    fn indices_out_of_range() {
        let x = Tensor::from_slice(&[3], &[1f32, 2.0, 3.0]);
        let at = |i: i64| Tensor::from_slice(&[1], &[i]);
        for i in [3, -4] {
            assert_eq!(Case::new("Gather", 13).input(x.clone()).constant(at(i)).error(), "E2046");
            assert_eq!(Case::new("Gather", 13).input(x.clone()).input(at(i)).error(), "E6000");
            assert_eq!(Case::new("Gather", 13).input(x.clone()).constant(at(i)).symbolic().error(), "E6000");
            assert_eq!(Case::new("GatherElements", 13).input(x.clone()).input(at(i)).error(), "E6000");
            assert_eq!(Case::new("GatherND", 13).input(x.clone()).input(at(i)).error(), "E6000");
        }
        let axis = Case::new("Gather", 13).input(x).input(at(0)).attr("axis", Attr::Int(1));
        assert_eq!(axis.error(), "E2004");
    }
}
