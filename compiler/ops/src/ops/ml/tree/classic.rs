//! TreeEnsembleClassifier and TreeEnsembleRegressor: nodes and leaves in one list, named by tree and number.
//!
//! Since 1; 3: the floats may be tensors of f64; 5: deprecated, read all the same.
//! A class is chosen by the scores before they are transformed. Of two classes whose weights all belong to one, the score
//! is a threshold's matter: above 0.5 if no weight is negative, else above 0, as in ONNX Runtime.
//!
//! Does NOT walk down trees (see `routine`).

use super::super::post::{self, Second};
use super::super::{DOMAIN, emit, input, labels, must_have};
use super::forest::{Branch, Forest, Mode, Place, Sums};
use crate::prelude::*;
use onnxc_ir::graph::ValueId;
use std::collections::HashMap;

/// TreeEnsembleClassifier.
pub static CLASSIFIER: OpDef =
    OpDef::composed(DOMAIN, "TreeEnsembleClassifier", &[(1, import_classifier), (3, import_classifier)]);

/// TreeEnsembleRegressor.
pub static REGRESSOR: OpDef =
    OpDef::composed(DOMAIN, "TreeEnsembleRegressor", &[(1, import_regressor), (3, import_regressor)]);

/// The floats of an attribute, or of the tensor that may stand for it; true if they are f64.
fn floats(n: &mut NodeReader, name: &str) -> Result<(Vec<f64>, bool)> {
    let plain = n.opt_floats(name)?.unwrap_or_default();
    match n.opt_tensor(&format!("{name}_as_tensor"))? {
        Some(t) if !t.is_empty() => {
            let found = || n.error("E2010", format!("'{name}_as_tensor' is of dtype {}", t.dtype())).expected("floats");
            Ok((t.to_f64().ok_or_else(found)?, t.dtype() == DType::F64))
        }
        _ => Ok((plain.into_iter().map(f64::from).collect(), false)),
    }
}

/// The lists of nodes, as the file has them.
struct Nodes {
    trees: Vec<i64>,
    numbers: Vec<i64>,
    modes: Vec<String>,
    by_name: HashMap<(i64, i64), usize>,
}

/// What is left of a model: the trees, and whether their floats are f64.
struct Trees {
    forest: Forest,
    double: bool,
    base: Vec<f64>,
}

/// Reads the trees; `leaf` is the word that the attributes of weights start with.
fn trees(n: &mut NodeReader, leaf: &str) -> Result<Trees> {
    n.ignore(&["nodes_hitrates", "nodes_hitrates_as_tensor"]);
    let (trees, numbers) = (n.need_ints("nodes_treeids")?, n.need_ints("nodes_nodeids")?);
    let modes = n.opt_strs("nodes_modes")?.unwrap_or_default();
    let (features, missing) = (n.need_ints("nodes_featureids")?, n.opt_ints("nodes_missing_value_tracks_true")?);
    let (yes, no) = (n.need_ints("nodes_truenodeids")?, n.need_ints("nodes_falsenodeids")?);
    let (values, double) = floats(n, "nodes_values")?;
    let lists = [("nodeids", numbers.len()), ("modes", modes.len()), ("featureids", features.len())];
    let more = [("truenodeids", yes.len()), ("falsenodeids", no.len()), ("values", values.len())];
    for (name, length) in lists.into_iter().chain(more) {
        must_have(n, &format!("nodes_{name}"), length, trees.len())?;
    }
    let by_name = trees.iter().zip(&numbers).enumerate().map(|(i, (t, k))| ((*t, *k), i)).collect();
    let nodes = Nodes { trees, numbers, modes, by_name };
    let mut forest = Forest::default();
    let (weights, double_weights) = leaves(n, leaf, &nodes)?;
    // Every entry of the list is a branch or a leaf, at the same number: the order of walks leaves the others out.
    forest.leaves = weights;
    for i in 0..nodes.trees.len() {
        let mode = mode(n, &nodes.modes[i])?;
        let child = |to: i64| match (mode, nodes.by_name.get(&(nodes.trees[i], to))) {
            (None, _) => Ok(Place::Leaf(i)),
            (_, Some(&at)) if nodes.modes[at] == "LEAF" => Ok(Place::Leaf(at)),
            (_, Some(&at)) => Ok(Place::Branch(at)),
            _ => Err(n.error("E2011", format!("tree {} has no node {to}", nodes.trees[i]))),
        };
        let (yes, no) = (child(yes[i])?, child(no[i])?);
        let missing = missing.as_ref().and_then(|m| m.get(i)).is_some_and(|m| *m != 0);
        let (feature, threshold) = (features[i], values[i]);
        forest.branches.push(Branch { feature, mode: mode.unwrap_or(Mode::Le), threshold, missing, yes, no });
    }
    forest.roots = roots(&nodes);
    let (base, double_base) = floats(n, "base_values")?;
    Ok(Trees { forest, double: double || double_weights || double_base, base })
}

/// The first node of each tree.
fn roots(nodes: &Nodes) -> Vec<Place> {
    let mut seen = std::collections::HashSet::new();
    let first = nodes.trees.iter().enumerate().filter(|(_, t)| seen.insert(**t));
    first.map(|(i, _)| if nodes.modes[i] == "LEAF" { Place::Leaf(i) } else { Place::Branch(i) }).collect()
}

/// The weights of each node.
fn leaves(n: &mut NodeReader, word: &str, nodes: &Nodes) -> Result<(Vec<Vec<(i64, f64)>>, bool)> {
    let (trees, numbers) = (n.need_ints(&format!("{word}_treeids"))?, n.need_ints(&format!("{word}_nodeids"))?);
    let ids = n.need_ints(&format!("{word}_ids"))?;
    let (weights, double) = floats(n, &format!("{word}_weights"))?;
    for (name, length) in [("nodeids", numbers.len()), ("ids", ids.len()), ("weights", weights.len())] {
        must_have(n, &format!("{word}_{name}"), length, trees.len())?;
    }
    let mut leaves = vec![Vec::new(); nodes.numbers.len()];
    for (i, key) in trees.iter().zip(&numbers).enumerate() {
        let at = nodes.by_name.get(&(*key.0, *key.1));
        let at = at.ok_or_else(|| n.error("E2011", format!("tree {} has no node {}", key.0, key.1)))?;
        leaves[*at].push((ids[i], weights[i]));
    }
    Ok((leaves, double))
}

/// `None` for a leaf.
fn mode(n: &NodeReader, word: &str) -> Result<Option<Mode>> {
    Ok(Some(match word {
        "BRANCH_LEQ" => Mode::Le,
        "BRANCH_LT" => Mode::Lt,
        "BRANCH_GTE" => Mode::Ge,
        "BRANCH_GT" => Mode::Gt,
        "BRANCH_EQ" => Mode::Eq,
        "BRANCH_NEQ" => Mode::Ne,
        "LEAF" => return Ok(None),
        _ => return Err(n.error("E2011", format!("a node's mode is '{word}'")).expected("LEAF or BRANCH_...")),
    }))
}

impl Trees {
    fn sums<'a>(&self, aggregate: &'a str, targets: usize) -> Sums<'a> {
        Sums { aggregate, targets, dtype: if self.double { DType::F64 } else { DType::F32 } }
    }
}

fn import_regressor(n: &mut NodeReader) -> Result<Attrs> {
    let aggregate = n.choice("aggregate_function", &["SUM", "AVERAGE", "MIN", "MAX"])?;
    let word = n.choice("post_transform", &post::WORDS)?;
    let targets = n.need_int("n_targets")?;
    let targets = usize::try_from(targets).ok().filter(|t| (1..=1 << 20).contains(t));
    let targets = targets.ok_or_else(|| n.error("E2011", "attribute 'n_targets' isn't a sensible number"))?;
    let (x, trees) = (input(n, 0)?, trees(n, "target")?);
    if !trees.base.is_empty() {
        must_have(n, "base_values", trees.base.len(), targets)?;
    }
    let [sums, _] = trees.forest.emit(n, x, trees.sums(&aggregate, targets), &trees.base)?;
    let y = post::transform(n, sums, targets, &word, Second::None)?;
    n.become_values(vec![y])
}

fn import_classifier(n: &mut NodeReader) -> Result<Attrs> {
    let word = n.choice("post_transform", &post::WORDS)?;
    let labels = labels::read(n, "classlabels_int64s", "classlabels_strings")?;
    let (x, trees) = (input(n, 0)?, trees(n, "class")?);
    let mut ids: Vec<i64> = trees.forest.leaves.iter().flatten().map(|(t, _)| *t).collect();
    ids.sort_unstable();
    ids.dedup();
    if trees.base.len() > labels.len() {
        must_have(n, "base_values", trees.base.len(), labels.len())?;
    }
    match (labels.len(), &ids[..]) {
        (1, _) => one_class(n, x, &trees, &labels, &word),
        (2, [id]) => two_classes(n, x, &trees, *id, labels, &word),
        _ => classes(n, x, &trees, labels, &word),
    }
}

/// One class: is its score above 0?
fn one_class(n: &mut NodeReader, x: ValueId, trees: &Trees, labels: &Tensor, word: &str) -> Result<Attrs> {
    let [scores, _] = trees.forest.emit(n, x, trees.sums("SUM", 1), &trees.base)?;
    let class = labels::above(n, scores, 0.0)?;
    let y = labels::look_up(n, labels::zero_and_one(labels), class)?;
    let z = post::transform(n, scores, 1, word, Second::None)?;
    n.become_values(vec![y, z])
}

/// Two classes, of which one has all weights.
fn two_classes(n: &mut NodeReader, x: ValueId, trees: &Trees, id: i64, labels: Tensor, word: &str) -> Result<Attrs> {
    let positive = trees.forest.leaves.iter().flatten().all(|(_, w)| *w >= 0.0);
    let columns = if id == 0 && trees.base.len() < 2 { 1 } else { 2 };
    let base: &[f64] = if id == 1 && trees.base.len() == 1 { &[] } else { &trees.base };
    let [scores, _] = trees.forest.emit(n, x, trees.sums("SUM", columns), base)?;
    let own = if columns == 1 {
        scores
    } else {
        let column = n.constant("column", Tensor::scalar(id));
        emit(n, "Gather", &[("axis", Attr::Int(1))], &[scores, column])?
    };
    let class = labels::above(n, own, if positive { 0.5 } else { 0.0 })?;
    let y = labels::look_up(n, labels, class)?;
    let second = if positive { Second::Complement } else { Second::Negative };
    let z = post::transform(n, scores, columns, word, second)?;
    n.become_values(vec![y, z])
}

/// The class of the greatest score, of those that have got any weight.
fn classes(n: &mut NodeReader, x: ValueId, trees: &Trees, labels: Tensor, word: &str) -> Result<Attrs> {
    let count = labels.len();
    let [scores, hits] = trees.forest.emit(n, x, trees.sums("SUM", count), &trees.base)?;
    let all = !trees.base.is_empty() || (0..count as i64).all(|t| trees.forest.always_hits(t));
    let candidates = if all {
        scores
    } else {
        let none = n.constant("none", Tensor::scalar(f32::NEG_INFINITY));
        let none = emit(n, "CastLike", &[], &[none, scores])?;
        emit(n, "Where", &[], &[hits, scores, none])?
    };
    let class = labels::greatest(n, candidates)?;
    let y = labels::look_up(n, labels, class)?;
    let z = post::transform(n, scores, count, word, Second::None)?;
    n.become_values(vec![y, z])
}
