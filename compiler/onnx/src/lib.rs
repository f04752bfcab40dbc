//! The ONNX file format: messages, external data, limits, checker.
