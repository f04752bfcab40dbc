//! How much stack a program needs, from its functions and from who calls whom.
//!
//! A frame holds the function's arrays, the variables and values that are alive at one time, each in a slot of its own, and
//! what a call saves. Calls don't recurse, so the deepest chain of frames is the bound. It holds for compilers that keep
//! no more than the program has: one that unrolls loops of its own accord may go beyond. Where a backend has said how large
//! the frames are that it made, those count.

use onnxc_base::SecondaryMap;
use onnxc_ir::loops::walk::{self, blocks, operands};
use onnxc_ir::loops::{Block, BufKind, Callee, Func, FuncId, Op, Program, Stmt, Value, Var};
use std::collections::BTreeMap;

/// Registers that a callee keeps for its caller, and the return address: nine and sixteen of 4 bytes on Cortex-M with
/// floats (Procedure Call Standard for the Arm Architecture), thirteen and twelve on RV32 with floats.
const SAVED: u64 = 112;
/// Frames begin at multiples of so many bytes.
const ALIGN: u64 = 16;

/// Bytes of stack that a call of a function needs, callees included. `frames`: of the functions as they were compiled, by name,
/// where that is known; those that aren't there have none. Without it an estimate of each (see above).
pub fn bound(program: &Program, entry: FuncId, frames: Option<&BTreeMap<String, u64>>) -> u64 {
    let mut known = BTreeMap::new();
    let compiled = |f: &Func| frames.and_then(|all| all.get(&f.name)).map_or(0, |n| n.next_multiple_of(ALIGN));
    match frames {
        // What is left is for functions of the compiler's own library: copies, floats in software.
        Some(_) => SAVED + depth(program, entry, &compiled, &mut known),
        None => depth(program, entry, &frame, &mut known),
    }
}

/// Bytes of the functions' own arrays in the deepest chain of calls. No bound: whoever compiles them adds frames, and may do
/// without an array.
pub fn arrays(program: &Program, entry: FuncId) -> u64 {
    depth(program, entry, &own_arrays, &mut BTreeMap::new())
}

fn depth(program: &Program, id: FuncId, frame: &dyn Fn(&Func) -> u64, known: &mut BTreeMap<FuncId, u64>) -> u64 {
    if let Some(&d) = known.get(&id) {
        return d;
    }
    let mut callees = vec![];
    called(&program.funcs[id].body, &mut callees);
    let below = callees.into_iter().map(|c| depth(program, c, frame, known)).max().unwrap_or(0);
    let d = below + frame(&program.funcs[id]);
    known.insert(id, d);
    d
}

fn called(b: &Block, into: &mut Vec<FuncId>) {
    for s in &b.0 {
        if let Stmt::Call { callee: Callee::Func(f), .. } = s {
            into.push(*f);
        }
        blocks(s).into_iter().for_each(|i| called(i, into));
    }
}

/// Bytes of one frame.
fn frame(f: &Func) -> u64 {
    let mut live = Live { f, used: SecondaryMap::new() };
    let values = live.block(&f.body);
    (own_arrays(f) + values + SAVED).next_multiple_of(ALIGN)
}

fn own_arrays(f: &Func) -> u64 {
    let bytes = |kind: &BufKind, size: usize| match kind {
        BufKind::Stack(n) => (u64::from(*n) * size as u64).next_multiple_of(8),
        _ => 0,
    };
    f.bufs.values().map(|b| bytes(&b.kind, b.dtype.size())).sum()
}

/// What is alive, found backwards.
struct Live<'f> {
    f: &'f Func,
    /// Values that a statement behind reads.
    used: SecondaryMap<Value, bool>,
}

impl Live<'_> {
    fn value(&self, v: Value) -> u64 {
        let def = &self.f.values[v];
        // Constants are part of instructions.
        if matches!(def.op, Op::Const(_)) { 0 } else { u64::from(def.ty.lanes) * def.ty.elem.size().max(1) as u64 }
    }

    fn var(&self, v: Var) -> u64 {
        let def = &self.f.vars[v];
        let count: u64 = def.dims.iter().map(|&d| u64::from(d)).product();
        count * u64::from(def.ty.lanes) * def.ty.elem.size().max(1) as u64
    }

    /// The most bytes alive at one time in a block, of what is defined in it.
    fn block(&mut self, b: &Block) -> u64 {
        let mine = self.own_variables(b);
        let (mut alive, mut most) = (0u64, 0u64);
        for s in b.0.iter().rev() {
            let defined = match s {
                Stmt::Let(v) | Stmt::For { index: v, .. } | Stmt::Call { result: Some(v), .. } => Some(*v),
                _ => None,
            };
            // Read here or in the blocks: a slot from here on backwards.
            let mut needed = vec![];
            reads(self.f, s, &mut needed);
            for v in needed {
                if !std::mem::replace(&mut self.used[v], true) {
                    alive += self.value(v);
                }
            }
            let inner = blocks(s).into_iter().map(|i| self.block(i)).max().unwrap_or(0);
            most = most.max(alive + inner);
            if let Some(v) = defined.filter(|v| std::mem::take(&mut self.used[*v])) {
                alive -= self.value(v);
            }
        }
        mine + most
    }

    /// Variables that only this block mentions, and none of the blocks in it alone.
    fn own_variables(&self, b: &Block) -> u64 {
        let mut count: BTreeMap<Var, usize> = BTreeMap::new();
        let mut here: BTreeMap<Var, bool> = BTreeMap::new();
        for s in &b.0 {
            let mut inside = std::collections::BTreeSet::new();
            let own = mentioned(self.f, s, &mut inside);
            for v in inside {
                *count.entry(v).or_default() += 1;
                let only_inner = !own.contains(&v);
                here.entry(v).and_modify(|h| *h |= !only_inner).or_insert(!only_inner);
            }
        }
        // A variable belongs to the outermost block with more than one statement about it.
        let belongs = |v: &&Var| count[v] > 1 || here[v];
        here.keys().filter(belongs).map(|v| self.var(*v)).sum()
    }
}

/// Variables that a statement mentions itself; those in its blocks go into `all`, too.
fn mentioned(f: &Func, s: &Stmt, all: &mut std::collections::BTreeSet<Var>) -> Vec<Var> {
    let mut own = vec![];
    match s {
        Stmt::Set(place, _) => own.push(place.var),
        Stmt::Let(v) => {
            if let Op::Get(place) = &f.values[*v].op {
                own.push(place.var);
            }
        }
        _ => {}
    }
    all.extend(own.iter().copied());
    for b in blocks(s) {
        for i in &b.0 {
            mentioned(f, i, all);
        }
    }
    own
}

/// Values that a statement reads, those excepted that its blocks define.
fn reads(f: &Func, s: &Stmt, into: &mut Vec<Value>) {
    if let Stmt::Let(v) = s {
        return operands(&f.values[*v].op, &mut |o| into.push(o));
    }
    let mut inner = vec![];
    let mut made = std::collections::BTreeSet::new();
    for i in blocks(s).into_iter().flat_map(|b| &b.0) {
        reads(f, i, &mut inner);
        match i {
            Stmt::Let(v) | Stmt::For { index: v, .. } | Stmt::Call { result: Some(v), .. } => {
                made.insert(*v);
            }
            _ => {}
        }
    }
    into.extend(inner.into_iter().filter(|v| !made.contains(v)));
    walk::reads(s, &mut |v| into.push(v));
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::DType;
    use onnxc_ir::loops::{FuncBuilder, LoopKind};

    #[test]
    fn the_deepest_chain_counts() {
        let mut p = Program::default();
        let array = |n: u32| {
            let mut f = FuncBuilder::new("f");
            let b = f.buf(DType::F32, BufKind::Stack(n), "a");
            let (lo, hi) = (f.int(0), f.int(i64::from(n)));
            f.for_loop("i", lo, hi, 1, LoopKind::Serial, |f, i| {
                let v = f.load(b, i, 1, None);
                f.store(b, i, v, None);
            });
            f.finish()
        };
        let (small, large) = (p.funcs.push(array(10)), p.funcs.push(array(100)));
        let mut f = FuncBuilder::new("g");
        f.call(Callee::Func(small), vec![], None);
        f.call(Callee::Func(large), vec![], None);
        let g = p.funcs.push(f.finish());
        let one = bound(&p, large, None);
        assert!((400..=400 + 160).contains(&one), "{one}");
        assert_eq!(bound(&p, g, None), one + SAVED.next_multiple_of(ALIGN));
        // Frames as they were compiled: 24 bytes of one function, none of the others.
        p.funcs[large].name = "large".into();
        let frames = BTreeMap::from([("large".to_string(), 24)]);
        assert_eq!(bound(&p, g, Some(&frames)), SAVED + 32);
        assert_eq!(bound(&p, small, Some(&frames)), SAVED);
        assert!(bound(&p, small, None) < one);
        // Arrays alone: those of the larger one of two callees.
        assert_eq!((arrays(&p, g), arrays(&p, small)), (400, 40));
    }
}
