//! The meaning of a kernel, run on host tensors: the definition with which everything faster is compared.
//!
//! Each definition is evaluated for every point of its extents, in order, into a buffer of its own; a reduction starts
//! from `init` (or the operation's identity) and takes the points of its reduction axes in order, the last fastest. The
//! schedule doesn't matter. A check is evaluated as soon as what it loads is there, so before the loads that it
//! guards.
//!
//! Slow only in that: expressions are compiled to operations over columns of points, and copies by affine indices
//! (transposes, padding, packing of weights) run at about the speed of memory, so that this is fit for
//! folding constants and for testing real layers.
//!
//! Not here: kernels are assumed to be verified; breaking a rule is an error, but not a helpful one.

mod column;
mod compile;
mod copy;
mod load;
mod program;
mod reduce;
mod space;
#[cfg(test)]
mod tests;

use super::{Body, Check, DefId, Expr, Kernel, Scalar, Src};
use crate::kernel::ExprKind;
use compile::{Dims, Extent, Scope, Sources};
use onnxc_base::{DType, Symbol, Tensor};
use program::{Fault, Machine, Program};
use space::{Block, Walk};
use std::fmt;

/// Why a kernel has no result.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InterpError {
    /// A check of the data failed: this is the module's status.
    Status(i32),
    /// A load without pad at an index that isn't there.
    OutOfRange {
        /// The definition that loads.
        def: String,
        /// The parameter or definition that is loaded.
        src: String,
        /// The index.
        index: Vec<i64>,
        /// The extents of what is loaded.
        shape: Vec<i64>,
    },
    /// An index expression divides by zero.
    DivisionByZero {
        /// The definition.
        def: String,
    },
    /// A definition, parameter or extent that the rules of kernel IR or the given dims don't allow.
    Invalid {
        /// The definition, check or parameter.
        what: String,
        /// What is wrong.
        message: String,
    },
}

impl fmt::Display for InterpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InterpError::Status(n) => write!(f, "a check of the data failed with status {n}"),
            InterpError::OutOfRange { def, src, index, shape } => {
                write!(f, "'{def}' loads '{src}' at {index:?}, but its extents are {shape:?}")
            }
            InterpError::DivisionByZero { def } => write!(f, "an index expression of '{def}' divides by zero"),
            InterpError::Invalid { what, message } => write!(f, "'{what}': {message}"),
        }
    }
}

impl std::error::Error for InterpError {}

/// Runs a kernel: `inputs` are the parameters without a value, in order; the result is its outputs, in order.
pub fn run(
    kernel: &Kernel,
    dims: &dyn Fn(&Symbol) -> Option<i64>,
    inputs: &[Tensor],
) -> Result<Vec<Tensor>, InterpError> {
    let params = bind(kernel, dims, inputs)?;
    let mut defs: Vec<Tensor> = Vec::new();
    let find = |defs: &[Tensor], src: Src| match src {
        Src::Param(p) => params.get(p.as_u32() as usize).cloned(),
        Src::Def(d) => defs.get(d.as_u32() as usize).cloned(),
    };
    let needs: Vec<usize> = kernel.checks.iter().map(|c| first_ready(&c.cond)).collect();
    for ready in 0..=kernel.defs.len() {
        for (check, _) in kernel.checks.iter().zip(&needs).filter(|(_, n)| **n == ready) {
            run_check(kernel, check, dims, &|s| find(&defs, s))?;
        }
        if let Some(d) = kernel.defs.keys().nth(ready) {
            let value = evaluate_def(kernel, d, dims, &|s| find(&defs, s))?;
            defs.push(value);
        }
    }
    let output = |d: &DefId| defs.get(d.as_u32() as usize).cloned();
    kernel
        .outputs
        .iter()
        .map(output)
        .collect::<Option<_>>()
        .ok_or_else(|| InterpError::Invalid { what: kernel.name.clone(), message: "an output isn't defined".into() })
}

/// The value of one definition, given those that it loads.
pub fn evaluate_def(
    kernel: &Kernel,
    def: DefId,
    dims: &dyn Fn(&Symbol) -> Option<i64>,
    sources: &dyn Fn(Src) -> Option<Tensor>,
) -> Result<Tensor, InterpError> {
    let d = &kernel.defs[def];
    let scope = Scope { kernel, dims, sources, what: &d.name };
    let axes = scope.extents(&d.axes)?;
    let mut out = Buffer::new(&scope, d.dtype, &axes)?;
    match &d.body {
        Body::Map(e) => {
            if !copy::try_copy(&scope, e, &axes, &mut out)? {
                map(&scope, e, &axes, &mut out)?;
            }
        }
        Body::Reduce { op, axes: over, init, value } => {
            match init {
                Some(e) => map(&scope, e, &axes, &mut out)?,
                None => out.fill(op.identity(d.dtype)),
            }
            let over = scope.extents(over)?;
            reduce::reduce(&scope, *op, value, (&axes, &over), &mut out)?;
        }
    }
    Ok(out.into_tensor(&axes))
}

/// The tensors of all parameters, each of its type and extents.
fn bind(kernel: &Kernel, dims: Dims, inputs: &[Tensor]) -> Result<Vec<Tensor>, InterpError> {
    let mut inputs = inputs.iter();
    let mut bound = Vec::new();
    for p in kernel.params.values() {
        let scope = Scope { kernel, dims, sources: &|_| None, what: &p.name };
        let tensor = match &p.value {
            Some(v) => v,
            None => inputs.next().ok_or_else(|| scope.invalid("this parameter was given no value"))?,
        };
        let mut shape = Vec::new();
        for e in &p.shape {
            shape.push(e.eval(dims).map_err(|e| scope.invalid(e.to_string()))?);
        }
        let found: Vec<i64> = tensor.shape().iter().map(|&e| e as i64).collect();
        if tensor.dtype() != p.dtype || found != shape {
            let (dtype, expected) = (tensor.dtype(), p.dtype);
            return Err(scope.invalid(format!("the value is {dtype}{found:?} where {expected}{shape:?} is needed")));
        }
        bound.push(tensor.clone());
    }
    match inputs.next() {
        None => Ok(bound),
        Some(_) => {
            Err(InterpError::Invalid { what: kernel.name.clone(), message: "there are more values than inputs".into() })
        }
    }
}

/// How many definitions there must be before an expression can be evaluated.
fn first_ready(e: &Expr) -> usize {
    match e.kind() {
        ExprKind::Const(_) | ExprKind::Int(_) => 0,
        ExprKind::Load { src, index, .. } => {
            let own = if let Src::Def(d) = src { d.as_u32() as usize + 1 } else { 0 };
            index.iter().map(first_ready).fold(own, usize::max)
        }
        ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => first_ready(a),
        ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => first_ready(a).max(first_ready(b)),
        ExprKind::Select(c, a, b) => first_ready(c).max(first_ready(a)).max(first_ready(b)),
    }
}

fn run_check(kernel: &Kernel, check: &Check, dims: Dims, sources: Sources) -> Result<(), InterpError> {
    let scope = Scope { kernel, dims, sources, what: "check" };
    let axes = scope.extents(&check.axes)?;
    if is_empty(&axes) {
        return Ok(());
    }
    let (program, dtype) = scope.compile(&check.cond, &axes)?;
    if dtype != DType::Bool {
        return Err(scope.invalid(format!("the condition is {dtype}")));
    }
    scope.each_block(&program, &axes, |block, value| {
        let holds = column::view::<u8>(value)[..block.len].iter().all(|&b| b != 0);
        if holds { Ok(()) } else { Err(InterpError::Status(check.status)) }
    })
}

/// Evaluates an expression at every point, in order, into the buffer.
fn map(scope: &Scope, e: &Expr, axes: &[Extent], out: &mut Buffer) -> Result<(), InterpError> {
    if is_empty(axes) {
        return Ok(());
    }
    let (program, dtype) = scope.compile(e, axes)?;
    if dtype != out.dtype {
        return Err(scope.invalid(format!("the value is {dtype}, the definition {}", out.dtype)));
    }
    let mut at = 0;
    scope.each_block(&program, axes, |block, value| {
        let (from, n) = (column::view::<u8>(value), block.len * dtype.size());
        column::view_mut::<u8>(&mut out.words)[at..at + n].copy_from_slice(&from[..n]);
        at += n;
        Ok(())
    })
}

fn is_empty(axes: &[Extent]) -> bool {
    axes.iter().any(|a| a.1 == 0)
}

impl Scope<'_> {
    /// The variables and their extents as numbers.
    fn extents(&self, axes: &[super::Axis]) -> Result<Vec<Extent>, InterpError> {
        let mut result = Vec::new();
        for a in axes {
            match a.extent.eval(self.dims) {
                Ok(n) if n >= 0 => result.push((a.var.clone(), n)),
                Ok(n) => return Err(self.invalid(format!("the extent of '{}' is {n}", a.var))),
                Err(e) => return Err(self.invalid(format!("the extent of '{}': {e}", a.var))),
            }
        }
        Ok(result)
    }

    /// Runs a program over a box that isn't empty, and hands on the value of each block.
    fn each_block(
        &self,
        program: &Program,
        axes: &[Extent],
        mut f: impl FnMut(&Block, &[u64]) -> Result<(), InterpError>,
    ) -> Result<(), InterpError> {
        let mut extents: Vec<i64> = axes.iter().map(|a| a.1).collect();
        if extents.is_empty() {
            // A single point is a walk along a variable that nobody mentions.
            extents.push(1);
        }
        let mut walk = Walk::new(&extents);
        let (mut machine, mut block) = (Machine::new(program), Block::default());
        while walk.next(&mut block) {
            let value = machine.eval(&block).map_err(|fault| self.fault(program, fault))?;
            f(&block, value)?;
        }
        Ok(())
    }

    fn fault(&self, program: &Program, fault: Fault) -> InterpError {
        let def = self.what.to_owned();
        match fault {
            Fault::DivisionByZero => InterpError::DivisionByZero { def },
            Fault::Outside(o) => {
                let source = &program.sources[o.source];
                let (src, shape) = (source.name.clone(), source.extents.clone());
                InterpError::OutOfRange { def, src, index: o.index, shape }
            }
        }
    }
}

/// The elements of a definition while they are computed.
struct Buffer {
    dtype: DType,
    count: usize,
    words: Vec<u64>,
}

impl Buffer {
    #[expect(clippy::slow_vector_initialization, reason = "`vec!` would abort where memory is short")]
    fn new(scope: &Scope, dtype: DType, axes: &[Extent]) -> Result<Buffer, InterpError> {
        if !Scalar::holds(dtype) {
            return Err(scope.invalid(format!("{dtype} is no scalar type")));
        }
        let shape: Vec<usize> = axes.iter().map(|a| a.1 as usize).collect();
        let count = onnxc_base::tensor::element_count(&shape);
        let words = count.and_then(|n| dtype.bytes_for(n)).map(|b| b.div_ceil(8));
        let mut memory = Vec::new();
        match (count, words) {
            (Some(count), Some(n)) if memory.try_reserve_exact(n).is_ok() => {
                memory.resize(n, 0);
                Ok(Buffer { dtype, count, words: memory })
            }
            _ => Err(scope.invalid("the value doesn't fit in memory")),
        }
    }

    fn fill(&mut self, value: Scalar) {
        column::fill(value, &mut self.words, self.count);
    }

    fn into_tensor(self, axes: &[Extent]) -> Tensor {
        struct Words(Vec<u64>);
        impl AsRef<[u8]> for Words {
            fn as_ref(&self) -> &[u8] {
                bytemuck::cast_slice(&self.0)
            }
        }
        let shape = axes.iter().map(|a| a.1 as usize).collect();
        let bytes = onnxc_base::Bytes::from_owner(Words(self.words)).slice(..self.count * self.dtype.size());
        Tensor::from_bytes(self.dtype, shape, bytes).expect("the buffer was made for this shape")
    }
}
