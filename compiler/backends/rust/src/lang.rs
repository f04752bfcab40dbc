//! Rust for [`onnxc_source::flow`]: operators where nothing can overflow, wrapping methods where it can.

use crate::borrow::Borrow;
use crate::dots;
use crate::extents::Extents;
use crate::helpers::{memory_type, value_type};
use crate::roots::Root;
use onnxc_base::{DType, EntityRef, SecondaryMap};
use onnxc_ir::loops::{BinOp, Buf, Callee, CmpOp, Func, ParamKind, Program, Scalar, UnOp};
use onnxc_source::expr::{Expr, Prec};
use onnxc_source::flow::{Header, Known, Language, Passed};
use onnxc_source::helpers::Helpers;
use std::collections::BTreeSet;

/// The writer of one function.
pub(crate) struct Rust<'a> {
    pub program: &'a Program,
    pub helpers: &'a mut Helpers,
    pub roots: SecondaryMap<Buf, Option<Root>>,
    /// Elements from the root's beginning on: empty for 0.
    pub offsets: SecondaryMap<Buf, String>,
    /// Names of parameters.
    pub params: Vec<String>,
    /// Names of stack buffers and of offsets that vary.
    pub names: SecondaryMap<Buf, String>,
    pub functions: &'a [String],
    pub constants: &'a [String],
    /// Arenas that are used, over all functions.
    pub arenas: &'a mut BTreeSet<&'static str>,
    /// Indices are believed.
    pub unchecked: bool,
    /// Loops stay loops.
    pub rolled: bool,
    /// Elements behind the parameters of functions.
    pub extents: &'a Extents,
    pub ret: Option<DType>,
}

/// True for the text of a number.
pub(crate) fn number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || ".e".contains(c)) && !text.starts_with('e')
}

/// `e as T`, in parentheses wherever it is an operand: `a as u8 < b` isn't Rust.
fn cast(e: &Expr, d: DType) -> Expr {
    Expr::new(format!("{} as {}", e.at(Prec::Unary), value_type(d)), Prec::Choice, d)
}

/// The text of a float.
pub(crate) fn float_literal(s: Scalar) -> String {
    let v = s.to_f64();
    let ty = if s.dtype == DType::F64 { "f64" } else { "f32" };
    if v.is_nan() {
        return format!("{ty}::NAN");
    }
    if v.is_infinite() {
        return if v < 0.0 { format!("{ty}::NEG_INFINITY") } else { format!("{ty}::INFINITY") };
    }
    if ty == "f64" { format!("{v:?}") } else { format!("{:?}", f32::from_bits(s.bits as u32)) }
}

impl Rust<'_> {
    /// An expression that a method can be called on.
    fn receiver(e: &Expr) -> String {
        if number(e.text.trim_start_matches('-')) {
            let text = format!("{}{}", e.text, value_type(e.dtype));
            return if text.starts_with('-') { format!("({text})") } else { text };
        }
        e.at(Prec::Primary)
    }

    fn method(a: &Expr, name: &str, args: &str, d: DType) -> Expr {
        Expr::primary(format!("{}.{name}({args})", Self::receiver(a)), d)
    }
}

impl Language for Rust<'_> {
    fn helpers(&mut self) -> &mut Helpers {
        self.helpers
    }

    fn literal(&mut self, s: Scalar, dtype: DType) -> Expr {
        let text = match s.dtype {
            DType::F32 | DType::F64 => float_literal(s),
            DType::Bool => (s.bits != 0).to_string(),
            DType::F16 | DType::BF16 | DType::U64 => s.bits.to_string(),
            _ => s.to_i64().to_string(),
        };
        let prec = if text.starts_with('-') { Prec::Unary } else { Prec::Primary };
        Expr::new(text, prec, dtype)
    }

    fn widen(&mut self, e: Expr, to: DType) -> Expr {
        cast(&e, to)
    }

    fn unary(&mut self, op: UnOp, a: Expr, known: Known) -> Expr {
        let d = known.dtype;
        match op {
            UnOp::Neg if d.is_float() || (known.exact && d.is_signed_int()) => {
                Expr::new(format!("-{}", a.at(Prec::Primary)), Prec::Unary, d)
            }
            UnOp::Neg => Self::method(&a, "wrapping_neg", "", d),
            UnOp::Not => Expr::new(format!("!{}", a.at(Prec::Primary)), Prec::Unary, d),
            UnOp::Abs if d.is_unsigned_int() => a,
            UnOp::Abs if d.is_int() => Self::method(&a, "wrapping_abs", "", d),
            UnOp::Abs => {
                let (ty, bits) = (value_type(d), Self::method(&a, "to_bits", "", d).text);
                Expr::primary(format!("{ty}::from_bits({bits} & !(1 << {}))", d.bits() - 1), d)
            }
            op => self.help(op.name(), d, &[&a], d),
        }
    }

    fn binary(&mut self, op: BinOp, a: Expr, b: Expr, known: Known) -> Expr {
        let d = known.dtype;
        let plain = known.a.lo >= 0 && known.b.lo > 0 && d.is_int();
        let infix = |sign: &str, prec: Prec| Expr::infix(&a, sign, &b, prec, d);
        let wrap = |name: &str| Self::method(&a, name, &b.text, d);
        let free = d.is_float() || known.exact;
        match op {
            BinOp::Add if free => infix("+", Prec::Add),
            BinOp::Sub if free => infix("-", Prec::Add),
            BinOp::Mul if free => infix("*", Prec::Mul),
            BinOp::Add => wrap("wrapping_add"),
            BinOp::Sub => wrap("wrapping_sub"),
            BinOp::Mul => wrap("wrapping_mul"),
            BinOp::Div if d.is_float() => infix("/", Prec::Mul),
            BinOp::Rem if d.is_float() => infix("%", Prec::Mul),
            BinOp::Div | BinOp::FloorDiv if plain => infix("/", Prec::Mul),
            BinOp::Rem | BinOp::FloorMod if plain => infix("%", Prec::Mul),
            BinOp::And => infix("&", Prec::Bits),
            BinOp::Or => infix("|", Prec::Bits),
            BinOp::Xor => infix("^", Prec::Bits),
            BinOp::Shl | BinOp::Shr if known.b.lo >= 0 && known.b.hi < d.bits() as i128 => {
                infix(if op == BinOp::Shl { "<<" } else { ">>" }, Prec::Bits)
            }
            op => self.help(op.name(), d, &[&a, &b], d),
        }
    }

    fn fma(&mut self, a: Expr, b: Expr, c: Expr) -> Expr {
        // `core` has none; the scheduler was told so.
        let d = a.dtype;
        Expr::primary(format!("compile_error!(\"fused multiply-add of {}, {}, {}\")", a.text, b.text, c.text), d)
    }

    fn load_packed(&mut self, f: &Func, buf: Buf, offset: Expr, lanes: u16) -> Option<Expr> {
        let d = f.bufs[buf].dtype;
        let (_, name) = self.place(buf).filter(|_| self.unchecked && lanes == 4)?;
        let at = self.subscript(buf, &offset);
        Some(Expr { lanes, ..Expr::primary(dots::load(self.helpers, d, &name, &at), d) })
    }

    fn dot(&mut self, a: Expr, b: Expr, c: Expr) -> Option<Expr> {
        let text = dots::dot(self.helpers, (a.dtype, &a.text), (b.dtype, &b.text), &c.text);
        Some(Expr::primary(text, DType::I32))
    }

    fn compare(&mut self, op: CmpOp, a: Expr, b: Expr) -> Expr {
        Expr::infix(&a, op.sign(), &b, Prec::Compare, DType::Bool)
    }

    fn select(&mut self, cond: Expr, a: Expr, b: Expr) -> Expr {
        Expr::new(format!("if {} {{ {} }} else {{ {} }}", cond.text, a.text, b.text), Prec::Choice, a.dtype)
    }

    fn convert(&mut self, a: Expr, to: DType) -> Expr {
        let from = a.dtype;
        match to {
            DType::Bool => {
                let zero = if from.is_float() { "0.0" } else { "0" };
                Expr::infix(&a, "!=", &Expr::primary(zero, from), Prec::Compare, to)
            }
            // Only integers come from bools.
            to if from == DType::Bool && to.is_float() => cast(&cast(&a, DType::U8), to),
            to => cast(&a, to),
        }
    }

    fn bitcast(&mut self, a: Expr, to: DType) -> Expr {
        let real = |d: DType| matches!(d, DType::F32 | DType::F64);
        let bits = if real(a.dtype) {
            let unsigned = if a.dtype == DType::F64 { DType::U64 } else { DType::U32 };
            Self::method(&a, "to_bits", "", unsigned)
        } else {
            a
        };
        if real(to) {
            let unsigned = if to == DType::F64 { DType::U64 } else { DType::U32 };
            let bits = if bits.dtype == unsigned { bits } else { cast(&bits, unsigned) };
            return Expr::primary(format!("{}::from_bits({})", value_type(to), bits.text), to);
        }
        if value_type(bits.dtype) == value_type(to) { Expr { dtype: to, ..bits } } else { cast(&bits, to) }
    }

    fn load(&mut self, f: &Func, buf: Buf, offset: Expr, mask: Option<Expr>) -> Expr {
        let d = f.bufs[buf].dtype;
        let Some((_, name)) = self.place(buf) else { return Expr::primary("0", d) };
        let at = self.subscript(buf, &offset);
        let element = if self.unchecked {
            let get = self.helpers.need("get", DType::F32);
            Expr::primary(format!("{get}(&{name}, {at})"), d)
        } else {
            Expr::primary(format!("{name}[{at}]"), d)
        };
        let value =
            if d == DType::Bool { Expr::new(format!("{} != 0", element.text), Prec::Compare, d) } else { element };
        self.masked(value, mask)
    }

    fn is_null(&mut self, _f: &Func, _buf: Buf) -> Expr {
        Expr::primary("false", DType::Bool)
    }

    fn element(&mut self, name: &str, flat: Expr, dtype: DType) -> Expr {
        let at = if number(&flat.text) { flat.text } else { format!("{} as usize", flat.at(Prec::Unary)) };
        Expr::primary(format!("{name}[{at}]"), dtype)
    }

    fn thread(&mut self) -> Expr {
        Expr::primary("0", DType::I64)
    }

    fn declare(&mut self, name: &str, value: &Expr, mutable: bool) -> String {
        let ty = match value.lanes {
            1 => value_type(value.dtype).to_string(),
            _ => dots::operand(self.helpers, value.dtype),
        };
        format!("let {}{name}: {ty} = {};", if mutable { "mut " } else { "" }, value.text)
    }

    fn declare_tile(&mut self, name: &str, dtype: DType, count: u64) -> String {
        let zero = match dtype {
            DType::Bool => "false",
            DType::F32 | DType::F64 => "0.0",
            _ => "0",
        };
        format!("let mut {name}: [{}; {count}] = [{zero}; {count}];", value_type(dtype))
    }

    fn assign(&mut self, place: &str, op: &str, value: &Expr) -> String {
        format!("{place} {op} {};", value.text)
    }

    fn store(&mut self, f: &Func, buf: Buf, offset: Expr, value: Expr) -> String {
        let d = f.bufs[buf].dtype;
        let Some((root, name)) = self.place(buf) else { return String::new() };
        let at = self.subscript(buf, &offset);
        let value = if d == DType::Bool { format!("u8::from({})", value.text) } else { value.text };
        if self.unchecked {
            let put = self.helpers.need("put", DType::F32);
            // What is read from the same memory is read before it is borrowed.
            return format!("{put}({at}, {value}, &mut {name}{});", self.whole(&root));
        }
        format!("{name}[{at}] = {value};")
    }

    fn open_for(&mut self, h: &Header) -> Vec<String> {
        let ty = value_type(h.dtype);
        if h.step == 1 {
            let lo = if number(&h.lo.text) { format!("{}{ty}", h.lo.text) } else { h.lo.at(Prec::Add) };
            return vec![format!("for {} in {lo}..{} {{", h.index, h.hi.text)];
        }
        vec![format!("let mut {}: {ty} = {};", h.index, h.lo.text), format!("while {} < {} {{", h.index, h.hi.text)]
    }

    fn close_for(&mut self, h: &Header) -> Vec<String> {
        let mut lines = vec![];
        if self.rolled && h.innermost {
            lines.push(format!("{}();", self.helpers.need("rolled", DType::F32)));
        }
        if h.step == 1 {
            return lines;
        }
        if !h.safe {
            let hi = Self::receiver(&cast(&Expr::primary(Self::receiver(&h.hi), h.dtype), DType::U64));
            lines.push(format!("if {hi}.wrapping_sub({} as u64) <= {} {{", h.index, h.step));
            lines.push("    break;".into());
            lines.push("}".into());
        }
        lines.push(format!("{} += {};", h.index, h.step));
        lines
    }

    fn open_loop(&mut self) -> String {
        "loop {".into()
    }

    fn open_if(&mut self, cond: &Expr) -> String {
        format!("if {} {{", cond.text)
    }

    fn ret(&mut self, value: Option<Expr>) -> String {
        match (value, self.ret) {
            (Some(v), _) => format!("return {};", v.text),
            (None, Some(_)) => "return Default::default();".into(),
            (None, None) => "return;".into(),
        }
    }

    fn comment(&mut self, text: &str) -> String {
        format!("// {}", text.replace('\n', " "))
    }

    fn view(&mut self, f: &Func, buf: Buf, base: Buf, byte_offset: Expr) -> Result<Vec<String>, String> {
        let size = f.bufs[buf].dtype.size().max(1);
        let base_size = f.bufs[base].dtype.size().max(1);
        let (here, before) = (byte_offset.text.parse::<usize>().ok(), self.offsets[base].clone());
        // Offsets count elements; those of the base may be of another size.
        let before = match (before.as_str(), before.parse::<usize>()) {
            ("", _) => Ok(0),
            (_, Ok(n)) => Ok(n * base_size / size),
            (text, Err(_)) if base_size == size => Err(text.to_string()),
            (text, Err(_)) => Err(format!("{text} * {base_size} / {size}")),
        };
        if let (Some(bytes), Ok(n)) = (here, &before) {
            let at = bytes / size + n;
            self.offsets[buf] = if at == 0 { String::new() } else { at.to_string() };
            return Ok(vec![]);
        }
        let bytes =
            if here.is_some() { byte_offset.text.clone() } else { format!("{} as usize", byte_offset.at(Prec::Unary)) };
        let own = if size == 1 { bytes } else { format!("({bytes}) / {size}") };
        let sum = match before {
            Ok(0) => own,
            Ok(n) => format!("{n} + {own}"),
            Err(text) => format!("{text} + {own}"),
        };
        self.offsets[buf] = self.names[buf].clone();
        Ok(vec![format!("let {}: usize = {sum};", self.names[buf])])
    }

    fn entry(&mut self, _f: &Func, _buf: Buf, _table: u32, _index: u32) -> Result<Vec<String>, String> {
        Err("a table of addresses, which safe Rust can't have".into())
    }

    fn assign_pointer(&mut self, _f: &Func, buf: Buf, from: Buf) -> Result<Vec<String>, String> {
        let at = if self.offsets[from].is_empty() { "0" } else { self.offsets[from].as_str() };
        Ok(vec![format!("{} = {at};", self.names[buf])])
    }

    fn alloc(&mut self, _f: &Func, _buf: Buf, _count: Expr) -> Result<Vec<String>, String> {
        Err("memory of a size that is known only during the run, which a module without an allocator can't have".into())
    }

    fn free(&mut self, _f: &Func, _buf: Buf) -> Result<Vec<String>, String> {
        Err("memory that is given back, which a module without an allocator can't have".into())
    }

    fn call(
        &mut self,
        f: &Func,
        callee: Callee,
        args: Vec<Passed>,
        result: Option<(String, DType)>,
    ) -> Result<Vec<String>, String> {
        let Callee::Func(id) = callee else {
            return Err("an operator that is a C function, which safe Rust can't call".into());
        };
        let name = self.functions[id.index()].clone();
        let kinds: Vec<ParamKind> = self.program.funcs[id].params.iter().map(|p| p.kind).collect();
        let mut bufs = vec![];
        for (param, (arg, kind)) in args.iter().zip(&kinds).enumerate() {
            if let (Passed::Buf(buf, offset), ParamKind::Buf { dtype, mutable }) = (arg, kind) {
                if memory_type(f.bufs[*buf].dtype) != memory_type(*dtype) {
                    return Err(format!(
                        "memory of {} is passed as {dtype}, which safe Rust can't",
                        f.bufs[*buf].dtype
                    ));
                }
                let elements = self.extents.get(&id).map_or(0, |all| all[param]);
                let at = self.index(*buf, offset.as_ref());
                bufs.push(Borrow { buf: *buf, at, mutable: *mutable, elements });
            }
        }
        let mut lines = vec![];
        let mut borrowed = self.borrow(&bufs, &mut lines)?.into_iter();
        let mut texts = vec![];
        for arg in args {
            texts.push(match arg {
                Passed::Value(e) => e.text,
                Passed::Buf(..) => borrowed.next().unwrap_or_default(),
                Passed::Table(_) => return Err("a table of addresses, which safe Rust can't have".into()),
            });
        }
        let call = format!("{name}({})", texts.join(", "));
        lines.push(match result {
            Some((name, d)) => format!("let {name}: {} = {call};", value_type(d)),
            None => format!("{call};"),
        });
        Ok(lines)
    }
}
