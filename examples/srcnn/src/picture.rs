//! Pictures as tensors f32[1, 3, height, width] of 0..255, and what can be said of them.

use image::RgbImage;
use onnxc_base::Tensor;
use std::error::Error;

/// Pixels at each edge that the comparison leaves out.
const BORDER: usize = 6;
/// The parameter of the cubic kernel, as PyTorch and ONNX have it.
const A: f32 = -0.75;

/// Reads a picture.
pub fn read(path: &str) -> Result<Tensor, Box<dyn Error>> {
    let picture = image::open(path).map_err(|e| format!("{path}: {e}"))?.to_rgb8();
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let mut planes = vec![0f32; 3 * h * w];
    for (x, y, p) in picture.enumerate_pixels() {
        for c in 0..3 {
            planes[(c * h + y as usize) * w + x as usize] = f32::from(p[c]);
        }
    }
    Ok(Tensor::from_slice(&[1, 3, h, w], &planes))
}

/// Writes a picture, rounded to 8 bit.
pub fn write(path: &str, t: &Tensor) -> Result<(), Box<dyn Error>> {
    let v = t.to_vec::<f32>().ok_or("the output isn't f32")?;
    let (h, w) = (t.shape()[2], t.shape()[3]);
    let picture = RgbImage::from_fn(w as u32, h as u32, |x, y| {
        image::Rgb([0, 1, 2].map(|c| v[(c * h + y as usize) * w + x as usize].round().clamp(0.0, 255.0) as u8))
    });
    picture.save(path).map_err(|e| format!("{path}: {e}").into())
}

/// Peak signal-to-noise ratio in dB of two pictures of one size.
pub fn psnr(a: &Tensor, b: &Tensor) -> Result<f64, Box<dyn Error>> {
    if a.shape() != b.shape() {
        return Err(format!("the pictures have shapes {:?} and {:?}", a.shape(), b.shape()).into());
    }
    let (x, y) = (a.to_vec::<f32>().ok_or("not f32")?, b.to_vec::<f32>().ok_or("not f32")?);
    let (h, w) = (a.shape()[2], a.shape()[3]);
    let (mut sum, mut n) = (0.0, 0.0);
    for (i, (p, q)) in x.iter().zip(&y).enumerate() {
        let (row, column) = (i / w % h, i % w);
        if (BORDER..h - BORDER).contains(&row) && (BORDER..w - BORDER).contains(&column) {
            let d = f64::from(p.round().clamp(0.0, 255.0)) - f64::from(*q);
            sum += d * d;
            n += 1.0;
        }
    }
    Ok(10.0 * (255.0 * 255.0 * n / sum).log10())
}

/// Weights of the four neighbours of a point `t` behind the second of them (Keys' cubic kernel).
fn weights(t: f32) -> [f32; 4] {
    let near = |d: f32| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f32| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// Bicubic interpolation by a whole factor, pixel centres at halves, edges repeated: what the network begins with.
pub fn bicubic(t: &Tensor, factor: usize) -> Tensor {
    let v = t.to_vec::<f32>().unwrap_or_default();
    let (h, w) = (t.shape()[2], t.shape()[3]);
    let at = |i: usize, n: usize| {
        let x = (i as f32 + 0.5) / factor as f32 - 0.5;
        let base = x.floor();
        let index = [-1.0, 0.0, 1.0, 2.0].map(|o| (base + o).clamp(0.0, n as f32 - 1.0) as usize);
        (index, weights(x - base))
    };
    let (big_h, big_w) = (h * factor, w * factor);
    let mut out = Vec::with_capacity(3 * big_h * big_w);
    for c in 0..3 {
        for i in 0..big_h {
            let (rows, wy) = at(i, h);
            for j in 0..big_w {
                let (columns, wx) = at(j, w);
                let line = |r: usize| (0..4).map(|k| wx[k] * v[(c * h + r) * w + columns[k]]).sum::<f32>();
                out.push((0..4).map(|k| wy[k] * line(rows[k])).sum::<f32>());
            }
        }
    }
    Tensor::from_slice(&[1, 3, big_h, big_w], &out)
}
