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
    /// Vectors of truth values, which masked loads and stores have.
    pub masks: bool,
    /// Products of pairs of halves of a register, summed (SMLAD), and the unpacking of bytes to halves.
    pub pairs: bool,
    /// Products of a whole vector, summed (VMLADAVA).
    pub whole_vectors: bool,
    /// Products of four bytes summed in each lane.
    pub lanes_of_bytes: LanesOfBytes,
}

/// What sums the products of four bytes in each lane of a vector of 32-bit integers: the most lanes of each instruction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LanesOfBytes {
    /// VPDPBUSD: of unsigned by signed bytes.
    pub vnni: u16,
    /// VPMADDWD: sums of two products of 16-bit integers.
    pub pairs: u16,
    /// SDOT and UDOT.
    pub neon: u16,
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
        // Firmware is linked to its place.
        .set_reloc_mode(if target.is_hosted() { RelocMode::PIC } else { RelocMode::Static })
        .set_code_model(if constant_bytes < SMALL_MODEL_BYTES { CodeModel::Default } else { CodeModel::Medium });
    if let Some(abi) = float_abi(target) {
        options = options.set_abi(abi);
    }
    let machine = llvm_target
        .create_target_machine_from_options(&triple, options)
        .ok_or_else(|| llvm("E5301", "LLVM refuses the target", &name))?;
    machine.set_asm_verbosity(false);
    Ok(Machine { machine, triple, cpu, features, abilities: abilities(target) })
}

/// LLVM keeps the extensions of RISC-V out of the architecture's name, and knows Armv8.1-M by its own.
fn triple_name(target: &Target) -> String {
    let name = target.triple.to_string();
    let (arch, rest) = name.split_once('-').unwrap_or((&name, ""));
    let arch = match arch {
        "riscv64gc" => "riscv64",
        a if a.starts_with("riscv32") => "riscv32",
        "thumbv8m.main" if target.has("mve.fp") => "thumbv8.1m.main",
        a => a,
    };
    format!("{arch}-{rest}")
}

/// What the object says of itself: floats are passed in registers. LLVM's own interface has no word for it, and linkers
/// refuse to mix; no function that others call has floats.
pub(crate) fn module_assembly(target: &Target) -> Option<&'static str> {
    let hard = matches!(target.triple.environment, target_lexicon::Environment::Eabihf);
    hard.then_some(".eabi_attribute 28, 1")
}

/// How RISC-V passes floats: otherwise LLVM takes integer registers, whatever the processor has.
fn float_abi(target: &Target) -> Option<&'static str> {
    match target.triple.architecture.to_string().as_str() {
        "riscv64gc" => Some("lp64d"),
        a if a.starts_with("riscv32") => Some(if target.has("f") { "ilp32f" } else { "ilp32" }),
        _ => None,
    }
}

/// The processor as LLVM spells it, and its extensions.
fn cpu_and_features(target: &Target) -> (String, String) {
    if target.cpu == "native" {
        let text = |s: inkwell::support::LLVMString| s.to_string_lossy().into_owned();
        // The features too: a virtual machine may hide some of those that its processor's name implies.
        return (text(TargetMachine::get_host_cpu_name()), text(TargetMachine::get_host_cpu_features()));
    }
    let features: Vec<String> = target.features.iter().map(|f| format!("+{f}")).collect();
    (target.llvm_cpu().into(), features.join(","))
}

fn abilities(target: &Target) -> Abilities {
    let arch = target.triple.architecture.to_string();
    let arm64 = arch == "aarch64";
    Abilities {
        fma: target.has_fma,
        round: arm64 || arch.starts_with("wasm") || target.has("sse4.1"),
        half: arm64 || target.has("f16c"),
        // LLVM 22 takes one lane of them for a register of Xtensa, and has no instructions for that.
        masks: arch != "xtensa",
        // With vectors there is better.
        pairs: target.has("dsp") && !target.has("mve.fp"),
        whole_vectors: target.has("mve.fp"),
        lanes_of_bytes: lanes_of_bytes(target),
    }
}

fn lanes_of_bytes(target: &Target) -> LanesOfBytes {
    let has = |f: &str| target.has(f);
    let widest = |all: &[(bool, u16)]| all.iter().find(|(there, _)| *there).map_or(0, |(_, lanes)| *lanes);
    LanesOfBytes {
        vnni: widest(&[(has("avx512vnni") && has("avx512vl"), 16), (has("avxvnni"), 8)]),
        pairs: widest(&[(has("avx512bw"), 16), (has("avx2"), 8), (has("sse2"), 4)]),
        neon: widest(&[(has("dotprod"), 4)]),
    }
}
