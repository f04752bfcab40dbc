//! Damaged models through the whole compiler: each gives code or errors, never a panic.

use onnxc::{Options, Source, compile};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Rounds for each model; `ONNXC_DAMAGE` asks for more.
fn rounds() -> u64 {
    std::env::var("ONNXC_DAMAGE").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

/// A step of xorshift64 (Marsaglia: Xorshift RNGs, 2003).
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as usize
}

/// Cuts the file, or changes a few of its bytes.
fn damage(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    next(&mut state);
    let mut out = bytes.to_vec();
    if seed.is_multiple_of(6) {
        out.truncate(next(&mut state) % bytes.len());
        return out;
    }
    for _ in 0..=next(&mut state) % 3 {
        let at = next(&mut state) % out.len();
        out[at] = match next(&mut state) % 3 {
            0 => out[at] ^ (1 << (next(&mut state) % 8)),
            1 => next(&mut state) as u8,
            _ => [0, 1, 0x7f, 0x80, 0xff][next(&mut state) % 5],
        };
    }
    out
}

/// Compiles to machine code in memory; true if it came that far.
fn compiles(path: &Path) -> bool {
    let options = Options::default();
    let done = Source::open(path, &options).and_then(|s| {
        let module = compile(&s, &options)?;
        module.code(&options).map(|_| ())
    });
    match done {
        Ok(()) => true,
        Err(problems) => {
            assert!(problems.has_errors(), "an error without a problem");
            let text = problems.to_string();
            assert!(!text.contains("after pass"), "a pass broke a rule: {text}");
            false
        }
    }
}

#[test]
fn damaged_models_are_errors_or_models() {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let (mut good, mut bad, mut broken) = (0, 0, vec![]);
    for name in
        ["asinh", "custom_op", "linear_func", "model_if", "model_loop", "model_dynamic_0", "nms_tail", "whole_model"]
    {
        let bytes = std::fs::read(models.join(format!("{name}.onnx"))).expect("the repository has it");
        for seed in 0..rounds() {
            let path = folder.path().join("damaged.onnx");
            std::fs::write(&path, damage(&bytes, seed)).expect("the folder is writable");
            match catch_unwind(AssertUnwindSafe(|| compiles(&path))) {
                Ok(true) => good += 1,
                Ok(false) => bad += 1,
                Err(_) => broken.push(format!("{name}, seed {seed}")),
            }
        }
    }
    assert!(broken.is_empty(), "panics: {broken:#?}");
    assert!(good > 0 && bad > 0, "{good} compiled, {bad} were refused: the damage is of one kind only");
}
