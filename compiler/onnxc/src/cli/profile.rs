//! `onnxc bench --profile`: where a run's time goes, step by step, beside what the machine can do.
//!
//! Units: microseconds per run (the median over runs), operations as the model's formulas have them (a convolution that is
//! computed in a transformed domain does fewer, and may be beyond the peak), bytes as if each tensor that a step reads
//! or writes were moved once. Peaks are measured before and after ([`onnxc_codegen::peak`]); the better ones count.

use super::args::BenchArgs;
use super::exit::Failure;
use super::session::Loaded;
use super::{resolve, style};
use crate::{Options, backends, compile};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Diagnostics, Sym};
use onnxc_codegen::loader::{Profile, Session};
use onnxc_codegen::peak::{Loops, Peak};
use onnxc_ir::graph::TensorType;
use onnxc_passes::assemble::StepReport;
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};

/// At least and at most this many runs are looked at.
const RUNS: (usize, usize) = (3, 20_000);
/// Steps below this share of the time aren't in the table.
const LEAST_SHARE: f64 = 5e-4;
/// Peaks before and after that differ by more say that the machine isn't steady.
const STEADY: f64 = 0.9;

/// The profile of a model.
#[derive(Serialize)]
struct Report {
    /// The module's name.
    name: String,
    /// Runs that were looked at.
    runs: usize,
    /// A whole run with the marks, the median.
    run_us: f64,
    /// The sum of the steps.
    steps_us: f64,
    peak: Peaks,
    /// In the order of the program.
    steps: Vec<Step>,
}

/// What the machine can do.
#[derive(Serialize)]
struct Peaks {
    /// f32 multiply-adds, two operations each.
    gflops: f64,
    /// Loads from the second-level cache.
    l2_gb_s: f64,
    /// Loads from memory.
    memory_gb_s: f64,
    /// False if the peaks before and after differ by more than a tenth.
    steady: bool,
}

/// A step of the program.
#[derive(Serialize)]
struct Step {
    step: usize,
    /// The kernel's function, if it is one; several steps may have the same.
    function: Option<String>,
    nodes: Vec<String>,
    ops: Vec<String>,
    /// Types of the tensors that are read, with this run's extents.
    inputs: Vec<String>,
    /// The same of those that are written.
    outputs: Vec<String>,
    /// How often it runs in a run.
    calls: u64,
    /// Time per run.
    us: f64,
    min_us: f64,
    /// Of the time of all steps, 0 to 1.
    share: f64,
    flops: Option<i64>,
    gflops: Option<f64>,
    /// `gflops` over the peak's.
    peak_share: Option<f64>,
    bytes: Option<i64>,
    gb_s: Option<f64>,
    /// `gb_s` over what can be loaded from memory.
    memory_share: Option<f64>,
}

/// Measures a module that was compiled for it.
///
/// # Errors
/// A module that counts nothing, and what goes wrong in a run.
pub fn run(args: &BenchArgs, loaded: &Loaded, session: &mut Session<'_>) -> Result<(), Failure> {
    if !args.build.hot.is_empty() {
        let d = Diagnostic::error("E5013", "--profile looks at the general path, not at those of --hot");
        return Err(d.help("profile the extents with --dim instead").into());
    }
    let steps = loaded.compiled.as_ref().map_or(&[][..], |m| &m.lowered.assembled.steps);
    let mut profile = loaded.module.profile(steps.len())?;
    let options = resolve::options(&args.build, None, None)?;
    let (loops, l2, _folder) = loops(&options)?;
    let before = loops.measure(l2)?;
    let taken = Taken::measure(session, &mut profile, Duration::from_secs_f64(args.seconds))?;
    let after = loops.measure(l2)?;
    let dims: Vec<(String, i64)> = loaded.compiled.as_ref().map_or(vec![], |m| {
        m.program.interface.dims.iter().map(|d| d.name.clone()).zip(session.dims().iter().copied()).collect()
    });
    let name = loaded.module.description().name().to_string();
    let report = Report::new(name, steps, &dims, &taken, [before, after]);
    style::out(&if args.json { report.json() } else { report.to_string() })?;
    Ok(())
}

/// The loops that measure the machine, its second-level cache, and the folder that they are in.
fn loops(options: &Options) -> Result<(Loops, usize, tempfile::TempDir), Diagnostics> {
    let backend = backends::find(options.backend.as_deref())?;
    let folder =
        tempfile::tempdir().map_err(|e| Diagnostic::error("E5203", format!("can't make a temporary folder: {e}")))?;
    let loops = Loops::new(backend, &options.target, folder.path())?;
    Ok((loops, compile::machine(options, backend).l2_bytes as usize, folder))
}

/// What the counters said.
struct Taken {
    /// Whole runs, in microseconds, ascending.
    runs: Vec<f64>,
    /// For each step, its time in each run, in microseconds, ascending.
    steps: Vec<Vec<f64>>,
    /// For each step, how often it ran in the last run.
    calls: Vec<u64>,
}

impl Taken {
    /// Warms up for a tenth of the time, then runs until it is over.
    fn measure(session: &mut Session<'_>, profile: &mut Profile<'_>, time: Duration) -> Result<Taken, Diagnostics> {
        let warm = Instant::now() + time / 10;
        session.run()?;
        while Instant::now() < warm {
            session.run()?;
        }
        profile.take();
        let (mut runs, mut counted) = (vec![], vec![]);
        let end = Instant::now() + time;
        while runs.len() < RUNS.0 || (runs.len() < RUNS.1 && Instant::now() < end) {
            let begun = Instant::now();
            session.run()?;
            runs.push(begun.elapsed().as_secs_f64() * 1e6);
            counted.push(profile.take());
        }
        let us = profile.tick() * 1e6;
        let count = counted.last().map_or(0, Vec::len);
        let mut steps: Vec<Vec<f64>> =
            (0..count).map(|i| counted.iter().map(|c| c[i].ticks as f64 * us).collect()).collect();
        steps.iter_mut().chain([&mut runs]).for_each(|t| t.sort_by(f64::total_cmp));
        let calls = counted.last().map_or(vec![], |c| c.iter().map(|c| c.count).collect());
        Ok(Taken { runs, steps, calls })
    }
}

fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    if n == 0 { 0.0 } else { (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0 }
}

/// A number over dims, for these dims.
fn value(s: &Sym, dims: &[(String, i64)]) -> Option<i64> {
    s.eval(&|x: &Symbol| dims.iter().find(|(n, _)| n == x.as_str()).map(|(_, v)| *v)).ok()
}

/// A type with its extents, as far as they are known.
fn type_text(t: &TensorType, dims: &[(String, i64)]) -> String {
    let extents = t.shape.iter().map(|d| value(d, dims).map_or_else(|| d.to_string(), |v| v.to_string()));
    format!("{}[{}]", t.dtype, extents.collect::<Vec<_>>().join(", "))
}

impl Report {
    fn new(name: String, steps: &[StepReport], dims: &[(String, i64)], taken: &Taken, peaks: [Peak; 2]) -> Report {
        let best = peaks[0].best(peaks[1]);
        let all: f64 = taken.steps.iter().map(|t| median(t)).sum();
        let step = |(i, s): (usize, &StepReport)| {
            let us = median(&taken.steps[i]);
            // Amounts are those of one call.
            let times = |n: i64| n.saturating_mul(i64::try_from(taken.calls[i]).unwrap_or(i64::MAX));
            let flops = s.flops.as_ref().and_then(|f| value(f, dims)).map(times).filter(|n| *n > 0);
            let bytes = value(&s.bytes(), dims).map(times);
            let per_ns = |n: Option<i64>| n.filter(|_| us > 0.0).map(|n| n as f64 / us / 1e3);
            let (gflops, gb_s) = (per_ns(flops), per_ns(bytes));
            let types = |t: &[TensorType]| t.iter().map(|t| type_text(t, dims)).collect();
            Step {
                step: i,
                function: s.function.clone(),
                nodes: s.nodes.clone(),
                ops: s.ops.clone(),
                inputs: types(&s.inputs),
                outputs: types(&s.outputs),
                calls: taken.calls[i],
                us,
                min_us: taken.steps[i].first().copied().unwrap_or(0.0),
                share: if all > 0.0 { us / all } else { 0.0 },
                flops,
                gflops,
                peak_share: gflops.map(|g| g / best.gflops),
                bytes,
                gb_s,
                memory_share: gb_s.map(|g| g / best.memory_gb_s),
            }
        };
        let ratio = |a: f64, b: f64| a.min(b) >= STEADY * a.max(b);
        let steady = ratio(peaks[0].gflops, peaks[1].gflops) && ratio(peaks[0].cache_gb_s, peaks[1].cache_gb_s);
        Report {
            name,
            runs: taken.runs.len(),
            run_us: median(&taken.runs),
            steps_us: all,
            peak: Peaks { gflops: best.gflops, l2_gb_s: best.cache_gb_s, memory_gb_s: best.memory_gb_s, steady },
            steps: steps.iter().enumerate().map(step).collect(),
        }
    }

    fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a profile has nothing but texts and numbers") + "\n"
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "run     {:.3} us (median of {}), {:.3} us in steps", self.run_us, self.runs, self.steps_us)?;
        let p = &self.peak;
        write!(
            f,
            "peak    {:.1} GFLOP/s, loads {:.1} GB/s from L2, {:.1} GB/s from memory",
            p.gflops, p.l2_gb_s, p.memory_gb_s
        )?;
        writeln!(f, "{}", if p.steady { "" } else { " (the machine is not steady)" })?;
        writeln!(f, "\n share         us  GFLOP/s  %peak        MB    GB/s   %mem  step")?;
        let mut order: Vec<&Step> = self.steps.iter().collect();
        order.sort_by(|a, b| b.us.total_cmp(&a.us));
        let (shown, small): (Vec<&Step>, Vec<&Step>) = order.into_iter().partition(|s| s.share >= LEAST_SHARE);
        for s in shown {
            writeln!(f, "{s}")?;
        }
        if !small.is_empty() {
            let us: f64 = small.iter().map(|s| s.us).sum();
            writeln!(f, "{:>5.1}% {us:>10.2}  {} more steps", 100.0 * us / self.steps_us.max(1e-9), small.len())?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |v: Option<f64>, width: usize, digits: usize| match v {
            Some(v) => format!("{v:>width$.digits$}"),
            None => format!("{:>width$}", "-"),
        };
        let percent = |v: Option<f64>| number(v.map(|v| v * 100.0), 6, 1);
        write!(f, "{:>5.1}% {:>10.2} {}", self.share * 100.0, self.us, number(self.gflops, 8, 1))?;
        write!(f, " {} {}", percent(self.peak_share), number(self.bytes.map(|b| b as f64 / 1e6), 9, 3))?;
        write!(f, " {} {}  ", number(self.gb_s, 7, 1), percent(self.memory_share))?;
        let name = self.nodes.first().map_or("", String::as_str);
        write!(f, "#{} {} ({name}): ", self.step, self.ops.join("+"))?;
        // The first input is what a step works on; the rest are weights mostly.
        let first = |t: &[String]| t.first().cloned().unwrap_or_default();
        write!(f, "{} -> {}", first(&self.inputs), first(&self.outputs))?;
        self.function.iter().try_for_each(|n| write!(f, " [{n}]"))
    }
}
