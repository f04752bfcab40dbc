//! A position in a token list, with the readers that parsers are made of.
//!
//! Convention: `eat*` tries and says whether it did; every other reader insists, and an error leaves the position
//! where it was or after what was understood. There is no going back except through `position`/`rewind`.

use super::lexer::{Span, Tok, Token, error_at, tokenize};
use super::number::{parse_f32, parse_f64};
use crate::diag::Diagnostic;
use crate::sym::{Sym, Symbol};

/// A reader of tokens.
pub struct Cursor<'a> {
    source: &'a str,
    file: Option<&'a str>,
    tokens: Vec<Token>,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `source`; `file` is for messages.
    pub fn new(source: &'a str, file: Option<&'a str>) -> Result<Self, Diagnostic> {
        Ok(Self { source, file, tokens: tokenize(source, file)?, at: 0 })
    }

    /// The token here.
    pub fn peek(&self) -> &Tok {
        self.peek_at(0)
    }

    /// The token `ahead` of here.
    pub fn peek_at(&self, ahead: usize) -> &Tok {
        // `tokenize` always gives a last token, `End`.
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)].tok
    }

    /// The token here, and goes on.
    #[expect(clippy::should_implement_trait, reason = "never runs out, so it isn't an Iterator")]
    pub fn next(&mut self) -> Tok {
        let tok = self.peek().clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        tok
    }

    /// Where we are, for [`Cursor::error_at`] and [`Cursor::rewind`].
    pub fn position(&self) -> usize {
        self.at
    }

    /// Goes back to a position.
    pub fn rewind(&mut self, position: usize) {
        self.at = position.min(self.tokens.len() - 1);
    }

    /// The bytes of the token here.
    pub fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    /// 1-based line and column of the token here.
    pub fn line_column(&self) -> (usize, usize) {
        super::lexer::line_column(self.source, self.span().start)
    }

    /// Is this punctuation, or this identifier, here?
    pub fn at(&self, spelling: &str) -> bool {
        match self.peek() {
            Tok::Punct(p) => *p == spelling,
            Tok::Ident(i) => i == spelling,
            _ => false,
        }
    }

    /// Is the text used up?
    pub fn at_end(&self) -> bool {
        *self.peek() == Tok::End
    }

    /// Takes this punctuation or word if it is here.
    pub fn eat(&mut self, spelling: &str) -> bool {
        let here = self.at(spelling);
        if here {
            self.next();
        }
        here
    }

    /// Takes this punctuation or word.
    pub fn expect(&mut self, spelling: &str) -> Result<(), Diagnostic> {
        if self.eat(spelling) { Ok(()) } else { Err(self.expected(&format!("'{spelling}'"))) }
    }

    /// Insists on the end of the text.
    pub fn expect_end(&mut self) -> Result<(), Diagnostic> {
        if self.at_end() { Ok(()) } else { Err(self.expected("the end")) }
    }

    /// An identifier.
    pub fn ident(&mut self) -> Result<String, Diagnostic> {
        match self.peek().clone() {
            Tok::Ident(name) => {
                self.next();
                Ok(name)
            }
            _ => Err(self.expected("a word")),
        }
    }

    /// A name with this sigil; the name comes without it.
    pub fn sigil(&mut self, sigil: char) -> Result<String, Diagnostic> {
        self.eat_sigil(sigil).ok_or_else(|| self.expected(&format!("a name with '{sigil}'")))
    }

    /// A name with this sigil, if one is here.
    pub fn eat_sigil(&mut self, sigil: char) -> Option<String> {
        match self.peek().clone() {
            Tok::Sigil(s, name) if s == sigil => {
                self.next();
                Some(name)
            }
            _ => None,
        }
    }

    /// A symbol: an identifier, or any text in backticks.
    pub fn symbol(&mut self) -> Result<Symbol, Diagnostic> {
        match self.peek().clone() {
            Tok::Ident(name) | Tok::Backtick(name) => {
                self.next();
                Ok(Symbol::new(&name))
            }
            _ => Err(self.expected("a symbol")),
        }
    }

    /// A string.
    pub fn string(&mut self) -> Result<String, Diagnostic> {
        match self.peek().clone() {
            Tok::Str(text) => {
                self.next();
                Ok(text)
            }
            _ => Err(self.expected("a string")),
        }
    }

    /// An integer with an optional minus.
    pub fn int(&mut self) -> Result<i64, Diagnostic> {
        self.wide_int("an integer of 64 bits")
    }

    /// An integer without sign.
    pub fn uint(&mut self) -> Result<u64, Diagnostic> {
        self.wide_int("an unsigned integer of 64 bits")
    }

    fn wide_int<T: TryFrom<i128>>(&mut self, what: &str) -> Result<T, Diagnostic> {
        let negative = self.at("-");
        let value = match self.peek_at(usize::from(negative)) {
            Tok::Int(value) if negative => -i128::from(*value),
            Tok::Int(value) => i128::from(*value),
            _ => return Err(self.expected(what)),
        };
        let value = T::try_from(value).map_err(|_| self.expected(what))?;
        self.at += 1 + usize::from(negative);
        Ok(value)
    }

    /// A 32-bit float with an optional minus; the exact bits that [`super::fmt_f32`] printed.
    pub fn f32(&mut self) -> Result<f32, Diagnostic> {
        self.float("a 32-bit float", parse_f32, |v| -v)
    }

    /// A 64-bit float with an optional minus; the exact bits that [`super::fmt_f64`] printed.
    pub fn f64(&mut self) -> Result<f64, Diagnostic> {
        self.float("a 64-bit float", parse_f64, |v| -v)
    }

    fn float<T>(&mut self, what: &str, read: fn(&str) -> Option<T>, negate: fn(T) -> T) -> Result<T, Diagnostic> {
        let negative = self.at("-");
        let value = match self.peek_at(usize::from(negative)) {
            Tok::Int(value) => read(&value.to_string()),
            Tok::Float(text) | Tok::Ident(text) => read(text),
            _ => None,
        };
        let value = value.ok_or_else(|| self.expected(what))?;
        self.at += 1 + usize::from(negative);
        Ok(if negative { negate(value) } else { value })
    }

    /// A symbolic integer (see [`Sym::parse`]), as long as it goes on.
    pub fn parse_sym(&mut self) -> Result<Sym, Diagnostic> {
        crate::sym::parse_sym(self)
    }

    /// `item`s separated by commas up to `close` (a last comma is allowed), which is taken too; `open` was taken.
    pub fn list<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, Diagnostic>,
    ) -> Result<Vec<T>, Diagnostic> {
        let mut items = Vec::new();
        while !self.eat(close) {
            items.push(item(self)?);
            if !self.eat(",") {
                if !self.eat(close) {
                    return Err(self.expected(&format!("',' or '{close}'")));
                }
                break;
            }
        }
        Ok(items)
    }

    /// The error that something else was expected here.
    pub fn expected(&self, what: &str) -> Diagnostic {
        let span = self.span();
        let found = match self.peek() {
            Tok::End => "the end".to_owned(),
            _ => format!("'{}'", &self.source[span.start..span.end]),
        };
        self.error(format!("expected {what}, found {found}"))
    }

    /// An error about the token here.
    pub fn error(&self, message: impl Into<String>) -> Diagnostic {
        self.error_at(self.at, message)
    }

    /// An error about the token at a position.
    pub fn error_at(&self, position: usize, message: impl Into<String>) -> Diagnostic {
        let span = self.tokens[position.min(self.tokens.len() - 1)].span;
        error_at(self.source, self.file, span, &message.into())
    }
}
