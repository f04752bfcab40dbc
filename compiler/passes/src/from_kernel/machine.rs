//! What the scheduler, the lowering and the planner know of the machine. Filled by whoever knows the target; plain data.

use onnxc_ir::kernel::ByteProducts;
use onnxc_ops::routine::Cores;

/// What lowering must know of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Bits of the widest vector to use.
    pub vector_bits: u32,
    /// Bits of a vector that a core computes with at once: on vectors of twice as many it spends twice the time.
    pub unit_bits: u32,
    /// Vector registers.
    pub registers: u32,
    /// There is a fused multiply-add.
    pub fma: bool,
    /// Operations on floats are calls of functions.
    pub calls_floats: bool,
    /// Bytes of a core's own second-level cache.
    pub l2_bytes: u32,
    /// Bytes of the third-level cache, which all cores share.
    pub l3_bytes: u32,
    /// The most threads that run a parallel loop.
    pub threads: u32,
    /// How products of 8-bit integers are summed, if not by lanes.
    pub bytes: Option<ByteProducts>,
    /// Sums are only reordered, never computed by other formulas.
    pub strict: bool,
    /// What memory costs.
    pub memory: Memory,
}

/// What the scheduler and the planner must know of the machine's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// RAM and flash are what is scarce, and there are no caches that locality would help: tensors have no borders and no
    /// copies of their whole size, a tensor is computed in the place of one that ends there, and little is unrolled.
    pub scarce: bool,
    /// Buffers of the workspace begin at multiples of so many bytes.
    pub alignment: u32,
    /// Scratch of a kernel of at most so many bytes lives on the stack.
    pub stack_bytes: u32,
    /// Steps of a reduction that are written out, at most; at 0 tiles are smaller, too.
    pub unroll: u32,
    /// How much is done for less RAM at the price of time, up to [`Machine::MOST_THRIFT`]: at [`Machine::JOINING`] results lie
    /// in the place of larger operands, operands are copied for that wherever they end, and steps are joined so that no more
    /// than `ram` should be alive at one time; each level beyond that has one more tensor computed again.
    pub thrift: u32,
    /// The most bytes of tensors alive at one time, where steps are joined for that.
    pub ram: u64,
    /// Code that is larger than about so many bytes is made again with less written out.
    pub code_bytes: u32,
    /// Memory keeps the type of its elements: what sees it as another is a copy.
    pub typed: bool,
}

impl Machine {
    /// The thrift from which on steps are joined.
    pub const JOINING: u32 = 1;
    /// No more is done for less RAM.
    pub const MOST_THRIFT: u32 = Self::JOINING + 4;

    /// A desktop core with vectors of 256 bits, for tests and examples.
    pub const USUAL: Machine = Machine {
        vector_bits: 256,
        unit_bits: 512,
        registers: 16,
        fma: true,
        calls_floats: false,
        l2_bytes: 1 << 20,
        l3_bytes: 16 << 20,
        threads: 1,
        bytes: None,
        strict: false,
        memory: Memory::PLENTY,
    };

    /// What routines may know of it.
    pub fn cores(&self) -> Cores {
        Cores {
            bits: self.vector_bits,
            registers: self.registers,
            fma: self.fma,
            l2_bytes: self.l2_bytes,
            scarce: self.memory.scarce,
            threads: self.threads,
        }
    }
}

impl Memory {
    /// A machine with caches and as much RAM as one could want: whole cache lines, whole pages of stack.
    pub const PLENTY: Memory = Memory {
        scarce: false,
        alignment: 64,
        stack_bytes: 4096,
        unroll: 16,
        thrift: 0,
        ram: u64::MAX,
        code_bytes: u32::MAX,
        typed: false,
    };
    /// A microcontroller: stacks of 2 to 4 KiB are usual, and no load needs more than 8 bytes of alignment. Code of 20 KB
    /// is what one expects of a network there.
    pub const SCARCE: Memory = Memory {
        scarce: true,
        alignment: 8,
        stack_bytes: 2560,
        unroll: 8,
        thrift: 0,
        ram: u64::MAX,
        code_bytes: 16 << 10,
        typed: false,
    };
}
