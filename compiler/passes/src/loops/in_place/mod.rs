//! in place: a function that writes its result where an operand lies, if no element of the operand is read after
//! something else was written there.
//!
//! The proof is a run: every address that the function reads from the operand and writes to the result, in order, as
//! far as addresses don't depend on data ([`trace`]). Only for functions of constant extents. Afterwards one mutable
//! parameter stands for both, so backends need to know nothing of it.
//!
//! Does NOT decide whether anybody still wants the operand: whoever calls the function knows.

mod bounds;
mod trace;

use onnxc_ir::loops::walk::{blocks_mut, map_bufs};
use onnxc_ir::loops::{Block, Buf, BufKind, Func, LoopKind, Op, ParamKind, Stmt};
use trace::Trace;

/// Addresses that a proof may take: some tenths of a second.
const LONGEST: u64 = 1 << 24;

/// The function with parameter `read` in the place of parameter `written`; none if that isn't proven to give the same.
pub fn in_place(f: &Func, read: u32, written: u32) -> Option<Func> {
    let (from, to) = (param_buf(f, read)?, param_buf(f, written)?);
    if f.bufs[from].dtype != f.bufs[to].dtype {
        return None;
    }
    Trace::new(f, from, to)?.keeps_what_is_read(LONGEST)?;
    let mut f = f.clone();
    let mut body = std::mem::take(&mut f.body);
    replace(&mut f, &mut body, from, to);
    f.body = body;
    remove_param(&mut f, read);
    Some(f)
}

fn param_buf(f: &Func, param: u32) -> Option<Buf> {
    if !matches!(f.params.get(param as usize)?.kind, ParamKind::Buf { .. }) {
        return None;
    }
    f.bufs.iter().find(|(_, b)| b.kind == BufKind::Param(param)).map(|(id, _)| id)
}

/// Every mention of a buffer becomes one of another. Iterations are no longer independent of each other.
fn replace(f: &mut Func, b: &mut Block, from: Buf, to: Buf) {
    for s in &mut b.0 {
        map_bufs(f, s, &mut |b| if b == from { to } else { b });
        if let Stmt::For { kind, .. } = s
            && *kind == LoopKind::Parallel
        {
            *kind = LoopKind::Serial;
        }
        blocks_mut(s).into_iter().for_each(|i| replace(f, i, from, to));
    }
}

/// Removes a parameter that nothing uses any more.
pub(crate) fn remove_param(f: &mut Func, at: u32) {
    f.params.remove(at as usize);
    for b in f.bufs.values_mut() {
        if let BufKind::Param(i) = b.kind {
            // What is left of the parameter is declared and never mentioned.
            b.kind = if i == at { BufKind::Local } else { BufKind::Param(i - u32::from(i > at)) };
        }
    }
    for v in f.values.values_mut() {
        if let Op::Param(i) = &mut v.op {
            *i -= u32::from(*i > at);
        }
    }
}

#[cfg(test)]
mod tests;
