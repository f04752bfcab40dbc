//! What a compiled module calls for values that are no arrays of numbers: strings, sequences, optionals, maps.
//!
//! During a run such a value is a *handle*, an `i64`. A string is its number among the different strings of the run, so
//! that a tensor of strings is a tensor of `i64` and whatever moves elements (or compares them for equality) needs to
//! know nothing of strings; 0 is the empty string. A sequence, map, or tensor inside of either is an object's number;
//! 0 is the empty optional.
//!
//! - Values never change once they are made; a run owns them all, and they go when it ends.
//! - Every handle is checked, so that a wrong one is an error, not a crash.
//! - [`CALLS`] lists the functions by symbol; all have one signature ([`CallFn`]).
//!
//! Needs an allocator. Absent here: what a compiler knows (types are checked where a tensor leaves: [`unbox`]).

mod convert;
mod hash;
mod maps;
mod number;
mod sequence;
mod split;
mod strings;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod tfidf;
mod tokens;
mod unique;

pub use table::{CALLS, CallFn, address, begin, box_tensor, call, dims, end, export, import, unbox};

use crate::Status;
use crate::value::{DTYPE_STRING, bytes_of};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// What a function here returns.
pub type Result<T> = core::result::Result<T, Status>;

/// Everything that a run has made.
pub struct Run {
    strings: Vec<Rc<[u8]>>,
    numbers: BTreeMap<Rc<[u8]>, i64>,
    objects: Vec<Option<Rc<Object>>>,
    free: Vec<usize>,
}

/// A value that isn't a single handle.
pub enum Object {
    /// A tensor.
    Tensor(Array),
    /// Values of one type.
    Sequence(Vec<Rc<Object>>),
    /// Keys and values, of rank 1 and one length.
    Map(Array, Array),
}

/// A tensor: row-major.
#[derive(Clone)]
pub struct Array {
    /// ONNX's number of the element type; strings are handles.
    pub dtype: u32,
    /// Extents.
    pub dims: Vec<i64>,
    /// Elements, little-endian.
    pub data: Vec<u8>,
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    /// Knows the empty string only.
    pub fn new() -> Run {
        let mut run = Run { strings: Vec::new(), numbers: BTreeMap::new(), objects: Vec::new(), free: Vec::new() };
        run.string(b"");
        run
    }

    /// The handle of a string.
    pub fn string(&mut self, bytes: &[u8]) -> i64 {
        if let Some(&n) = self.numbers.get(bytes) {
            return n;
        }
        let (text, n): (Rc<[u8]>, i64) = (bytes.into(), self.strings.len() as i64);
        self.strings.push(text.clone());
        self.numbers.insert(text, n);
        n
    }

    /// The string of a handle.
    pub fn text(&self, handle: i64) -> Result<Rc<[u8]>> {
        usize::try_from(handle).ok().and_then(|i| self.strings.get(i)).cloned().ok_or(Status::VALUE)
    }

    /// The handle of a new object.
    pub fn object(&mut self, o: Rc<Object>) -> i64 {
        if let Some(i) = self.free.pop() {
            self.objects[i] = Some(o);
            return i as i64 + 1;
        }
        self.objects.push(Some(o));
        self.objects.len() as i64
    }

    /// The handle of a new tensor.
    pub fn tensor(&mut self, a: Array) -> i64 {
        self.object(Rc::new(Object::Tensor(a)))
    }

    /// The object of a handle.
    pub fn get(&self, handle: i64) -> Result<Rc<Object>> {
        let i = usize::try_from(handle).ok().and_then(|h| h.checked_sub(1)).ok_or(Status::VALUE)?;
        self.objects.get(i).cloned().flatten().ok_or(Status::VALUE)
    }

    /// Forgets a handle that nobody will use again.
    pub fn release(&mut self, handle: i64) {
        if let Some(i) = usize::try_from(handle).ok().and_then(|h| h.checked_sub(1)).filter(|&i| i < self.objects.len())
            && self.objects[i].take().is_some()
        {
            self.free.push(i);
        }
    }
}

impl Object {
    /// The tensor, if it is one.
    pub fn array(&self) -> Result<&Array> {
        match self {
            Object::Tensor(a) => Ok(a),
            _ => Err(Status::VALUE),
        }
    }

    /// The items, if it is a sequence.
    pub fn items(&self) -> Result<&[Rc<Object>]> {
        match self {
            Object::Sequence(s) => Ok(s),
            _ => Err(Status::VALUE),
        }
    }
}

/// The number of elements of extents; `Err` if it is negative or overflows.
pub fn count_of(dims: &[i64]) -> Result<usize> {
    let product = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(usize::try_from(d).ok()?));
    product.filter(|&n| n <= isize::MAX as usize).ok_or(Status::VALUE)
}

impl Array {
    /// Zeros.
    pub fn zeros(dtype: u32, dims: &[i64]) -> Result<Array> {
        let bytes = bytes_of(dtype, count_of(dims)?).ok_or(Status::VALUE)?;
        Ok(Array { dtype, dims: dims.into(), data: alloc::vec![0; bytes] })
    }

    /// A tensor of handles of strings.
    pub fn of_strings(dims: &[i64], handles: &[i64]) -> Array {
        Array { dtype: DTYPE_STRING, ..Array::of_ints(dims, handles) }
    }

    /// A tensor of `int64`.
    pub fn of_ints(dims: &[i64], values: &[i64]) -> Array {
        Array { dtype: 7, dims: dims.into(), data: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }

    /// A tensor of `float`.
    pub fn of_floats(dims: &[i64], values: &[f32]) -> Array {
        Array { dtype: 1, dims: dims.into(), data: values.iter().flat_map(|v| v.to_le_bytes()).collect() }
    }

    /// How many elements.
    pub fn count(&self) -> usize {
        count_of(&self.dims).unwrap_or(0)
    }

    /// 64-bit integers or handles as they are; other integers widened.
    pub fn ints(&self) -> Result<Vec<i64>> {
        macro_rules! wide {
            ($t:ty) => {
                self.data.chunks_exact(size_of::<$t>()).map(|c| {
                    let mut b = [0; size_of::<$t>()];
                    b.copy_from_slice(c);
                    <$t>::from_le_bytes(b) as i64
                })
            };
        }
        Ok(match self.dtype {
            2 | 9 => self.data.iter().map(|&b| i64::from(b)).collect(),
            3 => wide!(i8).collect(),
            4 => wide!(u16).collect(),
            5 => wide!(i16).collect(),
            6 => wide!(i32).collect(),
            12 => wide!(u32).collect(),
            7 | 8 => wide!(i64).collect(),
            13 => wide!(u64).collect(),
            _ => return Err(Status::VALUE),
        })
    }

    /// `float` elements as they are; `None` for other dtypes.
    pub fn floats(&self) -> Result<Vec<f32>> {
        if self.dtype != 1 {
            return Err(Status::VALUE);
        }
        Ok(self.data.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect())
    }

    /// Handles of strings.
    pub fn handles(&self) -> Result<Vec<i64>> {
        if self.dtype == DTYPE_STRING { self.ints() } else { Err(Status::VALUE) }
    }

    /// Bytes of an element.
    pub fn size(&self) -> Result<usize> {
        bytes_of(self.dtype, 1).ok_or(Status::VALUE)
    }
}

/// A position counted from either end, `0..n`.
pub fn position(at: i64, n: usize) -> Result<usize> {
    let at = if at < 0 { at.checked_add(n as i64) } else { Some(at) };
    at.and_then(|a| usize::try_from(a).ok()).filter(|&a| a < n).ok_or(Status::INDEX)
}
