//! Quantised models of microcontroller size, as ONNX Runtime's tools write them (QDQ and QLinear operators; one as its
//! optimiser leaves it), through every backend: integers from the first layer to the last, and its outputs within one step.

use onnxc::backends::native;
use onnxc::{Options, Source, compile};
use onnxc_base::Tensor;
use onnxc_codegen::loader::Module;
use onnxc_host::files;
use std::path::{Path, PathBuf};

/// A model's forms: ONNX Runtime's two, and for one of them what its optimiser makes of the first, with channels last.
fn forms(name: &str) -> &'static [&'static str] {
    if name == "dscnn" { &["qdq", "qop", "nhwc"] } else { &["qdq", "qop"] }
}

/// Name, and the step of the output (its DequantizeLinear's scale) in both forms.
const MODELS: &[(&str, f64)] =
    &[("lenet5", 1.0 / 255.0), ("resnet8", 1.0 / 255.0), ("dscnn", 1.0 / 255.0), ("mbv1", 1.0 / 255.0), ("fcae", 0.0)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/quantised")
}

fn array(name: &str) -> Tensor {
    let bytes = std::fs::read(folder().join(name)).expect("the repository has it");
    files::npy::read(bytes.into()).unwrap_or_else(|e| panic!("{e}"))
}

/// Part `i` of an array along its first axis.
fn part(t: &Tensor, i: usize) -> Tensor {
    let shape = &t.shape()[1..];
    let n: usize = shape.iter().product();
    let all = t.to_vec::<f32>().expect("arrays are of f32");
    Tensor::from_slice(shape, &all[i * n..][..n])
}

#[test]
fn quantised_models_run_in_integers() {
    let scratch = tempfile::tempdir().expect("the temporary folder is writable");
    for &(name, step) in MODELS {
        let x = array(&format!("{name}_in.npy"));
        for &form in forms(name) {
            let want = array(&format!("{name}_out_{}.npy", if form == "nhwc" { "qdq" } else { form }));
            for backend in native() {
                let options = Options { backend: Some(backend.name().into()), ..Options::default() };
                let source = Source::open(&folder().join(format!("{name}_{form}.onnx")), &options);
                let module =
                    compile(&source.unwrap_or_else(|e| panic!("{e}")), &options).unwrap_or_else(|e| panic!("{e}"));
                assert!(module.lowered.notes.is_empty(), "{name}_{form}: {:?}", module.lowered.notes);
                let ops: Vec<&String> = module.lowered.assembled.steps.iter().flat_map(|s| &s.ops).collect();
                let float = |op: &&&String| matches!(op.as_str(), "Conv" | "Gemm" | "Add" | "AveragePool" | "Softmax");
                assert_eq!(ops.iter().find(float), None, "{name}_{form}");
                assert_eq!(ops.iter().filter(|op| op.ends_with("zeLinear")).count(), 2, "{name}_{form}: the two ends");
                let library = scratch.path().join(format!("{name}_{form}_{}.so", backend.name()));
                module.write(&library, &options).unwrap_or_else(|e| panic!("{e}"));
                let module = Module::open(&library).unwrap_or_else(|e| panic!("{e}"));
                for i in 0..x.shape()[0] {
                    let y = module.run(&[part(&x, i)]).unwrap_or_else(|e| panic!("{e}"));
                    let (got, want) = (y[0].to_f64().expect("numbers"), part(&want, i).to_f64().expect("numbers"));
                    for (g, w) in got.iter().zip(&want) {
                        assert!(
                            (g - w).abs() <= step * 1.001 + 1e-5,
                            "{name}_{form}, {}: {g}, not {w}",
                            backend.name()
                        );
                    }
                }
            }
        }
    }
}
