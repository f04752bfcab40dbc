//! Finding an operator by name: one of the user's, or else a built-in one.

use super::OPS;
use crate::OpDef;
use crate::custom::CustomOp;
use onnxc_ir::graph::OpName;
use std::sync::Arc;

/// Built-in operators plus those of the user.
#[derive(Clone, Default)]
pub struct Registry {
    custom: Vec<Arc<dyn CustomOp>>,
}

/// An operator found.
#[derive(Clone)]
pub enum OpRef {
    /// A built-in one.
    Builtin(&'static OpDef),
    /// One of the user's.
    Custom(Arc<dyn CustomOp>),
}

impl Registry {
    /// The built-in operators.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operator of the user; it comes before a built-in one of the same name.
    pub fn add(&mut self, op: Arc<dyn CustomOp>) {
        self.custom.push(op);
    }

    /// Finds an operator.
    pub fn find(&self, name: &OpName) -> Option<OpRef> {
        if let Some(c) = self.custom.iter().rev().find(|c| c.op_name() == *name) {
            return Some(OpRef::Custom(c.clone()));
        }
        built_in(name).map(OpRef::Builtin)
    }
}

/// A built-in operator, or one of those that stand for calls of the runtime.
pub fn built_in(name: &OpName) -> Option<&'static OpDef> {
    if name.domain == crate::handles::DOMAIN
        && let Some(d) =
            [&crate::handles::BOX, &crate::handles::UNBOX, &crate::handles::CALL].iter().find(|d| d.name == name.name)
    {
        return Some(d);
    }
    OPS.iter().find(|o| o.domain == name.domain && o.name == name.name).copied()
}
