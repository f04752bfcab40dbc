//! Small functions that a module contains if its kernels use them: what `core` has no operator or method for.

use onnxc_base::DType;
use onnxc_source::helpers::{Library, fill, template};

/// The helpers of Rust.
pub(crate) static LIBRARY: Library = Library { name, needs, text };

fn name(op: &str, d: DType) -> String {
    let generic = matches!(op, "min" | "max" | "parts" | "get" | "put" | "chunk" | "chunk_mut" | "rolled");
    if generic { op.to_string() } else { format!("{op}_{d}") }
}

/// What a helper calls.
fn needs(op: &str, d: DType) -> Vec<(&'static str, DType)> {
    match op {
        "floor" | "ceil" => vec![("trunc", d)],
        "floordiv" if d.is_float() => vec![("floor", d)],
        _ => vec![],
    }
}

/// The Rust type that memory holds.
pub(crate) fn memory_type(d: DType) -> &'static str {
    match d {
        DType::F32 => "f32",
        DType::F64 | DType::C128 => "f64",
        DType::I8 => "i8",
        DType::I16 => "i16",
        DType::I32 => "i32",
        DType::I64 => "i64",
        DType::U16 | DType::F16 | DType::BF16 => "u16",
        DType::U32 => "u32",
        // Of a complex number the real part is the low half.
        DType::U64 | DType::C64 => "u64",
        _ => "u8",
    }
}

/// The Rust type of a value.
pub(crate) fn value_type(d: DType) -> &'static str {
    if d == DType::Bool { "bool" } else { memory_type(d) }
}

fn text(op: &str, d: DType) -> String {
    let wide = d == DType::F64;
    let kinds: &[&str] = match (d.is_float(), d.is_signed_int()) {
        (true, _) => &["float", "any"],
        (_, true) => &["signed", "integer", "any"],
        _ => &["unsigned", "integer", "any"],
    };
    let template = template(include_str!("templates.txt"), kinds, op);
    fill(template, d).replace("$T", value_type(d)).replace("$U", if wide { "u64" } else { "u32" })
}
