//! Symbolic expressions as values: a builder computes an extent or an offset from what its symbols are bound to.
//!
//! Does NOT simplify an expression: `Sym` is simplified where it is made.

use super::FuncBuilder;
use crate::loops::{BinOp, CmpOp, Value};
use onnxc_base::sym::{Sym, SymNode, Symbol};

impl FuncBuilder {
    /// Binds a dim or index variable of symbolic expressions to a value, until the block ends.
    pub fn bind(&mut self, symbol: impl Into<Symbol>, value: Value) {
        self.symbols.last_mut().expect("as many as open blocks").insert(symbol.into(), value);
    }

    /// The value bound to a symbol.
    pub fn lookup(&self, symbol: &Symbol) -> Option<Value> {
        self.symbols.iter().rev().find_map(|m| m.get(symbol)).copied()
    }

    /// Computes a symbolic expression (i64, or a vector if a symbol is bound to one). Panics on an unbound symbol and
    /// on the `overflow` marker (bugs of the caller).
    pub fn sym(&mut self, e: &Sym) -> Value {
        match e.node() {
            SymNode::Int(v) => self.int(v),
            SymNode::Var(s) => self.lookup(&s).unwrap_or_else(|| panic!("symbol {s} has no value here")),
            SymNode::Add(terms) => self.sym_sum(&terms),
            SymNode::Mul(factors) => self.sym_fold(BinOp::Mul, &factors),
            SymNode::FloorDiv(a, b) => self.sym_pair(BinOp::FloorDiv, &a, &b),
            SymNode::Mod(a, b) => self.sym_pair(BinOp::FloorMod, &a, &b),
            SymNode::Min(a, b) => self.sym_pair(BinOp::Min, &a, &b),
            SymNode::Max(a, b) => self.sym_pair(BinOp::Max, &a, &b),
            SymNode::Joint(a, b) => self.sym_joint(&a, &b),
            SymNode::Overflow => panic!("a size beyond 64 bits has to be refused before lowering"),
        }
    }

    fn sym_pair(&mut self, op: BinOp, a: &Sym, b: &Sym) -> Value {
        let (a, b) = (self.sym(a), self.sym(b));
        self.binary(op, a, b)
    }

    /// The smaller one if that is below 1, else the larger one.
    fn sym_joint(&mut self, a: &Sym, b: &Sym) -> Value {
        let (a, b) = (self.sym(a), self.sym(b));
        let (least, most) = (self.binary(BinOp::Min, a, b), self.binary(BinOp::Max, a, b));
        let one = self.int(1);
        let none = self.compare(CmpOp::Lt, least, one);
        self.select(none, least, most)
    }

    fn sym_fold(&mut self, op: BinOp, parts: &[Sym]) -> Value {
        let first = self.sym(&parts[0]);
        parts[1..].iter().fold(first, |acc, p| {
            let v = self.sym(p);
            self.binary(op, acc, v)
        })
    }

    /// Positive terms first, so that `a - b` needs no negation.
    fn sym_sum(&mut self, terms: &[Sym]) -> Value {
        let negative = |t: &Sym| match t.node() {
            SymNode::Int(v) => v < 0,
            SymNode::Mul(f) => f[0].as_int().is_some_and(|v| v < 0),
            _ => false,
        };
        let mut acc: Option<Value> = None;
        let (minus, plus): (Vec<&Sym>, Vec<&Sym>) = terms.iter().partition(|t| negative(t));
        for t in plus {
            let v = self.sym(t);
            acc = Some(acc.map_or(v, |a| self.add(a, v)));
        }
        for t in minus {
            acc = Some(match acc {
                Some(a) => {
                    let v = self.sym(&-t.clone());
                    self.sub(a, v)
                }
                None => self.sym(t),
            });
        }
        acc.unwrap_or_else(|| self.int(0))
    }
}
