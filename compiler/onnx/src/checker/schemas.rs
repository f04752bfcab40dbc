//! What ONNX says about its operators: counts of inputs and outputs, attributes and their kinds, per version.
//!
//! The facts live in `schemas.txt`, written by `compiler/onnx/schemas.py` from the onnx package and parsed on first
//! use. Domains are spelled in full (`ai.onnx`, never the empty string).
//!
//! Does NOT hold prose, type constraints, defaults or semantics: those belong to the operators' own files.

use crate::messages::AttributeKind;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// ONNX's own domain, which files spell as the empty string.
pub const ONNX_DOMAIN: &str = "ai.onnx";

/// The full spelling of a domain: an empty one is ONNX's own.
pub fn full_domain(domain: &str) -> &str {
    if domain.is_empty() { ONNX_DOMAIN } else { domain }
}

/// How an operator version stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// In use.
    Common,
    /// May change without a new version.
    Experimental,
    /// Taken out of the opset at this version.
    Deprecated,
}

/// How often a formal parameter may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Formal {
    /// Exactly once.
    Single,
    /// Once or not (an empty name).
    Optional,
    /// Any number of times; always the last one.
    Variadic,
}

/// The inputs or outputs of an operator version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arity {
    /// The least count.
    pub min: usize,
    /// The greatest count; `usize::MAX` when there is no bound.
    pub max: usize,
    /// The formal parameters in order.
    pub formals: Vec<Formal>,
}

impl Arity {
    /// The formal parameter of the i-th actual one.
    pub fn formal(&self, i: usize) -> Option<Formal> {
        self.formals.get(i).or(self.formals.last().filter(|f| **f == Formal::Variadic)).copied()
    }
}

/// An attribute of an operator version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttributeSchema {
    /// The kind its value must have.
    pub kind: AttributeKind,
    /// True if the node must give it.
    pub required: bool,
}

/// One operator version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Schema {
    /// The domain in full.
    pub domain: &'static str,
    /// The operator.
    pub name: &'static str,
    /// The opset that brought this version.
    pub since: i64,
    /// Its standing.
    pub state: State,
    /// The inputs.
    pub inputs: Arity,
    /// The outputs.
    pub outputs: Arity,
    /// The attributes by name.
    pub attributes: BTreeMap<&'static str, AttributeSchema>,
}

struct Tables {
    /// Domain to its oldest and newest opset.
    domains: BTreeMap<&'static str, (i64, i64)>,
    /// Domain to operator to its versions, oldest first.
    ops: BTreeMap<&'static str, BTreeMap<&'static str, Vec<Schema>>>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| parse(include_str!("schemas.txt")));

/// The version of an operator that an opset means: the newest one not newer than `opset`.
///
/// `None` for an unknown operator, an opset older than its first version, and an unknown domain; a deprecated version
/// is returned as such.
pub fn lookup(domain: &str, name: &str, opset: i64) -> Option<&'static Schema> {
    versions(domain, name).iter().rev().find(|s| s.since <= opset)
}

/// All versions of an operator, oldest first; empty for an unknown one.
pub fn versions(domain: &str, name: &str) -> &'static [Schema] {
    TABLES.ops.get(full_domain(domain)).and_then(|ops| ops.get(name)).map_or(&[], |v| v.as_slice())
}

/// The oldest and newest known opset of a domain; `None` for a domain that isn't ONNX's.
pub fn opsets(domain: &str) -> Option<(i64, i64)> {
    TABLES.domains.get(full_domain(domain)).copied()
}

/// The known domains, sorted, with their oldest and newest opset.
pub fn domains() -> impl Iterator<Item = (&'static str, (i64, i64))> {
    TABLES.domains.iter().map(|(d, v)| (*d, *v))
}

/// Every operator version, sorted by domain, name and version.
pub fn all() -> impl Iterator<Item = &'static Schema> {
    TABLES.ops.values().flat_map(|ops| ops.values().flatten())
}

fn parse(text: &'static str) -> Tables {
    let mut tables = Tables { domains: BTreeMap::new(), ops: BTreeMap::new() };
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        parse_line(&mut tables, line)
            .unwrap_or_else(|| panic!("schemas.txt is our own data, and a test reads it: {line}"));
    }
    tables
}

fn parse_line(tables: &mut Tables, line: &'static str) -> Option<()> {
    let mut words = line.split(' ');
    let domain = words.next()?;
    if domain == "domain" {
        let name = words.next()?;
        tables.domains.insert(name, (words.next()?.parse().ok()?, words.next()?.parse().ok()?));
        return Some(());
    }
    let name = words.next()?;
    let since = words.next()?.parse().ok()?;
    let state = match words.next()? {
        "-" => State::Common,
        "experimental" => State::Experimental,
        "deprecated" => State::Deprecated,
        _ => return None,
    };
    let inputs = parse_arity(words.next()?, words.next()?)?;
    let outputs = parse_arity(words.next()?, words.next()?)?;
    let attributes = words.map(parse_attribute).collect::<Option<_>>()?;
    let schema = Schema { domain, name, since, state, inputs, outputs, attributes };
    tables.ops.entry(domain).or_default().entry(name).or_default().push(schema);
    Some(())
}

fn parse_arity(counts: &str, formals: &str) -> Option<Arity> {
    let (min, max) = counts.split_once("..")?;
    let max = if max == "*" { usize::MAX } else { max.parse().ok()? };
    let formal = |c| match c {
        's' => Some(Formal::Single),
        'o' => Some(Formal::Optional),
        'v' => Some(Formal::Variadic),
        _ => None,
    };
    let formals = formals.trim_matches('-').chars().map(formal).collect::<Option<_>>()?;
    Some(Arity { min: min.parse().ok()?, max, formals })
}

fn parse_attribute(word: &'static str) -> Option<(&'static str, AttributeSchema)> {
    let (name, kind) = word.split_once(':')?;
    let required = kind.ends_with('!');
    let kind = AttributeKind::from_str_name(kind.trim_end_matches('!'))?;
    Some((name, AttributeSchema { kind, required }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_sorted_within_their_domain() {
        for s in all() {
            let (oldest, newest) = opsets(s.domain).expect("every schema's domain is listed");
            assert!((oldest..=newest).contains(&s.since), "{} {}", s.name, s.since);
            assert!(s.inputs.min <= s.inputs.max && s.outputs.min <= s.outputs.max, "{}", s.name);
        }
        for v in TABLES.ops.values().flat_map(|ops| ops.values()) {
            assert!(v.windows(2).all(|w| w[0].since < w[1].since));
        }
        assert!(all().count() > 600);
    }

    #[test]
    fn lookup_finds_the_newest_version_not_newer() {
        assert_eq!(lookup("", "Resize", 9), None);
        assert_eq!(lookup("", "Resize", 12).map(|s| s.since), Some(11));
        assert_eq!(lookup("ai.onnx", "Upsample", 13).map(|s| s.state), Some(State::Deprecated));
        assert_eq!(lookup("my_domain", "Resize", 12), None);
        let conv = lookup("", "Conv", 11).expect("Conv is an operator");
        assert_eq!((conv.inputs.min, conv.inputs.max), (2, 3));
        assert_eq!(conv.inputs.formal(2), Some(Formal::Optional));
        assert_eq!(conv.attributes["pads"], AttributeSchema { kind: AttributeKind::Ints, required: false });
        let concat = lookup("", "Concat", 13).expect("Concat is an operator");
        assert_eq!(concat.inputs.formal(99), Some(Formal::Variadic));
        assert!(concat.attributes["axis"].required);
    }
}
