//! The list of all operators, and finding one by name. Adding an operator is one line here.

use crate::custom::CustomOp;
use crate::{OpDef, ops};
use onnxc_ir::graph::OpName;
use std::sync::Arc;

/// Every built-in operator: sorted by domain, then name (a test says so).
pub static OPS: &[&OpDef] = &[&ops::softmax::DEF];

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
        OPS.iter().find(|o| o.domain == name.domain && o.name == name.name).map(|o| OpRef::Builtin(o))
    }
}
