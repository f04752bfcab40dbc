//! Vectors of four floats: with Helium, SSE2, NEON or RISC-V's V where the target has them, and in plain C for other compilers
//! of the same text.
//!
//! `onnxc_f32x4` is a vector. Operations have names of their own and give the same bits in each form: what all lanes are
//! combined with may be a scalar (`_all`), and limits are comparisons and choices, as the processors' own instructions
//! differ in what they make of a NaN. Names of intrinsics are those of `arm_mve.h` and `arm_neon.h`, which need no libc;
//! for SSE and V the vectors that GCC and Clang have are enough.

use crate::dots::MVE_FLOATS;
use crate::lanes::{LANES, add, sign};
use onnxc_base::DType;
use onnxc_codegen::Target;
use onnxc_ir::loops::BinOp;
use onnxc_source::helpers::Helpers;

/// The vectors' name.
pub(crate) const TYPE: &str = "onnxc_f32x4";

/// The type of its comparisons, where that has a name: all bits of a lane are set or none.
const MASK: &str = "onnxc_mask_f32x4";

/// A vector type of GCC and Clang.
fn gnu(element: &str, name: &str) -> String {
    format!("typedef {element} {name} __attribute__((vector_size(16)));")
}

/// Whose vectors a target has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extension {
    /// Of small Arm cores (MVE), also of integers.
    Helium,
    /// Of x86-64.
    Sse,
    /// Of AArch64.
    Neon,
    /// Of RISC-V ("RVV"), in registers of at least 128 bits.
    V,
}

impl Extension {
    /// Of a target, if any.
    pub fn of(target: &Target) -> Option<Extension> {
        use target_lexicon::Architecture::{Aarch64, Riscv32, Riscv64, X86_64};
        match target.triple.architecture {
            _ if target.has("mve.fp") => Some(Extension::Helium),
            X86_64 => Some(Extension::Sse),
            Aarch64(_) => Some(Extension::Neon),
            Riscv32(_) | Riscv64(_) if target.vector_bits >= 128 => Some(Extension::V),
            _ => None,
        }
    }

    /// True where a compiler has it.
    fn guard(self) -> &'static str {
        match self {
            Extension::Helium => MVE_FLOATS,
            Extension::Sse => "defined(__GNUC__) && defined(__SSE2__)",
            Extension::Neon => "defined(__ARM_NEON) && defined(__aarch64__)",
            Extension::V => {
                "defined(__GNUC__) && defined(__riscv_v_elen_fp) && __riscv_v_elen_fp >= 32 && __riscv_v_min_vlen >= 128"
            }
        }
    }

    fn definition(self) -> String {
        match self {
            Extension::Helium => format!("#include <arm_mve.h>\ntypedef float32x4_t {TYPE};"),
            Extension::Neon => format!("#include <arm_neon.h>\ntypedef float32x4_t {TYPE};"),
            Extension::Sse => gnu("float", TYPE),
            Extension::V => format!("{}\n{}", gnu("float", TYPE), gnu("int32_t", MASK)),
        }
    }
}

/// The type, whose definition will be in the file.
pub(crate) fn operand(helpers: &mut Helpers, e: Extension) -> &'static str {
    let plain = format!("typedef struct {{ float v[{LANES}]; }} {TYPE};");
    helpers.add(TYPE, || format!("#if {}\n{}\n#else\n{plain}\n#endif", e.guard(), e.definition()));
    TYPE
}

/// Adds a function: its head, its body with the extension, and what makes lane `i` of the result `r` without.
fn function(helpers: &mut Helpers, e: Extension, head: &str, body: &str, lane: &str) {
    operand(helpers, e);
    let name = head.split(['(', ' ']).nth(1).unwrap_or_default();
    add(helpers, e.guard(), name, head, body, lane);
}

/// The name of the function that reads a vector.
pub(crate) fn load(helpers: &mut Helpers, e: Extension) -> &'static str {
    let body = match e {
        Extension::Helium => "return vldrwq_f32(p);".into(),
        Extension::Neon => "return vld1q_f32(p);".into(),
        Extension::Sse | Extension::V => format!("{TYPE} r; __builtin_memcpy(&r, p, sizeof r); return r;"),
    };
    function(helpers, e, &format!("{TYPE} onnxc_load_f32x4(const float *p)"), &body, "r.v[i] = p[i];");
    "onnxc_load_f32x4"
}

/// The name of the function that writes a vector.
pub(crate) fn store(helpers: &mut Helpers, e: Extension) -> &'static str {
    let body = match e {
        Extension::Helium => "vstrwq_f32(p, a);",
        Extension::Neon => "vst1q_f32(p, a);",
        Extension::Sse | Extension::V => "__builtin_memcpy(p, &a, sizeof a);",
    };
    function(helpers, e, &format!("void onnxc_store_f32x4(float *p, {TYPE} a)"), body, "p[i] = a.v[i];");
    "onnxc_store_f32x4"
}

/// The name of the function that fills a vector.
pub(crate) fn splat(helpers: &mut Helpers, e: Extension) -> &'static str {
    let body = match e {
        Extension::Helium | Extension::Neon => "return vdupq_n_f32(a);".into(),
        Extension::Sse | Extension::V => format!("{TYPE} r = {{a, a, a, a}}; return r;"),
    };
    function(helpers, e, &format!("{TYPE} onnxc_splat_f32x4(float a)"), &body, "r.v[i] = a;");
    "onnxc_splat_f32x4"
}

/// A second operand: the ending of the function's name, its type, and how it is written with the extension (a vector
/// always) and for one lane.
struct Second {
    ending: &'static str,
    ty: &'static str,
    vector: &'static str,
    lane: &'static str,
}

fn second(e: Extension, all: bool) -> Second {
    if !all {
        return Second { ending: "", ty: TYPE, vector: "b", lane: "b.v[i]" };
    }
    // The helper that fills a vector would be unused with another extension.
    let vector = if matches!(e, Extension::Sse | Extension::V) { "all" } else { "vdupq_n_f32(b)" };
    Second { ending: "_all", ty: "float", vector, lane: "b" }
}

/// The second operand as a vector, `all`.
fn splat_all() -> String {
    format!("const {TYPE} all = {{b, b, b, b}}; ")
}

/// True where a compiler has products with sums of whole vectors.
const ELEMENTWISE: &str = "defined(__clang_major__) && __clang_major__ >= 16";

/// A call of a product added to a sum in one rounding; `b` may be what all lanes get.
pub(crate) fn fma(helpers: &mut Helpers, e: Extension, a: &str, (b, all): (&str, bool), c: &str) -> String {
    let (s, scalar) = (second(e, all), helpers.need("fma", DType::F32));
    let n = if all { "_n" } else { "" };
    let body = match e {
        Extension::Helium | Extension::Neon => format!("return vfmaq{n}_f32(c, a, b);"),
        Extension::Sse | Extension::V => {
            let (one, fill) = if all { ("b", splat_all()) } else { ("b[i]", String::new()) };
            let loops =
                format!("int i; for (i = 0; i < {LANES}; i++) {{ c[i] = {scalar}(a[i], {one}, c[i]); }} return c;");
            let whole = format!("{fill}return __builtin_elementwise_fma(a, {}, c);", s.vector);
            format!("\n#if {ELEMENTWISE}\n    {whole}\n#else\n    {loops}\n#endif").trim_start().to_string()
        }
    };
    let name = format!("onnxc_fma_f32x4{}", s.ending);
    let lane = format!("r.v[i] = {scalar}(a.v[i], {}, c.v[i]);", s.lane);
    function(helpers, e, &format!("{TYPE} {name}({TYPE} a, {} b, {TYPE} c)", s.ty), &body, &lane);
    format!("{name}({a}, {b}, {c})")
}

/// A call of an operation; `b` may be what all lanes get.
pub(crate) fn binary(helpers: &mut Helpers, e: Extension, op: BinOp, a: &str, b: (&str, bool)) -> Option<String> {
    let s = second(e, b.1);
    let (sign, limit) = sign(op)?;
    let (name, order) = (op.name(), if op == BinOp::Max { "lt" } else { "gt" });
    let fill = if b.1 { splat_all() } else { String::new() };
    let body = match (e, limit) {
        (Extension::Helium, true) if b.1 => format!("return vpselq_f32({}, a, vcmp{order}q_n_f32(a, b));", s.vector),
        (Extension::Helium, true) => format!("return vpselq_f32(b, a, vcmp{order}q_f32(a, b));"),
        (Extension::Helium, false) => format!("return v{name}q{}_f32(a, b);", if b.1 { "_n" } else { "" }),
        (Extension::Neon, true) => format!("return vbslq_f32(vc{order}q_f32(a, {0}), {0}, a);", s.vector),
        (Extension::Neon, false) => format!("return v{name}q_f32(a, {});", s.vector),
        (Extension::V, true) => format!(
            "{fill}const {MASK} m = a {sign} {0}; return ({TYPE})((m & ({MASK}){0}) | (~m & ({MASK})a));",
            s.vector
        ),
        // Which gives its second operand where one is a NaN.
        (Extension::Sse, true) => format!("{fill}return __builtin_ia32_{name}ps({}, a);", s.vector),
        (Extension::Sse | Extension::V, false) => format!("{fill}return a {sign} {};", s.vector),
    };
    let lane = match limit {
        true => format!("r.v[i] = a.v[i] {sign} {0} ? {0} : a.v[i];", s.lane),
        false => format!("r.v[i] = a.v[i] {sign} {};", s.lane),
    };
    let name = format!("onnxc_{name}_f32x4{}", s.ending);
    function(helpers, e, &format!("{TYPE} {name}({TYPE} a, {} b)", s.ty), &body, &lane);
    Some(format!("{name}({a}, {})", b.0))
}
