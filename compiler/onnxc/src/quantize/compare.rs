//! What integers cost: the quantised model's values against the float model's, over all samples.

use super::Sample;
use super::plan::{Plan, label};
use super::run::Runner;
use onnxc_base::{Diagnostics, Tensor};
use onnxc_onnx::Model;
use std::collections::BTreeMap;

/// How far a value is from what it is in float.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// The value.
    pub name: String,
    /// The node that makes it, and its operator; empty for an input.
    pub node: String,
    /// The greatest difference of two elements.
    pub most: f64,
    /// How many rows there are, and in how many the greatest element is the same one.
    pub rows: (u64, u64),
    signal: f64,
    noise: f64,
}

impl Difference {
    /// The ratio of signal to noise in decibels; infinite where nothing differs.
    pub fn ratio(&self) -> f64 {
        if self.noise == 0.0 { f64::INFINITY } else { 10.0 * (self.signal / self.noise).log10() }
    }

    fn add(&mut self, float: &Tensor, integer: &Tensor) {
        let (Some(a), Some(b)) = (float.to_f64(), integer.to_f64()) else { return };
        for (x, y) in a.iter().zip(&b).filter(|(x, _)| x.is_finite()) {
            let d = (x - y).abs();
            self.most = self.most.max(d);
            self.signal += x * x;
            self.noise += d * d;
        }
        let width = float.shape().last().copied().unwrap_or(1);
        if width > 1 {
            for (x, y) in a.chunks(width).zip(b.chunks(width)) {
                self.rows.0 += 1;
                self.rows.1 += u64::from(greatest(x) == greatest(y));
            }
        }
    }
}

fn greatest(row: &[f64]) -> Option<usize> {
    (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]).then(b.cmp(a)))
}

/// The outputs' differences, in their order, and those of quantised tensors, the worst first.
pub(super) fn compare(
    float: &Runner,
    integer: &Runner,
    samples: &[Sample],
    model: &Model,
    plan: &Plan,
) -> Result<(Vec<Difference>, Vec<Difference>), Diagnostics> {
    let mut found: BTreeMap<String, Difference> = BTreeMap::new();
    for sample in samples {
        let quantised: BTreeMap<String, Tensor> = integer.run(sample)?.into_iter().collect();
        for (name, x) in float.run(sample)? {
            let Some(y) = quantised.get(&name).filter(|y| y.shape() == x.shape()) else { continue };
            found.entry(name).or_default().add(&x, y);
        }
    }
    let g = model.graph();
    let makers = g.node.iter().flat_map(|n| n.output.iter().map(move |o| (o.as_str(), label(n))));
    let makers: BTreeMap<&str, String> = makers.collect();
    let get = |name: &str| {
        let node = makers.get(name).cloned().unwrap_or_default();
        found.get(name).map(|d| Difference { name: name.into(), node, ..d.clone() })
    };
    let outputs = g.output.iter().filter_map(|v| get(&v.name)).collect();
    let mut layers: Vec<Difference> =
        plan.tensors.iter().filter(|t| makers.contains_key(t.as_str())).filter_map(|t| get(t)).collect();
    layers.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    Ok((outputs, layers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_noise_and_the_greatest_of_each_row() {
        let mut d = Difference::default();
        let t = |v: &[f32]| Tensor::from_slice(&[2, 2], v);
        d.add(&t(&[3.0, 4.0, 1.0, 0.0]), &t(&[3.0, 4.5, 0.0, 0.5]));
        assert_eq!((d.most, d.rows), (1.0, (2, 1)));
        assert!((d.ratio() - 10.0 * (26.0f64 / 1.5).log10()).abs() < 1e-9);
    }
}
