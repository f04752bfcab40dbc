//! Passes over loops IR: what is between assembling and a backend.

pub mod check_memory;
pub mod expand_storage;
pub mod hoist;
pub mod in_place;
pub mod intervals;
pub mod join_forks;
pub mod math;
pub mod outline_parallel;
pub mod plan_memory;
pub mod release;
pub mod simplify;
pub mod stack;
pub mod unroll;
pub use onnxc_ir::loops::walk;

use onnxc_ir::loops::{Block, Stmt};

/// Statements of a block and of those in it, remarks apart, as each counts.
pub fn size(b: &Block, counts: &dyn Fn(&Stmt) -> usize) -> usize {
    let of = |s: &Stmt| match s {
        Stmt::Comment(_) => 0,
        s => counts(s) + walk::blocks(s).into_iter().map(|b| size(b, counts)).sum::<usize>(),
    };
    b.0.iter().map(of).sum()
}
