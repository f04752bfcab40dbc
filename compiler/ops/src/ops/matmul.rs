//! MatMul: y[.., m, n] = sum over k of a[.., m, k] * b[.., k, n], numpy's rules: leading axes broadcast; an operand of
//! rank 1 is a row (the first) or a column (the second), and that axis is left out of the output.
//!
//! Since 1, 9, 13: more dtypes each time.
//! From here down: no attributes. f16 and bf16 sum in f32.

use super::conv::set_narrowed;
use super::elementwise::{Class, tensor, tensor_of, wide};
use crate::broadcast::{Along, index_of};
use crate::prelude::*;

/// MatMul.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "MatMul",
    versions: &[(1, import), (9, import), (13, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let a = tensor(cx, 0, Class::Number)?;
    let b = tensor_of(cx, 1, a.dtype)?.shape;
    let out = infer_extents(cx, &a.shape, &b)?;
    cx.set_tensor(0, a.dtype, out);
    Ok(())
}

/// The extents of the product of operands of given extents.
pub(super) fn infer_extents(cx: &mut InferCx, a: &[Sym], b: &[Sym]) -> Result<Vec<Sym>> {
    if a.is_empty() || b.is_empty() {
        return Err(cx.error("E2041", "an operand is a scalar").expected("operands of rank 1 or more"));
    }
    let (ka, kb) = (&a[a.len() - 1], &b[b.len().saturating_sub(2)]);
    cx.unify(ka, kb, "the extent that is summed over")?;
    let batch = |s: &[Sym]| s[..s.len().saturating_sub(2)].to_vec();
    let mut out = cx.broadcast(&[batch(a), batch(b)])?;
    if a.len() > 1 {
        out.push(a[a.len() - 2].clone());
    }
    if b.len() > 1 {
        out.push(b[b.len() - 1].clone());
    }
    Ok(out)
}

/// What an element of the product reads.
pub(super) struct Form {
    a: Vec<Sym>,
    b: Vec<Sym>,
    /// How the leading axes of each are read.
    batch: [Vec<Along>; 2],
}

impl Form {
    /// The form of operands of given extents, whose product is output 0.
    pub(super) fn new(cx: &ComputeCx, a: Vec<Sym>, b: Vec<Sym>) -> Form {
        let out = cx.out_shape(0);
        let out = &out[..out.len() - usize::from(a.len() > 1) - usize::from(b.len() > 1)];
        let batch = [&a, &b].map(|s| Along::last_axes(cx, &s[..s.len().saturating_sub(2)], out));
        Form { a, b, batch }
    }

    /// What is summed over.
    pub(super) fn over(&self) -> Sym {
        let (ka, kb) = (&self.a[self.a.len() - 1], &self.b[self.b.len().saturating_sub(2)]);
        if ka.as_int().is_some() { ka.clone() } else { kb.clone() }
    }

    /// The indices of both operands for an element and a point of the sum.
    pub(super) fn indices(&self, i: &[Sym], k: &Sym) -> (Vec<Sym>, Vec<Sym>) {
        let (row, column) = (usize::from(self.a.len() > 1), usize::from(self.b.len() > 1));
        let batch = &i[..i.len() - row - column];
        let mut ai = index_of(&self.batch[0], batch);
        ai.extend(i[batch.len()..batch.len() + row].iter().cloned());
        ai.push(k.clone());
        let mut bi = index_of(&self.batch[1], batch);
        bi.push(k.clone());
        bi.extend(i[batch.len() + row..].iter().cloned());
        (ai, bi)
    }
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (a, b, dtype) = (cx.input(0), cx.input(1), cx.dtype(0));
    let acc = wide(dtype);
    let form = Form::new(cx, cx.shape(0), cx.shape(1));
    let (name, out) = (cx.node().name.clone(), cx.out_shape(0));
    let sum = cx.k.reduce(&name, acc, &out, ReduceOp::Add, &[form.over()], None, |_, i, r| {
        let (ai, bi) = form.indices(i, &r[0]);
        cast(dtype, acc, load(a, &ai)) * cast(dtype, acc, load(b, &bi))
    });
    set_narrowed(cx, sum, acc);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("matmul");
    }
}
