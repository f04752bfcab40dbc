//! The time of one scheduled kernel, alone: compiled, then run on random data.
//!
//! Several sets of buffers are used in turn, so that nothing is in a cache that wouldn't be in a model that is larger
//! than the caches; small kernels keep theirs. The least time counts, as nothing makes code faster than it is.

use crate::random::Random;
use onnxc_base::{DType, Diagnostic, Diagnostics};
use onnxc_codegen::bare::Bare;
use onnxc_codegen::heap::AlignedBytes;
use onnxc_codegen::{Backend, CompileOptions, Emit, Target};
use onnxc_ir::kernel::Kernel;
use onnxc_passes::alone::{Buffer, SYMBOL, alone};
use onnxc_passes::from_kernel::Machine;
use std::ffi::c_void;
use std::time::{Duration, Instant};

/// Bytes that the sets of buffers have together, at least: what no cache of a core's own holds.
const ROTATED: usize = 8 << 20;
/// The most sets.
const SETS: usize = 16;
/// The most bytes of a kernel that is measured.
const MOST: usize = 1 << 30;
/// Rounds over all sets: at least so many, then until the time is over.
const ROUNDS: usize = 4;
const TIME: Duration = Duration::from_millis(15);

/// Measures kernels on this machine.
pub struct Bench {
    backend: &'static dyn Backend,
    target: Target,
    level: u8,
    folder: tempfile::TempDir,
    count: usize,
}

impl Bench {
    /// For a backend and level.
    ///
    /// # Errors
    /// A target that isn't this machine.
    pub fn new(backend: &'static dyn Backend, target: &Target, level: u8) -> Result<Bench, Diagnostics> {
        let host = Target::host();
        if target.triple != host.triple || !target.features.is_subset(&host.features) || backend.writes_source() {
            let what = format!("--tune measures on this machine, which can't run code for {}", target.cpu);
            return Err(Diagnostic::error("E5021", what)
                .expected("machine code for the machine that onnxc runs on")
                .help("tune on the machine that the module is for, and give the file of --tune-cache here")
                .into());
        }
        let folder = tempfile::tempdir()
            .map_err(|e| Diagnostic::error("E5203", format!("can't make a temporary folder: {e}")))?;
        Ok(Bench { backend, target: target.clone(), level, folder, count: 0 })
    }

    /// Seconds of one run.
    ///
    /// # Errors
    /// A kernel that can't be lowered or compiled, or is too large.
    pub fn time(&mut self, kernel: &Kernel, machine: Machine) -> Result<f64, Diagnostics> {
        let a = alone(kernel, machine, self.level)?;
        let bytes: usize = a.buffers.iter().map(|b| b.count.saturating_mul(b.dtype.size())).sum();
        let no_memory = || Diagnostic::error("E6023", format!("no memory to measure a kernel: {bytes} bytes"));
        if bytes > MOST {
            return Err(no_memory().into());
        }
        self.count += 1;
        let file = self.folder.path().join(format!("kernel{}.so", self.count));
        let options = CompileOptions { opt_level: self.level, emit: Emit::Object };
        let code = Bare::new(self.backend, a.program, &self.target, &options, &file)?;
        let wanted = (ROTATED / bytes.max(1)).clamp(1, SETS);
        let mut random = Random(0);
        let sets: Option<Vec<Vec<AlignedBytes>>> =
            (0..wanted).map(|_| a.buffers.iter().map(|b| buffer(b, &mut random)).collect()).collect();
        let mut sets = sets.ok_or_else(no_memory)?;
        let tables: Vec<Vec<*mut c_void>> =
            sets.iter_mut().map(|s| s.iter_mut().map(AlignedBytes::as_mut_ptr).collect()).collect();
        let round = || -> Result<f64, Diagnostic> {
            let begun = Instant::now();
            for table in &tables {
                // The kernel was lowered with these buffers.
                unsafe { code.call(SYMBOL, table) }?;
            }
            Ok(begun.elapsed().as_secs_f64() / tables.len() as f64)
        };
        round()?;
        let (mut best, mut rounds, end) = (f64::INFINITY, 0, Instant::now() + TIME);
        while rounds < ROUNDS || Instant::now() < end {
            best = best.min(round()?);
            rounds += 1;
        }
        drop(code);
        // It is unloaded; if it can't be removed, the folder is.
        let _ = std::fs::remove_file(&file);
        Ok(best)
    }
}

/// Memory with data: floats in [0.5, 1), of which no sum overflows; any small integers; zeros where the kernel writes.
fn buffer(b: &Buffer, random: &mut Random) -> Option<AlignedBytes> {
    let mut data = AlignedBytes::zeros(b.dtype.bytes_for(b.count)?)?;
    let size = b.dtype.size();
    if b.input && size > 0 {
        for element in data.as_mut().chunks_exact_mut(size) {
            let r = random.next();
            match b.dtype {
                DType::F32 => element.copy_from_slice(&(0x3f00_0000 | (r as u32 & 0x7f_ffff)).to_le_bytes()),
                DType::F64 => element.copy_from_slice(&(0x3fe0_0000_0000_0000 | (r >> 12)).to_le_bytes()),
                DType::F16 => element.copy_from_slice(&(0x3800 | (r as u16 & 0x3ff)).to_le_bytes()),
                DType::BF16 => element.copy_from_slice(&(0x3f00 | (r as u16 & 0x7f)).to_le_bytes()),
                _ => element[0] = r as u8 & 1,
            }
        }
    } else {
        // Pages that were never written would all be one.
        data.as_mut().fill(0);
    }
    Some(data)
}
