//! Reads the text that `print` writes (see [`super::print`] for the syntax), or that a person did.
//!
//! More is accepted than is printed: any order of the lines before the functions, no `program` line (the name is then
//! `main`), names of one's own for everything. A literal becomes a constant defined once per block, just before its
//! first use. A constant without its data (`elided`) becomes zeros whose name says so, see
//! [`super::print::elided_hash`].
//!
//! Errors are diagnostics with line, column and the line under a caret; one per function or line at the top level.
//! `E7001`: the text; `E7002`: a name that isn't defined; `E7003`: a name defined twice; `E7004`: a limit.
//! NOT checked: anything that `verify` checks.

mod func;
mod memory;
mod operands;
mod ops;
mod top;

use super::*;
use onnxc_base::text::Cursor;
use onnxc_base::{Diagnostic, Diagnostics};
use std::collections::BTreeMap;

/// Reads a program; `file` is for messages.
pub fn parse_program(text: &str, file: Option<&str>) -> Result<Program, Diagnostics> {
    let cursor = Cursor::new(text, file)?;
    let mut parser = Parser {
        text,
        c: cursor,
        program: Program { name: "main".into(), ..Program::default() },
        consts: BTreeMap::new(),
        funcs: BTreeMap::new(),
        externs: BTreeMap::new(),
        doc: String::new(),
        elided_bytes: 0,
    };
    parser.number_functions();
    let mut found = Diagnostics::new();
    while !parser.c.at_end() {
        if let Err(d) = parser.item() {
            found.push(d);
            parser.skip_item();
        }
    }
    found.into_result(parser.program)
}

/// What has been read so far.
struct Parser<'t> {
    text: &'t str,
    c: Cursor<'t>,
    program: Program,
    consts: BTreeMap<String, ConstId>,
    /// All functions of the text: calls may come before definitions (and `verify` complains).
    funcs: BTreeMap<String, FuncId>,
    externs: BTreeMap<String, ExternId>,
    /// Of the function that comes next.
    doc: String,
    /// Bytes of zeros made for constants without data.
    elided_bytes: u64,
}

impl Parser<'_> {
    /// An error of a code at a position.
    fn error(&self, code: &'static str, position: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, ..self.c.error_at(position, message) }
    }

    /// The token just read has no meaning.
    fn unknown<T>(&self, what: &str, name: &str) -> Result<T, Diagnostic> {
        Err(self.error("E7002", self.c.position().saturating_sub(1), format!("there is no {what} '{name}'")))
    }

    /// A number that fits the type.
    fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Diagnostic> {
        let at = self.c.position();
        let value = self.c.uint()?;
        T::try_from(value).map_err(|_| self.error("E7004", at, format!("{value} is too large here")))
    }

    fn dtype(&mut self) -> Result<DType, Diagnostic> {
        match self.c.peek() {
            onnxc_base::text::Tok::Ident(word) => match DType::from_name(word) {
                Some(d) => {
                    self.c.next();
                    Ok(d)
                }
                None => Err(self.c.expected("an element type")),
            },
            _ => Err(self.c.expected("an element type")),
        }
    }

    /// `f32`, `v16f32`.
    fn ty(&mut self) -> Result<Ty, Diagnostic> {
        if let onnxc_base::text::Tok::Ident(word) = self.c.peek() {
            let split = word.strip_prefix('v').and_then(|w| {
                let end = w.find(|c: char| !c.is_ascii_digit())?;
                Some((w[..end].parse().ok()?, DType::from_name(&w[end..])?))
            });
            if let Some((lanes, elem)) = split {
                self.c.next();
                return Ok(Ty { elem, lanes });
            }
        }
        self.dtype().map(Ty::scalar)
    }

    /// `i64`, `const f32*`, `f32*`, `table`.
    fn param_kind(&mut self) -> Result<ParamKind, Diagnostic> {
        if self.c.eat("table") {
            return Ok(ParamKind::Table);
        }
        let constant = self.c.eat("const");
        let dtype = self.dtype()?;
        if constant {
            self.c.expect("*")?;
            return Ok(ParamKind::Buf { dtype, mutable: false });
        }
        Ok(if self.c.eat("*") { ParamKind::Buf { dtype, mutable: true } } else { ParamKind::Scalar(dtype) })
    }

    fn ret(&mut self) -> Result<Option<Ty>, Diagnostic> {
        if self.c.eat("->") { self.ty().map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests;
