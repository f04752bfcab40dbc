//! Vectors of four 32-bit integers, with bytes in memory: the vector extension of small Arm cores (MVE, "Helium"), and plain
//! C elsewhere.
//!
//! `onnxc_i32x4` is a vector; `onnxc_i8x4` and `onnxc_u8x4` are vectors of as many lanes, whose elements are bytes in memory
//! (`dots` has those too). All operations have names of their own and give the same bits with and without the extension: sums
//! and products wrap. A vector of bytes that was made of wider lanes is good for stores only, as MVE keeps the upper bits.

use crate::dots::{self, MVE};
use crate::helpers::c_type;
use onnxc_base::DType;
use onnxc_ir::loops::BinOp;
use onnxc_source::helpers::Helpers;

/// Lanes of every vector.
pub(crate) const LANES: u16 = 4;

/// The name of a vector's type.
fn operand(helpers: &mut Helpers, d: DType) -> String {
    dots::operand(helpers, d, LANES, false)
}

/// `i32x4`.
fn vector(d: DType) -> String {
    format!("{d}x{LANES}")
}

/// Intrinsics' suffix: all lanes have 32 bits.
fn suffix(d: DType) -> &'static str {
    if d.is_unsigned_int() { "u32" } else { "s32" }
}

/// A function with a body for an extension, one line, where `guard` is true, and one for each lane `i` of the result `r`.
pub(crate) fn add(helpers: &mut Helpers, guard: &str, name: &str, head: &str, body: &str, lane: &str) {
    let result = head.split(' ').next().unwrap_or_default();
    let plain = if result == "void" {
        format!("    int i;\n    for (i = 0; i < {LANES}; i++) {{ {lane} }}\n")
    } else {
        format!("    {result} r;\n    int i;\n    for (i = 0; i < {LANES}; i++) {{ {lane} }}\n    return r;\n")
    };
    helpers.add(name, || format!("static inline {head} {{\n#if {guard}\n    {body}\n#else\n{plain}#endif\n}}"));
}

/// A function with a form for MVE: what it gives.
fn give(helpers: &mut Helpers, name: &str, head: &str, mve: &str, lane: &str) {
    let back = if head.starts_with("void ") { "" } else { "return " };
    add(helpers, MVE, name, head, &format!("{back}{mve};"), lane);
}

/// The name of the function that fills a vector.
pub(crate) fn splat(helpers: &mut Helpers, d: DType) -> String {
    let (ty, c, s) = (operand(helpers, d), c_type(d), suffix(d));
    let name = format!("onnxc_splat_{}", vector(d));
    give(helpers, &name, &format!("{ty} {name}({c} a)"), &format!("vdupq_n_{s}(a)"), "r.v[i] = a;");
    name
}

/// The name of the function that writes a vector.
pub(crate) fn store(helpers: &mut Helpers, d: DType) -> String {
    let (ty, c, s) = (operand(helpers, d), c_type(d), suffix(d));
    let name = format!("onnxc_store_{}", vector(d));
    let width = if d.bits() == 8 { 'b' } else { 'w' };
    give(helpers, &name, &format!("void {name}({c} *p, {ty} a)"), &format!("vstr{width}q_{s}(p, a)"), "p[i] = a.v[i];");
    name
}

/// The name of the function that converts lanes.
pub(crate) fn cast(helpers: &mut Helpers, from: DType, to: DType) -> String {
    let (a, b, c) = (operand(helpers, from), operand(helpers, to), c_type(to));
    let name = format!("onnxc_{}_from_{}", vector(to), vector(from));
    let mve = match (suffix(from), suffix(to)) {
        (x, y) if x == y => "a".to_string(),
        (x, y) => format!("vreinterpretq_{y}_{x}(a)"),
    };
    give(helpers, &name, &format!("{b} {name}({a} a)"), &mve, &format!("r.v[i] = ({c})a.v[i];"));
    name
}

/// The name of the function of the upper halves of products.
pub(crate) fn upper(helpers: &mut Helpers) -> String {
    let ty = operand(helpers, DType::I32);
    let name = format!("onnxc_upper_{}", vector(DType::I32));
    let lane = "r.v[i] = (int32_t)(((int64_t)a.v[i] * (int64_t)b.v[i]) >> 32);";
    give(helpers, &name, &format!("{ty} {name}({ty} a, {ty} b)"), "vmulhq_s32(a, b)", lane);
    name
}

/// The name of the function that keeps lanes within the limits of 8 bits: shifted up with saturation, and down again, which
/// needs no registers for the limits.
pub(crate) fn saturate(helpers: &mut Helpers, signed: bool) -> String {
    let ty = operand(helpers, DType::I32);
    let name = format!("onnxc_saturate_{}8_{}", if signed { 'i' } else { 'u' }, vector(DType::I32));
    let (low, top) = if signed { (-128, 127) } else { (0, 255) };
    let mve = if signed {
        "vshrq_n_s32(vqshlq_n_s32(a, 24), 24)".to_string()
    } else {
        "vreinterpretq_s32_u32(vshrq_n_u32(vqshluq_n_s32(a, 24), 24))".to_string()
    };
    let lane = format!("r.v[i] = a.v[i] < {low} ? {low} : a.v[i] > {top} ? {top} : a.v[i];");
    give(helpers, &name, &format!("{ty} {name}({ty} a)"), &mve, &lane);
    name
}

/// How one lane of an operation is written: its sign, or the comparison that a limit chooses by, and whether it is a limit.
pub(crate) fn sign(op: BinOp) -> Option<(&'static str, bool)> {
    Some(match op {
        BinOp::Add => ("+", false),
        BinOp::Sub => ("-", false),
        BinOp::Mul => ("*", false),
        BinOp::Max => ("<", true),
        BinOp::Min => (">", true),
        _ => return None,
    })
}

/// A call of an operation; `b` may be the literal that all lanes get.
pub(crate) fn binary(helpers: &mut Helpers, op: BinOp, d: DType, a: &str, b: (&str, bool)) -> Option<String> {
    let (ty, c, s) = (operand(helpers, d), c_type(d), suffix(d));
    let (text, literal) = b;
    if matches!(op, BinOp::Shl | BinOp::Shr) {
        if !literal {
            return None;
        }
        // The instruction holds the number of bits.
        let name = format!("onnxc_{}{text}_{}", op.name(), vector(d));
        let (mve, lane) = match op {
            BinOp::Shl => (format!("vshlq_n_{s}(a, {text})"), format!("r.v[i] = ({c})((uint32_t)a.v[i] << {text});")),
            _ => (format!("vshrq_n_{s}(a, {text})"), format!("r.v[i] = a.v[i] >> {text};")),
        };
        give(helpers, &name, &format!("{ty} {name}({ty} a)"), &mve, &lane);
        return Some(format!("{name}({a})"));
    }
    let (name, second) = match literal {
        true => (format!("onnxc_{}_{}_all", op.name(), vector(d)), format!("{c} b")),
        false => (format!("onnxc_{}_{}", op.name(), vector(d)), format!("{ty} b")),
    };
    let (one, n) = if literal { ("b", "_n") } else { ("b.v[i]", "") };
    let (sign, limit) = sign(op)?;
    let lane = if limit {
        format!("r.v[i] = a.v[i] {sign} {one} ? {one} : a.v[i];")
    } else {
        format!("r.v[i] = ({c})((uint32_t)a.v[i] {sign} (uint32_t){one});")
    };
    let mve = match (limit, literal) {
        (true, true) => format!("v{}q_{s}(a, vdupq_n_{s}(b))", op.name()),
        (true, false) => format!("v{}q_{s}(a, b)", op.name()),
        _ => format!("v{}q{n}_{s}(a, b)", op.name()),
    };
    give(helpers, &name, &format!("{ty} {name}({ty} a, {second})"), &mve, &lane);
    Some(format!("{name}({a}, {text})"))
}
