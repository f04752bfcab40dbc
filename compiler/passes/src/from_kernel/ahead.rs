//! Fetching constants ahead: while a tile reads a panel of weights, the next one is brought into the caches, a step of the
//! reduction at a time.
//!
//! Does NOT read anything: where there is no next panel, the address lies outside of the constant.

use super::eval::Eval;
use super::tile::Tile;
use super::{Cx, Env};
use crate::kernel::expr::{Site, loads};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Expr, Src, Stage};

/// Bytes of a line of the usual cache.
const LINE: i64 = 64;

impl Cx<'_> {
    /// Fetches what the next block along the stage's axis reads of constants at one step of the reduction.
    pub(super) fn fetch_ahead(
        &mut self,
        stage: &Stage,
        tile: &Tile,
        env: &Env,
        step: &[(Symbol, i64)],
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
        let block = i64::from(stage.tile(axis));
        let mut env = env.clone();
        let Some(at) = env.get_mut(&own) else { return Ok(()) };
        *at = &*at + block;
        let constant = |s: &Site| matches!(s.src, Src::Param(p) if self.kernel.params[p].value.is_some());
        let sites: Vec<Site> = loads(value).into_iter().filter(|s| constant(s) && s.pad.is_none()).collect();
        for site in sites {
            let bytes = self.kernel.src_dtype(site.src).size() as i64;
            let lanes = tile.lane.as_ref().map_or(1, |l| i64::from(l.lanes));
            for v in 0..tile.vectors {
                if i64::from(v) * lanes * bytes % LINE < lanes * bytes {
                    let mut e = Eval::new(self, tile.lane.clone(), env.clone());
                    e.at(tile, (0, v), step);
                    e.fetch(&site);
                }
            }
        }
        Ok(())
    }
}
