//! The order of a graph's nodes: producers before consumers, whatever order the file has.
//!
//! Of the nodes that can be next, it is always the file's first, so nodes in order stay where they are. What needs its own
//! results stays at the end; `onnxc_onnx::check` reports it.

use onnxc_onnx::{GraphProto, NodeProto};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Positions of the nodes in an order in which they can be computed. `known`: names that have values before any of them.
pub(super) fn computable(nodes: &[NodeProto], known: &dyn Fn(&str) -> bool) -> Vec<usize> {
    let producers: HashMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .flat_map(|(i, n)| n.output.iter().map(move |o| (o.as_str(), i)))
        .filter(|(name, _)| !name.is_empty() && !known(name))
        .collect();
    let mut consumers: Vec<Vec<usize>> = vec![vec![]; nodes.len()];
    let mut missing = vec![0usize; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        names_used(node, &mut |name| {
            if let Some(&p) = producers.get(name).filter(|p| **p != i) {
                consumers[p].push(i);
                missing[i] += 1;
            }
        });
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..nodes.len()).filter(|&i| missing[i] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(i)) = ready.pop() {
        order.push(i);
        for &c in &consumers[i] {
            missing[c] -= 1;
            if missing[c] == 0 {
                ready.push(Reverse(c));
            }
        }
    }
    order.extend((0..nodes.len()).filter(|&i| missing[i] > 0));
    order
}

/// The names that a node reads, those that its graphs capture included. What a graph names itself counts as well: no name of
/// the outside may be used again there.
fn names_used<'a>(node: &'a NodeProto, f: &mut dyn FnMut(&'a str)) {
    node.input.iter().for_each(|n| f(n));
    node.attribute.iter().flat_map(|a| a.subgraphs()).for_each(|g| names_in(g, f));
}

fn names_in<'a>(graph: &'a GraphProto, f: &mut dyn FnMut(&'a str)) {
    graph.node.iter().for_each(|n| names_used(n, f));
    graph.output.iter().for_each(|o| f(&o.name));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(input: &[&str], output: &str) -> NodeProto {
        NodeProto {
            input: input.iter().map(|s| s.to_string()).collect(),
            output: vec![output.into()],
            ..Default::default()
        }
    }

    #[test]
    fn producers_come_first_and_order_is_kept() {
        let computable = |nodes: &[NodeProto]| computable(nodes, &|name| name == "x");
        assert_eq!(computable(&[node(&["x"], "a"), node(&["x"], "b"), node(&["b", "a"], "c")]), [0, 1, 2]);
        assert_eq!(computable(&[node(&["a", "b"], "c"), node(&["x"], "b"), node(&["b"], "a")]), [1, 2, 0]);
        // What is there already is meant, not what hides it later.
        assert_eq!(computable(&[node(&["x"], "a"), node(&["a"], "x")]), [0, 1]);
        // A circle is left to the checker.
        assert_eq!(computable(&[node(&["b"], "a"), node(&["a"], "b"), node(&["x"], "c")]), [2, 0, 1]);
    }
}
