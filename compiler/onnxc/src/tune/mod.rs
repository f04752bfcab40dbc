//! `--tune`: the best few schedules of each distinct kernel are measured on this machine, and what has won is kept.
//!
//! A kernel is known by its signature ([`signature`]): what it computes and over which extents, not how its tensors are
//! called or what its weights are. What is kept are hints ([`Hints`]), plain data that the chooser follows, so the same
//! cache gives the same module, here and elsewhere.
//!
//! Does NOT measure kernels with symbolic extents, nor what is no sum of products: there the estimate decides.

mod cache;
mod measure;

pub use cache::{Cache, Entry, Key};

use measure::Bench;
use onnxc_base::Diagnostics;
use onnxc_codegen::Target;
use onnxc_ir::kernel::{Hints, Kernel};
use onnxc_passes::from_kernel::Machine;
use onnxc_passes::kernel::candidates::{STEPS, candidates, tunable};
use onnxc_passes::kernel::{self, optimise};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A schedule must be this much faster than the estimate's to be preferred: less is noise.
const GAIN: f64 = 0.97;
/// How often a winner is compared with the estimate again.
const AGAIN: usize = 3;
/// How long all measurements of a compilation may take.
pub const BUDGET: Duration = Duration::from_secs(60);

/// Knows what has won, and finds it out if it may.
pub struct Tuner {
    state: Mutex<State>,
    /// The part of a key that isn't the kernel's.
    machine: String,
    compiler: String,
}

struct State {
    cache: Cache,
    /// None: only what is known already is used.
    bench: Option<Bench>,
    left: Duration,
    counts: Counts,
}

/// What a tuner has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Kernels that were in the cache.
    pub known: usize,
    /// Kernels that were measured.
    pub measured: usize,
    /// Kernels for which no time was left.
    pub skipped: usize,
}

impl Tuner {
    /// A tuner for modules of a backend, at an optimisation level. With `measures`, what isn't in the cache is measured.
    ///
    /// # Errors
    /// If `measures` and the target isn't this machine.
    pub fn new(
        cache: Cache,
        backend: &'static dyn onnxc_codegen::Backend,
        target: &Target,
        level: u8,
        measures: bool,
    ) -> Result<Tuner, Diagnostics> {
        let bench = if measures { Some(Bench::new(backend, target, level)?) } else { None };
        let state = State { cache, bench, left: BUDGET, counts: Counts::default() };
        Ok(Tuner {
            state: Mutex::new(state),
            machine: processor(target),
            compiler: format!("{}-{}-O{level}", env!("CARGO_PKG_VERSION"), backend.name()),
        })
    }

    /// What has been done so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Writes the cache.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn save(&self, file: &Path) -> Result<(), Diagnostics> {
        self.lock().cache.write(file)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl kernel::Tuner for Tuner {
    fn hints(&self, kernel: &Kernel, machine: Machine) -> Hints {
        if !tunable(kernel) {
            return Hints::default();
        }
        let key = Key {
            kernel: signature(kernel),
            machine: format!("{}/{}", self.machine, described(machine)),
            compiler: self.compiler.clone(),
        };
        let mut state = self.lock();
        if let Some(entry) = state.cache.get(&key) {
            let hints = entry.hints;
            state.counts.known += 1;
            return hints;
        }
        let State { bench, left, counts, cache } = &mut *state;
        let Some(bench) = bench else { return Hints::default() };
        if left.is_zero() {
            counts.skipped += 1;
            return Hints::default();
        }
        let begun = Instant::now();
        let found = search(bench, kernel, machine);
        *left = left.saturating_sub(begun.elapsed());
        let Some((hints, ns, estimate_ns)) = found else { return Hints::default() };
        counts.measured += 1;
        cache.insert(key, Entry { hints, ns, estimate_ns, name: kernel.name.clone() });
        hints
    }
}

/// The hints that win, with the time of a run, and that without hints; both in nanoseconds.
fn search(bench: &mut Bench, kernel: &Kernel, machine: Machine) -> Option<(Hints, u64, u64)> {
    let mut times: BTreeMap<String, Option<f64>> = BTreeMap::new();
    let mut first = |hints: Hints, bench: &mut Bench| -> Option<f64> {
        let k = scheduled(kernel, hints, machine)?;
        *times.entry(k.to_string()).or_insert_with(|| bench.time(&k, machine).ok())
    };
    let mut estimate = first(Hints::default(), bench)?;
    let (mut won, mut hints) = (estimate, Hints::default());
    for step in STEPS {
        for other in candidates(hints, step, machine) {
            match first(other, bench) {
                Some(t) if t < won * GAIN => (won, hints) = (t, other),
                _ => {}
            }
        }
    }
    // The best of many is also the luckiest: it has to win again, in turn with the estimate.
    if hints != Hints::default() {
        let (by_estimate, by_hints) =
            (scheduled(kernel, Hints::default(), machine)?, scheduled(kernel, hints, machine)?);
        won = f64::INFINITY;
        for _ in 0..AGAIN {
            estimate = estimate.min(bench.time(&by_estimate, machine).ok()?);
            won = won.min(bench.time(&by_hints, machine).ok()?);
        }
        if won >= estimate * GAIN {
            (won, hints) = (estimate, Hints::default());
        }
    }
    Some((hints, (won * 1e9) as u64, (estimate * 1e9) as u64))
}

/// The kernel as it is chosen with hints, if that can be; without the hints themselves, so that equal ones are equal.
fn scheduled(kernel: &Kernel, hints: Hints, machine: Machine) -> Option<Kernel> {
    let mut k = kernel.clone();
    k.hints = hints;
    optimise(&mut k, machine).ok()?;
    onnxc_ir::kernel::verify::verify(&k).ok()?;
    k.hints = Hints::default();
    Some(k)
}

/// What a kernel computes, as 16 digits of a hash: without the names in it, and without the values of its constants.
pub fn signature(kernel: &Kernel) -> String {
    let mut k = kernel.clone();
    k.name.clear();
    k.doc.clear();
    for (i, p) in k.params.values_mut().enumerate() {
        p.name = format!("{}{i}", if p.value.is_some() { "constant" } else { "given" });
        p.value = None;
    }
    for (i, d) in k.defs.values_mut().enumerate() {
        d.name = format!("d{i}");
    }
    let hash = Sha256::digest(k.to_string().as_bytes());
    hash[..8].iter().map(|b| format!("{b:02x}")).collect()
}

/// What of the scheduler's view of the machine isn't its processor.
fn described(m: Machine) -> String {
    let strict = if m.strict { "/strict" } else { "" };
    format!("{}x{}/{}k/{}{strict}", m.registers, m.vector_bits, m.l2_bytes >> 10, m.threads)
}

/// A name for the processor that code is for: the one that was asked for, or what this machine says of itself.
fn processor(target: &Target) -> String {
    if target.cpu != "native" {
        return target.cpu.clone();
    }
    // Linux: the first core's lines, by their names on x86 and on Arm.
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let first = text.split("\n\n").next().unwrap_or_default();
    let names = ["vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU part", "CPU variant"];
    let value = |name: &&str| {
        let line = first.lines().find(|l| l.split('\t').next().map(str::trim) == Some(*name))?;
        line.split_once(':').map(|(_, v)| v.trim().to_string())
    };
    let known: Vec<String> = names.iter().filter_map(value).collect();
    if known.is_empty() { target.triple.architecture.to_string() } else { known.join("-") }
}
