//! NumPy's `.npy` format: a header that is a Python literal, then the elements.
//!
//! Read: versions 1 to 3, either byte order, C and Fortran order, every type that a tensor can hold; `V2` is bfloat16,
//! as NumPy's own writer stores that of `ml_dtypes`. Written: version 1, little-endian, C order; integers of less than
//! a byte as bytes. The format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
//!
//! Does NOT read strings, objects or structured types.

use onnxc_base::tensor::element_count;
use onnxc_base::{Bytes, DType, Diagnostic, Tensor, Value};

const MAGIC: &[u8] = b"\x93NUMPY";

/// NumPy's letter and size of each type.
const TYPES: &[(DType, &str)] = &[
    (DType::Bool, "b1"),
    (DType::I8, "i1"),
    (DType::I16, "i2"),
    (DType::I32, "i4"),
    (DType::I64, "i8"),
    (DType::U8, "u1"),
    (DType::U16, "u2"),
    (DType::U32, "u4"),
    (DType::U64, "u8"),
    (DType::F16, "f2"),
    (DType::F32, "f4"),
    (DType::F64, "f8"),
    (DType::C64, "c8"),
    (DType::C128, "c16"),
    (DType::BF16, "V2"),
];

fn damaged(what: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error("E6102", format!("the NumPy array is damaged: {what}"))
}

/// What the header says.
struct Header {
    dtype: DType,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
    /// Where the elements begin.
    start: usize,
}

/// The tensor in a file's bytes, which it shares where that is possible.
///
/// # Errors
/// Bytes that are no array, or one of a type that isn't read.
pub fn read(bytes: Bytes) -> Result<Tensor, Diagnostic> {
    let h = header(&bytes)?;
    let need = element_count(&h.shape).and_then(|n| h.dtype.bytes_for(n)).ok_or_else(|| damaged("it is too large"))?;
    let given = bytes.len() - h.start;
    if given < need {
        return Err(damaged(format!("{given} bytes of elements, where its shape {:?} needs {need}", h.shape)));
    }
    let mut data = bytes.slice(h.start..h.start + need);
    if h.big_endian && h.dtype.size() > 1 {
        data = swapped(&data, unit(h.dtype)).into();
    }
    if h.fortran && h.shape.len() > 1 {
        data = transposed(&data, &h.shape, h.dtype.size()).into();
    }
    if h.dtype == DType::Bool && data.iter().any(|&b| b > 1) {
        return Err(damaged("a bool that is neither 0 nor 1"));
    }
    Tensor::from_bytes(h.dtype, h.shape, data).ok_or_else(|| damaged("its size"))
}

/// Bytes that change places together: a complex number is two.
fn unit(dtype: DType) -> usize {
    if matches!(dtype, DType::C64 | DType::C128) { dtype.size() / 2 } else { dtype.size() }
}

fn swapped(data: &[u8], unit: usize) -> Vec<u8> {
    data.chunks_exact(unit).flat_map(|c| c.iter().rev().copied()).collect()
}

/// From the first index running fastest to the last one.
fn transposed(data: &[u8], shape: &[usize], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let strides: Vec<usize> = shape
        .iter()
        .scan(1, |step, &d| {
            let this = *step;
            *step *= d;
            Some(this)
        })
        .collect();
    let mut index = vec![0; shape.len()];
    for _ in 0..data.len() / size {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        out.extend_from_slice(&data[at * size..(at + 1) * size]);
        for (i, &d) in index.iter_mut().zip(shape).rev() {
            *i += 1;
            if *i < d {
                break;
            }
            *i = 0;
        }
    }
    out
}

fn header(bytes: &[u8]) -> Result<Header, Diagnostic> {
    if !bytes.starts_with(MAGIC) {
        return Err(Diagnostic::error("E6102", "the file isn't a NumPy array").expected("a file written by numpy.save"));
    }
    let (length, text) = match (bytes.get(6), bytes.get(8..12)) {
        (Some(1), Some(n)) => (u16::from_le_bytes([n[0], n[1]]) as usize, 10),
        (Some(2 | 3), Some(n)) => (u32::from_le_bytes([n[0], n[1], n[2], n[3]]) as usize, 12),
        _ => return Err(damaged("an unknown version")),
    };
    let end = text + length;
    let text = bytes.get(text..end).ok_or_else(|| damaged("the header ends early"))?;
    let text = std::str::from_utf8(text).map_err(|_| damaged("the header isn't text"))?;
    let descr = field(text, "descr").and_then(|t| quoted(t)).ok_or_else(|| {
        Diagnostic::error("E6103", "the array's elements are no numbers").expected("an array of numbers or bools")
    })?;
    let fortran = field(text, "fortran_order").is_some_and(|t| t.starts_with("True"));
    let shape = field(text, "shape").and_then(extents).ok_or_else(|| damaged("no shape"))?;
    let letter = descr.trim_start_matches(['<', '>', '|', '=']);
    let found = TYPES.iter().find(|(_, t)| *t == letter).ok_or_else(|| {
        Diagnostic::error("E6103", format!("the array's elements are '{descr}'"))
            .expected("numbers or bools")
            .help("convert them with .astype(numpy.float32) or the type that the model asks for")
    })?;
    Ok(Header { dtype: found.0, big_endian: descr.starts_with('>'), fortran, shape, start: end })
}

/// What follows `'name':` in a dictionary's text.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let at = text.find(&format!("'{name}'")).or_else(|| text.find(&format!("\"{name}\"")))?;
    Some(text[at + name.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split(quote).next()
}

/// `(2, 3)`, `(5,)` or `()`.
fn extents(text: &str) -> Option<Vec<usize>> {
    let inside = text.strip_prefix('(')?.split(')').next()?;
    let parts = inside.split(',').map(str::trim).filter(|p| !p.is_empty());
    parts.map(|p| p.trim_end_matches('L').parse().ok()).collect()
}

/// The same for a value, which must be a tensor.
///
/// # Errors
/// As for [`write`], or another kind of value.
pub fn write_value(value: &Value) -> Result<Vec<u8>, Diagnostic> {
    let tensor = value.tensor().ok_or_else(|| {
        Diagnostic::error("E6103", format!("NumPy's files can't hold {}", value.kind()))
            .expected("a tensor")
            .help("write it as ONNX's message: --outputs NAME=FILE.pb")
    })?;
    write(tensor)
}

/// The bytes of a file that holds a tensor.
///
/// # Errors
/// An element type that NumPy doesn't have.
pub fn write(tensor: &Tensor) -> Result<Vec<u8>, Diagnostic> {
    let dtype = tensor.dtype();
    let (descr, data) = match TYPES.iter().find(|(d, _)| *d == dtype) {
        Some((_, letter)) => {
            let order = if dtype.size() == 1 { '|' } else { '<' };
            (format!("{order}{letter}"), tensor.bytes().clone())
        }
        None if dtype.is_small() && dtype.is_float() => ("|V1".to_string(), tensor.bytes().clone()),
        None => {
            let values = tensor.to_i64().ok_or_else(|| {
                Diagnostic::error("E6103", format!("NumPy has no elements of {dtype}")).help("write a .pb file")
            })?;
            let letter = if dtype.is_signed_int() { "|i1" } else { "|u1" };
            (letter.to_string(), values.iter().map(|&v| v as u8).collect::<Vec<u8>>().into())
        }
    };
    let mut shape: Vec<String> = tensor.shape().iter().map(ToString::to_string).collect();
    if shape.len() == 1 {
        shape.push(String::new());
    }
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.join(", "));
    // The elements begin at a multiple of 64, and the header ends with a line's end.
    let fill = (64 - (MAGIC.len() + 4 + text.len() + 1) % 64) % 64;
    text.extend(std::iter::repeat_n(' ', fill));
    text.push('\n');
    let length = u16::try_from(text.len()).map_err(|_| Diagnostic::error("E6103", "the shape has too many extents"))?;
    let mut out = Vec::with_capacity(10 + text.len() + data.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[1, 0]);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&data);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Bytes {
        let mut out = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
        out.extend_from_slice(data);
        out.into()
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (dtype, _) in TYPES {
            for shape in [&[][..], &[5], &[2, 3], &[0, 4]] {
                let t = Tensor::zeros(*dtype, shape).expect("it is small");
                let bytes = write(&t).expect("NumPy has the type");
                assert_eq!(read(bytes.into()).expect("we wrote it"), t, "{dtype} {shape:?}");
            }
        }
        let t = Tensor::from_slice(&[2, 2], &[1.5f32, -2.0, f32::INFINITY, 0.0]);
        let bytes = write(&t).expect("NumPy has the type");
        assert_eq!((bytes.len() - 16) % 64, 0, "aligned");
        assert_eq!(read(bytes.into()).expect("we wrote it"), t);
    }

    #[test]
    fn fortran_order_and_big_endian_are_turned() {
        let data: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|v| v.to_be_bytes()).collect();
        let t = read(file("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", &data)).expect("it is whole");
        assert_eq!(t, Tensor::from_slice(&[2, 3], &[1i16, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn damage_is_an_error() {
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n";
        assert!(read(file(good, &[0; 8])).is_ok());
        for (header, data) in [
            (good, &[0u8; 7][..]),
            ("{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }", &[0; 24]),
            ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", &[0; 24]),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", &[0; 24]),
            ("{'descr': '<f4', 'shape': (18446744073709551615, 9), }", &[0; 24]),
            ("{'descr': '|b1', 'shape': (1,), }", &[2]),
            ("", &[]),
        ] {
            assert!(read(file(header, data)).is_err(), "{header}");
        }
        for n in 0..12 {
            assert!(read(file(good, &[0; 8]).slice(..n)).is_err());
        }
    }

    #[test]
    fn packed_integers_become_bytes() {
        let t = Tensor::from_packed(DType::I4, vec![3], vec![0xf1, 0x08].into()).expect("two bytes hold three nibbles");
        let back = read(write(&t).expect("integers fit bytes").into()).expect("we wrote it");
        assert_eq!(back, Tensor::from_slice(&[3], &[1i8, -1, -8]));
    }
}
