//! The elements of a constant.

use super::Parser;
use crate::kernel::print::data_hash;
use crate::scalar::Scalar;
use crate::scalar::literal::parse_number;
use onnxc_base::text::Tok;
use onnxc_base::{Bytes, DType, Diagnostic, Sym, Tensor};

impl Parser<'_> {
    /// `[1.0, 2.0]`, `hex "..." ...` or `elided "hash"`, for the parameter whose extents were just read.
    pub(super) fn data(&mut self, name: &str, dtype: DType, shape: &[Sym]) -> Result<Tensor, Diagnostic> {
        let at = self.c.position();
        let fixed: Option<Vec<usize>> = shape.iter().map(|e| usize::try_from(e.as_int()?).ok()).collect();
        let shape = fixed.ok_or_else(|| self.error("E7022", at, "a constant has fixed extents"))?;
        if self.c.eat("elided") {
            let hash = self.c.string()?;
            let known = self.constants.iter().filter(|p| p.name == name).filter_map(|p| p.value.as_ref());
            let mut fits = known.filter(|t| t.dtype() == dtype && t.shape() == shape && data_hash(t) == hash);
            return fits.next().cloned().ok_or_else(|| {
                self.error("E7022", at, "the elements aren't in the text").help("print the kernel with full constants")
            });
        }
        let bytes = if self.c.eat("hex") { self.hex()? } else { self.list(dtype)? };
        Tensor::from_bytes(dtype, shape.clone(), bytes)
            .ok_or_else(|| self.error("E7022", at, format!("the elements don't fill {dtype}{shape:?}")))
    }

    fn list(&mut self, dtype: DType) -> Result<Bytes, Diagnostic> {
        self.c.expect("[")?;
        if !Scalar::holds(dtype) {
            return Err(self.c.error(format!("elements of {dtype} are given as 'hex'")));
        }
        let items = self.c.list("]", |c| parse_number(c, dtype))?;
        Ok(items.iter().flat_map(|s| s.bits.to_le_bytes().into_iter().take(dtype.size())).collect())
    }

    fn hex(&mut self) -> Result<Bytes, Diagnostic> {
        let mut bytes = Vec::new();
        while let Tok::Str(digits) = self.c.peek().clone() {
            let pairs = digits.as_bytes().chunks(2).map(|p| {
                let text = std::str::from_utf8(p).ok().filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
                if text.len() == 2 { u8::from_str_radix(text, 16).ok() } else { None }
            });
            let piece = pairs.collect::<Option<Vec<u8>>>();
            bytes.extend(piece.ok_or_else(|| self.c.error("expected pairs of hex digits"))?);
            self.c.next();
        }
        Ok(bytes.into())
    }
}
