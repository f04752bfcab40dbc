//! Control flow: branches, loops, calls.

use crate::func::Translator;
use crate::rep::Rep;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, InstBuilder, types};
use onnxc_ir::loops::{self as l, Value};

impl Translator<'_, '_> {
    /// One of two blocks.
    pub fn if_else(&mut self, cond: Value, then: &l::Block, els: &l::Block) {
        let cond = self.scalar(cond);
        let (yes, no, after) = (self.b.create_block(), self.b.create_block(), self.b.create_block());
        self.b.ins().brif(cond, yes, &[], no, &[]);
        for (block, body) in [(yes, then), (no, els)] {
            self.b.switch_to_block(block);
            self.b.seal_block(block);
            self.block(body);
            self.b.ins().jump(after, &[]);
        }
        self.b.switch_to_block(after);
        self.b.seal_block(after);
    }

    /// `if lo < hi { do { body; index += step } while index < hi }`: one branch per iteration.
    pub fn for_loop(&mut self, index: Value, lo: Value, hi: Value, step: i64, body: &l::Block) {
        // Beside the greatest integer, `next` could wrap: then `index < hi - step` decides.
        let near_edge = step > 1 && self.constant(hi).is_none_or(|hi| hi.checked_add(step).is_none());
        let (lo, hi) = (self.scalar(lo), self.scalar(hi));
        let last = near_edge.then(|| self.saturating_sub(hi, step));
        let (head, exit) = (self.b.create_block(), self.b.create_block());
        let i = self.b.append_block_param(head, types::I64);
        let any = self.b.ins().icmp(IntCC::SignedLessThan, lo, hi);
        self.b.ins().brif(any, head, &[lo.into()], exit, &[]);
        self.b.switch_to_block(head);
        self.define(index, Rep::scalar(i));
        self.exits.push(exit);
        self.block(body);
        self.exits.pop();
        let step = self.int(types::I64, step);
        let next = self.b.ins().iadd(i, step);
        let more = match last {
            Some(last) => self.b.ins().icmp(IntCC::SignedLessThan, i, last),
            None => self.b.ins().icmp(IntCC::SignedLessThan, next, hi),
        };
        self.b.ins().brif(more, head, &[next.into()], exit, &[]);
        self.b.seal_block(head);
        self.b.switch_to_block(exit);
        self.b.seal_block(exit);
    }

    /// `v - by` for a positive `by`, or the least integer.
    fn saturating_sub(&mut self, v: ir::Value, by: i64) -> ir::Value {
        let (least, by_value) = (self.int(types::I64, i64::MIN), self.int(types::I64, by));
        let difference = self.b.ins().isub(v, by_value);
        let floor = self.int(types::I64, i64::MIN.saturating_add(by));
        let wraps = self.b.ins().icmp(IntCC::SignedLessThan, v, floor);
        self.b.ins().select(wraps, least, difference)
    }

    /// The body until a break.
    pub fn loop_forever(&mut self, body: &l::Block) {
        let (head, exit) = (self.b.create_block(), self.b.create_block());
        self.b.ins().jump(head, &[]);
        self.b.switch_to_block(head);
        self.exits.push(exit);
        self.block(body);
        self.exits.pop();
        self.b.ins().jump(head, &[]);
        self.b.seal_block(head);
        self.b.switch_to_block(exit);
        self.b.seal_block(exit);
    }

    /// What is passed for an argument.
    pub fn argument(&mut self, arg: &l::Arg) -> ir::Value {
        match *arg {
            l::Arg::Value(v) => self.scalar(v),
            l::Arg::Buf { buf, offset: None } => self.address(buf),
            l::Arg::Buf { buf, offset: Some(offset) } => {
                let (base, at) = self.element(buf, offset);
                let at = self.int(self.cx.pointer, i64::from(at));
                self.b.ins().iadd(base, at)
            }
            l::Arg::Table(i) => self.params[i as usize],
        }
    }

    /// A call of a function of the program or a linked one.
    pub fn call(&mut self, callee: l::Callee, args: &[l::Arg], result: Option<Value>) {
        let args: Vec<ir::Value> = args.iter().map(|a| self.argument(a)).collect();
        let Some(&f) = self.callees.get(&callee.into()) else {
            return self.fail("a call of a function that isn't there");
        };
        let inst = self.b.ins().call(f, &args);
        let first = self.b.inst_results(inst).first().copied();
        match (result, first) {
            (Some(v), Some(r)) => self.define(v, Rep::scalar(r)),
            (Some(_), None) => self.fail("the result of a function without one is used"),
            (None, _) => {}
        }
    }
}
