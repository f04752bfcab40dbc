//! Types of values: tensors, sparse tensors, sequences, optionals, maps, opaque things.

use super::StringStringEntryProto;

/// A named value with its type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfoProto {
    /// The value's name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its type (protobuf field `type`).
    #[prost(message, optional, tag = "2")]
    pub ty: Option<TypeProto>,
    /// Documentation.
    #[prost(string, tag = "3")]
    pub doc_string: String,
    /// Free key-value pairs.
    #[prost(message, repeated, tag = "4")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// A type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TypeProto {
    /// Which type.
    #[prost(oneof = "type_proto::Value", tags = "1, 4, 5, 7, 8, 9")]
    pub value: Option<type_proto::Value>,
    /// What the type stands for, e.g. `IMAGE`.
    #[prost(string, tag = "6")]
    pub denotation: String,
}

/// The choice inside [`TypeProto`].
pub mod type_proto {
    /// Which type.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A dense tensor.
        #[prost(message, tag = "1")]
        Tensor(super::TensorType),
        /// A list of values of one type.
        #[prost(message, tag = "4")]
        Sequence(super::SequenceType),
        /// A dictionary.
        #[prost(message, tag = "5")]
        Map(super::MapType),
        /// A type that ONNX doesn't define.
        #[prost(message, tag = "7")]
        Opaque(super::OpaqueType),
        /// A sparse tensor.
        #[prost(message, tag = "8")]
        SparseTensor(super::TensorType),
        /// A value that may be absent.
        #[prost(message, tag = "9")]
        Optional(super::OptionalType),
    }
}

/// A dense or sparse tensor's type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorType {
    /// ONNX's number of the element type (see `crate::dtype`).
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// The extents; absent when even the rank is unknown.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// A sequence's type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SequenceType {
    /// The type of each element.
    #[prost(message, optional, boxed, tag = "1")]
    pub elem_type: Option<Box<TypeProto>>,
}

/// An optional's type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OptionalType {
    /// The type of what may be there.
    #[prost(message, optional, boxed, tag = "1")]
    pub elem_type: Option<Box<TypeProto>>,
}

/// A map's type.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MapType {
    /// ONNX's number of the key's element type: an integer or string.
    #[prost(int32, tag = "1")]
    pub key_type: i32,
    /// The type of each value.
    #[prost(message, optional, boxed, tag = "2")]
    pub value_type: Option<Box<TypeProto>>,
}

/// A type that ONNX doesn't define.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OpaqueType {
    /// Who defines it.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Its name there.
    #[prost(string, tag = "2")]
    pub name: String,
}

/// The extents of a tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShapeProto {
    /// Outermost first.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<Dimension>,
}

/// One extent: a number, a name, or unknown.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Dimension {
    /// The extent, if anything is known.
    #[prost(oneof = "dimension::Value", tags = "1, 2")]
    pub value: Option<dimension::Value>,
    /// What the axis stands for, e.g. `DATA_BATCH`.
    #[prost(string, tag = "3")]
    pub denotation: String,
}

/// The choice inside [`Dimension`].
pub mod dimension {
    /// An extent, known or named.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        /// A number.
        #[prost(int64, tag = "1")]
        Value(i64),
        /// A name; equal names promise equal extents, as far as the exporter was right.
        #[prost(string, tag = "2")]
        Param(String),
    }
}
