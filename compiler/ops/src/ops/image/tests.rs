//! Streams that Pillow has made, and what becomes of broken ones.

use crate::testing::{Case, check_stored};
use onnxc_base::Tensor;

/// Files of stored cases.
const FILES: [&str; 5] = ["image_decoder", "image_jpeg", "image_plain", "image_tiff", "image_webp"];

#[test]
fn stored() {
    FILES.iter().for_each(|name| check_stored(name));
}

fn decode(stream: &[u8]) -> Result<Tensor, String> {
    let case = Case::new("ImageDecoder", 20).input(Tensor::from_slice(&[stream.len()], stream));
    case.run().map(|o| o[0].clone()).map_err(|e| e.message)
}

#[test]
fn what_is_no_image_is_empty() {
    for stream in [&b""[..], b"BM", b"no image at all, whatever it says", b"P6\n4 4\n255\n12 bytes", &[0; 64]] {
        let image = decode(stream).expect("no status");
        assert_eq!(image.shape()[0], 0, "{stream:?}");
    }
}

#[test]
fn known_formats_without_a_decoder_are_refused() {
    assert_eq!(decode(b"GIF89a.........."), Err("status 7".into()));
}

/// A stream of each format.
fn samples() -> Vec<Vec<u8>> {
    let cases = FILES.iter().flat_map(|name| {
        let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        serde_json::from_str::<Vec<serde_json::Value>>(&text).expect("the cases are a list")
    });
    let streams = cases.map(|c| {
        let bytes = c["inputs"][0][2].as_array().expect("a list of bytes");
        bytes.iter().map(|b| b.as_u64().expect("a byte") as u8).collect::<Vec<u8>>()
    });
    let mut all: Vec<Vec<u8>> = streams.filter(|s| s.len() < 1200).collect();
    all.dedup();
    all
}

/// Where the bytes begin that may say anything: a few bytes of JPEG 2000, of arithmetic JPEG or of lossless WebP are an image
/// of any size, for which a test has no time.
fn sized(stream: &[u8]) -> usize {
    let jpeg_2000 = stream.starts_with(b"\0\0\0\x0cjP") || stream.starts_with(b"\xff\x4f");
    let find = |mark: &[u8]| stream.windows(mark.len()).position(|m| m == mark);
    let coding = find(b"\xff\x52").filter(|_| jpeg_2000);
    let arithmetic = [b"\xff\xc9", b"\xff\xca"].into_iter().find_map(|m| find(m)).map(|at| at + 10);
    let arithmetic = arithmetic.filter(|_| stream.starts_with(b"\xff\xd8"));
    coding.or(arithmetic).or(find(b"VP8L").map(|at| at + 13)).unwrap_or(0)
}

/// The interpreter ends the test where an access is out of bounds.
#[test]
fn broken_streams_stay_in_bounds() {
    let mut seed = 1u32;
    let mut random = |n: usize| {
        // xorshift32 (Marsaglia, 2003).
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed as usize % n
    };
    for sample in samples() {
        for k in 0..6 {
            let mut stream = sample.clone();
            if k % 3 == 0 {
                stream.truncate(random(sample.len()));
            } else {
                let from = sized(&sample);
                let span = if k % 3 == 1 { (sample.len() - from).min(64) } else { sample.len() - from };
                for _ in 0..=random(3) {
                    let at = from + random(span);
                    stream[at] ^= 1 << random(8);
                }
            }
            if let Err(e) = decode(&stream) {
                assert_eq!(e, "status 7");
            }
        }
    }
}
