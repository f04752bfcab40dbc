//! Colours to the output, in the node's pixel format.

use crate::code::{Int, Memory};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Rgb,
    Bgr,
    Gray,
}

/// The output.
#[derive(Clone, Copy)]
pub(super) struct Pixels<'c> {
    out: Memory<'c>,
    order: Order,
}

impl<'c> Pixels<'c> {
    pub fn new(out: Memory<'c>, format: &str) -> Self {
        let order = match format {
            "BGR" => Order::Bgr,
            "Grayscale" => Order::Gray,
            _ => Order::Rgb,
        };
        Pixels { out, order }
    }

    pub fn out(&self) -> Memory<'c> {
        self.out
    }

    /// How many bytes a pixel has.
    pub fn channels(&self) -> i64 {
        if self.order == Order::Gray { 1 } else { 3 }
    }

    /// Pixel `i` is pixel `k` of such an image.
    pub fn copy(&self, i: Int<'c>, from: Memory<'c>, k: Int<'c>) {
        let n = self.channels();
        (0..n).for_each(|part| self.out.put(i * n + part, from.at(k * n + part)));
    }

    /// Makes the first `count` pixels black.
    pub fn clear(&self, count: Int<'c>) {
        self.out.fill(0, count * self.channels(), 0);
    }

    /// Pixel `i` of an image that has its own luma, which Grayscale is then.
    pub fn put_with_luma(&self, i: Int<'c>, luma: Int<'c>, rgb: [Int<'c>; 3]) {
        match self.order {
            Order::Gray => self.out.put(i, luma),
            _ => self.put(i, rgb),
        }
    }

    /// Pixel `i` of the image, rows first. Grayscale is ITU-R BT.601's luma in fixed point of 16 bits, rounded, as Pillow's
    /// `convert("L")` has it.
    pub fn put(&self, i: Int<'c>, [r, g, b]: [Int<'c>; 3]) {
        let three = match self.order {
            Order::Rgb => [r, g, b],
            Order::Bgr => [b, g, r],
            Order::Gray => {
                let luma = r * 19595 + g * 38470 + b * 7471 + 0x8000;
                return self.out.put(i, luma >> 16);
            }
        };
        for (k, v) in three.into_iter().enumerate() {
            self.out.put(i * 3 + k as i64, v);
        }
    }
}
