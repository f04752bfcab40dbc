//! Operators of the domain com.microsoft, as ONNX Runtime's documentation of its contrib operators defines them
//! (docs/ContribOperators.md of microsoft/onnxruntime): what exported and optimised transformers and detectors use.
//!
//! Those that are operators of ONNX under another name, or a few of them put together, become these on import.

pub mod renamed;

/// Their domain.
const DOMAIN: &str = "com.microsoft";
