//! MaxPool: the greatest element of each window, and where it is.
//!
//! Since 1; 8: the second output and `storage_order`; 10: `ceil_mode`, `dilations`; 11; 12: i8 and u8; 22: bf16.
//! From here down: `kernel_shape` and `storage_order` are there. Padding never wins: it counts as less than any element.
//!
//! The second output is the position of the first greatest element (in the order of the window's taps) in the whole
//! input, row-major; with `storage_order` 1 the spatial axes are counted column-major. -1 where no element of the window
//! compares equal to the maximum: the window is empty or all NaN.

use super::conv::set_narrowed;
use super::elementwise::{Class, wide};
use super::pool::{element, infer_pool, window_of};
use super::window::{Window, import_window};
use crate::prelude::*;

/// MaxPool.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "MaxPool",
    versions: &[
        (1, |n| import_window(n, &["kernel_shape"], false)),
        (8, |n| import(n, &["kernel_shape"], false)),
        (10, |n| import(n, &["kernel_shape", "dilations"], true)),
        (11, |n| import(n, &["kernel_shape", "dilations"], true)),
        (12, |n| import(n, &["kernel_shape", "dilations"], true)),
        (22, |n| import(n, &["kernel_shape", "dilations"], true)),
    ],
    infer: |cx| infer_pool(cx, Class::Number),
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader, lists: &[&str], ceil: bool) -> Result<Attrs> {
    let order = n.int("storage_order", 0)?;
    Ok(import_window(n, lists, ceil)?.with("storage_order", Attr::Int(order)))
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype, out, window) = (cx.input(0), cx.dtype(0), cx.out_shape(0), window_of(cx));
    let acc = wide(dtype);
    let pad = Scalar::least(dtype);
    let name = cx.node().name.clone();
    let value = |i: &[Sym], r: &[Sym]| cast(dtype, acc, element(x, &window, i, r, pad));
    let max = cx.k.reduce(&name, acc, &out, ReduceOp::Max, &window.kernel, None, |_, i, r| value(i, r));
    set_narrowed(cx, max, acc);
    if cx.node().outputs.len() > 1 {
        let shape = cx.shape(0);
        let none = constant(Scalar::i64(i64::MAX));
        let found = cx.k.reduce("first", DType::I64, &out, ReduceOp::Min, &window.kernel, None, |_, i, r| {
            let at = window.source(&i[2..], r);
            let equal = compare(CmpOp::Eq, value(i, r), load(max, i));
            let hit = binary(BinOp::And, equal, inside(&window, &at, &shape[2..]));
            select(hit, int(row_major(&at, &shape[2..])), none.clone())
        });
        let columns = cx.attrs().int("storage_order") == Some(1);
        let at = cx.k.map("indices", DType::I64, &out, |_, i| {
            let plane = int((&i[0] * &shape[1] + &i[1]) * shape[2..].iter().product::<Sym>());
            let first = load(found, i);
            let within = if columns { column_major(first.clone(), &shape[2..]) } else { first.clone() };
            let missing = compare(CmpOp::Eq, first, none);
            select(missing, constant(Scalar::i64(-1)), plane + within)
        });
        cx.set_output(1, at);
    }
    Ok(())
}

/// True if a position is in the input and not in the padding.
fn inside(window: &Window, at: &[Sym], extents: &[Sym]) -> Expr {
    let mut all = constant(Scalar::bool(true));
    if window.pads() {
        for (p, d) in at.iter().zip(extents) {
            let low = compare(CmpOp::Le, int(0), int(p));
            let high = compare(CmpOp::Lt, int(p), int(d));
            let both = binary(BinOp::And, low, high);
            all = if as_const(&all).is_some() { both } else { binary(BinOp::And, all, both) };
        }
    }
    all
}

fn row_major(at: &[Sym], extents: &[Sym]) -> Sym {
    at.iter().zip(extents).fold(Sym::int(0), |n, (p, d)| n * d + p)
}

/// The column-major position of an element whose row-major position is computed.
fn column_major(mut position: Expr, extents: &[Sym]) -> Expr {
    let mut parts = vec![];
    for (axis, d) in extents.iter().enumerate().rev() {
        let stride: Sym = extents[..axis].iter().product();
        parts.push(binary(BinOp::FloorMod, position.clone(), int(d)) * int(stride));
        position = binary(BinOp::FloorDiv, position, int(d));
    }
    parts.into_iter().reduce(|a, b| a + b).unwrap_or(int(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("max_pool");
    }
}
