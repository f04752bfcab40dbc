//! Attributes as the file has them to [`Attr`]; references inside functions are resolved.
//!
//! Does NOT import graphs (see `nodes`).

use super::Importer;
use onnxc_base::{Bytes, Diagnostic};
use onnxc_ir::graph::Attr;
use onnxc_onnx::{AttributeKind, AttributeProto};

/// Which field holds the value. Files of the first IR version don't say, so there it is the field that is filled.
pub(super) fn kind_of(a: &AttributeProto) -> AttributeKind {
    use AttributeKind::*;
    let filled = [
        (a.f.is_some(), Float),
        (a.i.is_some(), Int),
        (a.s.is_some(), String),
        (a.t.is_some(), Tensor),
        (a.g.is_some(), Graph),
        (a.sparse_tensor.is_some(), SparseTensor),
        (!a.floats.is_empty(), Floats),
        (!a.ints.is_empty(), Ints),
        (!a.strings.is_empty(), Strings),
    ];
    match a.attribute_kind() {
        Undefined => filled.iter().find(|(is, _)| *is).map_or(Undefined, |(_, k)| *k),
        kind => kind,
    }
}

fn text(name: &str, s: &Bytes) -> Result<String, Diagnostic> {
    std::str::from_utf8(s).map(str::to_string).map_err(|_| {
        Diagnostic::error("E2019", format!("the text of attribute '{name}' is not UTF-8"))
            .help("export the model again; names in attributes are ASCII words")
    })
}

impl<'m> Importer<'m> {
    /// The attribute that a function's attribute refers to, or itself; `None` when the caller left it out and it has
    /// no default, so that the operator's own default holds.
    pub(super) fn resolve(&self, a: &'m AttributeProto) -> Option<&'m AttributeProto> {
        if a.ref_attr_name.is_empty() { Some(a) } else { self.frame().attrs.get(a.ref_attr_name.as_str()).copied() }
    }

    /// An attribute's value; it may not be a graph. `name` is the name in the node, for messages.
    pub(super) fn attr_value(&self, name: &str, a: &AttributeProto) -> Result<Attr, Diagnostic> {
        let empty = || {
            Diagnostic::error("E2019", format!("attribute '{name}' has no value"))
                .expected(format!("a value of kind {}", kind_of(a).as_str_name()))
                .help("the file is damaged, or the exporter has a bug; export the model again")
        };
        Ok(match kind_of(a) {
            AttributeKind::Int => Attr::Int(a.i.unwrap_or(0)),
            AttributeKind::Float => Attr::Float(a.f.unwrap_or(0.0)),
            AttributeKind::String => Attr::Str(text(name, a.s.as_ref().unwrap_or(&Bytes::new()))?),
            AttributeKind::Ints => Attr::Ints(a.ints.clone()),
            AttributeKind::Floats => Attr::Floats(a.floats.clone()),
            AttributeKind::Strings => Attr::Strs(a.strings.iter().map(|s| text(name, s)).collect::<Result<_, _>>()?),
            AttributeKind::Tensor => Attr::Tensor(self.model.tensor(a.t.as_ref().ok_or_else(empty)?)?),
            AttributeKind::SparseTensor => {
                Attr::Tensor(self.model.sparse_tensor(a.sparse_tensor.as_ref().ok_or_else(empty)?)?)
            }
            AttributeKind::TypeProto => {
                let ty = a.tp.as_deref().and_then(|t| self.declared_type(t));
                Attr::Type(ty.ok_or_else(empty)?)
            }
            AttributeKind::Undefined => return Err(empty()),
            kind => {
                let message =
                    format!("attribute '{name}' is of kind {}, which isn't supported yet", kind.as_str_name());
                return Err(Diagnostic::error("E2019", message)
                    .help("rewrite that part of the model, or supply the operator as a custom one"));
            }
        })
    }
}
