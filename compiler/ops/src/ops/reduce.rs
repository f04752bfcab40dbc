//! Reductions: Sum, Mean, Max, Min, Prod, L1, L2, LogSum, LogSumExp, SumSquare over any axes.
//!
//! Before 18 (ReduceSum: 13): the attribute `axes`; since: input 1. No axes: all of them, unless `noop_with_empty_axes`
//! says none; then each element is a reduction of its own. Axes that are computed when the model runs: `run_time_axes`.
//! From here down: input 1 (optional), attributes `keepdims` and `noop`.
//! Narrow floats are summed in f32. Integers wrap; where a root or logarithm is taken they go through f64. A
//! reduction of nothing gives the operation's identity: 0, 1, or the least or greatest value. The greatest and least of
//! what holds a NaN is NaN.
//!
//! Does NOT say in which order or by how many threads a sum is taken: the schedule does (`passes/kernel`).

use super::axes::Axes;
use super::elementwise::*;
use super::lengths::{declared_rank, expect_length, open_length};
use super::run_time_axes;
use crate::prelude::*;

/// What a reduction does before, while and after combining; the count of elements comes last.
struct Formula {
    op: ReduceOp,
    /// Integers go through f64.
    float: bool,
    before: fn(Expr) -> Expr,
    after: Option<fn(Expr, Expr) -> Expr>,
}

const SUM_OF: Formula = Formula { op: ReduceOp::Add, float: false, before: |x| x, after: None };
const L1: Formula = Formula { before: |x| unary(UnOp::Abs, x), ..SUM_OF };
const L2: Formula = Formula { float: true, after: Some(|x, _| unary(UnOp::Sqrt, x)), ..SQUARES };
const LOG_SUM: Formula = Formula { float: true, after: Some(|x, _| unary(UnOp::Log, x)), ..SUM_OF };
const MEAN_OF: Formula = Formula { after: Some(|x, n| x / n), ..SUM_OF };
const SQUARES: Formula = Formula { before: |x| x.clone() * x, ..SUM_OF };

macro_rules! reductions {
    ($($id:ident $name:literal [$($old:literal),*] [$($new:literal),*] $class:ident $lower:expr;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: &[$(($old, import_attr),)* $(($new, import_input)),*],
            infer: |cx| infer(cx, Class::$class),
            lower: Lower::Compute($lower),
            extents: Some(|cx| run_time_axes::extents(cx, keeps(cx.attrs()))),
        };
    )* };
}

reductions! {
    REDUCE_L1 "ReduceL1" [1, 11, 13] [18] Number |cx| lower(cx, &L1);
    REDUCE_L2 "ReduceL2" [1, 11, 13] [18] Number |cx| lower(cx, &L2);
    REDUCE_LOG_SUM "ReduceLogSum" [1, 11, 13] [18, 28] Number |cx| lower(cx, &LOG_SUM);
    REDUCE_LOG_SUM_EXP "ReduceLogSumExp" [1, 11, 13] [18, 28] Number lower_log_sum_exp;
    REDUCE_MAX "ReduceMax" [1, 11, 12, 13] [18, 20] Any |cx| lower(cx, &Formula { op: ReduceOp::Max, ..SUM_OF });
    REDUCE_MEAN "ReduceMean" [1, 11, 13] [18] Number |cx| lower(cx, &MEAN_OF);
    REDUCE_MIN "ReduceMin" [1, 11, 12, 13] [18, 20] Any |cx| lower(cx, &Formula { op: ReduceOp::Min, ..SUM_OF });
    REDUCE_PROD "ReduceProd" [1, 11, 13] [18] Number |cx| lower(cx, &Formula { op: ReduceOp::Mul, ..SUM_OF });
    REDUCE_SUM "ReduceSum" [1, 11] [13] Number |cx| lower(cx, &SUM_OF);
    REDUCE_SUM_SQUARE "ReduceSumSquare" [1, 11, 13] [18] Number |cx| lower(cx, &SQUARES);
}

fn import_attr(n: &mut NodeReader) -> Result<Attrs> {
    if let Some(axes) = n.opt_ints("axes")? {
        n.set_input(1, "axes", Tensor::from_slice(&[axes.len()], &axes));
    }
    Ok(Attrs::default().with("keepdims", Attr::Int(n.int("keepdims", 1)?)))
}

fn import_input(n: &mut NodeReader) -> Result<Attrs> {
    let noop = n.int("noop_with_empty_axes", 0)?;
    Ok(Attrs::default().with("keepdims", Attr::Int(n.int("keepdims", 1)?)).with("noop", Attr::Int(noop)))
}

fn keeps(attrs: &Attrs) -> bool {
    attrs.int("keepdims") != Some(0)
}

/// The axes, from the attributes and the axes' constant; `None` if one of them isn't there.
fn axes(attrs: &Attrs, rank: usize, list: &[i64]) -> Option<Axes> {
    let all = list.is_empty() && attrs.int("noop") != Some(1);
    let axes = if all { Axes::range(rank, 0..rank) } else { Axes::from_list(rank, list)? };
    Some(axes.keeping(keeps(attrs)))
}

/// The list of axes where it is known: also one of no elements, or that is left out.
fn listed(shape: Option<Vec<Sym>>, content: Option<Vec<Sym>>) -> Option<Vec<i64>> {
    match shape {
        Some(shape) if !shape.iter().any(Sym::is_zero) => content?.iter().map(Sym::as_int).collect(),
        _ => Some(vec![]),
    }
}

fn infer(cx: &mut InferCx, class: Class) -> Result<()> {
    settle_length(cx)?;
    let x = tensor(cx, 0, class)?;
    let shape = if cx.opt(1).is_some() { Some(cx.shape(1)?) } else { None };
    let Some(list) = listed(shape, cx.content(1)) else {
        let shape = run_time_axes::infer(cx, &x.shape, keeps(cx.attrs()))?;
        cx.set_tensor(0, x.dtype, shape);
        return Ok(());
    };
    let rank = x.rank();
    let axes = axes(cx.attrs(), rank, &list)
        .ok_or_else(|| cx.error("E2004", format!("axes {list:?} are out of range for a tensor of rank {rank}")))?;
    let content = cx.content(0).filter(|_| axes.is_all());
    if let Some(c) = content.and_then(|c| reduce_content(&cx.node().op.name, &c)) {
        cx.set_content(0, vec![c]);
    }
    cx.set_tensor(0, x.dtype, axes.result(&x.shape));
    Ok(())
}

/// A list of axes of open length without `keepdims`: the result's rank says how many there are.
fn settle_length(cx: &mut InferCx) -> Result<()> {
    if cx.opt(1).is_none() || keeps(cx.attrs()) || !open_length(&cx.shape(1)?) {
        return Ok(());
    }
    let rank = cx.shape(0)?.len();
    if let Some(n) = declared_rank(cx).and_then(|to| rank.checked_sub(to)) {
        // All axes are also what an empty list means.
        expect_length(cx, 1, if n == rank && cx.attrs().int("noop") != Some(1) { 0 } else { n });
    }
    Ok(())
}

/// A known content reduced to one symbol.
fn reduce_content(op: &str, c: &[Sym]) -> Option<Sym> {
    match op {
        "ReduceSum" => Some(c.iter().sum()),
        "ReduceProd" => Some(c.iter().product()),
        "ReduceMax" if !c.is_empty() => Some(Sym::max_of(c.to_vec())),
        "ReduceMin" if !c.is_empty() => Some(Sym::min_of(c.to_vec())),
        _ => None,
    }
}

/// What a node reduces over.
struct Plan {
    over: Vec<Sym>,
    /// The index of an element, from that of the result and the reduction's.
    index: Box<dyn Fn(&[Sym], &[Sym]) -> Vec<Sym>>,
    /// Each element is a reduction of its own.
    none: bool,
}

fn plan(cx: &mut ComputeCx) -> Result<Plan> {
    let shape = cx.shape(0);
    let Some(list) = listed(cx.opt(1).map(|_| cx.shape(1)), cx.content(1)) else {
        let (over, index) = run_time_axes::plan(cx, keeps(cx.attrs()))?;
        return Ok(Plan { over, index: Box::new(index), none: false });
    };
    let axes = axes(cx.attrs(), shape.len(), &list).expect("infer has checked the axes");
    let (over, none) = (axes.reduced(&shape), axes.is_empty());
    Ok(Plan { over, index: Box::new(move |i, r| axes.index(i, r)), none })
}

fn lower(cx: &mut ComputeCx, f: &Formula) -> Result<()> {
    let (x, p) = (Operand::new(cx, 0), plan(cx)?);
    let d = arithmetic(x.wide(), f.float);
    let (to, out) = (cx.output_type(0).dtype, cx.out_shape(0));
    let n = cast(DType::I64, d, int(p.over.iter().product::<Sym>()));
    if p.none {
        map_from(cx, d, |i| finish(f, (f.before)(x.at_as(d, i)), n));
        return Ok(());
    }
    let op = match f.op {
        ReduceOp::Max if d == DType::Bool => ReduceOp::Or,
        ReduceOp::Min if d == DType::Bool => ReduceOp::And,
        op => op,
    };
    let read = |i: &[Sym], r: &[Sym]| (f.before)(x.at_as(d, &(p.index)(i, r)));
    let acc = cx.k.reduce("acc", d, &out, op, &p.over, None, |_, i, r| read(i, r));
    if matches!(op, ReduceOp::Max | ReduceOp::Min) && d.is_float() {
        // Whether a comparison sees a NaN depends on the order, so it is looked for.
        let nan = cx.k.reduce("nan", DType::Bool, &out, ReduceOp::Or, &p.over, None, |_, i, r| {
            compare(CmpOp::Ne, read(i, r), read(i, r))
        });
        map_from(cx, d, |i| select(load(nan, i), number(d, f64::NAN), load(acc, i)));
    } else if d == to && f.after.is_none() {
        cx.set_output(0, acc);
    } else {
        map_from(cx, d, |i| finish(f, load(acc, i), n));
    }
    Ok(())
}

fn arithmetic(d: DType, float: bool) -> DType {
    if float && !d.is_float() { DType::F64 } else { d }
}

fn finish(f: &Formula, acc: Expr, n: Expr) -> Expr {
    f.after.map_or(acc.clone(), |after| after(acc, n))
}

/// m + log(sum(exp(x - m))) with the greatest element m, or 0 where that is infinite.
fn lower_log_sum_exp(cx: &mut ComputeCx) -> Result<()> {
    let (x, p, out) = (Operand::new(cx, 0), plan(cx)?, cx.out_shape(0));
    let d = arithmetic(x.wide(), true);
    let read = |i: &[Sym], r: &[Sym]| x.at_as(d, &(p.index)(i, r));
    let greatest = cx.k.reduce("max", d, &out, ReduceOp::Max, &p.over, None, |_, i, r| read(i, r));
    let max = cx.k.map("finite_max", d, &out, |_, i| {
        let m = load(greatest, i);
        let finite = compare(CmpOp::Lt, unary(UnOp::Abs, m.clone()), number(d, f64::INFINITY));
        select(finite, m, number(d, 0.0))
    });
    let sum = cx
        .k
        .reduce("sum", d, &out, ReduceOp::Add, &p.over, None, |_, i, r| unary(UnOp::Exp, read(i, r) - load(max, i)));
    map_from(cx, d, |i| load(max, i) + unary(UnOp::Log, load(sum, i)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("reduce");
    }

    #[test]
    fn axes_must_be_there_and_distinct() {
        let x = Tensor::from_slice(&[1, 2], &[1.0f32, 2.0]);
        let case = Case::new("ReduceSum", 13).input(x).attr("keepdims", onnxc_ir::graph::Attr::Int(0));
        let axes = |v: &[i64]| Tensor::from_slice(&[v.len()], v);
        assert_eq!(case.clone().constant(axes(&[2])).error(), "E2004");
        let table = Tensor::from_slice(&[2, 2], &[0i64; 4]);
        assert_eq!(
            case.clone().attr("keepdims", onnxc_ir::graph::Attr::Int(1)).input(table).symbolic().error(),
            "E2005"
        );
        assert_eq!(case.clone().input(Tensor::from_slice(&[1], &[0f32])).error(), "E2021");
        assert_eq!(case.clone().input(axes(&[0, 1, 1])).error(), "E2004");
        for wrong in [&[2i64][..], &[-3], &[1, -1]] {
            assert_eq!(case.clone().input(axes(wrong)).error(), "E6000", "{wrong:?}");
        }
    }
}
