//! The modes of floating-point arithmetic of a thread: rounding, and what becomes of denormals.

/// The calling thread's modes.
#[cfg(target_arch = "x86_64")]
pub fn get() -> u64 {
    let mut modes = 0u32;
    // Writes four bytes.
    unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut modes, options(nostack, preserves_flags)) };
    // Without the exceptions seen so far.
    u64::from(modes & !0x3f)
}

/// Changes the calling thread's modes to what [`get`] said elsewhere.
#[cfg(target_arch = "x86_64")]
pub fn set(modes: u64) {
    if modes != get() {
        let modes = modes as u32;
        // What `stmxcsr` gave has no reserved bit.
        unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const modes, options(nostack, preserves_flags)) };
    }
}

/// The calling thread's modes.
#[cfg(target_arch = "aarch64")]
pub fn get() -> u64 {
    let modes: u64;
    // Reads a register that user programs may.
    unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) modes, options(nomem, nostack, preserves_flags)) };
    modes
}

/// Changes the calling thread's modes to what [`get`] said elsewhere.
#[cfg(target_arch = "aarch64")]
pub fn set(modes: u64) {
    if modes != get() {
        // As read on another thread.
        unsafe { core::arch::asm!("msr fpcr, {}", in(reg) modes, options(nomem, nostack, preserves_flags)) };
    }
}

/// Nothing is known of the modes here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn get() -> u64 {
    0
}

/// Nothing is known of the modes here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn set(_: u64) {}
