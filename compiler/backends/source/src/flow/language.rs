//! How the pieces of a function are written: what a source language says of each.
//!
//! Does NOT decide what stands where: `Flow` asks for pieces in the order of the text.

use crate::expr::Expr;
use crate::helpers::{Helpers, is_half};
use crate::range::Range;
use onnxc_base::DType;
use onnxc_ir::loops::{BinOp, Buf, Callee, CmpOp, Func, Scalar, UnOp};

/// An integer operation with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The type it is done in.
    pub dtype: DType,
    /// Ranges of the operands.
    pub a: Range,
    /// The second operand's.
    pub b: Range,
    /// True if the mathematical result fits the type: nothing wraps.
    pub exact: bool,
}

/// A loop's header.
#[derive(Clone, Debug)]
pub struct Header {
    /// The index's name.
    pub index: String,
    /// Type of the index.
    pub dtype: DType,
    /// First.
    pub lo: Expr,
    /// End, exclusive: a name or a literal.
    pub hi: Expr,
    /// Step.
    pub step: i64,
    /// True if index + step can't overflow.
    pub safe: bool,
    /// True if iterations may run at the same time, and nothing outside of the body is in their way.
    pub parallel: bool,
    /// True if no loop is inside.
    pub innermost: bool,
}

/// How the pieces of a function are written. Operands have the type of the operation already.
pub trait Language {
    /// The small functions of the file.
    fn helpers(&mut self) -> &mut Helpers;
    /// A conversion of values between types that aren't 16-bit floats. `a` may have fewer bits than its type in the program.
    fn convert(&mut self, a: Expr, to: DType) -> Expr;

    /// A call of a helper for a type, of result `out`.
    fn help(&mut self, op: &str, d: DType, args: &[&Expr], out: DType) -> Expr {
        let name = self.helpers().need(op, d);
        let args: Vec<&str> = args.iter().map(|a| a.text.as_str()).collect();
        Expr::primary(format!("{name}({})", args.join(", ")), out)
    }

    /// A conversion of values; 16-bit floats go through f32.
    fn cast(&mut self, a: Expr, to: DType) -> Expr {
        let from = a.dtype;
        if is_half(from) {
            let single = self.help(&format!("from_{from}"), DType::F32, &[&a], DType::F32);
            return if to == DType::F32 { single } else { self.cast(single, to) };
        }
        if is_half(to) {
            let single = if from == DType::F32 { a } else { self.cast(a, DType::F32) };
            return self.help(&format!("to_{to}"), DType::F32, &[&single], to);
        }
        self.convert(a, to)
    }

    /// A constant of a type that holds it.
    fn literal(&mut self, s: Scalar, dtype: DType) -> Expr;
    /// The same integer in another width.
    fn widen(&mut self, e: Expr, to: DType) -> Expr;
    /// One operand.
    fn unary(&mut self, op: UnOp, a: Expr, known: Known) -> Expr;
    /// Two operands.
    fn binary(&mut self, op: BinOp, a: Expr, b: Expr, known: Known) -> Expr;
    /// a * b + c in one rounding.
    fn fma(&mut self, a: Expr, b: Expr, c: Expr) -> Expr;
    /// An i32 kept within the limits of `bits` bits, signed or not; `None` if that is no operation of its own.
    fn saturate(&mut self, _a: &Expr, _bits: u32, _signed: bool) -> Option<Expr> {
        None
    }
    /// Neighbouring elements of a buffer as an operand of [`Language::dot`].
    fn load_packed(&mut self, _f: &Func, _buf: Buf, _offset: Expr, _lanes: u16) -> Option<Expr> {
        None
    }
    /// c plus the sum of the products of packed elements; `None` if the language has no such form.
    fn dot(&mut self, _a: Expr, _b: Expr, _c: Expr) -> Option<Expr> {
        None
    }
    /// A scalar in every lane of a vector that stays (`scalar::Vectors`).
    fn splat(&mut self, _a: Expr, _lanes: u16) -> Option<Expr> {
        None
    }
    /// Two vectors that stay; `b` may be a scalar that every lane gets, and is a literal where bits are shifted.
    fn binary_lanes(&mut self, _op: BinOp, _a: Expr, _b: Expr) -> Option<Expr> {
        None
    }
    /// a * b + c of vectors that stay, each lane in one rounding; `b` may be a scalar that every lane gets.
    fn fma_lanes(&mut self, _a: Expr, _b: Expr, _c: Expr) -> Option<Expr> {
        None
    }
    /// The upper halves of the products of vectors that stay.
    fn upper_lanes(&mut self, _a: Expr, _b: Expr) -> Option<Expr> {
        None
    }
    /// A vector that stays, in lanes of another type; lanes of fewer bits are only stored.
    fn cast_lanes(&mut self, _a: Expr, _to: DType) -> Option<Expr> {
        None
    }
    /// A comparison.
    fn compare(&mut self, op: CmpOp, a: Expr, b: Expr) -> Expr;
    /// A choice.
    fn select(&mut self, cond: Expr, a: Expr, b: Expr) -> Expr;
    /// The same bits.
    fn bitcast(&mut self, a: Expr, to: DType) -> Expr;
    /// An element of a buffer; 0 if the mask says no.
    fn load(&mut self, f: &Func, buf: Buf, offset: Expr, mask: Option<Expr>) -> Expr;
    /// What was loaded; 0 if the mask says no.
    fn masked(&mut self, element: Expr, mask: Option<Expr>) -> Expr {
        let Some(mask) = mask else { return element };
        let zero = self.literal(Scalar { dtype: element.dtype, bits: 0 }, element.dtype);
        self.select(mask, element, zero)
    }
    /// True if a buffer has no memory.
    fn is_null(&mut self, f: &Func, buf: Buf) -> Expr;
    /// An element of a tile in memory.
    fn element(&mut self, name: &str, flat: Expr, dtype: DType) -> Expr;
    /// The number of the thread.
    fn thread(&mut self) -> Expr;
    /// True if that tells threads apart.
    fn has_threads(&self) -> bool {
        false
    }

    /// Declares a value (`let`) or, mutable, a variable.
    fn declare(&mut self, name: &str, value: &Expr, mutable: bool) -> String;
    /// Declares a tile in memory, all zero.
    fn declare_tile(&mut self, name: &str, dtype: DType, count: u64) -> String;
    /// Assigns; `op` for `x op= value`.
    fn assign(&mut self, place: &str, op: &str, value: &Expr) -> String;
    /// Writes an element.
    fn store(&mut self, f: &Func, buf: Buf, offset: Expr, value: Expr) -> String;
    /// Begins a loop: lines, the last one opening its block.
    fn open_for(&mut self, h: &Header) -> Vec<String>;
    /// Ends its body: lines inside, before the block closes.
    fn close_for(&mut self, h: &Header) -> Vec<String>;
    /// Begins an endless loop.
    fn open_loop(&mut self) -> String;
    /// Begins a branch.
    fn open_if(&mut self, cond: &Expr) -> String;
    /// Ends the function.
    fn ret(&mut self, value: Option<Expr>) -> String;
    /// A remark.
    fn comment(&mut self, text: &str) -> String;
    /// A view of memory.
    fn view(&mut self, f: &Func, buf: Buf, base: Buf, byte_offset: Expr) -> Result<Vec<String>, String>;
    /// An entry of a table.
    fn entry(&mut self, f: &Func, buf: Buf, table: u32, index: u32) -> Result<Vec<String>, String>;
    /// A pointer is set.
    fn assign_pointer(&mut self, f: &Func, buf: Buf, from: Buf) -> Result<Vec<String>, String>;
    /// Heap memory.
    fn alloc(&mut self, f: &Func, buf: Buf, count: Expr) -> Result<Vec<String>, String>;
    /// Heap memory is given back.
    fn free(&mut self, f: &Func, buf: Buf) -> Result<Vec<String>, String>;
    /// A call; `result`: the name of what it returns.
    fn call(
        &mut self,
        f: &Func,
        callee: Callee,
        args: Vec<Passed>,
        result: Option<(String, DType)>,
    ) -> Result<Vec<String>, String>;
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub enum Passed {
    /// A scalar of the program's type.
    Value(Expr),
    /// A buffer from an element on.
    Buf(Buf, Option<Expr>),
    /// A table of the caller.
    Table(u32),
}
