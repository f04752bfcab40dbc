//! From the values that a tensor has had to what its integers stand for.
//!
//! The range is what was seen, or less: everything but a share of the values, or the threshold for magnitudes that loses
//! the least, by divergence of distributions or by squared error. A range always holds 0, which padding and Relu need to be
//! exact. Does NOT keep values: two passes over the samples, the second one into a histogram of magnitudes.

use onnxc_base::DType;

/// How the range of a tensor follows from its values.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Method {
    /// From the least to the greatest.
    MinMax,
    /// Without the greatest magnitudes: so many percent of the values are in range.
    Percentile(f64),
    /// The threshold whose distribution after rounding diverges least from the one before (Migacz, 8-bit inference with
    /// TensorRT, GTC 2017).
    Entropy,
    /// The threshold with the least mean squared error.
    Mse,
}

/// Magnitudes are counted in so many bins.
const BINS: usize = 2048;

/// What was seen of a tensor.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    low: f64,
    high: f64,
    /// How many magnitudes are in each part of 0..=greatest.
    bins: Vec<u64>,
}

impl Seen {
    /// First pass: takes values into the range. What isn't finite doesn't count.
    pub fn note(&mut self, values: &[f32]) {
        for v in values.iter().filter(|v| v.is_finite()) {
            self.low = self.low.min(f64::from(*v));
            self.high = self.high.max(f64::from(*v));
        }
    }

    /// Second pass: counts magnitudes.
    pub fn count(&mut self, values: &[f32]) {
        let most = self.greatest();
        self.bins.resize(BINS, 0);
        if most <= 0.0 {
            return;
        }
        for v in values.iter().filter(|v| v.is_finite()) {
            let at = (f64::from(v.abs()) / most * BINS as f64) as usize;
            self.bins[at.min(BINS - 1)] += 1;
        }
    }

    fn greatest(&self) -> f64 {
        self.high.max(-self.low)
    }

    /// The range that integers shall cover.
    pub fn range(&self, method: Method) -> (f64, f64) {
        let part = match method {
            Method::MinMax => 1.0,
            Method::Percentile(p) => percentile(&self.bins, p),
            Method::Entropy => entropy(&self.bins, if self.low < 0.0 { 128 } else { 256 }),
            Method::Mse => squared_error(&self.bins, self.low < 0.0),
        };
        let threshold = self.greatest() * part;
        (self.low.max(-threshold), self.high.min(threshold))
    }
}

/// The least part of the greatest magnitude that holds so many percent of the values.
fn percentile(bins: &[u64], percent: f64) -> f64 {
    let all: u64 = bins.iter().sum();
    let wanted = (all as f64 * percent / 100.0).ceil() as u64;
    let mut sum = 0;
    let enough = |n: &u64| {
        sum += n;
        sum >= wanted
    };
    bins.iter().position(enough).map_or(1.0, |i| (i + 1) as f64 / BINS as f64)
}

/// The part of the greatest magnitude with the least expected squared error: that of rounding in range, a twelfth of a
/// step's square, and that of what is cut off.
fn squared_error(bins: &[u64], both_signs: bool) -> f64 {
    let span = if both_signs { 2.0 } else { 1.0 };
    let error = |part: f64| -> f64 {
        let step = span * part / 255.0;
        let at = |i: usize| (i as f64 + 0.5) / BINS as f64;
        let of = |(i, &n): (usize, &u64)| n as f64 * (at(i) - part).max(0.0).powi(2).max(step * step / 12.0);
        bins.iter().enumerate().map(of).sum()
    };
    let parts = (1..=128).map(|k| f64::from(k) / 128.0);
    parts.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(1.0)
}

/// The part of the greatest magnitude whose distribution in `levels` steps diverges least from the original one. Zero is exact
/// in every scale: the many that activations cut off must not ask for steps as fine as bins, so the first bin counts like the
/// second (as in NVIDIA's pytorch-quantization).
fn entropy(bins: &[u64], levels: usize) -> f64 {
    let mut bins = bins.to_vec();
    if let [first, second, ..] = bins.as_mut_slice() {
        *first = *second;
    }
    let bins = &bins;
    let tried = (levels..=bins.len()).step_by(8);
    let best = tried.min_by(|a, b| divergence(bins, *a, levels).total_cmp(&divergence(bins, *b, levels)));
    best.map_or(1.0, |n| n as f64 / BINS as f64)
}

/// The Kullback-Leibler divergence of the first `n` bins, what is beyond them added to the last, from the same in steps.
fn divergence(bins: &[u64], n: usize, levels: usize) -> f64 {
    let beyond: u64 = bins[n..].iter().sum();
    let (all, within): (u64, u64) = (bins.iter().sum(), bins[..n].iter().sum());
    if within == 0 {
        return f64::INFINITY;
    }
    let mut sum = 0.0;
    for level in 0..levels {
        let (from, to) = (level * n / levels, (level + 1) * n / levels);
        let filled = bins[from..to].iter().filter(|c| **c > 0).count();
        let mean = bins[from..to].iter().sum::<u64>() as f64 / filled.max(1) as f64 / within as f64;
        for (i, &c) in bins[from..to].iter().enumerate() {
            let p = (c + if from + i + 1 == n { beyond } else { 0 }) as f64 / all as f64;
            if p > 0.0 {
                // A bin that only what is cut off fills has no counterpart: as good as none.
                let q = if c > 0 { mean } else { 1e-9 };
                sum += p * (p / q).ln();
            }
        }
    }
    sum
}

/// What integers stand for: (q - zero) * scale.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Parameters {
    /// Step.
    pub scale: f32,
    /// What stands for 0.
    pub zero: i64,
    /// u8 or i8.
    pub dtype: DType,
}

impl Parameters {
    /// Integers of a type that cover a range.
    pub fn new((low, high): (f64, f64), dtype: DType, symmetric: bool) -> Parameters {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let least = if dtype == DType::U8 { 0i64 } else { -128 };
        // Scales below the least normal number would make zeros of everything.
        let step = |s: f64| (s as f32).max(f32::MIN_POSITIVE);
        if low == high {
            return Parameters { scale: 1.0, zero: if symmetric { least + 128 } else { least }, dtype };
        }
        if symmetric {
            return Parameters { scale: step(high.max(-low) / 127.0), zero: least + 128, dtype };
        }
        let scale = step((high - low) / 255.0);
        let zero = (least as f64 - low / f64::from(scale)).round_ties_even() as i64;
        Parameters { scale, zero: zero.clamp(least, least + 255), dtype }
    }
}

/// Weights as i8 around 0, with a scale for each position of an axis or one for all. No scale is below `least` of it.
pub fn weights(
    values: &[f32],
    shape: &[usize],
    axis: Option<usize>,
    least: &dyn Fn(usize) -> f32,
) -> (Vec<i8>, Vec<f32>) {
    let (count, inner) = match axis {
        Some(a) => (shape[a], shape[a + 1..].iter().product::<usize>().max(1)),
        None => (1, values.len().max(1)),
    };
    let channel = |i: usize| i / inner % count.max(1);
    let mut most = vec![0f32; count];
    for (i, v) in values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        most[channel(i)] = most[channel(i)].max(v.abs());
    }
    let scale = |(c, m): (usize, &f32)| match (m / 127.0).max(least(c)) {
        s if s > 0.0 => s.max(f32::MIN_POSITIVE),
        _ => 1.0,
    };
    let scales: Vec<f32> = most.iter().enumerate().map(scale).collect();
    let round = |(i, v): (usize, &f32)| (v / scales[channel(i)]).round_ties_even().clamp(-127.0, 127.0) as i8;
    (values.iter().enumerate().map(round).collect(), scales)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[f32]) -> Seen {
        let mut s = Seen::default();
        s.note(values);
        s.count(values);
        s
    }

    #[test]
    fn ranges_of_each_method() {
        // Ten thousand values in -1..=1, most of them small, and an outlier of 100.
        let mut values: Vec<f32> = (0..10_000).map(|i| (i as f32 / 5_000.0 - 1.0).powi(3)).collect();
        values.push(100.0);
        let s = seen(&values);
        assert_eq!(s.range(Method::MinMax), (-1.0, 100.0));
        let (low, high) = s.range(Method::Percentile(99.9));
        assert!(low >= -1.1 && high < 1.1, "{low} {high}");
        let (_, high) = s.range(Method::Entropy);
        assert!(high < 20.0, "{high}");
        // One value of 100 weighs more than the rounding of all others.
        let (_, high) = s.range(Method::Mse);
        assert!(high > 50.0, "{high}");
    }

    #[test]
    fn what_is_spread_evenly_keeps_its_range() {
        let values: Vec<f32> = (0..10_000).map(|i| i as f32 / 10_000.0).collect();
        for method in [Method::Percentile(100.0), Method::Entropy, Method::Mse] {
            let (low, high) = seen(&values).range(method);
            assert!(low == 0.0 && high > 0.97, "{method:?}: {low} {high}");
        }
    }

    /// What a ReLU leaves: as many zeros as others.
    #[test]
    fn zeros_dont_narrow_the_range() {
        let values: Vec<f32> = (-10_000..10_000).map(|i| (i as f32 / 10_000.0).max(0.0)).collect();
        let (low, high) = seen(&values).range(Method::Entropy);
        assert!(low == 0.0 && high > 0.9, "{low} {high}");
    }

    #[test]
    fn zero_is_exact_and_both_ends_are_covered() {
        for (range, dtype, symmetric, zero) in [
            ((-1.0, 3.0), DType::U8, false, 64),
            ((-1.0, 3.0), DType::I8, false, -64),
            ((-1.0, 3.0), DType::U8, true, 128),
            ((-1.0, 3.0), DType::I8, true, 0),
            ((1.0, 3.0), DType::U8, false, 0),
            ((-3.0, -1.0), DType::U8, false, 255),
            ((0.0, 0.0), DType::I8, false, -128),
        ] {
            let p = Parameters::new(range, dtype, symmetric);
            assert_eq!(p.zero, zero, "{range:?} {dtype} {symmetric}");
            assert!(p.scale > 0.0);
        }
    }

    #[test]
    fn weights_have_a_scale_for_each_channel() {
        let (q, s) = weights(&[1.1, -2.0, 0.5, 0.2, 0.0, 0.0], &[3, 2], Some(0), &|_| 0.0);
        assert_eq!(q, [70, -127, 127, 51, 0, 0]);
        assert_eq!(s, [2.0 / 127.0, 0.5 / 127.0, 1.0]);
        let (q, s) = weights(&[1.1, -2.0, 0.5, 0.2], &[2, 2], None, &|_| 0.0);
        assert_eq!((q, s), (vec![70, -127, 32, 13], vec![2.0 / 127.0]));
    }
}
