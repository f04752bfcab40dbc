//! QuantizeLinear: y = clamp(round(x / scale) + zero); DequantizeLinear: y = (x - zero) * scale; DynamicQuantizeLinear:
//! the former with scale and zero point of the data's own range.
//!
//! Quantize since 10; 13: `axis`; 19: `saturate`, floats of 8 bits; 21: `block_size`, `output_dtype`, 4 bits; 23: `precision`;
//! 24, 25, 28: more dtypes. Dequantize since 10; 13: `axis`; 19; 21: `block_size`; 23: `output_dtype`; 24, 25, 28.
//! com.microsoft's have `axis`, `block_size` and other dtypes earlier.
//! From here down: `axis` and `block_size` are there (0: none); `saturate`; `dtype` is `output_dtype`, `precision` a dtype, both
//! only where the file has them.
//!
//! The scale's extents say what it belongs to: one element to the tensor, a list to the positions along `axis`, the data's
//! rank to blocks along `axis`. Arithmetic is done in f32; a quotient of 16 bits' precision is rounded to it.
//!
//! Does NOT compute with what is quantised: `passes/graph/quantised_integers` makes arithmetic of integers of nodes between
//! two of these.

use super::super::cast::converted;
use super::super::elementwise::{Class, tensor};
use super::*;
use onnxc_onnx::dtype::from_onnx;

macro_rules! operators {
    ($($id:ident $domain:literal $name:literal $versions:tt $import:ident $infer:ident $lower:ident;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: $domain,
            name: $name,
            versions: operators!(@versions $import $versions),
            infer: $infer,
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
    (@versions $import:ident [$($since:literal),*]) => { &[$(($since, $import)),*] };
}

operators! {
    QUANTIZE "" "QuantizeLinear" [10, 13, 19, 21, 23, 24, 25, 28] import infer_quantize lower_quantize;
    DEQUANTIZE "" "DequantizeLinear" [10, 13, 19, 21, 23, 24, 25, 28] import infer_dequantize lower_dequantize;
    DYNAMIC "" "DynamicQuantizeLinear" [11] import_none infer_dynamic lower_dynamic;
    MS_QUANTIZE "com.microsoft" "QuantizeLinear" [1] import infer_quantize lower_quantize;
    MS_DEQUANTIZE "com.microsoft" "DequantizeLinear" [1] import infer_dequantize lower_dequantize;
}

fn import_none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for (name, default) in [("axis", 1), ("block_size", 0), ("saturate", 1)] {
        attrs.set(name, Attr::Int(n.int(name, default)?));
    }
    for (name, ours) in [("output_dtype", "dtype"), ("precision", "precision")] {
        // 0 is what the standard calls undefined: as if it were absent.
        let Some(number) = n.opt_int(name)?.filter(|n| *n != 0) else { continue };
        let dtype = i32::try_from(number).ok().and_then(from_onnx).ok_or_else(|| {
            n.error("E2011", format!("attribute '{name}' is {number}")).expected("the number of a dtype")
        })?;
        attrs.set(ours, Attr::DType(dtype));
    }
    Ok(attrs)
}

/// What scale and zero point belong to.
enum Grain {
    Tensor,
    Axis(usize),
    Blocks(usize, Sym),
}

impl Grain {
    /// Of a scale for data of given extents. Errors name no node.
    fn new(attrs: &Attrs, x: &[Sym], scale: &[Sym]) -> Result<Grain> {
        if scale.is_empty() || scale.len() == 1 && scale[0].is_one() {
            return Ok(Grain::Tensor);
        }
        let rank = x.len() as i64;
        let axis = if rank == 1 { 0 } else { attrs.int("axis").unwrap_or(1) };
        if !(-rank..rank).contains(&axis) {
            let found = format!("axis {axis} is out of range for a tensor of rank {rank}");
            return Err(Diagnostic::error("E2004", found).expected(format!("{}..={}", -rank, rank - 1)));
        }
        let axis = axis.rem_euclid(rank) as usize;
        let block = attrs.int("block_size").unwrap_or(0);
        match scale.len() {
            1 if block == 0 || x.len() > 1 => Ok(Grain::Axis(axis)),
            n if n == x.len() => {
                // Without a size it follows from the extents.
                let size =
                    if block > 0 { Sym::int(block) } else { x[axis].ceildiv(&Sym::max(&scale[axis], &Sym::int(1))) };
                Ok(Grain::Blocks(axis, size))
            }
            n => Err(Diagnostic::error("E2041", format!("the scale has rank {n}"))
                .expected(format!("0, 1, or {rank} as the data"))),
        }
    }

    /// The extents that scale and zero point must have.
    fn extents(&self, x: &[Sym]) -> Option<Vec<Sym>> {
        match self {
            Grain::Tensor => None,
            Grain::Axis(a) => Some(vec![x[*a].clone()]),
            Grain::Blocks(a, size) => {
                let mut s = x.to_vec();
                s[*a] = x[*a].ceildiv(size);
                Some(s)
            }
        }
    }

    /// The index of scale and zero point, of `rank`, for an element of the data.
    fn index(&self, i: &[Sym], rank: usize) -> Vec<Sym> {
        match self {
            Grain::Tensor => vec![Sym::int(0); rank],
            Grain::Axis(a) => vec![i[*a].clone()],
            Grain::Blocks(a, size) => {
                let mut at = i.to_vec();
                at[*a] = i[*a].floordiv(size);
                at
            }
        }
    }
}

/// Checks scale and zero point against the data.
fn infer_grain(cx: &mut InferCx, x: &[Sym]) -> Result<()> {
    let scale = cx.shape(1)?;
    let grain = Grain::new(cx.attrs(), x, &scale).map_err(|mut d| {
        d.place = cx.error("", "").place;
        d
    })?;
    let zero = if cx.opt(2).is_some() { Some(cx.shape(2)?) } else { None };
    for (what, s) in [("scale", Some(scale)), ("zero point", zero)] {
        let Some(s) = s else { continue };
        let want = grain.extents(x).unwrap_or_else(|| vec![Sym::int(1); s.len()]);
        if s.len() != want.len() || matches!(grain, Grain::Tensor) && s.len() > 1 {
            return Err(cx.error("E2041", format!("the {what} has rank {}", s.len())).expected("that of the scale"));
        }
        for (a, (have, want)) in s.iter().zip(&want).enumerate() {
            cx.unify(have, want, &format!("axis {a} of the {what}"))?;
        }
    }
    Ok(())
}

fn infer_quantize(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Number)?;
    let zero = if cx.opt(2).is_some() { Some(cx.dtype(2)?) } else { None };
    let asked = cx.attrs().dtype("dtype");
    let to = zero.or(asked).unwrap_or(DType::U8);
    let known = is_quantised(to) || to.is_float() && to.is_small() && to != DType::F8E8M0;
    if asked.is_some_and(|a| a != to) || !known {
        return Err(cx
            .error("E2022", format!("the output is to be of dtype {}, the zero point {to}", asked.unwrap_or(to)))
            .expected("one dtype of integers of at most 16 bits or of floats of at most 8"));
    }
    scale_type(cx, 1)?;
    infer_grain(cx, &x.shape)?;
    cx.set_tensor(0, to, x.shape);
    Ok(())
}

/// Input `i` is a scale.
fn scale_type(cx: &InferCx, i: usize) -> Result<()> {
    match cx.dtype(i)? {
        DType::F32 | DType::F64 | DType::F16 | DType::BF16 | DType::F8E8M0 | DType::I32 => Ok(()),
        d => Err(cx.error("E2021", format!("the scale is of dtype {d}")).expected("f32, f16, bf16 or f8e8m0")),
    }
}

fn infer_dequantize(cx: &mut InferCx) -> Result<()> {
    let x = cx.input_type(0)?;
    let known = is_quantised(x.dtype) || x.dtype == DType::I32 || x.dtype.is_float() && x.dtype.is_small();
    if !known {
        return Err(cx.error("E2021", format!("input 0 is of dtype {}", x.dtype)).expected("a quantised type"));
    }
    if cx.opt(2).is_some() && cx.dtype(2)? != x.dtype {
        return Err(cx.error("E2022", format!("the zero point is of dtype {}", cx.dtype(2)?)).expected(x.dtype.name()));
    }
    scale_type(cx, 1)?;
    infer_grain(cx, &x.shape)?;
    let to = cx.attrs().dtype("dtype").unwrap_or(match cx.dtype(1)? {
        DType::F8E8M0 => DType::F32,
        d => d,
    });
    cx.set_tensor(0, to, x.shape);
    Ok(())
}

/// Scale or zero point at an element of the data, as a dtype.
fn parameter(cx: &ComputeCx, which: usize, grain: &Grain, to: DType) -> Option<impl Fn(&[Sym]) -> Expr + use<>> {
    let src = cx.opt(which)?;
    let (one, dtype, rank) = (single(cx, which, to), cx.dtype(which), cx.shape(which).len());
    let per_element = match grain {
        Grain::Tensor => None,
        Grain::Axis(a) => Some(Grain::Axis(*a)),
        Grain::Blocks(a, size) => Some(Grain::Blocks(*a, size.clone())),
    };
    Some(move |i: &[Sym]| match (&per_element, &one) {
        (Some(g), _) => cast(dtype, to, load(src, &g.index(i, rank))),
        (None, Some(e)) => e.clone(),
        (None, None) => number(to, 0.0),
    })
}

fn grain(cx: &ComputeCx) -> Grain {
    Grain::new(cx.attrs(), &cx.shape(0), &cx.shape(1)).expect("infer has accepted it")
}

fn lower_quantize(cx: &mut ComputeCx) -> Result<()> {
    let (x, from, to, f) = (cx.input(0), cx.dtype(0), cx.output_type(0).dtype, DType::F32);
    let grain = grain(cx);
    let scale = parameter(cx, 1, &grain, f).expect("infer has required it");
    let zero = parameter(cx, 2, &grain, f);
    let saturate = cx.attrs().int("saturate") != Some(0);
    let precision = cx.attrs().dtype("precision").unwrap_or(cx.dtype(1));
    let narrow = if matches!(precision, DType::F16 | DType::BF16) { precision } else { f };
    cx.map_output(|_, i| {
        let quotient = cast(from, f, load(x, i)) / scale(i);
        let quotient = cast(narrow, f, cast(f, narrow, quotient));
        let zero = zero.as_ref().map(|z| z(i));
        if to.is_int() {
            return quantised(quotient, zero, to);
        }
        // Floats of 8 bits have no zero point but 0; the others add theirs.
        let moved = match zero.filter(|z| to.bits() < 8 && as_const(z).is_none_or(|s| s.to_f64() != 0.0)) {
            Some(z) => quotient + z,
            None => quotient,
        };
        converted(f, to, moved, saturate, "up")
    });
    Ok(())
}

fn lower_dequantize(cx: &mut ComputeCx) -> Result<()> {
    let (x, from, to) = (cx.input(0), cx.dtype(0), cx.output_type(0).dtype);
    let grain = grain(cx);
    let f = if to == DType::F64 { DType::F64 } else { DType::F32 };
    // Differences of integers are exact as such; of floats there is nothing to subtract.
    let exact = if from.is_int() { DType::I32 } else { f };
    let scale = parameter(cx, 1, &grain, f).expect("infer has required it");
    let zero = parameter(cx, 2, &grain, exact);
    cx.map_output(|_, i| {
        let value = cast(from, exact, load(x, i));
        let value = match zero.as_ref().map(|z| z(i)) {
            Some(z) if as_const(&z).is_none_or(|s| s.to_f64() != 0.0) => value - z,
            _ => value,
        };
        cast(f, to, cast(exact, f, value) * scale(i))
    });
    Ok(())
}

fn infer_dynamic(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    cx.set_tensor(0, DType::U8, x.shape);
    cx.set_tensor(1, DType::F32, vec![]);
    cx.set_tensor(2, DType::U8, vec![]);
    Ok(())
}

fn lower_dynamic(cx: &mut ComputeCx) -> Result<()> {
    let (x, from, shape) = (cx.input(0), cx.dtype(0), cx.shape(0));
    let d = dynamic(cx, x, from, &shape);
    let y = cx.k.map("y", DType::U8, &shape, |_, i| d.quantised(cast(from, DType::F32, load(x, i))));
    cx.set_output(0, y);
    if cx.node().outputs.len() > 1 {
        cx.set_output(1, d.scale);
    }
    if cx.node().outputs.len() > 2 {
        let zero = cx.k.map("zero_u8", DType::U8, &[], |_, _| cast(DType::F32, DType::U8, load(d.zero, &[])));
        cx.set_output(2, zero);
    }
    Ok(())
}

/// Scale and zero point (both f32) of data to be put into u8.
pub(super) struct Dynamic {
    pub(super) scale: Src,
    pub(super) zero: Src,
}

impl Dynamic {
    /// An f32 as u8.
    pub(super) fn quantised(&self, v: Expr) -> Expr {
        quantised(v / load(self.scale, &[]), Some(load(self.zero, &[])), DType::U8)
    }
}

/// The range of the data, widened to hold 0, over 255 steps; the zero point is the step nearest to 0.
pub(super) fn dynamic(cx: &mut ComputeCx, x: Src, from: DType, shape: &[Sym]) -> Dynamic {
    let f = DType::F32;
    let mut extreme = |name: &str, op: ReduceOp| {
        let start = |_: &mut KernelBuilder, _: &[Sym]| number(f, 0.0);
        cx.k.reduce(name, f, &[], op, shape, Some(&start), |_, _, r| cast(from, f, load(x, r)))
    };
    let (min, max) = (extreme("min", ReduceOp::Min), extreme("max", ReduceOp::Max));
    let scale = cx.k.map("scale", f, &[], |_, _| {
        let width = load(max, &[]) - load(min, &[]);
        let empty = compare(CmpOp::Eq, width.clone(), number(f, 0.0));
        // A scale of 1 for data that is all 0, as ONNX Runtime has it.
        select(empty, number(f, 255.0), width) / number(f, 255.0)
    });
    let zero = cx.k.map("zero", f, &[], |_, _| {
        let z = number(f, 0.0) - load(min, &[]) / load(scale, &[]);
        let z = binary(BinOp::Min, binary(BinOp::Max, z, number(f, 0.0)), number(f, 255.0));
        unary(UnOp::RoundEven, z)
    });
    Dynamic { scale, zero }
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("quant_linear");
    }
}
