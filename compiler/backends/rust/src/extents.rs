//! How many elements stand behind each parameter. Where all callers pass known parts of memory, the parameter is an array:
//! rustc then proves most indices, and leaves their checks out.
//!
//! A part ends where the next one that is borrowed with it begins, or where the memory ends. Does NOT look at indices.

use crate::helpers::memory_type;
use crate::roots::{Root, roots};
use onnxc_base::{DType, SecondaryMap, Sym};
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Arg, Block, Buf, BufKind, Callee, Func, FuncId, Op, ParamKind, Program, Stmt, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Elements behind each parameter of a function; 0: not known.
pub(crate) type Extents = BTreeMap<FuncId, Vec<u64>>;

/// Nothing is known yet that would limit them.
const ANY: u64 = u64::MAX;

/// The extents of all functions that are reached. `workspace`: the parameter of a function that is bytes for everything;
/// `open`: functions that others call, too, with slices.
pub(crate) fn extents(
    p: &Program,
    reached: &BTreeSet<FuncId>,
    open: &[FuncId],
    workspace: impl Fn(FuncId) -> Option<u32>,
) -> Extents {
    let start = |id: FuncId| vec![if open.contains(&id) { 0 } else { ANY }; p.funcs[id].params.len()];
    let mut known: Extents = reached.iter().map(|&id| (id, start(id))).collect();
    if let Some(run) = p.interface.entries.run {
        known.insert(run, ports(p, run));
    }
    // Numbers only get smaller, from callers to what they call.
    loop {
        let before = known.clone();
        for &id in reached {
            let f = &p.funcs[id];
            if let Ok(roots) = roots(f, workspace(id)) {
                let mut walk = Walk { p, f, id, roots, at: BTreeMap::new(), counts: BTreeMap::new() };
                walk.block(&f.body, &mut known);
            }
        }
        if known == before {
            break;
        }
    }
    known.values_mut().flatten().filter(|n| **n == ANY).for_each(|n| *n = 0);
    known
}

/// Inputs and outputs of fixed size are arrays already.
fn ports(p: &Program, run: FuncId) -> Vec<u64> {
    let face = &p.interface;
    let count = |shape: &[Sym]| shape.iter().try_fold(1u64, |n, e| n.checked_mul(u64::try_from(e.as_int()?).ok()?));
    let dims = (!face.dims.is_empty()).then_some(0);
    let ports = face.inputs.iter().chain(&face.outputs).map(|port| count(&port.shape).unwrap_or(0));
    let mut all: Vec<u64> = dims.into_iter().chain(ports).collect();
    all.resize(p.funcs[run].params.len(), 0);
    all
}

struct Walk<'a> {
    p: &'a Program,
    f: &'a Func,
    id: FuncId,
    roots: SecondaryMap<Buf, Option<Root>>,
    /// Bytes from the root's beginning to a view, if that is one number.
    at: BTreeMap<Buf, Option<u64>>,
    /// Elements that are reached through a view at most.
    counts: BTreeMap<Buf, u64>,
}

/// A buffer that is passed: parameter, first element, and what is reached through it at most.
struct Part {
    param: usize,
    first: Option<u64>,
    most: u64,
}

impl Walk<'_> {
    fn number(&self, v: Value) -> Option<u64> {
        let Op::Const(s) = self.f.values[v].op else { return None };
        u64::try_from(s.to_i64()).ok()
    }

    fn offset(&self, buf: Buf) -> Option<u64> {
        match self.f.bufs[buf].kind {
            BufKind::Local | BufKind::Pointer => self.at.get(&buf).copied().flatten(),
            _ => Some(0),
        }
    }

    fn block(&mut self, b: &Block, known: &mut Extents) {
        for s in &b.0 {
            match s {
                Stmt::View { buf, base, byte_offset, count } => {
                    let at = self.offset(*base).zip(self.number(*byte_offset)).map(|(a, b)| a + b);
                    // In a loop a view may be elsewhere each time.
                    let same = self.at.get(buf).is_none_or(|before| *before == at);
                    self.at.insert(*buf, at.filter(|_| same));
                    let count = count.as_ref().and_then(Sym::as_int).and_then(|n| u64::try_from(n).ok());
                    self.counts.insert(*buf, count.unwrap_or(ANY));
                }
                Stmt::Assign { buf, .. } => {
                    self.at.insert(*buf, None);
                }
                Stmt::Call { callee: Callee::Func(id), args, .. } => self.call(*id, args, known),
                _ => {}
            }
            blocks(s).into_iter().for_each(|b| self.block(b, known));
        }
    }

    /// Elements of a root.
    fn total(&self, root: &Root, dtype: DType, known: &Extents) -> u64 {
        let size = dtype.size().max(1) as u64;
        match root {
            Root::Param(i) => known.get(&self.id).and_then(|all| all.get(*i as usize)).copied().unwrap_or(0),
            Root::Const(c) => self.p.consts.values().nth(*c).map_or(0, |c| c.data.len() as u64 / size),
            Root::Stack(b) => match self.f.bufs[*b].kind {
                BufKind::Stack(n) => u64::from(n),
                _ => 0,
            },
            Root::Arena(_) => {
                let bytes = self.p.interface.workspace.as_ref().and_then(Sym::as_int);
                bytes.and_then(|n| u64::try_from(n).ok()).map_or(0, |n| n.div_ceil(size))
            }
        }
    }

    /// Notes what a call passes.
    fn call(&self, id: FuncId, args: &[Arg], known: &mut Extents) {
        let mut groups: BTreeMap<Root, (bool, DType, Vec<Part>)> = BTreeMap::new();
        for (param, (arg, to)) in args.iter().zip(&self.p.funcs[id].params).enumerate() {
            let (&Arg::Buf { buf, offset }, ParamKind::Buf { mutable, .. }) = (arg, to.kind) else { continue };
            let dtype = self.f.bufs[buf].dtype;
            let skipped = offset.map_or(Some(0), |o| self.number(o));
            let first = self.offset(buf).zip(skipped).map(|(at, n)| at / dtype.size().max(1) as u64 + n);
            let most = self.counts.get(&buf).map_or(ANY, |n| n.saturating_sub(skipped.unwrap_or(0)));
            let Some(root) = self.roots[buf].clone() else { continue };
            let group = groups.entry(root).or_insert((false, dtype, vec![]));
            group.0 |= mutable;
            group.2.push(Part { param, first: first.filter(|_| !memory_differs(dtype)), most });
        }
        for (root, (mutable, dtype, parts)) in groups {
            let total = self.total(&root, dtype, known);
            let apart = mutable && parts.len() > 1;
            for part in &parts {
                let n = self.elements(part, &parts, total, apart);
                if let Some(all) = known.get_mut(&id).and_then(|all| all.get_mut(part.param)) {
                    *all = n.min(*all);
                }
            }
        }
    }

    fn elements(&self, part: &Part, all: &[Part], total: u64, apart: bool) -> u64 {
        let Some(first) = part.first else { return 0 };
        if total == ANY {
            return ANY;
        }
        let mut end = total;
        if apart {
            if all.iter().any(|p| p.first.is_none()) {
                return 0;
            }
            end = all.iter().filter_map(|p| p.first).filter(|n| *n > first).min().map_or(total, |next| next.min(total));
        }
        end.saturating_sub(first).min(part.most)
    }
}

/// True if an element isn't one of the slice's.
fn memory_differs(d: DType) -> bool {
    let size = match memory_type(d) {
        ty if ty.ends_with("64") => 8,
        ty if ty.ends_with("32") => 4,
        ty if ty.ends_with("16") => 2,
        _ => 1,
    };
    size != d.size().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_ir::loops::FuncBuilder;

    /// A function of two buffers, and one that calls it with parts of its stack.
    #[test]
    fn parts_end_where_the_next_one_begins_and_the_least_counts() {
        let mut p = Program::default();
        let mut b = FuncBuilder::new("callee");
        b.param_buf("x", DType::F32, false);
        b.param_buf("y", DType::F32, true);
        let callee = p.funcs.push(b.finish());
        let mut b = FuncBuilder::new("caller");
        let given = b.param_buf("given", DType::F32, false);
        let all = b.buf(DType::F32, BufKind::Stack(20), "all");
        let view = b.buf(DType::F32, BufKind::Local, "view");
        let (byte_offset, four) = (b.int(32), b.int(4));
        b.stmt(Stmt::View { buf: view, base: all, byte_offset, count: Some(Sym::int(9)) });
        let part = |buf| Arg::Buf { buf, offset: None };
        b.call(Callee::Func(callee), vec![part(all), part(view)], None);
        let open = p.funcs.push(b.finish());
        let reached = BTreeSet::from([callee, open]);
        let of = |p: &Program| extents(p, &reached, &[open], |_| None)[&callee].clone();
        assert_eq!(of(&p), [8, 9]);

        let f = &mut p.funcs[open];
        f.body.0.push(Stmt::Call {
            callee: Callee::Func(callee),
            args: vec![part(view), Arg::Buf { buf: all, offset: Some(four) }],
            result: None,
        });
        assert_eq!(of(&p), [8, 4]);
        let f = &mut p.funcs[open];
        f.body.0.push(Stmt::Call { callee: Callee::Func(callee), args: vec![part(given), part(view)], result: None });
        // What others pass has any size.
        assert_eq!(of(&p), [0, 4]);
    }
}
