//! The matrices of short convolutions by interpolation (Toom and Cook; used for layers by Lavin and Gray, arXiv
//! 1509.09308).
//!
//! With n = m + r - 1 points, of which infinity may be one, m outputs of a correlation with r taps are
//! AT · ((G · taps) ∘ (BT · data)). Exact but for rounding, whatever the points.

/// The three matrices.
#[derive(Clone, PartialEq, Debug)]
pub struct Matrices {
    /// m by n.
    pub at: Vec<Vec<f64>>,
    /// n by r.
    pub g: Vec<Vec<f64>>,
    /// n by n.
    pub bt: Vec<Vec<f64>>,
}

/// The matrices for m outputs of r taps over m + r - 1 points: those given, and infinity if one is missing.
pub fn matrices(m: usize, r: usize, points: &[f64]) -> Matrices {
    let n = m + r - 1;
    assert!(points.len() == n || points.len() + 1 == n, "all points but infinity are given");
    let infinity = points.len() < n;
    let others = |k: usize| points.iter().enumerate().filter(move |(l, _)| *l != k).map(|(_, p)| *p);
    let powers = |rows: usize| -> Vec<Vec<f64>> {
        (0..rows)
            .map(|i| {
                let finite = points.iter().map(|p| p.powi(i as i32));
                finite.chain(infinity.then_some(if i + 1 == rows { 1.0 } else { 0.0 })).collect()
            })
            .collect()
    };
    let mut g: Vec<Vec<f64>> = (0..points.len())
        .map(|k| {
            let f: f64 = others(k).map(|p| points[k] - p).product();
            (0..r).map(|j| points[k].powi(j as i32) / f).collect()
        })
        .collect();
    let mut bt: Vec<Vec<f64>> = (0..points.len()).map(|k| polynomial(others(k), n)).collect();
    if infinity {
        g.push((0..r).map(|j| if j + 1 == r { 1.0 } else { 0.0 }).collect());
        bt.push(polynomial(points.iter().copied(), n));
    }
    Matrices { at: powers(m), g, bt }
}

/// The coefficients of the product of (x - p), lowest first, n of them. What rounding has left of a zero is zero.
fn polynomial(roots: impl Iterator<Item = f64>, n: usize) -> Vec<f64> {
    let mut c = vec![1.0];
    for p in roots {
        let mut next = vec![0.0; c.len() + 1];
        for (i, v) in c.iter().enumerate() {
            next[i + 1] += v;
            next[i] -= p * v;
        }
        c = next;
    }
    c.resize(n, 0.0);
    c.iter().map(|v| if v.abs() < 1e-12 { 0.0 } else { *v }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_correlate() {
        let s = 2f64.sqrt();
        for (m, points) in
            [(2, vec![0.0, 1.0, -1.0]), (4, vec![0.0, s, -s, 1.0 / s, -1.0 / s]), (3, vec![0.0, 1.0, -1.0, 2.0, -2.0])]
        {
            let t = matrices(m, 3, &points);
            let data: Vec<f64> = (0..m + 2).map(|i| (i * i) as f64 - 3.5).collect();
            let taps = [0.25, -2.0, 1.5];
            let dot = |row: &[f64], v: &[f64]| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
            let products: Vec<f64> = t.g.iter().zip(&t.bt).map(|(g, b)| dot(g, &taps) * dot(b, &data)).collect();
            for (i, row) in t.at.iter().enumerate() {
                let want: f64 = (0..3).map(|j| taps[j] * data[i + j]).sum();
                assert!((dot(row, &products) - want).abs() < 1e-9, "output {i} of {m}");
            }
        }
    }
}
