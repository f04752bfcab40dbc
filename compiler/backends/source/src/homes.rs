//! Where each variable is declared: at its first assignment, if every way to a use leads over it; else at the function's head.

use onnxc_base::{PrimaryMap, SecondaryMap};
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Block, Func, Op, Stmt, Var};

/// True for variables that the first assignment in program order may declare.
pub fn declared_at_first_set(f: &Func) -> SecondaryMap<Var, bool> {
    let mut scan = Scan { f, paths: SecondaryMap::new() };
    scan.block(&f.body, &mut vec![]);
    let common: PrimaryMap<Var, Option<Vec<usize>>> = f.vars.keys().map(|v| scan.paths[v].clone()).collect();
    let mut out = SecondaryMap::new();
    for (v, path) in &common {
        let Some(path) = path else { continue };
        let block = descend(&f.body, path);
        let first = block.0.iter().find(|s| mentions(f, s, v));
        out[v] = f.vars[v].dims.is_empty() && matches!(first, Some(Stmt::Set(p, _)) if p.var == v);
    }
    out
}

struct Scan<'a> {
    f: &'a Func,
    /// The innermost block around every mention so far: statement and block numbers from the body on.
    paths: SecondaryMap<Var, Option<Vec<usize>>>,
}

impl Scan<'_> {
    fn block(&mut self, b: &Block, path: &mut Vec<usize>) {
        for (i, s) in b.0.iter().enumerate() {
            if let Some(v) = mentioned(self.f, s) {
                let joined = match &self.paths[v] {
                    None => path.clone(),
                    // Block numbers stand at odd places: cut to whole steps.
                    Some(old) => {
                        let same = old.iter().zip(path.iter()).take_while(|(a, b)| a == b).count();
                        path[..same / 2 * 2].to_vec()
                    }
                };
                self.paths[v] = Some(joined);
            }
            for (j, inner) in blocks(s).into_iter().enumerate() {
                path.extend([i, j]);
                self.block(inner, path);
                path.truncate(path.len() - 2);
            }
        }
    }
}

fn descend<'a>(body: &'a Block, path: &[usize]) -> &'a Block {
    path.chunks(2).fold(body, |b, step| blocks(&b.0[step[0]])[step[1]])
}

/// The variable that a statement itself reads or sets.
fn mentioned(f: &Func, s: &Stmt) -> Option<Var> {
    match s {
        Stmt::Set(p, _) => Some(p.var),
        Stmt::Let(v) => match &f.values[*v].op {
            Op::Get(p) => Some(p.var),
            _ => None,
        },
        _ => None,
    }
}

fn mentions(f: &Func, s: &Stmt, v: Var) -> bool {
    mentioned(f, s) == Some(v) || blocks(s).into_iter().any(|b| b.0.iter().any(|s| mentions(f, s, v)))
}
