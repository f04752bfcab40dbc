//! Damaged copies of real models: whatever comes of them, it is an answer and not a panic.

use super::models::model;
use crate::{Limits, check, custom_ops, encode, load_bytes};
use onnxc_base::Bytes;

/// xorshift64: the same damage on every machine and run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Everything that can be done with a model that may be nonsense.
fn exercise(bytes: Vec<u8>) -> bool {
    let Ok(model) = load_bytes(&Bytes::from(bytes), None, &Limits::default()) else { return false };
    let clean = !check(&model).has_errors();
    custom_ops(&model);
    for t in &model.graph().initializer {
        let converted = model.tensor(t);
        assert!(!clean || converted.is_ok(), "a clean model has readable weights");
    }
    clean
}

/// Damages a model in `rounds` ways and counts the copies that still look clean.
fn damage(name: &str, rounds: usize, seed: u64) -> usize {
    let good = encode(&model(name).proto);
    // Most bytes of SRCNN are weights, where a flipped bit changes nothing that is checked; the structure of every
    // model is in its last and first few hundred bytes.
    let window = good.len().min(1200);
    let mut random = Random(seed);
    let mut clean = 0;
    for round in 0..rounds {
        let mut bytes = good.to_vec();
        for _ in 0..=random.below(3) {
            let at = random.below(window);
            let at = if random.below(2) == 0 { at } else { good.len() - 1 - at };
            match round % 3 {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.below(256) as u8,
                _ => {
                    bytes.remove(at.min(bytes.len() - 1));
                }
            }
        }
        clean += usize::from(exercise(bytes));
    }
    clean
}

#[test]
fn damaged_models_never_panic() {
    for (name, seed) in [("srcnn.onnx", 1), ("nms_tail.onnx", 2), ("model_loop.onnx", 3), ("model_if.onnx", 4)] {
        let clean = damage(name, 400, seed);
        // Flips in names and floats go unnoticed; most damage doesn't.
        assert!(clean < 200, "{name}: {clean} of 400 damaged copies pass");
    }
}
