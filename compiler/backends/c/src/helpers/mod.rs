//! Small functions that a file contains if its kernels use them: what C has no operator for, or only a function of libm.
//!
//! Each gives the bits that `onnxc_ir::scalar` says, on every C99 compiler: no library call, no reliance on flags. Names are
//! `onnxc_OP_TYPE`; texts are templates over the types. What a helper calls comes before it.

mod float;
mod integer;

use float::{ROUND_32, SQRT_32, SQRT_64, float};
use integer::integer;
use onnxc_base::DType;
use onnxc_source::helpers::{Library, fill};

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

fn text(op: &str, d: DType) -> String {
    let template = if d.is_float() { float(op, d) } else { integer(op, d) };
    let wide = d == DType::F64;
    let limit = |signed: bool| match d {
        DType::I64 => {
            if signed {
                "(-INT64_C(9223372036854775807) - 1)"
            } else {
                "INT64_C(9223372036854775807)"
            }
        }
        DType::I32 => {
            if signed {
                "(-INT32_C(2147483647) - 1)"
            } else {
                "INT32_C(2147483647)"
            }
        }
        DType::I16 => {
            if signed {
                "-32768"
            } else {
                "32767"
            }
        }
        DType::I8 => {
            if signed {
                "-128"
            } else {
                "127"
            }
        }
        _ => "0",
    };
    let template = template.replace("$SQRT_HERE", if wide { SQRT_64 } else { SQRT_32 });
    // The direction is the last letter of Arm's instruction.
    let letter = match op {
        "floor" => "m",
        "ceil" => "p",
        "trunc" => "z",
        _ => "n",
    };
    let (here, otherwise) = if wide { (String::new(), "") } else { (ROUND_32.replace("$WAY", letter), "#endif\n") };
    fill(&template.replace("$ROUND_HERE", &here).replace("$ROUND_ELSE", otherwise), d)
        .replace("$T", c_type(d))
        .replace("$U", unsigned(d))
        .replace("$MIN", limit(true))
        .replace("$MAX", limit(false))
        .replace("$ONE", if wide { "UINT64_C(1)" } else { "UINT32_C(1)" })
        .replace("$Q", if wide { "" } else { "f" })
}
