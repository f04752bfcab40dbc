//! Values to and from the structs of [`crate::value`].

use super::{Array, Object, Result, Run, count_of};
use crate::value::{DTYPE_STRING, TextV1, VALUE_MAP, VALUE_NONE, VALUE_SEQUENCE, VALUE_TENSOR, ValueV1, bytes_of};
use crate::{Allocator, Status};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::ffi::c_void;
use core::ptr;

/// How deep values may be nested: no type of a model is deeper.
const MAX_DEPTH: u32 = 16;

/// An array, empty if there is none.
///
/// # Safety
/// `first` is null or the address of `count` values that live for `'a`.
unsafe fn array<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if count == 0 || first.is_null() { &[] } else { unsafe { core::slice::from_raw_parts(first, count) } }
}

/// The handle of a value; 0 for none.
///
/// # Safety
/// `value` is a tree of values as [`crate::value`] says.
pub unsafe fn import(run: &mut Run, value: *const ValueV1) -> Result<i64> {
    let value = unsafe { value.as_ref() }.ok_or(Status::VALUE)?;
    if value.kind == VALUE_NONE {
        return Ok(0);
    }
    let o = unsafe { object(run, value, 0)? };
    Ok(run.object(o))
}

/// Safety: as for [`import`].
unsafe fn object(run: &mut Run, v: &ValueV1, depth: u32) -> Result<Rc<Object>> {
    let count = usize::try_from(v.count).map_err(|_| Status::VALUE)?;
    let items = || unsafe { array(v.data.cast::<ValueV1>(), if v.kind == VALUE_MAP { 2 } else { count }) };
    Ok(Rc::new(match v.kind {
        VALUE_TENSOR => Object::Tensor(unsafe { tensor(run, v)? }),
        VALUE_SEQUENCE if depth < MAX_DEPTH => {
            let mut out = Vec::with_capacity(count);
            for i in items() {
                out.push(unsafe { object(run, i, depth + 1)? });
            }
            Object::Sequence(out)
        }
        VALUE_MAP => {
            let [keys, values] = items() else { return Err(Status::VALUE) };
            let (keys, values) = unsafe { (tensor(run, keys)?, tensor(run, values)?) };
            if keys.count() != count || values.count() != count {
                return Err(Status::VALUE);
            }
            Object::Map(keys, values)
        }
        _ => return Err(Status::VALUE),
    }))
}

/// Safety: as for [`import`].
unsafe fn tensor(run: &mut Run, v: &ValueV1) -> Result<Array> {
    let dims = unsafe { array(v.shape, v.rank as usize) };
    let count = count_of(dims)?;
    if v.kind != VALUE_TENSOR || count as i64 != v.count {
        return Err(Status::VALUE);
    }
    if v.dtype == DTYPE_STRING {
        let texts = unsafe { array(v.data.cast::<TextV1>(), count) };
        let handles: Vec<i64> =
            texts.iter().map(|t| run.string(unsafe { array(t.bytes, t.length as usize) })).collect();
        return if handles.len() == count { Ok(Array::of_strings(dims, &handles)) } else { Err(Status::VALUE) };
    }
    let bytes = bytes_of(v.dtype, count).ok_or(Status::VALUE)?;
    let data = unsafe { array(v.data.cast::<u8>(), bytes) }.to_vec();
    if data.len() == bytes { Ok(Array { dtype: v.dtype, dims: dims.into(), data }) } else { Err(Status::VALUE) }
}

/// A block of memory being filled from the front; or only measured, if its address is null.
struct Block {
    start: *mut u8,
    used: usize,
}

impl Block {
    /// The place of `count` values; null while measuring.
    fn take<T>(&mut self, count: usize) -> *mut T {
        let at = self.used.next_multiple_of(16);
        self.used = at + count * size_of::<T>();
        if self.start.is_null() { ptr::null_mut() } else { unsafe { self.start.add(at).cast() } }
    }

    fn copy<T: Copy>(&mut self, from: &[T]) -> *const T {
        let to = self.take::<T>(from.len());
        if !to.is_null() {
            unsafe { ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        }
        to
    }
}

/// Writes a value; see [`super::export`].
///
/// # Safety
/// `value` can be written, `allocator` is an allocator.
pub unsafe fn export(run: &Run, handle: i64, allocator: *const Allocator, value: *mut ValueV1) -> Result<()> {
    if handle == 0 {
        unsafe { *value = ValueV1::NONE };
        return Ok(());
    }
    let o = run.get(handle)?;
    let mut block = Block { start: ptr::null_mut(), used: 0 };
    write(run, &o, &mut block)?;
    let allocator = unsafe { allocator.as_ref() }.ok_or(Status::MEMORY)?;
    let start = unsafe { (allocator.alloc)(allocator.context, block.used.max(1)) };
    if start.is_null() {
        return Err(Status::MEMORY);
    }
    let mut block = Block { start: start.cast(), used: 0 };
    let made = write(run, &o, &mut block)?;
    unsafe { *value = ValueV1 { block: start, ..made } };
    Ok(())
}

/// The same twice: to measure, then to write.
fn write(run: &Run, o: &Object, block: &mut Block) -> Result<ValueV1> {
    match o {
        Object::Tensor(a) => write_tensor(run, a, block),
        Object::Sequence(items) => {
            let to = block.take::<ValueV1>(items.len());
            for (i, item) in items.iter().enumerate() {
                let v = write(run, item, block)?;
                if !to.is_null() {
                    unsafe { *to.add(i) = v };
                }
            }
            let data = to.cast_const().cast::<c_void>();
            Ok(ValueV1 { kind: VALUE_SEQUENCE, count: items.len() as i64, data, ..ValueV1::NONE })
        }
        Object::Map(keys, values) => {
            let pair = [write_tensor(run, keys, block)?, write_tensor(run, values, block)?];
            let data = block.copy(&pair).cast::<c_void>();
            Ok(ValueV1 { kind: VALUE_MAP, count: keys.count() as i64, data, ..ValueV1::NONE })
        }
    }
}

fn write_tensor(run: &Run, a: &Array, block: &mut Block) -> Result<ValueV1> {
    let shape = block.copy(&a.dims);
    let data = if a.dtype == DTYPE_STRING {
        let mut texts = Vec::with_capacity(a.count());
        for h in a.handles()? {
            let text = run.text(h)?;
            texts.push(TextV1 { bytes: block.copy(&text), length: text.len() as u64 });
        }
        block.copy(&texts).cast::<c_void>()
    } else {
        block.copy(&a.data).cast()
    };
    let (rank, count) = (a.dims.len() as u32, a.count() as i64);
    Ok(ValueV1 { kind: VALUE_TENSOR, dtype: a.dtype, rank, count, shape, data, ..ValueV1::NONE })
}
