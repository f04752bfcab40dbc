//! The onnxc library and command line.
