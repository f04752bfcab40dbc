//! From a [`Target`] to LLVM's idea of the same machine, and what code can expect of it.

use crate::error::llvm;
use crate::raw;
use inkwell::OptimizationLevel;
use inkwell::targets::{
    CodeModel, InitializationConfig, RelocMode, Target as LlvmTarget, TargetMachine, TargetMachineOptions, TargetTriple,
};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::Target;
use std::sync::Once;

/// Constants of more bytes than this can't be reached by 32-bit displacements.
const SMALL_MODEL_BYTES: u64 = 1 << 31;

/// What the target does in instructions of its own; the rest is put together from simpler ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abilities {
    /// Fused multiply-add.
    pub fma: bool,
    /// Rounding floats to integers, scalar and vector.
    pub round: bool,
    /// Converting between f16 and f32, scalar and vector.
    pub half: bool,
}

/// LLVM's view of a target.
pub(crate) struct Machine {
    pub machine: TargetMachine,
    pub triple: TargetTriple,
    pub cpu: String,
    pub features: String,
    pub abilities: Abilities,
}

/// Asks LLVM for the machine. `constant_bytes` decides how far away constants can be.
pub(crate) fn machine(target: &Target, opt_level: u8, constant_bytes: u64) -> Result<Machine, Diagnostics> {
    static TARGETS: Once = Once::new();
    TARGETS.call_once(|| {
        raw::set_up_code_generator();
        LlvmTarget::initialize_all(&InitializationConfig::default());
    });
    let name = triple_name(target);
    let triple = TargetTriple::create(&name);
    let llvm_target = LlvmTarget::from_triple(&triple).map_err(|e| {
        Diagnostic::error("E5300", format!("LLVM knows no target '{name}': {e}"))
            .help("choose another --target, or --backend c for a machine that LLVM doesn't know")
    })?;
    let (cpu, features) = cpu_and_features(target);
    let mut options = TargetMachineOptions::new()
        .set_cpu(&cpu)
        .set_features(&features)
        .set_level(match opt_level {
            0 => OptimizationLevel::None,
            1 => OptimizationLevel::Less,
            2 => OptimizationLevel::Default,
            _ => OptimizationLevel::Aggressive,
        })
        .set_reloc_mode(RelocMode::PIC)
        .set_code_model(if constant_bytes < SMALL_MODEL_BYTES { CodeModel::Default } else { CodeModel::Medium });
    if name.starts_with("riscv64") && target.has_fma {
        // Otherwise LLVM passes floats in integer registers, whatever the processor has.
        options = options.set_abi("lp64d");
    }
    let machine = llvm_target
        .create_target_machine_from_options(&triple, options)
        .ok_or_else(|| llvm("E5301", "LLVM refuses the target", &name))?;
    machine.set_asm_verbosity(false);
    Ok(Machine { machine, triple, cpu, features, abilities: abilities(target) })
}

/// LLVM keeps the extensions of RISC-V out of the architecture's name.
fn triple_name(target: &Target) -> String {
    let name = target.triple.to_string();
    match name.strip_prefix("riscv64gc-") {
        Some(rest) => format!("riscv64-{rest}"),
        None => name,
    }
}

/// The processor as LLVM spells it, and its extensions.
fn cpu_and_features(target: &Target) -> (String, String) {
    if target.cpu == "native" {
        let text = |s: inkwell::support::LLVMString| s.to_string_lossy().into_owned();
        // The features too: a virtual machine may hide some of those that its processor's name implies.
        return (text(TargetMachine::get_host_cpu_name()), text(TargetMachine::get_host_cpu_features()));
    }
    let mut features: Vec<String> = target.features.iter().map(|f| format!("+{f}")).collect();
    if target.cpu == "generic-rv64" {
        features.extend(["+m", "+a", "+f", "+d", "+c"].map(String::from));
    }
    (target.cpu.clone(), features.join(","))
}

fn abilities(target: &Target) -> Abilities {
    let arch = target.triple.architecture.to_string();
    let arm64 = arch == "aarch64";
    Abilities {
        fma: target.has_fma,
        round: arm64 || arch.starts_with("wasm") || target.has("sse4.1"),
        half: arm64 || target.has("f16c"),
    }
}
