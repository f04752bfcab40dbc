//! Steps of a reduction that one operation sums: neighbours along the innermost reduction axis.
//!
//! The neighbours are the lanes of both factors. Where a factor lies in order in memory, that is one load; anything else
//! is gathered, which is right but slow: the schedule asks for sums only where both factors lie so.

use super::eval::{Eval, Lane, Memo};
use super::tile::Tile;
use super::{Cx, Env};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{DefId, Stage};
use onnxc_ir::loops::Var;

/// A step of a reduction: values of its coordinates.
type Step = [(Symbol, i64)];

impl<'k> Cx<'k> {
    /// Which steps are summed together: the first of each group and their number; and the steps that are left.
    #[allow(clippy::type_complexity, reason = "one call site")]
    pub(super) fn dot_steps<'s>(
        &self,
        stage: &Stage,
        steps: &'s [Vec<(Symbol, i64)>],
    ) -> (Vec<(&'s Step, u16)>, &'s [Vec<(Symbol, i64)>]) {
        // Written-out steps of outer axes would stand between neighbours.
        let only_last = stage.over.iter().rev().skip(1).all(|l| l.block == 1);
        let Some(dots) = stage.dots.filter(|_| steps.len() > 1 && only_last) else { return (vec![], steps) };
        let (mut groups, mut rest) = (vec![], steps);
        let mut group = dots.most;
        while group >= dots.least {
            if rest.len() >= usize::from(group) {
                groups.push((rest[0].as_slice(), group));
                rest = &rest[usize::from(group)..];
            } else {
                group /= 2;
            }
        }
        (groups, rest)
    }

    /// Adds a group of products to every element of the tile.
    pub(super) fn dot_step(
        &mut self,
        tile: &Tile,
        (reduced, var): (DefId, Var),
        env: &Env,
        (stage, first, group): (&Stage, &Step, u16),
        memo: Memo,
    ) -> Result<Memo, Diagnostic> {
        let factors = Stage::narrow_factors(self.kernel, reduced);
        let last = stage.over.last().map(|l| l.axis.clone());
        let (Some((a, b)), Some(axis)) = (factors, last) else {
            return Err(self.error("sums of products need products of 8-bit integers"));
        };
        let lane = Lane { axis: Symbol::new(&format!("{axis}.group{group}")), lanes: group };
        self.ranges.set_index(lane.axis.clone(), &Sym::int(i64::from(group)));
        let mut env = env.clone();
        let at = env.get(&axis).cloned().unwrap_or_else(|| Sym::var(axis.clone()));
        // As a number, so that quotients and remainders of panels disappear.
        let at = at.subst(&|v| first.iter().find(|(x, _)| x == v).map(|(_, k)| Sym::int(*k)));
        env.insert(axis, self.ranges.simplify(&at) + Sym::var(lane.axis.clone()));
        let mut memo = memo;
        for point in tile.points() {
            let mut e = Eval::new(self, Some(lane.clone()), env.clone());
            e.memo = memo;
            e.at(tile, point, first);
            let index = e.acc_at(reduced, var, point).index;
            let (x, y) = (e.expr(&a)?, e.expr(&b)?);
            let (x, y) = (e.cx.f.splat(x, group), e.cx.f.splat(y, group));
            let old = e.cx.f.get(var, &index);
            let sum = e.cx.f.dot(x, y, old);
            e.cx.f.set(var, &index, sum);
            memo = e.memo;
        }
        Ok(memo)
    }
}
