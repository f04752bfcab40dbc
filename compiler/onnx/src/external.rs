//! Tensor data in other files: safe paths, one memory map per file, ranges checked before use.
//!
//! Holds afterwards: every returned slice lies in a regular file inside the model's folder (after following symbolic
//! links) and inside that file's length. Bytes are shared with the map, never copied. Big-endian hosts and files that
//! shrink while mapped are not supported.
//!
//! Does NOT verify the `checksum` entry.

use crate::messages::TensorProto;
use onnxc_base::{Bytes, Diagnostic};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

/// Maps a whole file; an empty file gives no bytes (the system can't map it).
pub(crate) fn map_file(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if meta.len() == 0 {
        return Ok(Bytes::new());
    }
    // SAFETY: the map is read-only and private to us. Should another process shrink the file meanwhile, a read ends in
    // SIGBUS; that is the price of not copying weights, and every mapped-file reader pays it.
    #[allow(unsafe_code, reason = "memory maps have no safe interface")]
    let map = unsafe { memmap2::Mmap::map(&file)? };
    Ok(Bytes::from_owner(map))
}

/// `location`, `offset` and `length` of a tensor's external data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reference<'a> {
    pub location: &'a str,
    pub offset: u64,
    pub length: Option<u64>,
}

/// Reads the `external_data` entries; unknown keys are ignored, as the standard allows more.
pub(crate) fn reference(t: &TensorProto) -> Result<Reference<'_>, Diagnostic> {
    let mut seen = BTreeMap::new();
    for e in &t.external_data {
        if seen.insert(e.key.as_str(), e.value.as_str()).is_some() {
            return Err(bad_entry(format!("external_data gives '{}' twice", e.key)));
        }
    }
    let number = |key: &str| match seen.get(key) {
        None => Ok(None),
        Some(v) => v.parse::<u64>().map(Some).map_err(|_| {
            bad_entry(format!("external_data has {key} '{v}'")).expected("a decimal number of bytes, not negative")
        }),
    };
    let location = *seen.get("location").ok_or_else(|| bad_entry("external_data gives no 'location'".into()))?;
    Ok(Reference { location, offset: number("offset")?.unwrap_or(0), length: number("length")? })
}

fn bad_entry(found: String) -> Diagnostic {
    Diagnostic::error("E0013", found).help("save the model again with its external data")
}

/// The open maps of one model.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// The folder that holds the model; `None` for a model from memory.
    dir: Option<PathBuf>,
    maps: Mutex<BTreeMap<PathBuf, Bytes>>,
}

impl Files {
    pub(crate) fn new(dir: Option<&Path>) -> Self {
        // `model.onnx` has the parent "", which no system call accepts.
        let dir = dir.map(|d| if d.as_os_str().is_empty() { PathBuf::from(".") } else { d.to_path_buf() });
        Self { dir, maps: Mutex::default() }
    }

    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The bytes of a tensor that needs `need` of them.
    pub(crate) fn read(&self, r: &Reference<'_>, need: usize) -> Result<Bytes, Diagnostic> {
        let file = self.file(r.location)?;
        let range = |what: String| {
            Diagnostic::error("E0012", what)
                .help("the data file belongs to another version of the model or is truncated; fetch both again")
        };
        if let Some(length) = r.length.filter(|&n| n != need as u64) {
            return Err(range(format!("external_data has length {length}")).expected(format!("{need} bytes")));
        }
        let end = r.offset.checked_add(need as u64).filter(|&e| e <= file.len() as u64);
        let Some(end) = end else {
            let what = format!("{need} bytes at offset {} of '{}'", r.offset, r.location);
            return Err(range(what).expected(format!("a range inside the file's {} bytes", file.len())));
        };
        // Both ends are at most the file's length, which is a usize.
        Ok(file.slice(r.offset as usize..end as usize))
    }

    /// The map of a file, opened on first use.
    fn file(&self, location: &str) -> Result<Bytes, Diagnostic> {
        let path = self.resolve(location)?;
        let mut maps = self.maps.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(map) = maps.get(&path) {
            return Ok(map.clone());
        }
        let map = map_file(&path).map_err(|e| missing(location, &e))?;
        maps.insert(path, map.clone());
        Ok(map)
    }

    /// The real path of a location, which must lie inside the model's folder before and after following links.
    fn resolve(&self, location: &str) -> Result<PathBuf, Diagnostic> {
        let escape = |why: &str| {
            Diagnostic::error("E0010", format!("external data at '{}', {why}", location.escape_debug()))
                .expected("a path inside the model's folder")
                .help("copy the data file beside the model and save the model with a relative location")
        };
        let dir = self.dir.as_ref().ok_or_else(|| {
            Diagnostic::error(
                "E0014",
                format!("external data at '{}', but the model is not in a file", location.escape_debug()),
            )
            .help("load the model from its path, or give the folder of its data files")
        })?;
        if location.is_empty() || location.contains('\0') {
            return Err(escape("which is not a path"));
        }
        for part in Path::new(location).components() {
            match part {
                Component::Normal(_) | Component::CurDir => {}
                Component::ParentDir => return Err(escape("which leaves the folder through '..'")),
                Component::RootDir | Component::Prefix(_) => return Err(escape("which is an absolute path")),
            }
        }
        let dir = dir.canonicalize().map_err(|e| missing(location, &e))?;
        let path = dir.join(location).canonicalize().map_err(|e| missing(location, &e))?;
        if !path.starts_with(&dir) {
            return Err(escape("which leaves the folder through a symbolic link"));
        }
        // Checked before opening: to open a pipe may block for ever.
        if !path.is_file() {
            return Err(missing(location, &io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
        }
        Ok(path)
    }
}

fn missing(location: &str, e: &io::Error) -> Diagnostic {
    // The system's wording of the commonest case varies; ours doesn't.
    let why = if e.kind() == io::ErrorKind::NotFound { "no such file".to_string() } else { e.to_string() };
    Diagnostic::error("E0011", format!("external data file '{}': {why}", location.escape_debug()))
        .help("put the data file that came with the model into the model's folder")
}
