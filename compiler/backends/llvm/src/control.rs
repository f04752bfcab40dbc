//! How each [`Stmt`] becomes instructions and basic blocks.
//!
//! Loops test at their end, behind one test before their start, which is the form that LLVM's loop passes want. A
//! `Parallel` loop that `outline-parallel` has left runs in order.

use crate::error::{Res, program};
use crate::func::FuncGen;
use crate::raw::fixed_loop;
use inkwell::IntPredicate as P;
use inkwell::basic_block::BasicBlock;
use inkwell::values::{BasicMetadataValueEnum, InstructionOpcode, IntValue};
use onnxc_ir::loops::*;

impl<'c> FuncGen<'_, 'c> {
    /// A block's statements; false if control never reaches their end.
    pub fn block(&mut self, block: &Block) -> Res<bool> {
        for s in &block.0 {
            if !self.stmt(s)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stmt(&mut self, s: &Stmt) -> Res<bool> {
        match s {
            Stmt::Let(v) => self.define_value(*v)?,
            Stmt::Set(place, v) => {
                let (at, _) = self.place(place)?;
                self.m.e.b.build_store(at, self.value(*v)?)?;
            }
            Stmt::Store { buf, offset, value, mask } => {
                let at = self.elements(*buf)?;
                self.m.e.store(at, self.value(*offset)?, self.value(*value)?, self.optional(*mask)?)?;
            }
            Stmt::Scatter { buf, offsets, value, mask } => {
                let at = self.elements(*buf)?;
                self.m.e.scatter(at, self.value(*offsets)?, self.value(*value)?, self.optional(*mask)?)?;
            }
            Stmt::Alloc { .. } | Stmt::Free(_) | Stmt::View { .. } | Stmt::Entry { .. } | Stmt::Assign { .. } => {
                self.buffer_stmt(s)?;
            }
            Stmt::For { .. } => self.for_loop(s)?,
            Stmt::Loop(body) => self.endless(body)?,
            Stmt::Break => return self.leave_loop(),
            Stmt::If { cond, then, els } => return self.branch(*cond, then, els),
            Stmt::Call { callee, args, result } => self.call(*callee, args, *result)?,
            Stmt::Fork { callee, args, count, team } => self.fork(*callee, args, *count, *team)?,
            Stmt::Return(v) => return self.give_back(*v),
            Stmt::Prefetch { buf, offset } => self.m.e.prefetch(self.elements(*buf)?, self.value(*offset)?)?,
            Stmt::Comment(_) => {}
        }
        Ok(true)
    }

    fn new_block(&self, name: &str) -> BasicBlock<'c> {
        self.m.e.cx.append_basic_block(self.f, name)
    }

    pub fn here(&self) -> Res<BasicBlock<'c>> {
        self.m.e.b.get_insert_block().map_or_else(|| program("there is no open block"), Ok)
    }

    fn for_loop(&mut self, s: &Stmt) -> Res<()> {
        let Stmt::For { index, lo, hi, step, kind, body } = s else { return program("this statement isn't a loop") };
        let (index, lo, hi, step) = (*index, *lo, *hi, *step);
        let e = &self.m.e;
        let (lo, hi) = (self.bound(lo)?, self.bound(hi)?);
        let constant = (lo.get_sign_extended_constant(), hi.get_sign_extended_constant());
        if let (Some(a), Some(b)) = constant
            && a >= b
        {
            return Ok(());
        }
        let (start, end) = (self.new_block("for"), self.new_block("end"));
        let before = self.here()?;
        let last = self.last_start(lo, hi, step)?;
        match constant {
            (Some(_), Some(_)) => e.b.build_unconditional_branch(start)?,
            _ => {
                let any = e.b.build_int_compare(P::SLT, lo, hi, "")?;
                e.b.build_conditional_branch(any, start, end)?
            }
        };
        e.b.position_at_end(start);
        let phi = e.b.build_phi(lo.get_type(), &self.func.values[index].name)?;
        let i = phi.as_basic_value();
        phi.add_incoming(&[(&lo, before)]);
        self.values[index] = Some(e.convert(InstructionOpcode::SExt, i, e.cx.i64_type().into())?);
        let outside = self.breaks.len();
        match kind {
            LoopKind::Serial => self.breaks.push(Some(end)),
            LoopKind::Parallel => self.breaks.push(None),
            // Its iterations stand for themselves, so that a break among them leaves the loop around it.
            LoopKind::Unrolled => {}
        }
        let open = self.block(body)?;
        self.breaks.truncate(outside);
        if open {
            let step = lo.get_type().const_int(step as u64, true);
            let i = i.into_int_value();
            // Overflow is impossible where `next` is used: only if there is one more iteration.
            let next = e.b.build_int_nsw_add(i, step, "")?;
            let more = match last {
                Some(last) => e.b.build_int_compare(P::SLT, i, last, "")?,
                None => e.b.build_int_compare(P::SLT, next, hi, "")?,
            };
            phi.add_incoming(&[(&next, self.here()?)]);
            let back = e.b.build_conditional_branch(more, start, end)?;
            back.set_metadata(fixed_loop(e.cx), e.cx.get_kind_id("llvm.loop")).expect("a node is metadata");
        }
        e.b.position_at_end(end);
        Ok(())
    }

    /// A bound of a loop. Indices are as wide as addresses: no loop of a 32-bit machine goes round more often.
    fn bound(&self, v: Value) -> Res<IntValue<'c>> {
        let (e, wide) = (&self.m.e, self.int(v)?);
        if self.m.target.pointer_bits > 32 {
            return Ok(wide);
        }
        let narrow = e.cx.i32_type();
        if let Some(c) = wide.get_sign_extended_constant() {
            let c = c.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            return Ok(narrow.const_int(c as u64, true));
        }
        let most = e.int_like(wide.into(), i64::from(i32::MAX));
        let least = e.intrinsic_value("llvm.smin", &[wide.get_type().into()], &[wide.into(), most])?;
        e.int(e.convert(InstructionOpcode::Trunc, least, narrow.into())?)
    }

    /// What an index must be below for another iteration to follow: the end less the step. None where the next index
    /// itself can be compared with the end, because it can't overflow.
    fn last_start(&self, lo: IntValue<'c>, hi: IntValue<'c>, step: i64) -> Res<Option<IntValue<'c>>> {
        let e = &self.m.e;
        let greatest = if hi.get_type().get_bit_width() == 32 { i64::from(i32::MAX) } else { i64::MAX };
        let fits = |h: i64| h.checked_add(step).is_some_and(|h| h <= greatest);
        if step == 1 || hi.get_sign_extended_constant().is_some_and(fits) {
            return Ok(None);
        }
        let step = hi.get_type().const_int(step as u64, true);
        if lo.get_sign_extended_constant().is_some_and(|l| l >= 0) {
            // It is needed only in the loop, where the end is above the start and thus positive.
            return Ok(Some(e.b.build_int_nsw_sub(hi, step, "")?));
        }
        let last = e.intrinsic_value("llvm.ssub.sat", &[hi.get_type().into()], &[hi.into(), step.into()])?;
        Ok(Some(e.int(last)?))
    }

    fn endless(&mut self, body: &Block) -> Res<()> {
        let e = &self.m.e;
        let (start, end) = (self.new_block("loop"), self.new_block("end"));
        e.b.build_unconditional_branch(start)?;
        e.b.position_at_end(start);
        self.breaks.push(Some(end));
        let open = self.block(body)?;
        self.breaks.pop();
        if open {
            let back = e.b.build_unconditional_branch(start)?;
            back.set_metadata(fixed_loop(e.cx), e.cx.get_kind_id("llvm.loop")).expect("a node is metadata");
        }
        e.b.position_at_end(end);
        Ok(())
    }

    fn leave_loop(&mut self) -> Res<bool> {
        match self.breaks.last() {
            Some(Some(end)) => {
                self.m.e.b.build_unconditional_branch(*end)?;
                Ok(false)
            }
            _ => program("a break isn't inside of a loop that it can leave"),
        }
    }

    fn branch(&mut self, cond: Value, then: &Block, els: &Block) -> Res<bool> {
        let e = &self.m.e;
        let (yes, no, end) = (self.new_block("then"), self.new_block("else"), self.new_block("end"));
        e.b.build_conditional_branch(self.int(cond)?, yes, no)?;
        let mut reached = false;
        for (start, body) in [(yes, then), (no, els)] {
            e.b.position_at_end(start);
            if self.block(body)? {
                e.b.build_unconditional_branch(end)?;
                reached = true;
            }
        }
        e.b.position_at_end(end);
        if !reached {
            e.b.build_unreachable()?;
        }
        Ok(reached)
    }

    fn call(&mut self, callee: Callee, args: &[Arg], result: Option<Value>) -> Res<()> {
        let e = &self.m.e;
        let f = match callee {
            Callee::Func(id) => self.m.funcs[id],
            Callee::Extern(id) => self.m.externs[id],
        };
        let args = args.iter().map(|a| self.argument(a)).collect::<Res<Vec<_>>>()?;
        if args.len() != f.count_params() as usize {
            return program(format!("a call passes {} arguments instead of {}", args.len(), f.count_params()));
        }
        let call = e.b.build_call(f, &args, "")?;
        if let Some(v) = result {
            let Some(r) = call.try_as_basic_value().basic() else { return program("a call returns nothing") };
            self.values[v] = Some(e.as_value(r, self.func.values[v].ty.elem)?);
        }
        Ok(())
    }

    pub fn argument(&self, arg: &Arg) -> Res<BasicMetadataValueEnum<'c>> {
        let e = &self.m.e;
        match arg {
            Arg::Value(v) => Ok(e.as_stored(self.value(*v)?, self.func.values[*v].ty.elem)?.into()),
            Arg::Buf { buf, offset } => {
                let at = self.elements(*buf)?;
                match offset {
                    // Of an empty buffer even the start may lie outside.
                    Some(o) => Ok(e.address(at, self.value(*o)?, false)?.into()),
                    None => Ok(at.base.into()),
                }
            }
            Arg::Table(i) => match self.f.get_nth_param(*i) {
                Some(p) => Ok(p.into()),
                None => program(format!("there is no parameter {i}")),
            },
        }
    }

    fn give_back(&mut self, v: Option<Value>) -> Res<bool> {
        let e = &self.m.e;
        match v {
            Some(v) => {
                let r = e.as_stored(self.value(v)?, self.func.values[v].ty.elem)?;
                e.b.build_return(Some(&r))?
            }
            None => match self.f.get_type().get_return_type() {
                Some(t) => e.b.build_return(Some(&t.const_zero()))?,
                None => e.b.build_return(None)?,
            },
        };
        Ok(false)
    }
}
