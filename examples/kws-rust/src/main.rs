//! Says which keyword a second of sound holds. The model is a module of this program: safe Rust, no allocation; the same
//! module runs on a microcontroller.

#[allow(warnings, missing_docs, clippy::all)]
mod kws {
    include!(concat!(env!("OUT_DIR"), "/kws.rs"));
}

const WORDS: [&str; 12] = ["down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes", "silence", "unknown"];
/// The first stored input of the model, 490 little-endian f32.
static SAMPLE: &[u8; 1960] = include_bytes!("../sample.f32");

fn main() {
    println!("heard: {}", heard().unwrap_or_else(|status| status.text()));
}

fn heard() -> Result<&'static str, kws::Status> {
    let mut features = [0f32; 490];
    for (f, bytes) in features.iter_mut().zip(SAMPLE.chunks_exact(4)) {
        *f = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let (mut scores, mut workspace) = ([0f32; 12], kws::Workspace::new());
    kws::run(&features, &mut scores, &mut workspace)?;
    let best = (0..12).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
    Ok(WORDS[best])
}

#[cfg(test)]
mod tests {
    /// What ONNX Runtime hears: the weights are seeded, not trained.
    #[test]
    fn the_word_is_the_stored_one() {
        assert_eq!(super::heard(), Ok("down"));
    }
}
