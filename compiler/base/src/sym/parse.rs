//! Reading an expression: `+ - *` with the usual precedence, unary minus, parentheses, and the functions
//! `floordiv`, `ceildiv`, `mod` (two operands), `min`, `max`, `joint` (two or more).
//!
//! Any spelling is accepted; the result is canonical.

use super::print::RESERVED;
use super::{MAX_DEPTH, Sym};
use crate::diag::Diagnostic;
use crate::text::{Cursor, Tok};

impl Sym {
    /// Reads all of `text` as an expression; the message says where and why it isn't one.
    pub fn parse(text: &str) -> Result<Sym, String> {
        let read = || {
            let mut cursor = Cursor::new(text, None)?;
            let sym = cursor.parse_sym()?;
            cursor.expect_end()?;
            Ok(sym)
        };
        read().map_err(|d: Diagnostic| d.message)
    }
}

/// Reads an expression, as long as it goes on.
pub(crate) fn parse_sym(cursor: &mut Cursor<'_>) -> Result<Sym, Diagnostic> {
    sum(cursor, 0)
}

fn sum(cursor: &mut Cursor<'_>, depth: u32) -> Result<Sym, Diagnostic> {
    // Twice the depth of expressions, for parentheses that mean nothing.
    if depth > 2 * MAX_DEPTH {
        return Err(cursor.error("the expression is nested too deeply"));
    }
    let mut total = product(cursor, depth)?;
    loop {
        if cursor.eat("+") {
            total += product(cursor, depth)?;
        } else if cursor.eat("-") {
            total -= product(cursor, depth)?;
        } else {
            return Ok(total);
        }
    }
}

fn product(cursor: &mut Cursor<'_>, depth: u32) -> Result<Sym, Diagnostic> {
    let mut total = factor(cursor, depth)?;
    while cursor.eat("*") {
        total *= factor(cursor, depth)?;
    }
    Ok(total)
}

fn factor(cursor: &mut Cursor<'_>, depth: u32) -> Result<Sym, Diagnostic> {
    let mut negative = false;
    while cursor.eat("-") {
        negative = !negative;
    }
    // The magnitude of i64::MIN fits only together with its sign.
    if let Tok::Int(value) = *cursor.peek() {
        let signed = if negative { -i128::from(value) } else { i128::from(value) };
        let value = i64::try_from(signed).map_err(|_| cursor.error("the number doesn't fit 64 bits"))?;
        cursor.next();
        return Ok(Sym::int(value));
    }
    let value = operand(cursor, depth)?;
    Ok(if negative { -value } else { value })
}

fn operand(cursor: &mut Cursor<'_>, depth: u32) -> Result<Sym, Diagnostic> {
    if cursor.eat("(") {
        let inner = sum(cursor, depth + 1)?;
        cursor.expect(")")?;
        return Ok(inner);
    }
    match cursor.peek().clone() {
        Tok::Ident(name) if RESERVED.contains(&&*name) => function(cursor, &name, depth),
        Tok::Ident(name) | Tok::Backtick(name) => {
            cursor.next();
            Ok(Sym::var(name))
        }
        _ => Err(cursor.expected("a number, a symbol, a function or '('")),
    }
}

fn function(cursor: &mut Cursor<'_>, name: &str, depth: u32) -> Result<Sym, Diagnostic> {
    let start = cursor.position();
    cursor.next();
    if name == "overflow" {
        return Ok(Sym::overflow());
    }
    cursor.expect("(")?;
    let mut operands = vec![sum(cursor, depth + 1)?];
    while cursor.eat(",") {
        operands.push(sum(cursor, depth + 1)?);
    }
    cursor.expect(")")?;
    match (name, operands.as_slice()) {
        ("min", [_, _, ..]) => Ok(Sym::min_of(operands)),
        ("max", [_, _, ..]) => Ok(Sym::max_of(operands)),
        ("joint", [_, _, ..]) => Ok(Sym::joint_of(operands)),
        ("floordiv", [a, b]) => Ok(a.floordiv(b)),
        ("ceildiv", [a, b]) => Ok(a.ceildiv(b)),
        ("mod", [a, b]) => Ok(a.modulo(b)),
        _ => Err(cursor.error_at(start, format!("'{name}' doesn't take {} operands", operands.len()))),
    }
}
