//! Comparisons: bools as masks of the width that was compared, or as 0 / 1 scalars.

use crate::func::Translator;
use crate::rep::Rep;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{self, InstBuilder};
use onnxc_base::DType;
use onnxc_ir::loops::{CmpOp, Value};

impl Translator<'_, '_> {
    /// `Op::Compare`.
    pub fn compare(&mut self, op: CmpOp, a: Value, b: Value) -> Rep {
        let ty = self.func.values[a].ty;
        let (mut a, mut b) = (self.rep(a), self.rep(b));
        if a.width != b.width {
            let width = a.width.max(b.width);
            a = self.mask_of_width(&a, ty.lanes, width);
            b = self.mask_of_width(&b, ty.lanes, width);
        }
        let width = a.width;
        let parts: Vec<ir::Value> =
            (0..a.parts.len()).map(|i| self.compare_part(op, ty.elem, width, a.parts[i], b.parts[i])).collect();
        debug_assert!(width == 0 || ty.elem == DType::Bool || width == self.width(ty), "one packed form");
        if width == 64 && ty.elem.is_int() && ty.lanes >= 4 {
            // Compared indices mask accesses, mostly of 32-bit elements: half the chunks to keep and to combine.
            return Rep::packed(32, self.narrow(&parts, 64));
        }
        Rep { width, parts }
    }

    fn compare_part(&mut self, op: CmpOp, elem: DType, width: u32, a: ir::Value, b: ir::Value) -> ir::Value {
        match elem {
            DType::Bool => self.bool_compare(op, width, a, b),
            DType::F32 | DType::F64 => self.b.ins().fcmp(float_condition(op), a, b),
            DType::F16 | DType::BF16 => {
                self.fail(format!("a comparison of {elem}, which is for storage only"));
                a
            }
            d => self.b.ins().icmp(int_condition(op, d.is_signed_int()), a, b),
        }
    }

    fn bool_compare(&mut self, op: CmpOp, width: u32, a: ir::Value, b: ir::Value) -> ir::Value {
        match op {
            CmpOp::Ne => self.b.ins().bxor(a, b),
            CmpOp::Eq => {
                let ne = self.b.ins().bxor(a, b);
                self.bool_not(ne, width)
            }
            CmpOp::Lt | CmpOp::Ge => {
                let not = self.bool_not(a, width);
                let less = self.b.ins().band(not, b);
                if op == CmpOp::Lt { less } else { self.bool_not(less, width) }
            }
            CmpOp::Gt | CmpOp::Le => {
                let not = self.bool_not(b, width);
                let more = self.b.ins().band(a, not);
                if op == CmpOp::Gt { more } else { self.bool_not(more, width) }
            }
        }
    }
}

fn float_condition(op: CmpOp) -> FloatCC {
    match op {
        CmpOp::Eq => FloatCC::Equal,
        CmpOp::Ne => FloatCC::NotEqual,
        CmpOp::Lt => FloatCC::LessThan,
        CmpOp::Le => FloatCC::LessThanOrEqual,
        CmpOp::Gt => FloatCC::GreaterThan,
        CmpOp::Ge => FloatCC::GreaterThanOrEqual,
    }
}

fn int_condition(op: CmpOp, signed: bool) -> IntCC {
    match (op, signed) {
        (CmpOp::Eq, _) => IntCC::Equal,
        (CmpOp::Ne, _) => IntCC::NotEqual,
        (CmpOp::Lt, true) => IntCC::SignedLessThan,
        (CmpOp::Le, true) => IntCC::SignedLessThanOrEqual,
        (CmpOp::Gt, true) => IntCC::SignedGreaterThan,
        (CmpOp::Ge, true) => IntCC::SignedGreaterThanOrEqual,
        (CmpOp::Lt, false) => IntCC::UnsignedLessThan,
        (CmpOp::Le, false) => IntCC::UnsignedLessThanOrEqual,
        (CmpOp::Gt, false) => IntCC::UnsignedGreaterThan,
        (CmpOp::Ge, false) => IntCC::UnsignedGreaterThanOrEqual,
    }
}
