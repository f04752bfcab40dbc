//! If, Loop and Scan: types of what regions compute. Running them is the assembler's.
//!
//! An extent that an operator's regions find anew (branches of different shapes, a carried tensor that grows) is a
//! symbol of its own outside; what is known of it is its upper bound, if there is one.

mod branch;
mod carried;
mod loops;
mod scan;
#[cfg(test)]
mod tests;

pub use branch::IF;
pub use loops::LOOP;
pub use scan::SCAN;

use crate::Import;
use crate::prelude::*;
use onnxc_ir::graph::{Graph, NodeId, Region, SymbolInfo, SymbolSource, ValueId};
use std::collections::BTreeSet;

/// The versions of If and Loop, which differ in dtypes.
const fn versions(import: Import) -> [(i64, Import); 9] {
    let i = import;
    [(1, i), (11, i), (13, i), (16, i), (19, i), (21, i), (23, i), (24, i), (25, i)]
}

/// The nodes and parameters of a region and of those inside it.
#[derive(Default)]
struct Inside {
    nodes: BTreeSet<NodeId>,
    params: BTreeSet<ValueId>,
}

impl Inside {
    fn of(graph: &Graph, region: &Region) -> Inside {
        let mut found = Inside::default();
        found.add(graph, region);
        found
    }

    fn add(&mut self, graph: &Graph, region: &Region) {
        self.params.extend(&region.params);
        for &n in &region.nodes {
            self.nodes.insert(n);
            for r in &graph.nodes[n].regions {
                self.add(graph, r);
            }
        }
    }

    /// Does a symbol get its value inside?
    fn defines(&self, graph: &Graph, info: &SymbolInfo) -> bool {
        match info.source {
            SymbolSource::Extent(n, _) | SymbolSource::Result(n, _) => self.nodes.contains(&n),
            SymbolSource::Element(v, _) | SymbolSource::Carried(v, _) | SymbolSource::Dim(v, _) => {
                self.params.contains(&v) || graph.producer(v).is_some_and(|n| self.nodes.contains(&n))
            }
        }
    }

    /// Does an extent depend on what happens inside?
    fn depends(&self, graph: &Graph, s: &Sym) -> bool {
        s.any_symbol(&|s| graph.symbols.get(s).is_some_and(|i| self.defines(graph, i)))
    }

    /// The same extent, or a bound of it, without symbols of the inside.
    fn bound(&self, graph: &Graph, s: &Sym) -> Option<Sym> {
        let ours = |s: &onnxc_base::Symbol| graph.symbols.get(s).is_some_and(|i| self.defines(graph, i));
        if self.depends(graph, s) { graph.ranges().upper_bound(s, &ours) } else { Some(s.clone()) }
    }

    /// Forgets what an earlier round has found out about elements.
    fn forget_contents(&self, graph: &mut Graph) {
        let outputs: Vec<ValueId> = self.nodes.iter().flat_map(|&n| graph.nodes[n].outputs.clone()).collect();
        for v in self.params.iter().copied().chain(outputs) {
            graph.values[v].content = None;
        }
    }
}

/// A type as the outside sees it: extents of items that depend on what happens inside aren't known.
fn escaped(graph: &Graph, inside: &Inside, ty: &Type) -> Type {
    let item = |t: &Type| match t {
        Type::Tensor(t) if t.shape.iter().any(|d| inside.depends(graph, d)) => {
            Type::AnyTensor(t.dtype, Some(t.rank() as u32))
        }
        other => escaped(graph, inside, other),
    };
    match ty {
        Type::Sequence(t) => Type::Sequence(Box::new(item(t))),
        Type::Optional(t) => Type::Optional(Box::new(item(t))),
        other => other.clone(),
    }
}

/// The tensor type of a value of a region.
fn tensor_at(cx: &InferCx, v: ValueId, what: &str) -> Result<onnxc_ir::graph::TensorType> {
    cx.graph.tensor_type(v).cloned().ok_or_else(|| {
        cx.error("E2050", format!("{what} is no tensor"))
            .tensor(cx.graph.values[v].name.clone())
            .help("control flow scans tensors; what it carries may be anything")
    })
}

/// Region `i` of the node.
fn region(cx: &InferCx, i: usize) -> Region {
    cx.node().regions[i].clone()
}
