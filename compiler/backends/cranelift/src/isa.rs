//! Cranelift's settings for a target.

use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use onnxc_base::{Diagnostic, Diagnostics};
use onnxc_codegen::Target;
use target_lexicon::Architecture;

/// LLVM's feature names beside Cranelift's settings, x86-64.
const X86: &[(&str, &str)] = &[
    ("sse3", "has_sse3"),
    ("ssse3", "has_ssse3"),
    ("cx16", "has_cmpxchg16b"),
    ("sse4.1", "has_sse41"),
    ("sse4.2", "has_sse42"),
    ("avx", "has_avx"),
    ("avx2", "has_avx2"),
    ("fma", "has_fma"),
    ("avx512dq", "has_avx512dq"),
    ("avx512vl", "has_avx512vl"),
    ("avx512vbmi", "has_avx512vbmi"),
    ("avx512f", "has_avx512f"),
    ("avx512vnni", "has_avx512vnni"),
    ("avxvnni", "has_avx_vnni"),
    ("popcnt", "has_popcnt"),
    ("bmi", "has_bmi1"),
    ("bmi2", "has_bmi2"),
    ("lzcnt", "has_lzcnt"),
];

/// The instruction set of a target; `opt_level` is 0 to 3.
pub(crate) fn for_target(target: &Target, opt_level: u8) -> Result<OwnedTargetIsa, Diagnostics> {
    let x86 = target.triple.architecture == Architecture::X86_64;
    if x86 && !target.has("sse4.1") {
        return Err(Diagnostic::error(
            "E5101",
            format!("processor '{}' has no SSE4.1, which Cranelift code needs", target.cpu),
        )
        .help("choose a newer processor (--target-cpu x86-64-v2) or --backend llvm")
        .into());
    }
    let refuse = |e: String| {
        Diagnostics::from(Diagnostic::error("E5102", format!("Cranelift has no target {}: {e}", target.triple)))
    };
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", if opt_level == 0 { "none" } else { "speed" }),
        ("is_pic", "true"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("unwind_info", "false"),
    ] {
        flags.set(name, value).map_err(|e| refuse(e.to_string()))?;
    }
    let mut builder = isa::lookup(target.triple.clone()).map_err(|e| refuse(e.to_string()))?;
    for (feature, setting) in X86 {
        if x86 && target.has(feature) {
            builder.enable(setting).map_err(|e| refuse(e.to_string()))?;
        }
    }
    if target.has("lse") && !x86 {
        builder.enable("has_lse").map_err(|e| refuse(e.to_string()))?;
    }
    builder.finish(settings::Flags::new(flags)).map_err(|e| refuse(e.to_string()))
}
