//! The order in which the points of a tile and the steps of a reduction that are written out meet.
//!
//! Mostly step by step, all points at each, row by row, or vector by vector where a tile has several blocks of them. But where a load moves with the points *and* with the steps, as windows do
//! that overlap, what loads the same element comes one after the other: then each is loaded once and needed for a short
//! time only. What lanes and steps move along (a group's channels) goes outside of that: fewer weights are needed at a
//! time. Each point still sees its steps in order, so sums don't change.

use super::eval::Eval;
use super::tile::Tile;
use super::{Cx, Env};
use crate::kernel::expr::loads;
use onnxc_base::Sym;
use onnxc_base::sym::Symbol;
use onnxc_ir::kernel::Expr;

/// A step, and a row and vector of the tile.
type Visit = (usize, (usize, u32));

impl Cx<'_> {
    /// Every step at every point of a tile.
    pub(super) fn visits(&mut self, tile: &Tile, env: &Env, steps: &[Vec<(Symbol, i64)>], value: &Expr) -> Vec<Visit> {
        let mut visits: Vec<Visit> = (0..steps.len()).flat_map(|s| tile.points().map(move |p| (s, p))).collect();
        if tile.blocks.is_some() {
            // Many vectors: each is in a register for all rows, and no longer.
            visits.sort_by_key(|(s, (row, vector))| (*s, *vector, *row));
        }
        if steps.len() > 1
            && tile.rows.len() > 1
            && let Some(mut index) = self.sliding(tile, env, &steps[0], value)
        {
            let across = |i: &Sym| {
                let lane = tile.lane.as_ref().is_some_and(|l| i.contains(&l.axis));
                lane && steps[0].iter().any(|(t, _)| i.contains(t))
            };
            index.sort_by_key(|i| !across(i));
            let mut e = Eval::new(self, tile.lane.clone(), env.clone());
            visits.sort_by_cached_key(|(step, point)| {
                e.at(tile, *point, &steps[*step]);
                index.iter().map(|i| e.shifted(i).constant_term()).collect::<Vec<i64>>()
            });
        }
        visits
    }

    /// The index, resolved, of the first load that moves with the rows of a tile and with the steps.
    fn sliding(&self, tile: &Tile, env: &Env, step: &[(Symbol, i64)], value: &Expr) -> Option<Vec<Sym>> {
        let resolve = |i: &Sym| self.ranges.simplify(&i.subst(&|v| env.get(v).cloned()));
        let rows: Vec<&Symbol> = tile.rows[0].iter().map(|(t, _)| t).collect();
        let slides = |i: &Sym| rows.iter().any(|r| i.contains(r)) && step.iter().any(|(t, _)| i.contains(t));
        loads(value).into_iter().find_map(|s| {
            let index: Vec<Sym> = s.index.iter().map(|i| i.as_ref().map(resolve)).collect::<Option<_>>()?;
            index.iter().any(slides).then_some(index)
        })
    }
}
