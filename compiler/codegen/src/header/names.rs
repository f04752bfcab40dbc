//! Names that are legal in C and C++, and differ from each other.

use std::collections::BTreeSet;

/// Words that can't be names in C99 or C++20, and macros of the headers that we include.
const KEYWORDS: &str = " alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t \
    char32_t class co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype \
    default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long \
    mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register \
    reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct switch template this \
    thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq \
    NULL offsetof ";

/// A name made of letters, digits and `_`, that is no keyword.
pub(super) fn c_name(name: &str) -> String {
    let mut out: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    if KEYWORDS.contains(&format!(" {out} ")) {
        out.push('_');
    }
    out
}

/// Names given so far.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// Some names are taken.
    pub fn reserved(names: &[&str]) -> Names {
        Names(names.iter().map(|n| n.to_string()).collect())
    }

    /// A legal name near `name` that wasn't given yet.
    pub fn unique(&mut self, name: &str) -> String {
        let base = c_name(name);
        let mut out = base.clone();
        let mut n = 2;
        while !self.0.insert(out.clone()) {
            out = format!("{base}_{n}");
            n += 1;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_and_differ() {
        let mut names = Names::reserved(&["dims"]);
        let given: Vec<String> = ["a/b", "a_b", "1", "class", "dims", ""].iter().map(|n| names.unique(n)).collect();
        assert_eq!(given, ["a_b", "a_b_2", "_1", "class_", "dims_2", "_"]);
    }
}
