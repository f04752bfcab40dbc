//! Which bytes of its parameters a function may read and write, by interval arithmetic over its offsets.
//!
//! Every access counts with all of its lanes, every loop with its first and its last iteration, both ways of a branch are
//! taken. So a footprint is never too small. An offset that
//! depends on data may be anywhere. Does NOT follow calls and pointers: what has those has no footprint.

use crate::loops::intervals::{Interval, eval};
use onnxc_base::SecondaryMap;
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Arg, Block, Buf, BufKind, Func, Op, Stmt, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Where an access is of which nothing is known.
const ANYWHERE: Interval = (i64::MIN, i64::MAX);

/// First and last byte of each access, by parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    pub reads: BTreeSet<(u32, Interval)>,
    pub writes: BTreeSet<(u32, Interval)>,
}

/// The footprint of a call; `given`: what is known of each scalar parameter.
pub(super) fn footprint(f: &Func, given: &[Option<Interval>]) -> Option<Footprint> {
    let known = SecondaryMap::new();
    let mut w = Walk { f, given, known, views: BTreeMap::new(), found: Footprint::default() };
    w.block(&f.body)?;
    Some(w.found)
}

/// Where a buffer's elements are.
enum Memory {
    /// The function's own, or nobody writes there.
    Own,
    /// From so many bytes on in a parameter.
    Param(u32, Interval),
}

struct Walk<'a> {
    f: &'a Func,
    given: &'a [Option<Interval>],
    known: SecondaryMap<Value, Option<Interval>>,
    /// Parameter and bytes before the start of what is a part of one.
    views: BTreeMap<Buf, (u32, Interval)>,
    found: Footprint,
}

impl Walk<'_> {
    fn block(&mut self, b: &Block) -> Option<()> {
        b.0.iter().try_for_each(|s| self.statement(s))
    }

    fn statement(&mut self, s: &Stmt) -> Option<()> {
        match s {
            Stmt::Let(v) => self.value(*v)?,
            Stmt::Store { buf, offset, value, .. } | Stmt::Scatter { buf, offsets: offset, value, .. } => {
                self.access(*buf, *offset, self.f.values[*value].ty.lanes, true)?;
            }
            Stmt::For { index, lo, hi, body, .. } => {
                let within = self.known[*lo].zip(self.known[*hi]).map(|(lo, hi)| (lo.0, hi.1 - 1));
                if within.is_none_or(|(first, last)| first <= last) {
                    self.known[*index] = within;
                    self.block(body)?;
                }
            }
            Stmt::View { buf, base, byte_offset, .. } => {
                if let Memory::Param(p, from) = self.memory(*base)? {
                    let start = self.known[*byte_offset]
                        .and_then(|(first, last)| Some((from.0.checked_add(first)?, from.1.checked_add(last)?)));
                    // Half of all addresses, so that offsets from there still are numbers.
                    self.views.insert(*buf, (p, start.unwrap_or((ANYWHERE.0 / 2, ANYWHERE.1 / 2))));
                }
            }
            // What it does with memory isn't known.
            Stmt::Call { args, .. } | Stmt::Fork { args, .. } => {
                args.iter().all(|a| matches!(a, Arg::Value(_))).then_some(())?;
            }
            Stmt::Alloc { .. } | Stmt::Free(_) | Stmt::Entry { .. } | Stmt::Assign { .. } => return None,
            Stmt::If { .. } | Stmt::Loop(_) => blocks(s).into_iter().try_for_each(|b| self.block(b))?,
            Stmt::Set(..) | Stmt::Prefetch { .. } | Stmt::Break | Stmt::Return(_) | Stmt::Comment(_) => {}
        }
        Some(())
    }

    fn value(&mut self, v: Value) -> Option<()> {
        let def = &self.f.values[v];
        match &def.op {
            Op::Load { buf, offset, .. } | Op::Gather { buf, offsets: offset, .. } => {
                self.access(*buf, *offset, def.ty.lanes, false)?;
            }
            Op::Param(i) => self.known[v] = self.given[*i as usize],
            _ => self.known[v] = eval(def, &|x| self.known[x]),
        }
        Some(())
    }

    fn access(&mut self, buf: Buf, offset: Value, lanes: u16, write: bool) -> Option<()> {
        let Memory::Param(param, from) = self.memory(buf)? else { return Some(()) };
        let lanes = if self.f.values[offset].ty.lanes == 1 { i64::from(lanes) } else { 1 };
        let size = self.f.bufs[buf].dtype.size() as i64;
        let bytes = self.known[offset].and_then(|(first, last)| {
            let (start, end) = (first.checked_mul(size)?, last.checked_add(lanes)?.checked_mul(size)?);
            Some((from.0.checked_add(start)?, from.1.checked_add(end)? - 1))
        });
        let bytes = bytes.unwrap_or(ANYWHERE);
        let all = if write { &mut self.found.writes } else { &mut self.found.reads };
        all.insert((param, bytes));
        Some(())
    }

    fn memory(&self, buf: Buf) -> Option<Memory> {
        match self.f.bufs[buf].kind {
            BufKind::Param(i) => Some(Memory::Param(i, (0, 0))),
            BufKind::Const(_) | BufKind::Stack(_) => Some(Memory::Own),
            BufKind::Local => Some(self.views.get(&buf).map_or(Memory::Own, |&(p, from)| Memory::Param(p, from))),
            BufKind::Pointer => None,
        }
    }
}
