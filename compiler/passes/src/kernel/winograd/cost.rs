//! Whether a convolution pays in the transformed domain, and in which form.
//!
//! Cycles of the transforms and the bandwidth of weights that the second-level cache can't hold are measured ones of
//! cores with two multiply-add units; only the ranking counts.

use super::find::Conv;
use super::form::{Form, Line, is_long};
use super::traffic::{Size, cut};
use crate::from_kernel::Machine;
use onnxc_ir::kernel::Kernel;

/// Fewest channels for which lanes of the transforms are full.
const FEWEST: i64 = 16;
/// The share of the peak that products and direct sums reach.
const EFFICIENCY: f64 = 0.95;
/// Bytes a cycle of weights that come from beyond the second-level cache.
const STREAM: f64 = 5.5;

/// Cycles to copy an element of the data to where lanes of its transform find it.
const COPY: f64 = 1.5;

/// A way to compute it: the form, cycles of the two transforms of a tile for one vector.
type Way = (Form, f64, f64);

const SQUARES: [Way; 3] =
    [(Form::square(4, 3), 213.0, 110.0), (Form::square(2, 3), 90.0, 45.0), (Form::square(4, 5), 380.0, 180.0)];

/// The forms along one axis.
const LINES: [(Line, f64, f64); 4] = [
    (Line { m: 4, taps: 3 }, 36.0, 21.0),
    (Line { m: 4, taps: 5 }, 48.0, 28.0),
    (Line { m: 5, taps: 5 }, 76.0, 38.0),
    (Line { m: 6, taps: 5 }, 88.0, 44.0),
];

/// The ways to compute a kernel of so many taps.
fn ways(taps: [i64; 2]) -> Vec<Way> {
    // The only axis with taps, or rows alone: few channels don't make up for the transforms of both.
    let only = taps.iter().position(|t| *t == 1).map_or(0, |still| 1 - still);
    let line = |(l, into, out): (Line, f64, f64)| {
        let mut form = [Line::DIRECT; 2];
        form[only] = l;
        (Form(form), into, out)
    };
    let squares = SQUARES.into_iter().filter(|_| !taps.contains(&1));
    let lines = LINES.into_iter().filter(|l| taps.contains(&1) || l.0.taps > 3).map(line);
    squares.chain(lines).filter(|way| way.0.covers(taps)).collect()
}

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
    /// The result's channels are outside of its rows.
    pub planar: bool,
    /// Outputs and taps along axes that can't be transformed.
    pub slices: [i64; 2],
}

/// True if lanes of the data's transform can't go across its channels.
pub(super) fn planar(channels_last: bool, channels: i64) -> bool {
    !channels_last || channels < FEWEST
}

/// Outputs, estimated where they aren't known, and taps along the axes outside of rows that have taps.
pub(super) fn slices(kernel: &Kernel, conv: &Conv) -> [i64; 2] {
    let outputs = conv.slices.iter().map(|s| kernel.ranges.estimate(&conv.outer[s.axis].extent));
    [outputs.product(), conv.slice_taps()]
}

/// The form for a convolution in a kernel, if it pays.
pub(super) fn choose(kernel: &Kernel, conv: &Conv, machine: Machine) -> Option<Form> {
    let extents = conv.extents(kernel).map(|e| kernel.ranges.estimate(&e));
    let (taps, channels) = (conv.taps(), conv.channels());
    let slices = slices(kernel, conv);
    Work { taps, channels, extents, channels_last: conv.channels_last, planar: conv.planar, slices }.form(machine)
}

impl Work {
    /// The form that takes the fewest cycles, if that beats a direct sum.
    pub fn form(&self, machine: Machine) -> Option<Form> {
        let lanes = f64::from(machine.vector_bits / 32);
        let ([ic, oc], planar) = (self.channels, planar(self.channels_last, self.channels[0]));
        // Other tiles give other roundings: the choice is that for one thread, however many there are.
        let machine = Machine { threads: 1, ..machine };
        if self.planar {
            return self.form_of_planes(machine);
        }
        // Where memory is scarce, transformed weights and tiles are memory and code that isn't there. Planar data must be
        // copied first: only a long kernel makes up for that, and of one row or column none.
        let copies = is_long(self.taps) && !self.taps.contains(&1);
        if machine.memory.scarce || lanes < 4.0 || oc < FEWEST || (planar && !copies) {
            return None;
        }
        let [h, w] = self.extents;
        let (i, o) = (ic as f64, oc as f64);
        let fma = 2.0 * lanes * EFFICIENCY;
        let stream = |bytes: f64| if bytes > f64::from(machine.l2_bytes) { bytes / STREAM } else { 0.0 };
        let [slices, depth] = self.slices.map(|n| n as f64);
        let taps = self.taps.iter().product::<i64>() as f64 * depth;
        let mut best = (slices * (h * w) as f64 * taps * i * o / fma + stream(taps * i * o * 4.0), None);
        for (form, into, out) in ways(self.taps) {
            let (m, parts) = (form.m(), form.parts(self.taps));
            let tiles = [0, 1].map(|t| (self.extents[t] + m[t] - 1) / m[t]);
            let size =
                Size { tiles, parts, form, inputs: ic, outputs: oc, lanes: 1, slices: self.slices, planar: false };
            let products = form.points().iter().chain(&parts).product::<i64>() as f64 * depth;
            let columns = tiles[1] as f64;
            let tiles = tiles.iter().product::<i64>() as f64 * slices;
            let copy = match m[1] {
                _ if !planar => 0.0,
                // Whole rows, if at all.
                1 => m[0] as f64 * i * COPY / lanes,
                _ => (m[0] * m[1]) as f64 * i * COPY,
            };
            // Vectors of data for each tile.
            let vectors = match planar {
                false => (i / lanes).ceil(),
                true if columns < lanes => (i * (columns + 1.0) / lanes).ceil() / columns,
                true => i * (columns / lanes).ceil() / columns,
            };
            let (_, waits) = cut(machine, &size);
            let transforms = into * vectors + out * (o / lanes).ceil();
            let cost = tiles * (products * i * o / fma + copy + transforms) + waits;
            if cost < best.0 {
                best = (cost, Some(form));
            }
        }
        best.1
    }

    /// The same where both data and result are planar: rows are transformed, and columns go across lanes all the way.
    fn form_of_planes(&self, machine: Machine) -> Option<Form> {
        let lanes = f64::from(machine.vector_bits / 32);
        if machine.memory.scarce || lanes < 4.0 || self.channels_last || self.taps.contains(&1) {
            return None;
        }
        let [i, o] = self.channels.map(|n| n as f64);
        let [h, w] = self.extents.map(|n| n as f64);
        let vectors = (w / lanes).ceil();
        let halves = f64::from(machine.vector_bits) / f64::from(machine.vector_bits.min(machine.unit_bits));
        // Of one tap along rows, for a row of points.
        let products = self.taps[1] as f64 * i * o * vectors * halves / (2.0 * EFFICIENCY);
        let mut best = (h * self.taps[0] as f64 * products, None);
        for (line, into, out) in LINES {
            let form = Form([line, Line::DIRECT]);
            if !form.covers(self.taps) {
                continue;
            }
            let tiles = (h / line.m as f64).ceil();
            let points = (line.points() * line.parts(self.taps[0])) as f64;
            let copy = line.m as f64 * i * COPY;
            let cost = tiles * (points * products + (copy + into * i + out * o) * vectors);
            if cost < best.0 {
                best = (cost, Some(form));
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
        let machine = |threads| Machine { threads, l2_bytes: 512 << 10, l3_bytes: 8 << 20, ..Machine::USUAL };
        for (n, i, o) in (4..60).flat_map(|n| [(n, 16, 64), (n, 32, 128), (n, 48, 192), (n, 256, 256), (n, 512, 512)]) {
            let work = Work {
                taps: [3, 3],
                channels: [i, o],
                extents: [n, n],
                channels_last: true,
                planar: false,
                slices: [1, 1],
            };
            let alone = work.form(machine(1));
            assert!([2, 3, 4, 8].iter().all(|t| work.form(machine(*t)) == alone), "{n} x {n}, {i} to {o}");
        }
    }
}
