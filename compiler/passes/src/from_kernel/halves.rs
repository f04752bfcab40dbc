//! Cuts of a number of rows that only a run knows, and that is mostly small, into tiles of several sizes.
//!
//! About equal tiles need many rows: 7 rows in tiles of up to 6 are two of 5, and 4 are done one by one. So rows that don't
//! fill about equal tiles go in tiles of half the size, and so on: 7 are 3, 2 and 2. Which size it is, is asked once, so few
//! rows don't pay for the loops of many. Where several threads share blocks out, these have numbers: there the loops of
//! all sizes follow each other, and those of all sizes but one are empty.
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

/// Tiles of this size and the next smaller one make up any larger number.
const LEAST: u32 = 3;
/// The rows that are left for the smallest tiles.
const LAST: Kind = Kind::Points { even: true, again: true };

impl<'k> Cx<'k> {
    /// The length, under a name, that a loop cuts into tiles of several sizes, if it does.
    pub(super) fn halved_length(
        &mut self,
        stage: &Stage,
        at: usize,
        domain: &Domain,
    ) -> Result<Option<Sym>, Diagnostic> {
        let l = &stage.loops[at];
        let span = domain.get(&l.axis).ok_or_else(|| self.error(format!("no axis {}", l.axis)))?;
        let halved = l.cut == Cut::Halved && span.len.as_int().is_none();
        Ok(halved.then(|| self.named(&l.axis, &span.len)))
    }

    /// The loops over tiles of the size that a length fills.
    pub(super) fn halves(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        (len, size): (&Sym, u32),
        parallel: bool,
    ) -> Result<(), Diagnostic> {
        if size <= LEAST {
            return self.loop_over(stage, at, domain, &cut(len, size, LAST), parallel);
        }
        let n = self.f.sym(len);
        let cond = self.fills(n, i64::from(size));
        self.f.open_block();
        let tiles = self.loop_over(stage, at, domain, &even_tiles(len, i64::from(size)), parallel);
        let then = self.f.close_block();
        self.f.open_block();
        let others = self.halves(stage, at, domain, (len, size.div_ceil(2)), parallel);
        let els = self.f.close_block();
        self.f.stmt(Stmt::If { cond, then, els });
        tiles.and(others)
    }

    /// The tiles of all sizes, of which those of one size are there.
    pub(super) fn all_halves(&mut self, axis: &Symbol, len: Sym, block: u32) -> Vec<Part> {
        let (mut parts, mut rest, mut size) = (vec![], len, block);
        while size > LEAST {
            let [here, left] = self.part_of(axis, &rest, size);
            parts.extend(even_tiles(&here, i64::from(size)));
            (rest, size) = (left, size.div_ceil(2));
        }
        parts.extend(cut(&rest, size, LAST));
        parts
    }

    /// What of a length is done in tiles of a size, and what isn't: all of it or nothing.
    fn part_of(&mut self, axis: &Symbol, len: &Sym, size: u32) -> [Sym; 2] {
        let key = (len.clone(), size);
        let known = self.halves.get(&key).filter(|names| names.iter().all(|n| self.f.lookup(n).is_some()));
        if let Some(names) = known {
            return names.clone().map(Sym::var);
        }
        let n = self.f.sym(len);
        let fills = self.fills(n, i64::from(size));
        let none = self.f.int(0);
        let values = [(n, none), (none, n)].map(|(then, els)| self.f.select(fills, then, els));
        let names = values.map(|v| self.up_to(axis, v, len));
        self.halves.insert(key, names.clone());
        names.map(Sym::var)
    }

    /// True if so many rows are one tile of a size or the next smaller one, or several that overlap by little.
    fn fills(&mut self, n: Value, size: i64) -> Value {
        let tests = [(CmpOp::Ge, size - 1), (CmpOp::Le, size), (CmpOp::Ge, 2 * (size - 1))];
        let [enough, one, several] = tests.map(|(op, bound)| {
            let bound = self.f.int(bound);
            self.f.compare(op, n, bound)
        });
        let one = self.f.binary(BinOp::And, enough, one);
        self.f.binary(BinOp::Or, one, several)
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
