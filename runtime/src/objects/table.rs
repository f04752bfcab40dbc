//! The C functions that modules call: their symbols, and the step from addresses to checked values.

use super::{Array, Object, Result, Run, convert, hash, maps, sequence, split, strings, tfidf, tokens, unique};
use crate::value::{ValueV1, bytes_of};
use crate::{Allocator, Status};
use alloc::boxed::Box;
use alloc::rc::Rc;
use core::slice::from_raw_parts;

/// An operator: handles and integers in, a handle or an integer out.
pub type CallFn = unsafe extern "C" fn(run: i64, args: *const i64, count: i64, out: *mut i64) -> i32;

/// The same, checked.
type Body = fn(&mut Run, &[i64]) -> Result<i64>;

/// The run behind what [`begin`] gave.
///
/// # Safety
/// `run` came from [`begin`] and hasn't been ended; nobody else uses it now.
unsafe fn run_of<'a>(run: i64) -> &'a mut Run {
    unsafe { &mut *(run as usize as *mut Run) }
}

/// An array, empty if there is none.
///
/// # Safety
/// `first` is null or the address of `count` values that live for `'a`.
unsafe fn array<'a, T>(first: *const T, count: i64) -> &'a [T] {
    match usize::try_from(count) {
        Ok(n) if n > 0 && !first.is_null() => unsafe { from_raw_parts(first, n) },
        _ => &[],
    }
}

fn status(result: Result<()>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(s) => s.0,
    }
}

/// Starts a run that knows the strings of the module: `table` is their number, then for each where it begins in `bytes`,
/// then where the last one ends. The first has handle 1.
///
/// # Safety
/// `table` has as many elements as it says, ascending, and `bytes` as many bytes as the last one says.
#[unsafe(export_name = "onnxc_rt_begin")]
pub unsafe extern "C" fn begin(table: *const i64, bytes: *const u8) -> i64 {
    let mut run = Box::new(Run::new());
    let count = unsafe { array(table, 1) }.first().copied().unwrap_or(0);
    let ends = unsafe { array(table, count + 2) }.get(1..).unwrap_or(&[]);
    let bytes = unsafe { array(bytes, ends.last().copied().unwrap_or(0)) };
    for pair in ends.windows(2) {
        run.string(bytes.get(pair[0] as usize..pair[1] as usize).unwrap_or(b""));
    }
    Box::into_raw(run) as usize as i64
}

/// Ends a run: every handle is gone.
///
/// # Safety
/// `run` came from [`begin`] and hasn't been ended.
#[unsafe(export_name = "onnxc_rt_end")]
pub unsafe extern "C" fn end(run: i64) {
    drop(unsafe { Box::from_raw(run as usize as *mut Run) });
}

/// An object that holds a copy of a tensor; 0 if the extents are none.
///
/// # Safety
/// As for [`begin`]; `dims` has `rank` elements, `data` as many as they say.
#[unsafe(export_name = "onnxc_rt_box")]
pub unsafe extern "C" fn box_tensor(run: i64, dtype: i64, rank: i64, dims: *const i64, data: *const u8) -> i64 {
    let run = unsafe { run_of(run) };
    let dims = unsafe { array(dims, rank) };
    let made = super::count_of(dims).ok().and_then(|n| bytes_of(dtype as u32, n));
    let Some(bytes) = made else { return 0 };
    let data = unsafe { array(data, bytes as i64) }.to_vec();
    run.tensor(Array { dtype: dtype as u32, dims: dims.into(), data })
}

/// The extents of a tensor inside of a handle, which must be of a dtype and rank.
///
/// # Safety
/// As for [`begin`]; `dims` has room for `rank` elements.
#[unsafe(export_name = "onnxc_rt_dims")]
pub unsafe extern "C" fn dims(run: i64, handle: i64, dtype: i64, rank: i64, dims: *mut i64) -> i32 {
    let found = unsafe { run_of(run) }.get(handle);
    status(found.and_then(|o| {
        let a = o.array()?;
        if i64::from(a.dtype) != dtype || a.dims.len() as i64 != rank {
            return Err(Status::VALUE);
        }
        unsafe { core::ptr::copy_nonoverlapping(a.dims.as_ptr(), dims, a.dims.len()) };
        Ok(())
    }))
}

/// Copies a tensor out of a handle; it must have the dtype and extents given. `release`: nobody needs the handle again.
///
/// # Safety
/// As for [`box_tensor`], where `out` is written.
#[unsafe(export_name = "onnxc_rt_unbox")]
pub unsafe extern "C" fn unbox(
    run: i64,
    handle: i64,
    dtype: i64,
    rank: i64,
    dims: *const i64,
    out: *mut u8,
    release: i64,
) -> i32 {
    let run = unsafe { run_of(run) };
    let want = unsafe { array(dims, rank) };
    let done = run.get(handle).and_then(|o| {
        let a = o.array()?;
        if i64::from(a.dtype) != dtype || a.dims != want {
            return Err(Status::VALUE);
        }
        unsafe { core::ptr::copy_nonoverlapping(a.data.as_ptr(), out, a.data.len()) };
        Ok(())
    });
    if release != 0 {
        run.release(handle);
    }
    status(done)
}

/// The handle of what a caller hands in; that of an empty optional is 0.
///
/// # Safety
/// `value` is a tree of values as [`crate::value`] says; `out` is one element.
#[unsafe(export_name = "onnxc_rt_import")]
pub unsafe extern "C" fn import(run: i64, value: *const u8, out: *mut i64) -> i32 {
    let run = unsafe { run_of(run) };
    let made = unsafe { convert::import(run, value.cast::<ValueV1>()) };
    status(made.map(|handle| unsafe { *out = handle }))
}

/// Writes what a handle stands for where a caller reads it, in memory from the caller's allocator.
///
/// # Safety
/// `value` is a value that is all zeros, `allocator` an allocator.
#[unsafe(export_name = "onnxc_rt_export")]
pub unsafe extern "C" fn export(run: i64, handle: i64, allocator: *mut u8, value: *mut u8) -> i32 {
    let run = unsafe { run_of(run) };
    status(unsafe { convert::export(run, handle, allocator.cast::<Allocator>(), value.cast::<ValueV1>()) })
}

/// Runs a body on arguments at an address.
///
/// # Safety
/// As for [`begin`]; `args` has `count` elements, `out` one.
unsafe fn checked(run: i64, args: *const i64, count: i64, out: *mut i64, body: Body) -> i32 {
    let run = unsafe { run_of(run) };
    let args = unsafe { array(args, count) };
    status(body(run, args).map(|v| unsafe { *out = v }))
}

macro_rules! calls {
    ($($symbol:literal $name:ident => $body:path;)*) => {
        $(
            #[unsafe(export_name = $symbol)]
            unsafe extern "C" fn $name(run: i64, args: *const i64, count: i64, out: *mut i64) -> i32 {
                unsafe { checked(run, args, count, out, $body) }
            }
        )*
        /// The operators, by symbol.
        pub const CALLS: &[(&str, CallFn)] = &[$(($symbol, $name)),*];
    };
}

calls! {
    "onnxc_rt_sequence_construct" sequence_construct => sequence::construct;
    "onnxc_rt_sequence_at" sequence_at => sequence::at;
    "onnxc_rt_sequence_insert" sequence_insert => sequence::insert;
    "onnxc_rt_sequence_erase" sequence_erase => sequence::erase;
    "onnxc_rt_sequence_length" sequence_length => sequence::length;
    "onnxc_rt_sequence_split" sequence_split => split::split;
    "onnxc_rt_sequence_concat" sequence_concat => split::concat;
    "onnxc_rt_release" release => release_all;
    "onnxc_rt_some" some => some_of;
    "onnxc_rt_has" has => has_some;
    "onnxc_rt_string_concat" string_concat => strings::concat;
    "onnxc_rt_string_split" string_split => strings::split;
    "onnxc_rt_string_normalize" string_normalize => strings::normalize;
    "onnxc_rt_string_match" string_match => strings::full_match;
    "onnxc_rt_string_hash" string_hash => hash::strings;
    "onnxc_rt_string_to_number" string_to_number => strings::to_number;
    "onnxc_rt_string_of_number" string_of_number => strings::of_number;
    "onnxc_rt_unique" unique_strings => unique::unique;
    "onnxc_rt_tfidf" tfidf_vectorize => tfidf::vectorize;
    "onnxc_rt_tokenize" tokenize => tokens::tokenize;
    "onnxc_rt_dict" dict => maps::vectorize;
    "onnxc_rt_cast_map" cast_map => maps::cast;
    "onnxc_rt_zip_map" zip_map => maps::zip;
}

/// The address of any function here and how many arguments it takes, all of them 64-bit integers or addresses; for
/// interpreters. What a function returns is in the low 32 bits, but for [`begin`] and [`box_tensor`], which use all 64.
pub fn address(symbol: &str) -> Option<(*const (), usize)> {
    Some(match symbol {
        "onnxc_rt_begin" => (begin as *const (), 2),
        "onnxc_rt_end" => (end as *const (), 1),
        "onnxc_rt_box" => (box_tensor as *const (), 5),
        "onnxc_rt_dims" => (dims as *const (), 5),
        "onnxc_rt_unbox" => (unbox as *const (), 7),
        "onnxc_rt_import" => (import as *const (), 3),
        "onnxc_rt_export" => (export as *const (), 4),
        _ => (call(symbol)? as *const (), 4),
    })
}

/// The operator of a symbol, for interpreters.
pub fn call(symbol: &str) -> Option<CallFn> {
    CALLS.iter().find(|(s, _)| *s == symbol).map(|(_, f)| *f)
}

/// Forgets every handle given.
fn release_all(run: &mut Run, args: &[i64]) -> Result<i64> {
    args.iter().for_each(|&h| run.release(h));
    Ok(0)
}

/// The content of an optional, by a handle of its own; an error if it is empty.
fn some_of(run: &mut Run, args: &[i64]) -> Result<i64> {
    let o: Rc<Object> = run.get(*args.first().ok_or(Status::VALUE)?)?;
    Ok(run.object(o))
}

/// 1 if an optional isn't empty.
fn has_some(_: &mut Run, args: &[i64]) -> Result<i64> {
    Ok(i64::from(args.first().is_some_and(|&h| h != 0)))
}
