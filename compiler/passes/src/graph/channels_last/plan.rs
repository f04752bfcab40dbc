//! Which values are stored channels last.
//!
//! Values that nodes pass on to each other without mixing channels with anything else form a *component*: one layout
//! suits them all. A component is stored channels last if that makes its convolutions cheaper: those whose channels fill
//! vectors on both sides want it, and those from a few channels whose kernels are large enough for the transformed
//! domain or whose rows don't fill vectors; convolutions to a few channels are better off row-major, where vectors are
//! pixels.
//!
//! Integers of 8 bits are stored so whatever the channels, if there are two.
//!
//! A value of fewer than [`CHANNELS`] channels stays row-major: a first convolution reads the image as it came, a last
//! one writes the image as it is wanted. A Transpose takes either layout on both sides; where a component may be stored as
//! well in one as in the other, it says which.

use super::roles::{Role, role};
use crate::assemble::cut::captured;
use crate::from_kernel::Machine;
use crate::kernel::winograd;
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::graph::{Graph, Layout, NodeId, Region, ValueId};
use onnxc_ops::Registry;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer channels than this don't fill a vector: such tensors stay row-major.
const CHANNELS: i64 = 8;
/// So many channels are good work for vectors of channels.
const WIDE: i64 = 16;
/// Vectors of pixels do as well as vectors of channels if they are so full, in comparison.
const ENOUGH: f64 = 0.75;

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
pub(super) fn plan(graph: &Graph, registry: &Registry, machine: Machine, region: &Region) -> Result<Plan, Diagnostic> {
    let convolves = |n: &NodeId| matches!(&*graph.nodes[*n].op.name, "Conv" | "ConvTranspose" | "IntegerConv");
    if !region.nodes.iter().any(convolves) {
        return Ok(Plan::default());
    }
    let mut roles = BTreeMap::new();
    for &n in &region.nodes {
        roles.insert(n, role(graph, registry, n)?);
    }
    let mut components = Components::new(eligible(graph, region, &roles));
    let work = |n: NodeId| if roles[&n] == Role::Convolves { conv_cost(graph, machine, n) } else { (0.0, 0.0) };
    for &n in region.nodes.iter().filter(|n| matches!(roles[n], Role::Convolves | Role::Follows | Role::Reshapes)) {
        let node = &graph.nodes[n];
        let set = components.join(node.outputs.iter().chain(node.inputs.iter().flatten()), work(n));
        components.convolved.extend(set.filter(|_| roles[&n] == Role::Convolves));
    }
    for &n in region.nodes.iter().filter(|n| roles[n] == Role::Transposes) {
        let node = &graph.nodes[n];
        let [input, output] = transpose_costs(graph, n);
        components.join(node.inputs.iter().flatten(), input);
        components.join(node.outputs.iter(), output);
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
            Role::Convolves | Role::Follows | Role::Transposes => true,
            // The same memory: only together with its input.
            Role::Reshapes => node.inputs[0].is_some_and(|x| found.contains(&x)),
            Role::RowMajor => false,
        };
        let fits = |v: &ValueId| !inner.contains(v) && worth_it(graph, *v);
        found.extend(node.outputs.iter().copied().filter(|v| may && fits(v)));
    }
    found
}

/// True for tensors of many channels and of more than one pixel.
fn worth_it(graph: &Graph, v: ValueId) -> bool {
    let Some(t) = graph.tensor_type(v).filter(|t| t.rank() >= 3) else { return false };
    t.shape[1].as_int().is_some_and(|c| c >= if is_byte(t.dtype) { 2 } else { CHANNELS })
        && !Layout::channels_last(t.rank()).is_row_major(&t.shape)
}

/// Integers of 8 bits: instructions that sum their products want the taps and channels of a window in a row.
fn is_byte(d: DType) -> bool {
    d.is_int() && d.bits() == 8
}

/// What a convolution costs with its tensors channels last, and row-major: multiplications, weighted.
fn conv_cost(graph: &Graph, machine: Machine, n: NodeId) -> (f64, f64) {
    let node = &graph.nodes[n];
    let shape = |v: Option<ValueId>| v.and_then(|v| graph.tensor_type(v)).map(|t| t.shape.clone());
    let weights = node.inputs.get(1).copied().flatten();
    let (Some(x), Some(w), Some(y)) = (shape(node.inputs[0]), shape(weights), shape(node.outputs.first().copied()))
    else {
        return (0.0, 0.0);
    };
    let ranges = graph.ranges();
    let count = |s: &Sym| ranges.estimate(s) as f64;
    // Each weight meets each pixel: of the output for a convolution, of the input for a transposed one.
    let pixels: &[Sym] = if node.op.name != "ConvTranspose" { &y[2..] } else { &x[2..] };
    let all: f64 = pixels.iter().chain(&w).map(count).product();
    let wide = |channels: &Sym| count(channels) >= WIDE as f64;
    let bytes = node.inputs[0].and_then(|v| graph.tensor_type(v)).is_some_and(|t| is_byte(t.dtype));
    // Rows so narrow that vectors of pixels would be half empty.
    let lanes = f64::from((machine.vector_bits / 32).max(1));
    let filled = |n: f64| n / ((n / lanes).ceil() * lanes);
    let narrow = y.last().is_some_and(|w| filled(count(w)) < ENOUGH * filled(count(&y[1])));
    let (last, row_major) = match (wide(&x[1]), wide(&y[1])) {
        _ if bytes => (1.0, 2.0),
        (true, true) => (1.0, 2.0),
        (false, true) if nests(graph, machine, n, &w, &y) => (0.4, 1.0),
        (false, true) if narrow => (1.0, 2.0),
        (false, true) => (1.0, 1.0),
        (true, false) => (1.15, 1.0),
        (false, false) => (2.0, 1.0),
    };
    (all * last, all * row_major)
}

/// What a Transpose costs with its input, and with its output, channels last and row-major: nothing where one memory's
/// innermost axis is the other's, if that one is row-major.
fn transpose_costs(graph: &Graph, n: NodeId) -> [(f64, f64); 2] {
    let node = &graph.nodes[n];
    let Some(t) = node.outputs.first().and_then(|v| graph.tensor_type(*v)) else { return [(0.0, 0.0); 2] };
    let rank = t.rank();
    let order = match node.attrs.ints("perm") {
        Some(p) => p.iter().map(|&a| a as usize).collect(),
        None => (0..rank).rev().collect::<Vec<_>>(),
    };
    let elements = graph.ranges().estimate(&t.count()) as f64;
    let cost = |partner: Option<usize>| match partner {
        Some(1) => (0.0, elements),
        Some(a) if a + 1 == rank => (elements, 0.0),
        _ => (0.0, 0.0),
    };
    [cost(order.last().copied()), cost(order.iter().position(|a| a + 1 == rank))]
}

/// True if a convolution of an image is computed in the transformed domain.
fn nests(graph: &Graph, machine: Machine, n: NodeId, weights: &[Sym], output: &[Sym]) -> bool {
    let node = &graph.nodes[n];
    let ones = |a: &str| node.attrs.ints(a).is_none_or(|v| v.iter().all(|v| *v == 1));
    let conv = node.op.name == "Conv" && node.attrs.int("group").unwrap_or(1) == 1;
    let known: Vec<i64> = weights.iter().filter_map(Sym::as_int).collect();
    let (&[oc, ic, r, s], [_, _, h, w]) = (&known[..], output) else { return false };
    conv && ones("strides")
        && ones("dilations")
        && winograd::nests(machine, [r, s], [ic, oc], [h, w].map(|e| graph.ranges().estimate(e)))
}

/// Disjoint sets of values, each with the costs of the nodes around them.
struct Components {
    /// The set of each value.
    of: BTreeMap<ValueId, usize>,
    /// The set that each set was joined to, itself for a root.
    parent: Vec<usize>,
    work: Vec<(f64, f64)>,
    /// Those with convolutions: others stay as they are.
    convolved: BTreeSet<usize>,
}

impl Components {
    fn new(values: BTreeSet<ValueId>) -> Self {
        let n = values.len();
        let of = values.into_iter().enumerate().map(|(i, v)| (v, i)).collect();
        Self { of, parent: (0..n).collect(), work: vec![(0.0, 0.0); n], convolved: BTreeSet::new() }
    }

    fn root(&self, mut set: usize) -> usize {
        while self.parent[set] != set {
            set = self.parent[set];
        }
        set
    }

    /// Joins those values that are eligible, and adds work to their set, which is returned.
    fn join<'v>(&mut self, values: impl Iterator<Item = &'v ValueId>, work: (f64, f64)) -> Option<usize> {
        let roots: Vec<usize> = values.filter_map(|v| self.of.get(v)).map(|&s| self.root(s)).collect();
        let to = *roots.first()?;
        for from in roots {
            let from = self.root(from);
            if from != to {
                let (last, row_major) = std::mem::take(&mut self.work[from]);
                self.work[to] = (self.work[to].0 + last, self.work[to].1 + row_major);
                self.parent[from] = to;
            }
        }
        self.work[to] = (self.work[to].0 + work.0, self.work[to].1 + work.1);
        Some(to)
    }

    fn paying(&self) -> BTreeSet<ValueId> {
        let convolved: BTreeSet<usize> = self.convolved.iter().map(|s| self.root(*s)).collect();
        let pays = |s: usize| convolved.contains(&s) && self.work[s].0 < self.work[s].1;
        self.of.iter().filter(|(_, s)| pays(self.root(**s))).map(|(v, _)| *v).collect()
    }
}
