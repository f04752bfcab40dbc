//! The weights in the transformed domain.

use super::TAPS;
use super::find::Conv;
use crate::kernel::toom_cook::Matrices;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::kernel::Param;

/// U[a, b, s, t, q, o] = sum over x, y of G[a, x] * G[b, y] * w[o, q, 3 s + x, 3 t + y], in f64; taps beyond the kernel
/// are zero. Dims `s` and `t` only where there is more than one part.
pub(super) fn transformed(conv: &Conv, mats: &Matrices, name: String) -> Param {
    let shape = conv.weights.shape();
    let mut strides = vec![1usize; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    let [o, q, r, s] = conv.order.map(|d| (shape[d], strides[d]));
    let given = conv.weights.to_f64().expect("f32 weights");
    let [rows, columns] = conv.parts().map(|p| p as usize);
    let (n, taps) = (mats.g.len(), TAPS as usize);
    let mut out = vec![0f32; n * n * rows * columns * q.0 * o.0];
    for (part, iq, io) in (0..rows * columns).flat_map(|p| (0..q.0 * o.0).map(move |i| (p, i / o.0, i % o.0))) {
        let (row, column) = (part / columns * taps, part % columns * taps);
        let tap = |x: usize, y: usize| {
            let inside = row + x < r.0 && column + y < s.0;
            if inside { given[io * o.1 + iq * q.1 + (row + x) * r.1 + (column + y) * s.1] } else { 0.0 }
        };
        // Rows first: half[a][y].
        let half: Vec<[f64; 3]> =
            mats.g.iter().map(|g| [0, 1, 2].map(|y| (0..3).map(|x| g[x] * tap(x, y)).sum::<f64>())).collect();
        for (a, line) in half.iter().enumerate() {
            for (b, g) in mats.g.iter().enumerate() {
                let u: f64 = (0..3).map(|y| g[y] * line[y]).sum();
                out[(((a * n + b) * rows * columns + part) * q.0 + iq) * o.0 + io] = u as f32;
            }
        }
    }
    let dims: Vec<usize> = [n, n].into_iter().chain(parts_dims(rows, columns)).chain([q.0, o.0]).collect();
    let value = Tensor::from_slice(&dims, &out);
    Param { name, dtype: DType::F32, shape: dims.iter().map(|&d| Sym::int(d as i64)).collect(), value: Some(value) }
}

fn parts_dims(rows: usize, columns: usize) -> Vec<usize> {
    if rows * columns > 1 { vec![rows, columns] } else { vec![] }
}
