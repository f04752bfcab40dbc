//! Chains of convolutions in one kernel: the rows between them are in rings, also where several rows are beyond the edge.

use super::*;
use crate::from_kernel::scratch_bytes;
use onnxc_ir::kernel::parse::parse_kernel;

/// Convolutions 3×3 one after the other, with padding, of these strides and, in the end, the first operand added.
fn chain(size: i64, strides: &[i64], residual: bool) -> String {
    let (mut text, mut rows, mut from) = (format!("in x: f32[{size}, {size}, 4]\n"), size, "x".to_string());
    for (n, s) in strides.iter().enumerate() {
        let out = (rows - 1) / s + 1;
        text.push_str(&format!(
            "in k{n}: f32[3, 3, 4, 4]
             c{n}[i{n} in {out}, j{n} in {out}, o{n} in 4]: f32 = sum(r{n} in 3, s{n} in 3, q{n} in 4) of
               {from}.padded(0.0)[{s}*i{n} + r{n} - 1, {s}*j{n} + s{n} - 1, q{n}] * k{n}[r{n}, s{n}, q{n}, o{n}]
             y{n}[a{n} in {out}, b{n} in {out}, d{n} in 4]: f32 = max(c{n}[a{n}, b{n}, d{n}], 0.25)\n"
        ));
        (rows, from) = (out, format!("y{n}"));
    }
    if residual {
        text.push_str(&format!("z[u in {rows}, v in {rows}, w in 4]: f32 = {from}[u, v, w] + x[u, v, w]\n"));
        from = "z".into();
    }
    format!("kernel @chain {{ {text} out {from} }}")
}

fn inputs(size: usize, convolutions: usize) -> Vec<Tensor> {
    let weights = (0..convolutions).map(|_| numbers(&[3, 3, 4, 4]));
    std::iter::once(numbers(&[size, size, 4])).chain(weights).collect()
}

fn parsed(text: &str) -> Kernel {
    parse_kernel(text, None, None).unwrap_or_else(|d| panic!("{d}"))
}

#[test]
fn rings_hold_what_the_next_rows_need() {
    for (strides, residual) in [(&[1, 1][..], true), (&[1, 1, 1], false), (&[1, 1, 1, 1], true), (&[2, 1, 2], false)] {
        for size in [5, 16] {
            let text = chain(size, strides, residual);
            agree(parsed(&text), &[], &inputs(size as usize, strides.len()));
        }
    }
}

#[test]
fn every_convolution_but_the_last_is_in_a_ring() {
    for strides in [&[1, 1][..], &[1, 1, 1], &[1, 2, 1, 1]] {
        let mut k = parsed(&chain(32, strides, false));
        optimise(&mut k, SMALL).expect("it is scheduled");
        let sums = |s: &&kernel::Stage| s.acc.is_some() || matches!(k.defs[s.def].body, kernel::Body::Reduce { .. });
        let rolls: Vec<bool> = k.schedule.stages.iter().filter(sums).map(|s| s.at.is_some_and(|a| a.rolls)).collect();
        let (last, others) = rolls.split_last().expect("it has convolutions");
        assert!(!last && others.len() + 1 == strides.len() && others.iter().all(|r| *r), "{k}");
    }
}

/// A 1×1 convolution to three times the channels, windows of each channel with limits on both sides, a 1×1 convolution back
/// and, where the size stays, the first operand added.
fn inverted(size: i64, stride: i64, before: bool) -> String {
    let out = (size - 1) / stride + 1;
    let (first, x) = if before {
        let text = format!(
            "in k: f32[4, 4]
             c[hc in {size}, wc in {size}, oc in 4]: f32 = sum(qc in 4) of x[hc, wc, qc] * k[qc, oc]\n"
        );
        (text, "c")
    } else {
        (String::new(), "x")
    };
    let end = if stride == 1 { format!("n[u, v, m] + {x}[u, v, m]") } else { "n[u, v, m]".into() };
    format!(
        "kernel @inverted {{ in x: f32[{size}, {size}, 4] {first} in e: f32[4, 12] in d: f32[3, 3, 12] in p: f32[12, 4]
         w[hw in {size}, ww in {size}, ow in 12]: f32 = sum(qw in 4) of {x}[hw, ww, qw] * e[qw, ow]
         wl[hl in {size}, wl_ in {size}, ol in 12]: f32 = min(max(w[hl, wl_, ol], 0.0), 6.0)
         y[hy in {out}, wy in {out}, oy in 12]: f32 = sum(r in 3, s in 3) of
           wl.padded(0.0)[{stride}*hy + r - 1, {stride}*wy + s - 1, oy] * d[r, s, oy]
         yl[hm in {out}, wm in {out}, om in 12]: f32 = min(max(y[hm, wm, om], 0.0), 6.0)
         n[hn in {out}, wn in {out}, on in 4]: f32 = sum(qn in 12) of yl[hn, wn, qn] * p[qn, on]
         z[u in {out}, v in {out}, m in 4]: f32 = {end} out z }}"
    )
}

#[test]
fn inverted_residuals_go_row_by_row() {
    for (size, stride, before) in
        [(5, 1, false), (16, 1, false), (16, 2, false), (15, 2, true), (16, 1, true), (32, 2, true)]
    {
        let text = inverted(size, stride, before);
        let n = size as usize;
        let weights = [numbers(&[4, 12]), numbers(&[3, 3, 12]), numbers(&[12, 4])];
        let first = before.then(|| numbers(&[4, 4]));
        let given: Vec<Tensor> = [numbers(&[n, n, 4])].into_iter().chain(first).chain(weights).collect();
        agree(parsed(&text), &[], &given);
        let mut k = parsed(&text);
        optimise(&mut k, THRIFTY).expect("it is scheduled");
        // A few rows of what is expanded, with their padding, and two of what the windows give; little of it is rows already.
        let most = 4 * 12 * (7 * (size + 2) + 2 * size);
        let bytes = scratch_bytes(&k, THRIFTY).expect("it is known");
        assert!(bytes <= most || size == 5, "{bytes} bytes, not {most}: {k}");
    }
}
