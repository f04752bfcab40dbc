//! Host tensors: a dtype, a shape and bytes, row-major and contiguous.
//!
//! The bytes are reference-counted [`Bytes`], so a constant that lives in a mapped file is never copied by cloning a
//! tensor. Little-endian throughout; an element of less than a byte lies in the low bits of a byte of its own, the others 0.
//! (Files pack such elements: [`Tensor::from_packed`], [`Tensor::packed`].) Strings are kept apart, as they have no fixed
//! size.
//!
//! Does NOT do arithmetic: the interpreters and the compiled kernels do.

use crate::{DType, small_float};
use bytes::Bytes;
use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn};

/// A constant, input or output value on the host.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Data,
}

#[derive(Clone, PartialEq, Debug)]
enum Data {
    Bytes(Bytes),
    Strings(Vec<Vec<u8>>),
}

/// Rust types that are a tensor element as they stand.
pub trait Element: bytemuck::Pod {
    /// The dtype stored by this Rust type.
    const DTYPE: DType;
}

macro_rules! elements {
    ($($t:ty = $d:ident),*) => { $(impl Element for $t { const DTYPE: DType = DType::$d; })* };
}
elements!(
    i8 = I8,
    i16 = I16,
    i32 = I32,
    i64 = I64,
    u8 = U8,
    u16 = U16,
    u32 = U32,
    u64 = U64,
    f32 = F32,
    f64 = F64,
    f16 = F16,
    bf16 = BF16
);

/// The number of elements of a shape; `None` when it overflows `isize`.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    // A zero anywhere makes the tensor empty, whatever the other dims multiply to.
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= isize::MAX as usize)
}

impl Tensor {
    /// A tensor over shared bytes. `None` if the byte count isn't what dtype and shape need, or for strings.
    pub fn from_bytes(dtype: DType, shape: Vec<usize>, data: Bytes) -> Option<Tensor> {
        let need = dtype.bytes_for(element_count(&shape)?)?;
        (dtype != DType::String && data.len() == need).then_some(Tensor { dtype, shape, data: Data::Bytes(data) })
    }

    /// A tensor from bytes as ONNX's `raw_data` has them: elements of less than a byte packed, low bits first.
    pub fn from_packed(dtype: DType, shape: Vec<usize>, data: Bytes) -> Option<Tensor> {
        let bits = dtype.bits();
        if bits >= 8 || dtype == DType::String {
            return Self::from_bytes(dtype, shape, data);
        }
        let n = element_count(&shape)?;
        if dtype.packed_bytes_for(n)? != data.len() {
            return None;
        }
        let element = |i: usize| {
            let at = i * bits;
            let word = u16::from(data[at / 8]) | u16::from(data.get(at / 8 + 1).copied().unwrap_or(0)) << 8;
            (word >> (at % 8)) as u8 & ((1 << bits) - 1)
        };
        Self::from_bytes(dtype, shape, (0..n).map(element).collect::<Vec<u8>>().into())
    }

    /// The bytes as ONNX's `raw_data` has them; empty for strings.
    pub fn packed(&self) -> Bytes {
        let bits = self.dtype.bits();
        let Some(size) = self.dtype.packed_bytes_for(self.len()).filter(|_| bits < 8 && bits > 0) else {
            return self.bytes().clone();
        };
        let mut out = vec![0u8; size];
        for (i, &b) in self.bytes().iter().enumerate() {
            let (at, word) = (i * bits, u16::from(b) & ((1 << bits) - 1));
            let word = word << (at % 8);
            out[at / 8] |= word as u8;
            if word >> 8 != 0 {
                out[at / 8 + 1] |= (word >> 8) as u8;
            }
        }
        out.into()
    }

    /// A tensor of Rust values. Panics if the count doesn't fit the shape (a bug of the caller).
    pub fn from_slice<T: Element>(shape: &[usize], values: &[T]) -> Tensor {
        assert_eq!(element_count(shape), Some(values.len()), "values don't fill the shape {shape:?}");
        let data = Data::Bytes(Bytes::copy_from_slice(bytemuck::cast_slice(values)));
        Tensor { dtype: T::DTYPE, shape: shape.to_vec(), data }
    }

    /// A rank-0 tensor.
    pub fn scalar<T: Element>(value: T) -> Tensor {
        Self::from_slice(&[], &[value])
    }

    /// A tensor of booleans. Panics if the count doesn't fit the shape (a bug of the caller).
    pub fn from_bools(shape: &[usize], values: &[bool]) -> Tensor {
        let bytes: Vec<u8> = values.iter().map(|&b| b as u8).collect();
        Self::from_bytes(DType::Bool, shape.to_vec(), bytes.into()).expect("values fill the shape")
    }

    /// A tensor of strings (ONNX strings are bytes, usually UTF-8). `None` if the count doesn't fit the shape.
    pub fn from_strings(shape: Vec<usize>, values: Vec<Vec<u8>>) -> Option<Tensor> {
        (element_count(&shape)? == values.len()).then_some(Tensor {
            dtype: DType::String,
            shape,
            data: Data::Strings(values),
        })
    }

    /// A tensor of zero bytes; `None` when the size overflows or for strings.
    pub fn zeros(dtype: DType, shape: &[usize]) -> Option<Tensor> {
        let n = dtype.bytes_for(element_count(shape)?)?;
        Self::from_bytes(dtype, shape.to_vec(), vec![0; n].into())
    }

    /// The element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        element_count(&self.shape).expect("checked at construction")
    }

    /// True if a dim is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The raw bytes; empty for strings.
    pub fn bytes(&self) -> &Bytes {
        static EMPTY: Bytes = Bytes::new();
        match &self.data {
            Data::Bytes(b) => b,
            Data::Strings(_) => &EMPTY,
        }
    }

    /// The strings, if it is a tensor of strings.
    pub fn strings(&self) -> Option<&[Vec<u8>]> {
        match &self.data {
            Data::Strings(s) => Some(s),
            Data::Bytes(_) => None,
        }
    }

    /// The same elements under another shape; `None` if the counts differ.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Tensor> {
        (element_count(shape)? == self.len()).then(|| Tensor { shape: shape.to_vec(), ..self.clone() })
    }

    /// The elements as Rust values (a copy, as the file's bytes may be unaligned); `None` for another dtype.
    pub fn to_vec<T: Element>(&self) -> Option<Vec<T>> {
        (T::DTYPE == self.dtype).then(|| bytemuck::pod_collect_to_vec(self.bytes()))
    }

    /// The elements as an ndarray; `None` for another dtype.
    pub fn to_array<T: Element>(&self) -> Option<ArrayD<T>> {
        ArrayD::from_shape_vec(IxDyn(&self.shape), self.to_vec()?).ok()
    }

    /// Any numeric or bool tensor as f64 values (64-bit integers beyond 2^53 round). `None` for complex numbers and
    /// strings.
    pub fn to_f64(&self) -> Option<Vec<f64>> {
        Some(match self.dtype {
            DType::F64 => self.to_vec::<f64>()?,
            DType::F32 => self.to_vec::<f32>()?.into_iter().map(f64::from).collect(),
            DType::F16 => self.to_vec::<f16>()?.into_iter().map(f64::from).collect(),
            DType::BF16 => self.to_vec::<bf16>()?.into_iter().map(f64::from).collect(),
            DType::U64 => self.to_vec::<u64>()?.into_iter().map(|v| v as f64).collect(),
            d if d.is_float() => {
                let format = small_float::Format::of(d)?;
                self.bytes().iter().map(|&b| f64::from(format.decode(b))).collect()
            }
            _ => self.to_i64()?.into_iter().map(|v| v as f64).collect(),
        })
    }

    /// Any integer or bool tensor as i64 values (u64 wraps); `None` for other dtypes.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        let signed = |v: u8, bits: u32| i64::from((v << (8 - bits)) as i8 >> (8 - bits));
        Some(match self.dtype {
            DType::I64 => self.to_vec::<i64>()?,
            DType::I32 => self.to_vec::<i32>()?.into_iter().map(i64::from).collect(),
            DType::I16 => self.to_vec::<i16>()?.into_iter().map(i64::from).collect(),
            DType::I8 => self.to_vec::<i8>()?.into_iter().map(i64::from).collect(),
            DType::U64 => self.to_vec::<u64>()?.into_iter().map(|v| v as i64).collect(),
            DType::U32 => self.to_vec::<u32>()?.into_iter().map(i64::from).collect(),
            DType::U16 => self.to_vec::<u16>()?.into_iter().map(i64::from).collect(),
            DType::U8 | DType::Bool => self.bytes().iter().map(|&v| i64::from(v)).collect(),
            DType::I4 | DType::I2 => self.bytes().iter().map(|&v| signed(v, self.dtype.bits() as u32)).collect(),
            DType::U4 | DType::U2 => self.bytes().iter().map(|&v| i64::from(v)).collect(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_must_fill_the_shape() {
        assert!(Tensor::from_bytes(DType::F32, vec![2, 3], vec![0; 24].into()).is_some());
        assert!(Tensor::from_bytes(DType::F32, vec![2, 3], vec![0; 23].into()).is_none());
        assert!(Tensor::from_bytes(DType::F32, vec![usize::MAX, 2], vec![].into()).is_none());
        assert!(Tensor::from_bytes(DType::F32, vec![usize::MAX, 0], vec![].into()).is_some());
    }

    #[test]
    fn nibbles_are_low_first_and_signed() {
        let t = Tensor::from_packed(DType::I4, vec![3], vec![0xf1, 0x08].into()).expect("two bytes hold three nibbles");
        assert_eq!(t.to_i64(), Some(vec![1, -1, -8]));
        assert_eq!((t.bytes().as_ref(), t.packed().as_ref()), (&[1u8, 15, 8][..], &[0xf1u8, 0x08][..]));
    }

    #[test]
    fn packing_returns() {
        for dtype in DType::all().filter(|d| d.bits() < 8 && *d != DType::String) {
            let bytes: Vec<u8> = (0..21u8).map(|i| i.wrapping_mul(37) & ((1 << dtype.bits()) - 1)).collect();
            let t = Tensor::from_bytes(dtype, vec![21], bytes.into()).expect("a byte each");
            assert_eq!(Tensor::from_packed(dtype, vec![21], t.packed()), Some(t), "{dtype}");
        }
    }

    #[test]
    fn unaligned_bytes_are_read() {
        let b = Bytes::from(vec![0u8, 0, 0, 128, 63]).slice(1..);
        assert_eq!(Tensor::from_bytes(DType::F32, vec![1], b).and_then(|t| t.to_vec::<f32>()), Some(vec![1.0]));
    }
}
