//! Cuts of a number of rows that only a run knows, and that is mostly small, into tiles of several sizes.
//!
//! About equal tiles need many rows: 7 rows in tiles of up to 6 are two of 5, and 4 are done one by one. So rows that don't
//! fill about equal tiles of a size go in smaller ones: 7 are 4 and 3. Which size it is, is asked once, and first of all
//! whether there are one or two, which are one tile and no loop: few rows don't pay for the loops of many. Where several
//! threads share blocks out, these have numbers: there the loops of all sizes follow each other, and those of all sizes but
//! one are empty.
//!
//! Does NOT say for which loops the code of more tiles is worth it (`kernel::few`).

use super::Cx;
use super::cuts::{Kind, Part, cut, even_tiles};
use super::span::Domain;
use onnxc_base::sym::{Range, Symbol};
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Cut, Stage};
use onnxc_ir::loops::{CmpOp, Stmt, Value};
use onnxc_ir::scalar::BinOp;

/// Tiles of up to this size are the least: what fills no others goes in them.
const LEAST: u32 = 4;
/// Larger tiles are followed by those of this size, others by the next that share no size with them.
const LARGE: u32 = 16;
/// Of so many rows one may be computed twice.
const OVERLAP: i64 = 16;
/// How as many rows are cut as are less than the least tiles.
const FEW: Kind = Kind::Points { even: true, again: true };

/// The size of tiles for what doesn't fill those of a size and the next smaller one.
fn smaller(size: u32) -> u32 {
    if size > LARGE { LARGE } else { size - 2 }
}

/// Rows that are less than the least of the tiles which begin at a size.
fn few(mut size: u32) -> u32 {
    while size > LEAST {
        size = smaller(size);
    }
    size.saturating_sub(2).max(1)
}

/// Sizes and how many of each, for so many rows and tiles of at most `size`.
pub fn graded_tiles(rows: i64, mut size: u32) -> Vec<(u32, i64)> {
    let few = few(size);
    if size <= few || rows <= i64::from(few) {
        let most = i64::from(size.min(few));
        return [(most, rows / most), (1, rows % most)]
            .into_iter()
            .filter(|t| t.1 > 0)
            .map(|(s, n)| (s as u32, n))
            .collect();
    }
    let tiles = |size: u32| (rows + i64::from(size) - 1) / i64::from(size);
    let computed = |size: u32| i64::from(size - 1) * tiles(size);
    while size > LEAST && (rows < i64::from(size) - 1 || OVERLAP * computed(size) > (OVERLAP + 1) * rows) {
        size = smaller(size);
    }
    let large = (rows - computed(size)).max(0);
    [(size, large), (size - 1, tiles(size) - large)].into_iter().filter(|t| t.1 > 0).collect()
}

impl<'k> Cx<'k> {
    /// The length, under a name, that a loop cuts into tiles of several sizes, if it does.
    pub(super) fn graded_length(
        &mut self,
        stage: &Stage,
        at: usize,
        domain: &Domain,
    ) -> Result<Option<Sym>, Diagnostic> {
        let l = &stage.loops[at];
        let span = domain.get(&l.axis).ok_or_else(|| self.error(format!("no axis {}", l.axis)))?;
        let graded = l.cut == Cut::Graded && span.len.as_int().is_none();
        Ok(graded.then(|| self.named(&l.axis, &span.len)))
    }

    /// The loops over tiles of the size that a length fills.
    pub(super) fn graded(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        (len, size): (&Sym, u32),
        parallel: bool,
    ) -> Result<(), Diagnostic> {
        let few = few(size);
        if size <= few {
            return self.loop_over(stage, at, domain, &cut(len, size, FEW), parallel);
        }
        let [n, most] = [self.f.sym(len), self.f.int(i64::from(few))];
        let cond = self.f.compare(CmpOp::Le, n, most);
        self.either(
            cond,
            |cx| cx.fewest(stage, at, domain, (n, few), parallel),
            |cx| cx.filled(stage, at, domain, (len, size), parallel),
        )
    }

    /// The one tile of at most so many rows: no loop.
    fn fewest(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        (n, rows): (Value, u32),
        parallel: bool,
    ) -> Result<(), Diagnostic> {
        let size = self.f.int(i64::from(rows));
        let cond = self.f.compare(CmpOp::Ge, n, size);
        let tile = cut(&Sym::int(i64::from(rows)), rows, FEW);
        self.either(
            cond,
            |cx| cx.loop_over(stage, at, domain, &tile, parallel),
            |cx| if rows > 1 { cx.fewest(stage, at, domain, (n, rows - 1), parallel) } else { Ok(()) },
        )
    }

    /// The same of more than a few rows.
    fn filled(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        (len, size): (&Sym, u32),
        parallel: bool,
    ) -> Result<(), Diagnostic> {
        let tiles = even_tiles(len, i64::from(size));
        if size <= LEAST {
            return self.loop_over(stage, at, domain, &tiles, parallel);
        }
        let n = self.f.sym(len);
        let cond = self.fills(n, i64::from(size));
        self.either(
            cond,
            |cx| cx.loop_over(stage, at, domain, &tiles, parallel),
            |cx| cx.filled(stage, at, domain, (len, smaller(size)), parallel),
        )
    }

    /// One or the other.
    pub(super) fn either(
        &mut self,
        cond: Value,
        then: impl FnOnce(&mut Self) -> Result<(), Diagnostic>,
        els: impl FnOnce(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        self.f.open_block();
        let first = then(self);
        let then = self.f.close_block();
        self.f.open_block();
        let second = els(self);
        let els = self.f.close_block();
        self.f.stmt(Stmt::If { cond, then, els });
        first.and(second)
    }

    /// The tiles of all sizes, of which those of one size are there.
    pub(super) fn all_graded(&mut self, axis: &Symbol, len: Sym, block: u32) -> Vec<Part> {
        let (few, mut size) = (few(block), block);
        if size <= few {
            return cut(&len, size, FEW);
        }
        let [here, mut rest] = self.part_of(axis, &len, few, |cx, n| {
            let most = cx.f.int(i64::from(few));
            cx.f.compare(CmpOp::Le, n, most)
        });
        let mut parts = cut(&here, few, FEW);
        while size > LEAST {
            let [here, left] = self.part_of(axis, &rest, size, |cx, n| cx.fills(n, i64::from(size)));
            parts.extend(even_tiles(&here, i64::from(size)));
            (rest, size) = (left, smaller(size));
        }
        parts.extend(even_tiles(&rest, i64::from(size)));
        parts
    }

    /// What of a length is done in tiles of a size, and what isn't: all of it or nothing.
    fn part_of(&mut self, axis: &Symbol, len: &Sym, size: u32, is: impl FnOnce(&mut Self, Value) -> Value) -> [Sym; 2] {
        let key = (len.clone(), size);
        let known = self.graded.get(&key).filter(|names| names.iter().all(|n| self.f.lookup(n).is_some()));
        if let Some(names) = known {
            return names.clone().map(Sym::var);
        }
        let n = self.f.sym(len);
        let here = is(self, n);
        let none = self.f.int(0);
        let values = [(n, none), (none, n)].map(|(then, els)| self.f.select(here, then, els));
        let names = values.map(|v| self.up_to(axis, v, len));
        self.graded.insert(key, names.clone());
        names.map(Sym::var)
    }

    /// True if so many rows are tiles of a size and the next smaller one that don't overlap, or by little.
    fn fills(&mut self, n: Value, size: i64) -> Value {
        let [least, up, by, of, in_all] =
            [size - 1, size - 1, size, OVERLAP * (size - 1), OVERLAP + 1].map(|v| self.f.int(v));
        let enough = self.f.compare(CmpOp::Ge, n, least);
        let tiles = self.f.binary(BinOp::Add, n, up);
        let tiles = self.f.binary(BinOp::FloorDiv, tiles, by);
        let [computed, rows] = [(tiles, of), (n, in_all)].map(|(a, b)| self.f.binary(BinOp::Mul, a, b));
        let little = self.f.compare(CmpOp::Le, computed, rows);
        self.f.binary(BinOp::And, enough, little)
    }

    /// A name for a value from 0 to a bound.
    fn up_to(&mut self, axis: &Symbol, value: Value, bound: &Sym) -> Symbol {
        self.loops += 1;
        let name = Symbol::new(&format!("{axis}.{}", self.loops));
        self.f.bind(name.clone(), value);
        let typical = Some(self.ranges.estimate(bound));
        self.ranges.insert(name.clone(), Range { lo: Some(0), hi: Some(bound.clone()), typical });
        name
    }
}

#[cfg(test)]
mod tests {
    use super::graded_tiles;

    #[test]
    fn rows_are_tiles_of_the_largest_size_that_they_fill() {
        assert_eq!(graded_tiles(12, 6), [(6, 2)]);
        assert_eq!(graded_tiles(7, 6), [(4, 1), (3, 1)], "not two of 5");
        assert_eq!(graded_tiles(9, 6), [(3, 3)]);
        assert_eq!(graded_tiles(2, 6), [(2, 1)]);
        assert_eq!(graded_tiles(1, 7), [(1, 1)]);
        assert_eq!(graded_tiles(13, 23), [(13, 1)]);
        assert_eq!(graded_tiles(3, 1), [(1, 3)]);
    }

    #[test]
    fn few_rows_are_computed_twice() {
        for size in 1..28 {
            for rows in 0..200 {
                let computed: i64 = graded_tiles(rows, size).iter().map(|(s, n)| i64::from(*s) * n).sum();
                assert!((rows..=(rows + rows / 16).max(6)).contains(&computed), "{rows} by {size}: {computed}");
            }
        }
    }
}
