//! Tiles that may reach beyond the extent: all of it is computed in registers, and what is within is stored.
//!
//! A tile of which all is within has no tests but that one; only where a run alone knows where the extent ends can a tile be
//! either. Does NOT say which loops make such tiles (`kernel::winograd`).

use super::Cx;
use super::eval::{Eval, Memo};
use super::span::Domain;
use super::tile::Tile;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Axis, BinOp, Cut, DefId, Stage};
use onnxc_ir::loops::{CmpOp, Stmt, Value, Var};

impl<'k> Cx<'k> {
    /// The axes along which a tile may reach beyond the extent, if there are any, and how far it reaches.
    pub(super) fn guarded(&self, stage: &Stage, domain: &Domain) -> Option<Vec<(&'k Axis, Sym)>> {
        let axes = self.kernel.defs[stage.def].axes.iter();
        let guarded = axes.filter(|a| stage.loops.iter().any(|l| l.axis == a.var && l.cut == Cut::Guarded));
        let ends = guarded.map(|a| (a, &domain[&a.var].lo + &domain[&a.var].len));
        let all: Vec<_> = ends.filter(|(a, end)| self.ranges.prove_le(end, &a.extent) != Some(true)).collect();
        (!all.is_empty()).then_some(all)
    }

    /// Stores what is within the extents.
    pub(super) fn store_within(
        &mut self,
        stage: &Stage,
        tile: &Tile,
        acc: Option<(DefId, Var)>,
        guarded: &[(&Axis, Sym)],
    ) -> Result<(), Diagnostic> {
        let each = |cx: &mut Self| tile.points().try_for_each(|p| cx.store_guarded(stage, tile, p, acc, guarded));
        if guarded.iter().all(|(a, _)| a.extent.as_int().is_some()) {
            return each(self);
        }
        let tests = guarded.iter().map(|(a, end)| {
            let [end, extent] = [end, &a.extent].map(|s| self.f.sym(s));
            self.f.compare(CmpOp::Le, end, extent)
        });
        let tests: Vec<Value> = tests.collect();
        let Some(all) = tests.into_iter().reduce(|a, b| self.f.binary(BinOp::And, a, b)) else { return Ok(()) };
        self.either(all, |cx| cx.store_tile(stage, tile, acc, Memo::default()), each)
    }

    /// Stores one point if it is within the extents.
    fn store_guarded(
        &mut self,
        stage: &Stage,
        tile: &Tile,
        point: (usize, u32),
        acc: Option<(DefId, Var)>,
        guarded: &[(&Axis, Sym)],
    ) -> Result<(), Diagnostic> {
        let mut e = Eval::new(self, tile.lane.clone(), tile.env.clone());
        e.at(tile, point, &[]);
        let mut inside: Option<Value> = None;
        for (a, _) in guarded {
            let test = e.below(&Sym::var(a.var.clone()), &a.extent);
            inside = Some(match inside {
                Some(i) => e.cx.f.binary(BinOp::And, i, test),
                None => test,
            });
        }
        let Some(cond) = inside else { return Ok(()) };
        self.f.open_block();
        let mut e = Eval::new(self, tile.lane.clone(), tile.env.clone());
        e.at(tile, point, &[]);
        e.acc = acc.map(|(def, var)| e.acc_at(def, var, point));
        let stored = e.stage_value(stage.def).and_then(|v| e.store(stage.def, v));
        let then = self.f.close_block();
        let (els, ()) = self.f.block(|_| ());
        self.f.stmt(Stmt::If { cond, then, els });
        stored
    }
}
