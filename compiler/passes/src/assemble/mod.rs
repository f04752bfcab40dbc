//! A graph, cut into steps, to one loops IR program: kernels become functions, everything else code of the entry.
//!
//! Afterwards the program is complete but for what the loops passes do: workspace `Alloc`s become offsets in
//! `plan-memory`, math functions polynomials in `expand-math`.
//!
//! Every tensor has a buffer ([`TensorBuf`]); aliases share one. A tensor's memory is
//! - the caller's, for inputs and outputs whose size is known before the run;
//! - workspace, if its size has an upper bound over dims known before the run;
//! - the caller's allocator's otherwise.

mod arrange;
mod attention;
mod border;
mod call;
mod chain;
mod control;
pub mod cut;
mod entry;
mod guards;
pub(crate) mod joins;
mod kernels;
mod measured;
mod memory;
mod objects;
mod pairs;
mod profile;
mod reuse;
mod symbols;
mod windows;

pub(crate) use call::macs;
pub use entry::set_workspace_function;
pub use kernels::{StepKernel, lower_alone, lower_nodes};

use crate::from_kernel::Machine;
use crate::kernel::Tuner;
use crate::pipeline::Wishes;
use cut::{Step, cut, in_place};
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Diagnostics, IndexMap, Ranges, SecondaryMap, Sym};
use onnxc_ir::graph::{Graph, NodeId, Region, TensorType, ValueId};
use onnxc_ir::kernel::Kernel;
use onnxc_ir::loops::{Buf, ConstId, FuncBuilder, FuncId, Program};
use onnxc_ops::handles::Handles;
use onnxc_ops::routine::TensorBuf;
use onnxc_ops::{Lower, OpRef, Registry};
use reuse::{Ends, Owned};
use std::collections::BTreeMap;

/// What assembling produces besides the program.
#[derive(Clone, Debug)]
pub struct Assembled {
    /// The program.
    pub program: Program,
    /// Every distinct kernel with its schedule, and the name of the function that it became.
    pub kernels: Vec<(Kernel, String)>,
    /// What ran where: one entry per step, in order.
    pub steps: Vec<StepReport>,
    /// The bytes that [`Memory::ram`](crate::from_kernel::Memory::ram) could be for other joins of steps, descending.
    pub peaks: Vec<u64>,
}

/// One step of the program, for the report.
#[derive(Clone, PartialEq, Debug)]
pub struct StepReport {
    /// Names of the nodes of the step.
    pub nodes: Vec<String>,
    /// Their operators.
    pub ops: Vec<String>,
    /// The kernel function, if the step is a kernel.
    pub function: Option<String>,
    /// Floating point operations of one run, over the dims, for contractions and elementwise work.
    pub flops: Option<Sym>,
    /// Tensors that it reads: for a kernel the constants as they were packed for it.
    pub inputs: Vec<TensorType>,
    /// Tensors that it writes.
    pub outputs: Vec<TensorType>,
    /// Multiplications whose result is added up, of one run.
    pub macs: Option<Sym>,
}

impl StepReport {
    /// Bytes that must be moved at least: every tensor read or written once.
    pub fn bytes(&self) -> Sym {
        self.inputs.iter().chain(&self.outputs).map(|t| t.count() * t.dtype.size() as i64).sum()
    }
}

/// The program under construction.
struct Assembler<'a> {
    graph: &'a Graph,
    /// What the values were that the graph has handles for.
    handles: Option<Handles>,
    registry: &'a Registry,
    machine: Machine,
    ranges: Ranges,
    program: Program,
    f: FuncBuilder,
    /// Where each tensor is, once it is computed.
    storage: SecondaryMap<ValueId, Option<TensorBuf>>,
    /// The constants of the program behind constant values.
    consts: SecondaryMap<ValueId, Option<ConstId>>,
    const_bufs: IndexMap<ConstId, Buf>,
    /// Kernel functions by their sizes, so that equal kernels are compiled once.
    functions: IndexMap<(usize, usize, usize), Vec<FuncId>>,
    kernels: Vec<(Kernel, String)>,
    steps: Vec<StepReport>,
    /// Symbols whose value is known before the run.
    early: Vec<Symbol>,
    /// The branches that are being emitted, each inside the one before.
    branches: Vec<(NodeId, usize)>,
    /// The heap is used, so the entry takes an allocator.
    heap: bool,
    /// A call after each step counts its time.
    profile: bool,
    tuner: Option<&'a dyn Tuner>,
    /// Which values end where, in the region that is being emitted.
    ends: Ends,
    /// Peaks of joined steps (see [`Assembled::peaks`]).
    peaks: Vec<u64>,
    plans: &'a joins::Plans,
    /// How many regions have plans.
    regions: usize,
    /// Memory of the workspace that has one name only.
    owned: BTreeMap<Buf, Owned>,
}

/// Turns a graph whose types are inferred into a program.
///
/// # Errors
/// Every node that can't be lowered.
pub fn assemble(graph: &Graph, registry: &Registry, wishes: &Wishes<'_>) -> Result<Assembled, Diagnostics> {
    let converted = onnxc_ops::handles::convert(graph, registry)?;
    let (graph, handles) = match &converted {
        Some((g, h)) => (g, Some(h.clone())),
        None => (graph, None),
    };
    let own = joins::Plans::default();
    let mut a = Assembler {
        graph,
        handles,
        registry,
        machine: wishes.machine,
        ranges: graph.ranges(),
        program: Program { name: c_identifier(&graph.name), ..Program::default() },
        f: FuncBuilder::new(""),
        storage: SecondaryMap::new(),
        consts: SecondaryMap::new(),
        const_bufs: IndexMap::new(),
        functions: IndexMap::new(),
        kernels: vec![],
        steps: vec![],
        early: symbols::early(graph),
        branches: vec![],
        heap: false,
        profile: wishes.profile,
        tuner: wishes.tuner,
        ends: Ends::default(),
        peaks: vec![],
        plans: wishes.plans.unwrap_or(&own),
        regions: 0,
        owned: BTreeMap::new(),
    };
    a.entry()?;
    Ok(Assembled { program: a.program, kernels: a.kernels, steps: a.steps, peaks: a.peaks })
}

/// A name as a C identifier.
pub fn c_identifier(name: &str) -> String {
    let mut id: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if id.is_empty() || id.starts_with(|c: char| c.is_ascii_digit()) {
        id.insert_str(0, "m_");
    }
    id
}

impl Assembler<'_> {
    /// Emits the steps of a region, whose parameters have storage already.
    fn region(&mut self, region: &Region) -> Result<(), Diagnostics> {
        let steps = cut(self.graph, self.registry, region)?;
        // Attention first: it looks for steps as the cut leaves them.
        let steps = attention::join(self.graph, self.registry, self.machine, &self.ranges, region, steps)?;
        let steps = chain::join(self.graph, self.registry, self.machine, region, steps)?;
        let mut steps = windows::join(self.graph, self.registry, self.machine, region, steps)?;
        if self.machine.memory.scarce {
            steps = joins::join_rows(self.graph, region, steps, self.machine);
        }
        if self.machine.memory.thrift >= Machine::JOINING {
            steps = self.joined(region, steps);
        }
        let outer = std::mem::replace(&mut self.ends, Ends::of(self.graph, region, &steps));
        for (i, step) in steps.iter().enumerate() {
            self.ends.step = i;
            let number = self.steps.len();
            // What depends on a step that fails would only report that it is missing.
            match step {
                Step::Kernel(nodes) => self.kernel_step(nodes)?,
                Step::Node(n) => self.node_step(*n)?,
            }
            self.mark(number);
        }
        self.ends = outer;
        Ok(())
    }

    /// The steps as the plan for the machine's RAM has them.
    fn joined(&mut self, region: &Region, steps: Vec<Step>) -> Vec<Step> {
        let (graph, registry, machine) = (self.graph, self.registry, self.machine);
        let measure = || joins::measured_plans(graph, registry, region, &steps, machine);
        let plans = self.plans.of(machine, self.regions, measure);
        self.regions += 1;
        let Some(plan) = joins::chosen(&plans, machine.memory.ram) else { return steps };
        // The first region is the graph's own. Its plan decides for the others, so that what there is to try are its plans.
        if self.peaks.is_empty() {
            self.peaks = plans.iter().map(|p| p.peak.max(0) as u64).collect();
            self.machine.memory.ram = plan.peak.max(0) as u64;
        }
        joins::join(plan, &steps)
    }

    fn node_step(&mut self, n: NodeId) -> Result<(), Diagnostics> {
        let node = &self.graph.nodes[n];
        let error = |m: &str| Diagnostic::error("E4003", m).node(node.name.clone(), node.op.to_string());
        let op = self.registry.find(&node.op).ok_or_else(|| error("no such operator"))?;
        if in_place(self.graph, n) {
            // Where a Split cuts may be what the run finds.
            self.define_extents(n)?;
            return Ok(self.join_parts(n)?);
        }
        self.check_layouts(n, &op)?;
        self.steps.push(StepReport {
            nodes: vec![node.name.clone()],
            ops: vec![node.op.to_string()],
            function: None,
            flops: None,
            inputs: self.tensor_types(node.inputs.iter().flatten()),
            outputs: self.tensor_types(&node.outputs),
            macs: None,
        });
        self.define_extents(n)?;
        match op {
            OpRef::Custom(c) => match c.body() {
                onnxc_ops::custom::CustomBody::Symbol(s) => Ok(self.linked_call(n, s)?),
                onnxc_ops::custom::CustomBody::Compute(_) => Ok(self.kernel_step(&[n])?),
            },
            OpRef::Builtin(d) => match d.lower {
                Lower::Alias => Ok(self.alias(n)?),
                Lower::Routine(f) => Ok(self.routine(n, f)?),
                Lower::Control(c) => self.control(n, c),
                Lower::Runtime(_) => Err(error("the operator needs the runtime's objects").into()),
                Lower::Compute(_) | Lower::View(_) => Ok(self.kernel_step(&[n])?),
            },
        }
    }

    /// Only kernels read and write what isn't row-major; an alias may pass it on.
    fn check_layouts(&self, n: NodeId, op: &OpRef) -> Result<(), Diagnostic> {
        let node = &self.graph.nodes[n];
        let laid = |v: &&ValueId| self.graph.layout(**v).is_some();
        let formula = match op {
            OpRef::Builtin(d) => matches!(d.lower, Lower::Compute(_) | Lower::View(_)),
            OpRef::Custom(_) => false,
        };
        // An alias passes on what is all of its memory, in whatever order.
        let contiguous = |v: &ValueId| self.graph.layout(*v).is_none_or(|l| l.is_contiguous());
        let alias = matches!(op, OpRef::Builtin(d) if matches!(d.lower, Lower::Alias));
        let kernel = formula || alias && node.inputs.iter().flatten().chain(&node.outputs).all(contiguous);
        match node.inputs.iter().flatten().chain(&node.outputs).find(laid) {
            Some(&v) if !kernel => Err(self
                .error(n, "the operator can't work on a tensor that isn't row-major")
                .tensor(self.graph.values[v].name.clone())
                .help("this is a defect; please report it with the model")),
            _ => Ok(()),
        }
    }

    /// An error at a node.
    fn error(&self, n: NodeId, message: impl Into<String>) -> Diagnostic {
        let node = &self.graph.nodes[n];
        Diagnostic::error("E4004", message).node(node.name.clone(), node.op.to_string())
    }
}
