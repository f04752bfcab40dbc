//! Tokenizer: strings cut into tokens, by automata (see `ops::automaton::search` of the compiler).

use super::{Array, Result, Run};
use crate::Status;
use alloc::vec::Vec;
use core::str::from_utf8;

/// Numbers for each state of an automaton.
const WIDTH: usize = 258;

/// `(strings, what fills rows, marks, least characters, way, automata)`: the tokens of each string along a new last axis.
/// Ways: 0 each character, 1 what is between the matches of each automaton in turn, 2 what an automaton matches.
pub fn tokenize(run: &mut Run, args: &[i64]) -> Result<i64> {
    let [x, fill, marks, least, way, ref automata @ ..] = *args else { return Err(Status::VALUE) };
    let tables = automata.iter().map(|&h| run.get(h)?.array()?.ints()).collect::<Result<Vec<_>>>()?;
    let least = usize::try_from(least).map_err(|_| Status::VALUE)?;
    let x = run.get(x)?;
    let x = x.array()?;
    let mut rows = Vec::new();
    for h in x.handles()? {
        let text = run.text(h)?;
        let text = from_utf8(&text).map_err(|_| Status::VALUE)?;
        let tokens = match way {
            0 => text.char_indices().map(|(i, c)| &text[i..i + c.len_utf8()]).collect(),
            1 => between(text, &tables, least)?,
            _ => matched(text, tables.first().ok_or(Status::VALUE)?, least)?,
        };
        rows.push(tokens.into_iter().map(|t| run.string(t.as_bytes())).collect::<Vec<_>>());
    }
    let ends = [b"\x02", b"\x03"].map(|m| run.string(m));
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let marked = marks != 0 && most > 0;
    let width = most + if marked { 2 } else { 0 };
    let mut out = Vec::with_capacity(rows.len() * width);
    for row in &rows {
        let end = out.len() + width;
        out.extend(marked.then_some(ends[0]));
        out.extend(row);
        out.extend(marked.then_some(ends[1]));
        out.resize(end, fill);
    }
    let dims: Vec<i64> = x.dims.iter().copied().chain([width as i64]).collect();
    Ok(run.tensor(Array::of_strings(&dims, &out)))
}

/// The longest of the matches that begin first, from a position on.
fn find(table: &[i64], text: &[u8], from: usize) -> Option<(usize, usize)> {
    let number = |state: i64, column: usize| table.get(state as usize * WIDTH + column).copied().unwrap_or(0);
    (from..=text.len()).find_map(|start| {
        let mut state = number(0, start.checked_sub(1).map_or(256, |before| usize::from(text[before])));
        let mut end = None;
        for (at, &byte) in text.iter().enumerate().skip(start) {
            state = number(state, usize::from(byte));
            let flags = number(state, 257);
            if flags & 1 != 0 {
                end = Some(at);
            }
            if flags & 2 != 0 {
                return Some((start, end?));
            }
        }
        if number(state, 256) == 1 {
            end = Some(text.len());
        }
        Some((start, end?))
    })
}

/// The part of a text; an error if it cuts a character.
fn part(text: &str, from: usize, to: usize) -> Result<&str> {
    text.get(from..to).ok_or(Status::VALUE)
}

/// What is between the matches of each automaton, in what was between those of the one before.
fn between<'a>(text: &'a str, tables: &[Vec<i64>], least: usize) -> Result<Vec<&'a str>> {
    let mut row = alloc::vec![text];
    for table in tables {
        let mut tokens = Vec::new();
        for text in row {
            let mut from = 0;
            while let Some((start, end)) = find(table, text.as_bytes(), from) {
                tokens.push(part(text, from, start)?);
                // Separators match something, so this ends.
                from = end.max(from + 1);
            }
            tokens.push(part(text, from, text.len())?);
        }
        tokens.retain(|t| t.chars().count() >= least);
        row = tokens;
    }
    Ok(row)
}

/// What an automaton matches; behind a match that is too short the search goes on one character later.
fn matched<'a>(text: &'a str, table: &[i64], least: usize) -> Result<Vec<&'a str>> {
    let (mut tokens, mut from) = (Vec::new(), 0);
    while let Some((start, end)) = find(table, text.as_bytes(), from) {
        let token = part(text, start, end)?;
        if token.chars().count() >= least.max(1) {
            tokens.push(token);
            from = end;
        } else {
            from = start + part(text, start, text.len())?.chars().next().map_or(1, char::len_utf8);
        }
    }
    Ok(tokens)
}
