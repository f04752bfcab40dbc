//! Models, graphs and model-local functions.
//!
//! Does NOT decode `training_info`: a compiler for inference only hands it on.

use super::{AttributeProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto};
use bytes::Bytes;

/// The whole file.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelProto {
    /// Version of the format itself, 1 to 14.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// Which version of which operator domain the nodes mean.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// The exporter.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// The exporter's version.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// Namespace of the model's name, by convention a reversed DNS name.
    #[prost(string, tag = "4")]
    pub domain: String,
    /// The author's version of the model.
    #[prost(int64, tag = "5")]
    pub model_version: i64,
    /// Documentation.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// What is computed.
    #[prost(message, optional, boxed, tag = "7")]
    pub graph: Option<Box<GraphProto>>,
    /// Free key-value pairs.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
    /// Undecoded `TrainingInfoProto` messages.
    #[prost(bytes = "bytes", repeated, tag = "20")]
    pub training_info: Vec<Bytes>,
    /// Functions that nodes call like operators.
    #[prost(message, repeated, tag = "25")]
    pub functions: Vec<FunctionProto>,
    /// Devices that a sharded model was written for.
    #[prost(message, repeated, tag = "26")]
    pub configuration: Vec<DeviceConfigurationProto>,
}

/// Nodes and the values between them; also the body of If, Loop and Scan.
#[derive(Clone, PartialEq, prost::Message)]
pub struct GraphProto {
    /// The nodes, producers before consumers.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The graph's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Constants; one that is also an input is that input's default.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// Sparse constants.
    #[prost(message, repeated, tag = "15")]
    pub sparse_initializer: Vec<SparseTensorProto>,
    /// Documentation.
    #[prost(string, tag = "10")]
    pub doc_string: String,
    /// The inputs, in order.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// The outputs, in order.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
    /// Declared types of inner values.
    #[prost(message, repeated, tag = "13")]
    pub value_info: Vec<ValueInfoProto>,
    /// Which tensors hold the scale and zero point of which value.
    #[prost(message, repeated, tag = "14")]
    pub quantization_annotation: Vec<TensorAnnotation>,
    /// Free key-value pairs.
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// A model-local function, identified by domain, name and overload.
#[derive(Clone, PartialEq, prost::Message)]
pub struct FunctionProto {
    /// The operator name that calls it.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Names of the inputs inside the body.
    #[prost(string, repeated, tag = "4")]
    pub input: Vec<String>,
    /// Names of the outputs inside the body.
    #[prost(string, repeated, tag = "5")]
    pub output: Vec<String>,
    /// Attributes without a default.
    #[prost(string, repeated, tag = "6")]
    pub attribute: Vec<String>,
    /// Attributes with a default.
    #[prost(message, repeated, tag = "11")]
    pub attribute_proto: Vec<AttributeProto>,
    /// The body, producers before consumers.
    #[prost(message, repeated, tag = "7")]
    pub node: Vec<NodeProto>,
    /// Documentation.
    #[prost(string, tag = "8")]
    pub doc_string: String,
    /// The operator sets of the body.
    #[prost(message, repeated, tag = "9")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// The domain that calls it.
    #[prost(string, tag = "10")]
    pub domain: String,
    /// Distinguishes functions of one name.
    #[prost(string, tag = "13")]
    pub overload: String,
    /// Declared types of values in the body.
    #[prost(message, repeated, tag = "12")]
    pub value_info: Vec<ValueInfoProto>,
    /// Free key-value pairs.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// One operator set: a domain and its version.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorSetIdProto {
    /// Empty (or `ai.onnx`) for ONNX's own operators.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// The opset version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A key and a value.
#[derive(Clone, PartialEq, prost::Message)]
pub struct StringStringEntryProto {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Quantization parameters of one tensor, by name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorAnnotation {
    /// The quantized value.
    #[prost(string, tag = "1")]
    pub tensor_name: String,
    /// Parameter kind (`SCALE_TENSOR`, `ZERO_POINT_TENSOR`) to tensor name.
    #[prost(message, repeated, tag = "2")]
    pub quant_parameter_tensor_names: Vec<StringStringEntryProto>,
}

/// A named set of devices.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeviceConfigurationProto {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How many devices.
    #[prost(int32, tag = "2")]
    pub num_devices: i32,
    /// Their names, if they have any.
    #[prost(string, repeated, tag = "3")]
    pub device: Vec<String>,
}
