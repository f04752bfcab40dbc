//! An ONNX model to graph IR: opsets end here.

mod reader;

pub use reader::NodeReader;
