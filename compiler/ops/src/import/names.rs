//! Names: unique in the graph, and fit to be symbols.
//!
//! Holds afterwards: no two values and no two nodes share a name; the model's own inputs and outputs keep theirs.

use std::collections::HashSet;

/// Hands out unique names.
#[derive(Default)]
pub(super) struct Names {
    used: HashSet<String>,
    reserved: HashSet<String>,
}

impl Names {
    /// Keeps a name back for the value that has a right to it.
    pub fn reserve(&mut self, name: &str) {
        self.reserved.insert(name.into());
    }

    /// The name itself, or with the first free suffix `_2`, `_3` ...; reserved names need the `right`.
    pub fn unique(&mut self, name: &str, right: bool) -> String {
        let free = |n: &str| !self.used.contains(n) && (right || !self.reserved.contains(n));
        let mut candidate = name.to_string();
        let mut i = 1u64;
        while !free(&candidate) {
            i += 1;
            candidate = format!("{name}_{i}");
        }
        self.used.insert(candidate.clone());
        candidate
    }
}

/// Words that would read as something else in expressions, C or Rust.
const KEYWORDS: &[&str] = &[
    "as", "auto", "break", "case", "ceildiv", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "floordiv", "fn", "for", "goto", "if", "impl", "in", "int", "let", "long", "loop", "match",
    "max", "min", "mod", "move", "mut", "overflow", "pub", "ref", "register", "return", "self", "short", "signed",
    "sizeof", "static", "struct", "switch", "trait", "type", "typedef", "union", "unsigned", "use", "void", "volatile",
    "where", "while",
];

/// An identifier made from any text; `None` when nothing in the text names anything (`?`, `-1`, blanks).
pub(super) fn identifier(text: &str) -> Option<String> {
    let negative = text.trim().parse::<i64>().is_ok_and(|v| v < 0);
    if negative || text == "None" || !text.chars().any(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let mut name: String = text.trim().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, 'd');
    }
    if KEYWORDS.contains(&name.as_str()) {
        name.push('_');
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_reserved_ones_wait() {
        let mut n = Names::default();
        n.reserve("y");
        assert_eq!(n.unique("y", false), "y_2");
        assert_eq!(n.unique("y", true), "y");
        assert_eq!(n.unique("x", false), "x");
        assert_eq!(n.unique("x", true), "x_2");
    }

    #[test]
    fn any_text_becomes_an_identifier_or_no_name() {
        let cases = [
            ("h", Some("h")),
            ("batch size", Some("batch_size")),
            ("a.b", Some("a_b")),
            ("3x", Some("d3x")),
            ("7", Some("d7")),
            ("?", None),
            ("", None),
            ("-1", None),
            ("None", None),
            ("min", Some("min_")),
            ("höhe", Some("h_he")),
            ("a+1", Some("a_1")),
        ];
        for (text, name) in cases {
            assert_eq!(identifier(text).as_deref(), name, "{text}");
        }
    }
}
