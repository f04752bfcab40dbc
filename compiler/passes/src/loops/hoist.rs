//! hoist: what a loop computes anew from values that it doesn't change is computed before it.
//!
//! Only pure operations move (every operation is total, so computing one for a loop that never runs does no harm).
//! Loads stay: their address may be wrong where the loop doesn't run. Inner loops go first, so a value moves out as far
//! as it can.

use super::simplify::is_pure;
use super::walk::{blocks_mut, operands};
use crate::manager::LoopsPass;
use onnxc_base::SecondaryMap;
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{Block, Func, Program, Stmt, Value};

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "hoist",
    about: "move what doesn't change out of loops",
    level: 1,
    run: |p, _| {
        hoist(p);
        Ok(())
    },
    ensures: Stage { unrolled: false, planned: false, expanded: false },
};

/// Hoists in every function.
pub fn hoist(program: &mut Program) {
    for f in program.funcs.values_mut() {
        let mut body = std::mem::take(&mut f.body);
        block(f, &mut body);
        f.body = body;
    }
}

fn block(f: &Func, b: &mut Block) {
    let mut out = Vec::with_capacity(b.0.len());
    for mut s in std::mem::take(&mut b.0) {
        blocks_mut(&mut s).into_iter().for_each(|i| block(f, i));
        match &mut s {
            Stmt::For { index, body, .. } => {
                let index = *index;
                out.extend(invariant(f, body, Some(index)));
            }
            Stmt::Loop(body) => out.extend(invariant(f, body, None)),
            _ => {}
        }
        out.push(s);
    }
    b.0 = out;
}

/// Takes from a loop's body what depends on nothing that the body defines.
fn invariant(f: &Func, body: &mut Block, index: Option<Value>) -> Vec<Stmt> {
    let mut inside: SecondaryMap<Value, bool> = SecondaryMap::new();
    if let Some(i) = index {
        inside[i] = true;
    }
    let mut moved = Vec::new();
    let mut kept = Vec::with_capacity(body.0.len());
    for s in std::mem::take(&mut body.0) {
        if let Stmt::Let(v) = s {
            let op = &f.values[v].op;
            let mut bound = !is_pure(op);
            operands(op, &mut |x| bound |= inside[x]);
            if !bound {
                moved.push(s);
                continue;
            }
            inside[v] = true;
        }
        mark(&s, &mut inside);
        kept.push(s);
    }
    body.0 = kept;
    moved
}

/// Values that a statement defines in itself: results of calls, and all that is in its blocks (nothing outside of them
/// reads those).
fn mark(s: &Stmt, inside: &mut SecondaryMap<Value, bool>) {
    if let Stmt::Call { result: Some(r), .. } = s {
        inside[*r] = true;
    }
}

#[cfg(test)]
mod tests {
    use crate::loops::{hoist, simplify};
    use onnxc_base::DType;
    use onnxc_ir::loops::interp::{ArgVal, Interp};
    use onnxc_ir::loops::{FuncBuilder, LoopKind, Program};

    #[test]
    fn invariants_leave_their_loops_and_equal_values_merge() {
        let mut b = FuncBuilder::new("f");
        let n = b.param("n", DType::I64);
        let y = b.param_buf("y", DType::I64, true);
        let zero = b.int(0);
        b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
            let (p, q) = (b.mul(n, n), b.mul(n, n));
            let s = b.add(p, q);
            let s = b.add(s, i);
            b.store(y, i, s, None);
        });
        let mut p = Program { name: "t".into(), ..Program::default() };
        let id = p.funcs.push(b.finish());
        simplify::simplify(&mut p);
        hoist::hoist(&mut p);
        let text = p.to_string();
        let head = text.split("for").next().unwrap_or_default();
        assert_eq!((text.matches("mul").count(), head.matches("mul").count()), (1, 1), "{text}");
        let mut args = [ArgVal::Scalar(onnxc_ir::scalar::Scalar::i64(3)), ArgVal::buf(&[0i64; 3])];
        Interp::new(&p).call(id, &mut args).expect("in bounds");
        assert_eq!(args[1].elements::<i64>(), [18, 19, 20]);
    }
}
