//! Calibration data: an archive, or a folder of samples.
//!
//! - `DATA.npz` has an array for each input. One more axis than the input has is the axis of samples; so is the first one
//!   where its extent is a multiple of the input's fixed one. Otherwise the archive is one sample.
//! - A folder holds such archives, `.npy` files for a model with one input, or folders of `.pb` files, in the order of
//!   their names.

use super::Sample;
use onnxc_base::{Diagnostic, Diagnostics, Tensor};
use onnxc_host::files::read_tensors;
use onnxc_ir::graph::Graph;
use std::path::{Path, PathBuf};

/// What an input is called, and its extents as far as they are fixed.
struct Input {
    name: String,
    shape: Vec<Option<i64>>,
}

/// Reads the samples for a model's inputs, `most` of them at most.
///
/// # Errors
/// Files that can't be read, inputs without data, data that don't fit.
pub fn read(path: &Path, graph: &Graph, most: usize) -> Result<Vec<Sample>, Diagnostics> {
    let input = |&v: &onnxc_ir::graph::ValueId| {
        let data = &graph.values[v];
        let t = data.ty.as_tensor().ok_or_else(|| wrong("an input is no tensor").tensor(&data.name))?;
        Ok::<_, Diagnostic>(Input { name: data.name.clone(), shape: t.shape.iter().map(|d| d.as_int()).collect() })
    };
    let inputs: Vec<Input> = graph.body.params.iter().map(input).collect::<Result<_, Diagnostic>>()?;
    let mut samples = vec![];
    for files in groups(path)? {
        if samples.len() >= most {
            break;
        }
        let mut tensors = vec![];
        for f in &files {
            tensors.extend(read_tensors(f)?);
        }
        samples.extend(split(&inputs, &tensors).map_err(|d| d.file(files[0].display().to_string()))?);
    }
    samples.truncate(most);
    Ok(samples)
}

fn wrong(what: impl Into<String>) -> Diagnostic {
    Diagnostic::error("E6203", what)
}

/// The files that belong together.
fn groups(path: &Path) -> Result<Vec<Vec<PathBuf>>, Diagnostics> {
    if !path.is_dir() {
        return Ok(vec![vec![path.into()]]);
    }
    let mut out = vec![];
    for entry in listed(path)? {
        if entry.is_dir() {
            let inputs: Vec<PathBuf> =
                listed(&entry)?.into_iter().filter(|f| is(f, "pb") && !starts(f, "output")).collect();
            if !inputs.is_empty() {
                out.push(inputs);
            }
        } else if is(&entry, "npz") || is(&entry, "npy") {
            out.push(vec![entry]);
        }
    }
    if out.is_empty() {
        let d = wrong("the folder has no samples").file(path.display().to_string());
        return Err(d.expected(".npz or .npy files, or folders of .pb files").into());
    }
    Ok(out)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Diagnostics> {
    let failed = |e: std::io::Error| wrong(format!("can't read the folder: {e}")).file(folder.display().to_string());
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn is(file: &Path, suffix: &str) -> bool {
    file.extension().is_some_and(|e| e == suffix)
}

fn starts(file: &Path, with: &str) -> bool {
    file.file_name().is_some_and(|n| n.to_string_lossy().starts_with(with))
}

/// The samples in the tensors of a file.
fn split(inputs: &[Input], tensors: &[(Option<String>, Tensor)]) -> Result<Vec<Sample>, Diagnostic> {
    let mut columns: Vec<Vec<Tensor>> = vec![];
    for (i, input) in inputs.iter().enumerate() {
        let named = tensors.iter().find(|(n, _)| n.as_deref() == Some(input.name.as_str()));
        // Files of one tensor per input are often named otherwise.
        let found = named.or_else(|| tensors.get(i).filter(|(n, _)| n.is_none() || tensors.len() == inputs.len()));
        let (_, tensor) = found.ok_or_else(|| {
            let names: Vec<&str> = tensors.iter().filter_map(|(n, _)| n.as_deref()).collect();
            wrong(format!("there are no data for input '{}'", input.name))
                .expected(format!("it among: {}", names.join(", ")))
        })?;
        columns.push(cut(input, tensor)?);
    }
    let most = columns.iter().map(Vec::len).max().unwrap_or(0);
    if let Some(i) = columns.iter().position(|c| c.len() != most) {
        let found = format!("input '{}' has {} samples", inputs[i].name, columns[i].len());
        return Err(wrong(found).expected(format!("{most}, as others have")));
    }
    Ok((0..most).map(|k| columns.iter().map(|c| c[k].clone()).collect()).collect())
}

/// An array to one tensor per sample.
fn cut(input: &Input, t: &Tensor) -> Result<Vec<Tensor>, Diagnostic> {
    let shape = t.shape();
    let fixed = input.shape.first().copied().flatten().filter(|b| *b > 0).map(|b| b as usize);
    let (count, each) = match shape.len().checked_sub(input.shape.len()) {
        Some(1) => (shape[0], shape[1..].to_vec()),
        Some(0) => match fixed {
            Some(b) if shape[0] != b && shape[0].is_multiple_of(b) => (shape[0] / b, [&[b][..], &shape[1..]].concat()),
            _ => (1, shape.to_vec()),
        },
        _ => {
            let found = format!("the data of input '{}' have {} axes", input.name, shape.len());
            return Err(wrong(found).expected(format!("{0}, or {0} and one of samples", input.shape.len())));
        }
    };
    let size = t.bytes().len() / count.max(1);
    let part = |k: usize| Tensor::from_bytes(t.dtype(), each.clone(), t.bytes().slice(k * size..(k + 1) * size));
    let parts: Option<Vec<Tensor>> = (0..count).map(part).collect();
    parts.ok_or_else(|| wrong(format!("the data of input '{}' can't be cut into samples", input.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(fixed: &[Option<i64>], shape: &[usize]) -> Option<(usize, Vec<usize>)> {
        let t = Tensor::zeros(onnxc_base::DType::F32, shape).expect("it is small");
        let parts = cut(&Input { name: "x".into(), shape: fixed.to_vec() }, &t).ok()?;
        Some((parts.len(), parts.first()?.shape().to_vec()))
    }

    #[test]
    fn which_axis_is_that_of_samples() {
        assert_eq!(shapes(&[Some(1), Some(3)], &[5, 1, 3]), Some((5, vec![1, 3])));
        assert_eq!(shapes(&[Some(1), Some(3)], &[5, 3]), Some((5, vec![1, 3])));
        assert_eq!(shapes(&[Some(2), Some(3)], &[6, 3]), Some((3, vec![2, 3])));
        assert_eq!(shapes(&[None, Some(3)], &[5, 3]), Some((1, vec![5, 3])));
        assert_eq!(shapes(&[], &[4]), Some((4, vec![])));
        assert_eq!(shapes(&[Some(1), Some(3)], &[3]), None);
    }
}
