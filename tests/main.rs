//! Tests of the whole compiler, in one program.

mod broadcast;
mod budgets;
mod cli;
mod control;
mod damaged;
mod differential;
#[cfg(feature = "llvm")]
mod gates;
mod levels;
mod library;
mod quantised;
mod threads;
mod typed;
