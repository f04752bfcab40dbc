//! dead-code: nodes whose outputs nobody uses leave their region, in regions inside too.
//!
//! Nothing has side effects in graph IR, so an unused result is no result.

use crate::manager::GraphPass;
use onnxc_ir::graph::patch::remove_dead;

/// The pass.
pub const PASS: GraphPass = GraphPass {
    name: "dead-code",
    about: "remove nodes whose results nobody uses",
    level: 0,
    run: |graph, _| {
        remove_dead(graph);
        Ok(())
    },
};
