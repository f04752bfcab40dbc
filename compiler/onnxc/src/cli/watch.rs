//! Watches a compilation: prints IR where it was asked for, ends it early, shows on a terminal that it goes on.

use super::args::Level;
use crate::backends;
use indicatif::{ProgressBar, ProgressStyle};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_passes::manager::{Ir, Observer};
use onnxc_passes::pipeline::{GRAPH, LOOPS};
use std::io;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A compilation shorter than this shows no progress.
const PATIENCE: Duration = Duration::from_millis(500);

/// Every name that `--print-after` and `--stop-after` take, in order.
pub fn pass_names() -> Vec<&'static str> {
    let graph = GRAPH.iter().map(|p| p.name);
    let loops = LOOPS.iter().map(|p| p.name);
    let all = ["import", "infer"].into_iter().chain(graph).chain(["schedule", "assemble"]).chain(loops);
    let mut names = vec![];
    for name in all.chain(["plan-memory"]) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Refuses names that are no passes.
///
/// # Errors
/// Every unknown name.
pub fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Diagnostics> {
    let known = pass_names();
    let mut problems = Diagnostics::new();
    problems.extend(names.filter(|n| !known.contains(n)).map(|n| {
        Diagnostic::error("E5015", format!("there is no pass '{n}'")).expected(format!("one of: {}", known.join(", ")))
    }));
    problems.into_result(())
}

/// What to show while compiling.
#[derive(Default)]
pub struct Watch {
    /// Print the IR after these passes.
    pub print_after: Vec<String>,
    /// End after this pass.
    pub stop_after: Option<String>,
    /// What is wanted in the end; of the graph only the last state is seen here.
    pub emit: Option<Level>,
    /// The last graph, if it is wanted.
    pub graph: Option<String>,
    /// What went wrong while printing.
    pub broken: Option<io::Error>,
    /// Shows the pass.
    pub progress: Progress,
}

impl Observer for Watch {
    fn after(&mut self, pass: &'static str, ir: Ir<'_>) -> bool {
        self.progress.show(pass);
        if self.emit == Some(Level::Graph) {
            match ir {
                Ir::Graph(g) => self.graph = Some(g.to_string()),
                _ => return false,
            }
        }
        if self.print_after.iter().any(|p| p == pass || p == "all") {
            let text = format!("// after {pass}\n{}\n", text(ir));
            if let Err(e) = super::style::out(&text) {
                self.broken = Some(e);
                return false;
            }
        }
        // There are many kernels; all of them are seen before the end.
        self.stop_after.as_deref() != Some(pass) || matches!(ir, Ir::Kernel(_))
    }
}

fn text(ir: Ir<'_>) -> String {
    match ir {
        Ir::Graph(g) => g.to_string(),
        Ir::Kernel(k) => k.to_string(),
        Ir::Loops(p) => p.to_string(),
    }
}

/// A line on a terminal that says what takes so long.
pub struct Progress {
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { begun: Instant::now(), bar: None }
    }
}

impl Progress {
    /// Shows what goes on now, if it has taken a while already.
    pub fn show(&mut self, what: &str) {
        if self.begun.elapsed() >= PATIENCE {
            self.force(what);
        }
    }

    /// Shows what goes on now.
    pub fn force(&mut self, what: &str) {
        if !io::stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(what.to_string());
    }

    /// Shows that a backend is at work: the longest step.
    pub fn backend(&mut self, name: Option<&str>) {
        let name = backends::find(name).map_or("", |b| b.name());
        self.force(&format!("machine code ({name})"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
