//! ONNX's files of one value (`.pb`), as in the data sets of the ONNX model zoo.

use super::{Content, Named};
use onnxc_base::{Bytes, Diagnostic, Tensor, Value};
use onnxc_onnx::{Limits, ModelProto, TensorProto, dtype, encode, load_bytes};
use prost::Message;

pub(super) fn broken(e: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error("E6102", format!("the file isn't an ONNX value: {e}"))
        .expected("a TensorProto, SequenceProto, OptionalProto or MapProto")
}

/// What is in a file, with its name if it has one.
///
/// # Errors
/// Bytes that are no message of ONNX's values.
pub fn read(bytes: &Bytes) -> Result<Named, Diagnostic> {
    let proto = TensorProto::decode(bytes.clone()).map_err(broken);
    let name = proto.as_ref().ok().map(|t| t.name.clone()).filter(|n| !n.is_empty());
    match proto.and_then(tensor) {
        Ok(t) => Ok((name, Content::Message(Some(t), bytes.clone()))),
        Err(e) => match super::messages::ItemsProto::decode(bytes.clone()) {
            Ok(_) if !bytes.is_empty() => Ok((super::messages::name(bytes), Content::Message(None, bytes.clone()))),
            _ => Err(e),
        },
    }
}

/// The tensor of a message.
pub(super) fn tensor(proto: TensorProto) -> Result<Tensor, Diagnostic> {
    // An empty model has the limits, and no folder: a tensor file has no external data.
    let empty = encode(&ModelProto { graph: Some(Box::default()), ..ModelProto::default() });
    let model = load_bytes(&empty, None, &Limits::default()).map_err(broken)?;
    model.into_tensor(proto)
}

/// The message of a tensor.
pub(super) fn proto(name: &str, tensor: &Tensor) -> TensorProto {
    let mut proto = TensorProto {
        name: name.to_string(),
        dims: tensor.shape().iter().map(|&d| d as i64).collect(),
        data_type: dtype::to_onnx(tensor.dtype()),
        ..TensorProto::default()
    };
    match tensor.strings() {
        Some(strings) => proto.string_data = strings.iter().map(|s| Bytes::copy_from_slice(s)).collect(),
        None => proto.raw_data = Some(tensor.packed()),
    }
    proto
}

/// The bytes of a file.
pub fn write(name: &str, value: &Value) -> Vec<u8> {
    match value {
        Value::Tensor(t) => proto(name, t).encode_to_vec(),
        other => super::messages::write(name, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::DType;

    #[test]
    fn tensors_are_read_again() {
        for dtype in DType::all().filter(|d| *d != DType::String) {
            let t = Tensor::zeros(dtype, &[3, 2]).expect("it is small");
            let bytes: Bytes = write("x", &Value::Tensor(t.clone())).into();
            let (name, content) = read(&bytes).expect("we wrote it");
            assert_eq!((name.as_deref(), content.value("tensor(any)")), (Some("x"), Ok(Value::Tensor(t))), "{dtype}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        assert!(read(&Bytes::from_static(b"\x93NUMPY")).is_err());
        assert!(read(&Bytes::new()).is_err(), "element type 0");
    }
}
