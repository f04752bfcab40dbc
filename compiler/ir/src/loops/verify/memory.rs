//! Buffers: where their memory comes from, and which may be written.

use super::func::State;
use super::{Checker, code};
use crate::loops::*;
use onnxc_base::SecondaryMap;
use std::collections::BTreeSet;

/// Bytes of a stack buffer, at most.
const MAX_STACK: usize = 1 << 20;

/// What is known of a function's buffers.
#[derive(Default)]
pub(super) struct Writable {
    /// The pointers assigned on every way to here.
    pub assigned: BTreeSet<Buf>,
    /// Buffers whose memory is always that of constants or immutable parameters.
    read_only: SecondaryMap<Buf, bool>,
    /// Buffers that the caller's allocator provides.
    heap: BTreeSet<Buf>,
}

impl<'a> Checker<'a> {
    pub(super) fn declared_bufs(&mut self) {
        for (b, def) in self.func.bufs.iter() {
            self.check(Scalar::lies_in_memory(def.dtype), code::TYPE, |p| {
                format!("{} has elements of {}", p.buf(b), def.dtype)
            });
            let want = match def.kind {
                BufKind::Param(i) => match self.func.params.get(i as usize).map(|p| p.kind) {
                    Some(ParamKind::Buf { dtype, .. }) => Some(dtype),
                    _ => {
                        self.report(code::BUFFER, |p| format!("{}: parameter {i} is no buffer", p.buf(b)));
                        None
                    }
                },
                BufKind::Const(c) => {
                    let dtype = self.program.consts.get(c).map(|c| c.dtype);
                    self.check(dtype.is_some(), code::BUFFER, |p| format!("{}: no constant {c:?}", p.buf(b)));
                    dtype
                }
                BufKind::Stack(n) => {
                    let ok = def.dtype.bytes_for(n as usize).is_some_and(|b| b <= MAX_STACK);
                    self.check(ok, code::BUFFER, |p| {
                        format!("{} takes more than {MAX_STACK} bytes of stack", p.buf(b))
                    });
                    None
                }
                BufKind::Local | BufKind::Pointer => None,
            };
            let ok = want.is_none_or(|d| d == def.dtype);
            self.check(ok, code::BUFFER, |p| format!("{} is {}, its memory isn't", p.buf(b), def.dtype));
        }
    }

    /// Finds the buffers that must not be written: those for which every source of memory is read-only.
    pub(super) fn find_writable(&mut self) {
        let mut sources = Sources::default();
        sources.block(&self.func.body);
        for (b, def) in self.func.bufs.iter() {
            let param = |i: u32| self.func.params.get(i as usize).map(|p| p.kind);
            self.writable.read_only[b] = match def.kind {
                BufKind::Const(_) => true,
                BufKind::Param(i) => matches!(param(i), Some(ParamKind::Buf { mutable: false, .. })),
                BufKind::Stack(_) => false,
                BufKind::Local | BufKind::Pointer => {
                    sources.links.iter().any(|l| l.0 == b) && !sources.fresh.contains(&b)
                }
            };
        }
        // Each round takes at least one buffer out.
        loop {
            let read_only = &self.writable.read_only;
            let Some(&(to, _)) = sources.links.iter().find(|&&(to, from)| read_only[to] && !read_only[from]) else {
                break;
            };
            self.writable.read_only[to] = false;
        }
        self.writable.heap = sources.heap;
    }

    /// Checks that a buffer has memory here.
    pub(super) fn reads(&mut self, b: Buf) {
        match self.func.bufs.get(b).map(|d| d.kind) {
            None => self.report(code::BUFFER, |_| format!("buffer {b:?} doesn't exist")),
            Some(BufKind::Local) => match self.scope.bufs[b] {
                State::Defined => {}
                State::Undefined => self.report(code::BUFFER, |p| format!("{} has no memory yet", p.buf(b))),
                State::Gone => {
                    self.report(code::BUFFER, |p| format!("{} is used outside of the block that defines it", p.buf(b)));
                }
            },
            Some(BufKind::Pointer) => {
                let ok = self.writable.assigned.contains(&b);
                self.check(ok, code::BUFFER, |p| format!("{} isn't assigned on every way to here", p.buf(b)));
            }
            Some(_) => {}
        }
    }

    /// Checks that a buffer may be written here.
    pub(super) fn writes(&mut self, b: Buf) {
        self.reads(b);
        let read_only = self.writable.read_only[b];
        self.check(!read_only, code::BUFFER, |p| format!("{} must not be written", p.buf(b)));
    }

    /// Checks a statement that gives or takes memory.
    pub(super) fn memory(&mut self, s: &Stmt) {
        match s {
            Stmt::Alloc { buf, count, space, bound } => {
                self.index(*count, "the count");
                self.alloc(*count, *space, bound.as_ref());
                self.gets_memory(*buf);
            }
            Stmt::View { buf, base, byte_offset, .. } => {
                self.reads(*base);
                self.index(*byte_offset, "the byte offset");
                self.gets_memory(*buf);
            }
            Stmt::Entry { buf, table, .. } => {
                let ok = self.func.params.get(*table as usize).is_some_and(|p| p.kind == ParamKind::Table);
                self.check(ok, code::BUFFER, |_| format!("parameter {table} is no table"));
                self.gets_memory(*buf);
            }
            Stmt::Free(b) => {
                self.reads(*b);
                let pointer = self.func.bufs.get(*b).is_some_and(|d| d.kind == BufKind::Pointer);
                let ok = pointer || self.writable.heap.contains(b);
                self.check(ok, code::BUFFER, |p| format!("{} doesn't come from the heap", p.buf(*b)));
            }
            Stmt::Assign { buf, from } => self.assign(*buf, *from),
            _ => {}
        }
    }

    fn alloc(&mut self, count: Value, space: Space, bound: Option<&Sym>) {
        match (space, bound) {
            (Space::Heap, Some(_)) => self.report(code::BUFFER, |_| "a heap buffer needs no bound".into()),
            (Space::Workspace, None) if self.constant(count).is_none() => {
                self.report(code::BUFFER, |_| "a workspace buffer of unknown size needs a bound".into());
            }
            _ => {}
        }
        for s in bound.map(Sym::symbols).unwrap_or_default() {
            let dim = self.program.interface.dims.iter().find(|d| d.name == s.as_str());
            let ok = dim.is_some_and(|d| !matches!(d.source, DimSource::Run(_)));
            self.check(ok, code::BUFFER, |_| format!("the bound's symbol {s} is no dim known before the run"));
        }
        let late = self.stage.planned && space == Space::Workspace;
        self.check(!late, code::STAGE, |_| "a workspace buffer is left after plan-memory".into());
    }

    fn gets_memory(&mut self, b: Buf) {
        let kind = self.func.bufs.get(b).map(|d| d.kind);
        self.check(kind == Some(BufKind::Local), code::BUFFER, |p| format!("{} is no local buffer", p.buf(b)));
        let fresh = self.scope.bufs[b] == State::Undefined;
        self.check(fresh, code::BUFFER, |p| format!("{} gets memory more than once", p.buf(b)));
        self.defines_buf(b);
    }

    fn assign(&mut self, b: Buf, from: Buf) {
        self.reads(from);
        let (def, source) = (self.func.bufs.get(b), self.func.bufs.get(from));
        let pointer = def.is_some_and(|d| d.kind == BufKind::Pointer);
        self.check(pointer, code::BUFFER, |p| format!("{} is no pointer", p.buf(b)));
        if let (Some(d), Some(s)) = (def, source) {
            let (to, of) = (d.dtype, s.dtype);
            self.check(to == of, code::TYPE, |p| format!("{} points to {to}, {} is {of}", p.buf(b), p.buf(from)));
        }
        self.writable.assigned.insert(b);
    }
}

/// Where the memory of local buffers and pointers comes from.
#[derive(Default)]
struct Sources {
    /// (view or pointer, what it may be a name of)
    links: Vec<(Buf, Buf)>,
    /// Buffers with memory of their own, or of a table.
    fresh: BTreeSet<Buf>,
    heap: BTreeSet<Buf>,
}

impl Sources {
    fn block(&mut self, block: &Block) {
        for s in &block.0 {
            match s {
                Stmt::Alloc { buf, space, .. } => {
                    self.fresh.insert(*buf);
                    if *space == Space::Heap {
                        self.heap.insert(*buf);
                    }
                }
                Stmt::Entry { buf, .. } => {
                    self.fresh.insert(*buf);
                }
                Stmt::View { buf, base: from, .. } | Stmt::Assign { buf, from } => self.links.push((*buf, *from)),
                Stmt::For { body, .. } | Stmt::Loop(body) => self.block(body),
                Stmt::If { then, els, .. } => {
                    self.block(then);
                    self.block(els);
                }
                _ => {}
            }
        }
    }
}
