//! Which vectors may stay: operands of sums of products that small machines have instructions for, 4, 8 or 16 bytes.

use onnxc_base::SecondaryMap;
use onnxc_ir::loops::walk::{blocks, operands, reads};
use onnxc_ir::loops::{Block, Func, Op, Stmt, Value};

/// Sums of at most so many products into one lane whose operands are loads that nobody else reads, and those loads.
pub(super) fn packed(f: &Func, most: u16) -> Vec<Value> {
    let mut found = Found { f, dots: vec![], other: SecondaryMap::new() };
    found.block(&f.body);
    let load = |v: Value, group: u16| {
        let def = &f.values[v];
        let bytes = def.ty.elem.is_int() && def.ty.elem.bits() == 8 && matches!(group, 4 | 8 | 16) && group <= most;
        matches!(def.op, Op::Load { mask: None, .. }) && def.ty.lanes == group && bytes
    };
    let mut dots = found.dots;
    let mut other = found.other;
    // What one sum of products can't have packed, no other can.
    loop {
        let fits = |v: &Value| match f.values[*v].op {
            Op::Dot(a, b, _) => [a, b].into_iter().all(|x| load(x, f.values[a].ty.lanes) && !other[x]),
            _ => false,
        };
        let (good, bad): (Vec<Value>, Vec<Value>) = dots.iter().partition(|v| fits(v));
        dots = good;
        if bad.is_empty() {
            break;
        }
        for v in bad {
            if let Op::Dot(a, b, _) = f.values[v].op {
                (other[a], other[b]) = (true, true);
            }
        }
    }
    let with_loads = |v: Value| match f.values[v].op {
        Op::Dot(a, b, _) => vec![v, a, b],
        _ => vec![v],
    };
    dots.into_iter().flat_map(with_loads).collect()
}

struct Found<'a> {
    f: &'a Func,
    /// Sums of products into one lane.
    dots: Vec<Value>,
    /// Values that something else reads.
    other: SecondaryMap<Value, bool>,
}

impl Found<'_> {
    fn block(&mut self, b: &Block) {
        for s in &b.0 {
            if let Stmt::Let(v) = s {
                let def = &self.f.values[*v];
                match def.op {
                    Op::Dot(_, _, c) if def.ty.lanes == 1 => {
                        self.other[c] = true;
                        self.dots.push(*v);
                    }
                    _ => operands(&def.op, &mut |x| self.other[x] = true),
                }
            }
            reads(s, &mut |x| self.other[x] = true);
            blocks(s).into_iter().for_each(|b| self.block(b));
        }
    }
}
