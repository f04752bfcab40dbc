//! Targets: what the machine that will run the code can do, as the scheduler and the backends need to know it.
//!
//! A [`Target`] is plain data from a triple and a processor: `native` asks the machine that we run on, a name is looked
//! up in [`CPUS`]. Backends turn [`Target::features`] (LLVM's names) into their own settings.

use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_ir::kernel::{ByteProducts, ByteTile, Dots, Signs};
use std::collections::BTreeSet;
use std::str::FromStr;
use target_lexicon::{Architecture, BinaryFormat, OperatingSystem, Triple};

mod cpus;

pub use cpus::{CPUS, Cpu, processors};

/// A machine to compile for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Architecture, vendor, system, object format.
    pub triple: Triple,
    /// `native` or a name of [`CPUS`].
    pub cpu: String,
    /// Instruction set extensions, by LLVM's names (`avx2`, `fma`, `avx512f`, `neon` ...).
    pub features: BTreeSet<&'static str>,
    /// Bits of the widest vector register worth using.
    pub vector_bits: u32,
    /// Bits of a vector that a core computes with at once: on vectors of twice as many it spends twice the time.
    pub vector_unit_bits: u32,
    /// How many such registers there are.
    pub vector_registers: u32,
    /// Fused multiply-add on f32 and f64, scalar and vector.
    pub has_fma: bool,
    /// Bits of an address.
    pub pointer_bits: u32,
    /// A microcontroller: little RAM and flash, no caches to speak of, no system.
    pub small: bool,
    /// How products of 8-bit integers are summed.
    pub bytes: Option<ByteProducts>,
    /// Each function is compiled to an object of its own, whose only section of code it is: LLVM 22 puts the literals of a
    /// function of Xtensa to the end of the section before it, where they are out of line, and so out of reach.
    pub functions_apart: bool,
}

impl Target {
    /// True if modules for it can have strings, sequences, optionals and maps: what those are linked with is compiled for
    /// the machine that onnxc runs on.
    pub fn has_objects(&self) -> bool {
        let host = Triple::host();
        (self.triple.architecture, self.triple.operating_system) == (host.architecture, host.operating_system)
            && self.pointer_bits == 64
    }

    /// True if modules for it can run on several threads.
    pub fn has_threads(&self) -> bool {
        self.has_objects() && self.triple.operating_system == target_lexicon::OperatingSystem::Linux
    }

    /// The machine that we run on.
    pub fn host() -> Target {
        Self::new(Triple::host(), "native", host_features())
    }

    /// A target by triple (`None`: the host's) and processor (`None`: `native` on the host's architecture, else the
    /// architecture's baseline).
    pub fn parse(triple: Option<&str>, cpu: Option<&str>) -> Result<Target, Diagnostics> {
        let (host, text) = (Triple::host(), triple);
        let triple = match triple {
            None => host.clone(),
            Some(t) => Triple::from_str(&known_triple(t)).map_err(|e| {
                Diagnostic::error("E5001", format!("target '{t}' isn't a triple: {e}"))
                    .expected("architecture-vendor-system, such as x86_64-unknown-linux-gnu")
            })?,
        };
        let arch = triple.architecture.to_string();
        let native_ok = triple.architecture == host.architecture;
        let baseline = CPUS.iter().find(|c| c.arch == arch && c.extends.is_none());
        let cpu = match cpu {
            Some(c) => c,
            None if native_ok && triple == host => "native",
            // The only cores of Armv8.1-M are those with vectors.
            None if text.is_some_and(|t| t.starts_with("thumbv8.1m")) => "cortex-m55",
            None => baseline.map_or("", |c| c.name),
        };
        if cpu == "native" && native_ok {
            return Ok(Self::new(triple, "native", host_features()));
        }
        match CPUS.iter().find(|c| c.name == cpu && c.arch == arch) {
            Some(c) => Ok(Self::new(triple, c.name, cpu_features(c))),
            None => Err(unknown_cpu(cpu, &arch).into()),
        }
    }

    fn new(triple: Triple, cpu: &str, features: BTreeSet<&'static str>) -> Target {
        let has = |f: &str| features.contains(f);
        let (vector_bits, vector_registers, has_fma) = match triple.architecture {
            Architecture::X86_64 if has("avx512f") && has("avx512vl") => (512, 32, true),
            Architecture::X86_64 if has("avx2") => (256, 16, has("fma")),
            Architecture::X86_64 => (128, 16, has("fma")),
            Architecture::Aarch64(_) => (128, 32, true),
            Architecture::Wasm32 if has("simd128") => (128, 16, false),
            Architecture::Arm(_) if has("mve.fp") => (128, 8, true),
            // No registers for floats: lanes and tiles only cost.
            Architecture::Arm(a) if matches!(a.into_str().as_ref(), "thumbv6m" | "thumbv7m") => (32, 4, false),
            Architecture::Riscv32(_) | Architecture::Riscv64(_) if has("v") || has("zvl128b") => (128, 32, true),
            Architecture::Riscv32(_) => (64, 16, has("f")),
            Architecture::XTensa => (if has("fp") { 64 } else { 32 }, if has("fp") { 16 } else { 4 }, false),
            // Scalar code; fused multiply-add is part of the F and D extensions.
            Architecture::Riscv64(_) => (64, 32, true),
            _ => (64, 16, false),
        };
        let pointer_bits = triple.pointer_width().map_or(64, |w| u32::from(w.bits()));
        let vector_unit_bits =
            vector_bits.min(if cpu == "znver4" || cpu == "native" && host_is_zen4() { 256 } else { 512 });
        let bytes = byte_products(&triple.architecture, &has, (vector_bits, vector_registers));
        let small = is_small(&triple);
        let functions_apart = triple.architecture == Architecture::XTensa;
        let cpu = cpu.into();
        Target {
            triple,
            cpu,
            features,
            vector_bits,
            vector_unit_bits,
            vector_registers,
            has_fma,
            pointer_bits,
            small,
            bytes,
            functions_apart,
        }
    }

    /// What LLVM calls the processor.
    pub fn llvm_cpu(&self) -> &str {
        let other = cpus::LLVM_NAMES.iter().find(|(name, _)| *name == self.cpu);
        other.map_or(&self.cpu, |(_, llvm)| llvm)
    }

    /// True if it computes with 32-bit floats itself.
    pub fn has_floats(&self) -> bool {
        match self.triple.architecture {
            Architecture::Arm(a) => !matches!(a.into_str().as_ref(), "thumbv6m" | "thumbv7m"),
            Architecture::Riscv32(_) => self.has("f"),
            Architecture::XTensa => self.has("fp"),
            _ => true,
        }
    }

    /// What tensors and constants are aligned to, in bytes: a cache line, which is also the widest vector, or on a small
    /// machine what its widest load wants.
    pub fn alignment(&self) -> u32 {
        if self.small { 8 } else { 64 }
    }

    /// True if it has an extension, by LLVM's name.
    pub fn has(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }

    /// True if code for it runs on this machine.
    pub fn is_host(&self) -> bool {
        let host = Target::host();
        self.triple.architecture == host.triple.architecture
            && self.triple.operating_system == host.triple.operating_system
            && self.features.is_subset(&host.features)
    }

    /// True if an operating system is there: loaders, position-independent code. Otherwise a module is linked into firmware.
    pub fn is_hosted(&self) -> bool {
        !matches!(self.triple.operating_system, OperatingSystem::None_ | OperatingSystem::Unknown)
    }

    /// True if its object files are ELF.
    pub fn is_elf(&self) -> bool {
        self.triple.binary_format == BinaryFormat::Elf
    }
}

/// How products of 8-bit integers are summed.
fn byte_products(
    architecture: &Architecture,
    has: &dyn Fn(&str) -> bool,
    (bits, registers): (u32, u32),
) -> Option<ByteProducts> {
    let points = |rows, columns| ByteTile::Points { rows, columns };
    let lanes = |registers, signs| {
        let dots = Some(Dots { most: 4, least: 4 });
        Some(ByteProducts { dots, tile: ByteTile::Lanes { registers, signs }, unroll: 2 })
    };
    match architecture {
        // VPDPBUSD, of signed and unsigned bytes.
        Architecture::X86_64 if has("avx512vnni") || (has("avxvnni") && bits <= 256) => {
            lanes(registers, Signs::Different)
        }
        // VPMADDWD sums pairs of 16-bit integers, which bytes become in registers; 512 bits of those are an extension.
        Architecture::X86_64 if bits <= 256 || has("avx512bw") => lanes(registers - 5, Signs::Any),
        Architecture::Aarch64(_) if has("dotprod") => lanes(registers, Signs::Equal),
        // VMLADAVA sums 16 products, or 8 or 4 of widened bytes; SMLAD two, of what two instructions unpack from a word.
        Architecture::Arm(_) => Some(ByteProducts {
            dots: match () {
                () if has("mve.fp") => Some(Dots { most: 16, least: 4 }),
                () if has("dsp") => Some(Dots { most: 4, least: 4 }),
                () => None,
            },
            tile: points(2, 2),
            // An operation of the vector extension is one instruction, of SMLAD two and half of what unpacks its factors.
            unroll: if has("mve.fp") { 4 } else { 2 },
        }),
        Architecture::Riscv32(_) => Some(ByteProducts { dots: None, tile: points(4, 4), unroll: 2 }),
        // Sixteen registers are visible at a time.
        Architecture::XTensa => Some(ByteProducts { dots: None, tile: points(2, 2), unroll: 2 }),
        _ => None,
    }
}

/// True for cores without an address space of 64 bits that run without a system; wasm's machines are large.
fn is_small(triple: &Triple) -> bool {
    let bare = matches!(triple.operating_system, OperatingSystem::None_ | OperatingSystem::Unknown);
    let core = matches!(triple.architecture, Architecture::Arm(_) | Architecture::Riscv32(_) | Architecture::XTensa);
    bare && core
}

/// Armv8.1-M is Armv8-M with more instructions, and the only name that the triple's parser has.
fn known_triple(t: &str) -> String {
    t.replacen("thumbv8.1m.main", "thumbv8m.main", 1)
}

fn unknown_cpu(cpu: &str, arch: &str) -> Diagnostic {
    let known: Vec<&str> = CPUS.iter().filter(|c| c.arch == arch).map(|c| c.name).collect();
    if known.is_empty() {
        return Diagnostic::error("E5002", format!("no processor of architecture '{arch}' is known"))
            .expected("x86_64, aarch64, riscv64gc, riscv32imac, xtensa, wasm32 or a thumb architecture such as thumbv7em")
            .help("C source for riscv32imac-unknown-none-elf (-o model.c) is plain C99 for any little-endian core of 32 bits");
    }
    Diagnostic::error("E5003", format!("processor '{cpu}' isn't known for {arch}"))
        .expected(format!("native (on such a machine) or one of: {}", known.join(", ")))
}

fn cpu_features(cpu: &Cpu) -> BTreeSet<&'static str> {
    let mut all: BTreeSet<_> = cpu.features.iter().copied().collect();
    let mut parent = cpu.extends;
    while let Some(c) = parent.and_then(|p| CPUS.iter().find(|c| c.name == p && c.arch == cpu.arch)) {
        all.extend(c.features);
        parent = c.extends;
    }
    all
}

/// True on an AMD core of family 19h with 512-bit vectors, which it computes in halves ("Software Optimization Guide for
/// the AMD Zen4 Microarchitecture", 57647, 2.11: 512-bit operations take the 256-bit units for two cycles).
#[cfg(target_arch = "x86_64")]
fn host_is_zen4() -> bool {
    use std::arch::x86_64::__cpuid;
    let (vendor, version) = (__cpuid(0), __cpuid(1).eax);
    let amd = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).concat() == b"AuthenticAMD";
    let family = (version >> 8 & 0xf) + (version >> 20 & 0xff);
    amd && family == 0x19 && std::arch::is_x86_feature_detected!("avx512f")
}

#[cfg(not(target_arch = "x86_64"))]
fn host_is_zen4() -> bool {
    false
}

#[cfg(target_arch = "x86_64")]
fn host_features() -> BTreeSet<&'static str> {
    let mut all = BTreeSet::new();
    // Left: the name that Rust's detection takes; right: LLVM's.
    macro_rules! detect {
        ($($rust:tt = $llvm:literal),* $(,)?) => {
            $(if std::arch::is_x86_feature_detected!($rust) { all.insert($llvm); })*
        };
    }
    detect!(
        "sse" = "sse",
        "sse2" = "sse2",
        "sse3" = "sse3",
        "ssse3" = "ssse3",
        "sse4.1" = "sse4.1",
        "sse4.2" = "sse4.2",
        "popcnt" = "popcnt",
        "cmpxchg16b" = "cx16",
        "avx" = "avx",
        "avx2" = "avx2",
        "bmi1" = "bmi",
        "bmi2" = "bmi2",
        "f16c" = "f16c",
        "fma" = "fma",
        "lzcnt" = "lzcnt",
        "movbe" = "movbe",
        "avx512f" = "avx512f",
        "avx512bw" = "avx512bw",
        "avx512cd" = "avx512cd",
        "avx512dq" = "avx512dq",
        "avx512vl" = "avx512vl",
        "avx512vnni" = "avx512vnni",
        "avx512bf16" = "avx512bf16",
        "avx512fp16" = "avx512fp16",
        "avx512vbmi" = "avx512vbmi",
        "avxvnni" = "avxvnni"
    );
    all
}

#[cfg(target_arch = "aarch64")]
fn host_features() -> BTreeSet<&'static str> {
    let mut all = BTreeSet::from(["neon"]);
    macro_rules! detect {
        ($($rust:tt = $llvm:literal),* $(,)?) => {
            $(if std::arch::is_aarch64_feature_detected!($rust) { all.insert($llvm); })*
        };
    }
    detect!("lse" = "lse", "crc" = "crc", "dotprod" = "dotprod", "fp16" = "fullfp16");
    all
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn host_features() -> BTreeSet<&'static str> {
    BTreeSet::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_include_those_below() {
        let t = Target::parse(Some("x86_64-unknown-linux-gnu"), Some("x86-64-v4")).expect("it is in the table");
        assert!(t.has("sse2") && t.has("fma") && t.has("avx512bw"));
        assert_eq!((t.vector_bits, t.vector_registers, t.has_fma, t.pointer_bits), (512, 32, true, 64));
        let t = Target::parse(Some("x86_64-unknown-linux-gnu"), Some("x86-64")).expect("it is in the table");
        assert_eq!((t.vector_bits, t.has_fma), (128, false));
        let units = ["x86-64-v4", "znver4", "znver3"].map(|c| {
            let t = Target::parse(Some("x86_64-unknown-linux-gnu"), Some(c)).expect("it is in the table");
            (t.vector_bits, t.vector_unit_bits)
        });
        assert_eq!(units, [(512, 512), (512, 256), (256, 256)], "Zen 4 computes in halves");
    }

    #[test]
    fn a_foreign_triple_gets_its_baseline() {
        let arch = if cfg!(target_arch = "aarch64") { "riscv64gc" } else { "aarch64" };
        let t = Target::parse(Some(&format!("{arch}-unknown-linux-gnu")), None).expect("it is in the table");
        assert!(t.cpu.starts_with("generic") && !t.is_host());
    }

    #[test]
    fn vectors_of_riscv_are_those_of_the_processor() {
        for (triple, cpu) in
            [("riscv64gc-unknown-linux-gnu", "generic-rv64v"), ("riscv32imafc-unknown-none-elf", "generic-rv32v")]
        {
            let t = |cpu| Target::parse(Some(triple), cpu).expect("it is in the table");
            assert_eq!((t(Some(cpu)).vector_bits, t(Some(cpu)).has_floats(), t(None).vector_bits), (128, true, 64));
            assert_eq!(t(Some(cpu)).llvm_cpu(), t(None).cpu);
        }
    }

    #[test]
    fn xtensa_is_a_small_machine() {
        let t = |cpu| Target::parse(Some("xtensa-esp32-none-elf"), cpu).expect("it is in the table");
        assert!(t(None).small && t(None).has_floats() && t(None).pointer_bits == 32);
        assert!(!t(Some("esp8266")).has_floats());
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        let e = Target::parse(Some("x86_64-unknown-linux-gnu"), Some("pentium")).expect_err("not in the table");
        assert!(e.to_string().contains("x86-64-v3"), "{e}");
        assert!(Target::parse(Some("m68k-unknown-linux-gnu"), None).is_err());
        assert!(Target::parse(Some("nonsense"), None).is_err());
    }

    #[test]
    fn the_host_runs_its_own_code() {
        assert!(Target::host().is_host());
        assert_eq!(Target::parse(None, None).expect("the host is known"), Target::host());
    }
}
