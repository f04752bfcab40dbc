//! Tests of the whole compiler, in one program.

mod cli;
mod damaged;
mod differential;
mod levels;
mod library;
mod quantised;
