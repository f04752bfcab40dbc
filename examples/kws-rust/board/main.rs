//! The example on a Cortex-M4F without an operating system: says which keyword a second of sound holds. The model is the crate
//! `kws`: safe Rust, which allocates nothing and knows nothing of the board. `run.sh` builds both and runs them under QEMU.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

const WORDS: [&core::ffi::CStr; 12] = [
    c"down", c"go", c"left", c"no", c"off", c"on", c"right", c"stop", c"up", c"yes", c"silence", c"unknown",
];
/// What ONNX Runtime hears: the weights are seeded, not trained.
const EXPECTED: usize = 0;
/// The first stored input of the model, 490 little-endian f32.
static SAMPLE: &[u8; 1960] = include_bytes!("../sample.f32");

/// The model's memory: ours to place, here in `.bss`.
static mut WORKSPACE: kws::Workspace = kws::Workspace::new();

fn heard(workspace: &mut kws::Workspace) -> Result<usize, kws::Status> {
    let (mut features, mut scores) = ([0f32; 490], [0f32; 12]);
    for (f, bytes) in features.iter_mut().zip(SAMPLE.chunks_exact(4)) {
        *f = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    kws::run(&features, &mut scores, workspace)?;
    Ok((0..12).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0))
}

#[no_mangle]
extern "C" fn start() -> ! {
    // SAFETY: this runs once, and nothing else touches the workspace.
    let workspace = unsafe { &mut *core::ptr::addr_of_mut!(WORKSPACE) };
    match heard(workspace) {
        Ok(word) => {
            [c"heard: ", WORDS[word], c"\n"].into_iter().for_each(print);
            exit(u32::from(word != EXPECTED))
        }
        Err(_) => exit(2),
    }
}

// Vectors, and the way to `start`: the FPU is switched on before the first instruction that needs it. Nothing is in `.data`.
global_asm!(
    ".section .vectors, \"a\"",
    ".word __stack_top, Reset_Handler",
    ".rept 14", ".word fault", ".endr",
    ".text", ".thumb",
    ".global Reset_Handler", ".thumb_func", "Reset_Handler:",
    "ldr r0, =0xE000ED88", "ldr r1, [r0]", "orr r1, r1, #0xF00000", "str r1, [r0]", "dsb", "isb",
    "b start",
    ".thumb_func", "fault:", "b fault",
    ".ltorg",
);

/// A call of the host by semihosting.
fn semihosting(operation: usize, argument: *const u8) {
    // SAFETY: the breakpoint gives the host the operation's number and its argument, and changes r0 alone.
    unsafe { asm!("bkpt 0xab", inout("r0") operation => _, in("r1") argument) }
}

fn print(text: &core::ffi::CStr) {
    semihosting(0x04, text.as_ptr().cast());
}

fn exit(code: u32) -> ! {
    let block = [0x20026u32, code];
    semihosting(0x20, block.as_ptr().cast());
    loop {}
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    print(c"panic\n");
    exit(3)
}
