//! ONNX's `TensorProto` files (`.pb`), as in the data sets of the ONNX model zoo.

use super::Named;
use onnxc_base::{Bytes, Diagnostic, Tensor};
use onnxc_onnx::{Limits, ModelProto, TensorProto, dtype, encode, load_bytes};
use prost::Message;

fn broken(e: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error("E6102", format!("the file isn't an ONNX tensor: {e}")).expected("a TensorProto")
}

/// The tensor in a file, with its name if it has one.
///
/// # Errors
/// Bytes that are no tensor.
pub fn read(bytes: &Bytes) -> Result<Named, Diagnostic> {
    let tensor = TensorProto::decode(bytes.clone()).map_err(broken)?;
    let name = Some(tensor.name.clone()).filter(|n| !n.is_empty());
    // An empty model has the limits, and no folder: a tensor file has no external data.
    let empty = encode(&ModelProto { graph: Some(Box::default()), ..ModelProto::default() });
    let model = load_bytes(&empty, None, &Limits::default()).map_err(broken)?;
    Ok((name, model.into_tensor(tensor)?))
}

/// The bytes of a file.
///
/// # Errors
/// Strings.
pub fn write(name: &str, tensor: &Tensor) -> Result<Vec<u8>, Diagnostic> {
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
    Ok(proto.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::DType;

    #[test]
    fn tensors_are_read_again() {
        for dtype in DType::all().filter(|d| *d != DType::String) {
            let t = Tensor::zeros(dtype, &[3, 2]).expect("it is small");
            let bytes = write("x", &t).expect("ONNX has every type");
            assert_eq!(read(&bytes.into()).expect("we wrote it"), (Some("x".to_string()), t), "{dtype}");
        }
    }

    #[test]
    fn what_is_no_tensor_is_refused() {
        assert!(read(&Bytes::from_static(b"\x93NUMPY")).is_err());
        assert!(read(&Bytes::new()).is_err(), "element type 0");
    }
}
