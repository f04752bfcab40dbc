//! Expressions. Each tree has its own spelling: parentheses stand exactly where the parser would group otherwise.

use super::Names;
use crate::kernel::{BinOp, Expr, ExprKind, ReduceOp, Scalar};
use crate::scalar::literal::{literal, number};
use onnxc_base::DType;

/// Words of the reductions.
pub(in crate::kernel) const REDUCTIONS: [(&str, ReduceOp); 6] = [
    ("sum", ReduceOp::Add),
    ("product", ReduceOp::Mul),
    ("min", ReduceOp::Min),
    ("max", ReduceOp::Max),
    ("all", ReduceOp::And),
    ("any", ReduceOp::Or),
];

/// How tightly an expression binds.
const COMPARE: u8 = 0;
const SUM: u8 = 1;
const PRODUCT: u8 = 2;
const ATOM: u8 = 3;

/// The word of a reduction.
pub(super) fn reduction(op: ReduceOp) -> &'static str {
    REDUCTIONS.iter().find(|r| r.1 == op).map_or("?", |r| r.0)
}

fn infix(op: BinOp) -> Option<(&'static str, u8)> {
    match op {
        BinOp::Add => Some(("+", SUM)),
        BinOp::Sub => Some(("-", SUM)),
        BinOp::Mul => Some(("*", PRODUCT)),
        BinOp::Div => Some(("/", PRODUCT)),
        _ => None,
    }
}

/// A literal that can't be read as a symbolic integer.
fn constant(s: Scalar) -> String {
    if s.dtype == DType::I64 { format!("{}i64", number(s)) } else { literal(s) }
}

impl Names {
    /// The text of an expression.
    pub fn expr(&self, e: &Expr) -> String {
        let mut out = String::new();
        self.write(&mut out, e, COMPARE);
        out
    }

    fn write(&self, out: &mut String, e: &Expr, least: u8) {
        match e.kind() {
            ExprKind::Const(s) => out.push_str(&constant(*s)),
            ExprKind::Int(s) => out.push_str(&format!("int({s})")),
            ExprKind::Load { src, index, pad } => {
                out.push_str(&self.src(*src));
                if let Some(p) = pad {
                    out.push_str(&format!(".padded({})", constant(*p)));
                }
                out.push('[');
                self.list(out, index, |out, i| match i.as_sym() {
                    Some(s) => out.push_str(&s.to_string()),
                    None => self.write(out, i, COMPARE),
                });
                out.push(']');
            }
            ExprKind::Unary(op, a) => self.call(out, op.name(), &[a]),
            ExprKind::Binary(op, a, b) => match infix(*op) {
                Some((sign, level)) => self.infix(out, (a, sign, b), (level, level, level + 1), least),
                None => self.call(out, op.name(), &[a, b]),
            },
            ExprKind::Compare(op, a, b) => self.infix(out, (a, op.sign(), b), (COMPARE, SUM, SUM), least),
            ExprKind::Select(c, a, b) => self.call(out, "select", &[c, a, b]),
            ExprKind::Cast(d, a) => self.call(out, d.name(), &[a]),
        }
    }

    /// An operation between its operands, with the levels of itself and of both.
    fn infix(&self, out: &mut String, (a, sign, b): (&Expr, &str, &Expr), levels: (u8, u8, u8), least: u8) {
        let (own, left, right) = levels;
        if own < least {
            out.push('(');
        }
        self.write(out, a, left);
        out.push_str(&format!(" {sign} "));
        self.write(out, b, right.min(ATOM));
        if own < least {
            out.push(')');
        }
    }

    fn call(&self, out: &mut String, name: &str, args: &[&Expr]) {
        out.push_str(name);
        out.push('(');
        self.list(out, args, |out, a| self.write(out, a, COMPARE));
        out.push(')');
    }

    fn list<T>(&self, out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            write(out, item);
        }
    }
}
