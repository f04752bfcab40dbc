//! signs: bytes with the signs that an operation wants of its factors.
//!
//! VPDPBUSD multiplies unsigned bytes by signed ones, SDOT signed by signed. Where data and weights don't fit, the data's
//! highest bit is turned as it is loaded: `x ^ 128` is `x + 128` as an unsigned byte, and `x - 128` as a signed one. So the
//! sum is off by 128 times the sum of the weights, which is a constant that the reduction then begins with. Integers of 32
//! bits wrap around, so the result is the same to the bit.
//!
//! Does NOT turn weights: that would need the sum of the data.

use super::dot::Factors;
use super::expr::rewrite;
use crate::from_kernel::reduction_axes;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::kernel::build::{binary, cast, constant, int, load};
use onnxc_ir::kernel::{Axis, BinOp, Body, Def, Expr, ExprKind, Kernel, Param, ReduceOp, Signs, Src, interp};
use onnxc_ir::scalar::Scalar;

/// Gives the data of a contraction with constant weights the sign that goes with that of the weights.
pub(super) fn adapt(kernel: &mut Kernel, f: &Factors, wanted: Signs) {
    let (x, w) = (kernel.src_dtype(f.data.src), kernel.src_dtype(f.weights.src));
    let equal = x.is_signed_int() == w.is_signed_int();
    let fits = match wanted {
        Signs::Any => true,
        Signs::Equal => equal,
        Signs::Different => !equal,
    };
    if fits {
        return;
    }
    let Some((sums, index)) = weight_sums(kernel, f) else { return };
    let shape = sums.shape().iter().map(|&n| Sym::int(n as i64)).collect();
    let name = format!("{}_sums", kernel.defs[f.reduction].name);
    let sums = kernel.params.push(Param { name, dtype: DType::I32, shape, value: Some(sums) });
    let (to, distance) = if x.is_signed_int() { (DType::U8, 128) } else { (DType::I8, -128) };
    let Body::Reduce { init, value, .. } = &mut kernel.defs[f.reduction].body else { return };
    let off = load(Src::Param(sums), &index) * constant(Scalar::from_i64(DType::I32, -distance));
    *init = Some(match init.take() {
        Some(start) => start + off,
        None => off,
    });
    let turned = |e: &Expr| binary(BinOp::Xor, e.clone(), constant(Scalar::from_i64(x, 128)));
    *value = rewrite(value, &mut |e| match e.kind() {
        ExprKind::Cast(DType::I32, inner) => match inner.kind() {
            ExprKind::Load { src, .. } if *src == f.data.src => Some(cast(to, DType::I32, cast(x, to, turned(inner)))),
            _ => None,
        },
        _ => None,
    });
}

/// The sums of the weights over all reduction axes, for each point of the other axes that they have; and their index.
fn weight_sums(kernel: &Kernel, f: &Factors) -> Option<(Tensor, Vec<Sym>)> {
    let def = &kernel.defs[f.reduction];
    let mentioned = |a: &&Axis| f.weights.index.iter().flatten().any(|i| i.contains(&a.var));
    let axes: Vec<Axis> = def.axes.iter().filter(mentioned).cloned().collect();
    let index = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
    let at = f.weights.index.iter().flatten().map(|s| int(s.clone())).collect();
    let weight = Expr::new(ExprKind::Load { src: f.weights.src, index: at, pad: None });
    let value = cast(kernel.src_dtype(f.weights.src), DType::I32, weight);
    let body = Body::Reduce { op: ReduceOp::Add, axes: reduction_axes(def).to_vec(), init: None, value };
    let mut alone = Kernel { name: kernel.name.clone(), params: kernel.params.clone(), ..Kernel::default() };
    let id = alone.defs.push(Def { name: "sums".into(), dtype: DType::I32, axes, body });
    let constants = |src: Src| match src {
        Src::Param(p) => kernel.params[p].value.clone(),
        Src::Def(_) => None,
    };
    let unknown = |_: &Symbol| None;
    Some((interp::evaluate_def(&alone, id, &unknown, &constants).ok()?, index))
}
