//! The order in which a tile computes definitions that are inline.
//!
//! Mostly when the first point needs them. But where the points of a tile combine the rows of a matrix product that is
//! inline (the transforms of Winograd's convolutions), the first point needs one row of every column: all that the columns
//! load would be in registers at once. So those that load the same come one after the other, before the points.
//!
//! Does NOT compute anything that no point needs, nor change a value.

use super::eval::{Eval, Memo};
use super::tile::Tile;
use super::{Cx, Env};
use crate::kernel::expr::{Site, def_loads};
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{DefId, Expr, ExprKind, Src};
use onnxc_ir::loops::CmpOp;
use std::collections::{BTreeMap, BTreeSet};

/// What one evaluation of a definition loads, whatever it chooses.
type Loaded = (DefId, Vec<(Src, Vec<Sym>)>);
/// A load of a definition, and the point that needs it.
type Needed = ((usize, u32), Expr);

impl Cx<'_> {
    /// Computes what a tile's values load of inline definitions, if some of those load the same.
    pub(super) fn together(&mut self, tile: &Tile, env: &Env, value: &Expr, memo: Memo) -> Result<Memo, Diagnostic> {
        if tile.rows.len() < 2 {
            return Ok(memo);
        }
        let mut e = Eval::new(self, tile.lane.clone(), env.clone());
        e.memo = memo;
        let mut seen = BTreeSet::new();
        let mut sites: BTreeMap<DefId, Vec<Site>> = BTreeMap::new();
        let mut groups: Vec<Vec<Needed>> = vec![];
        let mut number: BTreeMap<Loaded, usize> = BTreeMap::new();
        for point in tile.points() {
            e.at(tile, point, &[]);
            let mut found = vec![];
            e.inline_loads(value, &mut found);
            for load in found {
                let Some((d, index)) = e.place_of(&load).filter(|place| seen.insert(place.clone())) else { continue };
                let sites = sites.entry(d).or_insert_with(|| def_loads(&e.cx.kernel.defs[d]));
                let Some(loaded) = e.loaded(d, &index, sites) else { continue };
                let at = *number.entry((d, loaded)).or_insert(groups.len());
                if at == groups.len() {
                    groups.push(vec![]);
                }
                groups[at].push((point, load));
            }
        }
        if groups.iter().any(|g| g.len() > 1) {
            for (point, load) in groups.iter().flatten() {
                e.at(tile, *point, &[]);
                e.expr(load)?;
            }
        }
        Ok(e.memo)
    }
}

impl Eval<'_, '_> {
    /// The loads of inline definitions that a value comes to at this point: only through choices by coordinates.
    fn inline_loads(&self, e: &Expr, found: &mut Vec<Expr>) {
        match e.kind() {
            ExprKind::Load { src: src @ Src::Def(_), pad: None, .. } if self.cx.storage(*src).is_none() => {
                found.push(e.clone());
            }
            ExprKind::Load { .. } | ExprKind::Const(_) | ExprKind::Int(_) | ExprKind::Compare(..) => {}
            ExprKind::Unary(_, a) | ExprKind::Cast(_, a) => self.inline_loads(a, found),
            ExprKind::Binary(_, a, b) => {
                self.inline_loads(a, found);
                self.inline_loads(b, found);
            }
            ExprKind::Select(c, a, b) => {
                if let Some(chosen) = self.chosen(c) {
                    self.inline_loads(if chosen { a } else { b }, found);
                }
            }
        }
    }

    /// Whether an index is a number, if the tile's coordinates say so.
    fn chosen(&self, c: &Expr) -> Option<bool> {
        let ExprKind::Compare(CmpOp::Eq, a, b) = c.kind() else { return None };
        let (ExprKind::Int(s), ExprKind::Const(k)) = (a.kind(), b.kind()) else { return None };
        Some(self.shifted(&self.resolve(s)).as_int()? == k.to_i64())
    }

    /// Which element of which definition a load is.
    fn place_of(&self, load: &Expr) -> Option<(DefId, Vec<Sym>)> {
        let ExprKind::Load { src: Src::Def(d), index, .. } = load.kind() else { return None };
        let index: Option<Vec<Sym>> = index.iter().map(|i| Some(self.shifted(&self.resolve(i.as_sym()?)))).collect();
        Some((*d, index?))
    }

    /// All that an element's definition mentions.
    fn loaded(&self, d: DefId, index: &[Sym], sites: &[Site]) -> Option<Vec<(Src, Vec<Sym>)>> {
        let env: Env = self.cx.kernel.defs[d].axes.iter().map(|a| a.var.clone()).zip(index.iter().cloned()).collect();
        let at = |i: &Sym| self.cx.ranges.simplify(&i.subst(&|v| env.get(v).cloned()));
        let one =
            |s: &Site| Some((s.src, s.index.iter().map(|i| Some(at(i.as_ref()?))).collect::<Option<Vec<Sym>>>()?));
        sites.iter().map(one).collect()
    }
}
