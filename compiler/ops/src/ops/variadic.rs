//! Max, Min, Sum, Mean of any number of operands.
//!
//! Since 1, 6: equal shapes; since 8: broadcasting. Max and Min of floats give NaN where any operand is NaN.

use super::elementwise::*;
use crate::prelude::*;

/// What combines two operands.
type Combine = fn(Expr, Expr) -> Expr;

macro_rules! variadic_operators {
    ($($id:ident $name:literal [$($since:literal),*] $class:ident $sym:expr, $lower:expr;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: &[$(($since, |n| import_floats(n, &[]))),*],
            infer: |cx| infer(cx, Class::$class, $sym),
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
}

variadic_operators! {
    MAX "Max" [1, 6, 8, 12, 13] Number Some(|a, b| a.max(b)), |cx| extreme(cx, BinOp::Max);
    MEAN "Mean" [1, 6, 8, 13] Float None, |cx| lower(cx, |a, b| a + b, true);
    MIN "Min" [1, 6, 8, 12, 13] Number Some(|a, b| a.min(b)), |cx| extreme(cx, BinOp::Min);
    SUM "Sum" [1, 6, 8, 13] Float None, |cx| lower(cx, |a, b| a + b, false);
}

fn infer(cx: &mut InferCx, class: Class, sym: Option<fn(&Sym, &Sym) -> Sym>) -> Result<()> {
    let dtype = tensor(cx, 0, class)?.dtype;
    let shapes = (0..cx.input_count()).map(|i| Ok(tensor_of(cx, i, dtype)?.shape)).collect::<Result<Vec<_>>>()?;
    let shape = cx.broadcast(&shapes)?;
    if let Some(sym) = sym {
        let operands: Vec<(usize, &[Sym])> = shapes.iter().map(Vec::as_slice).enumerate().collect();
        let combine = |x: &[&Sym]| x[1..].iter().fold(x[0].clone(), |a, b| sym(&a, b));
        if let Some(c) = content(cx, &operands, &shape, |x| Some(combine(x))) {
            cx.set_content(0, c);
        }
    }
    cx.set_tensor(0, dtype, shape);
    Ok(())
}

fn lower(cx: &mut ComputeCx, combine: Combine, mean: bool) -> Result<()> {
    let operands: Vec<Operand> = (0..cx.input_count()).map(|i| Operand::broadcast(cx, i, None)).collect();
    let (d, n) = (operands[0].wide(), operands.len() as f64);
    map_from(cx, d, |i| {
        let sum = operands[1..].iter().fold(operands[0].at(i), |a, b| combine(a, b.at(i)));
        if mean { sum / number(d, n) } else { sum }
    });
    Ok(())
}

fn extreme(cx: &mut ComputeCx, op: BinOp) -> Result<()> {
    let operands: Vec<(Operand, bool)> =
        (0..cx.input_count()).map(|i| (Operand::broadcast(cx, i, None), may_be_nan(cx, i))).collect();
    let (first, rest) = operands.split_first().expect("infer has required an input");
    map_from(cx, first.0.wide(), |i| {
        rest.iter().fold(first.0.at(i), |a, (b, nan)| {
            let b = b.at(i);
            let m = binary(op, a, b.clone());
            // A NaN in the first operand stays by itself.
            if *nan { select(compare(CmpOp::Eq, b.clone(), b.clone()), m, b) } else { m }
        })
    });
    Ok(())
}

/// False for integers and for small constants without a NaN.
fn may_be_nan(cx: &ComputeCx, i: usize) -> bool {
    const SMALL: usize = 4096;
    let constant = cx.constant(i).filter(|t| t.len() <= SMALL).and_then(|t| t.to_f64());
    cx.dtype(i).is_float() && constant.is_none_or(|v| v.iter().any(|x| x.is_nan()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("variadic");
    }
}
