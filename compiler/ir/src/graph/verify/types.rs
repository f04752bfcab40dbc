//! Types of values, and contents.

use super::Verifier;
use crate::graph::build::tensor_type_of;
use crate::graph::print::value_ref;
use crate::graph::{Type, ValueDef, ValueId};
use onnxc_base::Sym;

impl Verifier<'_> {
    pub(super) fn types(&mut self) {
        for v in self.values.clone() {
            let data = &self.graph.values[v];
            let name = value_ref(self.graph, v);
            if data.ty == Type::unknown() {
                self.value_violation("E3103", v, format!("{name} has no type"));
                continue;
            }
            if let ValueDef::Const(t) = &data.def {
                let own = tensor_type_of(t);
                if own != data.ty {
                    self.value_violation("E3103", v, format!("{name} is {}, but its tensor is {own}", data.ty));
                }
            }
            if let Some(content) = &data.content {
                // Extents that only the run tells may be those of the contents.
                let fits = |n: Sym| n.as_int().is_none_or(|n| n == content.len() as i64);
                if !data.ty.as_tensor().is_some_and(|t| fits(t.count())) {
                    let n = content.len();
                    self.value_violation("E3103", v, format!("{name} has {n} contents, but its type is {}", data.ty));
                }
            }
            self.layout(v);
        }
    }

    /// A layout is a tensor's, has its rank, and isn't seen from outside of the model.
    fn layout(&mut self, v: ValueId) {
        let Some(layout) = self.graph.layout(v) else { return };
        let data = &self.graph.values[v];
        let rank = layout.order().len();
        if data.ty.as_tensor().map(|t| t.rank()) != Some(rank) {
            let name = value_ref(self.graph, v);
            self.value_violation(
                "E3103",
                v,
                format!("{name} has a layout of {rank} axes, but its type is {}", data.ty),
            );
        }
        let widths =
            layout.border().is_none_or(|b| b.width.len() == rank && b.width.iter().all(|w| w.0 >= 0 && w.1 >= 0));
        let host = layout.within().is_none_or(|w| {
            let known = self.graph.values.is_valid(w.host) && layout.border().is_none() && w.at.len() == rank;
            known && self.graph.layout_or_plain(w.host).order() == layout.order()
        });
        if !widths || !host {
            let name = value_ref(self.graph, v);
            self.value_violation(
                "E3103",
                v,
                format!("{name} has a border or a host that doesn't fit its rank and order"),
            );
        }
        let outside = self.graph.body.params.contains(&v) || self.graph.body.results.contains(&v);
        if outside || matches!(data.def, ValueDef::Const(_)) {
            let name = value_ref(self.graph, v);
            self.value_violation(
                "E3103",
                v,
                format!("{name} must be row-major: it is a constant, an input or an output"),
            );
        }
    }
}
