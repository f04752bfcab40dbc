//! One stage: loops over its output axes, with the stages that are attached to it inside, and in the innermost place
//! its tile.

use super::cuts::{Kind, Part, Start, cut};
use super::share::Share;
use super::span::{Domain, Span};
use super::{Cx, reduction_axes};
use onnxc_base::sym::{Range, Symbol};
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::kernel::{Axis, Cut, Loop, Stage};
use onnxc_ir::loops::{CmpOp, LoopKind, Value};

impl<'k> Cx<'k> {
    /// Lowers a stage for the points of a domain.
    pub(super) fn stage(&mut self, stage: &'k Stage, domain: Domain) -> Result<(), Diagnostic> {
        if self.machine.threads > 1 && stage.at.is_none() {
            // A loop that is worth no fork is none.
            let outside = std::mem::replace(&mut self.threaded, true);
            let result = match self.is_shared(stage) {
                true => self.shared_stage(stage, &domain),
                false => self.loops(stage, 0, &domain, None),
            };
            self.threaded = outside;
            return result;
        }
        self.loops(stage, 0, &domain, None)
    }

    /// Opens the loops from number `at` on: those of a share that it has a part of, or whole ones.
    pub(super) fn loops(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        share: Option<&Share>,
    ) -> Result<(), Diagnostic> {
        let mut passed = None;
        for inner in self.kernel.schedule.attached(stage.def).filter(|s| s.at.is_some_and(|a| a.depth as usize == at)) {
            let region = self.region(inner.def, stage, domain, true)?;
            match self.framed(inner) {
                Some(f) => self.place(inner, &self.frame_region(inner, &f, stage, domain)?),
                None => self.place(inner, &region),
            }
            let region = self.what_is_new(inner, region, stage, domain)?;
            if self.is_passed(inner, &region, stage, domain)? {
                passed = Some(inner.def);
                continue;
            }
            self.passed = passed.take();
            match self.frames(inner) {
                Some((of, f)) => self.fill_frame(inner, of, &f, &region),
                None => self.stage(inner, region)?,
            }
            self.passed = None;
        }
        let Some(l) = stage.loops.get(at) else {
            self.fused = stage.fused && self.machine.fma;
            let done =
                if self.along_reduction(stage) { self.row_tile(stage, domain) } else { self.tile(stage, domain) };
            self.fused = false;
            return done;
        };
        if let Some(share) = share.filter(|s| at < s.depth) {
            return self.shared_loop(stage, at, domain, share);
        }
        self.begin(stage, at, domain);
        let rolls = |s: &Stage| s.at.is_some_and(|a| a.rolls && a.depth as usize == at + 1);
        let parallel = stage.parallel && !self.kernel.schedule.attached(stage.def).any(rolls);
        let block = self.few(stage, at, domain).unwrap_or(l.block);
        if let Some(len) = self.graded_length(stage, at, domain)? {
            return self.graded(stage, at, domain, (&len, block), parallel);
        }
        let parts = self.parts(stage, at, domain, block)?;
        self.loop_over(stage, at, domain, &parts, parallel)
    }

    /// A loop over the blocks of each part.
    pub(super) fn loop_over(
        &mut self,
        stage: &'k Stage,
        at: usize,
        domain: &Domain,
        parts: &[Part],
        parallel: bool,
    ) -> Result<(), Diagnostic> {
        let l = &stage.loops[at];
        for part in parts {
            self.part(&l.axis, part, parallel, |cx, lo| {
                let domain = cx.block_of(domain, l, lo, part);
                cx.loops(stage, at + 1, &domain, None)
            })?;
        }
        Ok(())
    }

    /// Remembers what a loop goes over.
    pub(super) fn begin(&mut self, stage: &Stage, at: usize, domain: &Domain) {
        if let Some(span) = domain.get(&stage.loops[at].axis) {
            self.begun.insert((stage.def, at), span.clone());
        }
    }

    /// The parts of blocks of a size that a loop cuts what is left of its axis into.
    pub(super) fn parts(
        &mut self,
        stage: &Stage,
        at: usize,
        domain: &Domain,
        block: u32,
    ) -> Result<Vec<Part>, Diagnostic> {
        let l = &stage.loops[at];
        let span = domain.get(&l.axis).ok_or_else(|| self.error(format!("no axis {}", l.axis)))?;
        let len = if l.block > 1 { self.named(&l.axis, &span.len) } else { span.len.clone() };
        if let Some(len) = self.graded_length(stage, at, domain)? {
            return Ok(self.all_graded(&l.axis, len, block));
        }
        Ok(self.at_edges(stage, &l.axis, domain, cut(&len, block, self.kind(stage, at, l))))
    }

    /// What a loop takes at once instead of its block: where it is the last one along the lanes of a stage, and the tile has
    /// few rows.
    pub(super) fn few(&self, stage: &Stage, at: usize, domain: &Domain) -> Option<u32> {
        let l = &stage.loops[at];
        let along = |axis: &Symbol| stage.vector.as_ref().is_some_and(|v| v.axis == *axis);
        if stage.few.is_empty() || !along(&l.axis) || !stage.is_tile_loop(at) {
            return None;
        }
        let points = |(axis, span): (&Symbol, &Span)| if stage.tile(axis) == 1 { Some(1) } else { span.len.as_int() };
        let rows = domain.iter().filter(|(a, _)| !along(a)).map(points).try_fold(1, |n, p| Some(n * p?))?;
        stage.few.iter().find(|f| i64::from(f.rows) == rows).map(|f| f.block)
    }

    /// A length that is to be cut, under a name of its own if it is an expression: what says how many blocks of which
    /// size there are has it again and again.
    pub(super) fn named(&mut self, axis: &Symbol, len: &Sym) -> Sym {
        if len.as_int().is_some() || len.as_symbol().is_some() {
            return len.clone();
        }
        if let Some(name) = self.names.get(len).filter(|n| self.f.lookup(n).is_some()) {
            return Sym::var(name.clone());
        }
        let value = self.f.sym(len);
        self.loops += 1;
        let name = Symbol::new(&format!("{axis}.{}", self.loops));
        self.f.bind(name.clone(), value);
        // Enough to prove that what is within it is within the extents.
        let typical = Some(self.ranges.estimate(len));
        let range = Range { lo: self.ranges.bounds(len).0, hi: Some(len.clone()), typical };
        self.ranges.insert(name.clone(), range);
        self.names.insert(len.clone(), name.clone());
        Sym::var(name)
    }

    /// What a block of a loop, from `lo` on, leaves of the domain.
    pub(super) fn block_of(&mut self, domain: &Domain, l: &Loop, lo: Sym, part: &Part) -> Domain {
        let mut domain = domain.clone();
        if let Some(span) = domain.get_mut(&l.axis) {
            let len = match &part.end {
                Some(end) => self.shorter(&l.axis, &part.len, &(end - &lo)),
                None => part.len.clone(),
            };
            *span = Span { lo: self.ranges.simplify(&(&span.lo + &lo)), len };
        }
        domain
    }

    /// The length of a block of which so much is there: one point at least. Under a name of its own.
    fn shorter(&mut self, axis: &Symbol, len: &Sym, there: &Sym) -> Sym {
        let len = Sym::min(len, there);
        let value = self.f.sym(&len);
        let name = self.fresh(axis, &(&len + 1));
        self.f.bind(name.clone(), value);
        let typical = Some(self.ranges.estimate(&len));
        self.ranges.insert(name.clone(), Range { lo: Some(1), hi: Some(len), typical });
        Sym::var(name)
    }

    fn kind(&self, stage: &Stage, at: usize, l: &Loop) -> Kind {
        match &stage.vector {
            _ if l.cut == Cut::Guarded => Kind::Whole,
            _ if !stage.is_tile_loop(at) => Kind::Blocks { even: l.cut == Cut::Even, alike: l.cut == Cut::Alike },
            Some(v) if v.axis == l.axis => Kind::Lanes { lanes: v.lanes, again: l.cut == Cut::Even },
            _ => Kind::Points { even: l.cut == Cut::Even, again: true },
        }
    }

    /// True if lanes run along a reduction axis.
    pub(super) fn along_reduction(&self, stage: &Stage) -> bool {
        let own = &self.kernel.defs[stage.def].axes;
        stage.vector.as_ref().is_some_and(|l| !own.iter().any(|a| a.var == l.axis))
    }

    /// Runs the body for each block of a part, with the block's start.
    pub(super) fn part(
        &mut self,
        axis: &Symbol,
        part: &Part,
        parallel: bool,
        body: impl FnOnce(&mut Self, Sym) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        match (part.count.as_int(), &part.start) {
            (Some(..=0), _) => return Ok(()),
            (Some(1), Start::Every { first, .. }) => return body(self, first.clone()),
            _ => {}
        }
        let kind = if parallel && !self.threaded { LoopKind::Parallel } else { LoopKind::Serial };
        let outside = self.threaded;
        self.threaded |= kind == LoopKind::Parallel;
        let result = match &part.start {
            Start::Every { first, .. } if self.ranges.prove_le(&part.count, &Sym::int(1)) == Some(true) => {
                self.at_most_once(&part.count, |cx| body(cx, first.clone()))
            }
            start => self.again_and_again(axis, &part.count, start, kind, body),
        };
        self.threaded = outside;
        result
    }

    /// A loop over so many blocks.
    fn again_and_again(
        &mut self,
        axis: &Symbol,
        count: &Sym,
        start: &Start,
        kind: LoopKind,
        body: impl FnOnce(&mut Self, Sym) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let (zero, hi) = (self.f.int(0), self.f.sym(count));
        let k = self.fresh(axis, count);
        let index = self.f.open_loop(k.as_str());
        self.f.bind(k.clone(), index);
        let lo = self.start(axis, start, k, index);
        let result = body(self, lo);
        self.f.close_loop(index, zero, hi, 1, kind);
        result
    }

    /// Runs the body if there is a block. No loop: of one, a backend would compute what the block needs in front of it,
    /// also what is behind tests that few blocks pass.
    fn at_most_once(
        &mut self,
        count: &Sym,
        body: impl FnOnce(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let (count, zero) = (self.f.sym(count), self.f.int(0));
        let cond = self.f.compare(CmpOp::Gt, count, zero);
        self.either(cond, body, |_| Ok(()))
    }

    /// A name for the index of a loop.
    pub(super) fn fresh(&mut self, axis: &Symbol, count: &Sym) -> Symbol {
        self.loops += 1;
        let k = Symbol::new(&format!("{axis}.{}", self.loops));
        self.ranges.set_index(k.clone(), count);
        k
    }

    pub(super) fn start(&mut self, axis: &Symbol, start: &Start, k: Symbol, index: Value) -> Sym {
        match start {
            Start::Every { first, step } => first + &(Sym::var(k) * *step),
            Start::Clamped { first, step, last } => {
                // Under a name of its own: it stands in many offsets.
                let (first, step, last_value) = (self.f.sym(first), self.f.int(*step), self.f.sym(last));
                let at = self.f.mul(index, step);
                let at = self.f.add(at, first);
                let at = self.f.binary(onnxc_ir::scalar::BinOp::Min, at, last_value);
                let name = self.fresh(axis, &(last + 1));
                self.f.bind(name.clone(), at);
                Sym::var(name)
            }
        }
    }

    /// The reduction axes of a stage, in the order of the schedule, with how many iterations are written out.
    pub(super) fn reduction(&self, stage: &Stage) -> Result<Vec<(Axis, u32)>, Diagnostic> {
        let axes = reduction_axes(&self.kernel.defs[stage.acc.unwrap_or(stage.def)]);
        let ordered: Vec<(Axis, u32)> =
            stage.over.iter().filter_map(|l| Some((axes.iter().find(|a| a.var == l.axis)?.clone(), l.block))).collect();
        if ordered.len() == axes.len() { Ok(ordered) } else { Err(self.error("the order leaves out a reduction axis")) }
    }
}
