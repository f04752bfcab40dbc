//! Tests of the whole compiler, in one program.

mod cli;
