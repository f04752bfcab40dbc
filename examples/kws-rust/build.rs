//! Compiles the model for the target of this build.

fn main() {
    onnxc_build::Model::new("kws.onnx").compile();
}
