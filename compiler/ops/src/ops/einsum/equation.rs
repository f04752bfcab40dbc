//! An equation of Einsum: which label each axis of the operands and of the output has.
//!
//! `ij,jk->ik`: letters are labels, `...` stands for any further axes, counted from the last. Without `->`, the output has
//! the axes of `...`, then the labels that are there once, in alphabetical order (of ASCII, as numpy has it).

use std::collections::BTreeMap;
use std::fmt;

/// What tells axes apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Label {
    /// An axis of `...`, counted from its last.
    Further(usize),
    /// A letter.
    Letter(char),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Further(k) => write!(f, "{k} from the last of '...'"),
            Label::Letter(c) => write!(f, "'{c}'"),
        }
    }
}

/// An equation, for operands of given ranks.
#[derive(Debug)]
pub(super) struct Equation {
    /// One label for each axis.
    pub(super) operands: Vec<Vec<Label>>,
    pub(super) output: Vec<Label>,
}

impl Equation {
    /// Reads an equation; says what is wrong with it.
    pub(super) fn new(text: &str, ranks: &[usize]) -> Result<Equation, String> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((l, r)) => (l.to_string(), Some(r.to_string())),
            None => (text, None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() != ranks.len() {
            return Err(format!("it has {} terms for {} inputs", terms.len(), ranks.len()));
        }
        let mut operands = vec![];
        let mut further = 0;
        for (term, &rank) in terms.iter().zip(ranks) {
            let letters = term.replacen("...", "", 1).chars().count();
            let dots = term.contains("...");
            let own = rank.checked_sub(letters).filter(|&n| n == 0 || dots);
            let own = own.ok_or_else(|| format!("the term '{term}' is for another rank than {rank}"))?;
            further = further.max(own);
            operands.push(labels(term, own)?);
        }
        let output = match right {
            Some(r) => labels(&r, further)?,
            None => implied(&operands, further),
        };
        for (i, l) in output.iter().enumerate() {
            if output[..i].contains(l) {
                return Err(format!("the output has axis {l} twice"));
            }
            if !operands.iter().any(|o| o.contains(l)) {
                return Err(format!("no input has axis {l} of the output"));
            }
        }
        Ok(Equation { operands, output })
    }

    /// Labels that the output doesn't have, each once.
    pub(super) fn summed(&self) -> Vec<Label> {
        let mut all: Vec<Label> =
            self.operands.iter().flatten().copied().filter(|l| !self.output.contains(l)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Labels that the output or an operand after the `i`-th has: first those of the output, in its order.
    pub(super) fn needed_after(&self, i: usize) -> Vec<Label> {
        let mut needed = self.output.clone();
        for l in self.operands[i + 1..].iter().flatten() {
            if !needed.contains(l) {
                needed.push(*l);
            }
        }
        needed
    }
}

/// The labels of a term, with `further` axes for `...`.
fn labels(term: &str, further: usize) -> Result<Vec<Label>, String> {
    let mut found = vec![];
    let (before, after) = term.split_once("...").map_or((term, None), |(a, b)| (a, Some(b)));
    let letters = |part: &str, found: &mut Vec<Label>| {
        for c in part.chars() {
            if !c.is_ascii_alphabetic() {
                return Err(format!("'{c}' is no letter"));
            }
            found.push(Label::Letter(c));
        }
        Ok(())
    };
    letters(before, &mut found)?;
    if let Some(after) = after {
        found.extend((0..further).rev().map(Label::Further));
        letters(after, &mut found)?;
    }
    Ok(found)
}

/// The output that isn't written.
fn implied(operands: &[Vec<Label>], further: usize) -> Vec<Label> {
    let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
    for l in operands.iter().flatten() {
        *counts.entry(*l).or_default() += 1;
    }
    let once = counts.into_iter().filter(|(l, n)| *n == 1 && matches!(l, Label::Letter(_))).map(|(l, _)| l);
    (0..further).rev().map(Label::Further).chain(once).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(equation: &str, ranks: &[usize]) -> String {
        match Equation::new(equation, ranks) {
            Ok(e) => {
                let name = |l: &Label| match l {
                    Label::Further(k) => k.to_string(),
                    Label::Letter(c) => c.to_string(),
                };
                let term = |o: &Vec<Label>| o.iter().map(name).collect::<String>();
                format!("{}->{}", e.operands.iter().map(term).collect::<Vec<_>>().join(","), term(&e.output))
            }
            Err(why) => why,
        }
    }

    #[test]
    fn equations_are_read() {
        assert_eq!(text("ij, jk -> ik", &[2, 2]), "ij,jk->ik");
        assert_eq!(text("ba,cb", &[2, 2]), "ba,cb->ac");
        assert_eq!(text("...ij,...jk", &[4, 3]), "10ij,0jk->10ik");
        assert_eq!(text("i...->...", &[3]), "i10->10");
        assert_eq!(text(",", &[0, 0]), ",->");
        assert_eq!(text("ij", &[3]), "the term 'ij' is for another rank than 3");
        assert_eq!(text("i,i", &[1]), "it has 2 terms for 1 inputs");
        assert_eq!(text("i->j", &[1]), "no input has axis 'j' of the output");
        assert_eq!(text("i->ii", &[1]), "the output has axis 'i' twice");
        assert_eq!(text("i1", &[2]), "'1' is no letter");
    }
}
