//! GridSample: input 0 read at the points that a grid lists, between its elements by interpolation.
//!
//! Input [batch, channels, spatial..], grid [batch, points.., rank]: coordinates from -1 to 1, the last spatial axis
//! first. Since 16: bilinear, nearest, bicubic; since 20: linear, nearest, cubic, and any number of spatial axes
//! (cubic: two). From here down: mode is one of the new words, attribute `align` is 0 or 1.
//!
//! Points outside are taken care of element by element: 0, the nearest element, or the reflection. Where a cubic
//! reaches over a `border`, this is PyTorch's reading; ONNX Runtime moves the point first.

use super::elementwise::{Class, tensor, wide};
use crate::prelude::*;

/// GridSample.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "GridSample",
    versions: &[
        (16, |n| import(n, ["bilinear", "nearest", "bicubic"])),
        (20, |n| import(n, ["linear", "nearest", "cubic"])),
        (22, |n| import(n, ["linear", "nearest", "cubic"])),
    ],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader, modes: [&str; 3]) -> Result<Attrs> {
    let mode = n.choice("mode", &modes)?;
    let mode = mode.trim_start_matches("bi").to_string();
    let padding = n.choice("padding_mode", &["zeros", "border", "reflection"])?;
    let align = n.int("align_corners", 0)?;
    let attrs = Attrs::default().with("mode", Attr::Str(mode)).with("padding", Attr::Str(padding));
    Ok(attrs.with("align", Attr::Int(i64::from(align != 0))))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let class = if cx.attrs().str("mode") == Some("nearest") { Class::Any } else { Class::Linear };
    let (x, grid) = (tensor(cx, 0, class)?, tensor(cx, 1, Class::Float)?);
    let spatial = x.rank().saturating_sub(2);
    let cubic = cx.attrs().str("mode") == Some("cubic");
    if spatial == 0 || grid.rank() != x.rank() || cubic && spatial != 2 {
        let found = format!("data of rank {} and a grid of rank {}", x.rank(), grid.rank());
        return Err(cx.error("E2005", found).expected("equal ranks of 3 or more (4 for cubic)"));
    }
    cx.unify(&grid.shape[spatial + 1], &Sym::int(spatial as i64), "a point has a coordinate for each spatial axis")?;
    let batch = cx.unify(&x.shape[0], &grid.shape[0], "the batch of data and grid")?;
    let shape = [&[batch, x.shape[1].clone()], &grid.shape[1..=spatial]].concat();
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

/// An element that a point is made of: its index along one axis, and its weight.
type Tap = (Expr, Expr);

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, shape, dtype) = (cx.input(0), cx.shape(0), cx.dtype(0));
    let (grid, grid_dtype, attrs) = (cx.input(1), cx.dtype(1), cx.attrs());
    let spatial = shape.len() - 2;
    // Integers and bools are picked, or interpolated as f32.
    let (g, w) = (wide(grid_dtype), if dtype.is_float() { wide(dtype) } else { DType::F32 });
    let mode = attrs.str("mode").unwrap_or("linear");
    cx.map_output(|_, i| {
        let axes: Vec<Vec<Tap>> = (0..spatial)
            .map(|a| {
                let at = [&i[..1], &i[2..], &[Sym::int((spatial - 1 - a) as i64)]].concat();
                let at = cast(grid_dtype, g, load(grid, &at));
                let at = position(attrs, g, at, &shape[a + 2]);
                taps(mode, g, w, at).into_iter().map(|(k, t)| (inside(attrs, k, &shape[a + 2]), t)).collect()
            })
            .collect();
        let start = vec![int(i[0].clone()), int(i[1].clone())];
        let element = |index: Vec<Expr>| load_at(x, index, Some(Scalar::from_i64(dtype, 0)));
        if mode == "nearest" {
            return element(start.into_iter().chain(axes.into_iter().map(|t| t[0].0.clone())).collect());
        }
        let sum = weighted(&axes, start, &|index| cast(dtype, w, element(index)));
        cast(w, dtype, sum)
    });
    Ok(())
}

/// From -1 .. 1 to elements.
fn position(attrs: &Attrs, g: DType, at: Expr, extent: &Sym) -> Expr {
    let (one, half) = (number(g, 1.0), number(g, 0.5));
    let extent = cast(DType::I64, g, int(extent.clone()));
    if attrs.int("align") == Some(1) {
        (at + one.clone()) * half * (extent - one)
    } else {
        ((at + one.clone()) * extent - one) * half
    }
}

fn taps(mode: &str, g: DType, w: DType, at: Expr) -> Vec<Tap> {
    if mode == "nearest" {
        return vec![(index(g, unary(UnOp::RoundEven, at)), number(w, 1.0))];
    }
    let low = unary(UnOp::Floor, at.clone());
    let t = cast(g, w, at - low.clone());
    let first = index(g, low);
    let one = number(w, 1.0);
    if mode == "linear" {
        return vec![(first.clone(), one - t.clone()), (first + int(1), t)];
    }
    let distances = [t.clone() + one.clone(), t.clone(), one - t.clone(), number(w, 2.0) - t];
    let weight = |k: usize, d: Expr| if k == 1 || k == 2 { near(w, d) } else { far(w, d) };
    let tap = |(k, d): (usize, Expr)| (first.clone() + int(k as i64 - 1), weight(k, d));
    distances.into_iter().enumerate().map(tap).collect()
}

/// An integer for an element's number. By way of 32 bits, which vectors convert to at once; what is beyond those is beyond
/// every image.
fn index(g: DType, at: Expr) -> Expr {
    cast(DType::I32, DType::I64, cast(g, DType::I32, at))
}

/// Keys' cubic kernel with a = -0.75 at a distance of at most 1: (a + 2) d^3 - (a + 3) d^2 + 1.
fn near(w: DType, d: Expr) -> Expr {
    (number(w, 1.25) * d.clone() - number(w, 2.25)) * d.clone() * d + number(w, 1.0)
}

/// The same at a distance from 1 to 2: a d^3 - 5 a d^2 + 8 a d - 4 a.
fn far(w: DType, d: Expr) -> Expr {
    ((number(w, -0.75) * d.clone() + number(w, 3.75)) * d.clone() - number(w, 6.0)) * d + number(w, 3.0)
}

/// An index that may be out of range, as the padding has it.
fn inside(attrs: &Attrs, index: Expr, extent: &Sym) -> Expr {
    let last = extent - 1;
    match attrs.str("padding") {
        Some("border") => {
            let index = binary(BinOp::Max, index, int(0));
            binary(BinOp::Min, index, int(last))
        }
        Some("reflection") => {
            // Aligned, the ends are elements; otherwise they are half an element further out.
            let mirror = if attrs.int("align") == Some(1) { &last * 2 } else { extent * 2 - 1 };
            let period = if attrs.int("align") == Some(1) { mirror.clone() } else { extent * 2 };
            let m = binary(BinOp::FloorMod, index, int(Sym::max(&period, &Sym::int(1))));
            binary(BinOp::Min, m.clone(), int(mirror) - m)
        }
        _ => index,
    }
}

/// The sum over all combinations of taps.
fn weighted(axes: &[Vec<Tap>], index: Vec<Expr>, element: &dyn Fn(Vec<Expr>) -> Expr) -> Expr {
    let Some((taps, inner)) = axes.split_first() else { return element(index) };
    let terms = taps.iter().map(|(at, weight)| {
        let index = [index.clone(), vec![at.clone()]].concat();
        weight.clone() * weighted(inner, index, element)
    });
    terms.reduce(|a, b| a + b).unwrap_or_else(|| int(0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("grid_sample");
    }
}
