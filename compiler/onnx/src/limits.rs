//! Bounds on what a model file may ask for, so that a small hostile file can't cost unbounded memory or stack.
//!
//! Does NOT bound honest weights: those are paid for by bytes that must exist in a file.

/// The bounds; [`Limits::default`] lets every model through that protobuf's own libraries can read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of the protobuf file; protobuf itself stops at 2 GiB.
    pub max_message_bytes: u64,
    /// Protobuf messages inside each other (a graph in a node's attribute takes three). At most 99 has an effect.
    pub max_nesting: usize,
    /// Protobuf messages of any kind: each may take two bytes of file but hundreds of memory.
    pub max_messages: usize,
    /// Nodes, in all graphs and functions together.
    pub max_nodes: usize,
    /// Elements of one tensor, stored or declared.
    pub max_elements: usize,
    /// Elements of a sparse tensor made dense: these bytes exist in no file.
    pub max_sparse_elements: usize,
    /// Problems listed in one run; the rest is only counted.
    pub max_problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_bytes: (2 << 30) - 1,
            max_nesting: 90,
            max_messages: 20_000_000,
            max_nodes: 2_000_000,
            max_elements: 1 << 40,
            max_sparse_elements: 1 << 28,
            max_problems: 1000,
        }
    }
}
