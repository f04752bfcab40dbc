//! What concerns the program as a whole: names, signatures of linked functions, the interface.

use super::code;
use crate::loops::*;
use onnxc_base::{Diagnostic, Diagnostics};
use std::collections::BTreeSet;

/// Checks everything outside of function bodies.
pub(super) fn check(p: &Program, found: &mut Diagnostics) {
    let mut c = Check { p, found };
    c.names();
    c.constants();
    c.dims();
    c.entries();
}

struct Check<'a> {
    p: &'a Program,
    found: &'a mut Diagnostics,
}

fn is_c_identifier(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl Check<'_> {
    fn check(&mut self, ok: bool, message: impl FnOnce() -> String) {
        if !ok {
            self.found.push(Diagnostic::error(code::PROGRAM, message()));
        }
    }

    fn names(&mut self) {
        let p = self.p;
        self.check(is_c_identifier(&p.name), || format!("the program's name '{}' is no C identifier", p.name));
        let mut seen = BTreeSet::new();
        for e in p.externs.values() {
            self.check(seen.insert(&e.symbol), || format!("linked function '{}' is declared twice", e.symbol));
            self.check(is_c_identifier(&e.symbol), || format!("linked function '{}' is no C identifier", e.symbol));
        }
        for f in p.funcs.values() {
            self.check(seen.insert(&f.name), || format!("there are two functions '{}'", f.name));
            let ok = f.linkage == Linkage::Local || is_c_identifier(&f.name);
            self.check(ok, || format!("exported function '{}' is no C identifier", f.name));
        }
    }

    fn constants(&mut self) {
        for c in self.p.consts.values() {
            let ok = Scalar::lies_in_memory(c.dtype) && c.data.len().is_multiple_of(c.dtype.size());
            self.check(ok, || format!("constant '{}': {} bytes are no elements of {}", c.name, c.data.len(), c.dtype));
        }
    }

    fn dims(&mut self) {
        let i = &self.p.interface;
        let mut known = BTreeSet::new();
        for d in &i.dims {
            for s in d.hi.as_ref().map(Sym::symbols).unwrap_or_default() {
                let ok = known.contains(s.as_str());
                self.check(ok, || format!("the limit of dim '{}' uses '{s}', no dim before it", d.name));
            }
            self.check(known.insert(d.name.as_str()), || format!("there are two dims '{}'", d.name));
        }
        for port in i.inputs.iter().chain(&i.outputs) {
            for s in port.shape.iter().flat_map(Sym::symbols) {
                let ok = known.contains(s.as_str());
                self.check(ok, || format!("the shape of '{}' uses '{s}', which is no dim", port.name));
            }
        }
        let early = i.dims.iter().filter(|d| !matches!(d.source, DimSource::Run(_)));
        let mut before: BTreeSet<&str> = early.map(|d| d.name.as_str()).collect();
        for (name, size) in &i.sizes {
            for s in size.symbols() {
                let ok = before.contains(s.as_str());
                self.check(ok, || {
                    format!("the size '{name}' uses '{s}', no dim known before the run and no size before")
                });
            }
            let new = !known.contains(name.as_str()) && before.insert(name.as_str());
            self.check(new, || format!("the size '{name}' is called like something else"));
        }
        for s in i.workspace.as_ref().map(Sym::symbols).unwrap_or_default() {
            let ok = before.contains(s.as_str());
            self.check(ok, || format!("the workspace size uses '{s}', no dim known before the run"));
        }
    }

    fn entries(&mut self) {
        for (role, entry) in self.p.interface.entries.by_role() {
            let Some(id) = entry else { continue };
            let Some(f) = self.p.funcs.get(id) else {
                self.check(false, || format!("entry '{role}' doesn't exist"));
                continue;
            };
            self.check(f.linkage == Linkage::Export, || format!("entry '{role}', @{}, isn't exported", f.name));
            let want = if role == "workspace_bytes" { Ty::I64 } else { Ty::I32 };
            self.check(f.ret == Some(want), || format!("entry '{role}', @{}, doesn't return {want}", f.name));
        }
    }
}
