//! Variables and register tiles: SSA variables of the frontend, or memory for a tile that loops index.

use crate::func::Translator;
use crate::rep::{Rep, part_count};
use cranelift_codegen::ir::{self, InstBuilder, StackSlot, types};
use cranelift_frontend::{FunctionBuilder, Variable};
use onnxc_ir::loops::{self as l, Place, Stmt, Value, Var};
use std::collections::BTreeSet;

/// Where a variable lives.
pub(crate) enum Home {
    /// SSA variables, one list per tile element.
    Registers(Vec<Vec<Variable>>),
    /// Memory, for a tile that is indexed by what isn't a constant.
    Stack(StackSlot),
}

impl Translator<'_, '_> {
    /// Gives every variable its home, and zeros.
    pub fn declare_vars(&mut self) {
        let dynamic = dynamic_tiles(self.func);
        for (var, def) in &self.func.vars {
            let count = def.dims.iter().map(|&d| d as usize).product::<usize>();
            let Some(ty) = self.part_type(def.ty) else {
                self.fail(format!("variable {var} is of type {}, which no register holds", def.ty));
                self.homes.push(Home::Registers(vec![]));
                continue;
            };
            let parts = part_count(def.ty.lanes, self.width(def.ty));
            let zero = self.zero(ty);
            if dynamic.contains(&var) {
                let slot = self.slot((count * parts * ty.bytes() as usize) as u32);
                for i in 0..count * parts {
                    self.b.ins().stack_store(self.cx.pointer, zero, slot, (i * ty.bytes() as usize) as i32);
                }
                self.homes.push(Home::Stack(slot));
                continue;
            }
            let element = |b: &mut FunctionBuilder<'_>| {
                let v = b.declare_var(ty);
                b.def_var(v, zero);
                v
            };
            let elements = (0..count).map(|_| (0..parts).map(|_| element(&mut self.b)).collect()).collect();
            self.homes.push(Home::Registers(elements));
        }
    }

    /// Number of a tile element, if its index is constant.
    fn flat_index(&mut self, place: &Place) -> Option<usize> {
        let dims = &self.func.vars[place.var].dims;
        let mut flat = 0;
        for (&i, &d) in place.index.iter().zip(dims) {
            let i = usize::try_from(self.constant(i)?).ok().filter(|&i| i < d as usize)?;
            flat = flat * d as usize + i;
        }
        Some(flat)
    }

    /// Address of an element of a tile in memory.
    fn tile_address(&mut self, place: &Place, slot: StackSlot, bytes: i64) -> ir::Value {
        let dims = &self.func.vars[place.var].dims;
        let mut flat = self.int(types::I64, 0);
        for (&i, &d) in place.index.iter().zip(dims) {
            let (d, i) = (self.int(types::I64, i64::from(d)), self.scalar(i));
            let scaled = self.b.ins().imul(flat, d);
            flat = self.b.ins().iadd(scaled, i);
        }
        let bytes = self.int(types::I64, bytes);
        let offset = self.b.ins().imul(flat, bytes);
        let offset = self.pointer_sized(offset);
        let base = self.b.ins().stack_addr(self.cx.pointer, slot, 0);
        self.b.ins().iadd(base, offset)
    }

    /// Reads a variable.
    pub fn get(&mut self, place: &Place) -> Rep {
        let ty = self.func.vars[place.var].ty;
        let width = self.width(ty);
        let slot = match &self.homes[place.var] {
            Home::Registers(_) => None,
            Home::Stack(slot) => Some(*slot),
        };
        if let Some(slot) = slot {
            let (part, n) = (self.part_type(ty).unwrap_or(types::I64), part_count(ty.lanes, width));
            let at = self.tile_address(place, slot, (n * part.bytes() as usize) as i64);
            let load = |i: usize, t: &mut Self| {
                t.b.ins().load(part, crate::memory::plain(), at, (i * part.bytes() as usize) as i32)
            };
            return Rep { width, parts: (0..n).map(|i| load(i, self)).collect() };
        }
        let Some(parts) = self.registers(place) else { return self.zeros(ty) };
        Rep { width, parts: parts.iter().map(|&v| self.b.use_var(v)).collect() }
    }

    fn registers(&mut self, place: &Place) -> Option<Vec<Variable>> {
        let flat = self.flat_index(place);
        match (&self.homes[place.var], flat) {
            (Home::Registers(all), Some(i)) if i < all.len() => Some(all[i].clone()),
            _ => {
                self.fail(format!("variable {} is indexed outside of its extents", place.var));
                None
            }
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, place: &Place, value: Value) {
        let def = &self.func.vars[place.var];
        let rep = self.rep(value);
        let rep = self.canonical(rep, def.ty);
        let slot = match &self.homes[place.var] {
            Home::Registers(_) => None,
            Home::Stack(slot) => Some(*slot),
        };
        if let Some(slot) = slot {
            let bytes = self.part_type(def.ty).map_or(8, |t| t.bytes()) as usize;
            let at = self.tile_address(place, slot, (rep.parts.len() * bytes) as i64);
            for (i, &p) in rep.parts.iter().enumerate() {
                self.b.ins().store(crate::memory::plain(), p, at, (i * bytes) as i32);
            }
            return;
        }
        let Some(vars) = self.registers(place) else { return };
        for (var, part) in vars.into_iter().zip(rep.parts) {
            self.b.def_var(var, part);
        }
    }
}

/// Tiles of which some index is not a constant.
fn dynamic_tiles(func: &l::Func) -> BTreeSet<Var> {
    fn note(func: &l::Func, place: &Place, out: &mut BTreeSet<Var>) {
        if !place.index.iter().all(|&i| matches!(func.values[i].op, l::Op::Const(_))) {
            out.insert(place.var);
        }
    }
    fn walk(func: &l::Func, block: &l::Block, out: &mut BTreeSet<Var>) {
        for stmt in &block.0 {
            match stmt {
                Stmt::Set(place, _) => note(func, place, out),
                Stmt::For { body, .. } | Stmt::Loop(body) => walk(func, body, out),
                Stmt::If { then, els, .. } => {
                    walk(func, then, out);
                    walk(func, els, out);
                }
                _ => {}
            }
        }
    }
    let mut out = BTreeSet::new();
    walk(func, &func.body, &mut out);
    for def in func.values.values() {
        if let l::Op::Get(place) = &def.op {
            note(func, place, &mut out);
        }
    }
    out
}
