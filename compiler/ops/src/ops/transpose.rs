//! Transpose: the same elements with the axes in another order; `perm` lists for each axis of the output the one of the
//! input, all axes backwards by default. From here down `perm` is there only if the file has it.

use super::movement::*;
use crate::prelude::*;

/// Transpose.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Transpose",
    versions: &[(1, import), (13, import), (21, import), (23, import), (24, import), (25, import)],
    infer,
    lower: Lower::View(view),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let perm = n.opt_ints("perm")?;
    Ok(perm.map_or_else(Attrs::default, |p| Attrs::default().with("perm", Attr::Ints(p))))
}

fn order(attrs: &Attrs, rank: usize) -> Vec<usize> {
    match attrs.ints("perm") {
        Some(perm) => perm.iter().map(|&p| if p < 0 { p + rank as i64 } else { p } as usize).collect(),
        None => (0..rank).rev().collect(),
    }
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = any(cx, 0)?;
    if let Some(perm) = cx.attrs().ints("perm") {
        let found = positions(cx, perm, x.rank())?.len();
        if found != x.rank() {
            return Err(cx
                .error("E2005", format!("perm has {found} axes, input 0 has {}", x.rank()))
                .expected("every axis once"));
        }
    }
    let order = order(cx.attrs(), x.rank());
    let shape: Vec<Sym> = order.iter().map(|&a| x.shape[a].clone()).collect();
    if let Some(known) = Known::input(cx, 0) {
        set_moved(cx, &shape, |i| known.at(&source(&order, i)));
    }
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// The index of the input for an index of the output.
fn source<T: Clone>(order: &[usize], index: &[T]) -> Vec<T> {
    let mut from = index.to_vec();
    for (&a, i) in order.iter().zip(index) {
        from[a] = i.clone();
    }
    from
}

fn view(cx: &ViewCx, index: &[Sym]) -> Result<Vec<Sym>> {
    Ok(source(&order(cx.attrs(), index.len()), index))
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("transpose");
    }

    #[test]
    fn wrong_orders_are_refused() {
        let error = |perm: &[i64]| {
            let x = Tensor::from_slice(&[2, 1], &[0f32; 2]);
            Case::new("Transpose", 13).input(x).attr("perm", Attr::Ints(perm.to_vec())).error()
        };
        assert_eq!([error(&[0]), error(&[0, 0]), error(&[0, 2])], ["E2005", "E2004", "E2004"]);
    }
}
