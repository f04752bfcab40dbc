//! Passes over loops IR: what is between assembling and a backend.

pub mod check_memory;
pub mod expand_storage;
pub mod hoist;
pub mod in_place;
pub mod math;
pub mod outline_parallel;
pub mod plan_memory;
pub mod release;
pub mod simplify;
pub mod stack;
pub mod unroll;
pub use onnxc_ir::loops::walk;

use onnxc_ir::loops::{Block, Stmt};

/// Statements of a block and of those in it, remarks apart.
pub fn size(b: &Block) -> usize {
    let of = |s: &Stmt| match s {
        Stmt::Comment(_) => 0,
        s => 1 + walk::blocks(s).into_iter().map(size).sum::<usize>(),
    };
    b.0.iter().map(of).sum()
}
