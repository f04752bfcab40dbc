//! Small functions that a file contains if its kernels use them: what C has no operator for, or only a function of libm.
//!
//! Each gives the bits that `onnxc_ir::scalar` says, on every C99 compiler: no library call, no reliance on flags. Names are
//! `onnxc_OP_TYPE`; texts are templates over the types. What a helper calls comes before it.

use onnxc_base::DType;
use onnxc_source::helpers::{Library, fill, template};

/// The helpers of C.
pub(crate) static LIBRARY: Library = Library { name: |op, d| format!("onnxc_{op}_{d}"), needs, text };

/// What a helper calls.
fn needs(op: &str, d: DType) -> Vec<(&'static str, DType)> {
    match op {
        "floor" | "ceil" | "round_even" => vec![("trunc", d)],
        "trunc" | "abs" | "sqrt" | "rem" | "to_f16" | "to_bf16" => vec![("bits", d), ("float", d)],
        "floordiv" if d.is_float() => vec![("floor", d)],
        "floormod" if d.is_float() => vec![("rem", d)],
        "from_f16" | "from_bf16" => vec![("float", DType::F32)],
        _ => vec![],
    }
}

/// The C type that holds an element; bool values are `int`.
pub(crate) fn c_type(d: DType) -> &'static str {
    onnxc_codegen::header::c_type(d)
}

/// The unsigned integer type as wide as another type.
pub(crate) fn unsigned(d: DType) -> &'static str {
    match d.bits() {
        8 => "uint8_t",
        16 => "uint16_t",
        32 => "uint32_t",
        _ => "uint64_t",
    }
}

/// The first of the kinds of types that a template is for.
fn find(op: &str, d: DType) -> &'static str {
    let kinds = match (d.is_float(), d.is_signed_int()) {
        (true, _) => ["float", ""],
        (_, true) => ["signed", "integer"],
        _ => ["unsigned", "integer"],
    };
    template(include_str!("templates.txt"), &[d.name(), kinds[0], kinds[1]], op)
}

/// The least and the greatest number of a signed type.
fn limits(d: DType) -> (&'static str, &'static str) {
    match d {
        DType::I64 => ("(-INT64_C(9223372036854775807) - 1)", "INT64_C(9223372036854775807)"),
        DType::I32 => ("(-INT32_C(2147483647) - 1)", "INT32_C(2147483647)"),
        DType::I16 => ("-32768", "32767"),
        DType::I8 => ("-128", "127"),
        _ => ("0", "0"),
    }
}

fn text(op: &str, d: DType) -> String {
    let wide = d == DType::F64;
    let float = if wide { DType::F64 } else { DType::F32 };
    // The direction is the last letter of Arm's instruction.
    let letter = match op {
        "floor" => "m",
        "ceil" => "p",
        "trunc" => "z",
        _ => "n",
    };
    let here = if wide { String::new() } else { format!("{}\n", find("round_here", float).replace("$WAY", letter)) };
    let text = find(op, d)
        .replace("$SQRT_HERE", find("sqrt_here", float))
        .replace("$ROUND_HERE", &here)
        .replace("$ROUND_ELSE", if wide { "" } else { "#endif\n" });
    let (least, greatest) = limits(d);
    fill(&text, d)
        .replace("$T", c_type(d))
        .replace("$U", unsigned(d))
        .replace("$MIN", least)
        .replace("$MAX", greatest)
        .replace("$ONE", if wide { "UINT64_C(1)" } else { "UINT32_C(1)" })
        .replace("$Q", if wide { "" } else { "f" })
}
