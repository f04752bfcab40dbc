//! What this machine can do at most, measured: floating-point operations, and loads from each level of memory.
//!
//! Both are loops that a backend compiles like any kernel, so they say what its code can reach here, with its vectors:
//! - multiply-adds of f32 on as many independent accumulators as hide their latency;
//! - loads of a buffer from its beginning to its end, again and again, each added to one of several accumulators.
//!
//! On one core. A shared machine is slower for seconds at a time: whoever compares measures the peaks before and after.

use crate::artefact::{compile, complete};
use crate::heap::AlignedBytes;
use crate::{Backend, CompileOptions, Linker, ModuleInfo, Target};
use onnxc_base::{DType, Diagnostic, Diagnostics};
use onnxc_ir::loops::{Buf, Func, FuncBuilder, Linkage, LoopKind, Program, Ty, Value, Var};
use std::path::Path;
use std::time::Instant;

/// How long one measurement takes at least, in seconds: long beside the clock's resolution, short beside a time slice.
const LEAST: f64 = 2e-3;
/// How often each is measured; the best counts, as nothing makes a loop faster than it is.
const TRIES: usize = 5;
/// Bytes that no cache of a core's own holds. Most shared ones don't either.
const MEMORY_BYTES: usize = 256 << 20;
/// Independent loads: more than an addition's latency times the loads of a cycle.
const LOADS: u32 = 8;

/// What was measured.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Peak {
    /// f32 operations per second, in units of 10^9; a multiply-add is two.
    pub gflops: f64,
    /// Bytes per second that are loaded from the second-level cache, in units of 10^9.
    pub cache_gb_s: f64,
    /// The same from memory.
    pub memory_gb_s: f64,
}

impl Peak {
    /// The better of two measurements, each.
    pub fn best(self, other: Peak) -> Peak {
        Peak {
            gflops: self.gflops.max(other.gflops),
            cache_gb_s: self.cache_gb_s.max(other.cache_gb_s),
            memory_gb_s: self.memory_gb_s.max(other.memory_gb_s),
        }
    }
}

/// The loops, compiled.
pub struct Loops {
    library: libloading::Library,
    lanes: u16,
    accumulators: u32,
}

/// `f(x, y, elements, rounds)`: what both loops are; the first has no use for the number of elements.
type Loop = unsafe extern "C" fn(*const u8, *mut u8, i64, i64);

impl Loops {
    /// Compiles them with a backend for this machine, to a library in `folder`.
    ///
    /// # Errors
    /// What the backend or the linker reports.
    pub fn new(backend: &dyn Backend, target: &Target, folder: &Path) -> Result<Loops, Diagnostics> {
        let lanes = (backend.max_vector_bits(target).min(target.vector_bits) / 32).max(1) as u16;
        // Some registers are for the operands.
        let accumulators = (backend.usable_vector_registers(target) * 3 / 4).clamp(1, 24);
        let mut program = Program { name: "peak".into(), ..Program::default() };
        program.funcs.push(arithmetic(lanes, accumulators, backend.has_fma(target)));
        program.funcs.push(loads(lanes));
        complete(&mut program);
        let artefact = compile(backend, &program, &ModuleInfo::default(), target, &CompileOptions::default())?;
        let path = folder.join("peak.so");
        artefact.write_shared(&path, &[], &Linker::find_for(target)?)?;
        // It was just made and has no initialisers.
        let library = unsafe { libloading::Library::new(&path) }.map_err(|e| failed(&e))?;
        Ok(Loops { library, lanes, accumulators })
    }

    /// Measures: takes about a quarter of a second.
    ///
    /// # Errors
    /// If there is no memory.
    pub fn measure(&self, l2_bytes: usize) -> Result<Peak, Diagnostics> {
        let vector = usize::from(self.lanes) * 4;
        let operands = filled(2 * vector)?;
        let mut sums = filled(vector * self.accumulators.max(LOADS) as usize)?;
        let rounds = self.rate("peak_arithmetic", &operands, &mut sums)?;
        let mut loads = |bytes: usize| -> Result<f64, Diagnostics> {
            let block = vector * LOADS as usize;
            let data = filled((bytes / block).max(1) * block)?;
            Ok(self.rate("peak_loads", &data, &mut sums)? * data.as_ref().len() as f64 / 1e9)
        };
        Ok(Peak {
            gflops: rounds * 2.0 * f64::from(self.accumulators) * f64::from(self.lanes) / 1e9,
            cache_gb_s: loads(l2_bytes / 2)?,
            memory_gb_s: loads(MEMORY_BYTES)?,
        })
    }

    /// Rounds per second of a loop.
    fn rate(&self, name: &str, x: &AlignedBytes, y: &mut AlignedBytes) -> Result<f64, Diagnostics> {
        // The program above has it, with these parameters.
        let f = unsafe { self.library.get::<Loop>(name.as_bytes()) }.map_err(|e| failed(&e))?;
        let elements = (x.as_ref().len() / 4) as i64;
        let mut time = |rounds: i64| {
            let begun = Instant::now();
            // Reads as many elements of `x` as there are; `y` has room for all accumulators.
            unsafe { f(x.as_ref().as_ptr(), y.as_mut_ptr().cast(), elements, rounds) };
            begun.elapsed().as_secs_f64()
        };
        let mut rounds = 1;
        while time(rounds) < LEAST && rounds < i64::MAX / 2 {
            rounds *= 2;
        }
        let best = (0..TRIES).map(|_| time(rounds)).fold(f64::INFINITY, f64::min);
        Ok(rounds as f64 / best)
    }
}

fn failed(e: &libloading::Error) -> Diagnostics {
    Diagnostic::error("E6001", format!("the loops that measure the machine cannot be loaded: {e}")).into()
}

/// Memory that was written: pages that never were would all be one and the same. As f32, the elements are about 0.7.
fn filled(bytes: usize) -> Result<AlignedBytes, Diagnostics> {
    let no_memory = || Diagnostic::error("E6023", format!("no memory to measure the machine: {bytes} bytes"));
    let mut data = AlignedBytes::zeros(bytes).ok_or_else(no_memory)?;
    data.as_mut().fill(0x3f);
    Ok(data)
}

/// Each round, `acc = acc * x[0..] + x[lanes..]` for every accumulator.
fn arithmetic(lanes: u16, accumulators: u32, fma: bool) -> Func {
    let mut f = Builder::new("peak_arithmetic", lanes, accumulators);
    let (zero, next) = (f.b.int(0), f.b.int(i64::from(lanes)));
    let (factor, term) = (f.b.load(f.x, zero, lanes, None), f.b.load(f.x, next, lanes, None));
    f.rounds(|f| {
        f.each_sum(|b, _, acc| {
            if fma {
                return b.fma(acc, factor, term);
            }
            let product = b.mul(acc, factor);
            b.add(product, term)
        });
    });
    f.finish()
}

/// Each round, `acc = acc + x[..]` over all of x, the accumulators in turn.
fn loads(lanes: u16) -> Func {
    let mut f = Builder::new("peak_loads", lanes, LOADS);
    f.rounds(|f| {
        let (zero, elements, x) = (f.b.int(0), f.elements, f.x);
        let at = f.b.open_loop("at");
        f.each_sum(|b, i, acc| {
            let ahead = b.int(i64::from(i) * i64::from(lanes));
            let from = b.add(at, ahead);
            let v = b.load(x, from, lanes, None);
            b.add(acc, v)
        });
        f.b.close_loop(at, zero, elements, i64::from(lanes) * i64::from(LOADS), LoopKind::Serial);
    });
    f.finish()
}

/// A [`Loop`] under construction.
struct Builder {
    b: FuncBuilder,
    x: Buf,
    y: Buf,
    elements: Value,
    rounds: Value,
    sums: Var,
    lanes: u16,
    count: u32,
}

impl Builder {
    fn new(name: &str, lanes: u16, count: u32) -> Builder {
        let mut b = FuncBuilder::new(name);
        b.func.linkage = Linkage::Export;
        let (x, y) = (b.param_buf("x", DType::F32, false), b.param_buf("y", DType::F32, true));
        let (elements, rounds) = (b.param("elements", DType::I64), b.param("rounds", DType::I64));
        let sums = b.var(Ty::vector(DType::F32, lanes), &[count], "sums");
        Builder { b, x, y, elements, rounds, sums, lanes, count }
    }

    fn rounds(&mut self, body: impl FnOnce(&mut Self)) {
        let zero = self.b.int(0);
        let round = self.b.open_loop("round");
        body(self);
        self.b.close_loop(round, zero, self.rounds, 1, LoopKind::Serial);
    }

    /// Replaces every accumulator by a function of its number and value.
    fn each_sum(&mut self, new: impl Fn(&mut FuncBuilder, u32, Value) -> Value) {
        for i in 0..self.count {
            let at = [self.b.int(i64::from(i))];
            let old = self.b.get(self.sums, &at);
            let new = new(&mut self.b, i, old);
            self.b.set(self.sums, &at, new);
        }
    }

    /// The accumulators go to y, so that they are of use.
    fn finish(mut self) -> Func {
        for i in 0..self.count {
            let (index, at) = (self.b.int(i64::from(i)), self.b.int(i64::from(i) * i64::from(self.lanes)));
            let sum = self.b.get(self.sums, &[index]);
            self.b.store(self.y, at, sum, None);
        }
        self.b.finish()
    }
}
