//! Decision trees as data, and their tables.
//!
//! Holds for the tables: nodes are numbered as a walk from each root meets them; every child and leaf is there; no walk
//! goes in a circle.
//!
//! Does NOT read attributes (see `classic`, `flat`).

use super::super::inner;
use crate::prelude::*;
use onnxc_ir::graph::ValueId;

/// How a feature is compared with a node's threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    Le,
    Lt,
    Ge,
    Gt,
    Eq,
    Ne,
}

impl Mode {
    /// Every mode, by its number in tables.
    pub(super) const ALL: [Mode; 6] = [Mode::Le, Mode::Lt, Mode::Ge, Mode::Gt, Mode::Eq, Mode::Ne];

    /// The comparison.
    pub(super) fn compare(self) -> CmpOp {
        match self {
            Mode::Le => CmpOp::Le,
            Mode::Lt => CmpOp::Lt,
            Mode::Ge => CmpOp::Ge,
            Mode::Gt => CmpOp::Gt,
            Mode::Eq => CmpOp::Eq,
            Mode::Ne => CmpOp::Ne,
        }
    }
}

/// Where a walk goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// At a node.
    Branch(usize),
    /// At a leaf: its end.
    Leaf(usize),
}

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    pub(super) feature: i64,
    pub(super) mode: Mode,
    pub(super) threshold: f64,
    /// Does a NaN go where the comparison holds?
    pub(super) missing: bool,
    pub(super) yes: Place,
    pub(super) no: Place,
}

/// Trees.
#[derive(Clone, Debug, Default)]
pub(super) struct Forest {
    pub(super) branches: Vec<Branch>,
    /// What each leaf adds: targets and weights.
    pub(super) leaves: Vec<Vec<(i64, f64)>>,
    pub(super) roots: Vec<Place>,
}

/// How the trees' weights become one number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sums<'a> {
    /// SUM, AVERAGE, MIN, MAX.
    pub(super) aggregate: &'a str,
    /// How many numbers there are for each row.
    pub(super) targets: usize,
    /// The tables' floats.
    pub(super) dtype: DType,
}

impl Forest {
    /// True if every row gets a weight for the target, whichever way it takes: one tree is enough.
    pub(super) fn always_hits(&self, target: i64) -> bool {
        let mut without = vec![false; self.branches.len()];
        // Children may come before their parents: nodes that lead to a leaf without a weight are found in rounds.
        let misses = |p: Place, without: &[bool]| match p {
            Place::Leaf(l) => !self.leaves[l].iter().any(|(t, _)| *t == target),
            Place::Branch(b) => without[b],
        };
        loop {
            let mut more = false;
            for (i, b) in self.branches.iter().enumerate() {
                if !without[i] && (misses(b.yes, &without) || misses(b.no, &without)) {
                    (without[i], more) = (true, true);
                }
            }
            if !more {
                return self.roots.iter().any(|r| !misses(*r, &without));
            }
        }
    }

    /// The branches in the order in which walks meet them, as old numbers; `None` if a walk goes in a circle.
    fn order(&self) -> Option<Vec<usize>> {
        let mut order = Vec::new();
        // 0: not seen, 1: on the way, 2: done.
        let mut state = vec![0u8; self.branches.len()];
        for root in &self.roots {
            let mut stack = vec![(*root, false)];
            while let Some((place, leaving)) = stack.pop() {
                let Place::Branch(b) = place else { continue };
                match (leaving, state[b]) {
                    (true, _) => state[b] = 2,
                    (_, 1) => return None,
                    (_, 2) => {}
                    _ => {
                        state[b] = 1;
                        order.push(b);
                        stack.extend([(place, true), (self.branches[b].yes, false), (self.branches[b].no, false)]);
                    }
                }
            }
        }
        Some(order)
    }

    /// Emits what walks down the trees for the rows of `x`: sums [rows, targets], and where any weight was added.
    pub(super) fn emit(&self, n: &mut NodeReader, x: ValueId, sums: Sums, base: &[f64]) -> Result<[ValueId; 2]> {
        let circle = || n.error("E2011", "the trees' nodes go in a circle").help("check the exporter");
        let order = self.order().ok_or_else(circle)?;
        let bad = order.iter().find(|b| self.branches[**b].feature < 0);
        if let Some(b) = bad {
            return Err(n.error("E2011", format!("a node asks for feature {}", self.branches[*b].feature)));
        }
        let out = |(t, _): &&(i64, f64)| !(0..sums.targets as i64).contains(t);
        if let Some((t, _)) = self.leaves.iter().flatten().find(out) {
            return Err(n
                .error("E2011", format!("a leaf has a weight for number {t}"))
                .expected(format!("numbers below {}", sums.targets)));
        }
        let inputs = self.tables(n, x, &order, sums, base);
        let mut modes = order.iter().map(|b| self.branches[*b].mode);
        let first = modes.next().unwrap_or(Mode::Le);
        let uniform = modes.all(|m| m == first);
        let features = order.iter().map(|b| self.branches[*b].feature + 1).max().unwrap_or(0);
        let attrs = [
            ("aggregate", Attr::Str(sums.aggregate.into())),
            ("mode", Attr::Int(if uniform { first as i64 } else { -1 })),
            ("features", Attr::Int(features)),
        ];
        let out = n.emit(inner("TreeEnsemble"), &attrs, &inputs, 2)?;
        Ok([out[0], out[1]])
    }

    fn tables(
        &self,
        n: &mut NodeReader,
        x: ValueId,
        order: &[usize],
        sums: Sums,
        base: &[f64],
    ) -> Vec<Option<ValueId>> {
        let mut number = vec![0i32; self.branches.len()];
        order.iter().enumerate().for_each(|(new, &old)| number[old] = new as i32);
        let code = |p: Place| match p {
            Place::Branch(b) => number[b],
            Place::Leaf(l) => -1 - l as i32,
        };
        let branches: Vec<&Branch> = order.iter().map(|b| &self.branches[*b]).collect();
        let mut ends = vec![0i32];
        let mut weights = Vec::new();
        for leaf in &self.leaves {
            weights.extend_from_slice(leaf);
            ends.push(weights.len() as i32);
        }
        let mut list = |hint: &str, v: Vec<i32>| Some(n.constant(hint, Tensor::from_slice(&[v.len()], &v)));
        let mut inputs = vec![
            Some(x),
            list("roots", self.roots.iter().map(|r| code(*r)).collect()),
            list("features", branches.iter().map(|b| b.feature as i32).collect()),
            list("next", branches.iter().flat_map(|b| [code(b.no), code(b.yes)]).collect()),
            list("ends", ends),
            list("targets", weights.iter().map(|(t, _)| *t as i32).collect()),
        ];
        let mixed = branches.windows(2).any(|w| w[0].mode != w[1].mode);
        let modes = mixed.then(|| list("modes", branches.iter().map(|b| b.mode as i32).collect()));
        let missing = branches.iter().any(|b| b.missing);
        let missing = missing.then(|| list("missing", branches.iter().map(|b| i32::from(b.missing)).collect()));
        let mut floats = |hint: &str, v: Vec<f64>| {
            let bytes = v.iter().flat_map(|&v| match sums.dtype {
                DType::F64 => v.to_le_bytes().to_vec(),
                _ => (v as f32).to_le_bytes().to_vec(),
            });
            let (bytes, shape) = (bytes.collect::<Vec<u8>>(), vec![v.len()]);
            let dtype = if sums.dtype == DType::F64 { DType::F64 } else { DType::F32 };
            let t = Tensor::from_bytes(dtype, shape, bytes.into()).expect("as many bytes as the shape says");
            Some(n.constant(hint, t))
        };
        inputs.push(floats("thresholds", branches.iter().map(|b| b.threshold).collect()));
        inputs.push(floats("weights", weights.iter().map(|(_, w)| *w).collect()));
        inputs.push(floats("base", (0..sums.targets).map(|t| base.get(t).copied().unwrap_or(0.0)).collect()));
        inputs.push(modes.flatten());
        inputs.push(missing.flatten());
        inputs
    }
}
