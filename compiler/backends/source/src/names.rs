//! Names that a language takes, and that differ from each other.

use std::collections::{BTreeMap, BTreeSet};

/// Names of one scope.
#[derive(Clone, Default, Debug)]
pub struct Names {
    taken: BTreeSet<String>,
    /// The next number to try for a name that is taken.
    next: BTreeMap<String, usize>,
}

impl Names {
    /// Words that are no names: keywords, and what stands outside of the scope.
    pub fn without<'a>(words: impl IntoIterator<Item = &'a str>) -> Names {
        Names { taken: words.into_iter().map(String::from).collect(), next: BTreeMap::new() }
    }

    /// A name near a hint that wasn't given yet.
    pub fn unique(&mut self, hint: &str) -> String {
        let base = identifier(hint);
        if self.taken.insert(base.clone()) {
            return base;
        }
        let n = self.next.entry(base.clone()).or_insert(2);
        loop {
            let name = format!("{base}_{n}");
            *n += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// `v1`, `v2` ... for what has no name.
    pub fn numbered(&mut self, letter: &str) -> String {
        let n = self.next.entry(format!("#{letter}")).or_insert(0);
        loop {
            let name = format!("{letter}{n}");
            *n += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// Letters, digits and `_`, not beginning with a digit or an underscore (those are reserved in C).
fn identifier(hint: &str) -> String {
    let mut out: String = hint.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.insert(0, 't');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn names_are_legal_and_differ() {
        let mut n = Names::without(["for"]);
        let got: Vec<String> = ["a.b", "a/b", "for", "1", "", "v0"].map(|h| n.unique(h)).to_vec();
        assert_eq!(got, ["a_b", "a_b_2", "for_2", "t1", "t", "v0"]);
        assert_eq!((n.numbered("v"), n.numbered("v")), ("v1".to_owned(), "v2".to_owned()));
    }
}
