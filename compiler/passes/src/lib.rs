//! Passes over the three levels, their manager and the pipelines, and the ways from one level to the next.

pub mod alone;
pub mod assemble;
pub mod from_kernel;
pub mod graph;
pub mod kernel;
pub mod loops;
pub mod manager;
pub mod pipeline;
pub mod specialise;
