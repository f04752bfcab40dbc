//! Steps of a reduction that one operation sums: neighbours along the innermost reduction axis.
//!
//! The neighbours are the lanes of both factors. Where a factor lies in order in memory, that is one load; anything else
//! is gathered, which is right but slow: the schedule asks for sums only where both factors lie so. In a tile with lanes
//! a factor has the neighbours of each lane after those of the one before; one that is the same for all lanes is loaded for
//! one and repeated.

use super::eval::{Eval, Lane, Memo};
use super::tile::Tile;
use super::{Cx, Env};
use crate::kernel::expr::{Site, loads};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::kernel::{DefId, Expr, Stage};
use onnxc_ir::loops::{Op, Ty, Value, Var};

/// A step of a reduction: values of its coordinates.
type Step = [(Symbol, i64)];

impl<'k> Cx<'k> {
    /// Which steps are summed together: the first of each group and their number; and the steps that are left.
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
        let lanes = tile.lane.as_ref().map_or(1, |l| l.lanes);
        // Neighbours of one lane, and of all.
        let each =
            [1, lanes].map(|n| Lane { axis: Symbol::new(&format!("{axis}.group{group}x{n}")), lanes: group * n });
        let envs = [0, 1].map(|i| self.group_env(env, tile, &axis, (first, group), &each[i]));
        let varies = |f: &Expr| {
            let of = |l: &Lane| loads(f).iter().any(|s| depends(s, env, &l.axis));
            tile.lane.as_ref().is_some_and(of)
        };
        let wide = [varies(&a), varies(&b)];
        let mut memo = memo;
        for point in tile.points() {
            let mut values = vec![];
            for (factor, wide) in [&a, &b].into_iter().zip(wide) {
                let (lane, env) = (&each[usize::from(wide)], &envs[usize::from(wide)]);
                let mut e = Eval::new(self, Some(lane.clone()), env.clone());
                e.memo = memo;
                e.at(tile, point, first);
                e.tail = None;
                let v = e.expr(factor)?;
                memo = e.memo;
                let v = self.f.splat(v, lane.lanes);
                values.push(if wide { v } else { self.repeated(v, lanes) });
            }
            let (row, vector) = (self.f.int(point.0 as i64), self.f.int(i64::from(point.1)));
            let old = self.f.get(var, &[row, vector]);
            let sum = self.f.dot(values[0], values[1], old);
            self.f.set(var, &[row, vector], sum);
        }
        Ok(memo)
    }

    /// What index variables are at a group of products: the last reduction axis runs along the group, the lane axis from
    /// one group to the next.
    fn group_env(&mut self, env: &Env, tile: &Tile, axis: &Symbol, (first, group): (&Step, u16), lane: &Lane) -> Env {
        self.ranges.set_index(lane.axis.clone(), &Sym::int(i64::from(lane.lanes)));
        let (at, size) = (Sym::var(lane.axis.clone()), Sym::int(i64::from(group)));
        let one = lane.lanes == group;
        let (number, within) = if one { (Sym::int(0), at) } else { (at.floordiv(&size), at.modulo(&size)) };
        let mut env = env.clone();
        if let Some(own) = &tile.lane {
            let moved = |v: &Symbol| (*v == own.axis).then(|| number.clone());
            env.values_mut().for_each(|s| *s = s.subst(&moved));
        }
        let last = env.get(axis).cloned().unwrap_or_else(|| Sym::var(axis.clone()));
        // As a number, so that quotients and remainders of panels disappear.
        let last = last.subst(&|v| first.iter().find(|(x, _)| x == v).map(|(_, k)| Sym::int(*k)));
        env.insert(axis.clone(), self.ranges.simplify(&last) + within);
        env
    }

    /// A group of bytes for every lane: as one integer where there is one so large, which is a plain broadcast.
    fn repeated(&mut self, group: Value, lanes: u16) -> Value {
        let ty = self.f.ty(group);
        let (all, word) = (Ty::vector(ty.elem, ty.lanes * lanes), [DType::I16, DType::I32, DType::I64]);
        if lanes == 1 {
            return group;
        }
        match word.into_iter().find(|d| d.bits() == ty.elem.bits() * usize::from(ty.lanes)) {
            Some(d) => {
                let one = self.f.op(Ty::scalar(d), Op::Bitcast(group));
                let words = self.f.splat(one, lanes);
                self.f.op(all, Op::Bitcast(words))
            }
            None => {
                let pick = (0..all.lanes).map(|i| i % ty.lanes).collect();
                self.f.op(all, Op::Shuffle(group, group, pick))
            }
        }
    }
}

/// True if a load's index depends on a symbol, given what its variables are.
fn depends(site: &Site, env: &Env, symbol: &Symbol) -> bool {
    site.index.iter().any(|i| i.as_ref().is_none_or(|s| s.subst(&|v| env.get(v).cloned()).contains(symbol)))
}
