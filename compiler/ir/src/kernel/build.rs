//! Builds kernels: fresh index variables, definitions as closures over them, and a small expression language.
//!
//! ```ignore
//! let x = k.param("x", DType::F32, shape, None);
//! let sum = k.reduce("sum", DType::F32, &[m], ReduceOp::Add, &[n], None, |_, i, r| x.at(&[&i[0], &r[0]]));
//! k.output(sum);
//! ```
//! Expressions fold where both operands are constants or symbolic integers; nothing else is simplified here.

use super::*;
use crate::scalar::{eval_binary, eval_cast, eval_compare, eval_unary};

/// Appends parameters and definitions to a kernel.
#[derive(Default)]
pub struct KernelBuilder {
    /// The kernel so far.
    pub kernel: Kernel,
    fresh: u32,
}

impl KernelBuilder {
    /// An empty kernel.
    pub fn new(name: impl Into<String>, ranges: Ranges) -> Self {
        Self { kernel: Kernel { name: name.into(), ranges, ..Kernel::default() }, fresh: 0 }
    }

    /// Adds an input, or a constant if it has a value.
    pub fn param(&mut self, name: &str, dtype: DType, shape: Vec<Sym>, value: Option<Tensor>) -> Src {
        Src::Param(self.kernel.params.push(Param { name: name.into(), dtype, shape, value }))
    }

    /// Fresh axes of these extents.
    pub fn axes(&mut self, hint: &str, extents: &[Sym]) -> Vec<Axis> {
        let mut axes = Vec::new();
        for e in extents {
            axes.push(Axis { var: Symbol::new(&format!("{hint}{}", self.fresh)), extent: e.clone() });
            self.fresh += 1;
        }
        axes
    }

    /// A definition by an expression of its index variables.
    pub fn map(&mut self, name: &str, dtype: DType, shape: &[Sym], f: impl FnOnce(&mut Self, &[Sym]) -> Expr) -> Src {
        let axes = self.axes("i", shape);
        let vars: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
        let e = f(self, &vars);
        self.define(name, dtype, axes, Body::Map(e))
    }

    /// A definition by a reduction: `f` gets the index variables and the reduction variables; `init` gets the former.
    #[allow(clippy::too_many_arguments, reason = "each is a part of the formula")]
    pub fn reduce(
        &mut self,
        name: &str,
        dtype: DType,
        shape: &[Sym],
        op: ReduceOp,
        over: &[Sym],
        init: Option<&dyn Fn(&mut Self, &[Sym]) -> Expr>,
        f: impl FnOnce(&mut Self, &[Sym], &[Sym]) -> Expr,
    ) -> Src {
        let axes = self.axes("i", shape);
        let over = self.axes("r", over);
        let syms = |axes: &[Axis]| axes.iter().map(|a| Sym::var(a.var.clone())).collect::<Vec<_>>();
        let (vars, rvars) = (syms(&axes), syms(&over));
        let init = init.map(|g| g(self, &vars));
        let value = f(self, &vars, &rvars);
        self.define(name, dtype, axes, Body::Reduce { op, axes: over, init, value })
    }

    /// A definition as it stands; its name is made unique.
    pub fn define(&mut self, name: &str, dtype: DType, axes: Vec<Axis>, body: Body) -> Src {
        let taken = |n: &str| self.kernel.defs.values().any(|d| d.name == n);
        let mut unique = name.to_string();
        let mut i = 1;
        while taken(&unique) {
            i += 1;
            unique = format!("{name}_{i}");
        }
        Src::Def(self.kernel.defs.push(Def { name: unique, dtype, axes, body }))
    }

    /// Lets a definition leave the kernel.
    pub fn output(&mut self, src: Src) {
        match src {
            Src::Def(d) => self.kernel.outputs.push(d),
            Src::Param(p) => {
                let Param { name, dtype, shape, .. } = self.kernel.params[p].clone();
                let copy = self.map(&format!("{name}_copy"), dtype, &shape, |_, i| load(src, i));
                self.output(copy);
            }
        }
    }

    /// Requires a condition at each point of fresh axes.
    pub fn check(&mut self, extents: &[Sym], status: i32, f: impl FnOnce(&mut Self, &[Sym]) -> Expr) {
        let axes = self.axes("i", extents);
        let vars: Vec<Sym> = axes.iter().map(|a| Sym::var(a.var.clone())).collect();
        let cond = f(self, &vars);
        self.kernel.checks.push(Check { axes, cond, status });
    }

    /// The dtype of what can be loaded.
    pub fn dtype(&self, src: Src) -> DType {
        self.kernel.src_dtype(src)
    }

    /// The extents of what can be loaded.
    pub fn shape(&self, src: Src) -> Vec<Sym> {
        self.kernel.src_shape(src)
    }
}

/// A symbolic integer as an i64 expression.
pub fn int(s: impl Into<Sym>) -> Expr {
    Expr::new(ExprKind::Int(s.into()))
}

/// A constant.
pub fn constant(s: Scalar) -> Expr {
    Expr::new(ExprKind::Const(s))
}

/// A float (rounded to the dtype) or integer constant from a float.
pub fn number(dtype: DType, v: f64) -> Expr {
    constant(Scalar::from_f64(dtype, v))
}

/// An element at symbolic indices, all in range.
pub fn load(src: Src, index: &[Sym]) -> Expr {
    Expr::new(ExprKind::Load { src, index: index.iter().map(|s| int(s.clone())).collect(), pad: None })
}

/// An element at symbolic indices, `pad` where one is out of range.
pub fn load_padded(src: Src, index: &[Sym], pad: Scalar) -> Expr {
    Expr::new(ExprKind::Load { src, index: index.iter().map(|s| int(s.clone())).collect(), pad: Some(pad) })
}

/// An element at computed (data-dependent) i64 indices; in range, or `pad`.
pub fn load_at(src: Src, index: Vec<Expr>, pad: Option<Scalar>) -> Expr {
    Expr::new(ExprKind::Load { src, index, pad })
}

/// The constant behind an expression.
pub fn as_const(e: &Expr) -> Option<Scalar> {
    match e.kind() {
        ExprKind::Const(s) => Some(*s),
        ExprKind::Int(s) => s.as_int().map(Scalar::i64),
        _ => None,
    }
}

/// One operand.
pub fn unary(op: UnOp, a: Expr) -> Expr {
    match as_const(&a) {
        Some(s) => constant(eval_unary(op, s)),
        None => Expr::new(ExprKind::Unary(op, a)),
    }
}

/// Two operands of one dtype. Symbolic integers stay symbolic.
pub fn binary(op: BinOp, a: Expr, b: Expr) -> Expr {
    if let (Some(x), Some(y)) = (as_const(&a), as_const(&b))
        && x.dtype == y.dtype
    {
        return constant(eval_binary(op, x, y));
    }
    if let (Some(x), Some(y)) = (a.as_sym(), b.as_sym()) {
        let s = match op {
            BinOp::Add => Some(x + y),
            BinOp::Sub => Some(x - y),
            BinOp::Mul => Some(x * y),
            BinOp::FloorDiv if y.as_int().is_some_and(|v| v > 0) => Some(x.floordiv(y)),
            BinOp::FloorMod if y.as_int().is_some_and(|v| v > 0) => Some(x.modulo(y)),
            BinOp::Min => Some(x.min(y)),
            BinOp::Max => Some(x.max(y)),
            _ => None,
        };
        if let Some(s) = s {
            return int(s);
        }
    }
    Expr::new(ExprKind::Binary(op, a, b))
}

/// A comparison.
pub fn compare(op: CmpOp, a: Expr, b: Expr) -> Expr {
    match (as_const(&a), as_const(&b)) {
        (Some(x), Some(y)) if x.dtype == y.dtype => constant(Scalar::bool(eval_compare(op, x, y))),
        _ => Expr::new(ExprKind::Compare(op, a, b)),
    }
}

/// `cond ? a : b`.
pub fn select(cond: Expr, a: Expr, b: Expr) -> Expr {
    match as_const(&cond) {
        Some(c) => {
            if c.bits != 0 {
                a
            } else {
                b
            }
        }
        None => Expr::new(ExprKind::Select(cond, a, b)),
    }
}

/// Conversion to a dtype from `from`; nothing if they are equal.
pub fn cast(from: DType, to: DType, a: Expr) -> Expr {
    if from == to {
        return a;
    }
    match as_const(&a) {
        Some(s) => constant(eval_cast(s, to)),
        None => Expr::new(ExprKind::Cast(to, a)),
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:ident),*) => { $(
        impl std::ops::$trait for Expr {
            type Output = Expr;
            fn $method(self, other: Expr) -> Expr { binary(BinOp::$op, self, other) }
        }
    )* };
}
operators!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl std::ops::Neg for Expr {
    type Output = Expr;
    fn neg(self) -> Expr {
        unary(UnOp::Neg, self)
    }
}
