//! Joining a kernel with the only user of what it makes: the walk that `chain` and `windows` share.
//!
//! The joined step stands where the user stood. Does NOT know which pairs are worth it.

use super::cut::{MAX_NODES, Step, uses};
use onnxc_base::{Diagnostic, EntityRef};
use onnxc_ir::graph::{Graph, NodeId, Region, ValueId};

/// Joins pairs of steps: `between` gives the value that passes from a kernel's nodes to a user, if it is of interest;
/// `fits` decides by the first kernel's nodes and by those of both.
///
/// # Errors
/// Those of `fits`.
pub(super) fn join(
    graph: &Graph,
    region: &Region,
    mut steps: Vec<Step>,
    between: impl Fn(&[NodeId]) -> Option<ValueId>,
    fits: impl Fn(&[NodeId], &[NodeId]) -> Result<bool, Diagnostic>,
) -> Result<Vec<Step>, Diagnostic> {
    let uses = uses(graph, region);
    for i in 0..steps.len() {
        let Step::Kernel(first) = &steps[i] else { continue };
        // Kernels that went into another one are empty.
        let Some(between) = Some(first).filter(|n| !n.is_empty()).and_then(|n| between(n)) else { continue };
        let [user] = uses[between.index()][..] else { continue };
        let Some(user) = region.nodes.get(user).copied() else { continue };
        let second = steps[i + 1..].iter().position(|s| matches!(s, Step::Kernel(n) if n.first() == Some(&user)));
        let Some((j, Step::Kernel(second))) = second.map(|j| (i + 1 + j, &steps[i + 1 + j])) else { continue };
        let nodes: Vec<NodeId> = first.iter().chain(second).copied().collect();
        if nodes.len() <= MAX_NODES && fits(first, &nodes)? {
            steps[j] = Step::Kernel(nodes);
            steps[i] = Step::Kernel(vec![]);
        }
    }
    steps.retain(|s| !matches!(s, Step::Kernel(n) if n.is_empty()));
    Ok(steps)
}
