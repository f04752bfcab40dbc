//! The order of all passes, as tables, and the one function that runs them.
//!
//! graph: as imported → `infer` → [`GRAPH`] → cut into kernels, each through [`crate::kernel`] → loops → [`LOOPS`] →
//! `plan-memory`. What is left is what a backend gets.

pub use crate::assemble::joins::Plans;
use crate::assemble::{Assembled, assemble, set_workspace_function};
use crate::from_kernel::Machine;
use crate::graph as g;
use crate::kernel::Tuner;
use crate::loops;
use crate::manager::{GraphCx, GraphPass, Ir, LoopsCx, LoopsPass, Manager, Note, Stop};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::Graph;
use onnxc_ir::graph::patch::Editor;
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{Func, Op, Program, Stmt};
use onnxc_ops::Registry;

/// Passes over the graph, in order.
pub static GRAPH: &[GraphPass] = &[
    // First: weights must still be integers.
    g::quantised_integers::PASS,
    g::scan_axes::PASS,
    // Before anything is evaluated: nothing else knows complex128.
    g::complex_parts::PASS,
    g::fold_constants::PASS,
    g::simplify::PASS,
    g::dead_code::PASS,
    g::common_subexpressions::PASS,
    g::fold_batch_norm::PASS,
    g::sum_convolutions::PASS,
    g::sub_pixels::PASS,
    g::dead_taps::PASS,
    g::live_taps::PASS,
    g::fuse_layer_norm::PASS,
    g::scale_weights::PASS,
    g::gemm_axes::PASS,
    g::gather_products::PASS,
    g::beside_steps::PASS,
    g::fold_constants::PASS,
    g::simplify::PASS,
    g::dead_code::PASS,
    g::order::PASS,
    g::recompute::PASS,
    g::samples::PASS,
    // Last: the passes before may merge and replace values, which is no longer true of those that have a layout.
    g::channels_last::PASS,
    g::parts::PASS,
    g::borders::PASS,
];

/// Passes over the program, in order.
pub static LOOPS: &[LoopsPass] = &[
    // First: what a loop shares with the code around it isn't spread yet.
    loops::outline_parallel::PASS,
    loops::join_forks::PASS,
    loops::unroll::PASS,
    loops::expand_storage::PASS,
    loops::math::PASS,
    loops::simplify::PASS,
    loops::hoist::PASS,
    loops::simplify::PASS,
    loops::release::PASS,
];

/// What is wished of the program.
#[derive(Clone, Copy)]
pub struct Wishes<'a> {
    /// The machine that it will run on.
    pub machine: Machine,
    /// -O level, 0 to 3.
    pub level: u8,
    /// Each step is followed by a call that counts its time ([`onnxc_runtime`]'s `profile`).
    pub profile: bool,
    /// Knows which schedules are the fastest.
    pub tuner: Option<&'a dyn Tuner>,
    /// What is known of joined steps from other machines that differ in `ram` only.
    pub plans: Option<&'a Plans>,
}

impl Wishes<'_> {
    /// No more than a machine and a level.
    pub fn new(machine: Machine, level: u8) -> Self {
        Wishes { machine, level, profile: false, tuner: None, plans: None }
    }
}

/// What compiling to loops IR gives.
#[derive(Debug)]
pub struct Lowered {
    /// The program, its kernels and steps.
    pub assembled: Assembled,
    /// Bytes of code, about.
    pub code_bytes: u64,
    /// Where each buffer is.
    pub memory: loops::plan_memory::Plan,
    /// What passes over the graph want the user to know.
    pub notes: Vec<Note>,
    /// Assumptions of inference that not every run fulfils. What else it finds worth knowing is `check`'s.
    pub warnings: Diagnostics,
}

/// Bytes of code of a statement, about: the usual instruction of a microcontroller.
const STATEMENT: usize = 4;
/// Statements that a float operation counts as where it is a call.
const CALL: usize = 4;

/// Bytes of code of a program, about. Source has a statement for each lane of floats.
pub fn code_estimate(program: &Program, machine: Machine) -> usize {
    let of = |f: &Func, s: &Stmt| {
        let Stmt::Let(v) = s else { return 1 };
        let def = &f.values[*v];
        let float = def.ty.elem.is_float();
        let lanes = if machine.memory.scarce && float { usize::from(def.ty.lanes) } else { 1 };
        // Two lanes take about what a statement of one does with its address.
        let lanes = if lanes == 2 { 1 } else { lanes };
        let call = float && machine.calls_floats && matches!(def.op, Op::Binary(..) | Op::Fma(..) | Op::Cast(_));
        lanes * if call { CALL } else { 1 }
    };
    STATEMENT * program.funcs.values().map(|f| loops::size(&f.body, &|s| of(f, s))).sum::<usize>()
}

/// Assembles; what would be more code than the machine should have is made again with fewer steps written out.
fn assemble_within(graph: &Graph, registry: &Registry, wishes: &Wishes<'_>) -> Result<Assembled, Diagnostics> {
    let own = Plans::default();
    let mut wishes = Wishes { plans: wishes.plans.or(Some(&own)), ..*wishes };
    loop {
        let assembled = assemble(graph, registry, &wishes)?;
        let (bytes, memory) = (code_estimate(&assembled.program, wishes.machine), &mut wishes.machine.memory);
        // In the end tiles are smaller, too.
        if bytes <= memory.code_bytes as usize || memory.unroll == 0 {
            return Ok(assembled);
        }
        memory.unroll /= 2;
    }
}

/// Runs everything between import and a backend.
///
/// # Errors
/// [`Stop::Asked`] if the observer wanted no more, else every problem found.
pub fn lower(
    graph: &mut Graph,
    registry: &Registry,
    wishes: &Wishes<'_>,
    editor: &mut Editor,
    manager: &mut Manager<'_>,
) -> Result<Lowered, Stop> {
    manager.show("import", Ir::Graph(graph))?;
    let mut problems = manager.time("infer", || onnxc_ops::infer::infer_graph(graph, registry));
    if problems.has_errors() {
        return Err(Stop::Failed(problems));
    }
    problems.0.retain(|d| d.code == onnxc_ops::infer::UNDECIDED);
    manager.show("infer", Ir::Graph(graph))?;
    let mut notes = vec![];
    let machine = wishes.machine;
    for pass in GRAPH.iter().filter(|p| p.level <= wishes.level) {
        manager.graph(pass, graph, &mut GraphCx { registry, machine, editor, notes: &mut notes })?;
    }
    let mut assembled = manager.time("assemble", || assemble_within(graph, registry, wishes))?;
    for (k, _) in &assembled.kernels {
        manager.show("schedule", Ir::Kernel(k))?;
    }
    manager.show("assemble", Ir::Loops(&assembled.program))?;
    let threads = if manager.forks { machine.threads } else { 1 };
    let cx = LoopsCx { ranges: graph.ranges(), machine, threads };
    let mut stage = Stage::FRESH;
    for pass in LOOPS.iter().filter(|p| p.level <= wishes.level) {
        stage = manager.loops(pass, &mut assembled.program, &cx, stage)?;
    }
    let memory = manager.time("plan-memory", || loops::plan_memory::plan_memory(&mut assembled.program, &cx))?;
    set_workspace_function(&mut assembled.program);
    manager.show("plan-memory", Ir::Loops(&assembled.program))?;
    let code_bytes = code_estimate(&assembled.program, machine) as u64;
    Ok(Lowered { assembled, code_bytes, memory, notes, warnings: problems })
}
