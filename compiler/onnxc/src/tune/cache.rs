//! What tuning has found, as a text file: one line per kernel, in the order of their keys.
//!
//! ```text
//! # onnxc tune cache 1
//! 0123456789abcdef <tab> AuthenticAMD-25-1-1/16x256/512k/1 <tab> 0.1.0-llvm-O2 <tab> registers=12 <tab> 8123 <tab> 9456 <tab> conv_relu
//! ```
//! kernel, machine, compiler, hints, ns per run with them and without, and the kernel's name for readers. Lines of other
//! machines and compilers are kept.

use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::files::write_whole;
use onnxc_ir::kernel::Hints;
use std::collections::BTreeMap;
use std::path::Path;

const HEAD: &str = "# onnxc tune cache 1";

/// What an entry is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Key {
    /// The kernel's signature.
    pub kernel: String,
    /// The machine.
    pub machine: String,
    /// Version, backend and level.
    pub compiler: String,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What has won.
    pub hints: Hints,
    /// Nanoseconds of a run with them.
    pub ns: u64,
    /// Nanoseconds of a run by the estimate alone.
    pub estimate_ns: u64,
    /// The kernel's name when it was measured.
    pub name: String,
}

/// All that is known.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Cache(BTreeMap<Key, Entry>);

impl Cache {
    /// Reads a file; one that isn't there is an empty cache.
    ///
    /// # Errors
    /// A file that can't be read, or that is no cache.
    pub fn read(file: &Path) -> Result<Cache, Diagnostics> {
        let failed = |d: Diagnostic| Diagnostics::from(d.file(file.display().to_string()));
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text).map_err(failed),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Cache::default()),
            Err(e) => Err(failed(Diagnostic::error("E5020", format!("the tune cache can't be read: {e}")))),
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(text: &str) -> Result<Cache, Diagnostic> {
        let wrong = |n: usize, what: &str| {
            Diagnostic::error("E5020", format!("line {n} of the tune cache: {what}"))
                .expected("a file that --tune-cache wrote")
                .help("remove the line, or the file: it will be made anew by --tune")
        };
        if text.lines().next() != Some(HEAD) {
            return Err(wrong(1, &format!("it isn't '{HEAD}'")));
        }
        let mut cache = Cache::default();
        for (i, line) in text.lines().enumerate().skip(1).filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [kernel, machine, compiler, hints, ns, estimate, name] = fields[..] else {
                return Err(wrong(i + 1, &format!("{} fields instead of 7", fields.len())));
            };
            let number = |s: &str| s.parse().map_err(|_| wrong(i + 1, &format!("'{s}' is no time")));
            let hints = hints
                .parse()
                .map_err(|e: onnxc_ir::kernel::hints::NoHint| wrong(i + 1, &format!("'{}' is no hint", e.0)))?;
            let key = Key { kernel: kernel.into(), machine: machine.into(), compiler: compiler.into() };
            let entry = Entry { hints, ns: number(ns)?, estimate_ns: number(estimate)?, name: name.into() };
            cache.insert(key, entry);
        }
        Ok(cache)
    }

    /// What is known of a key.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Adds what was found.
    pub fn insert(&mut self, key: Key, entry: Entry) {
        self.0.insert(key, entry);
    }

    /// Writes a file.
    ///
    /// # Errors
    /// If that isn't possible.
    pub fn write(&self, file: &Path) -> Result<(), Diagnostics> {
        write_whole(file, |out| out.write_all(self.to_string().as_bytes()))
    }
}

impl std::fmt::Display for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{HEAD}")?;
        for (k, e) in &self.0 {
            let name = e.name.replace(['\t', '\n'], " ");
            let Entry { hints, ns, estimate_ns, .. } = e;
            writeln!(f, "{}\t{}\t{}\t{hints}\t{ns}\t{estimate_ns}\t{name}", k.kernel, k.machine, k.compiler)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_returns_in_the_order_of_keys() {
        let line =
            |kernel: &str, hints: &str| format!("{kernel}\tcpu/16x256\t0.1.0-llvm-O2\t{hints}\t10\t12\tconv relu\n");
        let text = format!("{HEAD}\n{}{}", line("b", "direct registers=12"), line("a", "-"));
        let cache = Cache::parse(&text).expect("it is right");
        let sorted = format!("{HEAD}\n{}{}", line("a", "-"), line("b", "direct registers=12"));
        assert_eq!(cache.to_string(), sorted);
        assert_eq!(Cache::parse(&sorted), Ok(cache));
    }

    #[test]
    fn what_is_no_cache_is_refused() {
        let of = |text: &str| Cache::parse(text).map_err(|d| d.message);
        for (text, line) in [("", 1), ("PK\u{3}", 1), (&format!("{HEAD}\na\tb\n") as &str, 2)] {
            assert!(of(text).is_err_and(|m| m.starts_with(&format!("line {line} "))), "{text:?}");
        }
        let hint = format!("{HEAD}\n# a remark\n\na\tb\tc\tfast=1\t1\t1\tn\n");
        assert_eq!(of(&hint), Err("line 4 of the tune cache: 'fast=1' is no hint".into()));
    }
}
