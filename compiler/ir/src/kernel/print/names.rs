//! Names in the text: one namespace of parameters and definitions, each name once.
//!
//! Holds afterwards: if everything is given its printed name as its own, the same names come out again.

use crate::kernel::{DefId, Kernel, ParamId, Src};
use onnxc_base::DType;
use onnxc_base::text::{is_identifier, quoted};
use std::collections::BTreeSet;

/// The printed names of a kernel.
pub(in crate::kernel) struct Names {
    params: Vec<String>,
    defs: Vec<String>,
}

impl Names {
    /// The names of all parameters and definitions.
    pub fn new(kernel: &Kernel) -> Self {
        let mut taken = BTreeSet::new();
        let mut unique = |name: &String| {
            let name = if name.is_empty() { "_" } else { name };
            let mut n = 1;
            let mut candidate = name.to_owned();
            while !taken.insert(candidate.clone()) {
                n += 1;
                candidate = format!("{name}#{n}");
            }
            spelled(&candidate)
        };
        let params = kernel.params.values().map(|p| unique(&p.name)).collect();
        let defs = kernel.defs.values().map(|d| unique(&d.name)).collect();
        Self { params, defs }
    }

    /// A parameter; `?p7` if there is no such.
    pub fn param(&self, p: ParamId) -> String {
        self.params.get(p.as_u32() as usize).cloned().unwrap_or_else(|| format!("?{p}"))
    }

    /// A definition; `?d7` if there is no such.
    pub fn def(&self, d: DefId) -> String {
        self.defs.get(d.as_u32() as usize).cloned().unwrap_or_else(|| format!("?{d}"))
    }

    /// Either.
    pub fn src(&self, s: Src) -> String {
        match s {
            Src::Param(p) => self.param(p),
            Src::Def(d) => self.def(d),
        }
    }
}

/// After a literal, the name of a type would be taken for the literal's.
fn spelled(name: &str) -> String {
    if is_identifier(name) && DType::from_name(name).is_none() { name.to_owned() } else { quoted(name, '`') }
}
