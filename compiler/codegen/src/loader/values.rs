//! Values of any kind to and from the C structs of [`onnxc_runtime::value`].
//!
//! Reading believes a module's structs as far as their addresses go (the module is code that runs in this process), not
//! their element types and sizes.

use crate::abi::{dtype_number, dtype_of_number};
use onnxc_base::tensor::element_count;
use onnxc_base::{Bytes, DType, Diagnostic, Map, Tensor, Value};
use onnxc_runtime::reader::Port;
use onnxc_runtime::value::{TextV1, VALUE_MAP, VALUE_NONE, VALUE_SEQUENCE, VALUE_TENSOR, ValueV1};
use std::ffi::c_void;

/// C structs that stand for a value, and everything that they point to.
#[derive(Default)]
pub(super) struct Built {
    // Boxed slices stay where they are when the lists grow.
    values: Vec<Box<[ValueV1]>>,
    texts: Vec<Box<[TextV1]>>,
    strings: Vec<Box<[u8]>>,
    shapes: Vec<Box<[i64]>>,
    bytes: Vec<Bytes>,
}

/// An input as its port wants it. Kinds are compared with the type's outermost word; items are compared when the module
/// reads them.
pub(super) fn misfit(port: &Port<'_>, value: &Value) -> Option<Diagnostic> {
    let fits = fits(port.type_text, value);
    let d = Diagnostic::error("E6011", format!("input '{}' is {}", port.name, value.kind()));
    (!fits).then(|| d.expected(port.type_text))
}

fn fits(type_text: &str, value: &Value) -> bool {
    let inner =
        |word: &str| type_text.strip_prefix(word).and_then(|t| t.strip_prefix('(')).and_then(|t| t.strip_suffix(')'));
    if let Some(inner) = inner("optional") {
        // What an optional may hold stands for an optional that holds it.
        return match value {
            Value::Optional(None) => true,
            Value::Optional(Some(v)) => fits(inner, v),
            v => fits(inner, v),
        };
    }
    match value {
        Value::Tensor(t) => inner("tensor").is_some_and(|word| word == t.dtype().type_word()),
        Value::Sequence(items) => inner("seq").is_some_and(|t| items.iter().all(|i| fits(t, i))),
        Value::Map(m) => inner("map").is_some_and(|t| {
            let (key, item) = t.split_once(',').unwrap_or((t, ""));
            key.trim() == m.keys.dtype().type_word()
                && item.trim() == format!("tensor({})", m.values.dtype().type_word())
        }),
        Value::Optional(_) => false,
    }
}

impl Built {
    /// The structs of a value; they live as long as `self`.
    pub(super) fn value(&mut self, value: &Value) -> ValueV1 {
        match value {
            Value::Tensor(t) => self.tensor(t),
            Value::Optional(None) => ValueV1::NONE,
            Value::Optional(Some(v)) => self.value(v),
            Value::Sequence(items) => {
                let items = items.iter().map(|i| self.value(i)).collect::<Vec<_>>();
                self.list(VALUE_SEQUENCE, items.len(), items)
            }
            Value::Map(m) => {
                let pair = vec![self.tensor(&m.keys), self.tensor(&m.values)];
                self.list(VALUE_MAP, m.keys.len(), pair)
            }
        }
    }

    fn list(&mut self, kind: u32, count: usize, values: Vec<ValueV1>) -> ValueV1 {
        self.values.push(values.into());
        let data: *const c_void = self.values.last().map_or(std::ptr::null(), |v| v.as_ptr().cast());
        ValueV1 { kind, count: count as i64, data, ..ValueV1::NONE }
    }

    fn tensor(&mut self, t: &Tensor) -> ValueV1 {
        self.shapes.push(t.shape().iter().map(|&d| d as i64).collect());
        let shape = self.shapes.last().map_or(std::ptr::null(), |s| s.as_ptr());
        let data: *const c_void = match t.strings() {
            Some(strings) => {
                let mut texts = Vec::with_capacity(strings.len());
                for s in strings {
                    self.strings.push(s.clone().into());
                    let bytes = self.strings.last().map_or(std::ptr::null(), |s| s.as_ptr());
                    texts.push(TextV1 { bytes, length: s.len() as u64 });
                }
                self.texts.push(texts.into());
                self.texts.last().map_or(std::ptr::null(), |t| t.as_ptr().cast())
            }
            None => {
                self.bytes.push(t.bytes().clone());
                t.bytes().as_ptr().cast()
            }
        };
        let (dtype, rank) = (dtype_number(t.dtype()), t.shape().len() as u32);
        ValueV1 { kind: VALUE_TENSOR, dtype, rank, count: t.len() as i64, shape, data, ..ValueV1::NONE }
    }
}

/// An array, empty if there is none.
///
/// # Safety
/// `first` is null or the address of `count` values.
unsafe fn array<'a, T>(first: *const T, count: i64) -> &'a [T] {
    match usize::try_from(count) {
        Ok(n) if !first.is_null() => unsafe { std::slice::from_raw_parts(first, n) },
        _ => &[],
    }
}

/// The value behind a struct, copied. `optional`: the type is that of an optional. `None` if it is no value.
///
/// # Safety
/// The struct is what a module wrote, or [`ValueV1::NONE`], and its memory hasn't been given back.
pub(super) unsafe fn read(v: &ValueV1, optional: bool) -> Option<Value> {
    let inner = match v.kind {
        VALUE_NONE if optional => return Some(Value::Optional(None)),
        VALUE_TENSOR => Value::Tensor(unsafe { read_tensor(v)? }),
        VALUE_SEQUENCE => {
            let items = unsafe { array(v.data.cast::<ValueV1>(), v.count) };
            Value::Sequence(items.iter().map(|i| unsafe { read(i, false) }).collect::<Option<_>>()?)
        }
        VALUE_MAP => {
            let [keys, values] = (unsafe { array(v.data.cast::<ValueV1>(), 2) }) else { return None };
            Value::Map(Box::new(Map { keys: unsafe { read_tensor(keys)? }, values: unsafe { read_tensor(values)? } }))
        }
        _ => return None,
    };
    Some(if optional { Value::Optional(Some(Box::new(inner))) } else { inner })
}

/// Safety: as for [`read`].
unsafe fn read_tensor(v: &ValueV1) -> Option<Tensor> {
    let dtype = dtype_of_number(v.dtype).filter(|_| v.kind == VALUE_TENSOR)?;
    let shape: Option<Vec<usize>> =
        unsafe { array(v.shape, i64::from(v.rank)) }.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape?;
    let count = element_count(&shape)?;
    if dtype == DType::String {
        let texts = unsafe { array(v.data.cast::<TextV1>(), count as i64) };
        let bytes = |t: &TextV1| unsafe { array(t.bytes, t.length as i64) }.to_vec();
        return Tensor::from_strings(shape, texts.iter().map(bytes).collect());
    }
    let size = dtype.bytes_for(count)?;
    let bytes = unsafe { array(v.data.cast::<u8>(), size as i64) };
    Tensor::from_bytes(dtype, shape, Bytes::copy_from_slice(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_again() {
        let t = Value::Tensor(Tensor::from_slice(&[2, 1], &[1.5f32, -2.0]));
        let s = Tensor::from_strings(vec![2], vec![b"ab".to_vec(), vec![]]).expect("two of two");
        let map = Map { keys: s.clone(), values: Tensor::from_slice(&[2], &[1i64, 2]) };
        let values =
            [t.clone(), Value::Tensor(s), Value::Sequence(vec![t.clone(), t.clone()]), Value::Map(Box::new(map))];
        for value in values {
            let mut built = Built::default();
            let raw = built.value(&value);
            assert_eq!(unsafe { read(&raw, false) }.as_ref(), Some(&value));
            assert_eq!(unsafe { read(&raw, true) }, Some(Value::Optional(Some(Box::new(value)))));
        }
        assert_eq!(unsafe { read(&ValueV1::NONE, true) }, Some(Value::Optional(None)));
        assert_eq!(unsafe { read(&ValueV1::NONE, false) }, None);
    }

    #[test]
    fn kinds_are_compared_with_types() {
        let t = Value::Tensor(Tensor::scalar(1.0f32));
        let seq = Value::Sequence(vec![t.clone()]);
        assert!(fits("tensor(float)", &t) && fits("optional(tensor(float))", &t) && fits("seq(tensor(float))", &seq));
        assert!(fits("optional(seq(tensor(float)))", &Value::Optional(None)));
        assert!(!fits("tensor(double)", &t) && !fits("seq(tensor(int64))", &seq) && !fits("tensor(float)", &seq));
        let map = Map { keys: Tensor::from_slice(&[1], &[1i64]), values: Tensor::from_slice(&[1], &[1.0f32]) };
        assert!(fits("map(int64,tensor(float))", &Value::Map(Box::new(map))));
    }
}
