//! The processors that can be named: plain data.

/// A processor known by name.
pub struct Cpu {
    /// The name that `--target-cpu` takes, also LLVM's but for [`LLVM_NAMES`].
    pub name: &'static str,
    /// Its architecture, as in triples.
    pub arch: &'static str,
    /// What it has beyond the entry that it extends.
    pub features: &'static [&'static str],
    /// An entry whose features it has too.
    pub extends: Option<&'static str>,
}

/// Every processor that `--target-cpu` knows. The x86-64 levels are those of the x86-64 psABI supplement.
pub const CPUS: &[Cpu] = &[
    Cpu { name: "x86-64", arch: "x86_64", extends: None, features: &["sse", "sse2"] },
    Cpu {
        name: "x86-64-v2",
        arch: "x86_64",
        extends: Some("x86-64"),
        features: &["cx16", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"],
    },
    Cpu {
        name: "x86-64-v3",
        arch: "x86_64",
        extends: Some("x86-64-v2"),
        features: &["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"],
    },
    Cpu {
        name: "x86-64-v4",
        arch: "x86_64",
        extends: Some("x86-64-v3"),
        features: &["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"],
    },
    Cpu { name: "haswell", arch: "x86_64", extends: Some("x86-64-v3"), features: &[] },
    Cpu { name: "skylake", arch: "x86_64", extends: Some("x86-64-v3"), features: &[] },
    Cpu { name: "alderlake", arch: "x86_64", extends: Some("x86-64-v3"), features: &["avxvnni"] },
    Cpu { name: "cascadelake", arch: "x86_64", extends: Some("x86-64-v4"), features: &["avx512vnni"] },
    Cpu { name: "icelake-server", arch: "x86_64", extends: Some("x86-64-v4"), features: &["avx512vbmi", "avx512vnni"] },
    Cpu { name: "skylake-avx512", arch: "x86_64", extends: Some("x86-64-v4"), features: &[] },
    Cpu {
        name: "sapphirerapids",
        arch: "x86_64",
        extends: Some("x86-64-v4"),
        features: &["avx512bf16", "avx512fp16", "avx512vbmi", "avx512vnni", "avxvnni"],
    },
    Cpu { name: "znver2", arch: "x86_64", extends: Some("x86-64-v3"), features: &[] },
    Cpu { name: "znver3", arch: "x86_64", extends: Some("x86-64-v3"), features: &[] },
    Cpu {
        name: "znver4",
        arch: "x86_64",
        extends: Some("x86-64-v4"),
        features: &["avx512bf16", "avx512vbmi", "avx512vnni"],
    },
    Cpu { name: "generic", arch: "aarch64", extends: None, features: &["neon"] },
    Cpu { name: "cortex-a53", arch: "aarch64", extends: Some("generic"), features: &["crc"] },
    Cpu { name: "cortex-a72", arch: "aarch64", extends: Some("generic"), features: &["crc"] },
    Cpu {
        name: "neoverse-n1",
        arch: "aarch64",
        extends: Some("generic"),
        features: &["crc", "lse", "dotprod", "fullfp16"],
    },
    Cpu { name: "generic-rv64", arch: "riscv64gc", extends: None, features: &["m", "a", "f", "d", "c"] },
    // With the vector extension; a vector register has 128 bits or more.
    Cpu { name: "generic-rv64v", arch: "riscv64gc", extends: Some("generic-rv64"), features: &["v"] },
    // Microcontrollers: scalar code. Floats of 64 bits, and on those without a unit all floats, are library calls.
    Cpu { name: "cortex-m0", arch: "thumbv6m", extends: None, features: &[] },
    Cpu { name: "cortex-m3", arch: "thumbv7m", extends: None, features: &[] },
    Cpu { name: "cortex-m4", arch: "thumbv7em", extends: None, features: &["dsp"] },
    Cpu { name: "cortex-m7", arch: "thumbv7em", extends: Some("cortex-m4"), features: &[] },
    Cpu { name: "cortex-m33", arch: "thumbv8m.main", extends: None, features: &["dsp"] },
    Cpu { name: "cortex-m55", arch: "thumbv8m.main", extends: Some("cortex-m33"), features: &["mve.fp"] },
    Cpu { name: "cortex-m85", arch: "thumbv8m.main", extends: Some("cortex-m55"), features: &[] },
    Cpu { name: "generic-rv32", arch: "riscv32imac", extends: None, features: &["m", "a", "c"] },
    Cpu { name: "generic-rv32", arch: "riscv32imafc", extends: None, features: &["m", "a", "f", "c"] },
    // With vectors of 32-bit floats and integers, 128 bits or more.
    Cpu {
        name: "generic-rv32v",
        arch: "riscv32imafc",
        extends: Some("generic-rv32"),
        features: &["zve32f", "zvl128b"],
    },
    Cpu { name: "esp32", arch: "xtensa", extends: None, features: &["fp"] },
    Cpu { name: "esp32s3", arch: "xtensa", extends: Some("esp32"), features: &[] },
    // What many configurations have: windows of registers, floats, products of 32 bits, but not their upper halves.
    Cpu {
        name: "generic",
        arch: "xtensa",
        extends: None,
        features: &["bool", "density", "fp", "minmax", "mul16", "mul32", "nsa", "sext", "windowed"],
    },
    Cpu { name: "esp8266", arch: "xtensa", extends: None, features: &[] },
    Cpu { name: "generic", arch: "wasm32", extends: None, features: &["simd128"] },
    Cpu { name: "mvp", arch: "wasm32", extends: None, features: &[] },
];

/// Processors that LLVM has another name for: the features say the rest.
pub(super) const LLVM_NAMES: &[(&str, &str)] =
    &[("generic-rv64v", "generic-rv64"), ("generic-rv32v", "generic-rv32"), ("esp32s3", "esp32")];

/// Every processor that can be named, with its architecture, in the table's order.
pub fn processors() -> impl Iterator<Item = (&'static str, &'static str)> {
    CPUS.iter().map(|c| (c.arch, c.name))
}
