//! NumPy's `.npz`: a zip archive of `.npy` files, named after the arrays.
//!
//! Read: stored and deflated members. Written: stored, as `numpy.savez` does.

use super::{Content, Named, npy};
use onnxc_base::{Diagnostic, Value};
use std::io::{self, Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// The largest member that is unpacked: a small archive can claim any size.
const MAX_MEMBER: u64 = 1 << 36;

/// The arrays of an archive, in its order.
///
/// # Errors
/// Bytes that are no archive, or a member that is no array.
pub fn read(bytes: &[u8]) -> Result<Vec<Named>, Diagnostic> {
    let broken = |e: &dyn std::fmt::Display| {
        Diagnostic::error("E6102", format!("the file isn't a NumPy archive: {e}"))
            .expected("a file written by numpy.savez")
    };
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(&e))?;
    let mut out = Vec::with_capacity(archive.len());
    for i in 0..archive.len() {
        let member = archive.by_index(i).map_err(|e| broken(&e))?;
        let full = member.name().map_err(|e| broken(&e))?.into_owned();
        let name = full.strip_suffix(".npy").unwrap_or(&full).to_string();
        let mut data = Vec::new();
        // The limit is one of bytes that come out, whatever the archive says.
        member.take(MAX_MEMBER).read_to_end(&mut data).map_err(|e| broken(&e))?;
        let tensor = npy::read(data.into()).map_err(|d| d.tensor(name.clone()))?;
        out.push((Some(name), Content::Tensor(tensor)));
    }
    Ok(out)
}

/// Writes an archive of named arrays.
///
/// # Errors
/// What the writer can't take.
pub fn write(out: &mut dyn Write, tensors: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut archive = ZipWriter::new_stream(out);
    for (name, npy) in tensors {
        let large = npy.len() >= u32::MAX as usize;
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(npy)?;
    }
    archive.finish()?;
    Ok(())
}

/// The members of an archive, ready to be written.
///
/// # Errors
/// An element type that NumPy doesn't have, or no tensor.
pub fn members<T: Clone + Into<Value>>(values: &[(String, T)]) -> Result<Vec<(String, Vec<u8>)>, Diagnostic> {
    let member = |(name, v): &(String, T)| {
        let bytes = npy::write_value(&v.clone().into()).map_err(|d| d.tensor(name.clone()))?;
        Ok((name.clone(), bytes))
    };
    values.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::Tensor;

    #[test]
    fn archives_are_read_again() {
        let a = Tensor::from_slice(&[2], &[1.0f32, 2.0]);
        let b = Tensor::scalar(7i64);
        let members = members(&[("a/b:0".into(), a.clone()), ("b".into(), b.clone())]).expect("NumPy has the types");
        let mut bytes = Vec::new();
        write(&mut bytes, &members).expect("a vector takes all");
        let back = read(&bytes).expect("we wrote it");
        assert_eq!(
            back,
            [(Some("a/b:0".to_string()), Content::Tensor(a)), (Some("b".to_string()), Content::Tensor(b))]
        );
        for n in 0..bytes.len() {
            assert!(read(&bytes[..n]).is_err(), "cut at {n}");
        }
    }
}
