//! C99 for [`onnxc_source::flow`]: operators where C's mean the same, helpers where not.
//!
//! Integers that may wrap go through unsigned types; those that provably don't are written plainly. Integers of fewer bits
//! than an int are converted back after every operation. A bool is an `int` of 0 or 1, in memory a `uint8_t`.

mod places;
mod text;

use places::read_only;
pub(crate) use text::{float_literal, int_literal};

use crate::floats::{self, Extension};
use crate::helpers::{c_type, unsigned};
use crate::{dots, lanes};
use onnxc_base::{DType, SecondaryMap};
use onnxc_ir::loops::{BinOp, Buf, Callee, CmpOp, Func, Program, Scalar, UnOp};
use onnxc_source::expr::{Expr, Prec};
use onnxc_source::flow::{Header, Known, Language, Passed};
use onnxc_source::helpers::Helpers;
use text::{cast, saturation, small, value_type, vector};

/// The writer of one function.
pub(crate) struct C<'a> {
    pub program: &'a Program,
    pub helpers: &'a mut Helpers,
    /// Names of the buffers of this function.
    pub bufs: SecondaryMap<Buf, String>,
    /// Names of its parameters.
    pub params: Vec<String>,
    /// Names of the program's functions.
    pub functions: &'a [String],
    /// Bits of an address: 64-bit offsets are cut where addresses have 32.
    pub pointer_bits: u32,
    /// Write `#pragma omp`.
    pub openmp: Option<u32>,
    /// Whose vectors of four lanes stay.
    pub vectors: Option<Extension>,
    /// Wide offsets and `0` for a function that returns nothing useful.
    pub ret: Option<DType>,
}

impl Language for C<'_> {
    fn helpers(&mut self) -> &mut Helpers {
        self.helpers
    }

    fn literal(&mut self, s: Scalar, dtype: DType) -> Expr {
        match s.dtype {
            DType::F32 | DType::F64 => {
                let text = float_literal(s);
                let prec = if text.starts_with('-') { Prec::Unary } else { Prec::Primary };
                Expr::new(text, prec, dtype)
            }
            DType::Bool | DType::F16 | DType::BF16 => Expr::primary(s.bits.to_string(), dtype),
            d => {
                let v = if d == DType::U64 { i128::from(s.bits) } else { i128::from(s.to_i64()) };
                let text = int_literal(v, dtype);
                let prec = if text.starts_with('-') { Prec::Unary } else { Prec::Primary };
                Expr::new(text, prec, dtype)
            }
        }
    }

    fn widen(&mut self, e: Expr, to: DType) -> Expr {
        cast(&e, c_type(to), to)
    }

    fn unary(&mut self, op: UnOp, a: Expr, known: Known) -> Expr {
        let d = known.dtype;
        match op {
            UnOp::Neg if d.is_float() || (known.exact && !small(d)) => {
                Expr::new(format!("-{}", a.at(Prec::Primary)), Prec::Unary, d)
            }
            UnOp::Neg => {
                let zero = Expr::primary("0", d);
                let back = Expr::infix(&zero, "-", &cast(&a, unsigned(d), d), Prec::Add, d);
                cast(&back, c_type(d), d)
            }
            // gcc warns of one beside `&` and `|` without parentheses: it takes it for a slip.
            UnOp::Not if d == DType::Bool => Expr::new(format!("!{}", a.at(Prec::Primary)), Prec::Compare, d),
            UnOp::Not => {
                let e = Expr::new(format!("~{}", a.at(Prec::Primary)), Prec::Unary, d);
                self.back(e, d)
            }
            UnOp::Abs if d.is_unsigned_int() => a,
            op => self.help(op.name(), d, &[&a], d),
        }
    }

    fn binary(&mut self, op: BinOp, a: Expr, b: Expr, known: Known) -> Expr {
        let d = known.dtype;
        let plain = known.a.lo >= 0 && known.b.lo > 0 && d.is_int();
        match op {
            BinOp::Add | BinOp::Sub | BinOp::Mul => self.arithmetic(op, a, b, known),
            BinOp::Div if d.is_float() => Expr::infix(&a, "/", &b, Prec::Mul, d),
            BinOp::Div | BinOp::FloorDiv if plain => self.back(Expr::infix(&a, "/", &b, Prec::Mul, d), d),
            BinOp::Rem | BinOp::FloorMod if plain => self.back(Expr::infix(&a, "%", &b, Prec::Mul, d), d),
            BinOp::And | BinOp::Or | BinOp::Xor => {
                let sign = match op {
                    BinOp::And => "&",
                    BinOp::Or => "|",
                    _ => "^",
                };
                self.back(Expr::infix(&a, sign, &b, Prec::Bits, d), d)
            }
            BinOp::Shl | BinOp::Shr => self.shift(op, a, b, known),
            op => self.help(op.name(), d, &[&a, &b], d),
        }
    }

    fn fma(&mut self, a: Expr, b: Expr, c: Expr) -> Expr {
        let d = a.dtype;
        self.help("fma", d, &[&a, &b, &c], d)
    }

    fn saturate(&mut self, a: &Expr, bits: u32, signed: bool) -> Option<Expr> {
        if a.lanes > 1 {
            let name = (bits == 8).then(|| lanes::saturate(self.helpers, signed))?;
            return Some(vector(format!("{name}({})", a.text), DType::I32, a.lanes));
        }
        let name = format!("onnxc_saturate_{}{bits}", if signed { 'i' } else { 'u' });
        self.helpers.add(&name, || saturation(&name, bits, signed));
        Some(Expr::primary(format!("{name}({})", a.text), DType::I32))
    }

    fn load_packed(&mut self, f: &Func, buf: Buf, offset: Expr, lanes: u16) -> Option<Expr> {
        let d = f.bufs[buf].dtype;
        let load = match d {
            DType::F32 => floats::load(self.helpers, self.vectors?).to_string(),
            _ => dots::load(self.helpers, d, lanes, self.pairs()),
        };
        let at = self.address(buf, Some(offset));
        Some(vector(format!("{load}({})", at.text), d, lanes))
    }

    fn splat(&mut self, a: Expr, n: u16) -> Option<Expr> {
        let name = match a.dtype {
            DType::F32 => floats::splat(self.helpers, self.vectors?).to_string(),
            d => lanes::splat(self.helpers, d),
        };
        Some(vector(format!("{name}({})", a.text), a.dtype, n))
    }

    fn binary_lanes(&mut self, op: BinOp, a: Expr, b: Expr) -> Option<Expr> {
        let second = (&*b.text, b.lanes == 1);
        let text = match a.dtype {
            DType::F32 => floats::binary(self.helpers, self.vectors?, op, &a.text, second)?,
            d => lanes::binary(self.helpers, op, d, &a.text, second)?,
        };
        Some(vector(text, a.dtype, a.lanes))
    }

    fn fma_lanes(&mut self, a: Expr, b: Expr, c: Expr) -> Option<Expr> {
        let text = floats::fma(self.helpers, self.vectors?, &a.text, (&b.text, b.lanes == 1), &c.text);
        Some(vector(text, a.dtype, a.lanes))
    }

    fn upper_lanes(&mut self, a: Expr, b: Expr) -> Option<Expr> {
        let name = lanes::upper(self.helpers);
        Some(vector(format!("{name}({}, {})", a.text, b.text), DType::I32, a.lanes))
    }

    fn cast_lanes(&mut self, a: Expr, to: DType) -> Option<Expr> {
        let name = lanes::cast(self.helpers, a.dtype, to);
        Some(vector(format!("{name}({})", a.text), to, a.lanes))
    }

    fn dot(&mut self, a: Expr, b: Expr, c: Expr) -> Option<Expr> {
        let dot = dots::dot(self.helpers, a.dtype, b.dtype, a.lanes, self.pairs());
        Some(Expr::primary(format!("{dot}({}, {}, {})", a.text, b.text, c.text), DType::I32))
    }

    fn compare(&mut self, op: CmpOp, a: Expr, b: Expr) -> Expr {
        Expr::infix(&a, op.sign(), &b, Prec::Compare, DType::Bool)
    }

    fn select(&mut self, cond: Expr, a: Expr, b: Expr) -> Expr {
        let d = a.dtype;
        let e =
            Expr::new(format!("{} ? {} : {}", cond.at(Prec::Add), a.at(Prec::Add), b.at(Prec::Add)), Prec::Choice, d);
        if a.lanes > 1 {
            return Expr { lanes: a.lanes, ..e };
        }
        if small(d) || matches!(d, DType::F16 | DType::BF16) { cast(&e, c_type(d), d) } else { e }
    }

    fn convert(&mut self, a: Expr, to: DType) -> Expr {
        let from = a.dtype;
        match (from, to) {
            (f, DType::Bool) if f.is_float() => {
                let zero = self.literal(Scalar { dtype: f, bits: 0 }, f);
                Expr::infix(&a, "!=", &zero, Prec::Compare, to)
            }
            (f, DType::Bool) => Expr::infix(&a, "!=", &Expr::primary("0", f), Prec::Compare, to),
            (f, t) if f.is_float() && t.is_int() => self.help(&format!("from_{f}"), t, &[&a], t),
            (_, t) => cast(&a, c_type(t), t),
        }
    }

    fn bitcast(&mut self, a: Expr, to: DType) -> Expr {
        let from = a.dtype;
        let real = |d: DType| matches!(d, DType::F32 | DType::F64);
        let bits = if real(from) { self.help("bits", from, &[&a], from) } else { a };
        if real(to) {
            let bits = if from.is_signed_int() { cast(&bits, unsigned(from), to) } else { bits };
            return self.help("float", to, &[&bits], to);
        }
        if c_type(to) == unsigned(from) && (real(from) || from.is_unsigned_int()) {
            Expr { dtype: to, ..bits }
        } else {
            cast(&bits, c_type(to), to)
        }
    }

    fn load(&mut self, f: &Func, buf: Buf, offset: Expr, mask: Option<Expr>) -> Expr {
        let d = f.bufs[buf].dtype;
        let element = Expr::primary(format!("{}[{}]", self.bufs[buf], self.subscript(offset)), d);
        self.masked(element, mask)
    }

    fn is_null(&mut self, _f: &Func, buf: Buf) -> Expr {
        Expr::infix(
            &Expr::primary(self.bufs[buf].clone(), DType::U8),
            "==",
            &Expr::primary("NULL", DType::U8),
            Prec::Compare,
            DType::Bool,
        )
    }

    fn element(&mut self, name: &str, flat: Expr, dtype: DType) -> Expr {
        Expr::primary(format!("{name}[{}]", self.subscript(flat)), dtype)
    }

    fn thread(&mut self) -> Expr {
        let text = if self.openmp.is_some() { "omp_get_thread_num()" } else { "0" };
        Expr::primary(text, DType::I64)
    }

    fn has_threads(&self) -> bool {
        self.openmp.is_some()
    }

    fn declare(&mut self, name: &str, value: &Expr, mutable: bool) -> String {
        let constant = if mutable { "" } else { "const " };
        if value.lanes > 1 {
            let ty = match (value.dtype, self.vectors) {
                (DType::F32, Some(e)) => floats::operand(self.helpers, e).to_string(),
                (d, _) => dots::operand(self.helpers, d, value.lanes, self.pairs()),
            };
            return format!("{constant}{ty} {name} = {};", value.text);
        }
        format!("{constant}{} {name} = {};", value_type(value.dtype), value.text)
    }

    fn declare_tile(&mut self, name: &str, dtype: DType, count: u64) -> String {
        format!("{} {name}[{}] = {{0}};", value_type(dtype), count.max(1))
    }

    fn assign(&mut self, place: &str, op: &str, value: &Expr) -> String {
        format!("{place} {op} {};", value.text)
    }

    fn store(&mut self, f: &Func, buf: Buf, offset: Expr, value: Expr) -> String {
        if value.lanes > 1 {
            let name = match (value.dtype, self.vectors) {
                (DType::F32, Some(e)) => floats::store(self.helpers, e).to_string(),
                (d, _) => lanes::store(self.helpers, d),
            };
            let at = self.address(buf, Some(offset));
            return format!("{name}({}, {});", at.text, value.text);
        }
        let bool_byte = f.bufs[buf].dtype == DType::Bool;
        let value = if bool_byte { cast(&value, "uint8_t", DType::Bool) } else { value };
        format!("{}[{}] = {};", self.bufs[buf], self.subscript(offset), value.text)
    }

    fn open_for(&mut self, h: &Header) -> Vec<String> {
        let mut lines = vec![];
        if let (true, Some(threads)) = (h.parallel, self.openmp) {
            let pragma = format!("#pragma omp parallel for num_threads({threads})");
            lines.extend(["#if defined(_OPENMP)".into(), pragma, "#endif".into()]);
        }
        let (i, ty, lo, hi) = (&h.index, c_type(h.dtype), &h.lo.text, &h.hi.text);
        let step = if h.step == 1 { format!("{i}++") } else { format!("{i} += {}", h.step) };
        lines.push(if h.safe {
            format!("for ({ty} {i} = {lo}; {i} < {hi}; {step}) {{")
        } else {
            format!("for ({ty} {i} = {lo}; {i} < {hi};) {{")
        });
        lines
    }

    fn close_for(&mut self, h: &Header) -> Vec<String> {
        if h.safe {
            return vec![];
        }
        let (i, hi) = (&h.index, &h.hi.text);
        vec![format!("if ((uint64_t){hi} - (uint64_t){i} <= {}u) {{ break; }}", h.step), format!("{i} += {};", h.step)]
    }

    fn open_loop(&mut self) -> String {
        "for (;;) {".into()
    }

    fn open_if(&mut self, cond: &Expr) -> String {
        format!("if ({}) {{", cond.text)
    }

    fn ret(&mut self, value: Option<Expr>) -> String {
        match (value, self.ret) {
            (Some(v), Some(DType::Bool)) => format!("return {};", cast(&v, "uint8_t", DType::Bool).text),
            (Some(v), _) => format!("return {};", v.text),
            (None, Some(_)) => "return 0;".into(),
            (None, None) => "return;".into(),
        }
    }

    fn comment(&mut self, text: &str) -> String {
        format!("/* {} */", text.replace("*/", "* /").replace('\n', " "))
    }

    fn view(&mut self, f: &Func, buf: Buf, base: Buf, byte_offset: Expr) -> Result<Vec<String>, String> {
        Ok(self.view_of(f, buf, base, byte_offset))
    }

    fn entry(&mut self, f: &Func, buf: Buf, table: u32, index: u32) -> Result<Vec<String>, String> {
        let to = c_type(f.bufs[buf].dtype);
        Ok(vec![format!("{to} *const {} = ({to} *){}[{index}];", self.bufs[buf], self.params[table as usize])])
    }

    fn assign_pointer(&mut self, f: &Func, buf: Buf, from: Buf) -> Result<Vec<String>, String> {
        // A pointer may point to what is only read; the program never writes there through it.
        let to = c_type(f.bufs[buf].dtype);
        let value = if read_only(f, from) {
            format!("({to} *)(uintptr_t){}", self.bufs[from])
        } else {
            self.bufs[from].clone()
        };
        Ok(vec![format!("{} = {value};", self.bufs[buf])])
    }

    fn alloc(&mut self, f: &Func, buf: Buf, count: Expr) -> Result<Vec<String>, String> {
        let allocator = self.allocator(f)?;
        let (to, size) = (c_type(f.bufs[buf].dtype), f.bufs[buf].dtype.size());
        let (name, count) = (&self.bufs[buf], cast(&count, "size_t", DType::U64));
        let bytes = if size == 1 { count.text.clone() } else { format!("{} * {size}", count.at(Prec::Mul)) };
        Ok(vec![
            // An empty tensor isn't a failure: it asks for one byte.
            format!(
                "{to} *const {name} = ({to} *){allocator}->alloc({allocator}->context, {bytes} + ({} == 0));",
                count.at(Prec::Add)
            ),
        ])
    }

    fn free(&mut self, f: &Func, buf: Buf) -> Result<Vec<String>, String> {
        let allocator = self.allocator(f)?;
        let name = &self.bufs[buf];
        Ok(vec![format!("if ({name} != NULL) {{ {allocator}->release({allocator}->context, {name}); }}")])
    }

    fn call(
        &mut self,
        f: &Func,
        callee: Callee,
        args: Vec<Passed>,
        result: Option<(String, DType)>,
    ) -> Result<Vec<String>, String> {
        self.call_of(f, callee, args, result)
    }
}
