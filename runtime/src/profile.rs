//! Where a run's time goes: what a module calls that was compiled with marks, one after each of its steps.
//!
//! The counters are the caller's ([`attach`]); while there are none, nothing is counted. A mark gives the time since the
//! last one to its step, without the time of the mark itself. Counts one run at a time: a module with marks is for
//! measuring, and isn't reentrant.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The symbol by which a loader finds [`attach`] in a module with marks.
pub const SYMBOL: &str = "onnxc_profile_v1";
/// The symbol of [`mark`], by which a linker knows such a module.
pub const MARK: &str = "onnxc_rt_profile_mark";

/// What is counted of one step.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counter {
    /// Time, in ticks of [`clock`].
    pub ticks: u64,
    /// How often the step has run: more than once per run inside of loops.
    pub count: u64,
}

static COUNTERS: AtomicPtr<Counter> = AtomicPtr::new(null_mut());
static STEPS: AtomicUsize = AtomicUsize::new(0);
static LAST: AtomicU64 = AtomicU64::new(0);

/// A counter of the processor that goes on at a constant rate; 0 where none can be read.
pub fn clock() -> u64 {
    #[cfg(target_arch = "x86_64")]
    let now = unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(target_arch = "aarch64")]
    let now = {
        let ticks: u64;
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
        ticks
    };
    #[cfg(target_arch = "riscv64")]
    let now = {
        let ticks: u64;
        unsafe { core::arch::asm!("rdtime {}", out(reg) ticks, options(nomem, nostack)) };
        ticks
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
    let now = 0;
    now
}

/// Counts into `counters` from now on, or nowhere if it is null. Returns [`clock`]'s present value.
///
/// # Safety
/// `counters` is null or the address of `count` counters that nobody else uses, until the next call.
#[unsafe(export_name = "onnxc_profile_v1")]
pub unsafe extern "C" fn attach(counters: *mut Counter, count: i64) -> u64 {
    STEPS.store(usize::try_from(count).unwrap_or(0), Relaxed);
    COUNTERS.store(counters, Relaxed);
    clock()
}

/// A run begins.
#[unsafe(export_name = "onnxc_rt_profile_start")]
pub extern "C" fn start() {
    LAST.store(clock(), Relaxed);
}

/// A step has ended.
#[unsafe(export_name = "onnxc_rt_profile_mark")]
pub extern "C" fn mark(step: i64) {
    let now = clock();
    let counters = COUNTERS.load(Relaxed);
    if let (false, Ok(step)) = (counters.is_null(), usize::try_from(step))
        && step < STEPS.load(Relaxed)
    {
        // The counters are as many as `attach` was told.
        let counter = unsafe { &mut *counters.add(step) };
        counter.ticks += now.wrapping_sub(LAST.load(Relaxed));
        counter.count += 1;
    }
    LAST.store(clock(), Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_counted_where_the_caller_says_and_nowhere_else() {
        let mut counters = [Counter::default(); 2];
        start();
        mark(0);
        let begun = unsafe { attach(counters.as_mut_ptr(), 2) };
        start();
        for step in [0, 1, 1, 2, -1] {
            mark(step);
        }
        let ended = unsafe { attach(null_mut(), 0) };
        mark(0);
        assert_eq!(counters.map(|c| c.count), [1, 2]);
        assert!(counters.iter().map(|c| c.ticks).sum::<u64>() <= ended - begun);
    }
}
