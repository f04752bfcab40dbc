//! unroll: every `Unrolled` loop becomes its iterations; afterwards indices into register tiles are constants.
//!
//! Values defined in the body get a fresh name per iteration; integer arithmetic that becomes constant is folded on
//! the way. Does NOT unroll anything else: which loops to unroll is the schedule's choice.

use super::walk::{blocks_mut, map_operands, map_reads};
use crate::manager::LoopsPass;
use onnxc_base::{DType, Diagnostic};
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{Block, Func, LoopKind, Op, Program, Scalar, Stmt, Value, ValueDef};
use onnxc_ir::scalar::eval_binary;
use std::collections::BTreeMap;

/// Unrolls every function of a program.
///
/// # Errors
/// An `Unrolled` loop whose bounds aren't constants.
pub fn unroll(program: &mut Program) -> Result<(), Diagnostic> {
    for f in program.funcs.values_mut() {
        let body = std::mem::take(&mut f.body);
        f.body = block(f, body)?;
    }
    Ok(())
}

fn block(f: &mut Func, b: Block) -> Result<Block, Diagnostic> {
    let mut out = Vec::with_capacity(b.0.len());
    for mut s in b.0 {
        for inner in blocks_mut(&mut s) {
            *inner = block(f, std::mem::take(inner))?;
        }
        match s {
            Stmt::For { index, lo, hi, step, kind: LoopKind::Unrolled, body } => {
                let (Some(lo), Some(hi)) = (constant(f, lo), constant(f, hi)) else {
                    return Err(Diagnostic::error(
                        "E4101",
                        format!("function {}: an unrolled loop has no constant bounds", f.name),
                    ));
                };
                let mut i = lo;
                while i < hi {
                    iteration(f, index, i, &body, &mut out);
                    i += step;
                }
            }
            other => out.push(other),
        }
    }
    Ok(Block(out))
}

fn constant(f: &Func, v: Value) -> Option<i64> {
    match f.values[v].op {
        Op::Const(s) => Some(s.to_i64()),
        _ => None,
    }
}

/// Appends the body for one value of the index.
fn iteration(f: &mut Func, index: Value, i: i64, body: &Block, out: &mut Vec<Stmt>) {
    let ty = f.values[index].ty;
    let at = f.values.push(ValueDef { ty, op: Op::Const(Scalar::i64(i)), name: String::new() });
    out.push(Stmt::Let(at));
    let mut renamed = BTreeMap::from([(index, at)]);
    for s in &body.0 {
        let copy = copy(f, s, &mut renamed);
        out.push(copy);
    }
}

/// A copy of a statement with what it defines renamed.
fn copy(f: &mut Func, s: &Stmt, renamed: &mut BTreeMap<Value, Value>) -> Stmt {
    let mut s = s.clone();
    map_reads(&mut s, &mut |v| renamed.get(&v).copied().unwrap_or(v));
    match &mut s {
        Stmt::Let(v) => {
            let mut def = f.values[*v].clone();
            map_operands(&mut def.op, &mut |v| renamed.get(&v).copied().unwrap_or(v));
            def.op = folded(f, def.op);
            *v = define(f, *v, def, renamed);
        }
        Stmt::For { index, .. } => *index = redefine(f, *index, renamed),
        Stmt::Call { result: Some(r), .. } => *r = redefine(f, *r, renamed),
        _ => {}
    }
    for inner in blocks_mut(&mut s) {
        inner.0 = std::mem::take(&mut inner.0).iter().map(|s| copy(f, s, renamed)).collect();
    }
    s
}

fn redefine(f: &mut Func, old: Value, renamed: &mut BTreeMap<Value, Value>) -> Value {
    let def = f.values[old].clone();
    define(f, old, def, renamed)
}

fn define(f: &mut Func, old: Value, def: ValueDef, renamed: &mut BTreeMap<Value, Value>) -> Value {
    let new = f.values.push(def);
    renamed.insert(old, new);
    new
}

/// Integer arithmetic on constants is a constant.
fn folded(f: &Func, op: Op) -> Op {
    if let Op::Binary(b, x, y) = op
        && let (Op::Const(x), Op::Const(y)) = (&f.values[x].op, &f.values[y].op)
        && x.dtype == DType::I64
    {
        return Op::Const(eval_binary(b, *x, *y));
    }
    op
}

/// The pass.
pub const PASS: LoopsPass = LoopsPass {
    name: "unroll",
    about: "replace unrolled loops by their iterations",
    level: 0,
    run: |p, _| Ok(unroll(p)?),
    ensures: Stage { unrolled: true, planned: false, expanded: false },
};
