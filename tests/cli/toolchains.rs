//! What users' own tools say of generated source: compilers of C and C++ without a word, objects that need nothing from
//! elsewhere, WebAssembly in an engine, a crate that Cargo builds. Said aloud and skipped where a tool is missing.

use super::source::{case, firmware, has_cc};
use super::{folder, onnxc, run_in};
use std::path::Path;
use std::process::Command;

const STRICT: [&str; 6] = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-O1"];

/// The first of some programs that is here.
fn found(programs: &[&'static str]) -> Option<&'static str> {
    let is_here = |p: &&&str| Command::new(p).arg("--version").output().is_ok_and(|o| o.status.success());
    let first = programs.iter().find(is_here).copied();
    if first.is_none() {
        eprintln!("SKIPPED: none of {programs:?} is here");
    }
    first
}

/// Every kind of model, and targets whose text differs: pairs for SMLAD, vectors for Helium and RISC-V's V, plain statements.
const SOURCES: [(&str, &[&str]); 11] = [
    ("resnet8_f32", &[]),
    ("dscnn_f32", &["--target", "thumbv7em-none-eabihf", "--target-cpu", "cortex-m4"]),
    ("mbv1_f32", &["--target", "thumbv8.1m.main-none-eabihf", "--target-cpu", "cortex-m55"]),
    ("fcae_f32", &["--target", "riscv32imac-unknown-none-elf"]),
    ("mbv1_qdq", &[]),
    ("lenet5_qdq", &["--target", "thumbv7em-none-eabihf", "--target-cpu", "cortex-m4"]),
    ("dscnn_qop", &["--target", "thumbv8.1m.main-none-eabihf", "--target-cpu", "cortex-m55"]),
    ("fcae_qop", &["--target", "riscv32imac-unknown-none-elf"]),
    ("fcae_f32", &["--target", "riscv32imafc-unknown-none-elf"]),
    ("mbv1_f32", &["--target", "riscv64gc-unknown-linux-gnu", "--target-cpu", "generic-rv64v"]),
    ("dscnn_f32", &["--target", "riscv32imafc-unknown-none-elf", "--target-cpu", "generic-rv32v"]),
];

/// Writes a model as `m.c` and `m.h`.
fn write(dir: &Path, model: &str, args: &[&str]) {
    let path = firmware(&format!("{model}.onnx")).display().to_string();
    onnxc(dir, &[&[path.as_str(), "-o", "m.c"], args].concat()).ok();
}

#[test]
fn no_compiler_of_c_or_cpp_has_a_word_to_say() {
    let c = [found(&["gcc", "cc"]), found(&["clang", "clang-22"])];
    let cpp = [found(&["g++"]), found(&["clang++", "clang++-22"])];
    for (model, args) in SOURCES {
        let dir = folder();
        write(dir.path(), model, args);
        for compiler in c.into_iter().flatten() {
            run_in(dir.path(), Path::new(compiler), &[&STRICT[..], &["-std=c99", "-c", "m.c", "-o", "m.o"]].concat())
                .ok();
        }
        for compiler in cpp.into_iter().flatten() {
            // Designators and the like are C's own; the rest holds in C++, too.
            let how = ["-std=c++17", "-x", "c++", "-c", "m.c", "-o", "m.o"];
            run_in(dir.path(), Path::new(compiler), &[&STRICT[1..], &how].concat()).ok();
        }
    }
}

const CLANG: [&str; 5] = ["clang-22", "clang-21", "clang-20", "clang-19", "clang"];

/// What Clang makes of vectors for RISC-V: instructions of its vector extension.
#[test]
fn vectors_of_riscv_are_instructions() {
    for (model, target) in SOURCES.iter().filter(|(_, t)| t.last().is_some_and(|c| c.ends_with('v'))) {
        let Some((compiler, machine)) = board(target) else { continue };
        let dir = folder();
        write(dir.path(), model, target);
        run_in(
            dir.path(),
            Path::new(compiler),
            &[machine, &["-O2", "-ffreestanding", "-S", "m.c", "-o", "m.s"]].concat(),
        )
        .ok();
        let text = std::fs::read_to_string(dir.path().join("m.s")).expect("it is written");
        for instruction in ["vle32.v", "vfmacc.vf", "vse32.v", "vmerge.v"] {
            assert!(text.contains(instruction), "{target:?}: no {instruction}");
        }
        // Most products with sums are of whole vectors.
        let count = |i: &str| text.matches(i).count();
        let whole = count("\tvfmacc.") + count("\tvfmadd.");
        assert!(whole > 2 * count("\tfmadd.s"), "{target:?}: {whole} of {}", count("\tfmadd.s"));
    }
}

/// The compiler of a target, and how it is told the processor.
fn board(target: &[&str]) -> Option<(&'static str, &'static [&'static str])> {
    let arm = || found(&["arm-none-eabi-gcc"]);
    Some(match target.last() {
        None => ("cc", &[]),
        Some(&"cortex-m4") => (arm()?, &["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]),
        Some(&"cortex-m55") => (arm()?, &["-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"]),
        // GCC has RISC-V's vectors since 14.
        Some(&"generic-rv64v") => (found(&CLANG)?, &["--target=riscv64-unknown-elf", "-march=rv64gcv"]),
        Some(&"generic-rv32v") => {
            (found(&CLANG)?, &["--target=riscv32-unknown-elf", "-march=rv32imafc_zve32f_zvl128b", "-mabi=ilp32f"])
        }
        Some(&"riscv32imafc-unknown-none-elf") => {
            (found(&CLANG)?, &["--target=riscv32-unknown-elf", "-march=rv32imafc", "-mabi=ilp32f"])
        }
        Some(_) => (found(&["riscv64-unknown-elf-gcc"])?, &["-march=rv32imac", "-mabi=ilp32", "-ffreestanding"]),
    })
}

/// What compilers call by themselves, beside names with two underscores (`__mulsf3`).
const COMPILERS: [&str; 4] = ["memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"];

#[test]
fn objects_need_what_their_headers_list_and_have_no_data() {
    if !has_cc() || found(&["nm"]).is_none() || found(&["size"]).is_none() {
        return;
    }
    let listed: [(&[&str], &[&str]); 3] = [
        (&[], &[]),
        (&["--weights", "extern"], &["m_constants"]),
        (&["--section", ".flash_weights", "--static-workspace"], &[]),
    ];
    for (args, more) in listed {
        for (model, target) in SOURCES.iter().filter(|(m, _)| m.ends_with("f32")) {
            let dir = folder();
            write(dir.path(), model, &[*target, args].concat());
            let Some((compiler, machine)) = board(target) else { continue };
            run_in(dir.path(), Path::new(compiler), &[machine, &["-O2", "-c", "m.c", "-o", "m.o"]].concat()).ok();
            let header = std::fs::read_to_string(dir.path().join("m.h")).expect("it is written");
            let line = header.lines().find(|l| l.contains("Symbols needed from elsewhere: ")).expect("it is said");
            let open = run_in(dir.path(), Path::new("nm"), &["-u", "m.o"]).ok().out;
            for symbol in open.lines().filter_map(|l| l.split_whitespace().last()) {
                let usual = COMPILERS.contains(&symbol) || symbol.starts_with("__");
                assert!(usual || more.contains(&symbol), "{model} {args:?}: {symbol}");
                assert!(usual || line.contains(symbol), "{model} {args:?}: {symbol} isn't in {line}");
            }
            let sizes = run_in(dir.path(), Path::new("size"), &["-A", "m.o"]).ok().out;
            let section = |name: &str| {
                let columns = sizes.lines().map(|l| l.split_whitespace().collect::<Vec<_>>());
                columns.filter(|c| c.first().is_some_and(|s| s.starts_with(name))).map(|c| number(&c)).sum::<u64>()
            };
            assert_eq!(section(".data"), 0, "{model} {args:?}\n{sizes}");
            // Weights are where they should be: at least a quarter of a model of floats is nothing else.
            let weights = if args.contains(&"--section") { section(".flash_weights") } else { section(".rodata") };
            assert!(args.contains(&"extern") || weights > 80_000, "{model} {args:?}\n{sizes}");
            assert_eq!(section(".bss") > 0, args.contains(&"--static-workspace"), "{model} {args:?}\n{sizes}");
        }
    }
}

fn number(columns: &[&str]) -> u64 {
    columns.get(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The crate that `-o NAME/` writes, in a program that runs it.
#[test]
fn a_crate_builds_and_runs() {
    let dir = folder();
    let (x, want) = case("dscnn");
    let input = x.to_vec::<f32>().expect("floats");
    let path = firmware("dscnn_f32.onnx").display().to_string();
    onnxc(dir.path(), &[&path, "-o", "kws/"]).ok();
    let user = dir.path().join("user/src");
    std::fs::create_dir_all(&user).expect("the folder is writable");
    let manifest = "[package]\nname = \"user\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\nkws = { path = \"../kws\" }\n\n[workspace]\n";
    std::fs::write(dir.path().join("user/Cargo.toml"), manifest).expect("the folder is writable");
    let main = format!(
        "fn main() {{\n    let input: [f32; 490] = {:?};\n    let (mut output, mut memory) = ([0f32; 12], Box::new(kws::Workspace::new()));\n    \
         kws::run(&input, &mut output, &mut memory).unwrap();\n    output.iter().for_each(|y| println!(\"{{y}}\"));\n}}\n",
        &input[..490]
    );
    std::fs::write(user.join("main.rs"), main).expect("the folder is writable");
    let ran = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline"])
        .current_dir(dir.path().join("user"))
        .env("CARGO_TARGET_DIR", dir.path().join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .expect("Cargo runs this test");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let got: Vec<f64> = String::from_utf8_lossy(&ran.stdout).lines().map(|l| l.parse().expect("a number")).collect();
    assert_eq!(got.len(), want.len());
    for (a, b) in got.iter().zip(&want) {
        assert!((a - b).abs() <= 1e-5, "{a} is not {b}");
    }
}

/// A folder that no crate can be called after: the crate has the model's name, and builds.
#[test]
fn a_crate_in_a_folder_with_a_name_of_rust_builds() {
    let dir = folder();
    let path = firmware("fcae_f32.onnx").display().to_string();
    for (out, package) in [("crate/", "fcae-f32"), ("self/", "fcae-f32"), ("m_odel/", "m-odel")] {
        onnxc(dir.path(), &[&path, "-o", out]).ok();
        let manifest = std::fs::read_to_string(dir.path().join(out).join("Cargo.toml")).expect("it is written");
        assert!(manifest.contains(&format!("name = \"{package}\"\n")), "{manifest}");
        let built = Command::new(env!("CARGO"))
            .args(["check", "--quiet", "--offline"])
            .current_dir(dir.path().join(out))
            .env("CARGO_TARGET_DIR", dir.path().join("target"))
            .env_remove("RUSTFLAGS")
            .output()
            .expect("Cargo runs this test");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
}

/// Weights of transformed domains give way to a budget of flash, and the module is right.
#[test]
fn flash_is_spared_before_a_budget_is_refused() {
    let dir = folder();
    let flash = |args: &[&str]| {
        let ran = onnxc(
            dir.path(),
            &[&[&super::model("srcnn")[..], "-o", "m.so", "--backend", "cranelift", "--report", "json"], args].concat(),
        )
        .ok();
        let line = ran.out.lines().find_map(|l| l.trim().strip_prefix("\"flash_bytes\": ")).expect("it is reported");
        line.trim_end_matches(',').parse::<u64>().expect("a number")
    };
    let (fast, plain) = (flash(&[]), flash(&["--strict-fp"]));
    assert!(2 * plain < fast, "{plain} bytes, or {fast} with transformed domains");
    let budget = ((fast + plain) / 2).to_string();
    assert_eq!(flash(&["--max-flash", &budget]), plain);
    let x =
        onnxc_base::Tensor::from_slice(&[1, 3, 256, 256], &(0..3 << 16).map(|i| (i % 37) as f32).collect::<Vec<_>>());
    super::put(dir.path(), "in.npy", &x);
    let run = |module: &str, out: &str| {
        onnxc(dir.path(), &["run", module, "--inputs", "in.npy", "--outputs", out]).ok();
        let all = onnxc_host::files::read_tensors(&dir.path().join(out)).expect("it is written");
        all[0].1.to_f64().expect("numbers")
    };
    let spared = run("m.so", "spared.npz");
    flash(&[]);
    for (a, b) in spared.iter().zip(run("m.so", "fast.npz")) {
        assert!((a - b).abs() <= 1e-2, "{a} is not {b}");
    }
    // Weights that are too many, and code that is more than was estimated.
    for budget in [plain / 2, plain - 1] {
        let budget = budget.to_string();
        let model = super::model("srcnn");
        let args = [&model, "-o", "n.so", "--backend", "cranelift", "--max-flash", &budget];
        let refused = onnxc(dir.path(), &args);
        assert!(refused.code == 1 && refused.err.contains("E5032"), "{}", refused.err);
        assert!(!dir.path().join("n.so").exists());
    }
}
