//! A scheduled kernel as a program of its own, to be measured: one exported function that takes a table of addresses.

use crate::from_kernel::{KernelArg, Machine, from_kernel};
use crate::manager::LoopsCx;
use crate::pipeline::LOOPS;
use onnxc_base::{DType, Diagnostic, Diagnostics, Sym};
use onnxc_ir::kernel::Kernel;
use onnxc_ir::loops::{Arg, BufKind, Callee, FuncBuilder, Linkage, Program, Stmt};

/// The function's symbol: `void tuned(void *const *buffers)`.
pub const SYMBOL: &str = "tuned";

/// A program and what it is called with.
pub struct Alone {
    /// The program, complete.
    pub program: Program,
    /// The buffers of the table, in order.
    pub buffers: Vec<Buffer>,
}

/// A buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    /// Element type.
    pub dtype: DType,
    /// Elements.
    pub count: usize,
    /// True for what the kernel reads.
    pub input: bool,
}

/// Lowers a scheduled kernel whose extents are all known.
///
/// # Errors
/// A schedule that can't be lowered, or an extent that isn't known.
pub fn alone(kernel: &Kernel, machine: Machine, level: u8) -> Result<Alone, Diagnostics> {
    let lowered = from_kernel(kernel, "kernel", machine)?;
    let ret = lowered.func.ret;
    let mut program = Program { name: SYMBOL.into(), ..Program::default() };
    let callee = Callee::Func(program.funcs.push(lowered.func));
    let mut b = FuncBuilder::new(SYMBOL);
    b.func.linkage = Linkage::Export;
    let table = b.param_table("buffers");
    let (mut buffers, mut args) = (vec![], vec![]);
    for arg in &lowered.args {
        let (dtype, count, input) = extent(kernel, arg)?;
        let buf = b.buf(dtype, BufKind::Local, "buffer");
        b.stmt(Stmt::Entry { buf, table, index: buffers.len() as u32 });
        args.push(Arg::Buf { buf, offset: None });
        buffers.push(Buffer { dtype, count, input });
    }
    b.call(callee, args, ret);
    program.funcs.push(b.finish());
    let cx = LoopsCx { ranges: kernel.ranges.clone(), machine, threads: 1 };
    for pass in LOOPS.iter().filter(|p| p.level <= level) {
        (pass.run)(&mut program, &cx)?;
    }
    Ok(Alone { program, buffers })
}

/// Type and elements of an argument, and whether it is read.
fn extent(kernel: &Kernel, arg: &KernelArg) -> Result<(DType, usize, bool), Diagnostic> {
    let all = |shape: &[Sym]| shape.iter().fold(Sym::int(1), |n, d| &n * d);
    let (dtype, count, input) = match arg {
        KernelArg::Param(p) => (kernel.params[*p].dtype, all(&kernel.params[*p].shape), true),
        KernelArg::Output(i) => {
            let def = &kernel.defs[kernel.outputs[*i]];
            let count = match kernel.placed(*i) {
                None => all(&def.shape()),
                Some(at) => {
                    let last = at.strides.iter().zip(&def.axes).map(|(s, a)| s * &(&a.extent - 1));
                    last.fold(&at.offset + 1, |n, d| n + d)
                }
            };
            (def.dtype, count, false)
        }
        KernelArg::Scratch { dtype, count, .. } => (*dtype, count.clone(), false),
        KernelArg::Dim(_) => (DType::I64, Sym::int(-1), true),
    };
    let unknown = || Diagnostic::error("E4014", format!("kernel {}: an extent isn't known", kernel.name));
    Ok((dtype, count.as_int().and_then(|n| usize::try_from(n).ok()).ok_or_else(unknown)?, input))
}
