//! cut: the nodes of a region to steps, each of which becomes one kernel, one routine or one construct of control flow.
//!
//! A kernel begins with any node that is a formula and grows by the pointwise nodes after it that use its values at
//! their own index, as long as one value is all that leaves it: bias, activation, residual sums and chains of
//! elementwise operators end up in the loop nest that produced their operand. Views in front of a pointwise kernel
//! join it if nothing else wants their result.
//!
//! What is pointwise is found by lowering the node alone and looking at its definitions, so an operator needs no
//! property for it. Does NOT fuse reductions with each other.

use super::kernels::lower_alone;
use onnxc_base::{Diagnostic, EntityRef, Sym};
use onnxc_ir::graph::{Graph, NodeId, Region, SymbolSource, ValueId};
use onnxc_ir::kernel::{Body, Def, Kernel, Src};
use onnxc_ops::{Lower, OpRef, Registry};
use std::collections::BTreeSet;

/// The most nodes of one kernel: beyond this, code grows without saving much traffic.
pub(super) const MAX_NODES: usize = 32;

/// One step of a region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nodes that become one kernel, in order; the last one's place is the step's.
    Kernel(Vec<NodeId>),
    /// Any other node.
    Node(NodeId),
}

/// How a node can take part in a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Every definition is a map; inputs of the output's shape are loaded at its index.
    Pointwise,
    /// A single map that only loads: data elsewhere.
    View,
    /// Any other formula.
    Formula,
    /// No formula.
    Other,
}

/// Cuts a region.
///
/// # Errors
/// A node whose operator is unknown or can't be lowered.
pub fn cut(graph: &Graph, registry: &Registry, region: &Region) -> Result<Vec<Step>, Diagnostic> {
    let mut kinds = Vec::with_capacity(region.nodes.len());
    for &n in &region.nodes {
        kinds.push(kind_of(graph, registry, n)?);
    }
    let cutter = Cutter { graph, region, kinds, uses: uses(graph, region) };
    Ok(cutter.run())
}

struct Cutter<'a> {
    graph: &'a Graph,
    region: &'a Region,
    kinds: Vec<Kind>,
    /// Positions of the nodes of this region that use a value; `usize::MAX` for any use elsewhere.
    uses: Vec<Vec<usize>>,
}

/// Where in a region each value is used.
pub(super) fn uses(graph: &Graph, region: &Region) -> Vec<Vec<usize>> {
    let mut uses = vec![Vec::new(); graph.values.len()];
    let inside: BTreeSet<NodeId> = region.nodes.iter().copied().collect();
    for (at, &n) in region.nodes.iter().enumerate() {
        graph.nodes[n].inputs.iter().flatten().for_each(|v| uses[v.index()].push(at));
        for r in &graph.nodes[n].regions {
            captured(graph, r, &mut |v| uses[v.index()].push(usize::MAX));
        }
    }
    region.results.iter().for_each(|v| uses[v.index()].push(usize::MAX));
    for info in graph.symbols.values() {
        read_for(graph, info.source).for_each(|v| uses[v.index()].push(usize::MAX));
    }
    debug_assert!(inside.len() == region.nodes.len(), "a node stands in a region once");
    uses
}

/// The values whose elements are read to find a symbol, so they must be in memory by then. What an operator computes extents
/// from, of its inputs, are lists and single numbers.
fn read_for(graph: &Graph, source: SymbolSource) -> impl Iterator<Item = ValueId> {
    let (element, node) = match source {
        SymbolSource::Element(v, _) => (Some(v), None),
        SymbolSource::Extent(n, _) => (None, Some(n)),
        _ => (None, None),
    };
    let inputs = node.into_iter().flat_map(|n| graph.nodes[n].inputs.iter().copied().flatten());
    element.into_iter().chain(inputs.filter(|v| graph.tensor_type(*v).is_some_and(|t| t.rank() <= 1)))
}

/// Every value that a region (or one inside it) mentions.
pub fn captured(graph: &Graph, region: &Region, f: &mut dyn FnMut(ValueId)) {
    for &n in &region.nodes {
        graph.nodes[n].inputs.iter().flatten().for_each(|&v| f(v));
        graph.nodes[n].regions.iter().for_each(|r| captured(graph, r, f));
    }
    region.results.iter().for_each(|&v| f(v));
}

impl Cutter<'_> {
    fn run(&self) -> Vec<Step> {
        let n = self.region.nodes.len();
        let mut step_of: Vec<Option<usize>> = vec![None; n];
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for at in 0..n {
            if step_of[at].is_some() {
                continue;
            }
            let group = match self.kinds[at] {
                Kind::Other => vec![at],
                _ => self.grow(at, &step_of),
            };
            group.iter().for_each(|&g| step_of[g] = Some(groups.len()));
            groups.push(group);
        }
        self.absorb_views(&mut groups);
        groups.sort_by_key(|g| g.last().copied());
        groups.into_iter().filter(|g| !g.is_empty()).map(|g| self.step(&g)).collect()
    }

    fn step(&self, group: &[usize]) -> Step {
        let nodes: Vec<NodeId> = group.iter().map(|&g| self.region.nodes[g]).collect();
        if self.kinds[group[0]] == Kind::Other { Step::Node(nodes[0]) } else { Step::Kernel(nodes) }
    }

    fn outputs(&self, at: usize) -> &[ValueId] {
        &self.graph.nodes[self.region.nodes[at]].outputs
    }

    fn inputs(&self, at: usize) -> impl Iterator<Item = ValueId> {
        self.graph.nodes[self.region.nodes[at]].inputs.iter().copied().flatten()
    }

    /// The largest group from `seed` on out of which one value leaves.
    fn grow(&self, seed: usize, taken: &[Option<usize>]) -> Vec<usize> {
        let mut group = vec![seed];
        let mut best = 1;
        let mut inside: BTreeSet<ValueId> = self.outputs(seed).iter().copied().collect();
        let mut tainted: BTreeSet<ValueId> = BTreeSet::new();
        let Some(shape) = self.shape(self.outputs(seed)[0]) else { return group };
        for at in seed + 1..self.region.nodes.len() {
            let touches = self.inputs(at).any(|v| inside.contains(&v));
            let late = self.inputs(at).any(|v| tainted.contains(&v)) || self.regions_touch(at, &inside, &tainted);
            if !touches && !late {
                continue;
            }
            let fits = touches
                && !late
                && taken[at].is_none()
                && self.kinds[at] == Kind::Pointwise
                && group.len() < MAX_NODES
                && self.shape(self.outputs(at)[0]) == Some(shape.clone())
                && self.inputs(at).filter(|v| inside.contains(v)).all(|v| self.shape(v) == Some(shape.clone()));
            if !fits {
                tainted.extend(self.outputs(at).iter().copied());
                continue;
            }
            group.push(at);
            inside.extend(self.outputs(at).iter().copied());
            if self.leaving(&group) == 1 {
                best = group.len();
            }
        }
        group.truncate(best);
        group
    }

    fn regions_touch(&self, at: usize, inside: &BTreeSet<ValueId>, tainted: &BTreeSet<ValueId>) -> bool {
        let mut touch = false;
        for r in &self.graph.nodes[self.region.nodes[at]].regions {
            captured(self.graph, r, &mut |v| touch |= inside.contains(&v) || tainted.contains(&v));
        }
        touch
    }

    /// Extents as they are in memory.
    fn shape(&self, v: ValueId) -> Option<Vec<Sym>> {
        self.graph.stored_shape(v)
    }

    /// How many values of a group are used outside of it.
    fn leaving(&self, group: &[usize]) -> usize {
        let outside = |v: &&ValueId| self.uses[v.index()].iter().any(|u| !group.contains(u));
        group.iter().flat_map(|&g| self.outputs(g)).filter(outside).count()
    }

    /// A view whose only user is in a pointwise group, and not at once a seed of more, joins that group.
    fn absorb_views(&self, groups: &mut [Vec<usize>]) {
        for i in (0..groups.len()).rev() {
            let [at] = groups[i][..] else { continue };
            if self.kinds[at] != Kind::View {
                continue;
            }
            let uses = &self.uses[self.outputs(at)[0].index()];
            let target = groups.iter().position(|g| {
                g.iter().all(|&x| self.kinds[x] == Kind::Pointwise)
                    && !uses.is_empty()
                    && uses.iter().all(|u| g.contains(u))
            });
            if let Some(t) = target.filter(|&t| t != i && groups[t].len() < MAX_NODES) {
                groups[i].clear();
                groups[t].insert(0, at);
            }
        }
    }
}

/// True if a node has nothing to do: its inputs are parts of its output, or its outputs parts of its input.
pub fn in_place(graph: &Graph, node: NodeId) -> bool {
    let n = &graph.nodes[node];
    let part = |v: &ValueId, of: ValueId| graph.layout(*v).and_then(|l| l.within()).is_some_and(|w| w.host == of);
    let joined = n.op.name == "Concat" && n.inputs.iter().flatten().all(|v| part(v, n.outputs[0]));
    let taken = n.inputs.first().copied().flatten().is_some_and(|x| n.outputs.iter().all(|v| part(v, x)));
    // A Concat of what lies one after the other in a larger one is a part of that, too.
    let host = n.outputs.first().and_then(|y| graph.layout(*y)?.within().map(|w| w.host));
    let run = n.op.name == "Concat" && host.is_some_and(|h| n.inputs.iter().flatten().all(|v| part(v, h)));
    joined || run || taken && !n.outputs.is_empty()
}

/// True if a node computes each element of its output from elements of its inputs at the same index.
///
/// # Errors
/// A node that can't be lowered.
pub fn is_pointwise(graph: &Graph, registry: &Registry, node: NodeId) -> Result<bool, Diagnostic> {
    Ok(kind_of(graph, registry, node)? == Kind::Pointwise)
}

/// True if a node only moves elements of one input.
///
/// # Errors
/// A node that can't be lowered.
pub(super) fn is_view(graph: &Graph, registry: &Registry, node: NodeId) -> Result<bool, Diagnostic> {
    Ok(kind_of(graph, registry, node)? == Kind::View)
}

fn kind_of(graph: &Graph, registry: &Registry, node: NodeId) -> Result<Kind, Diagnostic> {
    let op = registry.find(&graph.nodes[node].op);
    let formula = match &op {
        Some(OpRef::Builtin(d)) => matches!(d.lower, Lower::Compute(_) | Lower::View(_)),
        Some(OpRef::Custom(c)) => matches!(c.body(), onnxc_ops::custom::CustomBody::Compute(_)),
        None => false,
    };
    if !formula || in_place(graph, node) {
        return Ok(Kind::Other);
    }
    if graph.nodes[node].outputs.len() != 1 {
        return Ok(Kind::Formula);
    }
    let kernel = lower_alone(graph, registry, node)?;
    Ok(classify(&kernel))
}

fn classify(kernel: &Kernel) -> Kind {
    if !kernel.checks.is_empty() || kernel.defs.values().any(|d| matches!(d.body, Body::Reduce { .. })) {
        return Kind::Formula;
    }
    let Some(&out) = kernel.outputs.first() else { return Kind::Formula };
    let shape = kernel.defs[out].shape();
    let mut pointwise = false;
    let mut elsewhere = false;
    for (_, d) in kernel.defs.iter() {
        for s in crate::kernel::expr::def_loads(d) {
            match s.src {
                _ if s.pad.is_some() || s.index.iter().any(Option::is_none) => elsewhere = true,
                Src::Param(p) if kernel.params[p].shape == shape => {
                    let own = own_point(d, &s.index);
                    pointwise |= own;
                    elsewhere |= !own;
                }
                _ => {}
            }
        }
    }
    match (pointwise, elsewhere) {
        (true, false) => Kind::Pointwise,
        (false, _) if kernel.params.len() == 1 && kernel.defs.len() == 1 => Kind::View,
        // Nothing is loaded at the output's own index: operands are broadcast against each other.
        (false, false) => Kind::Pointwise,
        _ => Kind::Formula,
    }
}

/// True if an index is the definition's own point. Along an axis of extent 1 there is only one.
fn own_point(d: &Def, index: &[Option<Sym>]) -> bool {
    index.len() == d.axes.len()
        && d.axes
            .iter()
            .zip(index)
            .all(|(a, i)| a.extent.is_one() || i.as_ref().and_then(Sym::as_symbol) == Some(&a.var))
}
