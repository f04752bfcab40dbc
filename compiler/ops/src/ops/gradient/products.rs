//! Products of matrices: MatMul (and FusedMatMul, which may transpose its operands), Gemm, Einsum; Inverse and Det.
//!
//! Operands of MatMul whose number of axes isn't known here are taken to have two and more.

use super::rules::{Cx, Found};
use crate::prelude::*;
use onnxc_ir::graph::{OpName, ValueId};

/// The shares of a node's inputs by a rule of this file, if it has one.
pub(super) fn shares(cx: &mut Cx, name: &str) -> Result<Found> {
    let (g, y, all) = (cx.g, cx.y, cx.inputs.clone());
    let Some(&x) = all.first() else { return Ok(None) };
    match (name, &all[..]) {
        ("MatMul", &[a, b]) if cx.n.known.rank(a) != Some(1) && cx.n.known.rank(b) != Some(1) => {
            matrices(cx, a, b, [false; 2]).map(Some)
        }
        ("FusedMatMul", &[a, b]) => {
            let flag = |name: &str| cx.attrs.int(name) == Some(1);
            if flag("transBatchA") || flag("transBatchB") {
                return Ok(None);
            }
            let flags = [flag("transA"), flag("transB")];
            let alpha = cx.number(f64::from(cx.attrs.float("alpha").unwrap_or(1.0)))?;
            cx.g = cx.times(alpha)?;
            matrices(cx, a, b, flags).map(Some)
        }
        ("Gemm", &[a, b, ..]) => gemm(cx, a, b, all.get(2).copied()).map(Some),
        ("Einsum", _) => einsum(cx, &all),
        // - y' g y'.
        ("Inverse", _) => {
            let left = product(cx, y, g, [true, false])?;
            let both = product(cx, left, y, [false, true])?;
            Ok(Some(vec![Some(cx.op("Neg", &[both])?)]))
        }
        // g y times the inverse, transposed.
        ("Det", _) => {
            let axes = cx.n.constant("axes", Tensor::from_slice(&[2], &[-2i64, -1]));
            let op = OpName { domain: "com.microsoft".into(), name: "Inverse".into() };
            let inverse = cx.n.emit(op, &[], &[Some(x)], 1)?[0];
            let transposed = cx.with("Einsum", &[("equation", Attr::Str("...ij->...ji".into()))], &[inverse])?;
            let share = cx.times(y)?;
            let share = cx.op("Unsqueeze", &[share, axes])?;
            Ok(Some(vec![Some(cx.op("Mul", &[share, transposed])?)]))
        }
        _ => Ok(None),
    }
}

/// A product of matrices that may be transposed.
fn product(cx: &mut Cx, a: ValueId, b: ValueId, [ta, tb]: [bool; 2]) -> Result<ValueId> {
    let op = OpName { domain: "com.microsoft".into(), name: "FusedMatMul".into() };
    let attrs = [("transA", Attr::Int(i64::from(ta))), ("transB", Attr::Int(i64::from(tb)))];
    Ok(cx.n.emit(op, &attrs, &[Some(a), Some(b)], 1)?[0])
}

/// Of a' b', each of which may be transposed.
fn matrices(cx: &mut Cx, a: ValueId, b: ValueId, [ta, tb]: [bool; 2]) -> Result<Vec<Option<ValueId>>> {
    let g = cx.g;
    let mut shares = vec![None, None];
    if cx.asked(0) {
        let share = if ta { product(cx, b, g, [tb, true])? } else { product(cx, g, b, [false, !tb])? };
        shares[0] = Some(cx.sum_to(share, a)?);
    }
    if cx.asked(1) {
        let share = if tb { product(cx, g, a, [true, ta])? } else { product(cx, a, g, [!ta, false])? };
        shares[1] = Some(cx.sum_to(share, b)?);
    }
    Ok(shares)
}

/// MatMul of vectors as one of matrices.
pub(super) fn of_vectors(cx: &mut Cx) -> Result<ValueId> {
    let (mut inputs, mut dropped) = (cx.inputs.clone(), vec![]);
    for (i, axis) in [(0, 0i64), (1, 1)] {
        if cx.n.known.rank(inputs[i]) == Some(1) {
            let axes = cx.n.constant("axes", Tensor::from_slice(&[1], &[axis]));
            inputs[i] = cx.op("Unsqueeze", &[inputs[i], axes])?;
            dropped.push(axis - 2);
        }
    }
    let y = cx.op("MatMul", &inputs)?;
    let axes = cx.n.constant("axes", Tensor::from_slice(&[dropped.len()], &dropped));
    cx.op("Squeeze", &[y, axes])
}

/// Of alpha a' b' + beta c, where a' and b' may be transposed.
fn gemm(cx: &mut Cx, a: ValueId, b: ValueId, c: Option<ValueId>) -> Result<Vec<Option<ValueId>>> {
    let g = cx.g;
    let [alpha, beta] = ["alpha", "beta"].map(|name| cx.attrs.float(name).unwrap_or(1.0));
    let [ta, tb] = ["transA", "transB"].map(|name| cx.attrs.int(name) == Some(1));
    let mut gemm = |x: ValueId, y: ValueId, tx: bool, ty: bool| {
        let attrs =
            [("alpha", Attr::Float(alpha)), ("transA", Attr::Int(i64::from(tx))), ("transB", Attr::Int(i64::from(ty)))];
        cx.with("Gemm", &attrs, &[x, y])
    };
    let by_a = if ta { gemm(b, g, tb, true)? } else { gemm(g, b, false, !tb)? };
    let by_b = if tb { gemm(g, a, true, ta)? } else { gemm(a, g, !ta, false)? };
    let mut shares = vec![Some(by_a), Some(by_b)];
    if let Some(c) = c {
        let beta = cx.number(f64::from(beta))?;
        let scaled = cx.times(beta)?;
        shares.push(Some(cx.sum_to(scaled, c)?));
    }
    Ok(shares)
}

/// The derivative takes the operand's place in the equation, and the operand that of the output. A label that only this
/// operand has is repeated: along an operand of ones. What was broadcast is summed.
fn einsum(cx: &mut Cx, all: &[ValueId]) -> Result<Found> {
    let text: String = cx.attrs.str("equation").unwrap_or_default().chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match text.split_once("->") {
        Some((left, right)) => (left.to_string(), right.to_string()),
        None => (text.clone(), implied(&text)),
    };
    let terms: Vec<&str> = left.split(',').collect();
    let twice = |t: &str| t.char_indices().any(|(i, c)| c != '.' && t[..i].contains(c));
    // Of further axes that the output doesn't have, the derivative would have none to be summed to.
    let lost = left.contains("...") && !right.contains("...");
    if terms.len() != all.len() || lost || terms.iter().any(|t| twice(t)) {
        return Ok(None);
    }
    let further = |k: usize| cx.n.known.rank(all[k]).map(|r| r + 3 - terms[k].len());
    let most = (0..all.len()).filter(|&k| terms[k].contains("...")).map(further).max().flatten();
    let fits = |k: usize| terms[k].find("...").is_none_or(|at| at == 0 || further(k).is_some_and(|n| Some(n) == most));
    if !(0..all.len()).all(|k| !cx.asked(k) || fits(k)) {
        return Ok(None);
    }
    let mut shares = vec![None; all.len()];
    for k in (0..all.len()).filter(|&k| cx.asked(k)).collect::<Vec<_>>() {
        let others = |i: &usize| *i != k;
        let mut from: Vec<&str> = vec![&right];
        from.extend((0..all.len()).filter(others).map(|i| terms[i]));
        let mut values = vec![cx.g];
        values.extend((0..all.len()).filter(others).map(|i| all[i]));
        let alone = |c: char| !from.iter().any(|t| t.contains(c));
        let stretched = |c: char| {
            let one = |i: usize| extent(cx, all[i], terms[i], c) == Some(1);
            !one(k) && (0..all.len()).any(|i| i != k && one(i))
        };
        if terms[k].chars().any(|c| alone(c) || stretched(c)) {
            from.push(terms[k]);
            values.push(super::rules::filled(cx.n, 1.0, all[k])?);
        }
        // All further axes are kept, and summed where the operand has fewer.
        let own = if right.contains("...") && !terms[k].contains("...") {
            format!("...{}", terms[k])
        } else {
            terms[k].to_string()
        };
        let equation = format!("{}->{own}", from.join(","));
        let share = cx.with("Einsum", &[("equation", Attr::Str(equation))], &values)?;
        shares[k] = Some(cx.sum_to(share, all[k])?);
    }
    Ok(Some(shares))
}

/// The extent of a label's axis, if it is known.
fn extent(cx: &Cx, x: ValueId, term: &str, label: char) -> Option<i64> {
    let at = term.find(label)?;
    let extents = cx.n.known.extents(x)?;
    let behind = term.find("...").is_some_and(|dots| dots < at);
    let at = if behind { (extents.len() + at).checked_sub(term.len())? } else { at };
    extents.get(at).copied().flatten()
}

/// The output that isn't written: further axes, and what is there once, in the order of the alphabet.
fn implied(left: &str) -> String {
    let mut letters: Vec<char> = left.chars().filter(|c| c.is_ascii_alphabetic()).collect();
    letters.sort_unstable();
    let once = letters.iter().filter(|c| letters.iter().filter(|d| d == c).count() == 1);
    let further = if left.contains("...") { "..." } else { "" };
    further.chars().chain(once.copied()).collect()
}
