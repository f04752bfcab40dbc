//! Passes over the graph, one file each.

pub mod dead_code;
