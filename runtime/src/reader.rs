//! A module's self-description as checked Rust values: borrowed, no allocation.
//!
//! Afterwards every text is UTF-8, every array has its stated length, and evaluating an extent cannot fail but by
//! overflow or a division by zero, which give `None`. Does NOT call the module.

use crate::module::*;
use core::ffi::{CStr, c_char};

/// A loaded module's description.
#[derive(Clone, Copy)]
pub struct Module<'a> {
    raw: &'a ModuleV1,
}

/// An input or output.
#[derive(Clone, Copy)]
pub struct Port<'a> {
    /// The tensor's name in the model.
    pub name: &'a str,
    /// ONNX's number of the element type.
    pub dtype: u32,
    /// True if it is passed as an [`ValueV1`](crate::value::ValueV1).
    pub by_value: bool,
    /// The type as ONNX spells it.
    pub type_text: &'a str,
    shape: &'a [ExtentV1],
}

/// A symbolic dim.
#[derive(Clone, Copy)]
pub struct Dim<'a> {
    /// Its name.
    pub name: &'a str,
    /// `SOURCE_*`.
    pub source: u32,
    /// Its place among the extents that the run returns.
    pub extent: usize,
    /// Least value.
    pub lo: i64,
    /// Greatest value.
    pub hi: Extent<'a>,
}

/// One extent of a shape, or a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent<'a> {
    /// A number.
    Fixed(i64),
    /// The dim of this number.
    Dim(usize),
    /// A program over dims; see [`opcode`].
    Code(&'a [i64]),
    /// No limit.
    None,
}

/// Iterates over the dims of a module.
#[derive(Clone, Copy)]
pub struct Dims<'a>(&'a [DimV1]);

/// An array, empty if there is none.
///
/// # Safety
/// `first` is null or the address of `count` values that live for `'a`.
unsafe fn array<'a, T>(first: *const T, count: u32) -> &'a [T] {
    if first.is_null() { &[] } else { unsafe { core::slice::from_raw_parts(first, count as usize) } }
}

/// A text; empty if it is null or not UTF-8.
///
/// # Safety
/// `text` is null or a C string that lives for `'a`.
unsafe fn text<'a>(text: *const c_char) -> &'a str {
    if text.is_null() { "" } else { unsafe { CStr::from_ptr(text) }.to_str().unwrap_or("") }
}

impl<'a> Module<'a> {
    /// Reads a description; `None` if it isn't one of this version.
    ///
    /// # Safety
    /// `raw` is null or was returned by the `onnxc_module_v1` of a module that stays loaded for `'a`.
    pub unsafe fn new(raw: *const ModuleV1) -> Option<Self> {
        let raw = unsafe { raw.as_ref()? };
        let known = raw.magic == MAGIC && raw.version == VERSION && raw.size as usize >= size_of::<ModuleV1>();
        known.then_some(Self { raw })
    }

    /// The C struct.
    pub fn raw(&self) -> &'a ModuleV1 {
        self.raw
    }
    /// The module's name.
    pub fn name(&self) -> &'a str {
        unsafe { text(self.raw.name) }
    }
    /// The compiler's name and version.
    pub fn compiler(&self) -> &'a str {
        unsafe { text(self.raw.compiler) }
    }
    /// SHA-256 of the model, in hex.
    pub fn model_sha256(&self) -> &'a str {
        unsafe { text(self.raw.model_sha256) }
    }
    /// True if runs need the caller's allocator.
    pub fn needs_allocator(&self) -> bool {
        self.raw.flags & FLAG_ALLOCATOR != 0
    }
    /// How many extents a run returns.
    pub fn extent_count(&self) -> usize {
        self.raw.extent_count as usize
    }
    /// Floating-point operations of a run, as far as they are counted.
    pub fn flops(&self) -> Extent<'a> {
        extent(&self.raw.flops)
    }
    /// Symbolic dims.
    pub fn dims(&self) -> Dims<'a> {
        Dims(unsafe { array(self.raw.dims, self.raw.dim_count) })
    }
    /// The first check that doesn't hold for dims: why it is needed, and both extents.
    pub fn contradiction(&self, dims: &[i64]) -> Option<(&'a str, i64, i64)> {
        unsafe { array(self.raw.checks, self.raw.check_count) }.iter().find_map(|c| {
            let (left, right) = (extent(&c.left).eval(dims)?, extent(&c.right).eval(dims)?);
            let holds = left == right || c.relation == CHECK_REPEATED && left == 1;
            (!holds).then(|| (unsafe { text(c.reason) }, left, right))
        })
    }
    /// Inputs, in the model's order.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = Port<'a>> + use<'a> {
        unsafe { array(self.raw.inputs, self.raw.input_count) }.iter().map(port)
    }
    /// Outputs, in the model's order.
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = Port<'a>> + use<'a> {
        unsafe { array(self.raw.outputs, self.raw.output_count) }.iter().map(port)
    }
}

fn port(p: &PortV1) -> Port<'_> {
    let (name, type_text) = unsafe { (text(p.name), text(p.type_text)) };
    let by_value = p.form == FORM_VALUE;
    Port { name, dtype: p.dtype, by_value, type_text, shape: unsafe { array(p.shape, p.rank) } }
}

fn extent(e: &ExtentV1) -> Extent<'_> {
    match e.kind {
        EXTENT_FIXED => Extent::Fixed(e.value),
        EXTENT_DIM => Extent::Dim(usize::try_from(e.value).unwrap_or(usize::MAX)),
        EXTENT_CODE => Extent::Code(unsafe { array(e.code, e.length) }),
        _ => Extent::None,
    }
}

impl<'a> Port<'a> {
    /// Number of extents.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
    /// Extents, outermost first.
    pub fn shape(&self) -> impl ExactSizeIterator<Item = Extent<'a>> + use<'a> {
        self.shape.iter().map(extent)
    }
}

impl<'a> Dims<'a> {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// True if every extent of the module is fixed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The dim of a number.
    pub fn get(&self, i: usize) -> Option<Dim<'a>> {
        let d = self.0.get(i)?;
        Some(Dim {
            name: unsafe { text(d.name) },
            source: d.source,
            extent: d.extent as usize,
            lo: d.lo,
            hi: extent(&d.hi),
        })
    }
    /// All of them, in order.
    pub fn iter(self) -> impl Iterator<Item = Dim<'a>> {
        (0..self.len()).filter_map(move |i| self.get(i))
    }
}

/// The deepest stack that a program may need; the compiler writes none that needs more.
pub const STACK: usize = 64;

impl Extent<'_> {
    /// The value for given dims. `None`: no limit, overflow, division by zero, or a program that isn't one.
    pub fn eval(&self, dims: &[i64]) -> Option<i64> {
        match *self {
            Extent::Fixed(v) => Some(v),
            Extent::Dim(i) => dims.get(i).copied(),
            Extent::Code(code) => run(code, dims),
            Extent::None => None,
        }
    }
}

fn run(code: &[i64], dims: &[i64]) -> Option<i64> {
    let mut stack = [0i64; STACK];
    let mut n = 0;
    let mut words = code.iter().copied();
    while let Some(op) = words.next() {
        let v = match op {
            opcode::CONST => words.next()?,
            opcode::DIM => *dims.get(usize::try_from(words.next()?).ok()?)?,
            _ => {
                n = usize::checked_sub(n, 2)?;
                combine(op, stack[n], stack[n + 1])?
            }
        };
        *stack.get_mut(n)? = v;
        n += 1;
    }
    (n == 1).then_some(stack[0])
}

fn combine(op: i64, a: i64, b: i64) -> Option<i64> {
    match op {
        opcode::ADD => a.checked_add(b),
        opcode::MUL => a.checked_mul(b),
        opcode::FLOORDIV => {
            let q = a.checked_div(b)?;
            Some(if a % b != 0 && (a < 0) != (b < 0) { q - 1 } else { q })
        }
        opcode::MOD => {
            let r = a.checked_rem(b)?;
            Some(if r != 0 && (r < 0) != (b < 0) { r + b } else { r })
        }
        opcode::MIN => Some(a.min(b)),
        opcode::MAX => Some(a.max(b)),
        opcode::JOINT => Some(if a.min(b) < 1 { a.min(b) } else { a.max(b) }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcode::*;

    #[test]
    fn programs_are_postfix() {
        // floordiv(h - 3, 2) + 1
        let code = [DIM, 0, CONST, -3, ADD, CONST, 2, FLOORDIV, CONST, 1, ADD];
        assert_eq!(Extent::Code(&code).eval(&[8]), Some(3));
        assert_eq!(Extent::Code(&code).eval(&[0]), Some(-1));
        assert_eq!(Extent::Code(&[DIM, 0, CONST, -4, MOD]).eval(&[7]), Some(-1));
    }

    #[test]
    fn what_is_no_program_is_no_value() {
        for bad in [&[ADD][..], &[CONST], &[DIM, 1], &[CONST, 1, CONST, 2], &[], &[99], &[CONST, 1, CONST, 0, FLOORDIV]]
        {
            assert_eq!(Extent::Code(bad).eval(&[5]), None, "{bad:?}");
        }
        assert_eq!(Extent::Code(&[CONST, i64::MAX, CONST, 1, ADD]).eval(&[]), None);
    }
}
