//! `onnxc quantize`: a float model to one of 8-bit integers, and what that costs.

use super::args::{MethodName, QuantizeArgs};
use super::exit::Failure;
use super::{resolve, style};
use crate::quantize::{Difference, Method, Outcome, Quantisation, quantise, read_samples};
use crate::{Options, Source};
use onnxc_base::{DType, Diagnostic};
use std::fmt::Write;

/// So many of the worst layers are listed.
const WORST: usize = 5;

/// Quantises.
///
/// # Errors
/// Every problem of the model or the data; nothing is written then.
pub fn run(args: &QuantizeArgs) -> Result<(), Failure> {
    let options = Options {
        import: resolve::import(&args.intake)?,
        backend: args.backend.clone(),
        opt_level: 1,
        ..Options::default()
    };
    crate::backends::find(options.backend.as_deref())?;
    crate::output::check_place(&args.output)?;
    let how = how(args)?;
    let source = Source::open(&args.model, &options)?;
    let samples = read_samples(&args.calibrate, &source.graph, args.samples)?;
    let model = onnxc_onnx::load(&args.model, &options.limits)?;
    let outcome = quantise(&model, &samples, &how, &options)?;
    std::fs::write(&args.output, &outcome.model)
        .map_err(|e| Diagnostic::error("E5203", format!("can't write: {e}")).file(args.output.display().to_string()))?;
    style::out(&report(&args.output.display().to_string(), samples.len(), &outcome))?;
    Ok(())
}

fn how(args: &QuantizeArgs) -> Result<Quantisation, Diagnostic> {
    let percent = args.percentile;
    if !(percent > 0.0 && percent <= 100.0) {
        return Err(Diagnostic::error("E5013", format!("--percentile {percent}: not a share")).expected("up to 100"));
    }
    Ok(Quantisation {
        method: match args.method {
            MethodName::MinMax => Method::MinMax,
            MethodName::Percentile => Method::Percentile(percent),
            MethodName::Entropy => Method::Entropy,
            MethodName::Mse => Method::Mse,
        },
        per_channel: !args.per_tensor,
        symmetric: args.symmetric,
        activations: if args.signed { DType::I8 } else { DType::U8 },
        exclude: args.exclude.clone(),
    })
}

fn report(path: &str, samples: usize, o: &Outcome) -> String {
    let mut text = format!("{path}: {} of {} nodes quantised, {samples} samples\n", o.nodes.0, o.nodes.1);
    for remark in &o.remarks {
        let _ = writeln!(text, "  {remark}");
    }
    for (node, why) in &o.left {
        let _ = writeln!(text, "  in float: {node}: {why}");
    }
    table(&mut text, "outputs against float", o.outputs.iter());
    table(&mut text, "worst layers", o.layers.iter().take(WORST));
    text
}

fn table<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = &'a Difference>) {
    let _ = writeln!(text, "{title}:");
    for d in rows {
        let ratio = if d.ratio().is_finite() { format!("{:.1} dB", d.ratio()) } else { "exact".into() };
        let node = if d.node.is_empty() { String::new() } else { format!(", {}", d.node) };
        let same = match d.rows {
            (0, _) => String::new(),
            (all, same) => format!(", same greatest in {same} of {all}"),
        };
        let _ = writeln!(text, "  {}{node}: {ratio}, off by {:.3e} at most{same}", d.name, d.most);
    }
}
