//! CausalConvWithState: a convolution of each channel with its own taps over the past alone, and the elements that the
//! next call needs.
//!
//! Since 27. Input [batch, channels, length], weights [channels, 1, taps]. Before the input stand the `taps - 1`
//! elements of the past state, or zeros; the last `taps - 1` of that sequence are the present state. `activation` silu
//! (or swish, the same) is applied to the sum in the output's dtype. Narrow floats sum in f32.

use super::elementwise::*;
use crate::prelude::*;

/// CausalConvWithState.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "CausalConvWithState",
    versions: &[(27, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let silu = n.choice("activation", &["none", "silu", "swish"])? != "none";
    Ok(Attrs::default().with("silu", Attr::Int(i64::from(silu))))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    let w = tensor_of(cx, 1, x.dtype)?.shape;
    if x.rank() != 3 || w.len() != 3 {
        let found = format!("an input of rank {}, weights of rank {}", x.rank(), w.len());
        return Err(cx.error("E2005", found).expected("rank 3 for both"));
    }
    let channels = cx.unify(&w[0], &x.shape[1], "channels of input and weights")?;
    cx.unify(&w[1], &Sym::int(1), "input channels of each tap")?;
    if cx.opt(2).is_some() {
        let b = tensor_of(cx, 2, x.dtype)?.shape;
        if b.len() != 1 {
            return Err(cx.error("E2005", format!("the bias has rank {}", b.len())).expected("1"));
        }
        cx.unify(&b[0], &channels, "channels of bias and weights")?;
    }
    let state = vec![x.shape[0].clone(), channels, &w[2] - 1];
    if cx.opt(3).is_some() {
        let past = tensor_of(cx, 3, x.dtype)?.shape;
        if past.len() != 3 {
            return Err(cx.error("E2005", format!("the past state has rank {}", past.len())).expected("3"));
        }
        for (axis, (a, b)) in past.iter().zip(&state).enumerate() {
            cx.unify(a, b, &format!("axis {axis} of the past state"))?;
        }
    }
    cx.set_tensor(1, x.dtype, state);
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, w, bias, past) = (cx.input(0), cx.input(1), cx.opt(2), cx.opt(3));
    let (shape, dtype, taps) = (cx.shape(0), cx.dtype(0), cx.shape(1)[2].clone());
    let (d, before, zero) = (wide(dtype), &taps - 1, Scalar::from_i64(dtype, 0));
    // The sequence: the past, then the input.
    let whole = past.map(|past| {
        let extents = [shape[0].clone(), shape[1].clone(), &shape[2] + &before];
        cx.k.map("sequence", dtype, &extents, |_, i| {
            let own = load_padded(x, &[i[0].clone(), i[1].clone(), &i[2] - &before], zero);
            let old = compare(CmpOp::Lt, int(i[2].clone()), int(before.clone()));
            select(old, load_padded(past, i, zero), own)
        })
    });
    let element = |i: &[Sym], at: Sym| match whole {
        Some(s) => load(s, &[i[0].clone(), i[1].clone(), at]),
        None => load_padded(x, &[i[0].clone(), i[1].clone(), at - &before], zero),
    };
    let name = cx.node().name.clone();
    let init = |_: &mut KernelBuilder, i: &[Sym]| match bias {
        Some(b) => cast(dtype, d, load(b, &i[1..2])),
        None => number(d, 0.0),
    };
    let init: &dyn Fn(&mut KernelBuilder, &[Sym]) -> Expr = &init;
    let sum =
        cx.k.reduce(&name, d, &shape, ReduceOp::Add, std::slice::from_ref(&taps), bias.map(|_| init), |_, i, r| {
            let weight = load(w, &[i[1].clone(), Sym::int(0), r[0].clone()]);
            cast(dtype, d, element(i, &i[2] + &r[0])) * cast(dtype, d, weight)
        });
    let silu = cx.attrs().int("silu") == Some(1);
    map_from(cx, d, |i| {
        let v = load(sum, i);
        if !silu {
            return v;
        }
        let v = cast(dtype, d, cast(d, dtype, v));
        v.clone() / (number(d, 1.0) + unary(UnOp::Exp, -v))
    });
    if cx.node().outputs.len() > 1 {
        let out = cx.out_shape(1);
        let present = cx.k.map("present", dtype, &out, |_, i| element(i, &i[2] + &shape[2]));
        cx.set_output(1, present);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("causal_conv");
    }
}
