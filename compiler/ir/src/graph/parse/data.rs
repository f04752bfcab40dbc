//! Constants and their elements.

use super::{Parser, Typed};
use crate::graph::print::data_hash;
use crate::graph::{Type, ValueDef};
use onnxc_base::tensor::{Element, element_count};
use onnxc_base::{Bytes, DType, Diagnostic, Tensor};

impl Parser<'_> {
    /// `$w: f32[2] = [1.0, 2.0]`; the word `const` was taken.
    pub(super) fn constant(&mut self) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let name = self.c.sigil('$')?;
        self.c.expect(":")?;
        let ty = self.ty(0)?;
        self.c.expect("=")?;
        let fixed = ty.as_tensor().and_then(|t| Some((t.dtype, t.fixed()?)));
        let Some((dtype, shape)) = fixed else {
            return Err(self.error("E7012", at, "a constant is a tensor of fixed extents"));
        };
        let value = self.elements(dtype, shape, Some(&name))?;
        let typed = Typed { ty, layout: None, within: None, content: None };
        self.define((name, at), typed, ValueDef::Const(value))?;
        Ok(())
    }

    /// A tensor in an attribute: `f32[2] [1.0, 2.0]`; the word `tensor` was taken.
    pub(super) fn tensor(&mut self) -> Result<Tensor, Diagnostic> {
        let at = self.c.position();
        let Type::Tensor(t) = self.ty(0)? else { return Err(self.c.error_at(at, "expected a tensor type")) };
        let shape = t.fixed().ok_or_else(|| self.error("E7012", at, "a constant has fixed extents"))?;
        self.elements(t.dtype, shape, None)
    }

    /// `[1.0, 2.0]`, `hex "..." ...` or `elided "hash"`.
    fn elements(&mut self, dtype: DType, shape: Vec<usize>, name: Option<&str>) -> Result<Tensor, Diagnostic> {
        let at = self.c.position();
        let unfit = |p: &Self| p.error("E7012", at, format!("the elements don't fill {dtype}{shape:?}"));
        if self.c.eat("elided") {
            let hash = self.c.string()?;
            let known = name.and_then(|n| self.constants.get(n));
            let fits = |t: &&Tensor| t.dtype() == dtype && t.shape() == shape && data_hash(t) == hash;
            return known.filter(fits).cloned().ok_or_else(|| {
                self.error("E7012", at, "the elements aren't in the text").help("print the graph with full constants")
            });
        }
        if self.c.eat("hex") {
            let bytes = self.hex()?;
            return Tensor::from_bytes(dtype, shape.clone(), bytes).ok_or_else(|| unfit(self));
        }
        self.c.expect("[")?;
        let count = element_count(&shape).ok_or_else(|| unfit(self))?;
        let t = match dtype {
            DType::String => Tensor::from_strings(shape.clone(), self.strings()?),
            DType::F32 => list(self.c.list("]", |c| c.f32())?, count, &shape),
            DType::F64 => list(self.c.list("]", |c| c.f64())?, count, &shape),
            DType::U64 => list(self.c.list("]", |c| c.uint())?, count, &shape),
            _ => self.small_ints(dtype, &shape)?,
        };
        t.ok_or_else(|| unfit(self))
    }

    fn small_ints(&mut self, dtype: DType, shape: &[usize]) -> Result<Option<Tensor>, Diagnostic> {
        let at = self.c.position();
        let values = self.c.list("]", |c| match (c.eat("true"), c.eat("false")) {
            (true, _) => Ok(1),
            (_, true) => Ok(0),
            _ => c.int(),
        })?;
        if !(dtype.is_int() || dtype == DType::Bool) || dtype.bits() < 8 {
            return Err(self.error("E7012", at, format!("elements of type {dtype} are written as hex")));
        }
        let bits = dtype.bits();
        let (lo, hi) = if dtype.is_signed_int() {
            (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits))
        } else if dtype == DType::Bool {
            (0, 1)
        } else {
            (0, (u64::MAX >> (64 - bits)) as i64)
        };
        if let Some(v) = values.iter().find(|v| !(lo..=hi).contains(*v)) {
            return Err(self.error("E7012", at, format!("{v} is no {dtype}")));
        }
        let bytes: Bytes = values.iter().flat_map(|v| v.to_le_bytes()[..bits / 8].to_vec()).collect();
        Ok(Tensor::from_bytes(dtype, shape.to_vec(), bytes))
    }

    fn strings(&mut self) -> Result<Vec<Vec<u8>>, Diagnostic> {
        let mut items = Vec::new();
        while !self.c.eat("]") {
            items.push(if self.c.eat("hex") { self.hex()?.to_vec() } else { self.c.string()?.into_bytes() });
            if !self.c.eat(",") && !self.c.at("]") {
                return Err(self.c.expected("',' or ']'"));
            }
        }
        Ok(items)
    }

    /// One or more strings of hex digits; at least one, as an empty tensor is a list.
    fn hex(&mut self) -> Result<Bytes, Diagnostic> {
        let mut bytes = Vec::new();
        loop {
            let at = self.c.position();
            let digits = self.c.string()?;
            let pairs = digits.as_bytes().chunks(2).map(|p| {
                let text = std::str::from_utf8(p).ok().filter(|t| t.len() == 2)?;
                u8::from_str_radix(text, 16).ok()
            });
            let piece = pairs.collect::<Option<Vec<u8>>>();
            bytes.extend(piece.ok_or_else(|| self.error("E7012", at, "expected pairs of hex digits"))?);
            if !matches!(self.c.peek(), onnxc_base::text::Tok::Str(_)) {
                return Ok(bytes.into());
            }
        }
    }
}

fn list<T: Element>(values: Vec<T>, count: usize, shape: &[usize]) -> Option<Tensor> {
    (values.len() == count).then(|| Tensor::from_slice(shape, &values))
}
