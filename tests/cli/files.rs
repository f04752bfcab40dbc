//! Each kind of file, and what can be printed on the way.

use super::*;
use onnxc::backends::native;

#[test]
fn the_suffix_chooses_the_file() {
    let dir = folder();
    let m = model("linear_func");
    for backend in native() {
        let name = backend.name();
        for (file, head) in
            [("m.so", "\x7fELF"), ("m.o", "\x7fELF"), ("m.a", "!<arch>\n"), ("m.h", "/* Module linear_func")]
        {
            onnxc(dir.path(), &[&m, "-o", file, "--backend", name]).ok();
            let bytes = std::fs::read(dir.path().join(file)).expect("it was written");
            assert!(bytes.starts_with(head.as_bytes()), "{name}: {file}");
        }
        onnxc(dir.path(), &[&m, "-o", "m.s", "--backend", name]).ok();
        let own = if name == "llvm" { "m.ll" } else { "m.clif" };
        onnxc(dir.path(), &[&m, "-o", own, "--backend", name]).ok();
        for file in ["m.s", own] {
            let text = std::fs::read_to_string(dir.path().join(file)).expect("it is text");
            assert!(text.contains("linear_func_run"), "{name}: {file}");
        }
        let other = if name == "llvm" { "m.clif" } else { "m.ll" };
        let refused = onnxc(dir.path(), &[&m, "-o", other, "--backend", name]);
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains("error[E5011]") && refused.err.contains(other), "{}", refused.err);
    }
    let header = std::fs::read_to_string(dir.path().join("m.h")).expect("it stands beside the library");
    assert!(header.contains("int linear_func_run("), "{header}");
}

#[test]
fn outputs_are_the_same_each_time() {
    let dir = folder();
    let m = model("model_static");
    for file in ["a.o", "b.o"] {
        onnxc(dir.path(), &[&m, "-o", file]).ok();
    }
    let read = |f: &str| std::fs::read(dir.path().join(f)).expect("it was written");
    assert!(read("a.o") == read("b.o"), "two compilations gave two objects");
}

#[test]
fn names_are_prefixes() {
    let dir = folder();
    onnxc(dir.path(), &[&model("linear_func"), "-o", "m.h", "--name", "my-net"]).ok();
    let header = std::fs::read_to_string(dir.path().join("m.h")).expect("it was written");
    assert!(header.contains("int my_net_run("), "{header}");
}

#[test]
fn each_level_can_be_printed() {
    let dir = folder();
    let m = model("linear_func");
    for (level, start) in [("graph", "graph @linear_func"), ("kernel", "kernel @"), ("loops", "program @linear_func")] {
        let ran = onnxc(dir.path(), &[&m, "--emit", level]).ok();
        assert!(ran.out.starts_with(start), "{level}: {}", ran.out);
    }
    let ran =
        onnxc(dir.path(), &[&m, "--print-after", "import", "--print-after", "assemble", "--stop-after", "assemble"])
            .ok();
    assert!(
        ran.out.contains("// after import\ngraph @") && ran.out.contains("// after assemble\nprogram @"),
        "{}",
        ran.out
    );
    let ran = onnxc(dir.path(), &[&m, "-o", "m.o", "--stop-after", "infer", "--time-passes"]).ok();
    assert_eq!((ran.out.as_str(), dir.path().join("m.o").exists()), ("", false));
    let ran = onnxc(dir.path(), &[&m, "-o", "m.o", "--time-passes"]).ok();
    for word in ["infer", "backend", "total"] {
        assert!(ran.err.contains(word), "{word} is not in: {}", ran.err);
    }
}

#[test]
fn passes_run_on_text() {
    let dir = folder();
    let m = model("linear_func");
    let graph = onnxc(dir.path(), &[&m, "--print-after", "infer", "--stop-after", "infer"]).ok().out;
    std::fs::write(dir.path().join("x.graph"), graph.trim_start_matches("// after infer\n")).expect("it is writable");
    let out = onnxc(dir.path(), &["opt", "--pass", "dead-code", "x.graph"]).ok().out;
    assert!(out.starts_with("graph @linear_func"), "{out}");
    let unknown = onnxc(dir.path(), &["opt", "--pass", "unroll", "x.graph"]);
    assert_eq!(unknown.code, 2, "{}", unknown.err);
    let kernel = onnxc(dir.path(), &[&m, "--emit", "kernel"]).ok().out;
    std::fs::write(dir.path().join("x.kernel"), &kernel).expect("it is writable");
    assert!(onnxc(dir.path(), &["opt", "--pass", "schedule", "x.kernel"]).ok().out.starts_with("kernel @"));
    let loops = onnxc(dir.path(), &[&m, "--print-after", "assemble", "--stop-after", "assemble"]).ok().out;
    std::fs::write(dir.path().join("x.loops"), loops.trim_start_matches("// after assemble\n"))
        .expect("it is writable");
    let out = onnxc(dir.path(), &["opt", "--pass", "unroll", "--pass", "plan-memory", "x.loops"]).ok().out;
    assert!(out.starts_with("program @linear_func"), "{out}");
    std::fs::write(dir.path().join("bad.graph"), "graph @x(").expect("it is writable");
    assert_eq!(onnxc(dir.path(), &["opt", "--pass", "dead-code", "bad.graph"]).code, 1);
}

#[test]
fn elided_constants_come_from_the_model() {
    let dir = folder();
    let m = model("srcnn");
    let graph = onnxc(dir.path(), &[&m, "--emit", "graph"]).ok().out;
    assert!(graph.contains("elided"), "{graph}");
    std::fs::write(dir.path().join("x.graph"), &graph).expect("it is writable");
    assert_eq!(onnxc(dir.path(), &["opt", "--pass", "dead-code", "x.graph"]).code, 1);
    let again = onnxc(dir.path(), &["opt", "--pass", "dead-code", "x.graph", "--constants", &m]).ok().out;
    assert_eq!(again.trim(), graph.trim());
}

#[test]
fn the_report_is_json_too() {
    let dir = folder();
    let m = model("model_static");
    let ran = onnxc(dir.path(), &[&m, "--report", "json"]).ok();
    let report: serde_json::Value = serde_json::from_str(&ran.out).expect("it is JSON");
    // 3 output channels of 8x8, each of 3x3x3 products and sums, as the convolution's weights say.
    assert!(report["flops"].as_i64().is_some_and(|n| n >= 2 * 8 * 8 * 3 * 3 * 3 * 3), "{}", ran.out);
    for key in ["constant_bytes", "code_bytes"] {
        assert!(report[key].as_i64().is_some_and(|n| n > 0), "{key}: {}", ran.out);
    }
    assert!(report["workspace_bytes"].is_i64() && report["steps"].as_array().is_some_and(|s| !s.is_empty()));
    let text = onnxc(dir.path(), &[&m, "--report", "text"]).ok().out;
    assert!(text.contains("workspace  ") && text.contains("Conv"), "{text}");
}

/// Who reads the source finds the model in it: nodes with what they read and write, and a name for the last status, too.
#[test]
fn source_names_nodes_shapes_and_statuses() {
    let dir = folder();
    let read = |file: &str| std::fs::read_to_string(dir.path().join(file)).expect("it is written");
    for out in ["m.c", "m.rs"] {
        onnxc(dir.path(), &[&model("model_static"), "-o", out]).ok();
        assert!(read(out).contains("/conv/Conv (Conv): f32[1, 3, 10, 10] -> f32[1, 3, 8, 8]"), "{}", read(out));
    }
    assert!(read("m.h").contains("#define ONNXC_STATUS_IMAGE 7 /* an image is of a form that is not decoded */"));
}

/// Of what rustc makes nobody knows the frames, so the report has no bound of them, and says so.
#[test]
fn the_stack_of_rust_source_has_no_bound() {
    let dir = folder();
    let m = model("model_static");
    let report = |out: &str, form: &str| onnxc(dir.path(), &[&m, "-o", out, "--report", form]).ok().out;
    let json = |out: &str| serde_json::from_str::<serde_json::Value>(&report(out, "json")).expect("it is JSON");
    let (c, rust) = (json("m.c"), json("m.rs"));
    assert!(c["stack_bytes"].as_u64() > c["stack_array_bytes"].as_u64(), "{c}");
    assert!(rust["stack_bytes"].is_null() && rust["stack_array_bytes"].is_u64(), "{rust}");
    // The sum is there where both are numbers.
    let sum = c["workspace_bytes"].as_u64().zip(c["stack_bytes"].as_u64()).map(|(w, s)| w + s);
    assert!(sum.is_some() && c["ram_bytes"].as_u64() == sum && rust["ram_bytes"].is_null(), "{c}");
    assert!(report("m.c", "text").contains("\nram        ") && !report("m.rs", "text").contains("\nram "));
    assert!(
        report("m.c", "text").contains(" bytes at most") && report("m.rs", "text").contains("stack      no bound: ")
    );
}
