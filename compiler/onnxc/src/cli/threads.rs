//! What `--threads` says.

use crate::options::{MOST_THREADS, allowed_threads};

/// What `--threads` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// So many.
    Count(u32),
    /// As many processors as this process may use.
    Auto,
}

impl Threads {
    /// The most threads of a run.
    pub fn most(self) -> u32 {
        match self {
            Threads::Count(n) => n,
            Threads::Auto => allowed_threads(),
        }
    }

    /// What a loaded module is told: 0 leaves it to the module.
    pub fn wanted(self) -> u32 {
        match self {
            Threads::Count(n) => n,
            Threads::Auto => 0,
        }
    }
}

/// Reads it.
pub(super) fn threads(word: &str) -> Result<Threads, String> {
    match word.parse() {
        _ if word == "auto" => Ok(Threads::Auto),
        Ok(n) if (1..=MOST_THREADS).contains(&n) => Ok(Threads::Count(n)),
        _ => Err(format!("expected a number from 1 to {MOST_THREADS}, or auto")),
    }
}
