//! Fetching constants ahead, and copies of operands: while tiles read a panel of them, the next one is brought into the
//! caches.
//!
//! All tiles that use the panel share the work: each fetches a part of its own of the next panel, evenly over its
//! reduction. So memory is read all the time; if the first tile fetched everything, it would wait for memory and the
//! others would leave it idle.
//!
//! Does NOT read anything: where there is no next panel, the address lies outside of the constant.

use super::eval::Eval;
use super::tile::{Tile, coordinate};
use super::{Cx, Env};
use crate::kernel::expr::{Site, loads};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Expr, Src, Stage};

/// Bytes of a line of the usual cache.
const LINE: i64 = 64;

/// Tiles along an axis whose extent isn't known: they take turns at so many parts at most.
const TURNS: i64 = 8;

/// Which part of the next panel a tile fetches.
struct Part {
    number: Sym,
    /// How many parts there are: a power of two.
    of: i64,
}

impl Cx<'_> {
    /// Fetches what the next block along the stage's axis reads of constants at some steps of the reduction, each of so many
    /// elements to a lane.
    pub(super) fn fetch_ahead(
        &mut self,
        stage: &Stage,
        tile: &Tile,
        env: &Env,
        (steps, elements): (&[Vec<(Symbol, i64)>], i64),
        value: &Expr,
    ) -> Result<(), Diagnostic> {
        let Some(axis) = &stage.ahead else { return Ok(()) };
        let Some((own, _)) = self
            .point_env(stage)?
            .into_iter()
            .find(|(_, s)| s.as_symbol() == Some(axis))
            .or_else(|| Some((axis.clone(), Sym::var(axis.clone()))).filter(|_| stage.acc.is_none()))
        else {
            return Ok(());
        };
        let sites = self.fetched(stage, value);
        let part = self.part_of_panel(stage, tile, axis, &sites)?;
        let mut env = env.clone();
        let Some(at) = env.get_mut(&own) else { return Ok(()) };
        *at = &*at + i64::from(stage.tile(axis));
        let steps = self.spread(stage, &mut env, steps, &part)?;
        for (step, site) in steps.iter().flat_map(|step| sites.iter().map(move |site| (step, site))) {
            let bytes = self.kernel.src_dtype(site.src).size() as i64 * elements;
            let lanes = tile.lane.as_ref().map_or(1, |l| i64::from(l.lanes));
            for v in 0..tile.vectors {
                if i64::from(v) * lanes * bytes % LINE < lanes * bytes {
                    let mut e = Eval::new(self, tile.lane.clone(), env.clone());
                    e.at(tile, (0, v), step);
                    e.fetch(site);
                }
            }
        }
        Ok(())
    }

    /// What is fetched ahead of what a reduction loads: its constants, or where it has none, copies made outside of the
    /// loops that its own stage is in.
    fn fetched(&self, stage: &Stage, value: &Expr) -> Vec<Site> {
        let constant = |s: &Site| matches!(s.src, Src::Param(p) if self.kernel.params[p].value.is_some());
        let depth = |s: &Stage| s.at.map_or(0, |a| a.depth);
        let copy = |s: &Site| match s.src {
            Src::Def(d) => {
                self.kernel.schedule.stage_of(d).is_some_and(|s| stage.at.is_some() && depth(s) < depth(stage))
            }
            Src::Param(_) => false,
        };
        let all: Vec<Site> = loads(value).into_iter().filter(|s| s.pad.is_none()).collect();
        let of = |wanted: &dyn Fn(&Site) -> bool| all.iter().filter(|s| wanted(s)).cloned().collect::<Vec<_>>();
        let constants = of(&constant);
        if constants.is_empty() { of(&copy) } else { constants }
    }

    /// The part of a tile: tiles are counted along the axes inside of the panel's loop that the constants don't have.
    fn part_of_panel(&self, stage: &Stage, tile: &Tile, axis: &Symbol, sites: &[Site]) -> Result<Part, Diagnostic> {
        let point = self.point_env(stage)?;
        let in_constants = |a: &Symbol| {
            sites.iter().flat_map(|s| s.index.iter().flatten()).any(|i| i.subst(&|v| point.get(v).cloned()).contains(a))
        };
        let (mut number, mut tiles) = (Sym::int(0), 1);
        let first = stage.loops.iter().rposition(|l| l.axis == *axis).map_or(stage.loops.len(), |i| i + 1);
        for (at, l) in stage.loops.iter().enumerate().skip(first) {
            let last = stage.loops[at + 1..].iter().all(|x| x.axis != l.axis);
            let inside = first + stage.loops[first..].iter().position(|x| x.axis == l.axis).unwrap_or(0);
            let (Some(lo), Some(span)) = (tile.env.get(&l.axis), self.begun.get(&(stage.def, inside))) else {
                continue;
            };
            if !last || in_constants(&l.axis) {
                continue;
            }
            let (corner, block) = (coordinate(&l.axis), i64::from(l.block));
            let from = lo.subst(&|v| (*v == corner).then(|| Sym::int(0))) - &span.lo;
            let (count, own) = match span.len.as_int() {
                Some(extent) => {
                    let count = (extent + block - 1) / block;
                    // Blocks may be of unequal size, larger ones first.
                    (count, (from * count).floordiv(&Sym::int(extent)))
                }
                None => {
                    let count = ((self.ranges.estimate(&span.len) + block - 1) / block).clamp(1, TURNS);
                    (count, from.floordiv(&Sym::int(block)).modulo(&Sym::int(count)))
                }
            };
            (number, tiles) = (number * count + own, tiles * count);
        }
        let of = if tiles > 1 { 1 << tiles.ilog2() } else { 1 };
        Ok(Part { number: (number * of).floordiv(&Sym::int(tiles)), of })
    }

    /// Moves the longest axis of the reduction to the tile's part; gives the steps that are left to fetch. Where there are
    /// more parts than it has steps, some tiles fetch the same.
    fn spread(
        &self,
        stage: &Stage,
        env: &mut Env,
        steps: &[Vec<(Symbol, i64)>],
        part: &Part,
    ) -> Result<Vec<Vec<(Symbol, i64)>>, Diagnostic> {
        let over = self.reduction(stage)?;
        let known = over.iter().filter_map(|(a, _)| Some((a, a.extent.as_int()?)));
        let longest = known.rev().max_by_key(|(_, extent)| *extent).filter(|(_, extent)| part.of > 1 && *extent > 1);
        let Some((axis, extent)) = longest else { return Ok(steps.to_vec()) };
        let Some(at) = env.get_mut(&axis.var) else { return Ok(steps.to_vec()) };
        let parts = part.of.min(1 << extent.ilog2());
        let number = (&part.number * parts).floordiv(&Sym::int(part.of));
        let step = coordinate(&axis.var);
        let (written, first) = (Sym::var(step.clone()), at.subst(&|v| (*v == step).then(|| Sym::int(0))));
        let inside = if at.contains(&step) { written } else { Sym::int(0) };
        *at = number * ((extent + parts - 1) / parts) + first.floordiv(&Sym::int(parts)) + inside;
        let of = |s: &[(Symbol, i64)]| s.iter().find(|(v, _)| *v == step).map_or(0, |(_, i)| *i);
        let most = steps.iter().map(|s| of(s) + 1).max().unwrap_or(1);
        let fetched = (most + parts - 1) / parts;
        Ok(steps.iter().filter(|s| of(s) < fetched).cloned().collect())
    }
}
