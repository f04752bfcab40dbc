//! Which of LLVM's passes run: a short list, since the schedule has done what the long one would.
//!
//! Absent on purpose: the vectorisers and unrollers (the tile is in the program), loop idioms (no C library), and
//! inlining (functions are kernels). LLVM's code generator does its own loop strength reduction.

use crate::error::llvm;
use crate::machine::Machine;
use inkwell::module::Module;
use inkwell::passes::PassBuilderOptions;
use onnxc_base::Diagnostics;

/// Pass pipelines by optimisation level, in the syntax of `opt -passes`.
const PIPELINES: [&str; 4] = [
    "function(sroa)",
    "globaldce,function(sroa,early-cse,instcombine<no-verify-fixpoint>,simplifycfg)",
    KERNELS,
    KERNELS,
];

/// `licm` hoists what doesn't change, `gvn` removes repeated address arithmetic across blocks.
const KERNELS: &str = "globaldce,function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>,\
    loop-simplify,lcssa,loop-mssa(licm),gvn,instcombine<no-verify-fixpoint>,dse,simplifycfg,infer-alignment)";

/// Runs the passes of a level.
pub(crate) fn optimize(module: &Module<'_>, machine: &Machine, opt_level: u8) -> Result<(), Diagnostics> {
    let passes = PIPELINES[usize::from(opt_level.min(3))];
    let options = PassBuilderOptions::create();
    options.set_verify_each(cfg!(debug_assertions));
    module
        .run_passes(passes, &machine.machine, options)
        .map_err(|e| llvm("E5306", "LLVM's passes failed", &e.to_string_lossy()))
}
