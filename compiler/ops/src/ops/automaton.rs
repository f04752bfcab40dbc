//! Regular expressions of RE2 to deterministic automata over bytes, at compile time.
//!
//! RE2's `\d`, `\s` and `\w` are ASCII where those of the parser used here are Unicode, so they are spelled out first.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::{Anchored, Input, util::syntax};
use std::collections::BTreeMap;

/// Bytes of an automaton while it is made, and states of one that is kept.
const MAX_BYTES: usize = 1 << 26;
const MAX_STATES: usize = 1 << 14;

/// An automaton that accepts what matches as a whole. For each state 257 numbers: the next state for each byte, then 1 if
/// the text may end there. It starts in state 0.
pub fn full_match(pattern: &str) -> Result<Vec<i32>, String> {
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .dfa_size_limit(Some(MAX_BYTES))
        .determinize_size_limit(Some(MAX_BYTES));
    let dfa = dense::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false))
        .build(&format!(r"\A(?:{})\z", ascii_classes(pattern)))
        .map_err(|e| chain(&e))?;
    let start = dfa.start_state_forward(&Input::new("").anchored(Anchored::Yes)).map_err(|e| e.to_string())?;
    let mut numbers = BTreeMap::from([(start, 0i32)]);
    let mut states = vec![start];
    let mut table = Vec::new();
    let mut at = 0;
    while at < states.len() {
        if states.len() > MAX_STATES {
            return Err(format!("it needs more than {MAX_STATES} states"));
        }
        let state = states[at];
        for byte in 0..=255u8 {
            let next = dfa.next_state(state, byte);
            let number = *numbers.entry(next).or_insert_with(|| {
                states.push(next);
                states.len() as i32 - 1
            });
            table.push(number);
        }
        table.push(i32::from(dfa.is_match_state(dfa.next_eoi_state(state))));
        at += 1;
    }
    Ok(table)
}

/// An error and what it comes from, in one line.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        text += &format!(": {inner}");
        source = inner.source();
    }
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The pattern with classes of letters spelled out, inside of brackets and outside.
fn ascii_classes(pattern: &str) -> String {
    let (mut out, mut chars, mut inside) = (String::new(), pattern.chars().peekable(), false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let Some(next) = chars.next() else {
                    out.push('\\');
                    break;
                };
                if let 'b' | 'B' = next
                    && !inside
                {
                    out += &format!(r"(?-u:\{next})");
                    continue;
                }
                let members = match next.to_ascii_lowercase() {
                    'd' => "0-9",
                    's' => r"\t\n\f\r ",
                    'w' => "0-9A-Za-z_",
                    _ => {
                        out.extend(['\\', next]);
                        continue;
                    }
                };
                out += &match (inside, next.is_ascii_uppercase()) {
                    (true, false) => members.to_string(),
                    (_, negated) => format!("[{}{members}]", if negated { "^" } else { "" }),
                };
            }
            '[' if !inside => {
                inside = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
                // A bracket that comes first stands for itself.
                if chars.peek() == Some(&']') {
                    chars.next();
                    out += r"\]";
                }
            }
            // A class by name, as [:alpha:]; any other bracket inside of brackets stands for itself.
            '[' if chars.peek() == Some(&':') => {
                out.push('[');
                for c in chars.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            '[' => out += r"\[",
            ']' => {
                inside = false;
                out.push(']');
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let table = full_match(pattern).expect("a pattern");
        let state = text.bytes().fold(0, |s, b| table[s * 257 + usize::from(b)] as usize);
        table[state * 257 + 256] == 1
    }

    #[test]
    fn whole_texts_match() {
        let email = r"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)";
        assert!(matches(email, "account@gmail.com") && !matches(email, "account@hotmail.com"));
        assert!(matches("www.[\\w.-]+\\.com", "www.google.com") && !matches("www.[\\w.-]+\\.com", "www.google.co"));
        assert!(matches(r"a\b\.b", "a.b") && !matches(r"a\bb", "ab"));
        assert!(matches("a|ab", "ab") && !matches("a|ab", "abc") && matches("", "") && !matches("", "x"));
    }

    #[test]
    fn letters_of_classes_are_ascii_and_points_are_characters() {
        assert!(matches(r"\d+", "0123") && !matches(r"\d", "\u{0663}") && !matches(r"[\w]", "é"));
        assert!(matches(".", "é") && !matches(".", "éé") && !matches(".", "\n"));
        assert!(matches(r"[^\d\s]+", "aé") && matches(r"[]a]+", "]a") && matches("[[:digit:]x]", "x"));
        assert!(full_match("(").is_err() && full_match(r"(a)\1").is_err());
    }
}
