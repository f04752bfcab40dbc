//! `--tune`, `--tune-cache`: what was measured is kept and gives the same module again.

use super::*;
use onnxc::backends::native;

/// A network whose convolutions are large enough to be measured.
fn network() -> String {
    models().join("../firmware/models/lenet5_f32.onnx").display().to_string()
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).expect("it was written")
}

#[test]
fn a_cache_gives_the_module_that_was_tuned() {
    let dir = folder();
    let m = network();
    for backend in native() {
        let how = ["--backend", backend.name()];
        let compile = |out: &str, more: &[&str]| {
            let args: Vec<&str> = [&m, "-o", out].into_iter().chain(how).chain(more.iter().copied()).collect();
            onnxc(dir.path(), &args).ok()
        };
        let _ = std::fs::remove_file(dir.path().join("cache.txt"));
        let ran = compile("tuned.o", &["--tune", "--tune-cache", "cache.txt"]);
        assert!(ran.err.contains("note: tuned ") && ran.err.contains(", 0 were known"), "{}", ran.err);
        let cache = String::from_utf8(bytes(dir.path(), "cache.txt")).expect("it is text");
        assert!(cache.lines().count() > 1, "{cache}");
        // Whatever has won, it is what the file says.
        compile("again.o", &["--tune-cache", "cache.txt"]);
        assert_eq!(bytes(dir.path(), "again.o"), bytes(dir.path(), "tuned.o"));
        let known = compile("known.o", &["--tune", "--tune-cache", "cache.txt"]);
        assert!(known.err.contains("tuned 0 kernels"), "{}", known.err);
        assert_eq!(String::from_utf8(bytes(dir.path(), "cache.txt")), Ok(cache.clone()));
        // What the file says is done: tiles for few registers are other tiles.
        let few = cache.lines().map(|l| {
            let fields: Vec<&str> = l.split('\t').collect();
            let hinted = |(i, f)| if i == 3 { "registers=4" } else { f };
            fields.into_iter().enumerate().map(hinted).collect::<Vec<&str>>().join("\t") + "\n"
        });
        std::fs::write(dir.path().join("few.txt"), few.collect::<String>()).expect("the folder is writable");
        compile("plain.o", &[]);
        compile("few.o", &["--tune-cache", "few.txt"]);
        assert_ne!(bytes(dir.path(), "few.o"), bytes(dir.path(), "plain.o"));
    }
}

#[test]
fn what_can_not_be_tuned_is_refused() {
    let dir = folder();
    let m = model("model_static");
    std::fs::write(dir.path().join("cache.txt"), "hello\n").expect("the folder is writable");
    let mut text = String::new();
    for more in [&["--tune-cache", "cache.txt"][..], &["--tune", "--target", "riscv64gc-unknown-linux-gnu"]] {
        let args: Vec<&str> = [m.as_str(), "-o", "a.o"].into_iter().chain(more.iter().copied()).collect();
        text += &format!("-- {}\n{}", more.join(" "), onnxc(dir.path(), &args).seen(dir.path()));
    }
    assert_snapshot("wrong-tuning", &text);
    assert!(!dir.path().join("a.o").exists());
}
