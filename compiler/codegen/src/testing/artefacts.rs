//! What every backend's artefacts must do, by the module of [`super::module::sample`]: load, run, refuse, link.

use super::module::sample;
use crate::loader::Module;
use crate::{Artefact, Backend, CompileOptions, Linker, ModuleInfo, Target, compile, complete, header};
use onnxc_base::{Diagnostics, Tensor};
use onnxc_ir::loops::Program;
use std::path::Path;
use std::process::Command;

fn with_artefact<R>(
    backend: &dyn Backend,
    f: impl FnOnce(&Artefact<'_>, &Program, &ModuleInfo) -> Result<R, String>,
) -> Result<R, String> {
    let mut program = sample();
    let info = ModuleInfo { compiler: "onnxc test".into(), model_sha256: "00".repeat(32), flops: None, alignment: 64 };
    complete(&mut program);
    let options = CompileOptions { opt_level: 2, ..CompileOptions::default() };
    let artefact = compile(backend, &program, &info, &Target::host(), &options).map_err(text)?;
    f(&artefact, &program, &info)
}

fn text(e: Diagnostics) -> String {
    e.to_string()
}

fn ensure(ok: bool, what: &str) -> Result<(), String> {
    if ok { Ok(()) } else { Err(what.to_string()) }
}

/// Inputs of the sample for `n` rows: row i begins with i.
fn inputs(n: usize, limit: i64) -> Vec<Tensor> {
    let x: Vec<f32> = (0..n * 4).map(|i| if i % 4 == 0 { (i / 4) as f32 } else { 0.5 }).collect();
    let w: Vec<f32> = (0..2 * n).map(|i| i as f32).collect();
    vec![Tensor::from_slice(&[n, 4], &x), Tensor::scalar(limit), Tensor::from_slice(&[2 * n], &w)]
}

/// The shared library loads, runs for several sizes and returns true extents.
pub fn check_loading(backend: &dyn Backend) -> Result<(), String> {
    check_linker(backend, &Linker::find().map_err(text)?)
}

/// The same, linked by one linker.
pub fn check_linker(backend: &dyn Backend, linker: &Linker) -> Result<(), String> {
    with_artefact(backend, |artefact, _, _| {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let path = dir.path().join("sample.so");
        artefact.write_shared(&path, &[], linker).map_err(text)?;
        let module = Module::open(&path).map_err(text)?;
        for n in [1, 5, 64] {
            let outputs = module.run(&inputs(n, 2)).map_err(text)?;
            let y = outputs[0].to_vec::<f32>().ok_or("y is f32")?;
            let want: Vec<f32> = (0..n * 4)
                .map(|i| {
                    let x = if i % 4 == 0 { (i / 4) as f32 } else { 0.5 };
                    x * (i / 4) as f32 + (i % 4 + 1) as f32
                })
                .collect();
            ensure(y == want, &format!("y is {y:?}"))?;
            let rows: Vec<i64> = (3..n as i64).collect();
            ensure(
                outputs[1].shape() == [rows.len()] && outputs[1].to_vec::<i64>() == Some(rows),
                "rows are those beyond 2",
            )?;
        }
        let described = module.description();
        ensure((described.name(), described.compiler()) == ("sample", "onnxc test"), "the module knows its name")?;
        ensure(module.inputs()[2].shape == ["?"] && module.outputs()[1].shape == ["k"], "shapes are described")
    })
}

/// What doesn't fit is refused: each inputs' problem beside the text that the message must have.
pub fn check_refusals(backend: &dyn Backend) -> Result<(), String> {
    with_artefact(backend, |artefact, _, _| {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let path = dir.path().join("sample.so");
        artefact.write_shared(&path, &[], &Linker::find().map_err(text)?).map_err(text)?;
        let module = Module::open(&path).map_err(text)?;
        let with = |i: usize, t: Tensor| {
            let mut all = inputs(5, 2);
            all[i] = t;
            all
        };
        let f32s = |shape: &[usize]| Tensor::from_slice(shape, &vec![1f32; shape.iter().product()]);
        let cases = [
            (inputs(5, 2)[..2].to_vec(), "2 inputs were given"),
            (with(0, Tensor::from_slice(&[5, 4], &[0i32; 20])), "input 'x' has elements of i32"),
            (with(0, f32s(&[20])), "input 'x' has rank 1"),
            (with(0, f32s(&[5, 3])), "input 'x', dim 1: 3 was given"),
            (with(2, f32s(&[9])), "input 'w', dim 0: 9 was given"),
            (inputs(65, 2), "is 65 (dim 'n')"),
            (inputs(5, 101), "status 1"),
            (with(0, Tensor::from_slice(&[5, 4], &[-1f32; 20])), "status 2: an index in an input is out of range"),
        ];
        for (given, want) in cases {
            let e = module.run(&given).err().ok_or_else(|| format!("nothing was refused: {want}"))?.to_string();
            ensure(e.contains(want), &format!("'{want}' is not in:\n{e}"))?;
        }
        let none = Module::open(&dir.path().join("none.so")).err().ok_or("a missing file was loaded")?;
        ensure(none.to_string().contains("E6001"), "a missing file is said to be one")
    })
}

const MAIN: &str = r#"
#include "sample.h"
#include <stdio.h>
#include <string.h>
int main(void) {
    sample_dims dims = {2, 0, 0};
    float x[8] = {1, 0, 0, 0, 9, 0, 0, 0}, w[4] = {1, 2, 3, 4}, y[8];
    int64_t limit = 3, rows[2] = {-1, -1}, extents[1];
    char workspace[64];
    int status = sample_plan(x, &limit, w, &dims);
    if (status == 0 && sample_workspace_bytes(&dims) <= 64) status = sample_run(&dims, x, &limit, w, y, rows, extents, workspace);
    printf("%d %g %g %d %d %s\n", status, y[0], y[7], (int)extents[0], (int)rows[0], sample_status_text(0));
    return strcmp(sample_status_text(99), "unknown status") != 0 || onnxc_module_v1() == 0;
}
"#;

/// The object and the static library link into a C program with nothing undefined; two modules can be in one program.
pub fn check_linking(backend: &dyn Backend) -> Result<(), String> {
    with_artefact(backend, |artefact, program, info| {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let at = |name: &str| dir.path().join(name);
        artefact.write_object(&at("sample.o")).map_err(text)?;
        artefact.write_archive(&at("libsample.a")).map_err(text)?;
        let mut other = sample();
        other.name = "other".into();
        for f in other.funcs.values_mut() {
            f.name = f.name.replace("sample", "other");
        }
        let other_artefact = compile(backend, &other, info, &Target::host(), &CompileOptions::default());
        other_artefact.map_err(text)?.write_object(&at("other.o")).map_err(text)?;
        let write = |name: &str, text: &str| std::fs::write(at(name), text).map_err(|e| e.to_string());
        write("sample.h", &header(program, info))?;
        write("main.c", MAIN)?;
        for objects in [&["sample.o"][..], &["-L.", "-lsample"], &["sample.o", "other.o"]] {
            let Some(said) = build_and_run(dir.path(), objects)? else { return Ok(()) };
            ensure(said == "0 2 4 1 1 ok\n", &format!("{objects:?} says {said}"))?;
        }
        Ok(())
    })
}

/// What the program prints; nothing if there is no C compiler.
fn build_and_run(dir: &Path, objects: &[&str]) -> Result<Option<String>, String> {
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Werror", "main.c"]).args(objects).args(["-Wl,--no-undefined", "-o", "main"]);
    let Ok(out) = cc.current_dir(dir).output() else { return Ok(None) };
    ensure(out.status.success(), &String::from_utf8_lossy(&out.stderr))?;
    let out = Command::new(dir.join("main")).output().map_err(|e| e.to_string())?;
    ensure(out.status.success(), "the program fails")?;
    Ok(Some(String::from_utf8_lossy(&out.stdout).into_owned()))
}

/// A library exports the module's symbols and no others, and needs none.
pub fn check_symbols(backend: &dyn Backend) -> Result<(), String> {
    use object::{Object, ObjectSymbol};
    with_artefact(backend, |artefact, _, _| {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let path = dir.path().join("sample.so");
        artefact.write_shared(&path, &[], &Linker::find().map_err(text)?).map_err(text)?;
        let bytes = std::fs::read(&path).map_err(|e| e.to_string())?;
        let file = object::File::parse(bytes.as_slice()).map_err(|e| e.to_string())?;
        let mut defined: Vec<String> = file
            .dynamic_symbols()
            .filter(|s| s.is_definition())
            .filter_map(|s| s.name().ok().map(str::to_owned))
            .collect();
        defined.sort();
        let mut want = artefact.exports();
        want.sort();
        ensure(defined == want, &format!("exports {defined:?} instead of {want:?}"))?;
        let undefined: Vec<_> =
            file.dynamic_symbols().filter(|s| s.is_undefined() && !s.name().unwrap_or("").is_empty()).collect();
        ensure(undefined.is_empty(), &format!("needs {undefined:?}"))
    })
}
