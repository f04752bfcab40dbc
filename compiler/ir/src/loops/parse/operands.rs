//! What statements and operations are given: values, buffers, places, masks, calls.

use super::Parser;
use super::func::{Body, Named};
use crate::loops::*;
use crate::scalar::literal;
use onnxc_base::Diagnostic;
use onnxc_base::text::Tok;

impl Parser<'_> {
    /// `@f(args)` or `extern @f(args)`, after `call`
    pub(super) fn call(&mut self, b: &mut Body) -> Result<(Callee, Vec<Arg>), Diagnostic> {
        let linked = self.c.eat("extern");
        let name = self.c.sigil('@')?;
        let callee = match (linked, self.funcs.get(&name), self.externs.get(&name)) {
            (false, Some(&f), _) => Callee::Func(f),
            (true, _, Some(&e)) => Callee::Extern(e),
            (true, ..) => return self.unknown("linked function", &name),
            (false, ..) => return self.unknown("function", &name),
        };
        self.c.expect("(")?;
        let mut args = Vec::new();
        while !self.c.eat(")") {
            args.push(self.arg(b)?);
            if !self.c.at(")") {
                self.c.expect(",")?;
            }
        }
        Ok((callee, args))
    }

    fn arg(&mut self, b: &mut Body) -> Result<Arg, Diagnostic> {
        let named = match self.c.peek() {
            Tok::Sigil('%', name) => b.names.get(name).copied(),
            _ => None,
        };
        match named {
            Some(Named::Table(t)) => {
                self.c.next();
                Ok(Arg::Table(t))
            }
            Some(Named::Buf(buf)) => {
                self.c.next();
                let offset = if self.c.at("[") { Some(self.bracketed(b)?) } else { None };
                Ok(Arg::Buf { buf, offset })
            }
            _ => self.value(b).map(Arg::Value),
        }
    }

    pub(super) fn value(&mut self, b: &mut Body) -> Result<Value, Diagnostic> {
        if literal::at_literal(&self.c) {
            let s = literal::parse_literal(&mut self.c)?;
            return Ok(b.literal(s));
        }
        match self.named(b, "value")? {
            (_, Some(Named::Value(v))) => Ok(v),
            (name, _) => self.unknown("value", &name),
        }
    }

    pub(super) fn buf(&mut self, b: &Body) -> Result<Buf, Diagnostic> {
        match self.named(b, "buffer")? {
            (_, Some(Named::Buf(buf))) => Ok(buf),
            (name, _) => self.unknown("buffer", &name),
        }
    }

    pub(super) fn place(&mut self, b: &mut Body) -> Result<Place, Diagnostic> {
        let var = match self.named(b, "variable")? {
            (_, Some(Named::Var(var))) => var,
            (name, _) => return self.unknown("variable", &name),
        };
        let mut index = Vec::new();
        while self.c.at("[") {
            index.push(self.bracketed(b)?);
        }
        Ok(Place { var, index })
    }

    fn named(&mut self, b: &Body, what: &str) -> Result<(String, Option<Named>), Diagnostic> {
        let name = self.c.eat_sigil('%').ok_or_else(|| self.c.expected(&format!("a {what}")))?;
        let named = b.names.get(&name).copied();
        Ok((name, named))
    }

    /// `[value]`
    pub(super) fn bracketed(&mut self, b: &mut Body) -> Result<Value, Diagnostic> {
        self.c.expect("[")?;
        let v = self.value(b)?;
        self.c.expect("]")?;
        Ok(v)
    }

    pub(super) fn mask(&mut self, b: &mut Body) -> Result<Option<Value>, Diagnostic> {
        if self.c.eat("mask") { self.value(b).map(Some) } else { Ok(None) }
    }
}
