//! MinStd, which only imports make: numbers evenly from 0 to 1, without 1, as C++'s `minstd_rand0` and
//! `uniform_real_distribution<double>` of GCC's library draw them, from any place of their row on.
//!
//! Inputs: a seed, a step, how many numbers a step has. Each of them takes two of the generator's: x' = 16807 x mod 2^31 - 1.
//!
//! Does NOT match other C++ libraries, whose distributions may draw otherwise.

use crate::ops::INNER;
use crate::ops::elementwise::*;
use crate::prelude::*;

/// MinStd.
pub static DEF: OpDef = OpDef {
    domain: INNER,
    name: "MinStd",
    versions: &[(1, |_| Ok(Attrs::default()))],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

const FACTOR: i64 = 16807;
const MODULUS: i64 = i32::MAX as i64;
/// How many numbers the generator has: all but 0.
const RANGE: i64 = MODULUS - 1;

fn infer(cx: &mut InferCx) -> Result<()> {
    for i in 0..3 {
        if tensor(cx, i, Class::Int)?.count().as_int() != Some(1) {
            return Err(cx.error("E2005", format!("input {i} isn't one element")).expected("a scalar"));
        }
    }
    let count = cx.content(2).and_then(|c| c.first().cloned());
    let count = count.ok_or_else(|| cx.error("E2005", "how many numbers a step has isn't known"))?;
    cx.set_tensor(0, DType::F64, vec![count]);
    Ok(())
}

/// x * by mod 2^31 - 1: of numbers below that, so that no product is too large.
fn times(x: Expr, by: Expr) -> Expr {
    binary(BinOp::Rem, x * by, int(MODULUS))
}

/// The powers of the factor by 2^i.
fn powers() -> impl Iterator<Item = i64> {
    std::iter::successors(Some(FACTOR), |p| Some(p * p % MODULUS))
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let one = |cx: &ComputeCx, i: usize| {
        let src = cx.input(i);
        cast(cx.dtype(i), DType::I64, load(src, &vec![Sym::int(0); cx.shape(i).len()]))
    };
    let (seed, step, count) = (one(cx, 0), one(cx, 1), cx.out_shape(0)[0].clone());
    let seed = binary(BinOp::Rem, binary(BinOp::And, seed, int(i64::from(u32::MAX))), int(MODULUS));
    let seed = select(compare(CmpOp::Eq, seed.clone(), int(0)), int(1), seed);
    cx.map_output(|_, i| {
        // So many numbers are drawn before; the row repeats itself behind all of them.
        let place = binary(BinOp::Rem, (step.clone() * int(count.clone()) + int(i[0].clone())) * int(2), int(RANGE));
        let mut x = seed.clone();
        for (bit, power) in powers().take(31).enumerate() {
            let set = binary(BinOp::And, binary(BinOp::Shr, place.clone(), int(bit as i64)), int(1));
            x = times(x, select(compare(CmpOp::Eq, set, int(1)), int(power), int(1)));
        }
        let first = times(x, int(FACTOR));
        let second = times(first.clone(), int(FACTOR));
        let parts = [first, second].map(|p| cast(DType::I64, DType::F64, p - int(1)));
        let [low, high] = parts;
        let all = low + high * number(DType::F64, RANGE as f64);
        let drawn = all / number(DType::F64, RANGE as f64 * RANGE as f64);
        binary(BinOp::Min, drawn, number(DType::F64, 1.0 - f64::EPSILON / 2.0))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;

    /// What a loop of the generator gives.
    fn drawn(seed: i64, count: usize) -> Vec<f64> {
        let mut x = if seed % super::MODULUS == 0 { 1 } else { seed % super::MODULUS };
        let mut next = || {
            x = x * super::FACTOR % super::MODULUS;
            (x - 1) as f64
        };
        let range = super::RANGE as f64;
        (0..count).map(|_| (next() + next() * range) / (range * range)).collect()
    }

    #[test]
    fn the_generator_is_the_standards() {
        // C++ (rand.predef): the 10,000th number of a default-constructed minstd_rand0.
        let last = (0..10_000).fold(1i64, |x, _| x * super::FACTOR % super::MODULUS);
        assert_eq!(last, 1_043_618_065);
    }

    #[test]
    fn any_step_draws_what_the_generator_draws() {
        for (seed, step, count) in [(0, 0, 4), (7, 0, 1), (7, 1, 3), (i64::from(i32::MAX), 5, 2), (123_456, 4_999, 1)] {
            let numbers = drawn(seed, (step + 1) * count);
            let wanted = Tensor::from_slice(&[count], &numbers[step * count..]);
            let [seed, step, count] = [seed, step as i64, count as i64].map(|v| Tensor::from_slice(&[1], &[v]));
            let found = Case::new("onnxc.MinStd", 1).input(seed).input(step).constant(count).run().expect("it runs");
            assert_eq!(found[0].to_f64(), wanted.to_f64());
        }
    }
}
