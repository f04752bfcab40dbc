//! What operators share that compute each output element from the elements beside it: classes of dtypes, operands read
//! with broadcasting, and the table form of operators of one operand.
//!
//! Holds: arithmetic is done in the dtype of [`wide`], so f16 and bf16 are only loaded and stored.
//!
//! Does NOT say that operators can be fused: `passes/assemble/cut` lowers a node alone and looks.

use crate::broadcast::Along;
use crate::infer::MAX_CONTENT;
use crate::prelude::*;
use onnxc_ir::graph::TensorType;

/// What dtypes an operator takes, at its newest version.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Floats.
    Float,
    /// Floats, also those that are only stored.
    AnyFloat,
    /// Floats and signed integers.
    Signed,
    /// Floats and integers.
    Number,
    /// Integers.
    Int,
    /// Bool.
    Bool,
    /// Floats, integers, bool.
    Machine,
    /// Those, and complex numbers, with whose parts the operator computes (pass `complex-parts`).
    Linear,
    /// Those of `Machine`, and strings: equal ones are equal numbers at run time, and the empty one is 0.
    Comparable,
    /// Whatever can be moved: also floats and integers that are only stored, and complex numbers (complex128 by the pass
    /// `complex-parts`).
    Any,
}

impl Class {
    fn holds(self, d: DType) -> bool {
        match self {
            Class::Float | Class::AnyFloat => d.is_float(),
            Class::Signed => d.is_float() || d.is_signed_int(),
            Class::Number => d.is_float() || d.is_int(),
            Class::Int => d.is_int(),
            Class::Bool => d == DType::Bool,
            Class::Machine | Class::Linear | Class::Comparable | Class::Any => true,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Class::Float | Class::AnyFloat => "a float type",
            Class::Signed => "a float or a signed integer type",
            Class::Number => "a float or an integer type",
            Class::Int => "an integer type",
            Class::Bool => "bool",
            Class::Comparable => "a float or an integer type, bool or string",
            Class::Machine => "a float or an integer type, or bool",
            Class::Linear => "a float, an integer or a complex type, or bool",
            Class::Any => "any type but strings",
        }
    }
}

/// The type of input `i`, whose dtype must be of a class and one that scalars can have.
pub(super) fn tensor(cx: &InferCx, i: usize, class: Class) -> Result<TensorType> {
    let t = cx.input_type(i)?;
    if !class.holds(t.dtype) {
        return Err(cx.error("E2021", format!("input {i} is of dtype {}", t.dtype)).expected(class.words()));
    }
    // Whatever takes any element only moves them, and strings are moved as the numbers that stand for them.
    let text = t.dtype == DType::String && matches!(class, Class::Any | Class::Comparable);
    let complex = super::complex::part_of(t.dtype).is_some() && matches!(class, Class::Any | Class::Linear);
    let moved = text || complex || matches!(class, Class::Any | Class::AnyFloat) && Scalar::holds(t.dtype);
    if !Scalar::is_machine(t.dtype) && !moved {
        return Err(cx
            .error("E2020", format!("input {i} is of dtype {}, with which the operator doesn't compute", t.dtype))
            .expected("bool, an integer of 8 to 64 bits, f16, bf16, f32 or f64"));
    }
    Ok(t)
}

/// The type of input `i`, which must have a given dtype.
pub(super) fn tensor_of(cx: &InferCx, i: usize, dtype: DType) -> Result<TensorType> {
    let t = cx.input_type(i)?;
    if t.dtype != dtype {
        return Err(cx.error("E2022", format!("input {i} is of dtype {}", t.dtype)).expected(dtype.name()));
    }
    Ok(t)
}

/// The dtype in which arithmetic on a dtype is done.
pub(super) fn wide(d: DType) -> DType {
    if matches!(d, DType::F16 | DType::BF16) || d.is_small() && d.is_float() { DType::F32 } else { d }
}

/// An input as it is read by an elementwise formula.
pub(super) struct Operand {
    src: Src,
    dtype: DType,
    /// The axis of the output beside its first axis; none: the last axes of both are beside each other.
    axis: Option<usize>,
    /// How it is read along each axis.
    along: Vec<Along>,
    /// Its element, if it is a constant of one.
    scalar: Option<Scalar>,
}

impl Operand {
    /// Input `i`. Panics if it is absent.
    pub(super) fn new(cx: &ComputeCx, i: usize) -> Operand {
        let scalar = cx.constant(i).filter(|t| t.len() == 1).map(|t| Scalar::read(t.dtype(), t.bytes()));
        let each = |d: &Sym| if d.is_one() { Along::First } else { Along::Each };
        let along = cx.shape(i).iter().map(each).collect();
        Operand { src: cx.input(i), dtype: cx.dtype(i), axis: None, along, scalar }
    }

    /// Input `i`, broadcast to output 0 with its first axis beside a given one, or else its last axis beside the last.
    pub(super) fn broadcast(cx: &ComputeCx, i: usize, axis: Option<usize>) -> Operand {
        let (shape, out, ranges) = (cx.shape(i), cx.out_shape(0), cx.ranges());
        let first = axis.unwrap_or_else(|| out.len().saturating_sub(shape.len()));
        let beside = shape.iter().zip(&out[first.min(out.len())..]);
        let along: Vec<Along> = beside.map(|(d, o)| Along::new(cx.graph(), &ranges, d, o)).collect();
        Operand { axis, along, ..Operand::new(cx, i) }
    }

    /// Input `i`, if it is there.
    pub(super) fn opt(cx: &ComputeCx, i: usize) -> Option<Operand> {
        cx.opt(i).map(|_| Operand::new(cx, i))
    }

    /// The dtype in which it is read.
    pub(super) fn wide(&self) -> DType {
        wide(self.dtype)
    }

    /// The element that broadcasting puts at an index of the output, for arithmetic.
    pub(super) fn at(&self, index: &[Sym]) -> Expr {
        self.at_as(self.wide(), index)
    }

    /// The same, converted to a dtype.
    pub(super) fn at_as(&self, dtype: DType, index: &[Sym]) -> Expr {
        if let Some(s) = self.scalar {
            return cast(self.dtype, dtype, constant(s));
        }
        let first = self.axis.unwrap_or(index.len() - self.along.len());
        let index: Vec<Sym> = self.along.iter().zip(&index[first..]).map(|(a, i)| a.at(i)).collect();
        cast(self.dtype, dtype, load(self.src, &index))
    }
}

/// Output 0 as a map; the formula's value is of dtype `from`.
pub(super) fn map_from(cx: &mut ComputeCx, from: DType, f: impl FnOnce(&[Sym]) -> Expr) {
    let to = cx.output_type(0).dtype;
    cx.map_output(|_, i| cast(from, to, f(i)));
}

/// A formula of one operand: the attributes, the dtype of the arithmetic, the operand.
pub(super) type Formula = fn(&Attrs, DType, Expr) -> Expr;

/// Reads float attributes, each with its default.
pub(super) fn import_floats(n: &mut NodeReader, defaults: &[(&str, f32)]) -> Result<Attrs> {
    // What version 1 calls an optimisation: which inputs may be overwritten.
    n.ignore(&["consumed_inputs"]);
    let mut attrs = Attrs::default();
    for &(name, default) in defaults {
        attrs.set(name, Attr::Float(n.float(name, default)?));
    }
    Ok(attrs)
}

/// The output is like the input, but for the dtype where one is given.
pub(super) fn infer_unary(cx: &mut InferCx, class: Class, dtype: Option<DType>) -> Result<()> {
    let x = tensor(cx, 0, class)?;
    cx.set_tensor(0, dtype.unwrap_or(x.dtype), x.shape);
    Ok(())
}

/// Output 0 as a formula of input 0. A formula whose dtype isn't the operand's gives the output's.
pub(super) fn lower_unary(cx: &mut ComputeCx, formula: Formula) -> Result<()> {
    let x = Operand::new(cx, 0);
    let (attrs, d, to) = (cx.attrs(), x.wide(), cx.output_type(0).dtype);
    let from = if wide(to) == d { d } else { to };
    map_from(cx, from, |i| formula(attrs, d, x.at(i)));
    Ok(())
}

/// Defines operators of one operand, one a line:
/// name of the static, name, versions, class of dtypes, float attributes with defaults, formula.
macro_rules! unary_operators {
    ($($id:ident $name:literal $versions:tt $class:ident { $($attr:ident: $default:expr),* } $formula:expr;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: {
                const ATTRS: &[(&str, f32)] = &[$((stringify!($attr), $default)),*];
                $crate::ops::elementwise::unary_operators!(@versions ATTRS $versions)
            },
            infer: |cx| infer_unary(cx, Class::$class, None),
            lower: Lower::Compute(|cx| lower_unary(cx, $formula)),
            extents: None,
        };
    )* };
    (@versions $attrs:ident [$($since:literal),*]) => { &[$(($since, |n| import_floats(n, $attrs))),*] };
}
pub(super) use unary_operators;

/// The symbolic elements of an elementwise output: `f` of the operands' elements, which broadcasting puts beside each
/// other. `None` if those aren't known or `f` can't tell.
pub(super) fn content(
    cx: &InferCx,
    operands: &[(usize, &[Sym])],
    shape: &[Sym],
    f: impl Fn(&[&Sym]) -> Option<Sym>,
) -> Option<Vec<Sym>> {
    let fixed = |s: &[Sym]| s.iter().map(|d| usize::try_from(d.as_int()?).ok()).collect::<Option<Vec<usize>>>();
    let shape = fixed(shape)?;
    let contents = operands.iter().map(|&(i, s)| Some((cx.content(i)?, fixed(s)?))).collect::<Option<Vec<_>>>()?;
    let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_CONTENT)?;
    (0..count)
        .map(|at| f(&contents.iter().map(|(c, s)| c.get(position(at, &shape, s))).collect::<Option<Vec<_>>>()?))
        .collect()
}

/// Where the element that broadcasting puts at position `at` of a tensor of extents `shape` lies in its operand.
fn position(mut at: usize, shape: &[usize], operand: &[usize]) -> usize {
    let (mut pos, mut stride) = (0, 1);
    for (axis, &d) in shape.iter().enumerate().rev() {
        let i = at % d;
        at /= d;
        if let Some(&extent) = (axis + operand.len()).checked_sub(shape.len()).and_then(|a| operand.get(a)) {
            pos += if extent == 1 { 0 } else { i * stride };
            stride *= extent;
        }
    }
    pos
}
