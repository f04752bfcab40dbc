//! The differential cases of one lane (wider ones are the same scalars) through rustc, in one program.

use crate::Options;
use onnxc_base::{DType, EntityRef};
use onnxc_codegen::testing::{Case, programs};
use onnxc_codegen::{ModuleInfo, Target, testing};
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::{FuncBuilder, FuncId, Op, ParamKind, Program, Scalar};
use std::fmt::Write;
use std::process::Command;

/// What safe Rust refuses, and needs no running to know.
const REFUSED: &[&str] = &["heap", "no_memory", "views", "pointers"];

/// One of so many cases.
fn cases(every: usize) -> (Vec<Case>, Program, Vec<FuncId>) {
    let mut cases = testing::all();
    cases.retain(|c| {
        let narrow = !["_x2", "_x4", "_x8", "_x16"].iter().any(|x| c.name.ends_with(x));
        let fused = c.func.values.values().any(|v| matches!(v.op, Op::Fma(..)));
        let table = c.func.params.iter().any(|p| p.kind == ParamKind::Table);
        narrow && !fused && !table && !REFUSED.contains(&c.name.as_str())
    });
    let cases: Vec<Case> = cases.into_iter().step_by(every).collect();
    let mut program = Program { name: "cases".into(), ..Program::default() };
    programs::add_helpers(&mut program);
    let ids = cases.iter().map(|c| program.funcs.push(c.func.clone())).collect();
    (cases, program, ids)
}

/// A slice of the type that a parameter has, from bytes.
fn slice(d: DType, bytes: &str) -> String {
    let ty = crate::helpers::memory_type(d);
    format!(
        "{bytes}.chunks_exact({}).map(|b| {ty}::from_le_bytes(b.try_into().unwrap())).collect::<Vec<{ty}>>()",
        d.size()
    )
}

#[test]
fn agrees_with_the_interpreter() {
    let checked = agree(&Options { no_std: false, ..Options::default() }, 1);
    assert!(checked.is_none_or(|n| n > 1000));
}

/// Without checks of indices the code differs in loads and stores only, so that some of the cases will do.
#[test]
fn unchecked_access_agrees_with_the_interpreter() {
    let checked = agree(&Options { no_std: false, unsafe_fast: true, ..Options::default() }, 17);
    assert!(checked.is_none_or(|n| n > 60));
}

/// An element of a buffer moves to another place of the same one: it is read before that is borrowed to be written.
#[test]
fn unchecked_access_borrows_nothing_twice() {
    let mut b = FuncBuilder::new("moves");
    let y = b.param_buf("y", DType::F32, true);
    let (from, to) = (b.int(1), b.int(0));
    let v = b.load(y, from, 1, None);
    b.store(y, to, v, None);
    let mut program = Program { name: "m".into(), ..Program::default() };
    let moves = program.funcs.push(b.finish());
    let options = Options { no_std: false, unsafe_fast: true, ..Options::default() };
    let text = crate::file::write(&program, &ModuleInfo::default(), &Target::host(), &options, &[moves]);
    let text = text.unwrap_or_else(|e| panic!("{e}"));
    let dir = tempfile::tempdir().expect("the temporary folder is writable");
    std::fs::write(dir.path().join("m.rs"), &text).expect("the folder is writable");
    let how = ["--edition", "2021", "--crate-type", "lib", "--emit", "metadata", "m.rs"];
    let Ok(made) = Command::new("rustc").args(how).current_dir(dir.path()).output() else {
        eprintln!("SKIPPED: no rustc on this machine");
        return;
    };
    assert!(made.status.success(), "{text}\n{}", String::from_utf8_lossy(&made.stderr));
}

/// Compares cases; gives how many, or nothing without rustc.
fn agree(options: &Options, every: usize) -> Option<usize> {
    if !Command::new("rustc").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: no rustc on this machine");
        return None;
    }
    let (cases, program, ids) = cases(every);
    let dir = tempfile::tempdir().expect("the temporary folder is writable");
    let mut text = crate::file::write(&program, &ModuleInfo::default(), &Target::host(), options, &ids)
        .unwrap_or_else(|e| panic!("{e}"));
    let mut inputs = vec![];
    // A function per case: rustc takes its time with large ones.
    let mut calls = String::new();
    for (number, case) in cases.iter().enumerate() {
        let _ = writeln!(calls, "    test_case_{number}(&all);");
        let _ = writeln!(text, "fn test_case_{number}(all: &[u8]) {{");
        for (i, bytes) in case.inputs.iter().enumerate() {
            let ParamKind::Buf { dtype, .. } = case.func.params[i].kind else { continue };
            let range = format!("all[{}..{}]", inputs.len(), inputs.len() + bytes.len());
            inputs.extend_from_slice(bytes);
            let _ = writeln!(text, "        let p{i} = {};", slice(dtype, &range));
        }
        let (ty, n) = (crate::helpers::memory_type(case.out), case.count);
        let fill = slice(case.out, &format!("vec![0xcd_u8; {}]", n * case.out.size()));
        let _ = writeln!(text, "        let mut out = {fill};");
        let name = case.name.strip_prefix("cases_").unwrap_or(&case.name).to_lowercase();
        let _ = writeln!(text, "        {name}(&p0, &p1, &p2, &mut out);");
        let _ = writeln!(
            text,
            "        for v in out {{ print!(\"{{}} \", {ty}::to_le_bytes(v).iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b))); }}"
        );
        text += "        println!();\n}\n";
    }
    let _ = writeln!(
        text,
        "\nfn main() {{\n    let all = std::fs::read(std::env::args().nth(1).unwrap()).unwrap();\n{calls}}}"
    );
    let (source, data, exe) = (dir.path().join("cases.rs"), dir.path().join("inputs"), dir.path().join("cases"));
    std::fs::write(&source, text).expect("the folder is writable");
    std::fs::write(&data, inputs).expect("the folder is writable");
    let made =
        Command::new("rustc").args(["--edition", "2021", "-o"]).arg(&exe).arg(&source).output().expect("it ran before");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr).lines().take(60).collect::<Vec<_>>().join("\n")
    );
    let run = Command::new(&exe).arg(&data).output().expect("it was just made");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    compare(&cases, &program, &ids, &String::from_utf8_lossy(&run.stdout));
    Some(cases.len())
}

fn compare(cases: &[Case], program: &Program, ids: &[FuncId], printed: &str) {
    let mut interp = Interp::new(program);
    let mut wrong = vec![];
    for ((case, id), line) in cases.iter().zip(ids).zip(printed.lines()) {
        let [a, b, c] = case.inputs.clone();
        let out = vec![0xcd; case.count * case.out.size()];
        let mut args = [a, b, c, out].map(ArgVal::Buf);
        interp.call(*id, &mut args).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let want = args[3].elements::<u8>();
        let numbers = line.split_whitespace().map(|n| n.parse::<u64>().expect("it prints numbers"));
        for (i, (bits, bytes)) in numbers.zip(want.chunks_exact(case.out.size())).enumerate() {
            let (got, want) = (Scalar { dtype: case.out, bits }, Scalar::read(case.out, bytes));
            let nan = case.out.is_float() && got.to_f64().is_nan() && want.to_f64().is_nan();
            if got != want && !nan {
                wrong.push(format!("{}[{i}]: {:#x} instead of {:#x}", case.name, got.bits, want.bits));
                break;
            }
        }
    }
    assert_eq!(printed.lines().count(), cases.len());
    assert!(
        wrong.is_empty(),
        "{} of {} cases differ:\n{}",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
    assert!(ids[0].index() > 0);
}
