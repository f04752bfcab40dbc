//! A kernel with its schedule to one loops IR function: the only place where an algorithm and a schedule meet.
//!
//! The function takes the dims (i64), the kernel's parameters, its outputs and the scratch buffers that the schedule
//! needs, in the order of [`Lowered::args`]; it returns a status if the kernel has checks. Two kernels that differ in
//! constant data only give the same function.
//!
//! Does NOT choose anything (see `kernel::schedule`), and does not hoist or unroll (see `loops`).

mod ahead;
mod checks;
mod cuts;
mod dots;
mod edges;
mod eval;
mod frame;
mod fused;
mod graded;
mod guarded;
mod inherit;
mod machine;
mod near;
mod passing;
mod planes;
mod roll;
mod rows;
mod share;
mod span;
mod stage;
mod strided;
mod tile;
mod together;
mod transpose;
mod visits;

pub use cuts::equal_parts;
pub(crate) use graded::graded_tiles;
pub(crate) use inherit::predecessor;
pub use machine::{Machine, Memory};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Ranges, SecondaryMap, Sym};
use onnxc_ir::kernel::reach::reached;
use onnxc_ir::kernel::{Axis, Body, Check, Def, DefId, Expr, Kernel, ParamId, Src, Stage};
use onnxc_ir::loops::{Buf, BufKind, Func, FuncBuilder, Stmt, Ty};
use onnxc_ir::scalar::Scalar;
use planes::{elements, spread};
use roll::Ring;
pub use roll::{Cost, cost, ring_dim};
use span::{Domain, whole};
use std::collections::{BTreeMap, BTreeSet};

/// A lowered kernel.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The function.
    pub func: Func,
    /// What to pass, in order.
    pub args: Vec<KernelArg>,
}

/// An argument of a lowered kernel.
#[derive(Clone, PartialEq, Debug)]
pub enum KernelArg {
    /// The value of a dim.
    Dim(Symbol),
    /// A parameter of the kernel.
    Param(ParamId),
    /// Output number n.
    Output(usize),
    /// Memory for this call only.
    Scratch {
        /// For readers.
        name: String,
        /// Element type.
        dtype: DType,
        /// Elements, over the dims.
        count: Sym,
    },
}

impl KernelArg {
    /// Bytes of workspace for this call; none if they depend on dims.
    pub fn scratch_bytes(&self) -> Option<i64> {
        match self {
            KernelArg::Scratch { dtype, count, .. } => count.as_int().map(|n| n * dtype.size() as i64),
            _ => Some(0),
        }
    }
}

/// Where a definition or parameter lives, from the point `lo` on.
#[derive(Clone, Debug)]
struct Storage {
    buf: Buf,
    /// Element of the buffer where it begins.
    base: Sym,
    /// The first index of each dim that is there.
    lo: Vec<Sym>,
    /// How many there are.
    shape: Vec<Sym>,
    /// The distance of neighbours along each dim, in elements.
    strides: Vec<Sym>,
    /// The dim that is a ring, if there is one.
    ring: Option<Ring>,
}

impl Storage {
    /// How far an index of a dim is from the start, in elements.
    fn distance(&self, dim: usize, index: Sym) -> Sym {
        let (at, stride) = self.place(dim, index);
        at * stride
    }

    /// The same as the factors of a product: where in the dim, and what one step there is.
    fn place(&self, dim: usize, index: Sym) -> (Sym, Sym) {
        let at = match &self.ring {
            Some(r) if r.dim == dim => (index + r.shift).modulo(&self.shape[dim]),
            _ => index - &self.lo[dim],
        };
        (at, self.strides[dim].clone())
    }
}

/// Everything that the parts of lowering share.
struct Cx<'a> {
    kernel: &'a Kernel,
    machine: Machine,
    /// Dims, index variables and loops.
    ranges: Ranges,
    reduction_vars: BTreeSet<Symbol>,
    f: FuncBuilder,
    params: SecondaryMap<ParamId, Option<Storage>>,
    defs: SecondaryMap<DefId, Option<Storage>>,
    /// Loops so far, for names.
    loops: u32,
    /// Within a parallel loop.
    threaded: bool,
    /// In a tile whose products are rounded with their sums.
    fused: bool,
    /// A map that the stage that is lowered computes in passing.
    passed: Option<DefId>,
    /// The names of lengths.
    names: BTreeMap<Sym, Symbol>,
    /// The names of what of a length goes in tiles of a size, and of the rest.
    graded: BTreeMap<(Sym, u32), [Symbol; 2]>,
    /// What the loops that are open go over, by stage and number.
    begun: BTreeMap<(DefId, usize), span::Span>,
}

/// Lowers a kernel whose schedule is legal.
///
/// # Errors
/// A [`Diagnostic`] if the schedule asks for what can't be lowered.
pub fn from_kernel(kernel: &Kernel, name: &str, machine: Machine) -> Result<Lowered, Diagnostic> {
    let mut cx = Cx { machine, f: FuncBuilder::new(name), ..Cx::bare(kernel) };
    cx.f.func.doc = kernel.doc.clone();
    let args = cx.declare()?;
    let (late, early): (Vec<&Check>, Vec<&Check>) = kernel.checks.iter().partition(|c| reads_stages(kernel, &c.cond));
    early.into_iter().try_for_each(|c| cx.check(c))?;
    for stage in kernel.schedule.stages.iter().filter(|s| s.at.is_none()) {
        cx.stage(stage, whole(kernel, stage.def))?;
    }
    late.into_iter().try_for_each(|c| cx.check(c))?;
    if !kernel.checks.is_empty() {
        let zero = cx.f.scalar(Scalar::from_i64(DType::I32, 0));
        cx.f.stmt(Stmt::Return(Some(zero)));
        cx.f.func.ret = Some(Ty::I32);
    }
    Ok(Lowered { func: cx.f.finish(), args })
}

/// Bytes of workspace that a kernel needs beside its parameters and outputs; none if they depend on dims, or if its schedule
/// can't be lowered.
pub fn scratch_bytes(kernel: &Kernel, machine: Machine) -> Option<i64> {
    let args = Cx { machine, f: FuncBuilder::new(""), ..Cx::bare(kernel) }.declare().ok()?;
    args.iter().map(KernelArg::scratch_bytes).sum()
}

/// True if an expression needs what a stage stores.
fn reads_stages(kernel: &Kernel, e: &Expr) -> bool {
    let staged = |d: DefId| kernel.schedule.stages.iter().any(|s| s.def == d || s.acc == Some(d));
    reached(kernel, e, &|d| !staged(d)).iter().any(|l| matches!(l.src, Src::Def(d) if staged(d)))
}

/// The strides of a contiguous row-major tensor.
pub fn row_major(shape: &[Sym]) -> Vec<Sym> {
    let mut strides = vec![Sym::int(1); shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = &strides[d] * &shape[d];
    }
    strides
}

/// Ranges of dims and of every index variable.
pub fn all_ranges(kernel: &Kernel) -> Ranges {
    let mut ranges = kernel.ranges.clone();
    let mut add = |axes: &[Axis]| axes.iter().for_each(|a| ranges.set_index(a.var.clone(), &a.extent));
    for d in kernel.defs.values() {
        add(&d.axes);
        add(reduction_axes(d));
    }
    kernel.checks.iter().for_each(|c| add(&c.axes));
    ranges
}

/// The reduction axes of a definition.
pub fn reduction_axes(d: &Def) -> &[Axis] {
    match &d.body {
        Body::Reduce { axes, .. } => axes,
        Body::Map(_) => &[],
    }
}

/// The dims of a kernel: every symbol of a shape, extent or index that is no index variable, in name order.
pub fn dims_of(kernel: &Kernel) -> Vec<Symbol> {
    let mut all: BTreeSet<Symbol> = BTreeSet::new();
    let mut vars: BTreeSet<Symbol> = BTreeSet::new();
    let mut axes = |axes: &[Axis], all: &mut BTreeSet<Symbol>| {
        for a in axes {
            all.extend(a.extent.symbols());
            vars.insert(a.var.clone());
        }
    };
    for p in kernel.params.values() {
        p.shape.iter().for_each(|d| all.extend(d.symbols()));
    }
    for d in kernel.defs.values() {
        axes(&d.axes, &mut all);
        if let Body::Reduce { axes: over, init, .. } = &d.body {
            axes(over, &mut all);
            init.iter().for_each(|e| eval::symbols(e, &mut all));
        }
        eval::symbols(d.value(), &mut all);
    }
    for at in kernel.placed.iter().flatten() {
        at.strides.iter().chain([&at.offset]).for_each(|s| all.extend(s.symbols()));
    }
    for c in &kernel.checks {
        axes(&c.axes, &mut all);
        eval::symbols(&c.cond, &mut all);
    }
    all.retain(|s| !vars.contains(s));
    all.into_iter().collect()
}

impl<'a> Cx<'a> {
    /// Nothing declared yet, on no machine in particular.
    fn bare(kernel: &'a Kernel) -> Self {
        Cx {
            kernel,
            machine: Machine::USUAL,
            ranges: all_ranges(kernel),
            reduction_vars: kernel.defs.values().flat_map(reduction_axes).map(|a| a.var.clone()).collect(),
            f: FuncBuilder::new(""),
            params: SecondaryMap::new(),
            defs: SecondaryMap::new(),
            loops: 0,
            threaded: false,
            fused: false,
            passed: None,
            names: BTreeMap::new(),
            graded: BTreeMap::new(),
            begun: BTreeMap::new(),
        }
    }

    /// Declares the function's parameters and the storage behind every parameter and staged definition.
    fn declare(&mut self) -> Result<Vec<KernelArg>, Diagnostic> {
        let mut args = Vec::new();
        for s in dims_of(self.kernel) {
            let v = self.f.param(s.as_str(), DType::I64);
            self.f.bind(s.clone(), v);
            args.push(KernelArg::Dim(s));
        }
        let at_start = |buf: Buf, shape: Vec<Sym>| {
            let (base, lo, strides) = (Sym::int(0), vec![Sym::int(0); shape.len()], row_major(&shape));
            Storage { buf, base, lo, shape, strides, ring: None }
        };
        for (id, p) in self.kernel.params.iter() {
            let buf = self.f.param_buf(&p.name, p.dtype, false);
            self.params[id] = Some(at_start(buf, p.shape.clone()));
            args.push(KernelArg::Param(id));
        }
        for (i, &d) in self.kernel.outputs.iter().enumerate() {
            let def = &self.kernel.defs[d];
            let buf = self.f.param_buf(&format!("{}_out", def.name), def.dtype, true);
            let mut storage = at_start(buf, def.shape());
            if let Some(at) = self.kernel.placed(i) {
                (storage.strides, storage.base) = (at.strides.clone(), at.offset.clone());
            }
            self.defs[d] = Some(storage);
            args.push(KernelArg::Output(i));
        }
        let (framed, own): (Vec<&Stage>, Vec<&Stage>) =
            self.kernel.schedule.stages.iter().partition(|s| self.framed(s).is_some());
        for stage in own {
            if let Some(storage) = self.inherited(stage) {
                self.defs[stage.def] = Some(storage);
                continue;
            }
            if self.defs[stage.def].is_none() {
                let shape = match self.owner(stage) {
                    Some((owner, depth)) => self.region_shape(stage.def, owner, depth)?,
                    None => self.kernel.defs[stage.def].shape(),
                };
                let strides = match self.machine.memory.scarce {
                    true => row_major(&shape),
                    false => spread(&shape, self.kernel.defs[stage.def].dtype.size() as i64),
                };
                let (buf, arg) = self.scratch(stage, &elements(&shape, &strides));
                self.defs[stage.def] = Some(Storage { ring: self.ring(stage)?, strides, ..at_start(buf, shape) });
                args.extend(arg);
            }
        }
        for stage in framed {
            self.defs[stage.def] = self.framed(stage).and_then(|f| self.within(&f));
        }
        Ok(args)
    }

    /// Where a stage is attached: the owner, and inside how many of its loops.
    fn owner(&self, stage: &Stage) -> Option<(&'a Stage, usize)> {
        let at = stage.at?;
        Some((self.kernel.schedule.stage_of(at.owner)?, at.depth as usize))
    }

    /// True if each thread needs memory of its own for what a stage stores.
    fn per_thread(&self, stage: &Stage) -> bool {
        self.owner(stage).is_some_and(|(o, _)| self.is_shared(o))
    }

    /// Memory for a definition that doesn't leave the kernel; an argument if it isn't on the stack.
    fn scratch(&mut self, stage: &Stage, count: &Sym) -> (Buf, Option<KernelArg>) {
        let def = &self.kernel.defs[stage.def];
        let fixed = count.as_int().filter(|&n| {
            n * def.dtype.size() as i64 <= i64::from(self.machine.memory.stack_bytes) && !self.per_thread(stage)
        });
        match fixed {
            Some(n) => (self.f.buf(def.dtype, BufKind::Stack(n.max(1) as u32), &def.name), None),
            None => {
                let count =
                    if self.per_thread(stage) { count * i64::from(self.machine.threads) } else { count.clone() };
                let arg = KernelArg::Scratch { name: def.name.clone(), dtype: def.dtype, count };
                (self.f.param_buf(&def.name, def.dtype, true), Some(arg))
            }
        }
    }

    /// Moves the scratch memory of an attached stage to the region that comes next.
    fn place(&mut self, stage: &Stage, region: &Domain) {
        if self.kernel.outputs.contains(&stage.def) {
            return;
        }
        let base = match self.per_thread(stage) {
            true => {
                let thread = Symbol::new("thread");
                let v = self.f.op(Ty::I64, onnxc_ir::loops::Op::ThreadId);
                self.f.bind(thread.clone(), v);
                let of_one = self.defs[stage.def].as_ref().map_or(Sym::int(1), |s| elements(&s.shape, &s.strides));
                Sym::var(thread) * of_one
            }
            false => Sym::int(0),
        };
        if let Some(storage) = &mut self.defs[stage.def] {
            storage.lo = self.kernel.defs[stage.def].axes.iter().map(|a| region[&a.var].lo.clone()).collect();
            storage.base = base;
        }
    }

    /// The storage of something loaded, if it is in memory.
    fn storage(&self, src: Src) -> Option<&Storage> {
        match src {
            Src::Param(p) => self.params[p].as_ref(),
            Src::Def(d) => self.defs[d].as_ref(),
        }
    }

    /// An error of lowering: the schedule asked for something impossible.
    fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("E4001", format!("kernel {}: {}", self.kernel.name, message.into()))
            .help("this is a defect of the scheduler; please report it with the model")
    }
}

/// Values of index variables: in terms of loops, of the tile coordinate and of the lane.
type Env = BTreeMap<Symbol, Sym>;
