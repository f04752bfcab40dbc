//! From loops IR to files: what all backends share.
//!
//! - [`backend`]: the `Backend` trait and what it is given.
//! - [`target`]: processors and what they can do.
//! - [`constants`]: where each constant lies in the one blob that holds them all.
//!
//! Constants never pass through a backend: it refers to one data symbol that is defined here.

pub mod backend;
pub mod constants;
pub mod target;

pub use backend::{AddressFunction, Backend, CompileOptions, Emit, Table, Unit};
pub use constants::ConstLayout;
pub use target::Target;
