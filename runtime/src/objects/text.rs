//! What strings do one at a time: splitting, changing the case.

use alloc::vec::Vec;

/// The parts of a text between delimiters; at most `limit` cuts. Without a delimiter, runs of white space separate, and
/// what is around the text is dropped.
pub fn split(text: &str, delimiter: &str, limit: usize) -> Vec<alloc::string::String> {
    if !delimiter.is_empty() {
        return text.splitn(limit.saturating_add(1), delimiter).map(Into::into).collect();
    }
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if out.len() == limit {
            out.push(rest.trim_end().into());
            break;
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        out.push(rest[..end].into());
        rest = rest[end..].trim_start();
    }
    out
}

/// What happens to letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// Nothing.
    Keep,
    /// To small ones.
    Lower,
    /// To capitals.
    Upper,
}

/// A text with its letters changed; bytes that are no UTF-8 stay as they are.
pub fn change(bytes: &[u8], case: Case) -> Vec<u8> {
    match (core::str::from_utf8(bytes), case) {
        (Ok(t), Case::Lower) => t.to_lowercase().into_bytes(),
        (Ok(t), Case::Upper) => t.to_uppercase().into_bytes(),
        _ => bytes.to_vec(),
    }
}
