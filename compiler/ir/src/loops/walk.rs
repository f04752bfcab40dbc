//! Walking statements and operands: what a statement reads, the blocks in it, the buffers and functions it mentions.

use super::{Arg, Block, Buf, Callee, ExternId, Func, FuncId, Op, Stmt, Value};

/// The buffers that a statement mentions, without those in its blocks. A view mentions its base, too.
pub fn bufs(func: &Func, s: &Stmt, f: &mut dyn FnMut(Buf)) {
    match s {
        Stmt::Let(v) => match &func.values[*v].op {
            Op::Load { buf, .. } | Op::Gather { buf, .. } | Op::IsNull(buf) => f(*buf),
            _ => {}
        },
        Stmt::Store { buf, .. }
        | Stmt::Prefetch { buf, .. }
        | Stmt::Scatter { buf, .. }
        | Stmt::Alloc { buf, .. }
        | Stmt::Free(buf)
        | Stmt::Entry { buf, .. } => f(*buf),
        Stmt::View { buf, base, .. } => [*buf, *base].into_iter().for_each(f),
        Stmt::Assign { buf, from } => [*buf, *from].into_iter().for_each(f),
        Stmt::Call { args, .. } | Stmt::Fork { args, .. } => {
            for a in args {
                if let Arg::Buf { buf, .. } = a {
                    f(*buf);
                }
            }
        }
        Stmt::Set(..)
        | Stmt::For { .. }
        | Stmt::Loop(_)
        | Stmt::Break
        | Stmt::If { .. }
        | Stmt::Return(_)
        | Stmt::Comment(_) => {}
    }
}

/// Replaces every buffer that a statement mentions itself (not in its blocks).
pub fn map_bufs(func: &mut Func, s: &mut Stmt, f: &mut dyn FnMut(Buf) -> Buf) {
    match s {
        Stmt::Let(v) => match &mut func.values[*v].op {
            Op::Load { buf, .. } | Op::Gather { buf, .. } | Op::IsNull(buf) => *buf = f(*buf),
            _ => {}
        },
        Stmt::Store { buf, .. }
        | Stmt::Scatter { buf, .. }
        | Stmt::Alloc { buf, .. }
        | Stmt::Free(buf)
        | Stmt::Prefetch { buf, .. }
        | Stmt::Entry { buf, .. } => *buf = f(*buf),
        Stmt::View { buf, base: other, .. } | Stmt::Assign { buf, from: other } => {
            (*buf, *other) = (f(*buf), f(*other));
        }
        Stmt::Call { args, .. } | Stmt::Fork { args, .. } => {
            for a in args {
                if let Arg::Buf { buf, .. } = a {
                    *buf = f(*buf);
                }
            }
        }
        Stmt::Set(..)
        | Stmt::For { .. }
        | Stmt::Loop(_)
        | Stmt::Break
        | Stmt::If { .. }
        | Stmt::Return(_)
        | Stmt::Comment(_) => {}
    }
}

/// The blocks of a statement.
pub fn blocks(s: &Stmt) -> Vec<&Block> {
    match s {
        Stmt::For { body, .. } | Stmt::Loop(body) => vec![body],
        Stmt::If { then, els, .. } => vec![then, els],
        _ => vec![],
    }
}

/// The blocks of a statement, to change.
pub fn blocks_mut(s: &mut Stmt) -> Vec<&mut Block> {
    match s {
        Stmt::For { body, .. } | Stmt::Loop(body) => vec![body],
        Stmt::If { then, els, .. } => vec![then, els],
        _ => vec![],
    }
}

/// Replaces every function that a block calls or forks, also in the blocks in it.
pub fn map_funcs(b: &mut Block, f: &mut dyn FnMut(FuncId) -> FuncId) {
    for s in &mut b.0 {
        if let Stmt::Call { callee: Callee::Func(id), .. } | Stmt::Fork { callee: id, .. } = s {
            *id = f(*id);
        }
        blocks_mut(s).into_iter().for_each(|b| map_funcs(b, f));
    }
}

/// Replaces every function from outside that a block calls, also in the blocks in it.
pub fn map_externs(b: &mut Block, f: &mut dyn FnMut(ExternId) -> ExternId) {
    for s in &mut b.0 {
        if let Stmt::Call { callee: Callee::Extern(id), .. } = s {
            *id = f(*id);
        }
        blocks_mut(s).into_iter().for_each(|b| map_externs(b, f));
    }
}

/// Calls `f` on every value that an operation reads.
pub fn operands(op: &Op, f: &mut dyn FnMut(Value)) {
    match op {
        Op::Param(_) | Op::Index | Op::Result | Op::Const(_) | Op::Iota | Op::IsNull(_) | Op::ThreadId => {}
        Op::Splat(a) | Op::Unary(_, a) | Op::Cast(a) | Op::Bitcast(a) | Op::Extract(a, _) | Op::Reduce(_, a) => f(*a),
        Op::Binary(_, a, b) | Op::Compare(_, a, b) | Op::Shuffle(a, b, _) => [*a, *b].into_iter().for_each(f),
        Op::Fma(a, b, c) | Op::Dot(a, b, c) | Op::Select(a, b, c) => [*a, *b, *c].into_iter().for_each(f),
        Op::Load { offset, mask, .. } => [Some(*offset), *mask].into_iter().flatten().for_each(f),
        Op::Gather { offsets, mask, .. } => [Some(*offsets), *mask].into_iter().flatten().for_each(f),
        Op::Get(place) => place.index.iter().copied().for_each(f),
    }
}

/// Replaces every value that an operation reads.
pub fn map_operands(op: &mut Op, f: &mut dyn FnMut(Value) -> Value) {
    match op {
        Op::Param(_) | Op::Index | Op::Result | Op::Const(_) | Op::Iota | Op::IsNull(_) | Op::ThreadId => {}
        Op::Splat(a) | Op::Unary(_, a) | Op::Cast(a) | Op::Bitcast(a) | Op::Extract(a, _) | Op::Reduce(_, a) => {
            *a = f(*a)
        }
        Op::Binary(_, a, b) | Op::Compare(_, a, b) | Op::Shuffle(a, b, _) => {
            [a, b].into_iter().for_each(|v| *v = f(*v))
        }
        Op::Fma(a, b, c) | Op::Dot(a, b, c) | Op::Select(a, b, c) => [a, b, c].into_iter().for_each(|v| *v = f(*v)),
        Op::Load { offset, mask, .. } => [Some(offset), mask.as_mut()].into_iter().flatten().for_each(|v| *v = f(*v)),
        Op::Gather { offsets, mask, .. } => {
            [Some(offsets), mask.as_mut()].into_iter().flatten().for_each(|v| *v = f(*v))
        }
        Op::Get(place) => place.index.iter_mut().for_each(|v| *v = f(*v)),
    }
}

/// The values that a statement reads itself (not in its blocks, and not what a `Let` computes from).
pub fn reads(s: &Stmt, f: &mut dyn FnMut(Value)) {
    // The walk that changes is the one that knows every operand.
    map_reads(&mut head(s), &mut |v| {
        f(v);
        v
    });
}

/// A statement without its blocks.
fn head(s: &Stmt) -> Stmt {
    match s {
        Stmt::For { index, lo, hi, step, kind, .. } => {
            Stmt::For { index: *index, lo: *lo, hi: *hi, step: *step, kind: *kind, body: Block::default() }
        }
        Stmt::If { cond, .. } => Stmt::If { cond: *cond, then: Block::default(), els: Block::default() },
        Stmt::Loop(_) => Stmt::Loop(Block::default()),
        s => s.clone(),
    }
}

/// Replaces every value that a statement reads itself (not in its blocks, and not what it defines).
pub fn map_reads(s: &mut Stmt, f: &mut dyn FnMut(Value) -> Value) {
    match s {
        Stmt::Let(_)
        | Stmt::Free(_)
        | Stmt::Entry { .. }
        | Stmt::Assign { .. }
        | Stmt::Loop(_)
        | Stmt::Break
        | Stmt::Comment(_) => {}
        Stmt::Set(place, v) => {
            place.index.iter_mut().for_each(|i| *i = f(*i));
            *v = f(*v);
        }
        Stmt::Store { offset, value, mask, .. } => {
            [Some(offset), Some(value), mask.as_mut()].into_iter().flatten().for_each(|v| *v = f(*v))
        }
        Stmt::Scatter { offsets, value, mask, .. } => {
            [Some(offsets), Some(value), mask.as_mut()].into_iter().flatten().for_each(|v| *v = f(*v))
        }
        Stmt::Prefetch { offset, .. } => *offset = f(*offset),
        Stmt::Alloc { count, .. } => *count = f(*count),
        Stmt::View { byte_offset, .. } => *byte_offset = f(*byte_offset),
        Stmt::For { lo, hi, .. } => [lo, hi].into_iter().for_each(|v| *v = f(*v)),
        Stmt::If { cond, .. } => *cond = f(*cond),
        Stmt::Call { args, .. } => args.iter_mut().for_each(|a| map_arg(a, f)),
        Stmt::Fork { args, count, team, .. } => {
            args.iter_mut().for_each(|a| map_arg(a, f));
            [count, team].into_iter().for_each(|v| *v = f(*v));
        }
        Stmt::Return(Some(v)) => *v = f(*v),
        Stmt::Return(None) => {}
    }
}

fn map_arg(a: &mut Arg, f: &mut dyn FnMut(Value) -> Value) {
    match a {
        Arg::Value(v) | Arg::Buf { offset: Some(v), .. } => *v = f(*v),
        Arg::Buf { offset: None, .. } | Arg::Table(_) => {}
    }
}
