//! Schedules.

use super::Parser;
use crate::kernel::{Lanes, Stage};
use onnxc_base::{Diagnostic, Symbol};

impl Parser<'_> {
    /// `{ shared 2  parallel  stage ... }`
    pub(super) fn schedule(&mut self) -> Result<(), Diagnostic> {
        self.c.expect("{")?;
        while !self.c.eat("}") {
            if self.c.eat("shared") {
                self.kernel.schedule.shared = self.number()?;
            } else if self.c.eat("parallel") {
                self.kernel.schedule.parallel = true;
            } else if self.c.eat("stage") {
                let stage = self.stage()?;
                self.kernel.schedule.stages.push(stage);
            } else {
                return Err(self.c.expected("shared, parallel, stage or '}'"));
            }
        }
        Ok(())
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Diagnostic> {
        let at = self.c.position();
        let value = self.c.uint()?;
        T::try_from(value).map_err(|_| self.c.error_at(at, format!("{value} is too large here")))
    }

    /// `y acc c hoisted: order [m, o], vector o 16 x 4, rows j 6, unroll [r, s]`
    fn stage(&mut self) -> Result<Stage, Diagnostic> {
        let def = self.find_def()?;
        let acc = if self.c.eat("acc") { Some(self.find_def()?) } else { None };
        let hoisted = self.c.eat("hoisted");
        self.c.expect(":")?;
        self.c.expect("order")?;
        let order = self.symbols()?;
        let mut stage = Stage { def, acc, hoisted, order, vector: None, rows: None, unroll: vec![] };
        while self.c.eat(",") {
            if self.c.eat("vector") {
                let axis = self.c.symbol()?;
                let lanes = self.number()?;
                self.c.expect("x")?;
                stage.vector = Some(Lanes { axis, lanes, vectors: self.number()? });
            } else if self.c.eat("rows") {
                stage.rows = Some((self.c.symbol()?, self.number()?));
            } else if self.c.eat("unroll") {
                stage.unroll = self.symbols()?;
            } else {
                return Err(self.c.expected("vector, rows or unroll"));
            }
        }
        Ok(stage)
    }

    /// `[m, o]`
    fn symbols(&mut self) -> Result<Vec<Symbol>, Diagnostic> {
        self.c.expect("[")?;
        self.c.list("]", |c| c.symbol())
    }
}
