//! The ONNX messages, one Rust struct per protobuf message, with prost's derive and the tags of ONNX 1.23 (IR 14).
//!
//! Holds afterwards: every field of the standard is read and written back. Byte fields are [`Bytes`](bytes::Bytes), so
//! decoding from a mapped file shares the map and copies no weights. Absence is kept (`Option`) where it means
//! something (attribute values, `raw_data`); elsewhere an absent field reads as zero or empty, as in protobuf 3.
//!
//! Does NOT check anything (see `checker`), and keeps training information as undecoded bytes.

mod model;
mod node;
mod tensor;
mod types;

pub use model::{
    DeviceConfigurationProto, FunctionProto, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto,
    TensorAnnotation,
};
pub use node::{
    AttributeKind, AttributeProto, IntIntListEntryProto, NodeDeviceConfigurationProto, NodeProto, ShardedDimProto,
    ShardingSpecProto, SimpleShardedDimProto, sharded_dim,
};
pub use tensor::{Segment, SparseTensorProto, TensorProto};
pub use types::{
    Dimension, MapType, OpaqueType, OptionalType, SequenceType, TensorShapeProto, TensorType, TypeProto,
    ValueInfoProto, dimension, type_proto,
};
