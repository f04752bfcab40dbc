//! The encoded stream, and what its header says.

use super::BROKEN;
use crate::code::{Bool, Code, Int, Memory, Whole};
use onnxc_base::DType;

/// The bytes. What lies outside of them reads as 0.
#[derive(Clone, Copy)]
pub(super) struct Stream<'c> {
    pub c: &'c Code,
    pub data: Memory<'c>,
    pub len: Int<'c>,
}

impl<'c> Stream<'c> {
    /// No decoder is called for fewer bytes.
    pub const LEAST: i64 = 8;

    pub fn parameter(c: &'c Code) -> Self {
        Stream { c, data: c.memory("data", DType::U8, false), len: c.number("len") }
    }

    /// Byte `i`.
    pub fn byte(&self, i: impl Whole<'c>) -> Int<'c> {
        let i = self.c.int(0) + i;
        let inside = i.ge(0) & i.lt(self.len);
        inside.pick(self.data.at(inside.pick(i, 0)), 0)
    }

    /// `count` bytes from `i` on as a number, the highest first.
    pub fn big(&self, i: impl Whole<'c>, count: i64) -> Int<'c> {
        let first = self.byte(i);
        (1..count).fold(first, |v, k| (v << 8) | self.byte(self.c.int(k) + i))
    }

    /// The same, the lowest first.
    pub fn little(&self, i: impl Whole<'c>, count: i64) -> Int<'c> {
        let first = self.byte(i);
        (1..count).fold(first, |v, k| v | (self.byte(self.c.int(k) + i) << (8 * k)))
    }

    /// 4 bytes, the lowest first, as a signed number.
    pub fn signed(&self, i: impl Whole<'c>) -> Int<'c> {
        (self.little(i, 4) ^ (1 << 31)) - (1 << 31)
    }

    /// Are these the bytes from `i` on?
    pub fn has(&self, i: i64, bytes: &[u8]) -> Bool<'c> {
        bytes.iter().enumerate().fold(self.c.truth(true), |all, (k, b)| all & self.byte(i + k as i64).eq(i64::from(*b)))
    }

    /// Is it of a known format that has no decoder: GIF?
    pub fn other_format(&self) -> Bool<'c> {
        self.has(0, b"GIF8")
    }
}

/// What the header says, in memory.
#[derive(Clone, Copy)]
pub(super) struct Info<'c> {
    c: &'c Code,
    memory: Memory<'c>,
}

impl<'c> Info<'c> {
    /// How many numbers there are: facts, and what a probe works in.
    pub const LEN: u32 = 8 + 64;
    /// The first number that a probe works in.
    pub const SCRATCH: i64 = 8;
    /// 0: none.
    pub const FORMAT: i64 = 0;
    pub const WIDTH: i64 = 1;
    pub const HEIGHT: i64 = 2;
    /// Bytes and i16 that the decoder works in.
    pub const BYTES: i64 = 3;
    pub const HALVES: i64 = 4;
    /// i32 that the decoder works in.
    pub const WORDS: i64 = 5;
    /// Bytes of a stream and of an image inside of the image's.
    pub const INNER: i64 = 6;
    pub const INNER_IMAGE: i64 = 7;
    /// As many as most decoders need.
    pub const TABLES: i64 = 1 << 13;
    /// The number of what can't be decoded.
    pub const UNSUPPORTED: i64 = 255;
    /// The most pixels, and the most along an axis.
    const MOST: i64 = 1 << 28;

    pub fn parameter(c: &'c Code, mutable: bool) -> Self {
        Info::of(c, c.memory("info", DType::I64, mutable))
    }
    pub fn of(c: &'c Code, memory: Memory<'c>) -> Self {
        Info { c, memory }
    }
    pub fn memory(&self) -> Memory<'c> {
        self.memory
    }
    pub fn get(&self, k: i64) -> Int<'c> {
        self.memory.at(k)
    }
    pub fn set(&self, k: i64, v: impl Whole<'c>) {
        self.memory.put(k, v);
    }
    pub fn clear(&self) {
        (0..Self::SCRATCH).for_each(|k| self.set(k, 0));
    }

    /// Leaves the function: the stream isn't decoded, if a condition holds.
    pub fn refuse_if(&self, cond: Bool<'c>) {
        self.c.when(cond, || {
            self.set(Self::FORMAT, Self::UNSUPPORTED);
            self.c.leave_with(0);
        });
    }

    /// Leaves the function: the stream is broken, if a condition holds.
    pub fn break_if(&self, cond: Bool<'c>) {
        self.c.when(cond, || self.c.leave_with(0));
    }

    /// Leaves the function unless the size is that of an image; afterwards no product of it and a few bytes overflows.
    pub fn check_size(&self, width: Int<'c>, height: Int<'c>) {
        self.break_if(width.le(0) | height.le(0));
        self.refuse_if(width.gt(Self::MOST) | height.gt(Self::MOST));
        self.refuse_if((width * height).gt(Self::MOST));
    }

    /// Leaves the function if so many bytes can't come out of the stream, whose method makes of a byte at most so many. So
    /// no small stream asks for much memory. DEFLATE has 1032 (258 bytes of two bits), LZW below 4096 (a code of 12 bits).
    pub fn check_ratio(&self, total: Int<'c>, s: &Stream<'c>, most: i64) {
        self.break_if(total.gt(s.len * most));
    }

    /// The size and what the decoder needs.
    pub fn accept(&self, width: Int<'c>, height: Int<'c>, bytes: impl Whole<'c>, halves: impl Whole<'c>) {
        self.set(Self::WIDTH, width);
        self.set(Self::HEIGHT, height);
        self.set(Self::BYTES, bytes);
        self.set(Self::HALVES, halves);
        self.set(Self::WORDS, Self::TABLES);
    }
}

/// Ends a decoder: the stream is broken, if a condition holds.
pub(super) fn broken_if(c: &Code, cond: Bool) {
    c.fail_if(cond, BROKEN);
}
