//! Elementwise operators of two operands: arithmetic, comparison, logic, bits; PRelu.
//!
//! Since 7: the operands broadcast as in numpy. Before: `broadcast` = 1 puts the second operand's axes beside the
//! first's from `axis` on (default: the last ones); 0 wants equal shapes, which is a special case.
//! From here down: attribute `axis` only where an old version had it.
//! Integer division truncates; Mod takes the divisor's sign, with `fmod` the dividend's. Shape arithmetic is followed.

use super::elementwise::*;
use crate::prelude::*;
use onnxc_base::Ranges;

/// A formula of two operands: the attributes, the dtype of the arithmetic, the operands.
type Formula2 = fn(&Attrs, DType, Expr, Expr) -> Expr;
/// The same for symbolic integers, where it can be said.
type SymFormula = fn(&Ranges, &Sym, &Sym) -> Option<Sym>;

/// Defines operators of two operands, one a line: name of the static, name, versions before 7, versions since,
/// class of dtypes, dtype of the output if it isn't the operands', attributes' import, formula for symbols, formula.
macro_rules! binary_operators {
    ($($id:ident $name:literal [$($old:literal),*] [$($new:literal),*] $class:ident $out:expr,
        $import:expr, $sym:expr, $formula:expr;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: &[$(($old, import_legacy),)* $(($new, $import)),*],
            infer: |cx| infer(cx, Class::$class, $out, $sym),
            lower: Lower::Compute(|cx| lower(cx, $formula)),
            extents: None,
        };
    )* };
}

const BOOL: Option<DType> = Some(DType::Bool);

binary_operators! {
    ADD "Add" [1, 6] [7, 13, 14] Number None, none, |_, a, b| Some(a + b), |_, _, a, b| a + b;
    AND "And" [1] [7] Bool None, none, |_, a, b| Some(a.min(b)), |_, _, a, b| binary(BinOp::And, a, b);
    BIT_SHIFT "BitShift" [] [11, 28] Int None, import_direction, |_, _, _| None, shift;
    BITWISE_AND "BitwiseAnd" [] [18] Int None, none, |_, _, _| None, |_, _, a, b| binary(BinOp::And, a, b);
    BITWISE_OR "BitwiseOr" [] [18] Int None, none, |_, _, _| None, |_, _, a, b| binary(BinOp::Or, a, b);
    BITWISE_XOR "BitwiseXor" [] [18] Int None, none, |_, _, _| None, |_, _, a, b| binary(BinOp::Xor, a, b);
    DIV "Div" [1, 6] [7, 13, 14] Number None, none, quotient, |_, _, a, b| a / b;
    EQUAL "Equal" [1] [7, 11, 13, 19] Comparable BOOL, none, |r, a, b| bit(r.prove_eq(a, b)),
        |_, _, a, b| compare(CmpOp::Eq, a, b);
    GREATER "Greater" [1] [7, 9, 13] Number BOOL, none, |r, a, b| bit(r.prove_lt(b, a)),
        |_, _, a, b| compare(CmpOp::Gt, a, b);
    GREATER_OR_EQUAL "GreaterOrEqual" [] [12, 16] Number BOOL, none, |r, a, b| bit(r.prove_le(b, a)),
        |_, _, a, b| compare(CmpOp::Ge, a, b);
    LESS "Less" [1] [7, 9, 13] Number BOOL, none, |r, a, b| bit(r.prove_lt(a, b)),
        |_, _, a, b| compare(CmpOp::Lt, a, b);
    LESS_OR_EQUAL "LessOrEqual" [] [12, 16] Number BOOL, none, |r, a, b| bit(r.prove_le(a, b)),
        |_, _, a, b| compare(CmpOp::Le, a, b);
    MOD "Mod" [] [10, 13, 28] Number None, import_fmod, remainder, modulo;
    MUL "Mul" [1, 6] [7, 13, 14] Number None, none, |_, a, b| Some(a * b), |_, _, a, b| a * b;
    OR "Or" [1] [7] Bool None, none, |_, a, b| Some(a.max(b)), |_, _, a, b| binary(BinOp::Or, a, b);
    SUB "Sub" [1, 6] [7, 13, 14] Number None, none, |_, a, b| Some(a - b), |_, _, a, b| a - b;
    XOR "Xor" [1] [7] Bool None, none, |_, _, _| None, |_, _, a, b| compare(CmpOp::Ne, a, b);
}

/// PRelu. Before version 7 a slope of one axis is one number per channel.
pub static PRELU: OpDef = OpDef {
    domain: "",
    name: "PRelu",
    versions: &[(1, import_channel_slope), (6, import_channel_slope), (7, none), (9, none), (16, none)],
    infer: |cx| infer(cx, Class::Number, None, |_, _, _| None),
    lower: Lower::Compute(|cx| lower(cx, prelu)),
    extents: None,
};

fn none(_: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default())
}

/// The form before version 7.
pub(super) fn import_legacy(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["consumed_inputs"]);
    let broadcast = n.int("broadcast", 0)? != 0;
    let axis = n.opt_int("axis")?.filter(|_| broadcast);
    Ok(axis.map_or_else(Attrs::default, |a| Attrs::default().with("axis", Attr::Int(a))))
}

fn import_channel_slope(n: &mut NodeReader) -> Result<Attrs> {
    n.ignore(&["consumed_inputs"]);
    Ok(Attrs::default().with("axis", Attr::Int(1)))
}

fn import_direction(n: &mut NodeReader) -> Result<Attrs> {
    let direction = n.opt_str("direction")?.unwrap_or_default();
    match direction.as_str() {
        "LEFT" | "RIGHT" => Ok(Attrs::default().with("direction", Attr::Str(direction))),
        _ => Err(n.error("E2011", format!("attribute 'direction' is '{direction}'")).expected("LEFT or RIGHT")),
    }
}

fn import_fmod(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("fmod", Attr::Int(n.int("fmod", 0)?)))
}

/// The axis of the first operand beside the first axis of the second, where the node names one and there is room.
fn beside(attrs: &Attrs, rank: usize, other: usize) -> Option<usize> {
    let axis = attrs.int("axis")?;
    let axis = usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok()?;
    (axis + other <= rank).then_some(axis)
}

fn infer(cx: &mut InferCx, class: Class, out: Option<DType>, sym: SymFormula) -> Result<()> {
    let (a, b) = (tensor(cx, 0, class)?, tensor_of(cx, 1, cx.dtype(0)?)?);
    infer_shapes(cx, out.unwrap_or(a.dtype), a.shape, b.shape, sym)
}

/// Sets the output to what two shapes broadcast to.
pub(super) fn infer_shapes(cx: &mut InferCx, out: DType, a: Vec<Sym>, mut b: Vec<Sym>, sym: SymFormula) -> Result<()> {
    if let Some(axis) = beside(cx.attrs(), a.len(), b.len()) {
        b.resize(a.len() - axis, Sym::int(1));
    }
    let (a, b) = (cx.narrowed(0, a)?, cx.narrowed(1, b)?);
    let shape = cx.broadcast(&[a.clone(), b.clone()])?;
    // Narrow integers wrap: symbols don't.
    let dtype = cx.dtype(0)?;
    if matches!(dtype, DType::I32 | DType::I64 | DType::Bool) {
        let ranges = cx.ranges();
        let fits = |s: &Sym| dtype != DType::I32 || s.as_int().is_none_or(|v| i32::try_from(v).is_ok());
        if let Some(c) = content(cx, &[(0, &a), (1, &b)], &shape, |x| sym(&ranges, x[0], x[1]).filter(fits)) {
            cx.set_content(0, c);
        }
    }
    cx.set_tensor(0, out, shape);
    Ok(())
}

/// Both operands as they are read.
pub(super) fn operands(cx: &ComputeCx) -> (Operand, Operand) {
    let axis = beside(cx.attrs(), cx.shape(0).len(), cx.shape(1).len());
    (Operand::broadcast(cx, 0, None), Operand::broadcast(cx, 1, axis))
}

fn lower(cx: &mut ComputeCx, formula: Formula2) -> Result<()> {
    let (a, b) = operands(cx);
    let (attrs, d, to) = (cx.attrs(), a.wide(), cx.output_type(0).dtype);
    let from = if wide(to) == d { d } else { to };
    map_from(cx, from, |i| formula(attrs, d, a.at(i), b.at(i)));
    Ok(())
}

/// A bool that is known, as a symbolic integer.
fn bit(b: Option<bool>) -> Option<Sym> {
    b.map(|b| Sym::int(i64::from(b)))
}

/// Truncating equals flooring where nothing is negative.
fn quotient(r: &Ranges, a: &Sym, b: &Sym) -> Option<Sym> {
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return a.checked_div(b).map(Sym::int);
    }
    countable(r, a, b).then(|| a.floordiv(b))
}

/// Both kinds of remainder are equal where nothing is negative.
fn remainder(r: &Ranges, a: &Sym, b: &Sym) -> Option<Sym> {
    countable(r, a, b).then(|| a.modulo(b))
}

/// a >= 0 and b >= 1.
fn countable(r: &Ranges, a: &Sym, b: &Sym) -> bool {
    r.prove_le(&Sym::int(0), a) == Some(true) && r.prove_le(&Sym::int(1), b) == Some(true)
}

fn modulo(attrs: &Attrs, _: DType, a: Expr, b: Expr) -> Expr {
    binary(if attrs.int("fmod") == Some(1) { BinOp::Rem } else { BinOp::FloorMod }, a, b)
}

fn shift(attrs: &Attrs, _: DType, a: Expr, b: Expr) -> Expr {
    binary(if attrs.str("direction") == Some("LEFT") { BinOp::Shl } else { BinOp::Shr }, a, b)
}

fn prelu(_: &Attrs, d: DType, x: Expr, slope: Expr) -> Expr {
    select(compare(CmpOp::Lt, x.clone(), number(d, 0.0)), slope * x.clone(), x)
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("binary");
    }
}
