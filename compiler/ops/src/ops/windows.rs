//! Window functions of signal processing: HannWindow, HammingWindow, BlackmanWindow.
//!
//! Since 17. Element n of N (periodic) or of N + 1 (symmetric) is a sum of cosines of 2 * pi * n / N:
//! Hann: 1/2 - 1/2 cos (that is sin^2 of half the angle). Hamming: 25/46 - 21/46 cos. Blackman: 0.42 - 0.5 cos + 0.08
//! cos of twice the angle. <https://en.wikipedia.org/wiki/Window_function>
//! Computed in f64 and then cast, so that a window of integers truncates what is exact.

use super::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;

macro_rules! windows {
    ($($id:ident $name:literal $formula:expr;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: &[(17, import)],
            infer,
            lower: Lower::Compute(|cx| lower(cx, $formula)),
            extents: Some(extents),
        };
    )* };
}

windows! {
    BLACKMAN "BlackmanWindow" |a| f(0.42) - f(0.5) * cos(a.clone()) + f(0.08) * cos(a.clone() + a);
    HAMMING "HammingWindow" |a| f(25.0 / 46.0) - f(21.0 / 46.0) * cos(a);
    HANN "HannWindow" |a| {
        let s = unary(UnOp::Sin, a * f(0.5));
        s.clone() * s
    };
}

fn f(v: f64) -> Expr {
    number(DType::F64, v)
}

fn cos(a: Expr) -> Expr {
    unary(UnOp::Cos, a)
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let dtype = dtype_attr(n, "output_datatype")?.unwrap_or(DType::F32);
    Ok(Attrs::default().with("periodic", Attr::Int(n.int("periodic", 1)?)).with("dtype", Attr::DType(dtype)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let size = scalar_extent(cx, 0, 0, "window")?;
    cx.set_tensor(0, cx.attrs().dtype("dtype").unwrap_or(DType::F32), vec![size]);
    Ok(())
}

fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    Ok(vec![run_time_extent(cx, 0)?])
}

fn lower(cx: &mut ComputeCx, formula: fn(Expr) -> Expr) -> Result<()> {
    let size = cx.out_shape(0)[0].clone();
    let count = if cx.attrs().int("periodic") == Some(0) { size - 1 } else { size };
    let as_float = |s: Sym| cast(DType::I64, DType::F64, int(s));
    let to = cx.output_type(0).dtype;
    cx.map_output(|_, i| {
        let angle = as_float(i[0].clone()) * f(std::f64::consts::TAU) / as_float(count);
        cast(DType::F64, to, formula(angle))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    #[test]
    fn stored() {
        crate::testing::check_stored("windows");
    }

    #[test]
    fn a_size_is_one_number_of_at_least_0() {
        let of = |t| Case::new("HannWindow", 17).constant(t).error();
        assert_eq!(of(Tensor::from_slice(&[], &[-1i64])), "E2042");
        assert_eq!(of(Tensor::from_slice(&[2], &[1i64, 2])), "E2005");
    }
}
