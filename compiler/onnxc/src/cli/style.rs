//! Printing: results to the standard output, the rest to standard error, with colours where those are wanted.
//!
//! Colours go when the stream isn't a terminal or `NO_COLOR` is set (anstream decides).

use clap::builder::styling::{AnsiColor, Style};
use onnxc_base::{Diagnostic, Diagnostics, Severity};
use std::io::{self, Write};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const FRAME: Style = AnsiColor::Blue.on_default().bold();
const BOLD: Style = Style::new().bold();

/// Writes text to the standard output.
///
/// # Errors
/// As any write.
pub fn out(text: &str) -> io::Result<()> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Tells of problems. What can't be told can't be helped.
pub fn problems(d: &Diagnostics) {
    let mut err = anstream::stderr().lock();
    for d in &d.0 {
        let _ = err.write_all(painted(d).as_bytes());
    }
    let count = d.0.iter().filter(|d| d.severity == Severity::Error).count();
    if count > 1 {
        let _ = writeln!(err, "{ERROR}{count} errors{ERROR:#}");
    }
}

/// A line about what is going on.
pub fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{FRAME}note{FRAME:#}: {text}");
}

/// A diagnostic's text with its parts in colour.
fn painted(d: &Diagnostic) -> String {
    let head = if d.severity == Severity::Error { ERROR } else { WARNING };
    let mut out = String::new();
    for (i, line) in d.to_string().lines().enumerate() {
        let painted = match line.split_once(": ") {
            Some((a, b)) if i == 0 => format!("{head}{a}{head:#}: {BOLD}{b}{BOLD:#}"),
            Some((a @ ("  expected" | "  help"), b)) => format!("{FRAME}{a}{FRAME:#}: {b}"),
            _ => match line.strip_prefix("  --> ") {
                Some(place) => format!("  {FRAME}-->{FRAME:#} {place}"),
                None => line.to_string(),
            },
        };
        out += &painted;
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_change_no_text() {
        let d =
            Diagnostic::error("E1003", "what: was found").node("conv", "Conv").expected("another: thing").help("do it");
        let plain = anstream::adapter::strip_str(&painted(&d)).to_string();
        assert_eq!(plain, format!("{d}\n"));
    }
}
