//! What the pool asks of Linux and of the C library.

use core::ffi::{c_char, c_int, c_long, c_ulong, c_void};
use core::sync::atomic::AtomicU32;

/// As `pthread_t` is with glibc and musl.
pub type Thread = c_ulong;

/// Room for a `pthread_attr_t` of any C library.
#[repr(C, align(16))]
struct Attributes([u8; 128]);

/// A `sigset_t`.
#[repr(C, align(8))]
struct Signals([u8; 128]);

#[repr(C)]
struct Time {
    seconds: i64,
    nanoseconds: c_long,
}

const SIG_SETMASK: c_int = 2;
const CLOCK_MONOTONIC: c_int = 1;
const FUTEX_WAIT_PRIVATE: c_int = 128;
const FUTEX_WAKE_PRIVATE: c_int = 129;
const PROT_READ_WRITE: c_int = 3;
const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
/// Linux 4.14: zeros in the child after `fork`.
const MADV_WIPEONFORK: c_int = 18;

#[cfg(target_arch = "x86_64")]
const SYS_FUTEX: c_long = 202;
#[cfg(not(target_arch = "x86_64"))]
const SYS_FUTEX: c_long = 98;

/// Bytes of a worker's stack.
const STACK: usize = 2 << 20;

unsafe extern "C" {
    fn pthread_create(
        thread: *mut Thread,
        attributes: *const Attributes,
        start: extern "C" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> c_int;
    fn pthread_join(thread: Thread, result: *mut *mut c_void) -> c_int;
    fn pthread_attr_init(attributes: *mut Attributes) -> c_int;
    fn pthread_attr_setstacksize(attributes: *mut Attributes, bytes: usize) -> c_int;
    fn pthread_attr_destroy(attributes: *mut Attributes) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const Signals, old: *mut Signals) -> c_int;
    fn sched_yield() -> c_int;
    fn sched_getaffinity(process: c_int, bytes: usize, mask: *mut u8) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut Time) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn mmap(at: *mut c_void, bytes: usize, protection: c_int, flags: c_int, file: c_int, offset: c_long)
    -> *mut c_void;
    fn munmap(at: *mut c_void, bytes: usize) -> c_int;
    fn madvise(at: *mut c_void, bytes: usize, advice: c_int) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn read(file: c_int, to: *mut c_void, bytes: usize) -> isize;
    fn close(file: c_int) -> c_int;
}

/// Zeros that a child of `fork` finds as zeros again; null if Linux gives none.
pub fn zeros(bytes: usize) -> *mut c_void {
    // A mapping of its own, at an address of Linux's choice.
    unsafe {
        let at = mmap(core::ptr::null_mut(), bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
        if at.addr() == usize::MAX {
            return core::ptr::null_mut();
        }
        if madvise(at, bytes, MADV_WIPEONFORK) != 0 {
            munmap(at, bytes);
            return core::ptr::null_mut();
        }
        at
    }
}

/// Gives zeros back.
///
/// # Safety
/// `at` comes from [`zeros`] of the same size, and nobody uses it.
pub unsafe fn unmap(at: *mut c_void, bytes: usize) {
    unsafe { munmap(at, bytes) };
}

/// Starts a thread that gets no signals.
///
/// # Safety
/// `start` may run on another thread with `argument`.
pub unsafe fn start(start: extern "C" fn(*mut c_void) -> *mut c_void, argument: *mut c_void) -> Option<Thread> {
    let (mut attributes, mut thread) = (Attributes([0; 128]), 0);
    let (all, mut old) = (Signals([0xff; 128]), Signals([0; 128]));
    // Every pointer is to a value of this function, of at least the size that the C library has.
    unsafe {
        if pthread_attr_init(&raw mut attributes) != 0 {
            return None;
        }
        pthread_attr_setstacksize(&raw mut attributes, STACK);
        pthread_sigmask(SIG_SETMASK, &raw const all, &raw mut old);
        let failed = pthread_create(&raw mut thread, &raw const attributes, start, argument);
        pthread_sigmask(SIG_SETMASK, &raw const old, core::ptr::null_mut());
        pthread_attr_destroy(&raw mut attributes);
        (failed == 0).then_some(thread)
    }
}

/// Waits for a thread's end.
///
/// # Safety
/// `thread` was started, and is waited for once.
pub unsafe fn join(thread: Thread) {
    unsafe { pthread_join(thread, core::ptr::null_mut()) };
}

/// Lets others run first.
pub fn yield_now() {
    unsafe { sched_yield() };
}

/// Nanoseconds of a clock that only goes forwards.
pub fn now() -> u64 {
    let mut t = Time { seconds: 0, nanoseconds: 0 };
    unsafe { clock_gettime(CLOCK_MONOTONIC, &raw mut t) };
    (t.seconds as u64).wrapping_mul(1_000_000_000).wrapping_add(t.nanoseconds as u64)
}

/// Sleeps while a word has a value, or a little less long.
pub fn wait(word: &AtomicU32, value: u32) {
    let none = core::ptr::null::<c_void>();
    // The word lives as long as the call.
    unsafe { syscall(SYS_FUTEX, word.as_ptr(), FUTEX_WAIT_PRIVATE, value, none, none, 0) };
}

/// Wakes who waits for a word.
pub fn wake(word: &AtomicU32) {
    let none = core::ptr::null::<c_void>();
    unsafe { syscall(SYS_FUTEX, word.as_ptr(), FUTEX_WAKE_PRIVATE, 1, none, none, 0) };
}

/// Processors in the calling thread's affinity mask; 0 if it can't be read.
pub fn affinity() -> u32 {
    let mut mask = [0u8; 1024];
    // Writes no more than the mask has.
    match unsafe { sched_getaffinity(0, mask.len(), mask.as_mut_ptr()) } {
        0.. => mask.iter().map(|b| b.count_ones()).sum(),
        _ => 0,
    }
}

/// The start of a file; its path ends with a zero byte.
pub fn file<'b>(path: &[u8], buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    if path.last() != Some(&0) {
        return None;
    }
    // Opened for reading (flags 0), closed on exec (0o2000000).
    let (file, read) = unsafe {
        let file = open(path.as_ptr().cast(), 0o2_000_000);
        if file < 0 {
            return None;
        }
        let n = read(file, buffer.as_mut_ptr().cast(), buffer.len());
        (file, n)
    };
    unsafe { close(file) };
    buffer.get(..usize::try_from(read).ok()?)
}
