//! The weights in the transformed domain.

use super::find::Conv;
use super::form::Form;
use crate::kernel::toom_cook::Matrices;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::kernel::Param;

/// U[a, b, d.., s, t, q, o] = sum over x, y of G[a, x] * G'[b, y] * w[o, q, d.., m s + x, m' t + y], in f64; taps beyond the kernel
/// are zero, and so are those that the next part begins with. Dims `s` and `t` only where there is more than one part.
pub(super) fn transformed(conv: &Conv, form: Form, mats: &[Matrices; 2], name: String) -> Param {
    let shape = conv.weights.shape();
    let mut strides = vec![1usize; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    let [o, q, r, s] = conv.order.map(|d| (shape[d], strides[d]));
    let given = conv.weights.to_f64().expect("f32 weights");
    let [rows, columns] = form.parts(conv.taps()).map(|p| p as usize);
    let (n, taps, m) =
        (form.points().map(|n| n as usize), form.0.map(|l| l.taps as usize), form.m().map(|m| m as usize));
    let slices = slices(conv, &strides);
    let all = slices.len() * rows * columns;
    let mut out = vec![0f32; n[0] * n[1] * all * q.0 * o.0];
    for (which, iq, io) in (0..all).flat_map(|p| (0..q.0 * o.0).map(move |i| (p, i / o.0, i % o.0))) {
        let (slice, part) = (slices[which / (rows * columns)], which % (rows * columns));
        let (part, past) = ([part / columns, part % columns], [rows, columns].map(|n| n - 1));
        let (row, column) = (part[0] * m[0], part[1] * m[1]);
        // The last part has all taps that are left.
        let own = |t: usize, x: usize| x < m[t] || part[t] == past[t];
        let tap = |x: usize, y: usize| {
            let inside = row + x < r.0 && column + y < s.0;
            if inside && own(0, x) && own(1, y) {
                given[slice + io * o.1 + iq * q.1 + (row + x) * r.1 + (column + y) * s.1]
            } else {
                0.0
            }
        };
        // Rows first: half[a][y].
        let line = |g: &Vec<f64>| (0..taps[1]).map(|y| (0..taps[0]).map(|x| g[x] * tap(x, y)).sum::<f64>()).collect();
        let half: Vec<Vec<f64>> = mats[0].g.iter().map(line).collect();
        for (a, line) in half.iter().enumerate() {
            for (b, g) in mats[1].g.iter().enumerate() {
                let u: f64 = (0..taps[1]).map(|y| g[y] * line[y]).sum();
                out[(((a * n[1] + b) * all + which) * q.0 + iq) * o.0 + io] = u as f32;
            }
        }
    }
    let depth = conv.slices.iter().map(|s| s.taps as usize);
    let dims: Vec<usize> = n.into_iter().chain(depth).chain(parts_dims(rows, columns)).chain([q.0, o.0]).collect();
    let value = Tensor::from_slice(&dims, &out);
    Param { name, dtype: DType::F32, shape: dims.iter().map(|&d| Sym::int(d as i64)).collect(), value: Some(value) }
}

/// Where the weights of each combination of the taps that aren't transformed begin.
fn slices(conv: &Conv, strides: &[usize]) -> Vec<usize> {
    let first = conv.fixed.iter().map(|&(d, i)| i as usize * strides[d]).sum();
    conv.slices.iter().fold(vec![first], |all, s| {
        all.iter().flat_map(|at| (0..s.taps as usize).map(move |t| at + t * strides[s.order])).collect()
    })
}

fn parts_dims(rows: usize, columns: usize) -> Vec<usize> {
    if rows * columns > 1 { vec![rows, columns] } else { vec![] }
}
