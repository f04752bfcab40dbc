//! Functions: signature, declarations, statements.

use super::Parser;
use crate::loops::print::is_nameless;
use crate::loops::*;
use crate::scalar::literal;
use onnxc_base::Diagnostic;
use onnxc_base::text::Tok;
use std::collections::BTreeMap;

/// Blocks inside blocks, at most.
const MAX_DEPTH: usize = 200;

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum Named {
    Value(Value),
    Var(Var),
    Buf(Buf),
    Table(u32),
}

/// The function being read.
#[derive(Default)]
pub(super) struct Body {
    pub func: Func,
    pub names: BTreeMap<String, Named>,
    /// Statements of the open blocks.
    open: Vec<Vec<Stmt>>,
    /// Constants of the open blocks.
    consts: Vec<BTreeMap<Scalar, Value>>,
}

impl Body {
    fn enter(&mut self) {
        self.open.push(vec![]);
        self.consts.push(BTreeMap::new());
    }

    fn leave(&mut self) -> Block {
        self.consts.pop();
        Block(self.open.pop().unwrap_or_default())
    }

    pub(super) fn stmt(&mut self, s: Stmt) {
        if let Some(block) = self.open.last_mut() {
            block.push(s);
        }
    }

    /// The value of a literal: one per block and those inside it.
    pub(super) fn literal(&mut self, s: Scalar) -> Value {
        if let Some(&v) = self.consts.iter().rev().find_map(|m| m.get(&s)) {
            return v;
        }
        let v = self.func.values.push(ValueDef { ty: Ty::scalar(s.dtype), op: Op::Const(s), name: String::new() });
        self.stmt(Stmt::Let(v));
        if let Some(m) = self.consts.last_mut() {
            m.insert(s, v);
        }
        v
    }
}

/// A name as a hint: nothing if it only counts.
pub(super) fn hint(name: &str) -> String {
    if is_nameless(name) { String::new() } else { name.to_owned() }
}

impl Parser<'_> {
    /// Reads a function after `func`.
    pub(super) fn func(&mut self, linkage: Linkage) -> Result<(), Diagnostic> {
        let mut b = Body::default();
        b.enter();
        b.func.name = self.c.sigil('@')?;
        b.func.linkage = linkage;
        b.func.doc = std::mem::take(&mut self.doc);
        self.c.expect("(")?;
        while !self.c.eat(")") {
            self.param(&mut b)?;
            if !self.c.at(")") {
                self.c.expect(",")?;
            }
        }
        b.func.ret = self.ret()?;
        self.statements(&mut b)?;
        b.func.body = b.leave();
        self.program.funcs.push(b.func);
        Ok(())
    }

    fn param(&mut self, b: &mut Body) -> Result<(), Diagnostic> {
        let (at, name) = self.new_name()?;
        let kind = self.param_kind()?;
        let i = b.func.params.len() as u32;
        let named = match kind {
            ParamKind::Scalar(dtype) => {
                let v = b.func.values.push(ValueDef { ty: Ty::scalar(dtype), op: Op::Param(i), name: name.clone() });
                b.stmt(Stmt::Let(v));
                Named::Value(v)
            }
            ParamKind::Buf { dtype, .. } => {
                Named::Buf(b.func.bufs.push(BufDef { dtype, kind: BufKind::Param(i), name: name.clone() }))
            }
            ParamKind::Table => Named::Table(i),
        };
        b.func.params.push(Param { name: name.clone(), kind });
        self.define(b, at, name, named)
    }

    /// `%name:`
    pub(super) fn new_name(&mut self) -> Result<(usize, String), Diagnostic> {
        let at = self.c.position();
        let name = self.c.sigil('%')?;
        self.c.expect(":")?;
        Ok((at, name))
    }

    pub(super) fn define(&mut self, b: &mut Body, at: usize, name: String, named: Named) -> Result<(), Diagnostic> {
        if b.names.contains_key(&name) {
            return Err(self.error("E7003", at, format!("%{name} is defined twice")));
        }
        b.names.insert(name, named);
        Ok(())
    }

    /// `{ statements }`
    fn statements(&mut self, b: &mut Body) -> Result<(), Diagnostic> {
        self.c.expect("{")?;
        if b.open.len() > MAX_DEPTH {
            return Err(self.error("E7004", self.c.position() - 1, "blocks are nested too deeply"));
        }
        while !self.c.eat("}") {
            self.statement(b)?;
        }
        Ok(())
    }

    /// A block of its own.
    fn block(&mut self, b: &mut Body) -> Result<Block, Diagnostic> {
        b.enter();
        self.statements(b)?;
        Ok(b.leave())
    }

    fn statement(&mut self, b: &mut Body) -> Result<(), Diagnostic> {
        let at = self.c.position();
        if let Some(name) = self.c.eat_sigil('%') {
            return self.definition(b, at, name);
        }
        let word = self.c.ident()?;
        let s = match word.as_str() {
            "buf" | "var" | "regtile" => return self.declaration(b, &word),
            "set" => {
                let place = self.place(b)?;
                self.c.expect("=")?;
                Stmt::Set(place, self.value(b)?)
            }
            "store" => {
                let (buf, offset, value, mask) = self.write_to(b)?;
                Stmt::Store { buf, offset, value, mask }
            }
            "scatter" => {
                let (buf, offsets, value, mask) = self.write_to(b)?;
                Stmt::Scatter { buf, offsets, value, mask }
            }
            "prefetch" => {
                let buf = self.buf(b)?;
                Stmt::Prefetch { buf, offset: self.bracketed(b)? }
            }
            "alloc" | "view" | "entry" => self.local(b, &word)?,
            "free" => Stmt::Free(self.buf(b)?),
            "assign" => {
                let buf = self.buf(b)?;
                self.c.expect("=")?;
                Stmt::Assign { buf, from: self.buf(b)? }
            }
            "for" => self.for_loop(b, LoopKind::Serial)?,
            "parallel" | "unrolled" => {
                self.c.expect("for")?;
                self.for_loop(b, if word == "parallel" { LoopKind::Parallel } else { LoopKind::Unrolled })?
            }
            "loop" => Stmt::Loop(self.block(b)?),
            "break" => Stmt::Break,
            "if" => {
                let cond = self.value(b)?;
                let then = self.block(b)?;
                let els = if self.c.eat("else") { self.block(b)? } else { Block::default() };
                Stmt::If { cond, then, els }
            }
            "call" => {
                let (callee, args) = self.call(b)?;
                Stmt::Call { callee, args, result: None }
            }
            "fork" => self.fork(b)?,
            "return" => {
                let value = matches!(self.c.peek(), Tok::Sigil('%', _)) || literal::at_literal(&self.c);
                Stmt::Return(if value { Some(self.value(b)?) } else { None })
            }
            "note" => Stmt::Comment(self.c.string()?),
            _ => {
                self.c.rewind(at);
                return Err(self.c.expected("a statement"));
            }
        };
        b.stmt(s);
        Ok(())
    }

    /// `%name = op : type`, `%name = call @f() : type`
    fn definition(&mut self, b: &mut Body, at: usize, name: String) -> Result<(), Diagnostic> {
        self.c.expect("=")?;
        let call = if self.c.eat("call") { Some(self.call(b)?) } else { None };
        let op = if call.is_some() { Op::Result } else { self.op(b)? };
        self.c.expect(":")?;
        let ty = self.ty()?;
        let v = b.func.values.push(ValueDef { ty, op, name: hint(&name) });
        b.stmt(match call {
            Some((callee, args)) => Stmt::Call { callee, args, result: Some(v) },
            None => Stmt::Let(v),
        });
        self.define(b, at, name, Named::Value(v))
    }

    fn for_loop(&mut self, b: &mut Body, kind: LoopKind) -> Result<Stmt, Diagnostic> {
        let at = self.c.position();
        let name = self.c.sigil('%')?;
        self.c.expect("in")?;
        let lo = self.value(b)?;
        self.c.expect("..")?;
        let hi = self.value(b)?;
        let step = if self.c.eat("step") { self.c.int()? } else { 1 };
        let index = b.func.values.push(ValueDef { ty: Ty::I64, op: Op::Index, name: hint(&name) });
        self.define(b, at, name, Named::Value(index))?;
        let body = self.block(b)?;
        Ok(Stmt::For { index, lo, hi, step, kind, body })
    }

    /// `@f(args) over %count team %t`
    fn fork(&mut self, b: &mut Body) -> Result<Stmt, Diagnostic> {
        let at = self.c.position();
        let (callee, args) = self.call(b)?;
        let Callee::Func(callee) = callee else {
            return Err(self.error("E7003", at, "a linked function can't be forked"));
        };
        self.c.expect("over")?;
        let count = self.value(b)?;
        self.c.expect("team")?;
        Ok(Stmt::Fork { callee, args, count, team: self.value(b)? })
    }

    /// `%buf[offset] = value mask %m`
    fn write_to(&mut self, b: &mut Body) -> Result<(Buf, Value, Value, Option<Value>), Diagnostic> {
        let buf = self.buf(b)?;
        let offset = self.bracketed(b)?;
        self.c.expect("=")?;
        let value = self.value(b)?;
        Ok((buf, offset, value, self.mask(b)?))
    }
}
