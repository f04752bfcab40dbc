//! `onnxc bench`: how long a run takes.

use super::args::BenchArgs;
use super::exit::Failure;
use super::{inputs, profile, resolve, session, style};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::loader::{Module, Session};
use serde::Serialize;
use std::time::{Duration, Instant};

/// At least this many runs, however long they take: to warm up, and to measure.
const LEAST: [usize; 2] = [1, 3];

/// What was measured.
#[derive(Serialize)]
struct Measured {
    median_ms: f64,
    min_ms: f64,
    p99_ms: f64,
    runs: usize,
    /// Only where the operations of a run are known.
    gflops: Option<f64>,
    /// Loading the module's file.
    load_ms: f64,
    /// The first run, with what had to be made for it: memory, a table of the inputs' dims.
    first_ms: f64,
}

/// Measures.
///
/// # Errors
/// Every problem of the model or the inputs.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    if !(args.seconds > 0.0 && args.seconds <= 86400.0) {
        return Err(Diagnostic::error("E5013", format!("--seconds {}: not a time", args.seconds)).into());
    }
    let loaded = session::load(&args.module, &args.build, args.profile)?;
    let module = &loaded.module;
    let values = if args.inputs.is_empty() {
        inputs::random(module, &resolve::import(&args.build.intake)?)?.into_iter().map(Into::into).collect()
    } else {
        onnxc_host::inputs::arrange(&module.inputs(), onnxc_host::inputs::read_all(&args.inputs)?)?
    };
    let begun = Instant::now();
    let mut session = module.prepare_values(&values)?;
    session.run()?;
    let first = begun.elapsed();
    if args.profile {
        return profile::run(args, &loaded, &mut session);
    }
    let times = measure(&mut session, Duration::from_secs_f64(args.seconds))?;
    let start = [loaded.opened, first];
    let result = summarise(times, start, flops(module, session.dims()));
    style::out(&if args.json { json(&result) } else { text(&result) })?;
    Ok(())
}

/// Warms up for a tenth of the time, then runs until it is over.
fn measure(session: &mut Session<'_>, time: Duration) -> Result<Vec<Duration>, Diagnostics> {
    let mut times = vec![];
    for (share, least) in [time / 10, time].into_iter().zip(LEAST) {
        times.clear();
        let end = Instant::now() + share;
        while times.len() < least || Instant::now() < end {
            let begun = Instant::now();
            session.run()?;
            times.push(begun.elapsed());
        }
    }
    Ok(times)
}

/// Operations of a run with these dims; none if they aren't known.
fn flops(module: &Module, dims: &[i64]) -> Option<f64> {
    let flops = module.description().flops().eval(dims)?;
    (flops > 0).then_some(flops as f64)
}

fn summarise(mut times: Vec<Duration>, [load, first]: [Duration; 2], flops: Option<f64>) -> Measured {
    times.sort();
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let at = |share: f64| ms(times[((times.len() - 1) as f64 * share).round() as usize]);
    let n = times.len();
    let median = (ms(times[(n - 1) / 2]) + ms(times[n / 2])) / 2.0;
    let gflops = flops.filter(|_| median > 0.0).map(|f| f / median / 1e6);
    Measured {
        median_ms: median,
        min_ms: at(0.0),
        p99_ms: at(0.99),
        runs: n,
        gflops,
        load_ms: ms(load),
        first_ms: ms(first),
    }
}

fn json(r: &Measured) -> String {
    serde_json::to_string(r).expect("a result has nothing but numbers") + "\n"
}

fn text(r: &Measured) -> String {
    let gflops = r.gflops.map_or(String::new(), |g| format!(", {g:.1} GFLOP/s"));
    format!("median {:.4} ms, min {:.4} ms, p99 {:.4} ms, {} runs{gflops}\n", r.median_ms, r.min_ms, r.p99_ms, r.runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        let r = summarise(times, [Duration::from_micros(500), Duration::from_millis(7)], Some(101e6));
        assert_eq!((r.median_ms, r.min_ms, r.p99_ms, r.runs), (50.5, 1.0, 99.0, 100));
        assert_eq!(r.gflops, Some(2.0));
        assert_eq!((r.load_ms, r.first_ms), (0.5, 7.0));
    }
}
