//! Cuts a program into parts that are compiled apart, on as many threads as there are, and then merged into one object.
//!
//! Which function goes into which part follows from the program alone, so the result doesn't depend on the machine that
//! compiles. A part is a program of its own: it calls functions of other parts as linked ones. Small programs are one
//! part: the program itself.
//!
//! Does NOT copy constants: all parts refer to those of the whole.

use onnxc_base::{PrimaryMap, SecondaryMap};
use onnxc_ir::loops::walk::{blocks, blocks_mut};
use onnxc_ir::loops::{Block, Callee, Extern, ExternId, Func, FuncId, Linkage, Program, Stmt};
use std::collections::BTreeMap;

/// Values and statements of a part, about: less isn't worth another module.
const PART: usize = 6_000;
/// The most parts.
const MOST: usize = 16;

/// The parts of a program; one if it is small. `apart`: as many as there are functions.
pub fn split(program: &Program, apart: bool) -> Vec<Program> {
    let owner = owners(program);
    let mut sizes: BTreeMap<FuncId, usize> = BTreeMap::new();
    for (id, f) in program.funcs.iter() {
        *sizes.entry(owner[id].unwrap_or(id)).or_default() += f.values.len().max(1);
    }
    let total: usize = sizes.values().sum();
    let count = if apart { sizes.len() } else { (total / PART).clamp(1, MOST).min(sizes.len()) }.max(1);
    if count == 1 {
        return vec![program.clone()];
    }
    let mut part_of = assign(sizes.into_iter().collect(), count);
    for id in program.funcs.keys() {
        part_of[id] = part_of[owner[id].unwrap_or(id)];
    }
    (0..count).map(|part| one(program, &part_of, part)).collect()
}

/// Of functions that are forked, who forks them: both go into one part.
fn owners(program: &Program) -> SecondaryMap<FuncId, Option<FuncId>> {
    fn walk(b: &Block, found: &mut dyn FnMut(FuncId)) {
        for s in &b.0 {
            if let Stmt::Fork { callee, .. } = s {
                found(*callee);
            }
            blocks(s).into_iter().for_each(|b| walk(b, found));
        }
    }
    let mut owner: SecondaryMap<FuncId, Option<FuncId>> = SecondaryMap::new();
    // Callees come first, so from the end on an owner's own owner is known.
    for id in program.funcs.keys().rev() {
        walk(&program.funcs[id].body, &mut |forked| owner[forked] = Some(owner[id].unwrap_or(id)));
    }
    owner
}

/// The largest function first, each to the part that has least.
fn assign(mut sizes: Vec<(FuncId, usize)>, count: usize) -> SecondaryMap<FuncId, usize> {
    sizes.sort_by_key(|(id, size)| (std::cmp::Reverse(*size), *id));
    let mut loads = vec![0usize; count];
    let mut part_of = SecondaryMap::new();
    for (id, size) in sizes {
        let least = (0..count).min_by_key(|p| loads[*p]).unwrap_or(0);
        loads[least] += size;
        part_of[id] = least;
    }
    part_of
}

/// The functions of one part, in the program's order.
fn one(program: &Program, part_of: &SecondaryMap<FuncId, usize>, part: usize) -> Program {
    let mut externs = program.externs.clone();
    let mut funcs: PrimaryMap<FuncId, Func> = PrimaryMap::new();
    let mut places: SecondaryMap<FuncId, Option<Callee>> = SecondaryMap::new();
    for (id, f) in program.funcs.iter() {
        if part_of[id] != part {
            continue;
        }
        let mut f = f.clone();
        // Other parts may call it; merging makes it local again.
        f.linkage = Linkage::Export;
        calls(&mut f.body, &mut |callee| {
            let Callee::Func(g) = *callee else { return };
            *callee = *places[g].get_or_insert_with(|| Callee::Extern(linked(&mut externs, &program.funcs[g])));
        });
        places[id] = Some(Callee::Func(funcs.push(f)));
    }
    Program {
        name: program.name.clone(),
        consts: program.consts.clone(),
        externs,
        funcs,
        interface: program.interface.clone(),
    }
}

/// A function of another part.
fn linked(externs: &mut PrimaryMap<ExternId, Extern>, f: &Func) -> ExternId {
    externs.push(Extern { symbol: f.name.clone(), params: f.params.iter().map(|p| p.kind).collect(), ret: f.ret })
}

fn calls(block: &mut Block, f: &mut dyn FnMut(&mut Callee)) {
    for s in &mut block.0 {
        match s {
            Stmt::Call { callee, .. } => f(callee),
            Stmt::Fork { callee, .. } => {
                let mut here = Callee::Func(*callee);
                f(&mut here);
                // It is in the same part.
                if let Callee::Func(id) = here {
                    *callee = id;
                }
            }
            _ => {}
        }
        blocks_mut(s).into_iter().for_each(|b| calls(b, f));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_ir::loops::FuncBuilder;

    #[test]
    fn every_function_is_in_one_part_and_calls_are_linked() {
        let mut program = Program { name: "p".into(), ..Program::default() };
        let mut b = FuncBuilder::new("large");
        for i in 0..2 * PART as i64 {
            b.int(i);
        }
        let large = program.funcs.push(b.finish());
        let mut b = FuncBuilder::new("p_run");
        b.func.linkage = Linkage::Export;
        b.call(Callee::Func(large), vec![], None);
        program.funcs.push(b.finish());
        let parts = split(&program, false);
        let names: Vec<Vec<&str>> = parts.iter().map(|p| p.funcs.values().map(|f| f.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["large"], vec!["p_run"]]);
        assert_eq!(parts[1].externs.values().map(|x| x.symbol.as_str()).collect::<Vec<_>>(), ["large"]);
        let Some(run) = parts[1].funcs.values().next() else { panic!("it has one") };
        assert!(matches!(run.body.0[0], Stmt::Call { callee: Callee::Extern(_), .. }));
        program.funcs[large].values.clear();
        assert_eq!(split(&program, false).len(), 1, "small programs aren't cut");
        assert_eq!(split(&program, true).len(), 2, "unless each function is to be alone");
    }
}
