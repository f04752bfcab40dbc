//! Runs a function compiled and interpreted, and compares everything that a caller can see.

use super::load::{Loaded, try_load};
use onnxc_codegen::Target;
use onnxc_codegen::backend::ALLOCATOR_PARAM;
use onnxc_ir::loops::interp::{ArgVal, ExternFn, Interp};
use onnxc_ir::loops::verify::{Stage, verify};
use onnxc_ir::loops::*;
use std::alloc::Layout;
use std::sync::atomic::{AtomicI64, Ordering};

/// `onnxc_allocator`, as the code sees it.
#[repr(C)]
struct Allocator {
    alloc: extern "C" fn(*mut Heap, usize) -> *mut u8,
    release: extern "C" fn(*mut Heap, *mut u8),
    context: *mut Heap,
}

/// What an allocator counts.
#[derive(Default)]
struct Heap {
    /// Buffers that live.
    live: AtomicI64,
    /// Requests left before there is no more memory.
    left: AtomicI64,
}

/// Room for a size before each allocation, which keeps it aligned.
const HEADER: usize = 64;

extern "C" fn alloc(heap: *mut Heap, bytes: usize) -> *mut u8 {
    // SAFETY: the context is that of `run`; the layout isn't empty.
    unsafe {
        if (*heap).left.fetch_sub(1, Ordering::Relaxed) <= 0 {
            return std::ptr::null_mut();
        }
        (*heap).live.fetch_add(1, Ordering::Relaxed);
        assert!(bytes > 0, "no memory is asked for");
        let p = std::alloc::alloc(Layout::from_size_align(bytes + HEADER, 64).expect("it fits"));
        p.cast::<usize>().write(bytes + HEADER);
        p.add(HEADER)
    }
}

extern "C" fn release(heap: *mut Heap, p: *mut u8) {
    // SAFETY: `alloc` gave it, with its size in front.
    unsafe {
        (*heap).live.fetch_sub(1, Ordering::Relaxed);
        let p = p.sub(HEADER);
        let size = p.cast::<usize>().read();
        std::alloc::dealloc(p, Layout::from_size_align(size, 64).expect("it was one"));
    }
}

/// A program and the ways to run it.
pub struct Both<'p> {
    program: &'p Program,
    allocations: i64,
    interp: Interp<'p>,
    libs: Vec<Loaded>,
}

impl<'p> Both<'p> {
    /// Verifies and compiles a program, at every optimisation level.
    pub fn new(program: &'p Program) -> Self {
        Self::linked(program, None)
    }

    /// The same for a program that calls functions of another.
    pub fn linked(program: &'p Program, linked: Option<&'p Program>) -> Self {
        if let Err(e) = verify(program, Stage::default()) {
            panic!("{e}");
        }
        let load = |level| try_load(program, linked, &Target::host(), level).unwrap_or_else(|e| panic!("{e}"));
        let libs = [0, 1, 2, 3].map(load);
        Both { program, allocations: 1000, interp: Interp::new(program), libs: libs.into() }
    }

    /// Supplies a linked function to the interpreter.
    pub fn supply(&mut self, symbol: &str, f: ExternFn<'p>) {
        self.interp.supply(symbol, f);
    }

    /// From now on no allocation succeeds.
    pub fn without_memory(&mut self) {
        self.interp.limit_heap(0);
        self.allocations = 0;
    }

    /// Calls an exported function; returns what the interpreter says, after it was found to be what the code does.
    pub fn call(&mut self, name: &str, args: &[ArgVal]) -> (Option<Scalar>, Vec<ArgVal>) {
        let (id, func) = self.program.funcs.iter().find(|(_, f)| f.name == name).expect("the test defines it");
        let mut expected = args.to_vec();
        let ret = self.interp.call(id, &mut expected).unwrap_or_else(|e| panic!("{e}"));
        for (level, lib) in self.libs.iter().enumerate() {
            let mut got = args.to_vec();
            let heap = Heap { left: self.allocations.into(), ..Heap::default() };
            let r = run(func, lib, &mut got, &heap);
            assert_eq!(ret.map(|s| s.bits), func.ret.map(|t| r & (u64::MAX >> (64 - t.elem.bits()))), "-O{level}");
            assert_eq!(expected, got, "-O{level}");
            assert_eq!(heap.live.load(Ordering::Relaxed), 0, "buffers are still allocated at -O{level}");
        }
        (ret, expected)
    }
}

/// Calls compiled code: integers and addresses only, at most eight.
fn run(func: &Func, lib: &Loaded, args: &mut [ArgVal], heap: &Heap) -> u64 {
    let allocator = Allocator { alloc, release, context: std::ptr::from_ref(heap).cast_mut() };
    let mut tables: Vec<Vec<u64>> = vec![];
    let mut words = [0u64; 8];
    for ((word, p), arg) in words.iter_mut().zip(&func.params).zip(args) {
        *word = match arg {
            _ if p.name == ALLOCATOR_PARAM => std::ptr::from_ref(&allocator) as u64,
            ArgVal::Scalar(s) if s.dtype.is_signed_int() => s.to_i64() as u64,
            ArgVal::Scalar(s) => s.bits,
            ArgVal::Table(entries) => {
                tables.push(entries.iter_mut().map(address).collect());
                tables.last().expect("just pushed").as_ptr() as u64
            }
            buf => address(buf),
        };
    }
    // SAFETY: on the machines that tests run on, integers and addresses go in registers, and more of them than the
    // function takes do no harm.
    unsafe {
        let f: unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64) -> u64 = lib.get(&func.name);
        f(words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7])
    }
}

fn address(arg: &mut ArgVal) -> u64 {
    match arg {
        ArgVal::Buf(b) => b.as_mut_ptr() as u64,
        ArgVal::Shared(b) => b.as_ptr() as u64,
        _ => 0,
    }
}
