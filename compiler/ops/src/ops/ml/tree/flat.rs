//! TreeEnsemble, since 5: branches in one list, leaves in another, roots in a third.
//!
//! A branch that asks for membership in a set becomes one branch for each member.

use super::super::post::{self, Second};
use super::super::{DOMAIN, emit, input, must_have};
use super::forest::{Branch, Forest, Mode, Place, Sums};
use crate::prelude::*;

/// TreeEnsemble.
pub static DEF: OpDef = OpDef::composed(DOMAIN, "TreeEnsemble", &[(5, import)]);

/// One of a few words by its number.
fn word(n: &mut NodeReader, name: &str, default: i64, words: &[&'static str]) -> Result<&'static str> {
    let v = n.int(name, default)?;
    let found = usize::try_from(v).ok().and_then(|i| words.get(i));
    found.copied().ok_or_else(|| {
        n.error("E2011", format!("attribute '{name}' is {v}")).expected(format!("a number below {}", words.len()))
    })
}

/// The elements of a tensor of numbers.
fn numbers(n: &mut NodeReader, name: &str) -> Result<Option<Vec<f64>>> {
    let Some(t) = n.opt_tensor(name)? else { return Ok(None) };
    let found = || n.error("E2010", format!("'{name}' is of dtype {}", t.dtype())).expected("numbers");
    Ok(Some(t.to_f64().ok_or_else(found)?))
}

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let aggregate = word(n, "aggregate_function", 1, &["AVERAGE", "SUM", "MIN", "MAX"])?;
    let transform = word(n, "post_transform", 0, &["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"])?;
    let double = n.opt_tensor("leaf_weights")?.is_some_and(|t| t.dtype() == DType::F64);
    let (x, forest) = (input(n, 0)?, forest(n)?);
    let greatest = forest.leaves.iter().flatten().map(|(t, _)| t + 1).max().unwrap_or(1);
    let targets = n.int("n_targets", greatest)?;
    let targets = usize::try_from(targets).ok().filter(|t| (1..=1 << 20).contains(t));
    let targets = targets.ok_or_else(|| n.error("E2011", "attribute 'n_targets' isn't a sensible number"))?;
    let dtype = if double { DType::F64 } else { DType::F32 };
    let [sums, _] = forest.emit(n, x, Sums { aggregate, targets, dtype }, &[])?;
    let y = post::transform_to(n, sums, targets, transform, Second::None, DType::Bool)?;
    let y = emit(n, "CastLike", &[], &[y, x])?;
    n.become_values(vec![y])
}

fn forest(n: &mut NodeReader) -> Result<Forest> {
    n.ignore(&["nodes_hitrates"]);
    let missing = n.error("E2012", "'nodes_splits', 'nodes_modes' or 'leaf_weights' is missing");
    let (splits, modes) = (numbers(n, "nodes_splits")?, numbers(n, "nodes_modes")?);
    let ((splits, modes), weights) = splits.zip(modes).zip(numbers(n, "leaf_weights")?).ok_or(missing)?;
    let (features, ids) = (n.need_ints("nodes_featureids")?, n.need_ints("leaf_targetids")?);
    let (yes, no) = (n.need_ints("nodes_truenodeids")?, n.need_ints("nodes_falsenodeids")?);
    let (yes_leaf, no_leaf) = (n.need_ints("nodes_trueleafs")?, n.need_ints("nodes_falseleafs")?);
    let nan = n.opt_ints("nodes_missing_value_tracks_true")?.unwrap_or_default();
    let roots = n.need_ints("tree_roots")?;
    let members = numbers(n, "membership_values")?.unwrap_or_default();
    let mut sets = members.split(|m| m.is_nan());
    let count = splits.len();
    let lists = [("nodes_modes", modes.len()), ("nodes_featureids", features.len()), ("nodes_truenodeids", yes.len())];
    let more =
        [("nodes_falsenodeids", no.len()), ("nodes_trueleafs", yes_leaf.len()), ("nodes_falseleafs", no_leaf.len())];
    for (name, length) in lists.into_iter().chain(more) {
        must_have(n, name, length, count)?;
    }
    must_have(n, "leaf_targetids", ids.len(), weights.len())?;
    if let Some(m) = modes.iter().find(|m| !(0.0..=6.0).contains(*m)) {
        return Err(n.error("E2011", format!("a node's mode is {m}")).expected("0 to 6"));
    }
    let place = |at: i64, leaf: bool| {
        let i = usize::try_from(at).ok().filter(|i| *i < if leaf { weights.len() } else { count });
        let i = i.ok_or_else(|| n.error("E2011", format!("a node goes on at {at}, which isn't there")))?;
        Ok(if leaf { Place::Leaf(i) } else { Place::Branch(i) })
    };
    let mut branches = Vec::with_capacity(count);
    let mut chains = Vec::new();
    for i in 0..count {
        let (yes, no) = (place(yes[i], yes_leaf[i] != 0)?, place(no[i], no_leaf[i] != 0)?);
        let mode = Mode::ALL.get(modes[i] as usize).copied();
        let (feature, missing) = (features[i], nan.get(i).is_some_and(|m| *m != 0));
        branches.push(Branch { feature, mode: mode.unwrap_or(Mode::Eq), threshold: splits[i], missing, yes, no });
        if mode.is_none() {
            let set = sets.next().filter(|_| !members.is_empty());
            chains.push((i, set.ok_or_else(|| n.error("E2011", "'membership_values' has too few sets"))?));
        }
    }
    chains.iter().for_each(|(i, set)| chain(&mut branches, *i, set));
    let roots = roots.iter().map(|&r| {
        // A tree that is a leaf is a branch whose ways both lead there.
        place(r, false)
    });
    let roots = roots.collect::<Result<Vec<Place>>>()?;
    let leaves = ids.iter().zip(&weights).map(|(t, w)| vec![(*t, *w)]).collect();
    Ok(Forest { branches, leaves, roots })
}

/// Lets branch `i` ask for each member of a set in turn. No number is equal to NaN, the member of an empty set.
fn chain(branches: &mut Vec<Branch>, i: usize, set: &[f64]) {
    let original = branches[i].clone();
    let members = if set.is_empty() { &[f64::NAN] } else { set };
    let mut at = i;
    for (k, &m) in members.iter().enumerate() {
        branches[at].threshold = m;
        if k + 1 < members.len() {
            let next = branches.len();
            branches.push(original.clone());
            branches[at].no = Place::Branch(next);
            at = next;
        }
    }
}
