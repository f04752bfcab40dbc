//! Where the planes and the rows of scratch memory begin.
//!
//! Does NOT move what a kernel is given or gives: that is row-major.

use super::row_major;
use onnxc_base::Sym;

/// Distances of so many bytes, a quarter of what the sets of the usual first-level cache repeat after.
const ALIASED: i64 = 1 << 10;
/// The fewest planes that are kept apart.
const PLANES: i64 = 4;
/// Bytes of a line of the usual cache.
const LINE: i64 = 64;
/// The fewest lines of a row that begins at one: what that leaves unused is little beside them.
const LINES: i64 = 16;

/// The strides of scratch memory: row-major, but for long rows, which begin at lines, or each vector of most of them would
/// lie in two; and for planes (all but the last two dims) whose distance is a multiple of [`ALIASED`] bytes. Those are a
/// line further apart, or the same place of many planes, read or written one after the other as transforms do, would share
/// a few sets of the first-level cache.
pub(super) fn spread(shape: &[Sym], size: i64) -> Vec<Sym> {
    let mut strides = row_major(shape);
    if let [.., _, row] = shape
        && let Some(bytes) = row.as_int().map(|n| n * size).filter(|b| *b > LINES * LINE && b % LINE != 0)
    {
        let whole = (bytes / LINE + 1) * LINE;
        // What sets repeat after is no better a distance of rows than of planes.
        strides[shape.len() - 2] = Sym::int((whole + if whole % ALIASED == 0 { LINE } else { 0 }) / size);
    }
    for d in (0..shape.len().saturating_sub(2)).rev() {
        strides[d] = &strides[d + 1] * &shape[d + 1];
        let aliased = strides[d].as_int().is_some_and(|n| n > 0 && n * size % ALIASED == 0);
        if aliased && shape[d].as_int().is_none_or(|n| n >= PLANES) {
            strides[d] = &strides[d] + LINE / size;
        }
    }
    strides
}

/// How many elements a tensor of such strides takes.
pub(super) fn elements(shape: &[Sym], strides: &[Sym]) -> Sym {
    shape.first().zip(strides.first()).map_or(Sym::int(1), |(n, stride)| n * stride)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_do_not_share_sets() {
        let strides = |shape: &[i64]| -> Vec<i64> {
            let shape: Vec<Sym> = shape.iter().map(|n| Sym::int(*n)).collect();
            spread(&shape, 4).iter().map(|s| s.as_int().expect("known")).collect()
        };
        assert_eq!(strides(&[8, 8, 8, 64]), [8 * (8 * 64 + 16), 8 * 64 + 16, 64, 1], "2 KiB apart, and a line");
        assert_eq!(strides(&[8, 8, 7, 24]), [8 * 7 * 24, 7 * 24, 24, 1], "nothing repeats");
        assert_eq!(strides(&[2, 8, 64]), [8 * 64, 64, 1], "two planes");
        assert_eq!(strides(&[9, 1500]), [1504, 1], "rows begin at lines");
        assert_eq!(strides(&[9, 1530]), [1552, 1], "but not where they would share sets");
        assert_eq!(strides(&[9, 1536]), [1536, 1]);
        assert_eq!(strides(&[9, 225]), [225, 1], "short rows");
    }
}
