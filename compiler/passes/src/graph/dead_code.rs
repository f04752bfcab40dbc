//! dead-code: nodes whose outputs nobody uses leave their region, in regions inside too.
//!
//! Nothing has side effects in graph IR, so an unused result is no result.

use crate::manager::{GraphCx, GraphPass};
use onnxc_base::Diagnostics;
use onnxc_ir::graph::{Graph, Region, ValueId};
use std::collections::BTreeSet;

/// The pass.
pub const PASS: GraphPass = GraphPass { name: "dead-code", about: "remove nodes whose results nobody uses", level: 0, run };

fn run(graph: &mut Graph, _: &mut GraphCx<'_>) -> Result<(), Diagnostics> {
    let mut body = std::mem::take(&mut graph.body);
    let mut wanted = BTreeSet::new();
    // An extent that a symbol reads from a value keeps that value alive.
    sweep(graph, &mut body, &mut wanted);
    graph.body = body;
    Ok(())
}

/// Removes what isn't wanted, last node first; adds what the region wants from around it.
fn sweep(graph: &mut Graph, region: &mut Region, wanted: &mut BTreeSet<ValueId>) {
    wanted.extend(region.results.iter().copied());
    let mut kept = Vec::new();
    for &n in region.nodes.iter().rev() {
        if !graph.nodes[n].outputs.iter().any(|o| wanted.contains(o)) {
            continue;
        }
        let mut regions = std::mem::take(&mut graph.nodes[n].regions);
        for r in &mut regions {
            sweep(graph, r, wanted);
        }
        graph.nodes[n].regions = regions;
        wanted.extend(graph.nodes[n].inputs.iter().flatten().copied());
        kept.push(n);
    }
    kept.reverse();
    region.nodes = kept;
}
