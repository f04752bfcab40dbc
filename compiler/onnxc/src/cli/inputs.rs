//! Random inputs for measuring: floats in [0, 1), integers in 0..900 as far as the type goes, an input named `mask`
//! all ones. The same on every machine and every day.

use crate::random::Random;
use onnxc_base::tensor::element_count;
use onnxc_base::{DType, Diagnostic, Diagnostics, IndexMap, Tensor};
use onnxc_codegen::loader::Module;
use onnxc_ops::import::ImportOptions;
use onnxc_runtime::module::SOURCE_INPUT;

/// Inputs of a module; dims that nothing says are 1, or the least that the module takes.
///
/// # Errors
/// An input whose size isn't known.
pub fn random(module: &Module, dims: &ImportOptions) -> Result<Vec<Tensor>, Diagnostics> {
    let description = module.description();
    let given: IndexMap<&str, i64> = dims.dims.iter().filter_map(|(n, r)| Some((n.as_str(), r.fixed()?))).collect();
    let values: Vec<i64> = description
        .dims()
        .iter()
        .map(|d| given.get(d.name).copied().unwrap_or(if d.source == SOURCE_INPUT { d.lo.max(1) } else { 1 }))
        .collect();
    let mut random = Random(0);
    let mut out = vec![];
    for (port, raw) in module.inputs().iter().zip(description.inputs()) {
        let shape: Option<Vec<usize>> = raw.shape().map(|e| usize::try_from(e.eval(&values)?).ok()).collect();
        let tensor = shape.and_then(|s| tensor(port.dtype, &s, port.name == "mask", &mut random));
        out.push(tensor.ok_or_else(|| {
            Diagnostic::error("E6018", format!("can't make a random input '{}'", port.name))
                .expected(onnxc_host::inputs::signature(port))
                .help(format!("give one: --inputs {}=FILE.npy", port.name))
        })?);
    }
    Ok(out)
}

fn tensor(dtype: DType, shape: &[usize], ones: bool, random: &mut Random) -> Option<Tensor> {
    let n = element_count(shape)?;
    dtype.bytes_for(n)?;
    if dtype == DType::Bool {
        let values: Vec<bool> = (0..n).map(|_| ones || random.next() & 1 == 1).collect();
        return Some(Tensor::from_bools(shape, &values));
    }
    let float: Vec<f64> =
        (0..if dtype.is_float() { n } else { 0 }).map(|_| if ones { 1.0 } else { random.unit() }).collect();
    // Fits the type: integers of a byte take what they can hold.
    let most = if dtype.bits() == 8 { 100 } else { 900 };
    let int: Vec<i64> =
        (0..if dtype.is_int() { n } else { 0 }).map(|_| if ones { 1 } else { (random.next() % most) as i64 }).collect();
    macro_rules! cast {
        ($from:expr, $t:ty) => {
            Tensor::from_slice(shape, &$from.iter().map(|&v| v as $t).collect::<Vec<$t>>())
        };
    }
    Some(match dtype {
        DType::F32 => cast!(float, f32),
        DType::F64 => Tensor::from_slice(shape, &float),
        DType::F16 => {
            let bits: Vec<u8> = float.iter().flat_map(|&v| half_bits(v).to_le_bytes()).collect();
            Tensor::from_bytes(dtype, shape.to_vec(), bits.into())?
        }
        DType::BF16 => {
            let bits: Vec<u8> =
                float.iter().flat_map(|&v| (((v as f32).to_bits() >> 16) as u16).to_le_bytes()).collect();
            Tensor::from_bytes(dtype, shape.to_vec(), bits.into())?
        }
        DType::I8 => cast!(int, i8),
        DType::I16 => cast!(int, i16),
        DType::I32 => cast!(int, i32),
        DType::I64 => Tensor::from_slice(shape, &int),
        DType::U8 => cast!(int, u8),
        DType::U16 => cast!(int, u16),
        DType::U32 => cast!(int, u32),
        DType::U64 => cast!(int, u64),
        _ => return None,
    })
}

/// Of a number in [0, 1]: rounded down to a multiple of 2^-11, which f16 has exactly.
fn half_bits(v: f64) -> u16 {
    let steps = (v * 2048.0) as u32;
    if steps == 0 {
        return 0;
    }
    let exponent = steps.ilog2();
    let mantissa = (steps << (10u32.saturating_sub(exponent))) >> exponent.saturating_sub(10);
    (((exponent + 15 - 11) << 10) | (mantissa & 0x3ff)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_in_range_and_the_same_every_time() {
        for dtype in DType::all().filter(|d| d.bits() >= 8 && (d.is_float() && d.bits() > 8 || d.is_int())) {
            let make = || tensor(dtype, &[1000], false, &mut Random(7)).expect("the type is usual");
            let values = make().to_f64().expect("it is a number");
            let most = if dtype.is_float() { 1.0 } else { 900.0 };
            assert!(values.iter().all(|v| (0.0..=most).contains(v)), "{dtype}");
            assert!(values.iter().any(|v| *v > most / 20.0), "{dtype}");
            assert_eq!(make(), make());
        }
        let ones = tensor(DType::I64, &[3], true, &mut Random(7)).and_then(|t| t.to_i64());
        assert_eq!(ones, Some(vec![1, 1, 1]));
    }

    #[test]
    fn halves_are_exact() {
        for (v, bits) in [(0.0, 0), (0.5, 0x3800), (0.75, 0x3a00), (1.0, 0x3c00), (1.0 / 2048.0, 0x1000)] {
            assert_eq!(half_bits(v), bits, "{v}");
        }
    }
}
