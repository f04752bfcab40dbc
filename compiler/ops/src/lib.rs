//! ONNX operators: import, infer, lower; one file each.
