//! Memory for modules that run in this process: aligned buffers, and an `onnxc_allocator` over Rust's own allocator.

use onnxc_runtime::Allocator;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;

/// Alignment of everything that a module is given.
pub const ALIGN: usize = 64;

/// The allocator of this process, as modules call it.
pub fn allocator() -> Allocator {
    Allocator { alloc: heap_alloc, release: heap_release, context: std::ptr::null_mut() }
}

/// The size stands in front of the block, for the release.
unsafe extern "C" fn heap_alloc(_: *mut c_void, bytes: usize) -> *mut c_void {
    let Some(layout) = bytes.checked_add(ALIGN).and_then(|n| Layout::from_size_align(n, ALIGN).ok()) else {
        return std::ptr::null_mut();
    };
    let block = unsafe { alloc(layout) };
    if block.is_null() {
        return std::ptr::null_mut();
    }
    unsafe {
        block.cast::<usize>().write(bytes);
        block.add(ALIGN).cast()
    }
}

unsafe extern "C" fn heap_release(_: *mut c_void, address: *mut c_void) {
    // What `heap_alloc` gave, with the size it wrote.
    unsafe {
        let block = address.cast::<u8>().sub(ALIGN);
        let bytes = block.cast::<usize>().read();
        dealloc(block, Layout::from_size_align_unchecked(bytes + ALIGN, ALIGN));
    }
}

/// Bytes aligned to 64, zero at first.
pub struct AlignedBytes {
    first: NonNull<u8>,
    len: usize,
}

// It owns its bytes alone.
unsafe impl Send for AlignedBytes {}
unsafe impl Sync for AlignedBytes {}

impl AlignedBytes {
    /// Zeros; `None` if there is no memory for them.
    pub fn zeros(len: usize) -> Option<AlignedBytes> {
        let layout = Layout::from_size_align(len.max(1), ALIGN).ok()?;
        NonNull::new(unsafe { alloc_zeroed(layout) }).map(|first| AlignedBytes { first, len })
    }

    /// A copy.
    pub fn copy_of(bytes: &[u8]) -> Option<AlignedBytes> {
        let mut out = Self::zeros(bytes.len())?;
        out.as_mut().copy_from_slice(bytes);
        Some(out)
    }

    /// The address of the first byte.
    pub fn as_mut_ptr(&mut self) -> *mut c_void {
        self.first.as_ptr().cast()
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl AsMut<[u8]> for AlignedBytes {
    fn as_mut(&mut self) -> &mut [u8] {
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBytes {
    fn drop(&mut self) {
        // The layout of `zeros`.
        unsafe { dealloc(self.first.as_ptr(), Layout::from_size_align_unchecked(self.len.max(1), ALIGN)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_aligned_and_impossible_ones_are_null() {
        let a = allocator();
        for bytes in [1, 63, 4096] {
            let p = unsafe { (a.alloc)(a.context, bytes) };
            assert!(!p.is_null() && p.addr().is_multiple_of(ALIGN));
            unsafe { (a.release)(a.context, p) };
        }
        assert!(unsafe { (a.alloc)(a.context, usize::MAX) }.is_null());
        assert!(AlignedBytes::zeros(0).is_some_and(|b| b.as_ref().is_empty()));
    }
}
