//! FusedMatMul (once TransposeMatMul): MatMul of operands that may be transposed, times a factor.
//!
//! `transA`: the last two axes are exchanged. `transBatchA`: the matrix's rows are the first axis, batches follow.
//! Without any of that it is ONNX's MatMul. f16 and bf16 sum in f32.

use super::super::elementwise::{Class, map_from, tensor, tensor_of, wide};
use super::{DOMAIN, emit, need};
use crate::broadcast::{Along, index_of};
use crate::prelude::*;
use onnxc_ir::graph::OpName;

/// FusedMatMul.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "FusedMatMul",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

/// TransposeMatMul, the same without `transBatch`.
pub static TRANSPOSE: OpDef = OpDef::composed(DOMAIN, "TransposeMatMul", &[(1, import_transpose)]);

const FLAGS: [&str; 4] = ["transA", "transB", "transBatchA", "transBatchB"];

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let alpha = n.float("alpha", 1.0)?;
    let mut attrs = Attrs::default().with("alpha", Attr::Float(alpha));
    for name in FLAGS {
        attrs.set(name, Attr::Int(i64::from(n.int(name, 0)? != 0)));
    }
    if FLAGS.iter().all(|f| attrs.int(f) == Some(0)) {
        let (a, b) = (need(n, 0)?, need(n, 1)?);
        let mut y = emit(n, "MatMul", &[], &[a, b])?;
        if alpha != 1.0 {
            let factor = n.constant("alpha", Tensor::scalar(alpha));
            let factor = emit(n, "CastLike", &[], &[factor, y])?;
            y = emit(n, "Mul", &[], &[y, factor])?;
        }
        return n.become_values(vec![y]);
    }
    Ok(attrs)
}

fn import_transpose(n: &mut NodeReader) -> Result<Attrs> {
    let attrs = super::fused::window(n, &["alpha", "transA", "transB"]);
    n.become_op(OpName { domain: DOMAIN.into(), name: "FusedMatMul".into() }, &attrs)
}

/// Where an operand has batches, and rows and columns as the product sees them.
struct View {
    batch: Vec<usize>,
    row: usize,
    column: usize,
}

fn view(attrs: &Attrs, rank: usize, flags: [&str; 2]) -> View {
    let [transposed, batch] = flags.map(|f| attrs.int(f) == Some(1));
    let (first, row) = if batch { (1, 0) } else { (0, rank - 2) };
    let batch = (first..first + rank - 2).collect();
    let (row, column) = if transposed { (rank - 1, row) } else { (row, rank - 1) };
    View { batch, row, column }
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let a = tensor(cx, 0, Class::Float)?;
    let b = tensor_of(cx, 1, a.dtype)?;
    if a.rank() < 2 || b.rank() < 2 {
        return Err(cx.error("E2041", "an operand that is to be transposed is no matrix").expected("rank 2 or more"));
    }
    let attrs = cx.attrs().clone();
    let va = view(&attrs, a.rank(), ["transA", "transBatchA"]);
    let vb = view(&attrs, b.rank(), ["transB", "transBatchB"]);
    cx.unify(&a.shape[va.column], &b.shape[vb.row], "the extent that is summed over")?;
    let batch = |v: &View, s: &[Sym]| v.batch.iter().map(|&i| s[i].clone()).collect::<Vec<_>>();
    let mut out = cx.broadcast(&[batch(&va, &a.shape), batch(&vb, &b.shape)])?;
    out.extend([a.shape[va.row].clone(), b.shape[vb.column].clone()]);
    cx.set_tensor(0, a.dtype, out);
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (a, b, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
    let (sa, sb, d, attrs) = (cx.shape(0), cx.shape(1), wide(dtype), cx.attrs());
    let va = view(attrs, sa.len(), ["transA", "transBatchA"]);
    let vb = view(attrs, sb.len(), ["transB", "transBatchB"]);
    let out = cx.out_shape(0);
    let along = |v: &View, shape: &[Sym]| {
        let batch: Vec<Sym> = v.batch.iter().map(|&i| shape[i].clone()).collect();
        Along::last_axes(cx, &batch, &out[..out.len() - 2])
    };
    let (along_a, along_b) = (along(&va, &sa), along(&vb, &sb));
    let index = |v: &View, along: &[Along], i: &[Sym], row: &Sym, column: &Sym| {
        let mut at = vec![Sym::int(0); v.batch.len() + 2];
        let own = index_of(along, &i[..i.len() - 2]);
        for (&axis, i) in v.batch.iter().zip(own) {
            at[axis] = i;
        }
        (at[v.row], at[v.column]) = (row.clone(), column.clone());
        at
    };
    let k = if sa[va.column].as_int().is_some() { sa[va.column].clone() } else { sb[vb.row].clone() };
    let name = cx.node().name.clone();
    let sum = cx.k.reduce(&name, d, &out, ReduceOp::Add, &[k], None, |_, i, r| {
        let (m, n) = (&i[i.len() - 2], &i[i.len() - 1]);
        let a = load(a, &index(&va, &along_a, i, m, &r[0]));
        cast(dtype, d, a) * cast(dtype, d, load(b, &index(&vb, &along_b, i, &r[0], n)))
    });
    let alpha = f64::from(attrs.float("alpha").unwrap_or(1.0));
    if alpha == 1.0 {
        super::super::conv::set_narrowed(cx, sum, d);
    } else {
        map_from(cx, d, |i| load(sum, i) * number(d, alpha));
    }
    Ok(())
}
