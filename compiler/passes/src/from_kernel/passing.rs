//! Maps that a reduction computes in passing: where the stage behind an attached map reduces rows of it, each element is
//! computed, stored and reduced at once.
//!
//! So exponentials are summed while they are in registers, not after a row of them has been stored. Each point must be
//! computed once, for a map may lie where it reads from (see `inherit`); blocks that overlap, and rings, are left alone.
//!
//! Does NOT change the order of a sum, nor serve reductions whose lanes don't run along the rows.

use super::eval::Eval;
use super::span::Domain;
use super::{Cx, reduction_axes};
use crate::kernel::expr::{Site, loads};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Axis, Body, Cut, DefId, ExprKind, Src, Stage};
use std::collections::BTreeSet;

/// A map, and where the reduction that computes it loads it.
pub(super) struct Passing {
    map: DefId,
    index: Vec<Sym>,
}

impl<'k> Cx<'k> {
    /// True if the stage behind an attached one computes all of its region in passing.
    pub(super) fn is_passed(
        &self,
        map: &Stage,
        region: &Domain,
        owner: &Stage,
        domain: &Domain,
    ) -> Result<bool, Diagnostic> {
        let simple = map.acc.is_none() && map.dots.is_none() && !map.fused;
        let Some(at) = map.at.filter(|a| simple && !a.rolls) else { return Ok(false) };
        let mut behind = self.kernel.schedule.attached(at.owner).filter(|s| s.at == Some(at));
        let next = behind.by_ref().find(|s| s.def == map.def).and_then(|_| behind.next());
        let Some((next, passing)) = next.and_then(|n| Some((n, self.passing_in(n, map.def)?))) else {
            return Ok(false);
        };
        let rows = self.region(next.def, owner, domain, true)?;
        let over = reduction_axes(&self.kernel.defs[next.def]);
        let whole = |a: &Axis, i: &Sym| {
            let (span, var) = (&region[&a.var], i.as_symbol());
            let reduced = |v: &Symbol| over.iter().find(|r| r.var == *v);
            var.is_some_and(|v| match (rows.get(v), reduced(v)) {
                (Some(of_rows), _) => of_rows == span,
                (_, Some(r)) => span.lo.is_zero() && span.len == r.extent,
                _ => false,
            })
        };
        Ok(self.kernel.defs[map.def].axes.iter().zip(&passing.index).all(|(a, i)| whole(a, i)))
    }

    /// How a stage would compute a map in passing: if its lanes run along a reduction that loads the map once, at a point of
    /// its own for each of its points.
    pub(super) fn passing_in(&self, stage: &Stage, map: DefId) -> Option<Passing> {
        let once = stage.loops.iter().enumerate().all(|(i, l)| l.cut == Cut::Aligned && stage.is_tile_loop(i));
        // What is reduced has the stage's own axes.
        if !self.along_reduction(stage) || !once || stage.acc.is_some() {
            return None;
        }
        let def = &self.kernel.defs[stage.def];
        let (Body::Map(_), Body::Reduce { axes: over, value, .. }) = (&self.kernel.defs[map].body, &def.body) else {
            return None;
        };
        let alone = self.loads_of(stage, map).is_some_and(|l| l.len() == 1);
        let site: Site = loads(value).into_iter().find(|s| s.src == Src::Def(map))?;
        let index: Vec<Sym> = site.index.into_iter().collect::<Option<_>>()?;
        let vars: Option<BTreeSet<&Symbol>> = index.iter().map(Sym::as_symbol).collect();
        let all: BTreeSet<&Symbol> = def.axes.iter().chain(over).map(|a| &a.var).collect();
        let each = index.len() == all.len() && vars.is_some_and(|v| v == all);
        (alone && each && site.pad.is_none() && is_load(value)).then_some(Passing { map, index })
    }
}

/// True for a load and nothing else: it isn't under any condition then.
fn is_load(value: &onnxc_ir::kernel::Expr) -> bool {
    matches!(value.kind(), ExprKind::Load { .. })
}

impl Eval<'_, '_> {
    /// Computes and stores a map's element at this point; what loads it here finds it.
    pub(super) fn pass(&mut self, passing: &Passing) -> Result<(), Diagnostic> {
        let def = &self.cx.kernel.defs[passing.map];
        let Body::Map(e) = &def.body else { return Err(self.cx.error("only a map is computed in passing")) };
        let env = def.axes.iter().zip(&passing.index).map(|(a, i)| (a.var.clone(), self.resolve(i))).collect();
        let outside = std::mem::replace(&mut self.env, env);
        let value = self.expr(e)?;
        self.store(passing.map, value)?;
        let (buf, offset) = self.store_offset(passing.map)?;
        self.env = outside;
        let value = self.cx.f.splat(value, self.lane.as_ref().map_or(1, |l| l.lanes));
        self.memo.loads.insert((buf, self.shifted(&offset), self.tail.is_some()), value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::from_kernel::{Machine, from_kernel};
    use crate::kernel::optimise;
    use onnxc_ir::kernel::parse::parse_kernel;

    /// How often the code of a softmax, whose sum is this, reads exponentials from memory.
    fn reads(sum: &str) -> usize {
        let text = format!(
            "kernel @k {{ in x: f32[5, 64]  max[a in 5]: f32 = max(b in 64) of x[a, b]
               e[c in 5, d in 64]: f32 = exp(x[c, d] - max[c])
               sum[f in 5]: f32 = {sum}
               y[h in 5, j in 64]: f32 = e[h, j] / sum[h]  out y }}"
        );
        let mut k = parse_kernel(&text, None, None).expect("the text is right");
        optimise(&mut k, Machine::USUAL).expect("no constants");
        let text = from_kernel(&k, "k", Machine::USUAL).expect("it can be lowered").func.to_string();
        text.matches("load %e[").count()
    }

    #[test]
    fn exponentials_are_summed_before_they_are_read_again() {
        assert_eq!(reads("sum(g in 64) of e[f, g]"), 1, "for the quotients");
        assert!(reads("sum(g in 32) of e[f, g]") > 1, "the sum doesn't come to all of them");
        assert!(reads("sum(g in 64) of e[f, g] * e[f, 63 - g]") > 1, "nor does it need each once");
        assert!(reads("sum(g in 64) of e[f, 63 - g]") > 1, "in another order");
    }
}
