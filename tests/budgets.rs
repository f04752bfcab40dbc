//! Networks within a budget of RAM: what is found to be the least is met, and changes no result.

use onnxc::backends::native;
use onnxc::{Module, Options, Source, compile};
use onnxc_base::Tensor;
use onnxc_codegen::loader;
use onnxc_ir::loops::interp::run_module;
use std::path::Path;

fn image() -> Tensor {
    let v: Vec<f32> = (0..3 * 32 * 32).map(|i| (i * 7919 % 101) as f32 / 50.0 - 1.0).collect();
    Tensor::from_slice(&[1, 3, 32, 32], &v)
}

fn compiled(options: &Options) -> Result<Module, String> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/inverted.onnx");
    let source = Source::open(&model, options).unwrap_or_else(|e| panic!("{e}"));
    compile(&source, options).map_err(|e| e.to_string())
}

fn bytes(m: &Module) -> u64 {
    m.lowered.memory.bytes.as_int().expect("the size is fixed") as u64
}

/// The expanded tensors of a network of inverted residuals exist row by row.
#[test]
fn the_first_tensors_of_inverted_residuals_are_never_there_as_a_whole() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    for backend in native() {
        let with = |max_ram| Options { max_ram, backend: Some(backend.name().into()), ..Options::default() };
        let plain = compiled(&with(None)).expect("it compiles");
        let refused = compiled(&with(Some(100))).err().expect("that is too little");
        let named = |e: &str| e.trim_end().rsplit(' ').next().and_then(|n| n.parse().ok()).expect("it names the least");
        let least: u64 = named(&refused);
        // A byte less is too little, and the least stays the same.
        assert_eq!(named(&compiled(&with(Some(least - 1))).err().expect("that is too little")), least);
        assert!(least * 3 <= bytes(&plain), "{least} bytes instead of {}", bytes(&plain));
        let options = with(Some(least));
        let small = compiled(&options).unwrap_or_else(|e| panic!("{e}"));
        assert!(bytes(&small) <= least);
        let want = run_module(&plain.program, &[image()]).expect("it runs")[0].to_vec::<f32>().expect("floats");
        let loops = run_module(&small.program, &[image()]).expect("it runs")[0].to_vec::<f32>().expect("floats");
        let path = folder.path().join(format!("{}.so", backend.name()));
        small.write(&path, &options).unwrap_or_else(|e| panic!("{e}"));
        let got = loader::Module::open(&path).and_then(|m| m.run(&[image()])).unwrap_or_else(|e| panic!("{e}"));
        let got = got[0].to_vec::<f32>().expect("floats");
        for ((w, l), g) in want.iter().zip(&loops).zip(&got) {
            assert!((w - l).abs() <= 1e-5 * w.abs().max(1.0), "{l} is not {w}");
            assert!(l.to_bits() == g.to_bits(), "{}: {g} is not {l}", backend.name());
        }
    }
}
