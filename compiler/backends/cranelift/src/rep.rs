//! How a loops value is held in CLIF values.
//!
//! Cranelift's vectors have 128 bits, so a loops value is a list of CLIF values in one of two forms:
//! - *packed* (`width` = bits of a lane): whole 128-bit chunks, lane 0 in the low lane of the first. Every vector of at
//!   least 128 bits. Bool vectors are masks of 0 / -1 lanes; their width follows the lanes that were compared, so a
//!   mask is ready for the select that uses it.
//! - *scalars* (`width` = 0): one CLIF scalar per lane. Scalars, vectors of fewer bits, and all on a machine without vectors. Bools are 0 or 1 in an i8.

use crate::func::Translator;
use cranelift_codegen::ir::{Type, Value, types};
use onnxc_base::DType;
use onnxc_ir::loops::Ty;

/// The CLIF values of one loops value.
#[derive(Clone, Debug)]
pub(crate) struct Rep {
    /// Bits of a lane in the packed form; 0 for scalars.
    pub width: u32,
    /// Chunks or scalars.
    pub parts: Vec<Value>,
}

impl Rep {
    /// One CLIF scalar per lane.
    pub fn scalars(parts: Vec<Value>) -> Rep {
        Rep { width: 0, parts }
    }

    /// A scalar.
    pub fn scalar(value: Value) -> Rep {
        Rep { width: 0, parts: vec![value] }
    }

    /// 128-bit chunks.
    pub fn packed(width: u32, parts: Vec<Value>) -> Rep {
        Rep { width, parts }
    }

    /// The only part of a scalar.
    pub fn one(&self) -> Value {
        self.parts[0]
    }
}

/// The CLIF scalar type that holds an element; f16 and bf16 are held as their bits.
pub(crate) fn scalar_type(dtype: DType) -> Option<Type> {
    Some(match dtype {
        DType::Bool | DType::I8 | DType::U8 => types::I8,
        DType::I16 | DType::U16 | DType::F16 | DType::BF16 => types::I16,
        DType::I32 | DType::U32 => types::I32,
        DType::I64 | DType::U64 => types::I64,
        DType::F32 => types::F32,
        DType::F64 => types::F64,
        _ => return None,
    })
}

/// The integer type of a width of 8 to 64 bits.
pub(crate) fn int_type(bits: u32) -> Type {
    match bits {
        8 => types::I8,
        16 => types::I16,
        32 => types::I32,
        _ => types::I64,
    }
}

/// The 128-bit vector type of a scalar type.
pub(crate) fn chunk_type(scalar: Type) -> Type {
    scalar.by(128 / scalar.bits()).unwrap_or(types::I8X16)
}

/// The mask type of a chunk whose lanes have `width` bits.
pub(crate) fn mask_type(width: u32) -> Type {
    chunk_type(int_type(width))
}

impl Translator<'_, '_> {
    /// The form in which variables, loads and fallbacks hold a type: its lane width if packed, else 0.
    pub fn width(&self, ty: Ty) -> u32 {
        let bits = ty.elem.bits() as u32;
        if self.cx.vectors && ty.lanes > 1 && u32::from(ty.lanes) * bits >= 128 { bits } else { 0 }
    }

    /// The type of one part of a value whose lanes have `width` bits (0: scalars).
    pub fn part(&self, elem: DType, width: u32) -> Ty {
        Ty { elem, lanes: 128u32.checked_div(width).map_or(1, |lanes| lanes as u16) }
    }

    /// The CLIF type of each part of a type's canonical form.
    pub fn part_type(&self, ty: Ty) -> Option<Type> {
        let scalar = scalar_type(ty.elem)?;
        Some(if self.width(ty) == 0 { scalar } else { chunk_type(scalar) })
    }
}

/// Number of parts of a form.
pub(crate) fn part_count(lanes: u16, width: u32) -> usize {
    if width == 0 { usize::from(lanes) } else { usize::from(lanes) * width as usize / 128 }
}
