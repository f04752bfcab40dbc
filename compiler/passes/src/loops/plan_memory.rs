//! plan-memory: every workspace allocation becomes a view of the workspace at an offset; the interface says how many
//! bytes the workspace has.
//!
//! A buffer is alive from its allocation to its last use; a use inside a loop that doesn't contain the allocation
//! lasts to the end of that loop. Of one whose later uses are all through views of its first elements, only those are
//! alive from then on. Buffers of constant size are placed by best fit ([`fit`]). Buffers whose size
//! depends on dims lie above those and above each other ([`stack`]). `check_memory` proves the plan anew.
//!
//! Does NOT reorder statements and does not place heap allocations.

mod fit;
pub(super) mod stack;

use super::walk::{blocks, blocks_mut, bufs};
use crate::manager::LoopsCx;
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Ranges, SecondaryMap, Sym};
use onnxc_ir::loops::{Block, Buf, BufKind, DimSource, Func, FuncBuilder, FuncId, Op, Program, Space, Stmt, Value};
use stack::Stack;
use std::collections::BTreeMap;

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
    /// For a buffer of constant size: up to which statement how many of its first bytes are alive, later ever fewer.
    pub ends: Vec<(usize, i64)>,
    /// Bytes, a multiple of the alignment, over the dims.
    pub bytes: Sym,
    /// Where, in bytes; of a buffer of symbolic size the name of that.
    pub offset: Sym,
    /// The name of such a buffer's bytes.
    pub size: Option<Symbol>,
    /// Those that such a buffer lies directly above.
    pub above: Vec<usize>,
}

impl Placed {
    /// Bytes that are alive at a statement; none if the size isn't constant.
    pub fn alive(&self, at: usize) -> Option<i64> {
        let whole = self.bytes.as_int()?;
        Some(if at < self.from { 0 } else { self.ends.iter().find(|e| at <= e.0).map_or(0, |e| e.1.min(whole)) })
    }

    /// From which statement to which how many bytes are alive.
    fn parts(&self) -> impl Iterator<Item = (usize, usize, i64)> + '_ {
        let starts = std::iter::once(self.from).chain(self.ends.iter().map(|e| e.0 + 1));
        starts.zip(&self.ends).map(|(from, (to, bytes))| (from, *to, *bytes))
    }
}

/// The plan of one function.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Every buffer, in order of allocation.
    pub placed: Vec<Placed>,
    /// Where those of symbolic size begin.
    pub base: i64,
    /// How those lie.
    pub stack: Stack,
    /// Bytes of the whole workspace; over the names of the stack's steps if there are any.
    pub bytes: Sym,
}

impl Plan {
    /// Buffers that have no place yet.
    fn new(placed: Vec<Placed>) -> Plan {
        Plan { placed, base: 0, stack: Stack::default(), bytes: Sym::int(0) }
    }

    /// Bytes of the whole workspace over the dims, unless that takes more than `nodes` to say.
    pub fn closed_form(&self, nodes: u32) -> Option<Sym> {
        let mut known: BTreeMap<Symbol, Sym> = BTreeMap::new();
        for (name, e) in self.stack.needed(self.bytes.symbols()) {
            known.insert(name.clone(), e.subst(&|s| known.get(s).cloned()));
        }
        let whole = self.bytes.subst(&|s| known.get(s).cloned());
        (whole.size() <= nodes && !whole.is_overflow()).then_some(whole)
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
    program.interface.sizes = plan.stack.needed(plan.bytes.symbols()).into_iter().cloned().collect();
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
    /// Of a buffer that begins where its allocation does: bytes that are reached through it, if not all.
    reach: SecondaryMap<Buf, Option<i64>>,
    /// The last statement that reaches so many bytes, by allocation.
    last: Vec<BTreeMap<i64, usize>>,
    /// What has been found so far, in order of allocation.
    placed: Vec<Placed>,
}

fn lifetimes(f: &Func, ranges: &Ranges, align: i64) -> Result<Vec<Placed>, Diagnostic> {
    let (root, reach) = (SecondaryMap::new(), SecondaryMap::new());
    let mut lives = Lives { f, ranges, align, clock: 0, root, reach, last: vec![], placed: vec![] };
    lives.block(&f.body)?;
    for (p, last) in lives.placed.iter_mut().zip(&lives.last) {
        let mut to = 0;
        for (&bytes, &at) in last.iter().rev().filter(|_| p.bytes.as_int().is_some()) {
            // Fewer bytes that end no later than more of them are no news.
            if at > to || p.ends.is_empty() {
                p.ends.push((at, bytes));
                to = at;
            }
        }
    }
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
            Stmt::Alloc { buf, space: Space::Workspace, bound, .. } => self.alloc(*buf, bound.as_ref())?,
            Stmt::View { buf, base, byte_offset, count } => {
                self.root[*buf] = self.root[*base];
                self.reach[*buf] = self.reach_of_view(*buf, *base, *byte_offset, count.as_ref());
            }
            Stmt::Assign { buf, from: base } => self.root[*buf] = self.root[*base],
            _ => {}
        }
        let mut used = Vec::new();
        // A view reads nothing of what is beyond it.
        let only = if let Stmt::View { buf, .. } = s { Some(*buf) } else { None };
        bufs(self.f, s, &mut |b| {
            if only.is_none_or(|o| o == b) {
                used.extend(self.root[b].map(|r| (r, self.reach[b])));
            }
        });
        for (u, reach) in used {
            self.placed[u].to = now;
            let bytes = reach.or(self.placed[u].bytes.as_int()).unwrap_or(0);
            self.last[u].insert(bytes, now);
        }
        for inner in blocks(s) {
            self.block(inner)?;
        }
        if matches!(s, Stmt::For { .. } | Stmt::Loop(_)) {
            self.clock += 1;
            // What lives across iterations lives to the end of the loop.
            let end = self.clock;
            for (p, last) in self.placed.iter_mut().zip(&mut self.last).filter(|(p, _)| p.from < now && p.to >= now) {
                p.to = end;
                last.values_mut().filter(|l| **l >= now).for_each(|l| *l = end);
            }
        }
        Ok(())
    }

    /// A buffer begins to live.
    fn alloc(&mut self, buf: Buf, bound: Option<&Sym>) -> Result<(), Diagnostic> {
        let (def, now) = (&self.f.bufs[buf], self.clock);
        let bound = bound.ok_or_else(|| {
            Diagnostic::error("E4102", "a workspace allocation has no bound").tensor(def.name.clone())
        })?;
        let bytes = rounded(&(bound * def.dtype.size() as i64), self.align, self.ranges);
        if bytes.is_overflow() {
            let found = "the bytes of a tensor are beyond 64 bits, or take too long to say";
            return Err(Diagnostic::error("E4108", found)
                .tensor(def.name.clone())
                .help("fix dims that it depends on (--dim NAME=EXTENT)"));
        }
        self.root[buf] = Some(self.placed.len());
        self.last.push(BTreeMap::new());
        self.placed.push(Placed {
            buf,
            name: def.name.clone(),
            from: now,
            to: now,
            ends: vec![],
            bytes,
            offset: Sym::int(0),
            size: None,
            above: vec![],
        });
        Ok(())
    }

    /// Bytes that are reached through a view: those of the first elements of an allocation, rounded up, if that is known.
    fn reach_of_view(&self, buf: Buf, base: Buf, byte_offset: Value, count: Option<&Sym>) -> Option<i64> {
        let first = matches!(self.f.values[byte_offset].op, Op::Const(s) if s.to_i64() == 0);
        let whole = self.root[base].is_some_and(|r| self.placed[r].buf == base);
        if !first || !whole && self.reach[base].is_none() {
            return None;
        }
        let bytes = count?.as_int()?.checked_mul(self.f.bufs[buf].dtype.size() as i64)?;
        let bytes = (bytes.max(0) + self.align - 1) / self.align * self.align;
        Some(self.reach[base].map_or(bytes, |b| b.min(bytes)))
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
    plan.base = fit::place(&mut plan.placed, fixed);
    (plan.stack, plan.bytes) = stack::stack(&mut plan.placed, &symbolic, plan.base, ranges);
}

fn overlap(a: &Placed, b: &Placed) -> bool {
    a.from <= b.to && b.from <= a.to
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
    if plan.placed.iter().any(|p| p.offset.as_int().is_none())
        && let Some(d) = buf_of(&f.func, "dims")
    {
        for (i, s) in dims.iter().enumerate().filter(|(_, s)| !s.as_str().is_empty()) {
            let at = f.int(i as i64);
            let v = f.load(d, at, 1, None);
            f.bind(s.clone(), v);
        }
    }
    let mut offsets: SecondaryMap<Buf, Option<Value>> = SecondaryMap::new();
    for (name, e) in plan.stack.needed(plan.placed.iter().flat_map(|p| p.offset.symbols()).collect()) {
        let v = f.sym(e);
        f.bind(name.clone(), v);
    }
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
        if let Stmt::Alloc { buf, space: Space::Workspace, .. } = s
            && let Some(byte_offset) = offsets[*buf]
        {
            *s = Stmt::View { buf: *buf, base: workspace, byte_offset, count: None };
        }
    }
}

#[cfg(test)]
mod tests;
