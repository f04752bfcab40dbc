//! Sums of products of packed integers: with the instructions of small Arm cores, and in plain C.
//!
//! An operand is a type of its own, `onnxc_i8x4`, loaded once and used in several sums. With the DSP extension four bytes
//! are two registers of two halves each, for SMLAD; with the vector extension (MVE) a vector of as many lanes, for VMLADAVA.
//! The instructions of the DSP extension are written as assembly, which GCC and Clang read alike; both know the registers.
//! Elsewhere an operand is a struct of elements. All give the same bits: sums wrap.

use crate::helpers::c_type;
use onnxc_base::DType;
use onnxc_source::helpers::Helpers;

/// Where the vector extension is.
pub(crate) const MVE: &str = "defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 1)";
/// Where its floats are.
pub(crate) const MVE_FLOATS: &str = "defined(__ARM_FEATURE_MVE) && (__ARM_FEATURE_MVE & 2)";

/// The name of an operand's type; its definition will be in the file. Without `pairs` there is no form for the DSP extension,
/// whose lanes lie in another order: all operands of a file are of one kind.
pub(crate) fn operand(helpers: &mut Helpers, d: DType, lanes: u16, pairs: bool) -> String {
    let name = format!("onnxc_{d}x{lanes}");
    helpers.add(&name, || operand_text(&name, d, lanes, pairs));
    name
}

/// The name of the function that loads an operand.
pub(crate) fn load(helpers: &mut Helpers, d: DType, lanes: u16, pairs: bool) -> String {
    format!("{}_load", operand(helpers, d, lanes, pairs))
}

/// The name of the function that adds the products of two operands to a sum.
pub(crate) fn dot(helpers: &mut Helpers, a: DType, b: DType, lanes: u16, pairs: bool) -> String {
    let (x, y) = (operand(helpers, a, lanes, pairs), operand(helpers, b, lanes, pairs));
    let name = format!("onnxc_dot_{a}_{b}_x{lanes}");
    helpers.add(&name, || dot_text(&name, (a, &x), (b, &y), lanes, pairs));
    name
}

/// True where the vector extension has a load that fills a vector: 32-bit integers, or bytes, widened if there are fewer
/// than 16.
fn vectors(d: DType, lanes: u16) -> bool {
    d.bits() == 8 && matches!(lanes, 4 | 8 | 16) || d.bits() == 32 && lanes == 4
}

/// True where the DSP extension unpacks an operand in two instructions.
fn halves(d: DType, lanes: u16) -> bool {
    d.bits() == 8 && lanes == 4
}

/// Bits of a lane of a vector of the vector extension.
fn lane_bits(lanes: u16) -> u16 {
    128 / lanes
}

fn sign(d: DType) -> char {
    if d.is_signed_int() { 's' } else { 'u' }
}

fn operand_text(name: &str, d: DType, lanes: u16, pairs: bool) -> String {
    let (ty, letter) = (c_type(d), sign(d));
    let mut text = String::new();
    if vectors(d, lanes) {
        let bits = lane_bits(lanes);
        let width = if d.bits() == 8 { 'b' } else { 'w' };
        let vector = format!("{}int{bits}x{lanes}_t", if letter == 'u' { "u" } else { "" });
        text += &format!(
            "#if {MVE}\n#include <arm_mve.h>\ntypedef {vector} {name};\n\
             static inline {name} {name}_load(const {ty} *p) {{ return vldr{width}q_{letter}{bits}(p); }}\n"
        );
    }
    if pairs && halves(d, lanes) {
        text += &format!(
            "#elif defined(__GNUC__) && defined(__ARM_FEATURE_DSP)\n\
             /* Elements 0 and 2, 1 and 3, each in half of a register. */\n\
             typedef struct {{ uint32_t even, odd; }} {name};\n\
             static inline {name} {name}_load(const {ty} *p) {{\n    {name} v;\n    uint32_t word;\n    \
             __builtin_memcpy(&word, p, 4);\n    \
             __asm__(\"{letter}xtb16 %0, %1\" : \"=r\"(v.even) : \"r\"(word));\n    \
             __asm__(\"{letter}xtb16 %0, %1, ror #8\" : \"=r\"(v.odd) : \"r\"(word));\n    return v;\n}}\n"
        );
    }
    let plain = format!(
        "typedef struct {{ {ty} v[{lanes}]; }} {name};\nstatic inline {name} {name}_load(const {ty} *p) {{\n    {name} v;\n    \
         int i;\n    for (i = 0; i < {lanes}; i++) {{ v.v[i] = p[i]; }}\n    return v;\n}}"
    );
    if text.is_empty() { plain } else { format!("{text}#else\n{plain}\n#endif") }
}

fn dot_text(name: &str, (a, x): (DType, &str), (b, y): (DType, &str), lanes: u16, pairs: bool) -> String {
    let head = format!("static inline int32_t {name}({x} a, {y} b, int32_t c) {{");
    let mut text = String::new();
    let both = |f: fn(DType, u16) -> bool| f(a, lanes) && f(b, lanes);
    if both(vectors) {
        let bits = lane_bits(lanes);
        let signed = |d: DType, v: &str| match (d.is_signed_int(), bits) {
            (true, _) => v.to_string(),
            (false, bits) => format!("vreinterpretq_s{bits}_u{bits}({v})"),
        };
        // Widened bytes are small positive numbers; those that fill their lanes have an instruction for equal signs only.
        let sum = match (sign(a), sign(b)) {
            ('u', 'u') if bits == 8 => "    return (int32_t)vmladavaq_u8((uint32_t)c, a, b);\n".to_string(),
            (s, t) if bits == 8 && s != t => {
                let (plus, minus) = if s == 'u' { ("a", "b") } else { ("b", "a") };
                format!(
                    "    const int8x16_t less = vreinterpretq_s8_u8(veorq_u8({plus}, vdupq_n_u8(128)));\n    \
                     c = (int32_t)((uint32_t)c + ((uint32_t)vaddvq_s8({minus}) << 7));\n    \
                     return vmladavaq_s8(c, less, {minus});\n"
                )
            }
            _ => format!("    return vmladavaq_s{bits}(c, {}, {});\n", signed(a, "a"), signed(b, "b")),
        };
        text += &format!("#if {MVE}\n{head}\n{sum}}}\n");
    }
    if pairs && both(halves) {
        let smlad = |part: &str| {
            format!("    __asm__(\"smlad %0, %1, %2, %3\" : \"=r\"(c) : \"r\"(a.{part}), \"r\"(b.{part}), \"r\"(c));\n")
        };
        text += &format!(
            "#elif defined(__GNUC__) && defined(__ARM_FEATURE_DSP)\n{head}\n{}{}    return c;\n}}\n",
            smlad("even"),
            smlad("odd")
        );
    }
    let plain = format!(
        "{head}\n    int i;\n    for (i = 0; i < {lanes}; i++) {{ c = (int32_t)((uint32_t)c + (uint32_t)((int32_t)a.v[i] * b.v[i])); }}\n    return c;\n}}"
    );
    if text.is_empty() { plain } else { format!("{text}#else\n{plain}\n#endif") }
}
