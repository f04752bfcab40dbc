//! Numbers to bytes, as Pillow converts its modes.

use crate::code::Int;

/// `v` of `most`, as a number up to `full`: rounded to the nearest, to the even one of two.
pub(super) fn scaled<'c>(v: Int<'c>, most: Int<'c>, full: i64) -> Int<'c> {
    let (above, below) = (v * (2 * full) + most, most * 2);
    let q = above.over(below);
    q - ((q * below).eq(above).int() & q)
}

/// The whole part of a float of 32 bits, if it is in 0 .. 255; 255 for those above, 0 for all others.
pub(super) fn float(v: Int<'_>) -> Int<'_> {
    let exponent = (v >> 23) & 255;
    let fraction = v & 0x7f_ffff;
    let inside = (fraction | 0x80_0000) >> (v.constant(150) - exponent).max(0).min(63);
    let nan = exponent.eq(255) & fraction.ne(0);
    let none = (v >> 31).ne(0) | exponent.lt(127) | nan;
    none.pick(0, exponent.ge(135).pick(255, inside.min(255)))
}

/// Red of cyan, green of magenta or blue of yellow, for so much black.
pub(super) fn ink<'c>(v: Int<'c>, black: Int<'c>) -> Int<'c> {
    let left = v.constant(255) - black;
    let both = v * left + 128;
    left - (((both >> 8) + both) >> 8)
}
