//! What whoever schedules is asked to do, where it would decide by its estimates: a tuner's wishes, as plain data.
//!
//! A schedule is chosen for a machine; with hints, for a machine that differs from the true one, whose best schedule may
//! be the true one's second best. So every decision of the chooser can be varied, and none has to know of it. The text, in
//! which they are kept: `direct registers=12 cache=128`; `-` without any.

use std::fmt;
use std::str::FromStr;

/// Wishes for one kernel. None: the estimate decides, for the machine as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Hints {
    /// No convolution in a transformed domain, whatever the estimate says.
    pub direct: bool,
    /// Register tiles as for a machine with so many vector registers.
    pub registers: Option<u32>,
    /// Blocks, orders of loops and transforms as for a machine with a second-level cache of so many KiB.
    pub cache_kib: Option<u32>,
}

impl fmt::Display for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.direct.then(|| "direct".to_string()),
            self.registers.map(|n| format!("registers={n}")),
            self.cache_kib.map(|n| format!("cache={n}")),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        f.write_str(if words.is_empty() { "-" } else { "" })?;
        f.write_str(&words.join(" "))
    }
}

/// The word that is no hint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoHint(pub String);

impl FromStr for Hints {
    type Err = NoHint;

    fn from_str(s: &str) -> Result<Self, NoHint> {
        let mut hints = Hints::default();
        for word in s.split_whitespace().filter(|w| *w != "-") {
            let unknown = || NoHint(word.to_owned());
            let number = |s: &str| s.parse().ok().filter(|n| *n > 0).ok_or_else(unknown);
            match word.split_once('=') {
                None if word == "direct" => hints.direct = true,
                Some(("registers", n)) => hints.registers = Some(number(n)?),
                Some(("cache", n)) => hints.cache_kib = Some(number(n)?),
                _ => return Err(unknown()),
            }
        }
        Ok(hints)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_returns() {
        for text in ["-", "direct", "registers=12", "direct registers=12 cache=128", "cache=2048"] {
            assert_eq!(text.parse::<Hints>().map(|h| h.to_string()), Ok(text.to_string()));
        }
        for bad in ["registers=", "registers=0", "cache=-1", "fast", "direct=1"] {
            assert_eq!(bad.parse::<Hints>(), Err(NoHint(bad.to_string())));
        }
    }
}
