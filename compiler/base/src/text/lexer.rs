//! From text to tokens. Total: every text gives tokens or one `E7001` diagnostic; nothing panics.

use crate::diag::{Diagnostic, Place};

/// A piece of the source, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// What a token is.
#[derive(Clone, PartialEq, Debug)]
pub enum Tok {
    /// `f32`, `conv1.weight`, `j#3`, and also `inf` and `nan`.
    Ident(String),
    /// Any text in backticks.
    Backtick(String),
    /// `%x`, `$w`, `@main`: the sigil and the name, unquoted.
    Sigil(char, String),
    /// A number without sign, point and exponent.
    Int(u64),
    /// Any other number (or an integer beyond 64 bits), as spelled: its type decides how to read it.
    Float(String),
    /// A string, unescaped.
    Str(String),
    /// One of the fixed spellings.
    Punct(&'static str),
    /// The end of the text; never runs out.
    End,
}

/// A token and where it is.
#[derive(Clone, PartialEq, Debug)]
pub struct Token {
    /// What it is.
    pub tok: Tok,
    /// Where it is.
    pub span: Span,
}

/// Longer ones first, as the first match is taken.
const PUNCTUATION: [&str; 37] = [
    "->", "=>", "..", "==", "!=", "<=", ">=", "+=", ":=", "(", ")", "[", "]", "{", "}", "<", ">", ",", ":", ";", "=",
    "+", "-", "*", "/", "?", "!", "&", "|", "^", "~", ".", "%", "$", "@", "'", "\\",
];

/// The tokens of `source`, `End` last.
pub fn tokenize(source: &str, file: Option<&str>) -> Result<Vec<Token>, Diagnostic> {
    let mut lexer = Lexer { source, file, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        let tok = lexer.token()?;
        let end = tok == Tok::End;
        tokens.push(Token { tok, span: Span { start, end: lexer.at } });
        if end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    source: &'a str,
    file: Option<&'a str>,
    at: usize,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// How many bytes at the start of `text` are one name: words joined by single `.` or `#`.
pub(super) fn name_length(text: &str) -> usize {
    let word = |from: usize| text[from..].find(|c| !is_word(c)).map_or(text.len(), |n| from + n);
    let mut end = word(0);
    while end > 0 && text[end..].starts_with(['.', '#']) && text[end + 1..].starts_with(is_word) {
        end = word(end + 1);
    }
    end
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn error(&self, start: usize, message: &str) -> Diagnostic {
        error_at(self.source, self.file, Span { start, end: self.at.max(start + 1) }, message)
    }

    fn skip_blank(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            if !self.rest().starts_with('#') {
                return;
            }
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        }
    }

    fn take(&mut self, bytes: usize) -> String {
        let taken = self.source[self.at..self.at + bytes].to_owned();
        self.at += bytes;
        taken
    }

    fn token(&mut self) -> Result<Tok, Diagnostic> {
        let Some(first) = self.rest().chars().next() else { return Ok(Tok::End) };
        match first {
            '0'..='9' => Ok(self.number()),
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = name_length(self.rest());
                Ok(Tok::Ident(self.take(length)))
            }
            '"' => Ok(Tok::Str(self.quoted('"')?)),
            '`' => Ok(Tok::Backtick(self.quoted('`')?)),
            '%' | '$' | '@' => self.sigil(first),
            _ => match PUNCTUATION.iter().find(|p| self.rest().starts_with(**p)) {
                Some(punct) => {
                    self.at += punct.len();
                    Ok(Tok::Punct(punct))
                }
                None => {
                    let start = self.at;
                    self.at += first.len_utf8();
                    Err(self.error(start, &format!("unexpected character {first:?}")))
                }
            },
        }
    }

    /// A name after `%`, `$`, `@`; the character alone is punctuation.
    fn sigil(&mut self, sigil: char) -> Result<Tok, Diagnostic> {
        let punct = PUNCTUATION.iter().find(|p| p.starts_with(sigil));
        self.at += 1;
        if self.rest().starts_with('"') {
            return Ok(Tok::Sigil(sigil, self.quoted('"')?));
        }
        match (name_length(self.rest()), punct) {
            (0, Some(punct)) => Ok(Tok::Punct(punct)),
            (length, _) => Ok(Tok::Sigil(sigil, self.take(length))),
        }
    }

    fn number(&mut self) -> Tok {
        let text = self.rest();
        let digits = |from: usize| text[from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| from + n);
        let hex = |c: char| c.is_ascii_hexdigit();
        if text.starts_with("0f") && text[2..].starts_with(hex) {
            let end = text[2..].find(|c| !hex(c)).map_or(text.len(), |n| n + 2);
            return Tok::Float(self.take(end));
        }
        let whole = digits(0);
        let mut end = whole;
        if text[end..].starts_with('.') && text[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
            end = digits(end + 1);
        }
        if text[end..].starts_with(['e', 'E']) {
            let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
            let exponent = digits(end + 1 + sign);
            if exponent > end + 1 + sign {
                end = exponent;
            }
        }
        match text[..end].parse() {
            Ok(value) if end == whole => {
                self.at += end;
                Tok::Int(value)
            }
            _ => Tok::Float(self.take(end)),
        }
    }

    /// The text between two `quote`s, unescaped.
    fn quoted(&mut self, quote: char) -> Result<String, Diagnostic> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                self.at = start + 1;
                return Err(self.error(start, "the quote isn't closed"));
            };
            self.at += c.len_utf8();
            match c {
                '\\' => text.push(self.escape()?),
                _ if c == quote => return Ok(text),
                _ => text.push(c),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char, Diagnostic> {
        let start = self.at - 1;
        let Some(c) = self.rest().chars().next() else { return Err(self.error(start, "the quote isn't closed")) };
        self.at += c.len_utf8();
        match c {
            'n' => Ok('\n'),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            '\\' | '"' | '`' => Ok(c),
            'u' => {
                let code = self.rest().strip_prefix('{').and_then(|r| r.split_once('}')).map(|(code, _)| code.len());
                let length = code.filter(|l| *l <= 6).ok_or_else(|| self.error(start, "expected \\u{hex}"))?;
                let hex = self.take(length + 2);
                // `from_str_radix` alone would take a sign.
                let digits = Some(&hex[1..=length]).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
                let value = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
                value.ok_or_else(|| self.error(start, "no such character"))
            }
            _ => Err(self.error(start, "unknown escape")),
        }
    }
}

/// 1-based line and column (in characters) of a byte.
pub(super) fn line_column(source: &str, byte: usize) -> (usize, usize) {
    let before = &source[..byte.min(source.len())];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// The message with the source line and carets under the span.
pub(super) fn error_at(source: &str, file: Option<&str>, span: Span, message: &str) -> Diagnostic {
    let (line, column) = line_column(source, span.start);
    let text = source.lines().nth(line - 1).unwrap_or("");
    let end = line_column(source, span.end);
    let width = if end.0 == line { end.1 - column } else { (text.chars().count() + 1).saturating_sub(column) };
    let pad: String = text.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let place = Place { file: file.map(str::to_owned), line: Some((line, column)), ..Place::default() };
    Diagnostic::error("E7001", format!("{message}\n  | {text}\n  | {pad}{}", "^".repeat(width.max(1)))).at(place)
}
