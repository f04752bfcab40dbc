//! From loops IR to files: what all backends share.
//!
//! - [`backend`]: the `Backend` trait and what it is given.
//! - [`target`]: processors and what they can do.
//! - [`constants`]: where each constant lies in the one blob that holds them all.
//! - [`abi`]: what every module exports: its self-description and status texts.
//! - [`object_file`], [`archive`], [`link`], [`files`]: the formats.
//! - [`split`]: parts that are compiled apart.
//! - [`artefact`]: all of that together: a program becomes `.o`, `.a`, `.so` or text.
//! - [`header`]: the C header.
//! - [`loader`]: runs the result in this process; [`heap`] is its memory.
//! - [`bare`]: runs functions of programs that are no modules.
//! - [`peak`]: what this machine can do at most.
//!
//! Constants never pass through a backend: it refers to one data symbol that is defined here.

pub mod abi;
pub mod archive;
pub mod artefact;
pub mod backend;
pub mod bare;
pub mod constants;
pub mod files;
pub mod header;
pub mod heap;
pub mod link;
pub mod loader;
pub mod object_file;
pub mod peak;
pub mod split;
pub mod target;
#[cfg(feature = "testing")]
pub mod testing;

pub use abi::ModuleInfo;
pub use artefact::{Artefact, compile, compile_text, complete};
pub use backend::{AddressFunction, Backend, Code, CompileOptions, Emit, Frames, Table, Unit};
pub use constants::ConstLayout;
pub use header::header;
pub use link::Linker;
pub use target::Target;
