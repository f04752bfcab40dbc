//! Texts of places: subscripts, addresses, views, and what a call is given.

use super::C;
use super::text::{cast, value_type};
use crate::helpers::c_type;
use onnxc_base::DType;
use onnxc_codegen::backend::ALLOCATOR_PARAM;
use onnxc_ir::loops::{Buf, BufKind, Callee, Func, ParamKind};
use onnxc_source::expr::{Expr, Prec};
use onnxc_source::flow::Passed;

impl C<'_> {
    /// True where packed bytes may be pairs of halves.
    pub(super) fn pairs(&self) -> bool {
        self.vectors != Some(crate::floats::Extension::Helium)
    }

    /// An offset for a subscript.
    pub(super) fn subscript(&self, offset: Expr) -> String {
        if self.pointer_bits < 64 && offset.dtype == DType::I64 && !offset.text.chars().all(|c| c.is_ascii_digit()) {
            return cast(&offset, "int32_t", DType::I32).text;
        }
        offset.text
    }

    /// The address of a buffer, from an element on.
    pub(super) fn address(&self, buf: Buf, offset: Option<Expr>) -> Expr {
        match offset {
            Some(o) if o.text != "0" => {
                let at = Expr { text: self.subscript(o.clone()), ..o };
                Expr::new(format!("{} + {}", self.bufs[buf], at.at(Prec::Mul)), Prec::Add, DType::U8)
            }
            _ => Expr::primary(self.bufs[buf].clone(), DType::U8),
        }
    }

    /// A pointer into a buffer.
    pub(super) fn view_of(&self, f: &Func, buf: Buf, base: Buf, byte_offset: Expr) -> Vec<String> {
        let read_only = read_only(f, base);
        let constant = if read_only { "const " } else { "" };
        let (to, from) = (c_type(f.bufs[buf].dtype), c_type(f.bufs[base].dtype));
        let name = &self.bufs[buf];
        let base_name = &self.bufs[base];
        let zero = byte_offset.text == "0";
        let bytes = if from == "uint8_t" { base_name.clone() } else { format!("({constant}uint8_t *){base_name}") };
        let at = Expr { text: self.subscript(byte_offset.clone()), ..byte_offset };
        let address = if zero { base_name.clone() } else { format!("({bytes} + {})", at.at(Prec::Mul)) };
        let value = if to == "uint8_t" && (from == to || !zero) {
            address
        } else if to == from && zero {
            base_name.clone()
        } else {
            format!("({constant}{to} *)({constant}void *){address}")
        };
        vec![format!("{constant}{to} *const {name} = {value};")]
    }

    /// A call, with pointers of the types that the callee declares.
    pub(super) fn call_of(
        &mut self,
        f: &Func,
        callee: Callee,
        args: Vec<Passed>,
        result: Option<(String, DType)>,
    ) -> Result<Vec<String>, String> {
        let (name, kinds): (&str, Vec<ParamKind>) = match callee {
            Callee::Func(id) => {
                use onnxc_base::EntityRef;
                (self.functions[id.index()].as_str(), self.program.funcs[id].params.iter().map(|p| p.kind).collect())
            }
            Callee::Extern(id) => (self.program.externs[id].symbol.as_str(), self.program.externs[id].params.clone()),
        };
        let mut texts = vec![];
        for (arg, kind) in args.into_iter().zip(kinds) {
            texts.push(match arg {
                Passed::Value(e) if e.dtype == DType::Bool => cast(&e, "uint8_t", DType::Bool).text,
                Passed::Value(e) => e.text,
                Passed::Table(i) => self.params[i as usize].clone(),
                Passed::Buf(buf, offset) => {
                    let ParamKind::Buf { dtype, mutable } = kind else { return Err("a buffer for no buffer".into()) };
                    let e = self.address(buf, offset);
                    let same = c_type(f.bufs[buf].dtype) == c_type(dtype);
                    let constant = if mutable { "" } else { "const " };
                    let from_const = read_only(f, buf);
                    if same && !(mutable && from_const) {
                        e.text
                    } else {
                        format!("({constant}{} *)({constant}void *){}", c_type(dtype), e.at(Prec::Unary))
                    }
                }
            });
        }
        let call = format!("{name}({})", texts.join(", "));
        Ok(vec![match result {
            Some((name, d)) => format!("const {} {name} = {call};", value_type(d)),
            None => format!("{}{call};", if self.returns(callee) { "(void)" } else { "" }),
        }])
    }

    fn returns(&self, callee: Callee) -> bool {
        match callee {
            Callee::Func(id) => self.program.funcs[id].ret.is_some(),
            Callee::Extern(id) => self.program.externs[id].ret.is_some(),
        }
    }

    pub(super) fn allocator(&self, f: &Func) -> Result<String, String> {
        let i = f.params.iter().position(|p| p.name == ALLOCATOR_PARAM);
        i.map(|i| self.params[i].clone())
            .ok_or_else(|| format!("heap memory is used without a parameter named '{ALLOCATOR_PARAM}'"))
    }
}

/// True if the C type of a buffer points to const: constants, parameters that aren't written, and views of those.
pub(crate) fn read_only(f: &Func, buf: Buf) -> bool {
    match f.bufs[buf].kind {
        BufKind::Const(_) => true,
        BufKind::Param(i) => matches!(f.params[i as usize].kind, ParamKind::Buf { mutable: false, .. }),
        BufKind::Local => view_base(&f.body, buf).is_some_and(|b| read_only(f, b)),
        BufKind::Stack(_) | BufKind::Pointer => false,
    }
}

fn view_base(b: &onnxc_ir::loops::Block, buf: Buf) -> Option<Buf> {
    b.0.iter().find_map(|s| match s {
        onnxc_ir::loops::Stmt::View { buf: v, base, .. } if *v == buf => Some(*base),
        s => onnxc_ir::loops::walk::blocks(s).into_iter().find_map(|b| view_base(b, buf)),
    })
}
