//! Symbolic extents as data: a number, a dim, or a postfix program ([`onnxc_runtime::module::opcode`]).

use onnxc_base::sym::{Sym, SymNode};
use onnxc_base::{Diagnostic, IndexMap};
use onnxc_runtime::module::{EXTENT_CODE, EXTENT_DIM, EXTENT_FIXED, EXTENT_NONE, opcode};
use onnxc_runtime::reader::STACK;

/// An extent as it goes into the description.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Extent {
    pub kind: u32,
    pub value: i64,
    pub code: Vec<i64>,
}

/// Numbers of the module's dims, by name.
pub(super) type DimNumbers = IndexMap<String, i64>;

impl Extent {
    /// No limit.
    pub const NONE: Extent = Extent { kind: EXTENT_NONE, value: 0, code: Vec::new() };

    /// The extent that a symbolic expression over dims stands for.
    pub fn of(sym: &Sym, dims: &DimNumbers) -> Result<Extent, Diagnostic> {
        if let Some(v) = sym.as_int() {
            return Ok(Extent { kind: EXTENT_FIXED, value: v, code: vec![] });
        }
        let mut code = Vec::new();
        let depth = emit(sym, dims, &mut code)?;
        if depth > STACK {
            return Err(Diagnostic::error(
                "E5210",
                format!("the extent {sym} is nested too deeply for a module's description"),
            ));
        }
        if let [opcode::DIM, i] = code[..] {
            return Ok(Extent { kind: EXTENT_DIM, value: i, code: vec![] });
        }
        Ok(Extent { kind: EXTENT_CODE, value: 0, code })
    }
}

/// Appends a program; the stack that it needs.
fn emit(sym: &Sym, dims: &DimNumbers, code: &mut Vec<i64>) -> Result<usize, Diagnostic> {
    let pair = |op: i64, a: &Sym, b: &Sym, code: &mut Vec<i64>| fold(op, &[a.clone(), b.clone()], dims, code);
    match sym.node() {
        SymNode::Int(v) => {
            code.extend([opcode::CONST, v]);
            Ok(1)
        }
        SymNode::Var(s) => {
            let known = dims.get(s.as_str());
            let i = known.ok_or_else(|| {
                Diagnostic::error("E5211", format!("the dim '{s}' of a shape isn't one of the module's dims"))
            })?;
            code.extend([opcode::DIM, *i]);
            Ok(1)
        }
        SymNode::Add(terms) => fold(opcode::ADD, &terms, dims, code),
        SymNode::Mul(factors) => fold(opcode::MUL, &factors, dims, code),
        SymNode::FloorDiv(a, b) => pair(opcode::FLOORDIV, &a, &b, code),
        SymNode::Mod(a, b) => pair(opcode::MOD, &a, &b, code),
        SymNode::Min(a, b) => pair(opcode::MIN, &a, &b, code),
        SymNode::Max(a, b) => pair(opcode::MAX, &a, &b, code),
        SymNode::Joint(a, b) => pair(opcode::JOINT, &a, &b, code),
        #[allow(unreachable_patterns, reason = "an overflow marker may be a node of its own")]
        _ => Err(Diagnostic::error("E5212", format!("the extent {sym} overflows"))),
    }
}

fn fold(op: i64, parts: &[Sym], dims: &DimNumbers, code: &mut Vec<i64>) -> Result<usize, Diagnostic> {
    let mut depth = 0;
    for (i, p) in parts.iter().enumerate() {
        depth = depth.max(emit(p, dims, code)? + usize::from(i > 0));
        if i > 0 {
            code.push(op);
        }
    }
    Ok(depth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_evaluate_as_the_expression() {
        let dims: DimNumbers = [("n".to_string(), 0), ("h".to_string(), 1)].into_iter().collect();
        let (n, h) = (Sym::var("n"), Sym::var("h"));
        let cases = [
            h.clone(),
            Sym::from(7),
            (h.clone() - 3).floordiv(&Sym::from(2)) + 1,
            n.clone() * h.clone() * 3 - n.clone(),
            Sym::min(&h, &n),
            h.joint(&(n.clone() - 1)),
        ];
        for sym in cases {
            let e = Extent::of(&sym, &dims).expect("its dims are known");
            for values in [[1, 8], [5, 2], [9, 33]] {
                let want = sym.eval(&|s| dims.get(s.as_str()).map(|&i| values[i as usize])).ok();
                let have = match e.kind {
                    EXTENT_FIXED => onnxc_runtime::Extent::Fixed(e.value),
                    EXTENT_DIM => onnxc_runtime::Extent::Dim(e.value as usize),
                    _ => onnxc_runtime::Extent::Code(&e.code),
                };
                assert_eq!(have.eval(&values), want, "{sym}");
            }
        }
        assert!(Extent::of(&Sym::var("q"), &dims).is_err());
    }
}
