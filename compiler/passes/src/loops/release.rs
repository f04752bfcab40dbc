//! release: every path out of the entry gives back what it has from the caller's allocator.
//!
//! Before a `Return`, and at the end of the block that allocated it, a heap buffer is freed; one that a pointer took
//! over is the pointer's. Does NOT look for earlier places to free.

use super::walk::blocks_mut;
use crate::manager::LoopsPass;
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{Block, Buf, Program, Space, Stmt};

/// Adds the frees to every function.
pub fn release(program: &mut Program) {
    for f in program.funcs.values_mut() {
        let mut owned = Vec::new();
        block(&mut f.body, &mut owned);
    }
}

/// `owned`: heap buffers and pointers that are not null, outermost first.
fn block(b: &mut Block, owned: &mut Vec<Buf>) {
    let depth = owned.len();
    let mut out = Vec::with_capacity(b.0.len());
    for mut s in std::mem::take(&mut b.0) {
        match &mut s {
            Stmt::Alloc { buf, space: Space::Heap, .. } => owned.push(*buf),
            Stmt::Assign { buf, from } => {
                // The pointer owns the memory now. A pointer from a block outside stays that block's.
                if let Some(at) = owned.iter().rposition(|o| o == from) {
                    owned.remove(at);
                    if !owned.contains(buf) {
                        owned.push(*buf);
                    }
                }
            }
            Stmt::Return(_) => out.extend(owned.iter().rev().map(|&o| Stmt::Free(o))),
            other => blocks_mut(other).into_iter().for_each(|i| block(i, owned)),
        }
        out.push(s);
    }
    let ends = matches!(out.last(), Some(Stmt::Return(_) | Stmt::Break));
    if owned.len() > depth {
        let mine = owned.split_off(depth);
        if !ends {
            out.extend(mine.into_iter().rev().map(Stmt::Free));
        }
    }
    b.0 = out;
}

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "release",
    about: "free what the caller's allocator gave on every path out",
    level: 0,
    run: |p, _| {
        release(p);
        Ok(())
    },
    ensures: Stage { unrolled: false, planned: false, expanded: false },
};
