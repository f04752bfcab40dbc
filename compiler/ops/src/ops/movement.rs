//! What operators share that move elements or compute shapes: axes, contents, values read before a node runs.
//!
//! Does NOT compute with elements.

use super::elementwise::{Class, tensor};
use crate::infer::MAX_CONTENT;
use crate::prelude::*;
use onnxc_ir::graph::{Graph, SymbolSource, TensorType};
use onnxc_ir::loops::Value;

/// No attributes.
pub(super) fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

/// The type of input `i`, of any machine dtype.
pub(super) fn any(cx: &InferCx, i: usize) -> Result<TensorType> {
    tensor(cx, i, Class::Any)
}

/// The product of extents.
pub(super) fn product(shape: &[Sym]) -> Sym {
    shape.iter().product()
}

/// Constant extents.
pub(super) fn fixed(shape: &[Sym]) -> Option<Vec<usize>> {
    shape.iter().map(|d| usize::try_from(d.as_int()?).ok()).collect()
}

/// The attribute `name` of a version in which it is one becomes input `i`, a list of i64.
pub(super) fn ints_to_input(n: &mut NodeReader, name: &str, i: usize) -> Result<()> {
    if let Some(v) = n.opt_ints(name)? {
        n.set_input(i, name, Tensor::from_slice(&[v.len()], &v));
    }
    Ok(())
}

/// The axes that input `i` lists, as positions in a tensor of some rank: `None` without such an input.
pub(super) fn axes_input(cx: &InferCx, i: usize, rank: usize) -> Result<Option<Axes>> {
    if cx.opt(i).is_none() {
        return Ok(None);
    }
    match cx.const_ints(i) {
        Some(axes) => positions(cx, &axes, rank).map(|a| Some(Axes::Known(a))),
        None => Ok(Some(Axes::Later(list_length(cx, i)?))),
    }
}

/// A list of axes.
#[derive(Clone)]
pub(super) enum Axes {
    /// As positions.
    Known(Vec<usize>),
    /// That many, known only when the model runs.
    Later(usize),
}

impl Axes {
    /// The positions; an error for an operator that has to know them.
    pub(super) fn known(self, cx: &InferCx) -> Result<Vec<usize>> {
        match self {
            Axes::Known(a) => Ok(a),
            Axes::Later(_) => Err(cx
                .error("E2040", "the axes are computed when the model runs")
                .expected("constant axes")
                .help("fold the model's constants when exporting")),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Axes::Known(a) => a.len(),
            Axes::Later(n) => *n,
        }
    }
}

/// The axes that input `i` lists at run time, counted from the front. The module ends with a status unless they are
/// different axes of a tensor of that rank.
pub(super) fn run_time_axes(cx: &mut RoutineCx, i: usize, rank: usize) -> Result<Vec<Value>> {
    let (zero, limit) = (cx.f.int(0), cx.f.int(rank as i64));
    let mut axes: Vec<Value> = Vec::new();
    for a in run_time_list(cx, i)? {
        let negative = cx.f.compare(CmpOp::Lt, a, zero);
        let from_end = cx.f.add(a, limit);
        let a = cx.f.select(negative, from_end, a);
        let (low, high) = (cx.f.compare(CmpOp::Lt, a, zero), cx.f.compare(CmpOp::Ge, a, limit));
        let mut bad = cx.f.binary(BinOp::Or, low, high);
        for &other in &axes {
            let same = cx.f.compare(CmpOp::Eq, a, other);
            bad = cx.f.binary(BinOp::Or, bad, same);
        }
        cx.fail_if(bad, OUT_OF_RANGE);
        axes.push(a);
    }
    Ok(axes)
}

/// For each axis of a tensor the value that belongs to it in a list beside `axes`, or a default.
pub(super) fn by_axis(cx: &mut RoutineCx, rank: usize, axes: &[Value], values: &[Value], default: i64) -> Vec<Value> {
    let mut found = Vec::new();
    for axis in 0..rank {
        let axis = cx.f.int(axis as i64);
        let mut v = cx.f.int(default);
        for (&a, &own) in axes.iter().zip(values) {
            let here = cx.f.compare(CmpOp::Eq, a, axis);
            v = cx.f.select(here, own, v);
        }
        found.push(v);
    }
    found
}

/// Axes as different positions in a tensor of some rank.
pub(super) fn positions(cx: &InferCx, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for &a in axes {
        let a = cx.axis(a, rank)?;
        if found.contains(&a) {
            return Err(cx.error("E2004", format!("axis {a} is listed twice")).expected("different axes"));
        }
        found.push(a);
    }
    Ok(found)
}

/// Output 0 is known to have these elements: `f` gives the one at each index. Nothing happens if that isn't known.
pub(super) fn set_moved(cx: &mut InferCx, shape: &[Sym], f: impl Fn(&[usize]) -> Option<Sym>) {
    if let Some(content) = moved(shape, f) {
        cx.set_content(0, content);
    }
}

/// The elements of a tensor of these extents, if those are constant and `f` knows every element.
pub(super) fn moved(shape: &[Sym], f: impl Fn(&[usize]) -> Option<Sym>) -> Option<Vec<Sym>> {
    let shape = fixed(shape)?;
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_CONTENT)?;
    let mut index = vec![0; shape.len()];
    let mut content = Vec::with_capacity(count);
    for _ in 0..count {
        content.push(f(&index)?);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            if index[axis] < shape[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    Some(content)
}

/// A tensor's known content by index.
pub(super) struct Known {
    content: Vec<Sym>,
    shape: Vec<usize>,
}

impl Known {
    /// The content of input `i`, if it and the extents are known.
    pub(super) fn input(cx: &InferCx, i: usize) -> Option<Known> {
        Some(Known { content: cx.content(i)?, shape: fixed(&cx.shape(i).ok()?)? })
    }

    /// The element at an index, if there is one.
    pub(super) fn at(&self, index: &[usize]) -> Option<Sym> {
        let mut at = 0;
        for (&d, &i) in self.shape.iter().zip(index) {
            if i >= d {
                return None;
            }
            at = at * d + i;
        }
        self.content.get(at).cloned()
    }
}

/// Input 0's content under another shape is output 0's.
pub(super) fn keep_content(cx: &mut InferCx) {
    if let Some(c) = cx.content(0) {
        cx.set_content(0, c);
    }
}

/// The number of elements of input `i`, a list of constant length.
pub(super) fn list_length(cx: &InferCx, i: usize) -> Result<usize> {
    let t = cx.input_type(i)?;
    let length = match t.shape.as_slice() {
        [n] => n.as_int().and_then(|n| usize::try_from(n).ok()),
        [] => Some(1),
        _ => return Err(cx.error("E2005", format!("input {i} has rank {}", t.rank())).expected("a list (rank 1)")),
    };
    length.ok_or_else(|| {
        cx.error("E2041", format!("the length of input {i} is computed when the model runs"))
            .expected("a constant length: ranks are known at compile time")
            .help("fix the model's shapes when exporting")
    })
}

/// `values[index]`, by comparisons: for short lists. A list without elements gives 0.
pub(super) fn pick(index: &Sym, values: &[Sym]) -> Expr {
    let Some((last, rest)) = values.split_last() else { return int(0) };
    rest.iter().enumerate().rev().fold(int(last.clone()), |other, (k, v)| {
        let here = compare(CmpOp::Eq, int(index.clone()), int(k as i64));
        select(here, int(v.clone()), other)
    })
}

/// A dim that a model says is `d`: one that may be negative is guarded against.
pub(super) fn not_negative(cx: &mut InferCx, d: &Sym) -> Result<()> {
    let clamped = d.max(&Sym::int(0));
    match cx.ranges().prove_le(&Sym::int(0), d) {
        Some(true) => Ok(()),
        Some(false) => Err(cx.error("E2042", format!("an extent is {d}")).expected("an extent of at least 0")),
        None => cx.unify(&clamped, d, "an extent must not be negative").map(|_| ()),
    }
}

/// The elements of input `i`, a short list of integers, as i64 values.
pub(super) fn run_time_list(cx: &mut RoutineCx, i: usize) -> Result<Vec<Value>> {
    let t = cx.opt(i).ok_or_else(|| cx.error("E2043", format!("the elements of input {i} aren't at hand")))?;
    let n = product(&t.shape).as_int().unwrap_or(0);
    let list = (0..n).map(|k| {
        let at = cx.f.int(k);
        let v = cx.f.load(t.buf, at, 1, None);
        cx.f.cast(v, DType::I64)
    });
    Ok(list.collect())
}

/// `index < 0 ? index + extent : index`.
pub(super) fn wrapped(index: Expr, extent: &Sym) -> Expr {
    let negative = compare(CmpOp::Lt, index.clone(), int(0));
    select(negative, index.clone() + int(extent.clone()), index)
}

/// `-extent <= index < extent`.
pub(super) fn in_range(index: &Expr, extent: &Sym) -> Expr {
    let low = compare(CmpOp::Ge, index.clone(), int(-extent));
    binary(BinOp::And, low, compare(CmpOp::Lt, index.clone(), int(extent.clone())))
}

/// The status of an index from data that is out of range.
pub(super) const OUT_OF_RANGE: i32 = 2;

/// The symbol that `infer` made for number `which` of what `extents` computes.
pub(super) fn extent_symbol(cx: &ViewCx, which: u32) -> Result<Sym> {
    let source = SymbolSource::Extent(cx.node, which);
    let found = cx.graph.symbols.iter().find(|(_, i)| i.source == source);
    found.map(|(s, _)| Sym::var(s.clone())).ok_or_else(|| {
        let n = &cx.graph.nodes[cx.node];
        Diagnostic::error("E2043", format!("extent {which} isn't defined")).node(n.name.clone(), n.op.to_string())
    })
}

/// Does it depend on elements of a tensor, not just on extents?
pub(super) fn from_values(graph: &Graph, s: &Sym) -> bool {
    s.any_symbol(&|s| graph.symbols.get(s).is_none_or(|i| matches!(i.source, SymbolSource::Element(..))))
}

/// An attribute that is the number of a dtype which scalars can have.
pub(super) fn dtype_attr(n: &mut NodeReader, name: &str) -> Result<Option<DType>> {
    let Some(number) = n.opt_int(name)? else { return Ok(None) };
    let dtype = i32::try_from(number).ok().and_then(onnxc_onnx::dtype::from_onnx);
    match dtype {
        Some(d) if Scalar::holds(d) => Ok(Some(d)),
        Some(d) => Err(n.error("E2020", format!("attribute '{name}' is {d}, which is not supported yet"))),
        None => Err(n.error("E2011", format!("attribute '{name}' is {number}")).expected("the number of a dtype")),
    }
}

/// The extent that input `i`, a scalar of integers, says: known, or computed as number `which` by `extents`.
pub(super) fn scalar_extent(cx: &mut InferCx, i: usize, which: u32, hint: &str) -> Result<Sym> {
    let t = tensor(cx, i, Class::Int)?;
    if t.count().as_int() != Some(1) {
        return Err(cx.error("E2005", format!("input {i} has {} elements", t.count())).expected("a scalar"));
    }
    match cx.content(i).and_then(|c| c.first().cloned()) {
        Some(d) => not_negative(cx, &d).map(|()| d),
        None => Ok(cx.fresh_extent(which, hint, 0, None)),
    }
}

/// The element of input `i`, a scalar, as an extent.
pub(super) fn run_time_extent(cx: &mut RoutineCx, i: usize) -> Result<Value> {
    let list = run_time_list(cx, i)?;
    let d = list.first().copied().unwrap_or_else(|| cx.f.int(0));
    let zero = cx.f.int(0);
    let negative = cx.f.compare(CmpOp::Lt, d, zero);
    cx.fail_if(negative, OUT_OF_RANGE);
    Ok(d)
}
