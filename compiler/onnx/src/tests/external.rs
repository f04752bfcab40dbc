//! External data: where they may lie, what ranges are allowed, and that they are mapped once.

use super::build::*;
use super::{assert_snapshot, good};
use crate::{Limits, check, encode};
use onnxc_base::Diagnostics;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// What stands beside the model: `w.bin` of 64 bytes, `sub/w.bin`, links out of the folder, a folder, a secret outside.
fn folder() -> TempDir {
    let top = TempDir::new().expect("the temporary folder can be written");
    let dir = top.path().join("model");
    let write = |p: &Path, n: u8| fs::write(p, (0..n).collect::<Vec<u8>>()).expect("it can be written");
    fs::create_dir_all(dir.join("sub")).expect("it can be made");
    write(&dir.join("w.bin"), 64);
    write(&dir.join("sub/w.bin"), 48);
    write(&dir.join("empty.bin"), 0);
    write(&top.path().join("secret.bin"), 64);
    fs::create_dir(top.path().join("model2")).expect("it can be made");
    write(&top.path().join("model2/w.bin"), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("../secret.bin", dir.join("link.bin")).expect("links work");
        symlink("../model2", dir.join("linked")).expect("links work");
        symlink("sub/w.bin", dir.join("inside.bin")).expect("links work");
        symlink("loop.bin", dir.join("loop.bin")).expect("links work");
    }
    top
}

/// Loads and checks the good model with its weight replaced by external data.
fn run(top: &TempDir, entries: &[(&str, &str)]) -> Result<crate::Model, Diagnostics> {
    let mut m = good();
    *weight(&mut m) = external(weight(&mut m).clone(), entries);
    let path = top.path().join("model/m.onnx");
    fs::write(&path, encode(&m)).expect("it can be written");
    let model = crate::load(&path, &Limits::default())?;
    check(&model).into_result(model)
}

type Entries = &'static [(&'static str, &'static str)];
const CASES: &[(&str, Entries)] = &[
    ("parent", &[("location", "../secret.bin")]),
    ("parent in the middle", &[("location", "sub/../../secret.bin")]),
    ("parent that comes back", &[("location", "../model/w.bin")]),
    ("absolute", &[("location", "/etc/passwd")]),
    ("link to a file outside", &[("location", "link.bin")]),
    ("link to a folder outside whose name begins alike", &[("location", "linked/w.bin")]),
    ("link in a circle", &[("location", "loop.bin")]),
    ("no such file", &[("location", "nowhere.bin")]),
    ("folder", &[("location", "sub")]),
    ("device", &[("location", "/dev/zero")]),
    ("empty path", &[("location", "")]),
    ("zero byte in the path", &[("location", "w.bin\0.txt")]),
    ("no location", &[("offset", "0")]),
    ("location twice", &[("location", "w.bin"), ("location", "../secret.bin")]),
    ("length beyond the file", &[("location", "w.bin"), ("offset", "32"), ("length", "48")]),
    ("offset beyond the file", &[("location", "w.bin"), ("offset", "1000")]),
    ("offset overflows", &[("location", "w.bin"), ("offset", "18446744073709551615")]),
    ("offset larger than a number", &[("location", "w.bin"), ("offset", "99999999999999999999")]),
    ("negative offset", &[("location", "w.bin"), ("offset", "-4")]),
    ("offset that is no number", &[("location", "w.bin"), ("offset", "0x10")]),
    ("length unlike dims and type", &[("location", "w.bin"), ("length", "40")]),
    ("huge length", &[("location", "w.bin"), ("length", "18446744073709551615")]),
    ("empty file", &[("location", "empty.bin")]),
];

#[test]
#[cfg(unix)]
fn hostile_paths_and_ranges() {
    let top = folder();
    let mut text = String::new();
    for (case, entries) in CASES {
        let found = run(&top, entries).expect_err(case).to_string();
        text += &format!("== {case}\n{}\n", found.replace(&top.path().display().to_string(), "DIR"));
    }
    assert_snapshot("external", &text);
}

#[test]
fn good_ranges_are_shared_with_one_map() {
    let top = folder();
    let read = |entries: &[(&str, &str)]| {
        let model = run(&top, entries).expect("it is sound");
        let w = &model.graph().initializer[0];
        let (a, b) = (model.tensor(w).expect("it is sound"), model.tensor(w).expect("it is sound"));
        assert_eq!(a.bytes().as_ptr(), b.bytes().as_ptr());
        a.bytes()[0]
    };
    assert_eq!(read(&[("location", "w.bin")]), 0);
    assert_eq!(read(&[("location", "./w.bin"), ("offset", "16"), ("length", "48"), ("checksum", "?")]), 16);
    assert_eq!(read(&[("location", "sub/w.bin")]), 0);
    #[cfg(unix)]
    assert_eq!(read(&[("location", "inside.bin")]), 0);
}

#[test]
fn external_data_and_other_data_exclude_each_other() {
    let mut m = good();
    let raw = weight(&mut m).raw_data.clone();
    *weight(&mut m) = external(weight(&mut m).clone(), &[("location", "w.bin")]);
    weight(&mut m).raw_data = raw;
    let found = super::problems(&m).0;
    assert_eq!(short(found[0].clone()), "E0024: data are external and in raw_data");
}
