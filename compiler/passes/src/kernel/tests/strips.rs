//! Chains of convolutions in one kernel: the rows between them are in rings, also where several rows are beyond the edge.

use super::*;
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
