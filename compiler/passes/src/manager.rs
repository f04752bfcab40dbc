//! Passes as records, and what happens around each: timing, verification, dumps, stopping.
//!
//! A pass of any level is one file with one function, and one line in the tables of [`crate::pipeline`]. Whoever
//! compiles gives an [`Observer`] that sees the IR after every pass and may end the run there.

use crate::from_kernel::Machine;
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_ir::graph::patch::{Editor, Patch, remove_dead};
use onnxc_ir::graph::{self, Graph, NodeId};
use onnxc_ir::kernel::Kernel;
use onnxc_ir::loops::{Program, verify};
use onnxc_ops::Registry;
use std::fmt::Display;
use std::time::{Duration, Instant};

/// The IR as it is after a pass.
#[derive(Clone, Copy)]
pub enum Ir<'a> {
    /// The model.
    Graph(&'a Graph),
    /// One kernel.
    Kernel(&'a Kernel),
    /// The program.
    Loops(&'a Program),
}

impl Display for Ir<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ir::Graph(g) => g.fmt(f),
            Ir::Kernel(k) => k.fmt(f),
            Ir::Loops(p) => p.fmt(f),
        }
    }
}

/// Sees the IR after every pass.
pub trait Observer {
    /// Called after each pass; false ends the compilation there.
    fn after(&mut self, pass: &'static str, ir: Ir<'_>) -> bool;
}

/// An observer that lets everything pass.
pub struct Quiet;

impl Observer for Quiet {
    fn after(&mut self, _: &'static str, _: Ir<'_>) -> bool {
        true
    }
}

/// Why a compilation ended early.
#[derive(Debug)]
pub enum Stop {
    /// The observer wanted no more.
    Asked,
    /// There are errors.
    Failed(Diagnostics),
}

impl From<Diagnostics> for Stop {
    fn from(d: Diagnostics) -> Self {
        Stop::Failed(d)
    }
}

impl From<Diagnostic> for Stop {
    fn from(d: Diagnostic) -> Self {
        Stop::Failed(d.into())
    }
}

/// A pass over the graph.
pub struct GraphPass {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line: what it does.
    pub about: &'static str,
    /// Runs from this -O level on.
    pub level: u8,
    /// Changes the graph.
    pub run: fn(&mut Graph, &mut GraphCx<'_>) -> Result<(), Diagnostics>,
}

/// What graph passes know besides the graph.
pub struct GraphCx<'a> {
    /// Every operator.
    pub registry: &'a Registry,
    /// The machine to compile for.
    pub machine: Machine,
    /// Applies patches, counts them, and refuses them once a bisection has had enough.
    pub editor: &'a mut Editor,
    /// What passes want the user to know, for the report.
    pub notes: &'a mut Vec<Note>,
}

impl GraphCx<'_> {
    /// Asks of each node of the body, in order, whether a patch takes its place; applies it before the next is asked, and
    /// in the end removes what nobody uses. Nodes of patches aren't asked.
    pub fn patch_nodes(
        &mut self,
        graph: &mut Graph,
        mut find: impl FnMut(&mut Graph, &Registry, NodeId) -> Option<Patch>,
    ) {
        for n in graph.body.nodes.clone() {
            if let Some(patch) = find(graph, self.registry, n) {
                self.editor.apply(graph, patch);
            }
        }
        remove_dead(graph);
    }
}

/// Something that a pass has found worth knowing: an optimisation that a node prevents, say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// The pass.
    pub pass: &'static str,
    /// The node's name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// What there is to know.
    pub message: String,
}

/// A pass over the loops program.
pub struct LoopsPass {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line: what it does.
    pub about: &'static str,
    /// Runs from this -O level on.
    pub level: u8,
    /// Changes the program.
    pub run: fn(&mut Program, &LoopsCx) -> Result<(), Diagnostics>,
    /// What holds afterwards.
    pub ensures: verify::Stage,
}

/// What loops passes know besides the program.
pub struct LoopsCx {
    /// What is known of the dims.
    pub ranges: onnxc_base::Ranges,
    /// The machine to compile for.
    pub machine: Machine,
    /// The most threads of a fork; 1: parallel loops stay loops.
    pub threads: u32,
}

/// How long each pass took, in order of first run.
#[derive(Clone, Debug, Default)]
pub struct Timings(pub Vec<(&'static str, Duration, u32)>);

impl Timings {
    /// Adds one run of a pass.
    pub fn add(&mut self, name: &'static str, took: Duration) {
        match self.0.iter_mut().find(|t| t.0 == name) {
            Some(t) => {
                t.1 += took;
                t.2 += 1;
            }
            None => self.0.push((name, took, 1)),
        }
    }
}

/// Runs passes: times them, verifies after them, shows them.
pub struct Manager<'a> {
    /// Who sees the IR.
    pub observer: &'a mut dyn Observer,
    /// Verify after every pass.
    pub verify: bool,
    /// The backend forks functions; otherwise parallel loops stay loops.
    pub forks: bool,
    /// Filled while running.
    pub timings: Timings,
}

impl<'a> Manager<'a> {
    /// A manager that verifies in debug builds.
    pub fn new(observer: &'a mut dyn Observer) -> Self {
        Self { observer, verify: cfg!(debug_assertions), forks: true, timings: Timings::default() }
    }

    /// Times one step.
    pub fn time<R>(&mut self, name: &'static str, f: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let r = f();
        self.timings.add(name, start.elapsed());
        r
    }

    /// Shows the IR.
    pub fn show(&mut self, pass: &'static str, ir: Ir<'_>) -> Result<(), Stop> {
        if self.observer.after(pass, ir) { Ok(()) } else { Err(Stop::Asked) }
    }

    /// Runs a pass over the graph.
    pub fn graph(&mut self, pass: &GraphPass, graph: &mut Graph, cx: &mut GraphCx<'_>) -> Result<(), Stop> {
        self.time(pass.name, || (pass.run)(graph, cx))?;
        if self.verify {
            graph::verify::verify(graph, graph::verify::Stage::Typed).map_err(|d| blame(pass.name, d))?;
        }
        self.show(pass.name, Ir::Graph(graph))
    }

    /// Runs a pass over the program.
    pub fn loops(
        &mut self,
        pass: &LoopsPass,
        program: &mut Program,
        cx: &LoopsCx,
        before: verify::Stage,
    ) -> Result<verify::Stage, Stop> {
        self.time(pass.name, || (pass.run)(program, cx))?;
        let stage = verify::Stage {
            unrolled: before.unrolled || pass.ensures.unrolled,
            planned: before.planned || pass.ensures.planned,
            expanded: before.expanded || pass.ensures.expanded,
        };
        if self.verify {
            verify::verify(program, stage).map_err(|d| blame(pass.name, d))?;
        }
        self.show(pass.name, Ir::Loops(program))?;
        Ok(stage)
    }
}

/// A violated rule names the pass that left it behind.
fn blame(pass: &str, problems: Diagnostics) -> Stop {
    let renamed = problems.into_iter().map(|mut d| {
        d.message = format!("after pass {pass}: {}", d.message);
        d
    });
    let mut all = Diagnostics::new();
    all.extend(renamed);
    Stop::Failed(all)
}
