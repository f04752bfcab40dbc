//! Output files, whole or not at all: written beside their place under another name, then renamed.

use onnxc_base::{Diagnostic, Diagnostics};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes a file through `fill`; nothing is at `path` unless all of it was written.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Diagnostics> {
    replace(path, |temporary| {
        let mut out = BufWriter::with_capacity(1 << 16, File::create(temporary).map_err(|e| cannot_write(path, &e))?);
        fill(&mut out).and_then(|()| out.flush()).map_err(|e| cannot_write(path, &e))?;
        Ok(())
    })
}

/// Lets `make` write to another name in the same folder, then gives the file its own name.
pub fn replace(path: &Path, make: impl FnOnce(&Path) -> Result<(), Diagnostics>) -> Result<(), Diagnostics> {
    let temporary = Temporary(beside(path));
    make(&temporary.0)?;
    fs::rename(&temporary.0, path).map_err(|e| cannot_write(path, &e).into())
}

/// A name that no other process and no other call uses.
pub(crate) fn beside(path: &Path) -> PathBuf {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let n = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.{n}.tmp", std::process::id()))
}

/// A file that is gone when this is dropped, unless it was renamed.
pub(crate) struct Temporary(pub PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // It isn't there after a rename, or if it never came to be.
        let _ = fs::remove_file(&self.0);
    }
}

pub(crate) fn cannot_write(path: &Path, e: &io::Error) -> Diagnostic {
    Diagnostic::error("E5203", format!("cannot write the output: {e}")).file(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_what_was_there() {
        let dir = std::env::temp_dir().join(format!("onnxc-files-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("the temporary folder is writable");
        let path = dir.join("out");
        fs::write(&path, "old").expect("the folder is writable");
        let failed = write_whole(&path, |out| {
            out.write_all(b"new")?;
            Err(io::Error::other("disk full"))
        });
        assert!(failed.expect_err("the writer failed").to_string().contains("disk full"));
        assert_eq!(fs::read(&path).expect("it is still there"), b"old");
        write_whole(&path, |out| out.write_all(b"new")).expect("the folder is writable");
        assert_eq!(fs::read(&path).expect("it was written"), b"new");
        assert_eq!(fs::read_dir(&dir).expect("the folder is there").count(), 1, "no temporary file is left");
        fs::remove_dir_all(&dir).expect("it is ours");
    }
}
