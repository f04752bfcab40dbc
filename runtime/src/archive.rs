//! What a static library without Rust's standard library needs: memory from the C library, and an end to panics.
//!
//! Nothing in `objects` or `threads` panics on a model's data; what would is a defect, and ends the process.

unsafe extern "C" {
    fn abort() -> !;
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe { abort() }
}

/// Named by the unwinding tables of Rust's own libraries; nothing unwinds here.
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As above.
#[cfg(not(test))]
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    unsafe { abort() }
}

#[cfg(feature = "alloc")]
mod allocator {
    use core::alloc::{GlobalAlloc, Layout};
    use core::ffi::{c_int, c_void};

    unsafe extern "C" {
        fn posix_memalign(out: *mut *mut c_void, align: usize, bytes: usize) -> c_int;
        fn free(address: *mut c_void);
    }

    /// The C library's allocator.
    struct CLibrary;

    // Safety: `posix_memalign` gives memory of the size and alignment asked for, `free` takes it back.
    unsafe impl GlobalAlloc for CLibrary {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let mut out = core::ptr::null_mut();
            let align = layout.align().max(size_of::<usize>());
            match unsafe { posix_memalign(&raw mut out, align, layout.size()) } {
                0 => out.cast(),
                _ => core::ptr::null_mut(),
            }
        }

        unsafe fn dealloc(&self, address: *mut u8, _: Layout) {
            unsafe { free(address.cast()) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: CLibrary = CLibrary;
}
