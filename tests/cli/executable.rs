//! Standalone executables.

use super::*;
use onnxc_host::files::read_tensors;

/// Builds the library that executables are linked with, where onnxc looks for it: beside the program.
///
/// Cargo builds it for nobody's tests, as nothing may depend on a library with a `main`.
fn build_driver() {
    let target =
        Path::new(env!("CARGO_BIN_EXE_onnxc-tested")).parent().and_then(Path::parent).expect("target/profile/program");
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "-p", "onnxc-driver", "--target-dir"]).arg(target);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let status = command.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs, as it runs this");
    assert!(status.success(), "onnxc-driver doesn't build");
}

#[test]
fn a_model_becomes_a_program() {
    build_driver();
    let dir = folder();
    for backend in onnxc::backends::native() {
        onnxc(dir.path(), &[&model("linear_func"), "-o", "linear", "--backend", backend.name()]).ok();
        let program = dir.path().join("linear");
        put(dir.path(), "a.npy", &Tensor::from_slice(&[10, 10], &[3.0f32; 100]));
        let ran = run_in(dir.path(), &program, &["a.npy", "x=a.npy", "b=a.npy", "--outputs", "out.npz"]).ok();
        assert_eq!(ran.out, "");
        let got = read_tensors(&dir.path().join("out.npz")).expect("it was written");
        assert_eq!(got, [(Some("output".to_string()), Tensor::from_slice(&[10, 10], &[12.0f32; 100]))]);
        assert!(run_in(dir.path(), &program, &["--help"]).ok().out.contains("a: f32[10, 10]"));
        assert_eq!(run_in(dir.path(), &program, &["--fast"]).code, 2);
        put(dir.path(), "bad.npy", &Tensor::from_slice(&[10, 11], &[3.0f32; 110]));
        let refused = run_in(dir.path(), &program, &["a.npy", "bad.npy", "a.npy", "--outputs", "bad.npz"]);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains("input 'x', dim 1: 11 was given"), "{}", refused.err);
        assert!(!dir.path().join("bad.npz").exists(), "nothing is written");
    }
}

#[test]
fn a_missing_driver_is_said() {
    let dir = folder();
    let output = Command::new(env!("CARGO_BIN_EXE_onnxc-tested"))
        .args([&model("linear_func"), "-o", "linear"])
        .current_dir(dir.path())
        .env("ONNXC_DRIVER", "absent.a")
        .output()
        .expect("onnxc runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("absent.a"), "{text}");
    assert!(!dir.path().join("linear").exists());
}
