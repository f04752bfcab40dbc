//! The built-in pool: its memory, its workers, and how a run shares a job with them.
//!
//! All that changes lies in one mapping that a child of `fork(2)` finds full of zeros, which is a pool without workers.
//!
//! Orders of memory. The caller writes a job, then the job's number with release; a worker that reads the number with
//! acquire sees the job, and all that the caller wrote before. A worker writes the number to its `done` with release
//! after its range; the caller reads it with acquire before `fork` returns, so it sees what the worker wrote, and the
//! job is not written again before every worker of the team has done. A worker beyond the team reads the number alone,
//! which says so. `open` and `parked` are the two sides of Dekker's handshake, hence sequentially consistent: either
//! the worker sees that a run has begun and doesn't sleep, or the run sees that it sleeps and wakes it.

use super::os::Thread;
use super::{MOST, Task, control, cpus, os};
use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::hint::spin_loop;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

/// How long workers spin after a run before they sleep: longer than the pauses between runs of a busy caller.
pub const SPIN_NS: u64 = 100_000;
/// Looks at the job's number between looks at anything else.
const LOOKS: u32 = 64;
/// Looks, spinning, before the processor is offered to others: about 50 us.
const PATIENCE: u32 = 1 << 10;
/// The same where there are fewer processors than threads.
const NO_PATIENCE: u32 = 1 << 6;

/// A loop to share.
#[derive(Clone, Copy)]
pub struct Job {
    pub task: Task,
    pub context: *mut c_void,
    pub count: i64,
    /// At least 1, at most `count`. The first threads get one iteration more if it doesn't divide.
    pub threads: i64,
    /// The caller's floating-point modes.
    pub control: u64,
}

impl Job {
    /// Runs a thread's range.
    ///
    /// # Safety
    /// `thread` is below `threads`, and no other call has its number.
    pub unsafe fn run(&self, thread: i64) {
        let (each, more) = (self.count / self.threads, self.count % self.threads);
        let start = |n: i64| each * n + n.min(more);
        unsafe { (self.task)(self.context, start(thread), start(thread + 1), thread) }
    }
}

/// Cache lines move in pairs on some processors.
#[repr(C, align(128))]
struct Shared {
    /// The number of the job, times 256, plus the threads of its team.
    number: AtomicU64,
    /// Threads of the run that has the pool; 0: there is none.
    open: AtomicU32,
    /// Workers end.
    stop: AtomicU32,
    /// There are fewer processors than threads.
    crowded: AtomicU32,
    job: UnsafeCell<MaybeUninit<Job>>,
}

#[repr(C, align(128))]
struct Worker {
    /// The number of the last job done.
    done: AtomicU64,
    /// 1: asleep, or about to be.
    parked: AtomicU32,
    /// Its number in the team.
    thread: AtomicU32,
    handle: UnsafeCell<Thread>,
}

/// All zeros: a pool without workers. Beside `shared` and `Worker::{done, parked}`, only the owner touches it.
#[repr(C, align(128))]
struct Pool {
    shared: Shared,
    /// 1: a run has the pool.
    owner: AtomicU32,
    /// Workers that exist.
    started: AtomicU32,
    /// Processors allowed; 0: not yet known.
    cpus: AtomicU32,
    workers: [Worker; MOST as usize],
}

static POOL: AtomicPtr<Pool> = AtomicPtr::new(core::ptr::null_mut());

/// The pool, made at the first call; `None` if there is no memory for it.
fn pool() -> Option<&'static Pool> {
    let mut at = POOL.load(Ordering::Acquire);
    if at.is_null() {
        let new: *mut Pool = os::zeros(size_of::<Pool>()).cast();
        if new.is_null() {
            return None;
        }
        at = match POOL.compare_exchange(at, new, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => new,
            Err(first) => {
                // Nobody has seen it.
                unsafe { os::unmap(new.cast(), size_of::<Pool>()) };
                first
            }
        };
    }
    // Zeros are a valid pool, and it stays until the module goes.
    Some(unsafe { &*at })
}

/// The processors are counted anew before the next run.
pub fn forget_cpus() {
    let at = POOL.load(Ordering::Acquire);
    if !at.is_null() {
        unsafe { &*at }.cpus.store(0, Ordering::Relaxed);
    }
}

/// Takes the pool for a run and wakes its workers. The threads of the team: `set`, or as many as processors are allowed
/// if that is 0, and at most `most`; 1 if another run has the pool.
pub fn begin(set: u32, most: u32) -> u32 {
    let Some(p) = pool() else { return 1 };
    if p.owner.load(Ordering::Relaxed) != 0 || p.owner.swap(1, Ordering::Acquire) != 0 {
        return 1;
    }
    let mut cpus = p.cpus.load(Ordering::Relaxed);
    if cpus == 0 {
        cpus = cpus::allowed();
        p.cpus.store(cpus, Ordering::Relaxed);
    }
    let want = if set == 0 { cpus } else { set }.min(most).min(MOST);
    let threads = want.min(1 + p.start_workers(want.saturating_sub(1)));
    if threads <= 1 {
        p.owner.store(0, Ordering::Release);
        return 1;
    }
    p.shared.crowded.store(u32::from(threads > cpus), Ordering::Relaxed);
    p.shared.open.store(threads, Ordering::SeqCst);
    for w in &p.workers[1..threads as usize] {
        if w.parked.load(Ordering::SeqCst) == 1 {
            w.parked.store(0, Ordering::SeqCst);
            os::wake(&w.parked);
        }
    }
    threads
}

/// Ends the run that has the pool.
pub fn end() {
    if let Some(p) = pool() {
        p.shared.open.store(0, Ordering::Relaxed);
        p.owner.store(0, Ordering::Release);
    }
}

/// Shares a job with the workers.
///
/// # Safety
/// The caller has the pool, for at least so many threads, and the job's ranges may run at once.
pub unsafe fn fork(job: &Job) {
    let Some(p) = pool() else { return unsafe { (job.task)(job.context, 0, job.count, 0) } };
    let s = &p.shared;
    let number = (s.number.load(Ordering::Relaxed) >> 8) + 1;
    // No worker looks: all of the last team have done, and no other reads it.
    unsafe { (*s.job.get()).write(*job) };
    s.number.store(number << 8 | job.threads as u64, Ordering::Release);
    unsafe { job.run(0) };
    for w in &p.workers[1..job.threads as usize] {
        let mut looks = 0;
        while w.done.load(Ordering::Acquire) != number {
            look_on(s, &mut looks);
        }
    }
}

/// A moment's wait; now and then others may run.
fn look_on(s: &Shared, looks: &mut u32) {
    spin_loop();
    *looks += 1;
    let patience = if s.crowded.load(Ordering::Relaxed) == 1 { NO_PATIENCE } else { PATIENCE };
    if *looks >= patience {
        *looks = 0;
        os::yield_now();
    }
}

impl Pool {
    /// Starts workers up to a number of them; how many there are.
    fn start_workers(&self, wanted: u32) -> u32 {
        let mut started = self.started.load(Ordering::Relaxed);
        while started < wanted {
            let w = &self.workers[started as usize + 1];
            w.thread.store(started + 1, Ordering::Relaxed);
            w.done.store(self.shared.number.load(Ordering::Relaxed) >> 8, Ordering::Relaxed);
            let argument = (&raw const *w).cast_mut().cast();
            // The pool stays until its workers have ended.
            let Some(handle) = (unsafe { os::start(work, argument) }) else { break };
            unsafe { *w.handle.get() = handle };
            started += 1;
            self.started.store(started, Ordering::Relaxed);
        }
        started
    }
}

/// The life of a worker.
extern "C" fn work(worker: *mut c_void) -> *mut c_void {
    let at = POOL.load(Ordering::Acquire);
    // Whoever started this thread keeps both until it ends.
    let (p, w) = unsafe { (&*at, &*worker.cast::<Worker>()) };
    let thread = w.thread.load(Ordering::Relaxed);
    let mut seen = w.done.load(Ordering::Relaxed);
    while let Some(word) = next_job(&p.shared, w, thread, seen) {
        seen = word >> 8;
        if u64::from(thread) < word & 0xff {
            // The caller waits for this thread before it writes another job.
            let job = unsafe { (*p.shared.job.get()).assume_init() };
            control::set(job.control);
            unsafe { job.run(i64::from(thread)) };
            w.done.store(seen, Ordering::Release);
        }
    }
    core::ptr::null_mut()
}

/// Waits for another job than the one seen: spinning while a run has this worker, and a while after it, then asleep.
/// `None`: the pool ends.
fn next_job(s: &Shared, w: &Worker, thread: u32, seen: u64) -> Option<u64> {
    let (mut looks, mut idle) = (0, None);
    loop {
        for _ in 0..LOOKS {
            let word = s.number.load(Ordering::Acquire);
            if word >> 8 != seen {
                return Some(word);
            }
            look_on(s, &mut looks);
        }
        if s.stop.load(Ordering::Relaxed) == 1 {
            return None;
        }
        if s.open.load(Ordering::Relaxed) > thread {
            idle = None;
            continue;
        }
        let now = os::now();
        let crowded = s.crowded.load(Ordering::Relaxed) == 1;
        if crowded || now.wrapping_sub(*idle.get_or_insert(now)) > SPIN_NS {
            park(s, w, thread);
            idle = None;
        }
    }
}

/// Sleeps until a run has this worker, or the pool ends.
fn park(s: &Shared, w: &Worker, thread: u32) {
    w.parked.store(1, Ordering::SeqCst);
    while s.open.load(Ordering::SeqCst) <= thread
        && s.stop.load(Ordering::SeqCst) == 0
        && w.parked.load(Ordering::SeqCst) == 1
    {
        os::wait(&w.parked, 1);
    }
    w.parked.store(0, Ordering::SeqCst);
}

/// Ends the workers: before the code that they run is unmapped, or the process ends. Not while a run has them.
pub extern "C" fn finish() {
    let at = POOL.load(Ordering::Acquire);
    if at.is_null() {
        return;
    }
    let p = unsafe { &*at };
    if p.owner.swap(1, Ordering::Acquire) != 0 {
        return;
    }
    p.shared.stop.store(1, Ordering::SeqCst);
    let started = p.started.load(Ordering::Relaxed) as usize;
    for w in &p.workers[1..=started] {
        w.parked.store(0, Ordering::SeqCst);
        os::wake(&w.parked);
    }
    for w in &p.workers[1..=started] {
        // Started, and waited for here alone.
        unsafe { os::join(*w.handle.get()) };
    }
    POOL.store(core::ptr::null_mut(), Ordering::Release);
    // Its workers have ended, and nobody else has the pool.
    unsafe { os::unmap(at.cast(), size_of::<Pool>()) };
}

/// Called when the module is unloaded, or at the end of the program.
#[used]
#[unsafe(link_section = ".fini_array")]
static FINISH: extern "C" fn() = finish;
