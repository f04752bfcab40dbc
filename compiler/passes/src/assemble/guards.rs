//! Checks of what inference had to assume of extents and only a run can confirm. One that fails ends the run with
//! [`BAD_DIMS`].
//!
//! A guard is checked in the innermost region that gives its symbols their values, as they have none outside. Does NOT stop
//! what runs between the time when the symbols are known and the end of that region: its memory is that of the bounds.

use super::Assembler;
use super::entry::BAD_DIMS;
use onnxc_base::Sym;
use onnxc_ir::graph::{Guard, Relation};
use onnxc_ir::loops::{BinOp, CmpOp};
use std::collections::BTreeSet;

impl Assembler<'_> {
    /// Equalities that inference could not prove and every run must fulfil, as soon as both sides have values.
    pub(super) fn check_guards(&mut self, first: bool) {
        for g in self.graph.guards.iter().filter(|g| g.region.is_none()) {
            let early = |s: &Sym, this: &Self| s.symbols().iter().all(|x| this.early.contains(x));
            let now = early(&g.left, self) && early(&g.right, self);
            let bound = |s: &Sym, this: &Self| s.symbols().iter().all(|x| this.f.lookup(x).is_some());
            if now == first && bound(&g.left, self) && bound(&g.right, self) {
                self.check_guard(g);
            }
        }
    }

    /// The guards that can be checked here: nodes outside of branches ask for them, or nodes of the branches that are being
    /// emitted, and all their symbols have values.
    pub(super) fn checkable_guards(&self) -> BTreeSet<usize> {
        let bound = |s: &Sym| s.symbols().iter().all(|x| self.f.lookup(x).is_some());
        let here = |g: &Guard| g.region.is_none_or(|r| self.branches.contains(&r)) && bound(&g.left) && bound(&g.right);
        (0..self.graph.guards.len()).filter(|&i| here(&self.graph.guards[i])).collect()
    }

    /// Checks what could not be checked before, in the region whose symbols make the difference: they have no values
    /// outside of it.
    pub(super) fn check_new_guards(&mut self, checked: &mut BTreeSet<usize>) {
        for i in self.checkable_guards() {
            if checked.insert(i) {
                self.check_guard(&self.graph.guards[i]);
            }
        }
    }

    fn check_guard(&mut self, g: &Guard) {
        let (l, r) = (self.f.sym(&g.left), self.f.sym(&g.right));
        let mut wrong = self.f.compare(CmpOp::Ne, l, r);
        if g.relation == Relation::Repeated {
            let one = self.f.int(1);
            let several = self.f.compare(CmpOp::Ne, l, one);
            wrong = self.f.binary(BinOp::And, wrong, several);
        }
        self.return_if(wrong, BAD_DIMS);
    }
}
