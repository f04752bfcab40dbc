//! Whether a convolution pays in the transformed domain, and by how large a tile.
//!
//! Cycles of the transforms and the bandwidth of weights that the second-level cache can't hold are measured ones of
//! cores with two multiply-add units; only the ranking counts.

use super::TAPS;
use super::find::{Conv, parts};
use super::traffic::{Size, cut};
use crate::from_kernel::Machine;
use onnxc_ir::kernel::Kernel;

/// Fewest channels for which lanes of the transforms are full.
const FEWEST: i64 = 16;
/// The share of the peak that products and direct sums reach.
const EFFICIENCY: f64 = 0.95;
/// Bytes a cycle of weights that come from beyond the second-level cache.
const STREAM: f64 = 5.5;

/// A way to compute it: outputs of a tile along an axis, cycles of the two transforms of a tile for one vector of
/// channels.
type Way = (i64, f64, f64);

/// Kernels of three taps.
const SMALL: [Way; 2] = [(4, 213.0, 110.0), (2, 90.0, 45.0)];
/// Longer ones are sums of such kernels, as far apart as a tile is large, which so share the transforms of the data.
const NESTED: [Way; 1] = [(3, 140.0, 75.0)];

/// What the estimate knows of a convolution.
pub(super) struct Work {
    /// Taps along rows and columns.
    pub taps: [i64; 2],
    /// Input and output channels.
    pub channels: [i64; 2],
    /// Rows and columns of the output, estimated where they aren't known.
    pub extents: [i64; 2],
    /// The data's channels are its innermost dim.
    pub channels_last: bool,
}

/// The tile for a convolution in a kernel, if it pays.
pub(super) fn choose(kernel: &Kernel, conv: &Conv, machine: Machine) -> Option<i64> {
    let extents = conv.extents(kernel).map(|e| kernel.ranges.estimate(&e));
    let (taps, channels) = (conv.taps(), conv.channels());
    Work { taps, channels, extents, channels_last: conv.channels_last }.tile(machine)
}

impl Work {
    /// The tile that takes the fewest cycles, if that beats a direct sum.
    pub fn tile(&self, machine: Machine) -> Option<i64> {
        let lanes = f64::from(machine.vector_bits / 32);
        let ([ic, oc], parts) = (self.channels, parts(self.taps));
        let nested = parts != [1, 1];
        // Other tiles give other roundings: the choice is that for one thread, however many there are.
        let machine = Machine { threads: 1, ..machine };
        let scalar = !self.channels_last || ic < FEWEST;
        // Where memory is scarce, transformed weights and tiles are memory and code that isn't there. The transforms of few
        // channels go one element after the other: only a long kernel makes up for that.
        if machine.memory.scarce || lanes < 4.0 || oc < FEWEST || (scalar && !(nested && ic < FEWEST)) {
            return None;
        }
        let [h, w] = self.extents;
        let (i, o) = (ic as f64, oc as f64);
        let fma = 2.0 * lanes * EFFICIENCY;
        let vectors = |c: f64| (c / lanes).ceil();
        let stream = |bytes: f64| if bytes > f64::from(machine.l2_bytes) { bytes / STREAM } else { 0.0 };
        let taps = self.taps.iter().product::<i64>() as f64;
        let mut best = ((h * w) as f64 * taps * i * o / fma + stream(taps * i * o * 4.0), None);
        for (m, into, out) in if nested { &NESTED[..] } else { &SMALL[..] } {
            let along = |n: i64| (n + m - 1) / m;
            let size = Size { tiles: [h, w].map(along), parts, m: *m, inputs: ic, outputs: oc };
            let points = ((m + TAPS - 1) * (m + TAPS - 1) * parts[0] * parts[1]) as f64;
            let tiles = (along(h) * along(w)) as f64;
            let into = if scalar { into * i } else { into * vectors(i) };
            let (_, waits) = cut(machine, &size);
            let cost = tiles * (points * i * o / fma + into + out * vectors(o)) + waits;
            if cost < best.0 {
                best = (cost, Some(*m));
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Results are the same bits for any number of threads.
    #[test]
    fn threads_have_no_say_in_tiles() {
        let machine = |threads| Machine { threads, l2_bytes: 512 << 10, ..Machine::USUAL };
        for (n, i, o) in (4..60).flat_map(|n| [(n, 16, 64), (n, 32, 128), (n, 48, 192), (n, 256, 256), (n, 512, 512)]) {
            let work = Work { taps: [3, 3], channels: [i, o], extents: [n, n], channels_last: true };
            let alone = work.tile(machine(1));
            assert!([2, 3, 4, 8].iter().all(|t| work.tile(machine(*t)) == alone), "{n} x {n}, {i} to {o}");
        }
    }
}
