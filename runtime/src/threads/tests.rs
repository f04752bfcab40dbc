//! The pool: every range once, reuse, sleep and waking, callers at once, more threads than processors, others' pools.

use super::*;
use core::sync::atomic::{AtomicI64, AtomicUsize};
use std::sync::Mutex;
use std::time::Duration;
use std::vec::Vec;

/// Settings belong to the process, as do its workers: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Counts how often each iteration ran, and by how many different threads.
struct Seen {
    times: Vec<AtomicI64>,
    threads: Vec<AtomicI64>,
}

impl Seen {
    fn new(count: usize) -> Seen {
        let zeros = |n: usize| (0..n).map(|_| AtomicI64::new(0)).collect();
        Seen { times: zeros(count), threads: zeros(MOST as usize) }
    }

    fn fork(&self, team: i64) {
        let context = (&raw const *self).cast_mut().cast();
        unsafe { fork(visit, context, self.times.len() as i64, team) };
    }

    /// Every iteration ran so often.
    fn all(&self, times: i64) -> bool {
        self.times.iter().all(|t| t.load(Ordering::Relaxed) == times)
    }

    fn used(&self) -> usize {
        self.threads.iter().filter(|t| t.load(Ordering::Relaxed) > 0).count()
    }
}

unsafe extern "C" fn visit(context: *mut c_void, from: i64, to: i64, thread: i64) {
    let seen = unsafe { &*context.cast::<Seen>() };
    seen.threads[thread as usize].fetch_add(1, Ordering::Relaxed);
    for i in from..to {
        seen.times[i as usize].fetch_add(1, Ordering::Relaxed);
    }
}

fn alone() -> std::sync::MutexGuard<'static, ()> {
    let guard = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    set_parallel_for(None, core::ptr::null_mut());
    guard
}

#[test]
fn every_iteration_runs_once_by_any_number_of_threads() {
    let _guard = alone();
    for threads in [1, 2, 3, 8] {
        set(threads);
        for count in [0, 1, 2, 7, 1000] {
            let seen = Seen::new(count);
            let team = begin(8);
            assert_eq!(team, threads);
            for _ in 0..10 {
                seen.fork(team);
            }
            end(team);
            assert!(seen.all(10), "{count} by {threads}");
            assert_eq!(seen.used(), count.clamp(1, threads as usize));
        }
    }
    set(0);
}

#[test]
fn a_team_has_no_more_threads_than_the_module_was_compiled_for() {
    let _guard = alone();
    set(8);
    let team = begin(3);
    assert_eq!(team, 3);
    end(team);
    assert_eq!(begin(1), 1);
    set(0);
    let team = begin(128);
    assert!(team >= 1 && team <= i64::from(cpus::allowed()), "as many as are allowed");
    end(team);
}

#[test]
fn workers_that_sleep_are_woken() {
    let _guard = alone();
    set(3);
    for _ in 0..3 {
        let seen = Seen::new(100);
        let team = begin(3);
        seen.fork(team);
        end(team);
        assert!(seen.all(1));
        std::thread::sleep(Duration::from_nanos(20 * SPIN_NS));
    }
    set(0);
}

#[test]
fn a_second_run_at_the_same_time_is_alone() {
    let _guard = alone();
    set(2);
    let first = begin(2);
    let second = begin(2);
    assert_eq!((first, second), (2, 1));
    let seen = Seen::new(10);
    seen.fork(second);
    seen.fork(first);
    end(second);
    end(first);
    assert!(seen.all(2));
    let third = begin(2);
    assert_eq!(third, 2, "the pool is free again");
    end(third);
    set(0);
}

#[test]
fn many_callers_and_more_threads_than_processors() {
    let _guard = alone();
    set(8);
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for n in 0..50 {
                    let seen = Seen::new(n);
                    let team = begin(8);
                    seen.fork(team);
                    seen.fork(team);
                    end(team);
                    assert!(seen.all(2));
                }
            });
        }
    });
    set(0);
}

#[test]
fn workers_compute_as_their_caller() {
    let _guard = alone();
    set(2);
    let before = control::get();
    // Rounding towards zero, on processors where the modes are known.
    let other = if cfg!(target_arch = "x86_64") { before | 0x6000 } else { before };
    unsafe extern "C" fn look(context: *mut c_void, _: i64, _: i64, _: i64) {
        let wrong = unsafe { &*context.cast::<(u64, AtomicUsize)>() };
        wrong.1.fetch_add(usize::from(control::get() != wrong.0), Ordering::Relaxed);
    }
    let mut wrong = (other, AtomicUsize::new(0));
    control::set(other);
    let team = begin(2);
    unsafe { fork(look, (&raw mut wrong).cast(), 2, team) };
    end(team);
    control::set(before);
    assert_eq!(wrong.1.load(Ordering::Relaxed), 0);
    set(0);
}

#[test]
fn the_callers_own_threads_may_do_the_work() {
    unsafe extern "C" fn reversed(context: *mut c_void, count: i64, run: IndexTask, task: *mut c_void) {
        let calls = unsafe { &*context.cast::<AtomicUsize>() };
        calls.fetch_add(1, Ordering::Relaxed);
        (0..count).rev().for_each(|i| unsafe { run(task, i) });
    }
    let _guard = alone();
    let calls = AtomicUsize::new(0);
    set_parallel_for(Some(reversed), (&raw const calls).cast_mut().cast());
    let seen = Seen::new(10);
    let team = begin(4);
    seen.fork(team);
    end(team);
    set_parallel_for(None, core::ptr::null_mut());
    assert!(seen.all(1) && seen.used() == 4 && calls.load(Ordering::Relaxed) == 1);
}

#[test]
fn the_pool_can_end_and_begin_again() {
    let _guard = alone();
    set(3);
    for _ in 0..3 {
        let seen = Seen::new(9);
        let team = begin(3);
        seen.fork(team);
        pool::finish();
        end(team);
        assert!(seen.all(1), "a run keeps the pool");
        pool::finish();
    }
    set(0);
}

#[test]
fn a_child_has_a_pool_of_its_own() {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(process: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(code: i32) -> !;
    }
    let _guard = alone();
    set(3);
    let team = begin(3);
    Seen::new(9).fork(team);
    // The child uses nothing but the pool, and leaves at once.
    let child = unsafe { fork() };
    if child == 0 {
        let team = begin(3);
        let times = [const { AtomicI64::new(0) }; 9];
        unsafe extern "C" fn count(context: *mut c_void, from: i64, to: i64, _: i64) {
            let times = unsafe { &*context.cast::<[AtomicI64; 9]>() };
            (from..to).for_each(|i| {
                times[i as usize].fetch_add(1, Ordering::Relaxed);
            });
        }
        unsafe { super::fork(count, (&raw const times).cast_mut().cast(), 9, team) };
        end(team);
        let good = team == 3 && times.iter().all(|t| t.load(Ordering::Relaxed) == 1);
        unsafe { _exit(i32::from(!good)) };
    }
    let mut status = -1;
    unsafe { waitpid(child, &raw mut status, 0) };
    end(team);
    assert_eq!(status, 0);
    set(0);
}
