//! How a convolution in the transformed domain is cut, by what that moves to and from the core.
//!
//! In *blocks* of tiles the transformed data and a panel of products stay in the second-level cache, and the transformed
//! weights are read once for each block. As a *whole* the weights are read once; all transformed data and products
//! are written to memory and read again. The larger the weights and the fewer the tiles, the better the whole.
//!
//! Bandwidths are measured ones; only the ranking counts. Does NOT count arithmetic.

use super::form::Form;
use crate::from_kernel::Machine;
use crate::kernel::tile::NEAR_BYTES;

/// Bytes a cycle of weights from memory.
const FAR: f64 = 5.5;
/// Bytes a cycle of weights that the last-level cache has kept from the block before.
const NEAR: f64 = 11.0;
/// Cycles for each byte of transformed data and products that is written behind the second-level cache and read again: parts
/// of lines in as many places as there are points.
const PLANES: f64 = 1.1;
/// Vectors of a panel of products.
const PANEL: i64 = 3;

/// What is cut.
pub(super) struct Size {
    /// Tiles along rows and columns, estimated where they aren't known.
    pub tiles: [i64; 2],
    /// Parts of the kernel along its rows and columns.
    pub parts: [i64; 2],
    /// Outputs of a tile, taps of a part.
    pub form: Form,
    /// Channels of the data.
    pub inputs: i64,
    /// Channels of the result.
    pub outputs: i64,
    /// Columns of tiles that are transformed at once.
    pub lanes: i64,
    /// Outputs and taps along the axes outside of rows that have taps; one and one if there are none.
    pub slices: [i64; 2],
    /// The result's channels are outside of its rows: lanes of the products are columns, too.
    pub planar: bool,
}

/// The ways to cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Blocks of so many rows and columns of tiles.
    Blocks([i64; 2]),
    /// One transform after the other, each for all tiles.
    Whole,
}

impl Size {
    fn points(&self) -> i64 {
        self.form.points().iter().product()
    }

    /// Bytes of the transformed data of so many rows and columns of tiles, for one output along the axes outside.
    fn data(&self, tiles: [i64; 2]) -> i64 {
        self.slices[1] * self.slice(tiles)
    }

    /// The same of one slice.
    fn slice(&self, [rows, columns]: [i64; 2]) -> i64 {
        4 * (rows + self.parts[0] - 1) * (columns + self.parts[1] - 1) * self.points() * self.inputs
    }

    /// True if the transformed weights stay in the first-level cache: reading them for each block costs nothing.
    fn near(&self) -> bool {
        self.weight_bytes() <= NEAR_BYTES
    }

    fn weight_bytes(&self) -> i64 {
        4 * self.points() * self.slices[1] * self.parts[0] * self.parts[1] * self.inputs * self.outputs
    }

    /// Cycles to read the transformed weights so many times.
    fn weights(&self, machine: Machine, times: i64) -> f64 {
        let bytes = self.weight_bytes();
        if bytes <= i64::from(machine.l2_bytes) {
            return 0.0;
        }
        let again = if bytes > i64::from(machine.l3_bytes) { FAR } else { NEAR };
        bytes as f64 / FAR + (times - 1) as f64 * bytes as f64 / again
    }
}

/// The best way, and the cycles that it waits for memory.
pub(super) fn cut(machine: Machine, size: &Size) -> (Cut, f64) {
    let [rows, columns] = size.tiles;
    let panel = if size.planar { size.outputs } else { PANEL * i64::from(machine.vector_bits / 32) };
    let blocks = block(machine, size, panel, 0);
    let ceil = |a: i64, b: i64| (a + b - 1) / b;
    let [slices, taps] = size.slices;
    let times = slices * ceil(rows, blocks[0]) * ceil(columns, blocks[1]);
    let in_blocks = size.weights(machine, times);
    let products = 4 * rows * columns * size.points() * size.outputs;
    let planes = (slices + taps - 1) * size.slice([rows, columns]) + slices * products;
    let whole = size.weights(machine, 1) + planes as f64 * PLANES;
    if whole < in_blocks { (Cut::Whole, whole) } else { (Cut::Blocks(blocks), in_blocks) }
}

/// Rows and columns of tiles of a block: what is kept of them between the transforms fills a third of the cache. `kept`
/// are the channels of the result if that is kept as well.
pub(super) fn block(machine: Machine, size: &Size, panel: i64, kept: i64) -> [i64; 2] {
    let products = size.points() * panel + size.form.m().iter().product::<i64>() * kept;
    let bytes = |rows: i64, columns: i64| size.data([rows, columns]) + 4 * rows * columns * products;
    let most = if size.near() { NEAR_BYTES } else { i64::from(machine.l2_bytes) / 3 };
    // At least as many as fill a register tile.
    let fits = |rows: i64, columns: i64| rows * columns <= 8 || bytes(rows, columns) <= most;
    // Blocks that are as equal as can be.
    let ceil = |a: i64, b: i64| (a + b - 1) / b;
    let equal = |n: i64, most: i64| ceil(n, ceil(n, most.max(1)));
    let most_of = |n: i64, fits: &dyn Fn(i64) -> bool| (1..=n).take_while(|k| fits(*k)).last().unwrap_or(1);
    let [rows, columns] = size.tiles;
    let most = most_of(columns, &|k| fits(1, k));
    // What lies between two parts is transformed for both blocks; a whole number of vectors, with that.
    let (between, lanes) = (if size.planar { 0 } else { size.parts[1] - 1 }, size.lanes.max(1));
    let vectors = (most + between) / lanes;
    let wide = if most < columns && lanes > 1 && vectors * lanes > between {
        vectors * lanes - between
    } else {
        equal(columns, most)
    };
    let high = if wide == columns { most_of(rows, &|k| fits(k, columns)) } else { 1 };
    // As many blocks for each thread.
    let blocks = ceil(rows, high) as u64;
    let blocks = blocks.next_multiple_of(u64::from(machine.threads.max(1))) as i64;
    [ceil(rows, blocks.min(rows)), wide]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pixels: i64, channels: i64, m: i64) -> Cut {
        let machine = Machine { l2_bytes: 512 << 10, l3_bytes: 8 << 20, ..Machine::USUAL };
        let tiles = [(pixels + m - 1) / m; 2];
        cut(
            machine,
            &Size {
                tiles,
                parts: [1, 1],
                form: Form::square(m, 3),
                inputs: channels,
                outputs: channels,
                lanes: 1,
                slices: [1, 1],
                planar: false,
            },
        )
        .0
    }

    /// Layers that were measured both ways.
    #[test]
    fn large_weights_are_read_once_and_many_tiles_stay_in_the_cache() {
        let wholes = [(7, 512, 2), (14, 512, 4), (28, 512, 4), (56, 256, 4)];
        assert!(wholes.iter().all(|&(n, c, m)| of(n, c, m) == Cut::Whole));
        let blocks = [(28, 128, 4), (56, 64, 4), (112, 128, 4), (224, 64, 4)];
        assert!(blocks.iter().all(|&(n, c, m)| matches!(of(n, c, m), Cut::Blocks(_))));
    }

    #[test]
    fn blocks_are_equal() {
        let size = Size {
            tiles: [7, 7],
            parts: [1, 1],
            form: Form::square(4, 3),
            inputs: 64,
            outputs: 64,
            lanes: 1,
            slices: [1, 1],
            planar: false,
        };
        assert_eq!(block(Machine { l2_bytes: 512 << 10, l3_bytes: 8 << 20, ..Machine::USUAL }, &size, 24, 0), [1, 7]);
    }

    #[test]
    fn columns_across_lanes_fill_vectors_with_what_is_between_parts() {
        let form = Form::square(4, 5);
        let size = Size {
            tiles: [192; 2],
            parts: [2, 2],
            form,
            inputs: 3,
            outputs: 64,
            lanes: 8,
            slices: [1, 1],
            planar: false,
        };
        assert_eq!(block(Machine { l2_bytes: 512 << 10, l3_bytes: 8 << 20, ..Machine::USUAL }, &size, 64, 64), [1, 7]);
    }
}
