//! Softmax: exp(x - max) / sum(exp(x - max)), taken jointly over a set of axes.
//!
//! Since 1, 11: input viewed as 2-D, cut at `axis` (default 1)  => axes = axis..rank.
//! Since 13:    a single axis (default -1)                      => axes = {axis}.
//! From here down: `first` and `count` of adjacent axes are in the attributes; `axis` stays as the file has it, since
//! its sign needs the rank.

use crate::prelude::*;

/// Softmax.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Softmax",
    versions: &[(1, import_flattened), (11, import_flattened), (13, import_axis)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import_axis(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", -1)?)).with("flattened", Attr::Int(0)))
}

fn import_flattened(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", 1)?)).with("flattened", Attr::Int(1)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = cx.input_type(0)?;
    cx.axis(cx.attrs().int("axis").unwrap_or(-1), x.rank())?;
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

/// Says what, never how: no tile, no vector width.
fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape, dtype) = (cx.input(0), cx.shape(0), cx.dtype(0));
    let rank = shape.len();
    let axis = cx.attrs().int("axis").unwrap_or(-1).rem_euclid(rank as i64) as usize;
    let over = if cx.attrs().int("flattened") == Some(1) { axis..rank } else { axis..axis + 1 };
    let kept: Vec<Sym> = [&shape[..over.start], &shape[over.end..]].concat();
    let reduced = shape[over.clone()].to_vec();
    let full = |i: &[Sym], r: &[Sym]| [&i[..over.start], r, &i[over.start..]].concat();
    let keep = |i: &[Sym]| [&i[..over.start], &i[over.end..]].concat();

    let max = cx.k.reduce("max", dtype, &kept, ReduceOp::Max, &reduced, None, |_, i, r| load(x, &full(i, r)));
    let e = cx.k.map("e", dtype, &shape, |_, i| unary(UnOp::Exp, load(x, i) - load(max, &keep(i))));
    let sum = cx.k.reduce("sum", dtype, &kept, ReduceOp::Add, &reduced, None, |_, i, r| load(e, &full(i, r)));
    cx.map_output(|_, i| load(e, i) / load(sum, &keep(i)));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("softmax");
    }
}
