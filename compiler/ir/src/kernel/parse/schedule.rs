//! Schedules.

use super::Parser;
use crate::kernel::{At, Cut, Dots, Few, Lanes, Loop, Stage};
use onnxc_base::Diagnostic;

impl Parser<'_> {
    /// `{ stage ... }`
    pub(super) fn schedule(&mut self) -> Result<(), Diagnostic> {
        self.c.expect("{")?;
        while !self.c.eat("}") {
            if !self.c.eat("stage") {
                return Err(self.c.expected("stage or '}'"));
            }
            let stage = self.stage()?;
            self.kernel.schedule.stages.push(stage);
        }
        Ok(())
    }

    fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Diagnostic> {
        let at = self.c.position();
        let value = self.c.uint()?;
        T::try_from(value).map_err(|_| self.c.error_at(at, format!("{value} is too large here")))
    }

    /// `y acc c at z 2 rolls: loops [m 1, o 64], over [r 1, s ~4], vector o 16, parallel`
    fn stage(&mut self) -> Result<Stage, Diagnostic> {
        let def = self.find_def()?;
        let acc = if self.c.eat("acc") { Some(self.find_def()?) } else { None };
        let at = if self.c.eat("at") {
            let owner = self.find_def()?;
            Some(At { owner, depth: self.number()?, rolls: self.c.eat("rolls") })
        } else {
            None
        };
        self.c.expect(":")?;
        self.c.expect("loops")?;
        let loops = self.loops()?;
        let mut stage = Stage {
            def,
            acc,
            at,
            parallel: false,
            loops,
            over: vec![],
            vector: None,
            few: vec![],
            ahead: None,
            fused: false,
            dots: None,
        };
        while self.c.eat(",") {
            if self.c.eat("vector") {
                let axis = self.c.symbol()?;
                stage.vector = Some(Lanes { axis, lanes: self.number()? });
            } else if self.c.eat("few") {
                stage.few = self.few()?;
            } else if self.c.eat("over") {
                stage.over = self.loops()?;
            } else if self.c.eat("ahead") {
                stage.ahead = Some(self.c.symbol()?);
            } else if self.c.eat("fused") {
                stage.fused = true;
            } else if self.c.eat("dots") {
                stage.dots = Some(Dots { most: self.number()?, least: self.number()? });
            } else if self.c.eat("parallel") {
                stage.parallel = true;
            } else {
                return Err(self.c.expected("over, vector, few, ahead, fused, dots or parallel"));
            }
        }
        Ok(stage)
    }

    /// `[1 96, 2 48]`
    fn few(&mut self) -> Result<Vec<Few>, Diagnostic> {
        self.c.expect("[")?;
        let mut all = Vec::new();
        while !self.c.eat("]") {
            if !all.is_empty() {
                self.c.expect(",")?;
            }
            all.push(Few { rows: self.number()?, block: self.number()? });
        }
        Ok(all)
    }

    /// `[m 1, o ~64]`
    fn loops(&mut self) -> Result<Vec<Loop>, Diagnostic> {
        self.c.expect("[")?;
        let mut all = Vec::new();
        while !self.c.eat("]") {
            if !all.is_empty() {
                self.c.expect(",")?;
            }
            let axis = self.c.symbol()?;
            let (even, graded) = (self.c.eat("~"), self.c.eat("~"));
            let block = self.number()?;
            let cut = match even {
                true if graded => Cut::Graded,
                true => Cut::Even,
                false if self.c.eat("?") => Cut::Guarded,
                false if self.c.eat("!") => Cut::Alike,
                false => Cut::Aligned,
            };
            all.push(Loop { axis, block, cut });
        }
        Ok(all)
    }
}
