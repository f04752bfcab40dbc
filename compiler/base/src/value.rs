//! Host values: what a model's inputs and outputs can be besides tensors. Sequences, optionals and maps own what they
//! hold; a tensor's bytes are shared.
//!
//! Does NOT check that the items of a sequence are of one type: whoever gives it to a model does.

use crate::{DType, Tensor};

/// A value on the host.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A tensor, also of strings.
    Tensor(Tensor),
    /// Values of one type, in order.
    Sequence(Vec<Value>),
    /// A value or nothing.
    Optional(Option<Box<Value>>),
    /// Keys with a value each.
    Map(Box<Map>),
}

/// A map, as two tensors of rank 1 and one length. No key is there twice; the order says nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Map {
    /// Integers or strings.
    pub keys: Tensor,
    /// The value of each key.
    pub values: Tensor,
}

impl Value {
    /// The tensor, if it is one.
    pub fn tensor(&self) -> Option<&Tensor> {
        match self {
            Value::Tensor(t) => Some(t),
            _ => None,
        }
    }

    /// The tensor, if it is one.
    pub fn into_tensor(self) -> Option<Tensor> {
        match self {
            Value::Tensor(t) => Some(t),
            _ => None,
        }
    }

    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Tensor(t) if t.dtype() == DType::String => "a tensor of strings",
            Value::Tensor(_) => "a tensor",
            Value::Sequence(_) => "a sequence",
            Value::Optional(_) => "an optional",
            Value::Map(_) => "a map",
        }
    }
}

impl From<Tensor> for Value {
    fn from(t: Tensor) -> Value {
        Value::Tensor(t)
    }
}
