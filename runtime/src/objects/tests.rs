//! Small cases of every function, without a module around them.

use super::*;
use super::{number, table};

fn texts(run: &Run, h: i64) -> Vec<alloc::string::String> {
    let o = run.get(h).expect("an object");
    let handles = o.array().and_then(Array::handles).expect("strings");
    handles.iter().map(|&h| core::str::from_utf8(&run.text(h).expect("a string")).expect("UTF-8").into()).collect()
}

fn strings_of(run: &mut Run, dims: &[i64], words: &[&str]) -> i64 {
    let handles: Vec<i64> = words.iter().map(|w| run.string(w.as_bytes())).collect();
    run.tensor(Array::of_strings(dims, &handles))
}

fn call(run: &mut Run, symbol: &str, args: &[i64]) -> core::result::Result<i64, i32> {
    let mut out = 0;
    let f = table::call(symbol).expect("it is listed");
    let address = core::ptr::from_mut(run) as usize as i64;
    match unsafe { f(address, args.as_ptr(), args.len() as i64, &raw mut out) } {
        0 => Ok(out),
        status => Err(status),
    }
}

#[test]
fn equal_strings_are_one_handle() {
    let mut run = Run::new();
    assert_eq!((run.string(b""), run.string(b"a"), run.string(b"b"), run.string(b"a")), (0, 1, 2, 1));
    assert_eq!(run.text(2).as_deref(), Ok(&b"b"[..]));
    assert!(run.text(3).is_err() && run.text(-1).is_err() && run.get(0).is_err());
}

#[test]
fn sequences_grow_and_shrink() {
    let mut run = Run::new();
    let items: Vec<i64> = (0..3).map(|i| run.tensor(Array::of_ints(&[i], &alloc::vec![7; i as usize]))).collect();
    let s = call(&mut run, "onnxc_rt_sequence_construct", &items).expect("items");
    let len = |run: &mut Run, s: i64| call(run, "onnxc_rt_sequence_length", &[s]);
    let t = call(&mut run, "onnxc_rt_sequence_insert", &[s, items[2], -3]).expect("in range");
    let u = call(&mut run, "onnxc_rt_sequence_erase", &[t]).expect("not empty");
    assert_eq!((len(&mut run, s), len(&mut run, t), len(&mut run, u)), (Ok(3), Ok(4), Ok(3)));
    let first = call(&mut run, "onnxc_rt_sequence_at", &[t, 0]).expect("in range");
    assert_eq!(run.get(first).and_then(|o| Ok(o.array()?.count())), Ok(2));
    assert_eq!(call(&mut run, "onnxc_rt_sequence_at", &[t, 4]), Err(2));
    assert_eq!(call(&mut run, "onnxc_rt_sequence_insert", &[t, items[0], -5]), Err(2));
    assert_eq!(call(&mut run, "onnxc_rt_sequence_length", &[items[0]]), Err(6));
}

#[test]
fn splitting_and_concatenating_are_inverse() {
    let mut run = Run::new();
    let x = run.tensor(Array::of_ints(&[2, 3], &[1, 2, 3, 4, 5, 6]));
    for (lengths, axis, keep) in [(0, 1, 1), (0, 0, 0)] {
        let s = call(&mut run, "onnxc_rt_sequence_split", &[x, lengths, axis, keep]).expect("it fits");
        let y = call(&mut run, "onnxc_rt_sequence_concat", &[s, axis, 1 - keep]).expect("it fits");
        let y = run.get(y).expect("an object");
        let y = y.array().expect("a tensor");
        assert_eq!((&y.dims[..], y.ints()), (&[2, 3][..], Ok(alloc::vec![1, 2, 3, 4, 5, 6])));
    }
    let two = run.tensor(Array::of_ints(&[], &[2]));
    let s = call(&mut run, "onnxc_rt_sequence_split", &[x, two, -1, 1]).expect("it fits");
    let last = call(&mut run, "onnxc_rt_sequence_at", &[s, -1]).expect("in range");
    assert_eq!(run.get(last).and_then(|o| Ok(o.array()?.dims.clone())), Ok(alloc::vec![2, 1]));
}

#[test]
fn numbers_are_written_as_numpy_does() {
    let cases = [
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e16, "1e+16"),
        (1.5e-5, "1.5e-05"),
        (1e-4, "0.0001"),
        (-0.0, "-0.0"),
        (123456.0, "123456.0"),
        (f32::NAN, "nan"),
        (f32::NEG_INFINITY, "-inf"),
        (3.402_823_5e38, "3.4028235e+38"),
    ];
    for (v, want) in cases {
        assert_eq!(number::of_f32(v), want);
    }
    assert_eq!(number::of_f64(0.1), "0.1");
    for bits in (0..0x7c00u16).step_by(7) {
        let v = number::f16_to_f32(bits);
        assert_eq!(number::f32_to_f16(v), bits);
        let text = number::of_half(bits, v, number::f32_to_f16);
        assert_eq!(number::parse_f32(&text).map(number::f32_to_f16), Ok(bits), "{text}");
    }
    assert_eq!(number::of_half(0x2e66, number::f16_to_f32(0x2e66), number::f32_to_f16), "0.1");
    assert_eq!(
        (number::parse_int("-7"), number::parse_int("1E2"), number::parse_int("x")),
        (Ok(-7), Ok(100), Err(Status::VALUE))
    );
    assert_eq!(number::parse_f64("-INF"), Ok(f64::NEG_INFINITY));
}

#[test]
fn strings_are_joined_split_and_normalized() {
    let mut run = Run::new();
    let (a, b) = (strings_of(&mut run, &[2, 1], &["a", "b"]), strings_of(&mut run, &[2], &["x", ""]));
    let joined = call(&mut run, "onnxc_rt_string_concat", &[a, b]).expect("they broadcast");
    assert_eq!(texts(&run, joined), ["ax", "a", "bx", "b"]);
    let x = strings_of(&mut run, &[2], &["  hello  big world ", ""]);
    let parts = call(&mut run, "onnxc_rt_string_split", &[x, 0, 1]).expect("strings");
    let y = call(&mut run, "onnxc_rt_sequence_at", &[parts, 0]).expect("two results");
    assert_eq!(texts(&run, y), ["hello", "big world", "", ""]);
    let (x, stop) = (strings_of(&mut run, &[1, 3], &["Mon", "tue", "Wed"]), strings_of(&mut run, &[1], &["MON"]));
    let y = call(&mut run, "onnxc_rt_string_normalize", &[x, stop, 2, 0]).expect("a row");
    assert_eq!(texts(&run, y), ["TUE", "WED"]);
    assert_eq!(run.get(y).and_then(|o| Ok(o.array()?.dims.clone())), Ok(alloc::vec![1, 2]));
}

#[test]
fn what_is_different_is_found_in_both_orders() {
    let mut run = Run::new();
    let x = strings_of(&mut run, &[4], &["b", "a", "b", "c"]);
    for (sorted, want) in [(1, ["a", "b", "c"]), (0, ["b", "a", "c"])] {
        let all = call(&mut run, "onnxc_rt_unique", &[x, 0, 0, sorted]).expect("strings");
        let y = call(&mut run, "onnxc_rt_sequence_at", &[all, 0]).expect("four results");
        assert_eq!(texts(&run, y), want);
    }
}

#[test]
fn values_go_out_as_they_came_in() {
    use crate::value::{TextV1, VALUE_SEQUENCE, VALUE_TENSOR, ValueV1};
    let mut run = Run::new();
    let texts = [TextV1 { bytes: b"hey".as_ptr(), length: 3 }, TextV1 { bytes: core::ptr::null(), length: 0 }];
    let dims = [2i64];
    let t = ValueV1 {
        kind: VALUE_TENSOR,
        dtype: 8,
        rank: 1,
        count: 2,
        shape: dims.as_ptr(),
        data: texts.as_ptr().cast(),
        ..ValueV1::NONE
    };
    let items = [t, t];
    let s = ValueV1 { kind: VALUE_SEQUENCE, count: 2, data: items.as_ptr().cast(), ..ValueV1::NONE };
    let h = unsafe { convert::import(&mut run, &raw const s) }.expect("well-formed");
    unsafe extern "C" fn give(_: *mut core::ffi::c_void, n: usize) -> *mut core::ffi::c_void {
        alloc::vec![0u128; n.div_ceil(16)].leak().as_mut_ptr().cast()
    }
    unsafe extern "C" fn keep(_: *mut core::ffi::c_void, _: *mut core::ffi::c_void) {}
    let allocator = crate::Allocator { alloc: give, release: keep, context: core::ptr::null_mut() };
    let mut out = ValueV1::NONE;
    unsafe { convert::export(&run, h, &raw const allocator, &raw mut out) }.expect("there is memory");
    let back = unsafe { convert::import(&mut run, &raw const out) }.expect("well-formed");
    let (a, b) = (run.get(h).expect("it is there"), run.get(back).expect("it is there"));
    let strings = |o: &Object| o.items().and_then(|i| i[1].array()?.handles());
    assert_eq!(strings(&a), strings(&b));
}

/// What ONNX Runtime gives for the same strings.
#[test]
fn strings_are_hashed() {
    let mut run = Run::new();
    let x = strings_of(&mut run, &[7, 1], &["", "a", "ab", "abc", "abcd", "abcdefghi", "äö"]);
    let mut hash = |seed: i64, positive: i64| {
        let y = call(&mut run, "onnxc_rt_string_hash", &[x, seed, positive]).expect("strings");
        let y = run.get(y).expect("an object");
        let y = y.array().expect("a tensor");
        (y.dtype, y.dims.clone(), y.ints().expect("integers"))
    };
    let unsigned = [0, 1009084850, 2613040991, 3017643002, 1139631978, 1108608752, 1825177928];
    assert_eq!(hash(0, 1), (12, alloc::vec![7, 1], unsigned.to_vec()));
    let signed = [142593372, -1293573533, -684913081, 1313807976, -396302900, 1076080772, -631251692];
    assert_eq!(hash(42, 0), (6, alloc::vec![7, 1], signed.to_vec()));
}
