//! A kernel with its schedule to one loops IR function: the only place where an algorithm and a schedule meet.
//!
//! The function takes the dims (i64), the kernel's parameters, its outputs and the scratch buffers that the schedule
//! needs, in the order of [`Lowered::args`]; it returns a status if the kernel has checks. Two kernels that differ in
//! constant data only give the same function.
//!
//! Does NOT choose anything (see `kernel::schedule`), and does not hoist or unroll (see `loops`).

mod eval;
mod rows;
mod stage;

use eval::Eval;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Ranges, SecondaryMap, Sym};
use onnxc_ir::kernel::{Axis, Body, Check, DefId, Kernel, ParamId, Src, Stage};
use onnxc_ir::loops::{Buf, BufKind, Func, FuncBuilder, LoopKind, Stmt, Ty};
use onnxc_ir::scalar::Scalar;
use std::collections::{BTreeMap, BTreeSet};

/// What lowering must know of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Bits of the widest vector to use.
    pub vector_bits: u32,
    /// Vector registers.
    pub registers: u32,
    /// There is a fused multiply-add.
    pub fma: bool,
}

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

/// Scratch of at most this many bytes lives on the stack.
const STACK_BYTES: i64 = 4096;

/// Where a definition or parameter lives: a buffer and its row-major extents, without the shared axes.
#[derive(Clone, Debug)]
struct Storage {
    buf: Buf,
    shape: Vec<Sym>,
    /// How many leading axes of the definition are left out.
    skip: usize,
}

/// Everything that the parts of lowering share.
struct Cx<'a> {
    kernel: &'a Kernel,
    machine: Machine,
    /// Dims, index variables and loops.
    ranges: Ranges,
    f: FuncBuilder,
    params: SecondaryMap<ParamId, Option<Storage>>,
    defs: SecondaryMap<DefId, Option<Storage>>,
}

/// Lowers a kernel whose schedule is legal.
///
/// # Errors
/// A [`Diagnostic`] if the schedule asks for what can't be lowered.
pub fn from_kernel(kernel: &Kernel, name: &str, machine: Machine) -> Result<Lowered, Diagnostic> {
    let mut cx = Cx {
        kernel,
        machine,
        ranges: all_ranges(kernel),
        f: FuncBuilder::new(name),
        params: SecondaryMap::new(),
        defs: SecondaryMap::new(),
    };
    cx.f.func.doc = kernel.doc.clone();
    let args = cx.declare();
    for check in &kernel.checks {
        cx.check(check)?;
    }
    for stage in kernel.schedule.stages.iter().filter(|s| s.hoisted) {
        cx.stage(stage, 0)?;
    }
    let stages: Vec<&Stage> = kernel.schedule.stages.iter().filter(|s| !s.hoisted).collect();
    if let Some(last) = stages.last() {
        let outer = kernel.defs[last.def].axes[..kernel.schedule.shared].to_vec();
        cx.shared(&outer, &stages)?;
    }
    if !kernel.checks.is_empty() {
        let zero = cx.f.scalar(Scalar::from_i64(DType::I32, 0));
        cx.f.stmt(Stmt::Return(Some(zero)));
        cx.f.func.ret = Some(Ty::I32);
    }
    Ok(Lowered { func: cx.f.finish(), args })
}

/// Ranges of dims and of every index variable.
pub fn all_ranges(kernel: &Kernel) -> Ranges {
    let mut ranges = kernel.ranges.clone();
    let mut add = |axes: &[Axis]| axes.iter().for_each(|a| ranges.set_index(a.var.clone(), &a.extent));
    for d in kernel.defs.values() {
        add(&d.axes);
        if let Body::Reduce { axes, .. } = &d.body {
            add(axes);
        }
    }
    kernel.checks.iter().for_each(|c| add(&c.axes));
    ranges
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
    for c in &kernel.checks {
        axes(&c.axes, &mut all);
        eval::symbols(&c.cond, &mut all);
    }
    all.retain(|s| !vars.contains(s));
    all.into_iter().collect()
}

impl Cx<'_> {
    /// Declares the function's parameters and the storage behind every parameter and staged definition.
    fn declare(&mut self) -> Vec<KernelArg> {
        let mut args = Vec::new();
        for s in dims_of(self.kernel) {
            let v = self.f.param(s.as_str(), DType::I64);
            self.f.bind(s.clone(), v);
            args.push(KernelArg::Dim(s));
        }
        for (id, p) in self.kernel.params.iter() {
            let buf = self.f.param_buf(&p.name, p.dtype, false);
            self.params[id] = Some(Storage { buf, shape: p.shape.clone(), skip: 0 });
            args.push(KernelArg::Param(id));
        }
        for (i, &d) in self.kernel.outputs.iter().enumerate() {
            let def = &self.kernel.defs[d];
            let buf = self.f.param_buf(&format!("{}_out", def.name), def.dtype, true);
            self.defs[d] = Some(Storage { buf, shape: def.shape(), skip: 0 });
            args.push(KernelArg::Output(i));
        }
        for stage in &self.kernel.schedule.stages {
            if self.defs[stage.def].is_none() {
                args.extend(self.scratch(stage));
            }
        }
        args
    }

    /// Gives a definition that doesn't leave the kernel its memory; gives the argument if it isn't on the stack.
    fn scratch(&mut self, stage: &Stage) -> Option<KernelArg> {
        let def = &self.kernel.defs[stage.def];
        let skip = if stage.hoisted { 0 } else { self.kernel.schedule.shared };
        let shape = def.shape()[skip..].to_vec();
        let count = shape.iter().fold(Sym::int(1), |n, d| &n * d);
        let fixed = count.as_int().filter(|&n| n * def.dtype.size() as i64 <= STACK_BYTES);
        let (buf, arg) = match fixed {
            Some(n) => (self.f.buf(def.dtype, BufKind::Stack(n.max(1) as u32), &def.name), None),
            None => (
                self.f.param_buf(&def.name, def.dtype, true),
                Some(KernelArg::Scratch { name: def.name.clone(), dtype: def.dtype, count }),
            ),
        };
        self.defs[stage.def] = Some(Storage { buf, shape, skip });
        arg
    }

    /// The storage of something loaded, if it is in memory.
    fn storage(&self, src: Src) -> Option<&Storage> {
        match src {
            Src::Param(p) => self.params[p].as_ref(),
            Src::Def(d) => self.defs[d].as_ref(),
        }
    }

    /// Loops over the shared axes; the stages run one after the other inside.
    fn shared(&mut self, outer: &[Axis], stages: &[&Stage]) -> Result<(), Diagnostic> {
        let shared = self.kernel.schedule.shared;
        let mut loops = Vec::new();
        for (level, axis) in outer.iter().enumerate() {
            let kind = if level == 0 && self.kernel.schedule.parallel { LoopKind::Parallel } else { LoopKind::Serial };
            // All stages see the same point under their own variables.
            let aliases: Vec<Symbol> = stages
                .iter()
                .flat_map(|s| [Some(s.def), s.acc])
                .flatten()
                .filter_map(|d| self.kernel.defs[d].axes.get(level).map(|a| a.var.clone()))
                .collect();
            loops.push((axis.clone(), kind, aliases));
        }
        self.nest(&loops, &mut |cx| stages.iter().try_for_each(|s| cx.stage(s, shared)))
    }

    /// A loop nest of step 1, outermost first.
    fn nest(
        &mut self,
        loops: &[(Axis, LoopKind, Vec<Symbol>)],
        body: &mut dyn FnMut(&mut Self) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let Some(((axis, kind, aliases), rest)) = loops.split_first() else { return body(self) };
        let (lo, hi) = (self.f.int(0), self.f.sym(&axis.extent));
        self.for_loop(axis.var.as_str(), lo, hi, 1, *kind, |cx, i| {
            cx.f.bind(axis.var.clone(), i);
            aliases.iter().for_each(|a| cx.f.bind(a.clone(), i));
            cx.nest(rest, body)
        })
    }

    /// `FuncBuilder::for_loop` for bodies that need the whole context and can fail.
    fn for_loop(
        &mut self,
        name: &str,
        lo: onnxc_ir::loops::Value,
        hi: onnxc_ir::loops::Value,
        step: i64,
        kind: LoopKind,
        body: impl FnOnce(&mut Self, onnxc_ir::loops::Value) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        let index = self.f.open_loop(name);
        let result = body(self, index);
        self.f.close_loop(index, lo, hi, step, kind);
        result
    }

    /// Leaves the function with the check's status at the first point where its condition doesn't hold.
    fn check(&mut self, check: &Check) -> Result<(), Diagnostic> {
        let loops: Vec<_> = check.axes.iter().map(|a| (a.clone(), LoopKind::Serial, vec![])).collect();
        self.nest(&loops, &mut |cx| {
            let ok = Eval::scalar(cx).expr(&check.cond)?;
            let (then, ()) = cx.f.block(|_| ());
            let (els, ()) = cx.f.block(|f| {
                let s = f.scalar(Scalar::from_i64(DType::I32, i64::from(check.status)));
                f.stmt(Stmt::Return(Some(s)));
            });
            cx.f.stmt(Stmt::If { cond: ok, then, els });
            Ok(())
        })
    }

    /// An error of lowering: the schedule asked for something impossible.
    fn error(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error("E4001", format!("kernel {}: {}", self.kernel.name, message.into()))
            .help("this is a defect of the scheduler; please report it with the model")
    }
}

/// Values of index variables within a stage, in terms of the stage's own loops.
type Env = BTreeMap<Symbol, Sym>;
