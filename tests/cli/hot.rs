//! Specialisations for some extents (`--hot`), beside the general path.

use super::*;
use onnxc::backends::native;
use onnxc_host::files::read_tensors;

/// Symbolic dims of the model.
const DIMS: [&str; 2] = ["in_dynamic_axes_1", "in_dynamic_axes_2"];

fn words(h: usize, w: usize) -> String {
    format!("{}={h},{}={w}", DIMS[0], DIMS[1])
}

/// What a library makes of an input of these extents.
fn run(folder: &Path, library: &str, [h, w]: [usize; 2]) -> Tensor {
    let values: Vec<f32> = (0..3 * h * w).map(|i| ((i * 37 + 11) % 101) as f32 / 50.0 - 1.0).collect();
    put(folder, "x.npy", &Tensor::from_slice(&[1, 3, h, w], &values));
    onnxc(folder, &["run", library, "--inputs", "x.npy", "--outputs", "y.npy"]).ok();
    read_tensors(&folder.join("y.npy")).expect("it was written").remove(0).1
}

#[test]
fn hot_extents_have_kernels_of_their_own() {
    let dir = folder();
    let m = model("model_dynamic_23");
    for backend in native() {
        let how = ["--backend", backend.name()];
        let (first, second) = (words(8, 9), words(12, 30));
        onnxc(dir.path(), &[&m, "-o", "general.so", how[0], how[1]]).ok();
        onnxc(dir.path(), &[&m, "-o", "hot.so", how[0], how[1], "--hot", &first, "--hot", &second]).ok();
        let reported = onnxc(dir.path(), &[&m, how[0], how[1], "--hot", &first, "--report", "json"]).ok().out;
        let reported: serde_json::Value = serde_json::from_str(&reported).expect("it is JSON");
        assert!(reported["hot"][0]["code_bytes"].as_u64().is_some_and(|n| n > 0), "{reported}");
        for [h, w] in [[8, 9], [12, 30]] {
            let dims = [format!("{}={h}", DIMS[0]), format!("{}={w}", DIMS[1])];
            onnxc(dir.path(), &[&m, "-o", "fixed.so", how[0], how[1], "--dim", &dims[0], "--dim", &dims[1]]).ok();
            let (hot, fixed) = (run(dir.path(), "hot.so", [h, w]), run(dir.path(), "fixed.so", [h, w]));
            assert_eq!(hot, fixed, "{h}x{w}: the code for these extents");
            let general = run(dir.path(), "general.so", [h, w]);
            let (a, b) = (hot.to_f64().expect("numbers"), general.to_f64().expect("numbers"));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5), "{h}x{w}: the same values");
        }
        for at in [[8, 30], [9, 8], [5, 5]] {
            assert_eq!(run(dir.path(), "hot.so", at), run(dir.path(), "general.so", at), "{at:?}");
        }
    }
}

#[test]
fn one_dim_may_stay_open() {
    let dir = folder();
    let m = model("model_dynamic_23");
    let hot = format!("{}=9", DIMS[1]);
    onnxc(dir.path(), &[&m, "-o", "general.so"]).ok();
    onnxc(dir.path(), &[&m, "-o", "hot.so", "--hot", &hot]).ok();
    onnxc(dir.path(), &[&m, "-o", "fixed.so", "--dim", &hot]).ok();
    for at in [[8, 9], [40, 9]] {
        assert_eq!(run(dir.path(), "hot.so", at), run(dir.path(), "fixed.so", at), "{at:?}");
    }
    assert_eq!(run(dir.path(), "hot.so", [9, 8]), run(dir.path(), "general.so", [9, 8]));
}

#[test]
fn wrong_extents_are_refused() {
    let dir = folder();
    let m = model("model_dynamic_23");
    let given = format!("{}=1..10", DIMS[0]);
    let mut text = String::new();
    for args in [
        &["--hot", "h"][..],
        &["--hot", "h=1..2"],
        &["--hot", "h=8"],
        &["--hot", "in_dynamic_axes_1=8", "--hot", "in_dynamic_axes_1=8"],
        &["--dim", &given, "--hot", "in_dynamic_axes_1=11"],
    ] {
        let all: Vec<&str> = [m.as_str(), "-o", "a.so"].into_iter().chain(args.iter().copied()).collect();
        text += &format!("-- {}\n{}", args.join(" "), onnxc(dir.path(), &all).seen(dir.path()));
    }
    assert_snapshot("wrong-hot-extents", &text);
    assert!(!dir.path().join("a.so").exists());
}
