//! The firmware examples in copies, as users' projects begin: they need no file of the repository but their own. Skipped aloud,
//! by the examples themselves, where a cross tool is missing.

use super::folder;
use std::path::Path;
use std::process::Command;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder is writable");
    for entry in std::fs::read_dir(from).expect("the examples are in the repository") {
        let path = entry.expect("it can be listed").path();
        let target = to.join(path.file_name().expect("it has a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("the folder is writable");
        }
    }
}

#[test]
fn copies_of_the_firmware_examples_run() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for (example, script) in [("kws-c", "./run.sh"), ("kws-rust", "board/run.sh")] {
        let dir = folder();
        let project = dir.path().join(example);
        copy(&examples.join(example), &project);
        let ran = Command::new("bash")
            .arg(script)
            .current_dir(&project)
            .env("ONNXC", env!("CARGO_BIN_EXE_onnxc-tested"))
            .output();
        let Ok(ran) = ran else {
            eprintln!("SKIPPED: there is no bash");
            continue;
        };
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert!(ran.status.success(), "{example}: {said}");
        match said.lines().find(|l| l.starts_with("SKIPPED")) {
            Some(why) => eprintln!("{why}"),
            None => assert!(said.contains("heard: down"), "{example}: {said}"),
        }
    }
}
