//! Operations: the right-hand sides of definitions, without the type.

use super::Parser;
use super::func::Body;
use crate::loops::*;
use crate::scalar::literal;
use onnxc_base::Diagnostic;

impl Parser<'_> {
    pub(super) fn op(&mut self, b: &mut Body) -> Result<Op, Diagnostic> {
        let at = self.c.position();
        let word = self.c.ident().map_err(|_| self.c.expected("an operation"))?;
        Ok(match word.as_str() {
            "param" => Op::Param(self.small()?),
            "index" => Op::Index,
            "result" => Op::Result,
            "const" => Op::Const(literal::parse_literal(&mut self.c)?),
            "iota" => Op::Iota,
            "splat" => Op::Splat(self.value(b)?),
            "fma" => {
                let [a, x, y] = self.three(b)?;
                Op::Fma(a, x, y)
            }
            "dot" => {
                let [a, x, y] = self.three(b)?;
                Op::Dot(a, x, y)
            }
            "select" => {
                let [cond, x, y] = self.three(b)?;
                Op::Select(cond, x, y)
            }
            "cmp" => {
                let op = self.word("a comparison", CmpOp::from_name)?;
                let (x, y) = self.two(b)?;
                Op::Compare(op, x, y)
            }
            "cast" => Op::Cast(self.value(b)?),
            "bitcast" => Op::Bitcast(self.value(b)?),
            "load" => {
                let buf = self.buf(b)?;
                let offset = self.bracketed(b)?;
                Op::Load { buf, offset, mask: self.mask(b)? }
            }
            "gather" => {
                let buf = self.buf(b)?;
                let offsets = self.bracketed(b)?;
                Op::Gather { buf, offsets, mask: self.mask(b)? }
            }
            "get" => Op::Get(self.place(b)?),
            "extract" => {
                let v = self.value(b)?;
                self.c.expect(",")?;
                Op::Extract(v, self.small()?)
            }
            "reduce" => {
                let op = self.word("a reduction", ReduceOp::from_name)?;
                Op::Reduce(op, self.value(b)?)
            }
            "shuffle" => self.shuffle(b)?,
            "isnull" => Op::IsNull(self.buf(b)?),
            "thread_id" => Op::ThreadId,
            _ => return self.arithmetic(b, at, &word),
        })
    }

    fn arithmetic(&mut self, b: &mut Body, at: usize, word: &str) -> Result<Op, Diagnostic> {
        if let Some(op) = UnOp::from_name(word) {
            return Ok(Op::Unary(op, self.value(b)?));
        }
        let Some(op) = BinOp::from_name(word) else {
            self.c.rewind(at);
            return Err(self.c.expected("an operation"));
        };
        let (x, y) = self.two(b)?;
        Ok(Op::Binary(op, x, y))
    }

    fn two(&mut self, b: &mut Body) -> Result<(Value, Value), Diagnostic> {
        let x = self.value(b)?;
        self.c.expect(",")?;
        Ok((x, self.value(b)?))
    }

    fn three(&mut self, b: &mut Body) -> Result<[Value; 3], Diagnostic> {
        let (x, y) = self.two(b)?;
        self.c.expect(",")?;
        Ok([x, y, self.value(b)?])
    }

    fn shuffle(&mut self, b: &mut Body) -> Result<Op, Diagnostic> {
        let (x, y) = self.two(b)?;
        self.c.expect(",")?;
        self.c.expect("[")?;
        let mut pick = Vec::new();
        while !self.c.eat("]") {
            pick.push(self.small()?);
            if !self.c.at("]") {
                self.c.expect(",")?;
            }
        }
        Ok(Op::Shuffle(x, y, pick))
    }

    /// A word that means one of a family of operations.
    fn word<T>(&mut self, what: &str, meaning: fn(&str) -> Option<T>) -> Result<T, Diagnostic> {
        match self.c.peek() {
            onnxc_base::text::Tok::Ident(w) => match meaning(w) {
                Some(op) => {
                    self.c.next();
                    Ok(op)
                }
                None => Err(self.c.expected(what)),
            },
            _ => Err(self.c.expected(what)),
        }
    }
}
