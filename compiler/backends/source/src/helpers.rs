//! Small functions that a file contains if its kernels use them: what a language has no operator for.
//!
//! A language gives a [`Library`] of them: names, what calls what, and texts, which are templates over the types. Here is
//! which of them a file needs, and what the templates of all languages have in common.

use onnxc_base::DType;
use std::collections::BTreeMap;

/// The helpers that a language has.
#[derive(Debug)]
pub struct Library {
    /// The name of a helper for a type.
    pub name: fn(op: &str, d: DType) -> String,
    /// What a helper calls, which comes before it.
    pub needs: fn(op: &str, d: DType) -> Vec<(&'static str, DType)>,
    /// Its definition.
    pub text: fn(op: &str, d: DType) -> String,
}

/// The helpers of one file, in the order of definition.
#[derive(Debug)]
pub struct Helpers {
    library: &'static Library,
    order: Vec<String>,
    texts: BTreeMap<String, String>,
}

impl Helpers {
    /// None yet.
    pub fn new(library: &'static Library) -> Helpers {
        Helpers { library, order: vec![], texts: BTreeMap::new() }
    }

    /// The name of a helper for a type; it and what it needs will be in the file.
    pub fn need(&mut self, op: &str, d: DType) -> String {
        let name = (self.library.name)(op, d);
        if self.texts.contains_key(&name) {
            return name;
        }
        for (op, d) in (self.library.needs)(op, d) {
            self.need(op, d);
        }
        self.texts.insert(name.clone(), (self.library.text)(op, d));
        self.order.push(name.clone());
        name
    }

    /// Makes sure of a helper that isn't in the library, by its name.
    pub fn add(&mut self, name: &str, text: impl FnOnce() -> String) {
        if !self.texts.contains_key(name) {
            self.texts.insert(name.into(), text());
            self.order.push(name.into());
        }
    }

    /// Their texts, each after what it calls.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.order.iter().filter_map(|n| self.texts.get(n).map(String::as_str))
    }
}

/// The template of a helper among many in one text. Each begins with a line `@ KIND NAME`, a kind being that of types, and goes
/// on with remarks (`# ..`) before its text; the first of `kinds` that has one counts. Empty if there is none.
pub fn template(all: &'static str, kinds: &[&str], name: &str) -> &'static str {
    let of = |kind: &&str| {
        let head = format!("{kind} {name}");
        let mut pieces = all.split("\n@ ").skip(1).filter_map(|piece| piece.split_once('\n'));
        let (_, mut text) = pieces.find(|(first, _)| *first == head)?;
        while let Some((_, after)) = text.strip_prefix("# ").and_then(|t| t.split_once('\n')) {
            text = after;
        }
        Some(text.trim_end())
    };
    kinds.iter().find_map(of).unwrap_or_default()
}

/// A template with what every language says alike: `$D` the type's name in loops IR, `$BITS` its bits, and of the format of a
/// float `$MANTISSA` (bits), `$EXPONENT` (the greatest) and `$BIAS`.
pub fn fill(template: &str, d: DType) -> String {
    let wide = d == DType::F64;
    template
        .trim_start()
        .replace("$D", d.name())
        .replace("$BITS", &d.bits().to_string())
        .replace("$MANTISSA", if wide { "52" } else { "23" })
        .replace("$EXPONENT", if wide { "2047" } else { "255" })
        .replace("$BIAS", if wide { "1023" } else { "127" })
}

/// 16-bit floats: they are converted to f32 and back, and nothing else.
pub fn is_half(d: DType) -> bool {
    matches!(d, DType::F16 | DType::BF16)
}
