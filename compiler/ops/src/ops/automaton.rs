//! Regular expressions of RE2 to deterministic automata over bytes, at compile time.
//!
//! RE2's `\d`, `\s` and `\w` are ASCII where those of the parser used here are Unicode, so they are spelled out first.
//!
//! Does NOT run what it makes: the runtime does.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::util::{primitives::StateID, syntax};
use regex_automata::{Anchored, Input, MatchKind};
use std::collections::BTreeMap;

/// Bytes of an automaton while it is made, and states of one that is kept.
const MAX_BYTES: usize = 1 << 26;
const MAX_STATES: usize = 1 << 14;

/// An automaton that accepts what matches as a whole. For each state 257 numbers: the next state for each byte, then 1 if
/// the text may end there. It starts in state 0.
pub fn full_match(pattern: &str) -> Result<Vec<i32>, String> {
    let dfa = build(&format!(r"\A(?:{})\z", ascii_classes(pattern)), MatchKind::LeftmostFirst)?;
    let mut states = States::default();
    states.number(start(&dfa, &Input::new(""))?);
    states.table(&dfa, |_| vec![])
}

/// An automaton that finds the longest match from a position on. In front 258 numbers: the state to start in behind each
/// byte, that at the begin of the text, and 0. Then for each state, from 1 on: the next state for each byte, 1 if the
/// text matches if it ends there, and 1 if it matched up to before the last byte, 2 if no match ends later.
pub fn search(pattern: &str) -> Result<Vec<i32>, String> {
    let dfa = build(&ascii_classes(pattern), MatchKind::All)?;
    let mut states = States { first: 1, ..States::default() };
    let mut table = Vec::new();
    for byte in 0..=255u8 {
        table.push(states.number(start(&dfa, &Input::new(&[byte]).range(1..))?));
    }
    table.extend([states.number(start(&dfa, &Input::new(""))?), 0]);
    table.extend(states.table(&dfa, |s| vec![i32::from(dfa.is_match_state(s)) + 2 * i32::from(dfa.is_dead_state(s))])?);
    Ok(table)
}

/// True if a pattern matches where there is nothing.
pub fn matches_nothing(pattern: &str) -> Result<bool, String> {
    let parsed = syntax::parse_with(&ascii_classes(pattern), &syntax::Config::new().utf8(false));
    Ok(parsed.map_err(|e| chain(&e))?.properties().minimum_len() == Some(0))
}

type Dfa = dense::DFA<Vec<u32>>;

fn build(pattern: &str, kind: MatchKind) -> Result<Dfa, String> {
    let config = dense::Config::new()
        .start_kind(StartKind::Anchored)
        .match_kind(kind)
        .dfa_size_limit(Some(MAX_BYTES))
        .determinize_size_limit(Some(MAX_BYTES));
    let mut builder = dense::Builder::new();
    builder.configure(config).syntax(syntax::Config::new().utf8(false));
    builder.build(pattern).map_err(|e| chain(&e))
}

fn start(dfa: &Dfa, input: &Input) -> Result<StateID, String> {
    dfa.start_state_forward(&input.clone().anchored(Anchored::Yes)).map_err(|e| e.to_string())
}

/// Numbers of the states that were met.
#[derive(Default)]
struct States {
    first: i32,
    numbers: BTreeMap<StateID, i32>,
    met: Vec<StateID>,
}

impl States {
    fn number(&mut self, state: StateID) -> i32 {
        *self.numbers.entry(state).or_insert_with(|| {
            self.met.push(state);
            self.first + self.met.len() as i32 - 1
        })
    }

    /// For each state that can be met the next one for each byte, 1 if the text may end there, and what `more` says.
    fn table(&mut self, dfa: &Dfa, more: impl Fn(StateID) -> Vec<i32>) -> Result<Vec<i32>, String> {
        let (mut table, mut at) = (Vec::new(), 0);
        while let Some(&state) = self.met.get(at) {
            if self.met.len() > MAX_STATES {
                return Err(format!("it needs more than {MAX_STATES} states"));
            }
            table.extend((0..=255u8).map(|byte| self.number(dfa.next_state(state, byte))));
            table.push(i32::from(dfa.is_match_state(dfa.next_eoi_state(state))));
            table.extend(more(state));
            at += 1;
        }
        Ok(table)
    }
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

    /// The longest match that begins at a position.
    fn longest(pattern: &str, text: &str, from: usize) -> Option<usize> {
        let table = search(pattern).expect("a pattern");
        let number = |state: usize, column: usize| table[state * 258 + column] as usize;
        let mut state = number(0, from.checked_sub(1).map_or(256, |i| usize::from(text.as_bytes()[i])));
        let mut end = None;
        for (at, byte) in text.bytes().enumerate().skip(from) {
            state = number(state, usize::from(byte));
            end = if number(state, 257) & 1 != 0 { Some(at) } else { end };
            if number(state, 257) & 2 != 0 {
                return end;
            }
        }
        if number(state, 256) == 1 { Some(text.len()) } else { end }
    }

    #[test]
    fn the_longest_match_is_found() {
        assert_eq!(
            (longest("a|ab", "abc", 0), longest("b+", "abbc", 1), longest("b+", "abbc", 0)),
            (Some(2), Some(3), None)
        );
        assert_eq!((longest("^a", "aa", 0), longest("^a", "aa", 1), longest("a$", "aa", 0)), (Some(1), None, None));
        assert_eq!(
            (longest(r"\bb", "ab", 1), longest(r"\bb", " b", 1), longest("x*", "ab", 1)),
            (None, Some(2), Some(1))
        );
        assert_eq!(
            (matches_nothing("x*"), matches_nothing("x+"), matches_nothing("^")),
            (Ok(true), Ok(false), Ok(true))
        );
        assert!(search("(").is_err() && matches_nothing("(").is_err());
    }

    #[test]
    fn letters_of_classes_are_ascii_and_points_are_characters() {
        assert!(matches(r"\d+", "0123") && !matches(r"\d", "\u{0663}") && !matches(r"[\w]", "é"));
        assert!(matches(".", "é") && !matches(".", "éé") && !matches(".", "\n"));
        assert!(matches(r"[^\d\s]+", "aé") && matches(r"[]a]+", "]a") && matches("[[:digit:]x]", "x"));
        assert!(full_match("(").is_err() && full_match(r"(a)\1").is_err());
    }
}
