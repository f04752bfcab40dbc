//! C as a firmware developer uses it: each way to place weights and workspace, budgets, and code for microcontrollers, which
//! this machine's compiler takes as well. Said aloud and skipped where there is no C compiler.

use super::{Ran, folder, onnxc, run_in};
use onnxc_base::Tensor;
use onnxc_host::files::npy;
use std::path::{Path, PathBuf};
use std::process::Command;

const STRICT: &[&str] = &[
    "-std=c99",
    "-pedantic",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wconversion",
    "-O1",
    "-fsanitize=undefined",
    "-fno-sanitize-recover",
];

pub(super) fn has_cc() -> bool {
    let found = Command::new("cc").arg("--version").output().is_ok_and(|o| o.status.success());
    if !found {
        eprintln!("SKIPPED: no C compiler (cc)");
    }
    found
}

fn has_openmp() -> bool {
    let dir = folder();
    std::fs::write(dir.path().join("t.c"), "int main(void) { return 0; }\n").expect("it is writable");
    run_in(dir.path(), Path::new("cc"), &["-fopenmp", "t.c", "-o", "t"]).code == 0
}

pub(super) fn firmware(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("firmware/models").join(file)
}

/// The first stored case of a model: input and expected output.
pub(super) fn case(model: &str) -> (Tensor, Vec<f64>) {
    let read = |name: String| {
        npy::read(std::fs::read(firmware(&name)).expect("it is in the repository").into()).expect("it is .npy")
    };
    let (x, y) = (read(format!("{model}_in.npy")), read(format!("{model}_out_f32.npy")));
    let all = y.to_f64().expect("numbers");
    let cases = y.shape()[0];
    (x, all[..all.len() / cases].to_vec())
}

/// A `main` that reads one input from in.bin and writes the output to out.bin.
fn driver(inputs: usize, outputs: usize, before: &str, workspace: bool) -> String {
    let (memory, passed) =
        if workspace { ("static uint64_t ws[M_WORKSPACE_BYTES / 8 + 1];", ", ws") } else { ("", "") };
    format!(
        "#include <stdio.h>\n#include <stdint.h>\n#include \"m.h\"\n{memory}\nstatic float x[{inputs}], y[{outputs}];\n\
         static uint64_t weights[1 << 16];\nint main(void) {{\n    FILE *f = fopen(\"in.bin\", \"rb\");\n    (void)weights;\n    \
         if (!f || fread(x, 4, {inputs}, f) != {inputs}) return 9;\n    {before}\n    int s = m_run(x, y{passed});\n    if (s) return s;\n    \
         f = fopen(\"out.bin\", \"wb\");\n    return !f || fwrite(y, 4, {outputs}, f) != {outputs} || fclose(f);\n}}\n"
    )
}

/// Compiles a model's `.onnx` to C with some arguments, builds and runs it; gives the outputs.
fn outputs(model: &str, args: &[&str], cc: &[&str], before: &str) -> Vec<f32> {
    let dir = folder();
    let (x, want) = case(model);
    let count = x.shape()[1..].iter().product::<usize>();
    let path = firmware(&format!("{model}_f32.onnx")).display().to_string();
    onnxc(dir.path(), &[&[path.as_str(), "-o", "m.c"], args].concat()).ok();
    std::fs::write(dir.path().join("in.bin"), &x.bytes()[..count * 4]).expect("it is writable");
    let own = args.contains(&"--static-workspace");
    std::fs::write(dir.path().join("main.c"), driver(count, want.len(), before, !own)).expect("it is writable");
    if args.contains(&"extern") {
        let bytes = std::fs::read(dir.path().join("m.weights")).expect("it is written");
        let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let text = format!(
            "#include <stdint.h>\nextern const uint8_t m_constants[];\nconst uint8_t m_constants[] __attribute__((aligned(64))) = {{{}}};\n",
            list.join(",")
        );
        std::fs::write(dir.path().join("weights.c"), text).expect("it is writable");
        cc_ok(dir.path(), &["-c", "weights.c", "-o", "weights.o"]);
    }
    cc_ok(dir.path(), &[STRICT, cc, &["-c", "m.c", "-o", "m.o"]].concat());
    let mut link = [&["-fsanitize=undefined"], cc, &["main.c", "m.o", "-o", "run"]].concat();
    if args.contains(&"extern") {
        link.push("weights.o");
    }
    cc_ok(dir.path(), &link);
    run_in(dir.path(), &dir.path().join("run"), &[]).ok();
    let bytes = std::fs::read(dir.path().join("out.bin")).expect("it is written");
    let got: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    for (a, b) in got.iter().zip(&want) {
        assert!((f64::from(*a) - b).abs() <= 1e-5, "{model} {args:?}: {a} is not {b}");
    }
    assert_eq!(got.len(), want.len());
    got
}

fn cc_ok(folder: &Path, args: &[&str]) {
    run_in(folder, Path::new("cc"), args).ok();
}

#[test]
fn every_place_of_weights_and_workspace_gives_the_same() {
    if !has_cc() {
        return;
    }
    let plain = outputs("dscnn", &[], &[], "");
    let read = "f = fopen(\"m.weights\", \"rb\");\n    if (!f || fread(weights, 1, sizeof weights, f) == 0) return 8;\n    m_weights = (const uint8_t *)weights;";
    let ways: [(&[&str], &[&str], &str); 6] = [
        (&["--weights", "extern"], &[], ""),
        (&["--weights", "file"], &[], read),
        (&["--section", ".flash_weights"], &[], ""),
        (&["--static-workspace"], &[], ""),
        (&["--openmp"], &[], ""),
        (&["--openmp", "--weights", "extern", "--static-workspace"], &["-fopenmp"], ""),
    ];
    for (args, cc, before) in ways {
        if cc.contains(&"-fopenmp") && !has_openmp() {
            eprintln!("SKIPPED: this C compiler has no OpenMP");
            continue;
        }
        assert_eq!(outputs("dscnn", args, cc, before), plain, "{args:?}");
    }
}

#[test]
fn code_for_a_microcontroller_agrees() {
    if !has_cc() {
        return;
    }
    for model in ["lenet5", "resnet8", "dscnn", "fcae", "mbv1"] {
        outputs(model, &["--target", "thumbv7em-none-eabihf", "--target-cpu", "cortex-m4"], &[], "");
    }
}

const CORTEX_M4: [&str; 4] = ["--target", "thumbv7em-none-eabihf", "--target-cpu", "cortex-m4"];
const CORTEX_M55: [&str; 4] = ["--target", "thumbv8.1m.main-none-eabihf", "--target-cpu", "cortex-m55"];

/// What the header of a model for Cortex-M4 says of its workspace.
fn workspace(model: &str, args: &[&str]) -> Result<i64, Ran> {
    workspace_on(CORTEX_M4, &format!("{model}_f32"), args)
}

/// What a module's header says of its workspace.
fn workspace_on(target: [&str; 4], model: &str, args: &[&str]) -> Result<i64, Ran> {
    let dir = folder();
    let path = firmware(&format!("{model}.onnx")).display().to_string();
    let ran = onnxc(dir.path(), &[&[path.as_str(), "-o", "m.c"], &target[..], args].concat());
    if ran.code != 0 {
        return Err(ran);
    }
    let header = std::fs::read_to_string(dir.path().join("m.h")).expect("it is written");
    let bytes = header.lines().find_map(|l| l.strip_prefix("#define M_WORKSPACE_BYTES "));
    Ok(bytes.and_then(|b| b.parse().ok()).expect("the size is fixed"))
}

/// Peaks of live tensors with activations and residual sums in place, and depthwise and pointwise convolutions too.
#[test]
fn microcontrollers_get_the_least_memory() {
    for (model, most) in
        [("lenet5", 23_520), ("resnet8", 131_072), ("dscnn", 32_000), ("fcae", 1_024), ("mbv1", 221_184)]
    {
        for target in [CORTEX_M4, CORTEX_M55] {
            let bytes = workspace_on(target, &format!("{model}_f32"), &[]).map_err(|r| r.err).expect("it compiles");
            assert!(bytes <= most, "{model}: {bytes} bytes, not {most}");
        }
    }
}

#[test]
fn a_budget_is_met_or_refused_with_what_stands_in_its_way() {
    for (model, most) in [("lenet5", 17_640), ("resnet8", 98_304), ("dscnn", 32_000), ("fcae", 512), ("mbv1", 165_888)]
    {
        let bytes = workspace(model, &["--max-ram", &most.to_string()]).map_err(|r| r.err).expect("it fits");
        assert!(bytes <= most, "{model}: {bytes} bytes, not {most}");
        if has_cc() {
            outputs(model, &["--target", "thumbv7em-none-eabihf", "--max-ram", &most.to_string()], &[], "");
        }
    }
    // What is said to work does.
    for model in ["resnet8", "dscnn", "lenet5"] {
        let ran = workspace(model, &["--max-ram", "100"]).expect_err("it is too little");
        let least = ran.err.trim_end().rsplit(' ').next().expect("a number").to_string();
        assert!(workspace(model, &["--max-ram", &least]).is_ok(), "{model}: {least}");
        // A byte less doesn't, and is refused with the same number.
        let less = (least.parse::<u64>().expect("a number") - 1).to_string();
        let ran = workspace(model, &["--max-ram", &less]).expect_err("it is too little");
        assert!(ran.err.trim_end().ends_with(&format!(" {least}")), "{model}: {least}: {}", ran.err);
    }
    let refused = |args: &[&str]| match workspace("dscnn", args) {
        Err(ran) => ran,
        Ok(bytes) => panic!("{args:?} is met with {bytes} bytes"),
    };
    let ram = refused(&["--max-ram", "1000"]);
    for word in ["E5030", "at most 1000 bytes", "alive at one time: '", "the smallest budget that works is --max-ram "]
    {
        assert!(ram.code == 1 && ram.err.contains(word), "{}", ram.err);
    }
    let flash = refused(&["--max-flash", "1000"]);
    for word in ["E5032", "at most 1000 bytes", "the largest tensors of the model: '", "stored as: '"] {
        assert!(flash.code == 1 && flash.err.contains(word), "{}", flash.err);
    }
}

/// The first tensor of a network waits for the last addition: it is computed again for that where a budget needs its memory.
#[test]
fn a_tensor_is_computed_again_where_a_budget_needs_that() {
    let dir = folder();
    let path = super::model("residual");
    let compile = |args: &[&str]| {
        onnxc(dir.path(), &[&[path.as_str(), "-o", "m.c", "--report", "text"], &CORTEX_M4[..], args].concat())
    };
    let refused = compile(&["--max-ram", "100"]);
    let least = refused.err.trim_end().rsplit(' ').next().expect("a number").to_string();
    // Tensors have 8 KiB; steps that are joined alone would leave two of them alive.
    assert!(refused.code == 1 && least.parse::<u32>().expect("a number") < 2 * 8192, "{}", refused.err);
    for room in [&[][..], &["--max-ram", "19264"]] {
        let report = compile(room).ok().out;
        assert!(!report.contains("again"), "{room:?}: {report}");
    }
    let report = compile(&["--max-ram", &least]).ok().out;
    let note =
        "note       node 'conv_first' (Conv) is computed again, to spare RAM, for 'add_sum': 'head', 55296 more macs";
    let step = "Conv + Relu + Add (conv_first_again, relu_head_again, add_sum), 114688 flops, 55296 macs";
    assert!(report.contains(note) && report.contains(step), "{report}");
    if has_cc() {
        agrees_as_c(dir.path(), &path, 16, 768);
    }
}

/// What stays row by row in C for microcontrollers gives what a module without a budget does.
#[test]
fn inverted_residuals_within_a_budget_agree_as_c() {
    let dir = folder();
    let path = super::model("inverted");
    let compile =
        |most: &str| onnxc(dir.path(), &[&[path.as_str(), "-o", "m.c"], &CORTEX_M4[..], &["--max-ram", most]].concat());
    let refused = compile("100");
    let least = refused.err.trim_end().rsplit(' ').next().expect("a number").to_string();
    // The largest tensor has 49,152 bytes, and another one is there with it.
    assert!(refused.code == 1 && least.parse::<u32>().expect("a number") < 49_152 / 2, "{}", refused.err);
    compile(&least).ok();
    if has_cc() {
        agrees_as_c(dir.path(), &path, 32, 16);
    }
}

/// Builds m.c and compares what it makes of an image of three channels with the model's outputs.
fn agrees_as_c(folder: &Path, model: &str, side: usize, outputs: usize) {
    let n = 3 * side * side;
    let x: Vec<f32> = (0..n).map(|i| (i * 7 % 31) as f32 / 16.0 - 1.0).collect();
    super::put(folder, "x.npy", &Tensor::from_slice(&[1, 3, side, side], &x));
    onnxc(folder, &["run", model, "--inputs", "x.npy", "--outputs", "y.npy"]).ok();
    let want = npy::read(std::fs::read(folder.join("y.npy")).expect("it is written").into()).expect("it is .npy");
    let bytes: Vec<u8> = x.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::write(folder.join("in.bin"), bytes).expect("it is writable");
    std::fs::write(folder.join("main.c"), driver(n, outputs, "", true)).expect("it is writable");
    cc_ok(folder, &[STRICT, &["-c", "m.c", "-o", "m.o"]].concat());
    cc_ok(folder, &["-fsanitize=undefined", "main.c", "m.o", "-o", "run"]);
    run_in(folder, &folder.join("run"), &[]).ok();
    let got = std::fs::read(folder.join("out.bin")).expect("it is written");
    let got = got.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    for (a, b) in got.zip(want.to_f64().expect("numbers")) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{a} is not {b}");
    }
}

/// A module's C for Cortex-M55.
fn helium(model: &str) -> String {
    let dir = folder();
    let path = firmware(&format!("{model}.onnx")).display().to_string();
    let ran = onnxc(dir.path(), &[&[path.as_str(), "-o", "m.c"], &CORTEX_M55[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    std::fs::read_to_string(dir.path().join("m.c")).expect("it is written")
}

/// The vectors of Cortex-M55 stay whole from load to store, and sums of products fill them.
#[test]
fn vectors_stay_whole_where_the_target_has_them() {
    let (lenet5, dscnn, floats) = (helium("lenet5_qdq"), helium("dscnn_qdq"), helium("dscnn_f32"));
    let function = |text: &str, name: &str| {
        let start = text.find(&format!("void m_{name}(")).expect("it is there");
        let end = text[start..].find("\n}\n").expect("it ends");
        text[start..start + end].to_string()
    };
    // A pool, a convolution of one channel, one of six, and depthwise ones: what is in it, and what isn't.
    let cases: [(&str, &str, &[&str], &[&str]); 6] = [
        (&lenet5, "maxpool_2", &["onnxc_max_i8x4(", "onnxc_store_i8x4("], &["onnxc_max_i8("]),
        (&lenet5, "integerconv_1", &["onnxc_dot_i8_i8_x16(", "int8_t windows[50];"], &["onnxc_dot_i8_i8_x4("]),
        (&lenet5, "integerconv_3", &["onnxc_dot_i8_i8_x16("], &["onnxc_dot_i8_i8_x8(", "windows["]),
        (&dscnn, "integerconv_2", &["onnxc_mul_i32x4(", "onnxc_upper_i32x4(", "onnxc_store_i8x4("], &["int64_t"]),
        (&floats, "conv_relu_1", &["onnxc_fma_f32x4(", "onnxc_max_f32x4_all(", "onnxc_store_f32x4("], &["_f32("]),
        // What all channels are multiplied by stays a scalar.
        (&floats, "conv_relu_2", &["onnxc_fma_f32x4_all(", "onnxc_store_f32x4("], &["_f32(", "onnxc_splat_f32x4("]),
    ];
    for (text, name, inside, outside) in cases {
        let body = function(text, name);
        assert!(inside.iter().all(|w| body.contains(w)) && !outside.iter().any(|w| body.contains(w)), "{body}");
    }
}

/// Integers need less: a quantised input is on the stack where it would be most of the workspace.
#[test]
fn quantised_models_get_the_least_memory() {
    for (model, most) in [("lenet5", 6_200), ("resnet8", 49_152), ("dscnn", 16_000), ("fcae", 512), ("mbv1", 55_296)] {
        let bytes = workspace_on(CORTEX_M4, &format!("{model}_qdq"), &[]).map_err(|r| r.err).expect("it compiles");
        assert!(bytes <= most, "{model}: {bytes} bytes, not {most}");
    }
}
