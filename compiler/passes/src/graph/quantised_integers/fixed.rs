//! Scales as multiplier and shift: scale = m / 2^(32 + s), see `onnxc_ops::ops::integer`.

use onnxc_base::Tensor;
use onnxc_ir::graph::patch::Patch;
use onnxc_ir::graph::{Attr, Attrs, Graph, ValueId};

/// Scales further apart than this get a shift each, so that the small ones keep their digits.
const APART: f64 = 16384.0;

/// Multipliers and shifts of channels.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Fixed {
    pub(super) multipliers: Vec<i32>,
    /// One for all or one each; at least 1.
    pub(super) shifts: Vec<i32>,
    /// Bits by which sums are shifted left first.
    pub(super) pre: i64,
}

/// The multiplier and shift of one scale; a scale of 1/4 or more can't be.
fn one(scale: f64, shift: Option<i32>) -> (i32, i32) {
    if scale <= 0.0 {
        return (0, shift.unwrap_or(1));
    }
    // scale = f * 2^e with f in [1/2, 1), so m = f * 2^31 and s = -1 - e.
    let e = scale.log2().floor() as i32 + 1;
    let s = shift.unwrap_or((-1 - e).clamp(1, 31));
    let m = (scale * 2f64.powi(32 + s)).round().min(f64::from(i32::MAX));
    (m as i32, s)
}

/// Multipliers for scales of sums of at most `bound` in magnitude.
pub(super) fn choose(scales: &[f64], bound: i64) -> Result<Fixed, String> {
    let max = scales.iter().copied().fold(0.0, f64::max);
    if !max.is_finite() {
        return Err("a scale is no number".into());
    }
    let least = scales.iter().copied().filter(|s| *s > 0.0).fold(max, f64::min);
    let mut pre = 0;
    while max / 2f64.powi(pre) >= 0.25 {
        pre += 1;
    }
    if bound.checked_shl(pre as u32).is_none_or(|b| b > i64::from(i32::MAX)) || bound > i64::from(i32::MAX) >> pre {
        return Err(format!("sums of up to {bound} times {max} don't fit 32 bits"));
    }
    let scales: Vec<f64> = scales.iter().map(|s| s / 2f64.powi(pre)).collect();
    let common = one(max / 2f64.powi(pre), None).1;
    let apart = least > 0.0 && max / least > APART;
    let each: Vec<(i32, i32)> = scales.iter().map(|&s| one(s, if apart { None } else { Some(common) })).collect();
    let shifts = if apart { each.iter().map(|e| e.1).collect() } else { vec![common] };
    Ok(Fixed { multipliers: each.iter().map(|e| e.0).collect(), shifts, pre: i64::from(pre) })
}

impl Fixed {
    /// As attributes and inputs of an operator: multipliers, shifts.
    pub(super) fn put(&self, graph: &mut Graph, patch: &mut Patch, attrs: &mut Attrs) -> [Option<ValueId>; 2] {
        attrs.set("pre", Attr::Int(self.pre));
        let vector = |v: &[i32]| Tensor::from_slice(&[v.len()], v);
        let m = patch.constant(graph, "multipliers", vector(&self.multipliers));
        let [s] = self.shifts[..] else {
            attrs.set("shift", Attr::Int(0));
            return [Some(m), Some(patch.constant(graph, "shifts", vector(&self.shifts)))];
        };
        attrs.set("shift", Attr::Int(i64::from(s)));
        [Some(m), None]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule of `onnxc_ops::ops::integer`.
    fn apply(f: &Fixed, c: usize, sum: i64) -> i64 {
        let s = f.shifts[if f.shifts.len() == 1 { 0 } else { c }];
        let high = ((sum << f.pre) * i64::from(f.multipliers[c])) >> 32;
        (high + (1 << (s - 1))) >> s
    }

    #[test]
    fn the_rule_rounds_the_product() {
        for scale in [1e-9f64, 3.1e-6, 0.00093, 0.0421, 0.2499, 0.25, 0.9, 1.0, 3.7, 100.0] {
            let bound = (1000.0 / scale).clamp(1000.0, 2e9) as i64;
            let bound = bound.min((i64::from(i32::MAX) as f64 / (8.0 * scale).max(1.0)) as i64);
            let f = choose(&[scale], bound).expect("it fits");
            for i in -50..=50 {
                let sum = bound / 50 * i;
                let (got, want) = (apply(&f, 0, sum) as f64, sum as f64 * scale);
                assert!((got - want).abs() <= 0.5 + want.abs() * 1e-8 + 1e-6, "{sum} * {scale}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn scales_far_apart_keep_their_digits() {
        let f = choose(&[0.01, 1e-8, 0.0], 1 << 30).expect("it fits");
        assert_eq!(f.shifts.len(), 3);
        assert_eq!((apply(&f, 0, 12345), apply(&f, 1, 1 << 30), apply(&f, 2, 1 << 30)), (123, 11, 0));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(choose(&[2.0], 1 << 29).is_err());
        assert!(choose(&[f64::INFINITY], 1).is_err());
    }
}
