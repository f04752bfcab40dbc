//! Reads the text of a kernel (see [`super::print`] for the form).
//!
//! Holds afterwards: printing gives the same text. Lines may be in any order, as long as names are defined before they
//! are used. NOT checked: what `verify` checks; a kernel that was read may break its rules.
//!
//! Codes: `E7001` syntax · `E7020` a name that nothing defines · `E7021` a name defined twice · `E7022` elements that
//! don't fit a constant, or elided ones · `E7023` an expression that is nested too deeply.

mod data;
mod expr;
mod schedule;
#[cfg(test)]
mod tests;

use super::hints::NoHint;
use super::print::REDUCTIONS;
use super::*;
use onnxc_base::Diagnostic;
use onnxc_base::sym::Range;
use onnxc_base::text::{Cursor, Tok};
use std::collections::BTreeMap;

/// Reads a kernel; `file` is for messages. Elided constants are taken from `constants`, where one has the name and hash.
pub fn parse_kernel(text: &str, file: Option<&str>, constants: Option<&Kernel>) -> Result<Kernel, Diagnostic> {
    let mut p = Parser {
        c: Cursor::new(text, file)?,
        kernel: Kernel::default(),
        names: BTreeMap::new(),
        constants: constants.into_iter().flat_map(|k| k.params.values()).cloned().collect(),
    };
    p.c.expect("kernel")?;
    p.kernel.name = p.c.sigil('@')?;
    p.c.expect("{")?;
    while !p.c.eat("}") {
        p.item()?;
    }
    p.c.expect_end()?;
    Ok(p.kernel)
}

struct Parser<'t> {
    c: Cursor<'t>,
    kernel: Kernel,
    /// Parameters and definitions so far.
    names: BTreeMap<String, Src>,
    /// Those of another kernel, with their data.
    constants: Vec<Param>,
}

impl Parser<'_> {
    fn error(&self, code: &'static str, position: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, ..self.c.error_at(position, message) }
    }

    /// One line. A word is a keyword unless brackets make it the name of a definition.
    fn item(&mut self) -> Result<(), Diagnostic> {
        let word = match self.c.peek() {
            Tok::Ident(w) if !self.is_definition() => w.clone(),
            Tok::Ident(_) | Tok::Backtick(_) => return self.def(),
            _ => return Err(self.c.expected("a line of the kernel, or '}'")),
        };
        let at = self.c.position();
        self.c.next();
        match word.as_str() {
            "doc" => self.kernel.doc = self.c.string()?,
            "dim" => self.dim()?,
            "in" => self.param(false)?,
            "const" => self.param(true)?,
            "out" => self.outputs()?,
            "check" => self.check()?,
            "hints" => self.hints()?,
            "schedule" => self.schedule()?,
            _ => {
                self.c.rewind(at);
                return Err(self
                    .c
                    .expected("doc, dim, in, const, out, check, hints, schedule, or a definition 'name[...]'"));
            }
        }
        Ok(())
    }

    fn hints(&mut self) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let text = self.c.string()?;
        self.kernel.hints = text.parse().map_err(|NoHint(w)| self.error("E7001", at, format!("'{w}' is no hint")))?;
        Ok(())
    }

    /// Is this `name[`? (A status stands between `check` and its brackets.)
    fn is_definition(&self) -> bool {
        *self.c.peek_at(1) == Tok::Punct("[")
    }

    /// The name of a parameter or definition.
    fn name(&mut self) -> Result<String, Diagnostic> {
        match self.c.peek().clone() {
            Tok::Ident(name) | Tok::Backtick(name) => {
                self.c.next();
                Ok(name)
            }
            _ => Err(self.c.expected("a name")),
        }
    }

    /// The thing of a name.
    fn find(&mut self) -> Result<Src, Diagnostic> {
        let at = self.c.position();
        let name = self.name()?;
        let unknown = || self.error("E7020", at, format!("nothing before this is called '{name}'"));
        self.names.get(&name).copied().ok_or_else(unknown)
    }

    fn find_def(&mut self) -> Result<DefId, Diagnostic> {
        let at = self.c.position();
        match self.find()? {
            Src::Def(d) => Ok(d),
            Src::Param(_) => Err(self.error("E7020", at, "this is a parameter, a definition is needed")),
        }
    }

    fn define(&mut self, name: String, at: usize, src: Src) -> Result<(), Diagnostic> {
        match self.names.insert(name, src) {
            None => Ok(()),
            Some(_) => Err(self.error("E7021", at, "something before this has the same name")),
        }
    }

    fn dtype(&mut self) -> Result<DType, Diagnostic> {
        let found = match self.c.peek() {
            Tok::Ident(word) => DType::from_name(word),
            _ => None,
        };
        let found = found.ok_or_else(|| self.c.expected("an element type"))?;
        self.c.next();
        Ok(found)
    }

    /// `h in 1..=1024 about 224`
    fn dim(&mut self) -> Result<(), Diagnostic> {
        let dim = self.c.symbol()?;
        let mut range = Range::default();
        self.c.expect("in")?;
        if !self.c.at("..") {
            range.lo = Some(self.c.int()?);
        }
        self.c.expect("..")?;
        if self.c.eat("=") {
            range.hi = Some(self.c.parse_sym()?);
        }
        if self.c.eat("about") {
            range.typical = Some(self.c.int()?);
        }
        self.kernel.ranges.insert(dim, range);
        Ok(())
    }

    /// `x: f32[n, 3]`, and ` = ...` for a constant
    fn param(&mut self, constant: bool) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let name = self.name()?;
        self.c.expect(":")?;
        let dtype = self.dtype()?;
        self.c.expect("[")?;
        let shape = self.c.list("]", |c| c.parse_sym())?;
        let value = match constant {
            true => {
                self.c.expect("=")?;
                Some(self.data(&name, dtype, &shape)?)
            }
            false => None,
        };
        let id = self.kernel.params.push(Param { name: name.clone(), dtype, shape, value });
        self.define(name, at, Src::Param(id))
    }

    /// `m in n, o in 64` up to the closing bracket; the opening one was taken.
    fn axes(&mut self, close: &str) -> Result<Vec<Axis>, Diagnostic> {
        self.c.list(close, |c| {
            let var = c.symbol()?;
            c.expect("in")?;
            Ok(Axis { var, extent: c.parse_sym()? })
        })
    }

    /// `y[i in n]: f32 = ...`
    fn def(&mut self) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let name = self.name()?;
        self.c.expect("[")?;
        let axes = self.axes("]")?;
        self.c.expect(":")?;
        let dtype = self.dtype()?;
        self.c.expect("=")?;
        let body = self.body()?;
        let id = self.kernel.defs.push(Def { name: name.clone(), dtype, axes, body });
        self.define(name, at, Src::Def(id))
    }

    fn body(&mut self) -> Result<Body, Diagnostic> {
        let Some(op) = self.reduction() else { return Ok(Body::Map(self.expr()?)) };
        self.c.next();
        self.c.expect("(")?;
        let axes = self.axes(")")?;
        let init = if self.c.eat("from") { Some(self.expr()?) } else { None };
        self.c.expect("of")?;
        Ok(Body::Reduce { op, axes, init, value: self.expr()? })
    }

    /// The reduction that begins here: unlike in a call, `in` follows the first word in parentheses, or nothing.
    fn reduction(&self) -> Option<ReduceOp> {
        let Tok::Ident(word) = self.c.peek() else { return None };
        let op = REDUCTIONS.iter().find(|r| r.0 == word)?.1;
        let axis = *self.c.peek_at(3) == Tok::Ident("in".into());
        let none = *self.c.peek_at(2) == Tok::Punct(")");
        (*self.c.peek_at(1) == Tok::Punct("(") && (axis || none)).then_some(op)
    }

    /// `y, z at [64, 1] + 128`
    fn outputs(&mut self) -> Result<(), Diagnostic> {
        loop {
            let d = self.find_def()?;
            self.kernel.outputs.push(d);
            if self.c.eat("at") {
                self.c.expect("[")?;
                let strides = self.c.list("]", |c| c.parse_sym())?;
                self.c.expect("+")?;
                let offset = self.c.parse_sym()?;
                self.kernel.place(self.kernel.outputs.len() - 1, Placed { strides, offset });
            }
            if !self.c.eat(",") {
                return Ok(());
            }
        }
    }

    /// `3 [i in n]: condition`
    fn check(&mut self) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let status = self.c.int()?;
        let status = i32::try_from(status).map_err(|_| self.c.error_at(at, "a status has 32 bits"))?;
        self.c.expect("[")?;
        let axes = self.axes("]")?;
        self.c.expect(":")?;
        let cond = self.expr()?;
        self.kernel.checks.push(Check { axes, cond, status });
        Ok(())
    }
}
