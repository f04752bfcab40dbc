//! Which values are stored channels last.
//!
//! Values that nodes pass on to each other without mixing channels with anything else form a *component*: one layout
//! suits them all. A component is stored channels last if most of the multiplications of its convolutions are in those
//! whose channels fill vectors on both sides, or whose rows don't. So networks from a few channels to a few channels over large images
//! (super-resolution, 3 -> 64 -> 32 -> 3) stay row-major, where vectors of pixels serve them better.
//!
//! A value of fewer than [`CHANNELS`] channels stays row-major: a first convolution reads the image as it came, a last
//! one writes the image as it is wanted.

use super::roles::{Role, role};
use crate::assemble::cut::captured;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::graph::{Graph, Layout, NodeId, Region, ValueId};
use onnxc_ops::Registry;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer channels than this don't fill a vector: such tensors stay row-major.
const CHANNELS: i64 = 8;
/// A convolution from and to at least so many channels is good work for vectors of channels.
const WIDE: i64 = 16;
/// Lanes of the vectors that count here: fewer are filled more easily.
const LANES: f64 = 8.0;
/// Vectors of pixels do as well as vectors of channels if they are so full, in comparison.
const ENOUGH: f64 = 0.75;
/// What an extent that isn't known counts as, for comparing the work of convolutions.
const TYPICAL: i64 = 64;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Plan {
    /// Values to store channels last.
    pub last: BTreeSet<ValueId>,
    /// Nodes that need row-major inputs.
    pub row_major: BTreeSet<NodeId>,
}

/// Plans the layouts of a region.
///
/// # Errors
/// A node that can't be lowered.
pub(super) fn plan(graph: &Graph, registry: &Registry, region: &Region) -> Result<Plan, Diagnostic> {
    let convolves = |n: &NodeId| matches!(&*graph.nodes[*n].op.name, "Conv" | "ConvTranspose");
    if !region.nodes.iter().any(convolves) {
        return Ok(Plan::default());
    }
    let mut roles = BTreeMap::new();
    for &n in &region.nodes {
        roles.insert(n, role(graph, registry, n)?);
    }
    let mut components = Components::new(eligible(graph, region, &roles));
    let work = |n: NodeId| if roles[&n] == Role::Convolves { conv_work(graph, n) } else { (0.0, 0.0) };
    for &n in region.nodes.iter().filter(|n| matches!(roles[n], Role::Convolves | Role::Follows | Role::Reshapes)) {
        let node = &graph.nodes[n];
        components.join(node.outputs.iter().chain(node.inputs.iter().flatten()), work(n));
    }
    let last = components.paying();
    let needs = |n: &NodeId| match roles[n] {
        Role::RowMajor => true,
        Role::Reshapes => graph.nodes[*n].outputs.iter().any(|y| !last.contains(y)),
        _ => false,
    };
    let row_major = region.nodes.iter().copied().filter(needs).collect();
    Ok(Plan { last, row_major })
}

/// Values that could be stored channels last.
fn eligible(graph: &Graph, region: &Region, roles: &BTreeMap<NodeId, Role>) -> BTreeSet<ValueId> {
    let mut inner = BTreeSet::new();
    for &n in &region.nodes {
        for r in &graph.nodes[n].regions {
            captured(graph, r, &mut |v| {
                inner.insert(v);
            });
        }
    }
    let mut found: BTreeSet<ValueId> = BTreeSet::new();
    for &n in &region.nodes {
        let node = &graph.nodes[n];
        let may = match roles[&n] {
            Role::Convolves | Role::Follows => true,
            // The same memory: only together with its input.
            Role::Reshapes => node.inputs[0].is_some_and(|x| found.contains(&x)),
            Role::Reads | Role::RowMajor => false,
        };
        let fits = |v: &ValueId| !inner.contains(v) && worth_it(graph, *v);
        found.extend(node.outputs.iter().copied().filter(|v| may && fits(v)));
    }
    found
}

/// True for tensors of many channels and of more than one pixel.
fn worth_it(graph: &Graph, v: ValueId) -> bool {
    let Some(t) = graph.tensor_type(v).filter(|t| t.rank() >= 3) else { return false };
    t.shape[1].as_int().is_some_and(|c| c >= CHANNELS) && !Layout::channels_last(t.rank()).is_row_major(&t.shape)
}

/// Multiplications of a convolution: those that suit vectors of channels, and others.
fn conv_work(graph: &Graph, n: NodeId) -> (f64, f64) {
    let node = &graph.nodes[n];
    let shape = |v: Option<ValueId>| v.and_then(|v| graph.tensor_type(v)).map(|t| t.shape.clone());
    let weights = node.inputs.get(1).copied().flatten();
    let (Some(x), Some(w), Some(y)) = (shape(node.inputs[0]), shape(weights), shape(node.outputs.first().copied()))
    else {
        return (0.0, 0.0);
    };
    let count = |s: &Sym| s.eval(&|_| Some(TYPICAL)).map_or(1.0, |n| n as f64);
    // Each weight meets each pixel: of the output for a convolution, of the input for a transposed one.
    let pixels: &[Sym] = if node.op.name == "Conv" { &y[2..] } else { &x[2..] };
    let all = pixels.iter().chain(&w).map(count).product();
    let wide = |channels: &Sym| count(channels) >= WIDE as f64;
    // Rows so narrow that vectors of pixels would be half empty.
    let filled = |n: f64| n / ((n / LANES).ceil() * LANES);
    let narrow = y.last().is_some_and(|w| filled(count(w)) < ENOUGH * filled(count(&y[1])));
    if wide(&y[1]) && (wide(&x[1]) || narrow) { (all, 0.0) } else { (0.0, all) }
}

/// Disjoint sets of values, each with the work of its convolutions.
struct Components {
    /// The set of each value.
    of: BTreeMap<ValueId, usize>,
    /// The set that each set was joined to, itself for a root.
    parent: Vec<usize>,
    work: Vec<(f64, f64)>,
}

impl Components {
    fn new(values: BTreeSet<ValueId>) -> Self {
        let n = values.len();
        let of = values.into_iter().enumerate().map(|(i, v)| (v, i)).collect();
        Self { of, parent: (0..n).collect(), work: vec![(0.0, 0.0); n] }
    }

    fn root(&self, mut set: usize) -> usize {
        while self.parent[set] != set {
            set = self.parent[set];
        }
        set
    }

    /// Joins those values that are eligible, and adds work to their set.
    fn join<'v>(&mut self, values: impl Iterator<Item = &'v ValueId>, work: (f64, f64)) {
        let roots: Vec<usize> = values.filter_map(|v| self.of.get(v)).map(|&s| self.root(s)).collect();
        let Some(&to) = roots.first() else { return };
        for from in roots {
            let from = self.root(from);
            if from != to {
                let (good, other) = std::mem::take(&mut self.work[from]);
                self.work[to] = (self.work[to].0 + good, self.work[to].1 + other);
                self.parent[from] = to;
            }
        }
        self.work[to] = (self.work[to].0 + work.0, self.work[to].1 + work.1);
    }

    fn paying(&self) -> BTreeSet<ValueId> {
        let pays = |s: usize| self.work[s].0 > self.work[s].1;
        self.of.iter().filter(|(_, s)| pays(self.root(**s))).map(|(v, _)| *v).collect()
    }
}
