//! Attributes: `{ axis: 1, mode: "cubic" }`.

use super::Parser;
use crate::graph::{Attr, Attrs};
use onnxc_base::text::Tok;
use onnxc_base::{DType, Diagnostic};

impl Parser<'_> {
    /// The attributes of a node, if there are any.
    pub(super) fn attrs(&mut self) -> Result<Attrs, Diagnostic> {
        let mut attrs = Attrs::default();
        if !self.c.eat("{") {
            return Ok(attrs);
        }
        while !self.c.eat("}") {
            let at = self.c.position();
            let name = if let Tok::Str(_) = self.c.peek() { self.c.string()? } else { self.c.ident()? };
            self.c.expect(":")?;
            let value = self.attr()?;
            if attrs.0.insert(name.clone(), value).is_some() {
                return Err(self.error("E7011", at, format!("the attribute '{name}' is given twice")));
            }
            if !self.c.eat(",") && !self.c.at("}") {
                return Err(self.c.expected("',' or '}'"));
            }
        }
        Ok(attrs)
    }

    fn attr(&mut self) -> Result<Attr, Diagnostic> {
        if self.c.eat("[") {
            return self.items();
        }
        for (word, empty) in
            [("ints", Attr::Ints(vec![])), ("floats", Attr::Floats(vec![])), ("strs", Attr::Strs(vec![]))]
        {
            if self.c.eat(word) {
                self.c.expect("[")?;
                self.c.expect("]")?;
                return Ok(empty);
            }
        }
        if self.c.eat("syms") {
            self.c.expect("[")?;
            return Ok(Attr::Syms(self.c.list("]", |c| c.parse_sym())?));
        }
        if self.c.eat("type") {
            return Ok(Attr::Type(self.ty(0)?));
        }
        if self.c.eat("tensor") {
            return Ok(Attr::Tensor(self.tensor()?));
        }
        self.plain()
    }

    /// A number, a word in quotes, or a dtype.
    fn plain(&mut self) -> Result<Attr, Diagnostic> {
        let ahead = usize::from(self.c.at("-"));
        match self.c.peek_at(ahead).clone() {
            Tok::Int(_) => Ok(Attr::Int(self.c.int()?)),
            Tok::Float(_) => Ok(Attr::Float(self.c.f32()?)),
            Tok::Ident(w) if w == "inf" || w == "nan" => Ok(Attr::Float(self.c.f32()?)),
            Tok::Str(_) => Ok(Attr::Str(self.c.string()?)),
            Tok::Ident(w) if DType::from_name(&w).is_some() => Ok(Attr::DType(self.dtype()?)),
            _ => Err(self.c.expected("an attribute's value")),
        }
    }

    /// The items of a list that isn't empty; all of the kind of the first.
    fn items(&mut self) -> Result<Attr, Diagnostic> {
        let start = self.c.position();
        let first = self.plain()?;
        self.c.rewind(start);
        match first {
            Attr::Int(_) => Ok(Attr::Ints(self.c.list("]", |c| c.int())?)),
            Attr::Float(_) => Ok(Attr::Floats(self.c.list("]", |c| c.f32())?)),
            Attr::Str(_) => Ok(Attr::Strs(self.c.list("]", |c| c.string())?)),
            _ => Err(self.c.expected("numbers or strings")),
        }
    }
}
