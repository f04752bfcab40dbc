//! Printing helpers: quoting names, and output with indentation.

use super::lexer::name_length;
use std::fmt::{self, Write};

/// Is it an identifier as the lexer sees it?
pub fn is_identifier(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name_length(name) == name.len()
}

/// The text between `quote`s (`"` or `` ` ``), escaped where needed.
pub fn quoted(text: &str, quote: char) -> String {
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\\' => out.push_str("\\\\"),
            _ if c == quote => out.extend(['\\', c]),
            _ if c.is_control() => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push(quote);
    out
}

/// A name with its sigil, in quotes if it has unusual characters: `%x`, `$12`, `%"a/b:0"`.
pub fn sigil(sigil: char, name: &str) -> String {
    if !name.is_empty() && name_length(name) == name.len() {
        format!("{sigil}{name}")
    } else {
        format!("{sigil}{}", quoted(name, '"'))
    }
}

/// Text with two spaces of indentation per level, put at the start of each line that isn't empty.
///
/// It is a [`fmt::Write`], so `write!` and `writeln!` work; writing never fails.
#[derive(Default)]
pub struct Writer {
    out: String,
    level: usize,
}

impl Writer {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more level for the lines that follow.
    pub fn indent(&mut self) {
        self.level += 1;
    }

    /// One level less.
    pub fn dedent(&mut self) {
        self.level = self.level.saturating_sub(1);
    }

    /// Writes text and ends the line.
    pub fn line(&mut self, text: impl fmt::Display) {
        // Writing to a `String` can't fail.
        let _ = writeln!(self, "{text}");
    }

    /// A line ending in ` {`, then one more level.
    pub fn open(&mut self, text: impl fmt::Display) {
        self.line(format_args!("{text} {{"));
        self.indent();
    }

    /// One level less, then a line `}`.
    pub fn close(&mut self) {
        self.dedent();
        self.line("}");
    }

    /// What was written.
    pub fn finish(self) -> String {
        self.out
    }
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive('\n') {
            if piece != "\n" && (self.out.is_empty() || self.out.ends_with('\n')) {
                self.out.extend(std::iter::repeat_n("  ", self.level));
            }
            self.out.push_str(piece);
        }
        Ok(())
    }
}
