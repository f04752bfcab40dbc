//! What the backends that write source text (C, Rust) share.
//!
//! - [`scalar`]: the program without vectors.
//! - [`range`]: what is known of integers.
//! - [`flow`]: the walk over a function: which values get names, which stand inside of others.
//! - [`expr`], [`names`], [`homes`]: expressions, names, places of declarations.
//! - [`helpers`]: which small functions a file needs.
//!
//! Nothing here knows a language.

pub mod expr;
pub mod flow;
pub mod helpers;
pub mod homes;
pub mod names;
pub mod range;
pub mod scalar;
