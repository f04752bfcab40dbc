//! Removes what nobody reads: values, variables and arrays that are only set, and settings of a variable to what it is.

use onnxc_base::SecondaryMap;
use onnxc_ir::loops::unread::drop_unread;
use onnxc_ir::loops::walk::{blocks, blocks_mut, operands, reads};
use onnxc_ir::loops::{Block, Func, Op, Stmt, Value, Var};
use std::collections::BTreeMap;

/// Sweeps a function until nothing more goes.
pub(super) fn sweep(f: &mut Func) {
    let mut body = std::mem::take(&mut f.body);
    Idle { f, version: SecondaryMap::new(), read: BTreeMap::new() }.block(&mut body);
    f.body = body;
    loop {
        let mut body = std::mem::take(&mut f.body);
        let mut live = Live { f, values: SecondaryMap::new(), vars: SecondaryMap::new() };
        live.block(&mut body);
        let vars = live.vars;
        let dropped = drop_sets(&mut body, &vars) | drop_unread(f, &mut body);
        f.body = body;
        if !dropped {
            return;
        }
    }
}

/// Finds settings of a variable to what it is: lanes that a mask switches off leave such behind.
struct Idle<'a> {
    f: &'a Func,
    /// Counts up where a variable may have changed.
    version: SecondaryMap<Var, u32>,
    /// What has been read, and in which version.
    read: BTreeMap<Value, (Var, u32)>,
}

impl Idle<'_> {
    fn block(&mut self, b: &mut Block) {
        b.0.retain_mut(|s| self.stmt(s));
    }

    /// False for a statement that does nothing.
    fn stmt(&mut self, s: &mut Stmt) -> bool {
        match s {
            Stmt::Let(v) => {
                if let Op::Get(place) = &self.f.values[*v].op
                    && place.index.is_empty()
                {
                    self.read.insert(*v, (place.var, self.version[place.var]));
                }
            }
            Stmt::Set(place, v) => {
                let now = (place.var, self.version[place.var]);
                if place.index.is_empty() && self.read.get(v) == Some(&now) {
                    return false;
                }
                self.version[place.var] += 1;
            }
            Stmt::For { .. } | Stmt::Loop(_) => {
                // The last iteration may have changed it before the first statement.
                blocks(s).into_iter().for_each(|b| self.changed(b));
                blocks_mut(s).into_iter().for_each(|b| self.block(b));
            }
            _ => {
                for b in blocks_mut(s) {
                    self.block(b);
                }
                blocks(s).into_iter().for_each(|b| self.changed(b));
            }
        }
        true
    }

    fn changed(&mut self, b: &Block) {
        for s in &b.0 {
            if let Stmt::Set(place, _) = s {
                self.version[place.var] += 1;
            }
            blocks(s).into_iter().for_each(|b| self.changed(b));
        }
    }
}

struct Live<'a> {
    f: &'a Func,
    values: SecondaryMap<Value, bool>,
    /// Variables that are read.
    vars: SecondaryMap<Var, bool>,
}

impl Live<'_> {
    /// Backwards: a value is read only after it is defined.
    fn block(&mut self, b: &mut Block) {
        let mut kept = Vec::with_capacity(b.0.len());
        for mut s in std::mem::take(&mut b.0).into_iter().rev() {
            if let Stmt::Let(v) = s {
                let op = &self.f.values[v].op;
                if !self.values[v] {
                    continue;
                }
                operands(op, &mut |x| self.values[x] = true);
                if let Op::Get(place) = op {
                    self.vars[place.var] = true;
                }
            }
            blocks_mut(&mut s).into_iter().rev().for_each(|b| self.block(b));
            let empty = matches!(&s, Stmt::If { then, els, .. } if then.0.is_empty() && els.0.is_empty())
                || matches!(&s, Stmt::For { body, .. } if body.0.is_empty());
            // What decides over nothing isn't read.
            if !empty {
                reads(&s, &mut |x| self.values[x] = true);
                kept.push(s);
            }
        }
        kept.reverse();
        b.0 = kept;
    }
}

/// Drops statements that set what nobody reads; true if there were any.
fn drop_sets(b: &mut Block, read: &SecondaryMap<Var, bool>) -> bool {
    let before = b.0.len();
    b.0.retain(|s| !matches!(s, Stmt::Set(place, _) if !read[place.var]));
    let mut dropped = b.0.len() < before;
    for s in &mut b.0 {
        for inner in blocks_mut(s) {
            dropped |= drop_sets(inner, read);
        }
    }
    dropped
}
