//! plan-memory: every workspace allocation becomes a view of the workspace at an offset; the interface says how many
//! bytes the workspace has.
//!
//! A buffer is alive from its allocation to its last use; a use inside a loop that doesn't contain the allocation
//! lasts to the end of that loop. Buffers of constant size are placed by best fit, largest first. Buffers whose size
//! depends on dims share slots, each as large as the largest buffer in it. `check_memory` proves the plan anew.
//!
//! Does NOT reorder statements and does not place heap allocations.

use super::walk::{blocks, blocks_mut, bufs};
use crate::manager::LoopsCx;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Ranges, SecondaryMap, Sym};
use onnxc_ir::loops::{Block, Buf, BufKind, DimSource, Func, FuncBuilder, FuncId, Program, Space, Stmt, Value};

/// The entry's parameter that is the workspace.
const WORKSPACE: &str = "workspace";

/// One placed buffer.
#[derive(Clone, PartialEq, Debug)]
pub struct Placed {
    /// The buffer.
    pub buf: Buf,
    /// For readers.
    pub name: String,
    /// First statement, in order of the text.
    pub from: usize,
    /// Last statement.
    pub to: usize,
    /// Bytes, a multiple of the alignment, over the dims.
    pub bytes: Sym,
    /// Where, in bytes.
    pub offset: Sym,
    /// The number of its slot, for a buffer of symbolic size.
    pub slot: Option<usize>,
}

/// The plan of one function.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Every buffer, in order of allocation.
    pub placed: Vec<Placed>,
    /// Where the slots begin, and how large each one is; they follow each other.
    pub slots: (i64, Vec<Sym>),
    /// Bytes of the whole workspace.
    pub bytes: Sym,
}

impl Plan {
    /// Buffers that have no place yet.
    fn new(placed: Vec<Placed>) -> Plan {
        Plan { placed, slots: (0, vec![]), bytes: Sym::int(0) }
    }
}

/// Plans the memory of the entry function, and applies the plan.
///
/// # Errors
/// An allocation that has no bound, or a plan that the checker refuses (a defect of ours).
pub fn plan_memory(program: &mut Program, cx: &LoopsCx) -> Result<Plan, Diagnostic> {
    let ranges = &cx.ranges;
    let Some(run) = program.interface.entries.run else { return Ok(Plan::new(vec![])) };
    let mut plan = Plan::new(lifetimes(&program.funcs[run], ranges, i64::from(cx.machine.memory.alignment))?);
    place(&mut plan, ranges);
    super::check_memory::check(&program.funcs[run], &plan, ranges)?;
    apply(program, run, &plan)?;
    program.interface.workspace = Some(plan.bytes.clone());
    Ok(plan)
}

/// Numbers statements in order and finds the first and last use of each allocation.
struct Lives<'a> {
    f: &'a Func,
    ranges: &'a Ranges,
    /// Of every buffer, in bytes.
    align: i64,
    clock: usize,
    /// For each buffer, the allocation behind it.
    root: SecondaryMap<Buf, Option<usize>>,
    /// What has been found so far, in order of allocation.
    placed: Vec<Placed>,
}

fn lifetimes(f: &Func, ranges: &Ranges, align: i64) -> Result<Vec<Placed>, Diagnostic> {
    let mut lives = Lives { f, ranges, align, clock: 0, root: SecondaryMap::new(), placed: vec![] };
    lives.block(&f.body)?;
    Ok(lives.placed)
}

impl Lives<'_> {
    fn block(&mut self, b: &Block) -> Result<(), Diagnostic> {
        b.0.iter().try_for_each(|s| self.stmt(s))
    }

    fn stmt(&mut self, s: &Stmt) -> Result<(), Diagnostic> {
        self.clock += 1;
        let now = self.clock;
        match s {
            Stmt::Alloc { buf, space: Space::Workspace, bound, .. } => {
                let def = &self.f.bufs[*buf];
                let bound = bound.as_ref().ok_or_else(|| {
                    Diagnostic::error("E4102", "a workspace allocation has no bound").tensor(def.name.clone())
                })?;
                let bytes = rounded(&(bound * def.dtype.size() as i64), self.align, self.ranges);
                self.root[*buf] = Some(self.placed.len());
                self.placed.push(Placed {
                    buf: *buf,
                    name: def.name.clone(),
                    from: now,
                    to: now,
                    bytes,
                    offset: Sym::int(0),
                    slot: None,
                });
            }
            Stmt::View { buf, base, .. } | Stmt::Assign { buf, from: base } => self.root[*buf] = self.root[*base],
            _ => {}
        }
        let mut used = Vec::new();
        bufs(self.f, s, &mut |b| used.extend(self.root[b]));
        used.into_iter().for_each(|u| self.placed[u].to = now);
        for inner in blocks(s) {
            self.block(inner)?;
        }
        if matches!(s, Stmt::For { .. } | Stmt::Loop(_)) {
            self.clock += 1;
            // What lives across iterations lives to the end of the loop.
            let end = self.clock;
            for p in self.placed.iter_mut().filter(|p| p.from < now && p.to >= now) {
                p.to = end;
            }
        }
        Ok(())
    }
}

/// Up to the next multiple of the alignment; an empty buffer takes none. Extents that come from values may be negative
/// until the run refuses them, which is after the memory was given.
fn rounded(bytes: &Sym, align: i64, ranges: &Ranges) -> Sym {
    match bytes.as_int() {
        Some(n) => Sym::int((n.max(0) + align - 1) / align * align),
        None => {
            let up = bytes.ceildiv(&Sym::int(align)) * align;
            if ranges.prove_le(&Sym::int(0), &up) == Some(true) { up } else { Sym::max(&up, &Sym::int(0)) }
        }
    }
}

/// Gives every buffer its offset.
fn place(plan: &mut Plan, ranges: &Ranges) {
    let (fixed, symbolic): (Vec<usize>, Vec<usize>) =
        (0..plan.placed.len()).partition(|&i| plan.placed[i].bytes.as_int().is_some());
    let base = place_fixed(&mut plan.placed, fixed);
    let slots = place_slots(&mut plan.placed, &symbolic, base, ranges);
    plan.bytes = slots.iter().fold(Sym::int(base), |sum, s| sum + s);
    plan.slots = (base, slots);
}

fn overlap(a: &Placed, b: &Placed) -> bool {
    a.from <= b.to && b.from <= a.to
}

/// Best fit, largest first: each buffer goes into the smallest gap between those that are alive with it. Gives the
/// end of the highest.
fn place_fixed(placed: &mut [Placed], mut order: Vec<usize>) -> i64 {
    let size = |p: &Placed| p.bytes.as_int().unwrap_or(0);
    order.sort_by_key(|&i| (-size(&placed[i]), i));
    let mut done: Vec<usize> = Vec::new();
    let mut top = 0;
    for i in order {
        let need = size(&placed[i]);
        let mut taken: Vec<(i64, i64)> = done
            .iter()
            .filter(|&&d| overlap(&placed[d], &placed[i]))
            .map(|&d| (placed[d].offset.as_int().unwrap_or(0), size(&placed[d])))
            .collect();
        taken.sort_unstable();
        let mut best: Option<(i64, i64)> = None;
        let mut end = 0;
        for (at, n) in taken {
            let gap = at - end;
            if gap >= need && best.is_none_or(|(g, _)| gap < g) {
                best = Some((gap, end));
            }
            end = end.max(at + n);
        }
        let at = best.map_or(end, |(_, at)| at);
        placed[i].offset = Sym::int(at);
        top = top.max(at + need);
        done.push(i);
    }
    top
}

/// Buffers of symbolic size share slots: one that is free takes the first slot in which nothing is alive with it and that
/// provably is large enough, or may grow: none of its buffers provably is larger. Gives the size of each slot.
fn place_slots(placed: &mut [Placed], order: &[usize], base: i64, ranges: &Ranges) -> Vec<Sym> {
    let mut slots: Vec<(Sym, Vec<usize>)> = Vec::new();
    let no_larger = |a: &Sym, b: &Sym| a == b || ranges.prove_le(a, b) == Some(true);
    for &i in order {
        let bytes = placed[i].bytes.clone();
        let free = |s: &(Sym, Vec<usize>)| s.1.iter().all(|&o| !overlap(&placed[o], &placed[i]));
        let fits = |s: &(Sym, Vec<usize>)| no_larger(&bytes, &s.0);
        let grows = |s: &(Sym, Vec<usize>)| s.1.iter().all(|&o| no_larger(&placed[o].bytes, &bytes));
        let slot =
            slots.iter().position(|s| free(s) && fits(s)).or_else(|| slots.iter().position(|s| free(s) && grows(s)));
        match slot {
            Some(s) => {
                if !fits(&slots[s]) {
                    slots[s].0 = bytes;
                }
                slots[s].1.push(i);
            }
            None => slots.push((bytes, vec![i])),
        }
    }
    let mut at = Sym::int(base);
    for (k, (size, members)) in slots.iter().enumerate() {
        for &m in members {
            placed[m].offset = at.clone();
            placed[m].slot = Some(k);
        }
        at = at + size;
    }
    slots.into_iter().map(|(size, _)| size).collect()
}

/// Replaces the allocations by views. Offsets that depend on dims are computed at the start of the function.
fn apply(program: &mut Program, run: FuncId, plan: &Plan) -> Result<(), Diagnostic> {
    let dims: Vec<Symbol> = program
        .interface
        .dims
        .iter()
        .map(|d| if matches!(d.source, DimSource::Run(_)) { Symbol::new("") } else { Symbol::new(&d.name) })
        .collect();
    let func = std::mem::take(&mut program.funcs[run]);
    let (mut f, body) = FuncBuilder::resume(func);
    let buf_of = |f: &Func, name: &str| {
        f.bufs.iter().find(|(_, b)| b.name == name && matches!(b.kind, BufKind::Param(_))).map(|(id, _)| id)
    };
    let workspace =
        buf_of(&f.func, WORKSPACE).ok_or_else(|| Diagnostic::error("E4103", "the entry has no workspace"))?;
    if plan.placed.iter().any(|p| p.offset.as_int().is_none()) {
        if let Some(d) = buf_of(&f.func, "dims") {
            for (i, s) in dims.iter().enumerate().filter(|(_, s)| !s.as_str().is_empty()) {
                let at = f.int(i as i64);
                let v = f.load(d, at, 1, None);
                f.bind(s.clone(), v);
            }
        }
    }
    let mut offsets: SecondaryMap<Buf, Option<Value>> = SecondaryMap::new();
    for p in &plan.placed {
        offsets[p.buf] = Some(f.sym(&p.offset));
    }
    let mut func = f.finish();
    let mut rest = body;
    replace(&mut rest, workspace, &offsets);
    func.body.0.extend(rest.0);
    debug_assert_eq!(func.bufs[workspace].dtype, DType::U8);
    program.funcs[run] = func;
    Ok(())
}

fn replace(b: &mut Block, workspace: Buf, offsets: &SecondaryMap<Buf, Option<Value>>) {
    for s in &mut b.0 {
        blocks_mut(s).into_iter().for_each(|i| replace(i, workspace, offsets));
        if let Stmt::Alloc { buf, space: Space::Workspace, .. } = s {
            if let Some(byte_offset) = offsets[*buf] {
                *s = Stmt::View { buf: *buf, base: workspace, byte_offset };
            }
        }
    }
}
