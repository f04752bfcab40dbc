//! The kit for IR text: what the graph, kernel and loops forms share.
//!
//! - [`Cursor`]: the tokens of a text, with `peek`, `next`, `eat`, `expect` and readers for names, numbers, symbolic
//!   integers; errors are diagnostics `E7001` with line, column and the source line under a caret.
//! - [`Writer`]: indented output. [`quoted`], [`sigil`], [`fmt_f32`], [`fmt_f64`]: spellings that read back exactly.
//!
//! ```
//! use onnxc_base::text::Cursor;
//!
//! let mut c = Cursor::new("%x: f32[n, 3*h]", Some("m.graph"))?;
//! let name = c.sigil('%')?;
//! c.expect(":")?;
//! let dtype = c.ident()?;
//! c.expect("[")?;
//! let dims = c.list("]", Cursor::parse_sym)?;
//! assert_eq!((name.as_str(), dtype.as_str(), dims.len()), ("x", "f32", 2));
//! # Ok::<(), onnxc_base::Diagnostic>(())
//! ```
//!
//! # Tokens
//! | token | spelling |
//! |---|---|
//! | identifier | `[A-Za-z_][A-Za-z0-9_]*`, then groups of `.` or `#` and `[A-Za-z0-9_]+`: `f32`, `conv1.weight`, `j#3`; any text in backticks where a symbol is meant |
//! | name | `%`, `$` or `@`, then an identifier that may start with a digit, or any text in double quotes: `%x`, `$12`, `%"a/b:0"` |
//! | integer | decimal digits; the sign is a token of its own ([`Cursor::int`] reads both) |
//! | float | `1.5`, `1e-3`, `inf`, `nan`, `0f7fc00001` (the bits in hex: 8 digits for `f32`, 16 for `f64`) |
//! | string | `"..."` with `\"` `\\` `\n` `\t` `\r` `\u{hex}` |
//! | punctuation | `-> => .. == != <= >= += :=` and single ASCII characters |
//! | comment | `#` (not inside an identifier) to the end of the line |
//!
//! A `.` belongs to an identifier or number only if a letter or digit follows, so `0..n` is three tokens.
//!
//! Nothing here knows what any of the IRs mean.

mod cursor;
mod lexer;
mod number;
mod print;
#[cfg(test)]
mod tests;

pub use cursor::Cursor;
pub use lexer::{Span, Tok, Token, tokenize};
pub use number::{fmt_f32, fmt_f64, parse_f32, parse_f64};
pub use print::{Writer, is_identifier, quoted, sigil};
