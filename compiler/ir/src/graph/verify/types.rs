//! Types of values, and contents.

use super::Verifier;
use crate::graph::build::tensor_type_of;
use crate::graph::print::value_ref;
use crate::graph::{Type, ValueDef};

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
                let count = data.ty.as_tensor().and_then(|t| t.count().as_int());
                if count != Some(content.len() as i64) {
                    let n = content.len();
                    self.value_violation("E3103", v, format!("{name} has {n} contents, but its type is {}", data.ty));
                }
            }
        }
    }
}
