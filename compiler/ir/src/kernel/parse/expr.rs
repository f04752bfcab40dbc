//! Expressions, as trees exactly as they are spelled: nothing is folded.

use super::Parser;
use crate::kernel::{BinOp, CmpOp, Expr, ExprKind, Scalar, UnOp};
use crate::scalar::literal::parse_literal;
use onnxc_base::text::Tok;
use onnxc_base::{DType, Diagnostic};

/// The deepest tree: what walks one later does so by recursion.
const MAX_DEPTH: u32 = 400;

/// An expression and the depth of its tree.
struct Tree(Expr, u32);

impl Parser<'_> {
    /// An expression, as long as it goes on.
    pub(super) fn expr(&mut self) -> Result<Expr, Diagnostic> {
        self.compare(0).map(|t| t.0)
    }

    /// A node over others.
    fn node(&self, kind: ExprKind, below: u32) -> Result<Tree, Diagnostic> {
        self.limit(below)?;
        Ok(Tree(Expr::new(kind), below + 1))
    }

    fn limit(&self, depth: u32) -> Result<(), Diagnostic> {
        match depth < MAX_DEPTH {
            true => Ok(()),
            false => Err(self.error("E7023", self.c.position(), "the expression is nested too deeply")),
        }
    }

    /// `outer` counts the levels that are still open.
    fn compare(&mut self, outer: u32) -> Result<Tree, Diagnostic> {
        self.limit(outer)?;
        const SIGNS: [(&str, CmpOp); 6] = [
            ("==", CmpOp::Eq),
            ("!=", CmpOp::Ne),
            ("<", CmpOp::Lt),
            ("<=", CmpOp::Le),
            (">", CmpOp::Gt),
            (">=", CmpOp::Ge),
        ];
        let Tree(a, x) = self.sum(outer + 1)?;
        match SIGNS.iter().find(|s| self.c.eat(s.0)) {
            Some(&(_, op)) => {
                let Tree(b, y) = self.sum(outer + 1)?;
                self.node(ExprKind::Compare(op, a, b), x.max(y))
            }
            None => Ok(Tree(a, x)),
        }
    }

    fn sum(&mut self, outer: u32) -> Result<Tree, Diagnostic> {
        self.chain(&[("+", BinOp::Add), ("-", BinOp::Sub)], |p| p.product(outer))
    }

    fn product(&mut self, outer: u32) -> Result<Tree, Diagnostic> {
        self.chain(&[("*", BinOp::Mul), ("/", BinOp::Div)], |p| p.atom(outer))
    }

    fn chain(
        &mut self,
        signs: &[(&str, BinOp)],
        mut operand: impl FnMut(&mut Self) -> Result<Tree, Diagnostic>,
    ) -> Result<Tree, Diagnostic> {
        let mut left = operand(self)?;
        while let Some(&(_, op)) = signs.iter().find(|s| self.c.eat(s.0)) {
            let right = operand(self)?;
            left = self.node(ExprKind::Binary(op, left.0, right.0), left.1.max(right.1))?;
        }
        Ok(left)
    }

    fn atom(&mut self, outer: u32) -> Result<Tree, Diagnostic> {
        if self.c.eat("(") {
            let inner = self.compare(outer + 1)?;
            self.c.expect(")")?;
            return Ok(inner);
        }
        match (self.c.peek().clone(), self.c.peek_at(1)) {
            (Tok::Ident(word), Tok::Punct("(")) if !word.ends_with(".padded") => self.call(&word, outer),
            (Tok::Ident(_) | Tok::Backtick(_), Tok::Punct("[" | "(" | ".")) => self.load(outer),
            (Tok::Int(_) | Tok::Float(_) | Tok::Punct("-"), _) => self.literal(),
            (Tok::Ident(w), _) if matches!(w.as_str(), "true" | "false" | "inf" | "nan") => self.literal(),
            _ => Err(self.c.expected("a value: a literal, 'name[...]', a function or '('")),
        }
    }

    fn literal(&mut self) -> Result<Tree, Diagnostic> {
        let s = parse_literal(&mut self.c)?;
        self.node(ExprKind::Const(s), 0)
    }

    /// `name[i, j]` or `name.padded(0.0)[i, j]`
    fn load(&mut self, outer: u32) -> Result<Tree, Diagnostic> {
        let at = self.c.position();
        let mut name = self.name()?;
        // The lexer takes `x.padded` for one word.
        let padded = match name.strip_suffix(".padded") {
            Some(plain) if self.c.at("(") => {
                name = plain.to_owned();
                true
            }
            _ => self.c.eat("."),
        };
        if padded && !self.c.at("(") {
            self.c.expect("padded")?;
        }
        let pad = if padded { Some(self.pad()?) } else { None };
        let unknown = || self.error("E7020", at, format!("nothing before this is called '{name}'"));
        let src = self.names.get(&name).copied().ok_or_else(unknown)?;
        self.c.expect("[")?;
        let (mut index, mut below) = (Vec::new(), 0);
        while !self.c.eat("]") {
            let Tree(i, depth) = self.index(outer + 1)?;
            index.push(i);
            below = below.max(depth);
            if !self.c.eat(",") && !self.c.at("]") {
                return Err(self.c.expected("',' or ']'"));
            }
        }
        self.node(ExprKind::Load { src, index, pad }, below)
    }

    fn pad(&mut self) -> Result<Scalar, Diagnostic> {
        self.c.expect("(")?;
        let pad = parse_literal(&mut self.c)?;
        self.c.expect(")")?;
        Ok(pad)
    }

    /// A symbolic integer if it is one up to the comma or bracket, otherwise an expression.
    fn index(&mut self, outer: u32) -> Result<Tree, Diagnostic> {
        let start = self.c.position();
        if let Ok(s) = self.c.parse_sym()
            && (self.c.at(",") || self.c.at("]"))
        {
            return self.node(ExprKind::Int(s), 0);
        }
        self.c.rewind(start);
        self.compare(outer)
    }

    /// `exp(x)`, `select(c, a, b)`, `f16(x)`, `int(2*i)`
    fn call(&mut self, word: &str, outer: u32) -> Result<Tree, Diagnostic> {
        let at = self.c.position();
        self.c.next();
        self.c.expect("(")?;
        if word == "int" {
            let s = self.c.parse_sym()?;
            self.c.expect(")")?;
            return self.node(ExprKind::Int(s), 0);
        }
        let (mut args, mut below) = (Vec::new(), 0);
        while !self.c.eat(")") {
            let Tree(a, depth) = self.compare(outer + 1)?;
            args.push(a);
            below = below.max(depth);
            if !self.c.eat(",") && !self.c.at(")") {
                return Err(self.c.expected("',' or ')'"));
            }
        }
        let mut args = args.into_iter();
        let kind = match (args.next(), args.next(), args.next(), args.next()) {
            (Some(a), None, ..) => match (UnOp::from_name(word), DType::from_name(word)) {
                (Some(op), _) => Some(ExprKind::Unary(op, a)),
                (_, Some(d)) => Some(ExprKind::Cast(d, a)),
                _ => None,
            },
            (Some(a), Some(b), None, _) => BinOp::from_name(word).map(|op| ExprKind::Binary(op, a, b)),
            (Some(c), Some(a), Some(b), None) if word == "select" => Some(ExprKind::Select(c, a, b)),
            _ => None,
        };
        let kind =
            kind.ok_or_else(|| self.c.error_at(at, format!("there is no function '{word}' of so many values")))?;
        self.node(kind, below)
    }
}
