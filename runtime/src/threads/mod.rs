//! Threads for modules that were compiled for several: a pool that is woken once per run and shares out loops.
//!
//! A run of a module calls [`begin`] before its first parallel loop and [`end`] after its last; in between, [`fork`] cuts
//! a loop's iterations into contiguous ranges, one per thread of the team, of which the caller runs the first.
//! - Between `begin` and `end` workers spin, so that a fork and its join cost two moves of a cache line each way. For
//!   about [`SPIN_NS`] after the run they still do, then they sleep. With more threads than processors they yield.
//! - A team has as many threads as [`set`] says; by default as many as the affinity mask and the cgroup's quota allow
//!   (see `cpus`), and never more than the module was compiled for.
//! - One pool serves one run at a time. A run that begins while another has the pool computes on its own thread alone.
//! - Which range a thread gets changes no result: iterations are independent, and workers take over the caller's
//!   rounding and denormal modes.
//! - After `fork(2)` the child starts a pool of its own (see `pool`); `dlclose` ends the workers.
//! - [`set_parallel_for`] replaces the pool by the caller's: its function then runs a task for each index, in any order
//!   and at once or not.
//!
//! Linux only; needs the C library's threads. Settings must not change during a run.

mod control;
mod cpus;
mod os;
mod pool;
#[cfg(test)]
mod tests;

pub use pool::SPIN_NS;

use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// The part of a loop: iterations `from .. to` of what `context` describes, as thread number `thread`.
pub type Task = unsafe extern "C" fn(context: *mut c_void, from: i64, to: i64, thread: i64);

/// What a caller's pool runs for each index.
pub type IndexTask = unsafe extern "C" fn(task: *mut c_void, index: i64);

/// A caller's pool: runs `run(task, index)` for each index below `count` and returns when all are done.
pub type ParallelFor = unsafe extern "C" fn(context: *mut c_void, count: i64, run: IndexTask, task: *mut c_void);

/// The most threads of a team.
pub const MOST: u32 = 128;

/// A team of the caller's pool has this bit beside its number of threads.
const FOREIGN: i64 = 1 << 32;

/// Threads to use; 0: as many as are allowed.
static THREADS: AtomicU32 = AtomicU32::new(0);
/// A [`ParallelFor`], or null.
static PARALLEL_FOR: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());
/// What it is handed.
static CONTEXT: AtomicPtr<c_void> = AtomicPtr::new(core::ptr::null_mut());

/// Gathers a team of at most `most` threads, the caller included; give it to [`fork`] and [`end`].
#[unsafe(export_name = "onnxc_threads_begin")]
pub extern "C" fn begin(most: i64) -> i64 {
    let most = most.clamp(1, i64::from(MOST)) as u32;
    let set = THREADS.load(Ordering::Relaxed);
    if !PARALLEL_FOR.load(Ordering::Acquire).is_null() {
        let threads = if set == 0 { most } else { set.min(most) };
        return if threads > 1 { i64::from(threads) | FOREIGN } else { 1 };
    }
    if most == 1 || set == 1 { 1 } else { i64::from(pool::begin(set, most)) }
}

/// Lets a team go.
#[unsafe(export_name = "onnxc_threads_end")]
pub extern "C" fn end(team: i64) {
    if team > 1 && team & FOREIGN == 0 {
        pool::end();
    }
}

/// Runs a task for ranges that together are `0 .. count`, and returns when all are done.
///
/// # Safety
/// `team` comes from [`begin`] and wasn't let go; ranges of the task may run at once on different threads.
#[unsafe(export_name = "onnxc_threads_fork")]
pub unsafe extern "C" fn fork(task: Task, context: *mut c_void, count: i64, team: i64) {
    let threads = (team & (FOREIGN - 1)).min(count);
    if threads <= 1 {
        // The caller says that the task is sound.
        return unsafe { task(context, 0, count, 0) };
    }
    let job = pool::Job { task, context, count, threads, control: control::get() };
    if team & FOREIGN == 0 {
        // The caller has the pool.
        return unsafe { pool::fork(&job) };
    }
    let parallel_for = PARALLEL_FOR.load(Ordering::Acquire);
    if parallel_for.is_null() {
        return unsafe { task(context, 0, count, 0) };
    }
    // `set_parallel_for` stores nothing else there.
    let run = unsafe { core::mem::transmute::<*mut c_void, ParallelFor>(parallel_for) };
    let job = (&raw const job).cast_mut().cast();
    unsafe { run(CONTEXT.load(Ordering::Relaxed), threads, run_index, job) }
}

/// One range of a job, on a thread of the caller's pool, whose modes it gets back.
unsafe extern "C" fn run_index(job: *mut c_void, index: i64) {
    // `fork` waits for the caller's pool, so the job is there.
    let job = unsafe { &*job.cast::<pool::Job>() };
    if !(0..job.threads).contains(&index) {
        return;
    }
    let own = control::get();
    control::set(job.control);
    unsafe { job.run(index) };
    control::set(own);
}

/// How many threads runs use from now on, at most; 0: as many as are allowed.
#[unsafe(export_name = "onnxc_threads_set")]
pub extern "C" fn set(threads: i64) {
    THREADS.store(threads.clamp(0, i64::from(MOST)) as u32, Ordering::Relaxed);
    if threads <= 0 {
        pool::forget_cpus();
    }
}

/// Runs use the caller's pool from now on, or the built-in one if `run` is none.
#[unsafe(export_name = "onnxc_threads_set_parallel_for")]
pub extern "C" fn set_parallel_for(run: Option<ParallelFor>, context: *mut c_void) {
    CONTEXT.store(context, Ordering::Relaxed);
    PARALLEL_FOR.store(run.map_or(core::ptr::null_mut(), |f| f as *mut c_void), Ordering::Release);
}
