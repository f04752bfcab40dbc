//! Sums of products of packed bytes, where indices are believed (`--unsafe-fast`): SMLAD of Cortex-M4, M7 and M33, by
//! `core::arch::asm`, as stable Rust has no names for the instructions.
//!
//! Four bytes are two registers of two halves each: elements 0 and 2, 1 and 3. On other processors the same text computes with
//! the halves one by one. All give the same bits: sums wrap.

use crate::helpers::memory_type;
use onnxc_base::DType;
use onnxc_source::helpers::Helpers;

/// What halves are in plain Rust.
const SMLAD: &str = "#[cfg(not(target_arch = \"arm\"))]
#[inline(always)]
fn smlad(a: u32, b: u32, c: i32) -> i32 {
    let low = i32::from(a as i16) * i32::from(b as i16);
    c.wrapping_add(low).wrapping_add(((a as i32) >> 16) * ((b as i32) >> 16))
}

#[cfg(target_arch = \"arm\")]
#[inline(always)]
fn smlad(a: u32, b: u32, mut c: i32) -> i32 {
    // SAFETY: it computes with registers alone.
    unsafe { core::arch::asm!(\"smlad {0}, {1}, {2}, {0}\", inout(reg) c, in(reg) a, in(reg) b, options(pure, nomem, nostack)) };
    c
}";

/// The text of a load; `$N` is the type's name, `$T` the element's, `$S` the instruction's first letter.
const LOAD: &str = "/// Elements 0 and 2, 1 and 3, each in half of a register.
#[derive(Clone, Copy)]
struct $N {
    even: u32,
    odd: u32,
}

#[inline(always)]
fn load_$Tx4(x: &[$T], at: usize) -> $N {
    // SAFETY: onnxc has proven that four elements are there.
    halves_$T(unsafe { core::ptr::read_unaligned(x.as_ptr().add(at).cast::<u32>()) })
}

#[cfg(not(target_arch = \"arm\"))]
#[inline(always)]
fn halves_$T(word: u32) -> $N {
    let [a, b, c, d] = word.to_le_bytes().map(|v| u32::from(i16::from(v as $T) as u16));
    $N { even: a | c << 16, odd: b | d << 16 }
}

#[cfg(target_arch = \"arm\")]
#[inline(always)]
fn halves_$T(word: u32) -> $N {
    let (even, odd): (u32, u32);
    // SAFETY: it computes with registers alone.
    unsafe {
        core::arch::asm!(\"$Sxtb16 {0}, {2}\", \"$Sxtb16 {1}, {2}, ror #8\", out(reg) even, lateout(reg) odd, in(reg) word,
            options(pure, nomem, nostack))
    };
    $N { even, odd }
}";

/// The name of the type of four packed bytes; its definition will be in the file.
pub(crate) fn operand(helpers: &mut Helpers, d: DType) -> String {
    let name = if d.is_signed_int() { "I8x4" } else { "U8x4" };
    let letter = if d.is_signed_int() { "s" } else { "u" };
    helpers.add(name, || LOAD.replace("$N", name).replace("$T", memory_type(d)).replace("$S", letter));
    name.into()
}

/// A call that loads four bytes.
pub(crate) fn load(helpers: &mut Helpers, d: DType, from: &str, at: &str) -> String {
    operand(helpers, d);
    format!("load_{}x4(&{from}, {at})", memory_type(d))
}

/// A call that adds the products of packed bytes to a sum.
pub(crate) fn dot(helpers: &mut Helpers, (a, x): (DType, &str), (b, y): (DType, &str), c: &str) -> String {
    let (p, q) = (operand(helpers, a), operand(helpers, b));
    helpers.add("smlad", || SMLAD.into());
    let name = format!("dot_{a}_{b}_x4");
    helpers.add(&name, || {
        format!(
            "#[inline(always)]\nfn {name}(a: {p}, b: {q}, c: i32) -> i32 {{\n    smlad(a.odd, b.odd, smlad(a.even, b.even, c))\n}}"
        )
    });
    format!("{name}({x}, {y}, {c})")
}
