//! What stands outside of functions: the interface, constants, linked functions.

use super::Parser;
use crate::loops::print::elided_name;
use crate::loops::*;
use crate::scalar::literal::parse_number;
use onnxc_base::Diagnostic;
use onnxc_base::text::Tok;

/// Zeros made for constants without data, at most; a text is no reason to take all memory.
const MAX_ELIDED: u64 = 1 << 32;

impl Parser<'_> {
    /// Gives every function of the text its number.
    pub(super) fn number_functions(&mut self) {
        let mut next = 0;
        while !self.c.at_end() {
            if self.c.next() == Tok::Ident("func".into())
                && let Tok::Sigil('@', name) = self.c.peek()
            {
                self.funcs.entry(name.clone()).or_insert(FuncId(next));
                next += 1;
            }
        }
        self.c.rewind(0);
    }

    /// Goes on at the next line that starts at the left margin, other than with a brace.
    pub(super) fn skip_item(&mut self) {
        self.doc.clear();
        while !self.c.at_end() {
            self.c.next();
            let line_starts = self.text[..self.c.span().start].ends_with('\n');
            if line_starts && matches!(self.c.peek(), Tok::Ident(_)) {
                return;
            }
        }
    }

    /// Reads one item.
    pub(super) fn item(&mut self) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let word = self.c.ident()?;
        match word.as_str() {
            "program" => self.program.name = self.c.sigil('@')?,
            "dim" => self.dim()?,
            "input" => {
                let port = self.port()?;
                self.program.interface.inputs.push(port);
            }
            "output" => {
                let port = self.port()?;
                self.program.interface.outputs.push(port);
            }
            "size" => {
                let name = self.c.symbol()?;
                self.c.expect("=")?;
                self.program.interface.sizes.push((name, self.c.parse_sym()?));
            }
            "workspace" => self.program.interface.workspace = Some(self.c.parse_sym()?),
            "entry" => self.entry()?,
            "const" => self.constant()?,
            "extern" => self.linked()?,
            "doc" => self.doc = self.c.string()?,
            "func" => self.func(Linkage::Local)?,
            "export" => {
                self.c.expect("func")?;
                self.func(Linkage::Export)?;
            }
            _ => {
                self.c.rewind(at);
                return Err(self.c.expected("'func', 'const', 'extern' or a line of the interface"));
            }
        }
        Ok(())
    }

    fn dim(&mut self) -> Result<(), Diagnostic> {
        let name = self.c.symbol()?.as_str().to_owned();
        self.c.expect(":")?;
        let source = match self.c.ident()?.as_str() {
            "input" => DimSource::Input,
            "plan" => DimSource::Plan,
            "run" => DimSource::Run(self.small()?),
            _ => {
                self.c.rewind(self.c.position() - 1);
                return Err(self.c.expected("'input', 'plan' or 'run'"));
            }
        };
        self.c.expect("from")?;
        let lo = self.c.int()?;
        self.c.expect("..")?;
        let hi = if self.c.eat("=") { Some(self.c.parse_sym()?) } else { None };
        self.program.interface.dims.push(DimInfo { name, source, lo, hi });
        Ok(())
    }

    fn port(&mut self) -> Result<Port, Diagnostic> {
        let name = self.c.string()?;
        self.c.expect(":")?;
        let dtype = self.dtype()?;
        self.c.expect("[")?;
        let shape = self.c.list("]", |c| c.parse_sym())?;
        let value = if self.c.eat("value") { Some(self.c.string()?) } else { None };
        Ok(Port { name, dtype, shape, value })
    }

    fn entry(&mut self) -> Result<(), Diagnostic> {
        let role = self.c.ident()?;
        let name = self.c.sigil('@')?;
        let Some(&f) = self.funcs.get(&name) else { return self.unknown("function", &name) };
        let entries = &mut self.program.interface.entries;
        let slot = match role.as_str() {
            "run" => &mut entries.run,
            "plan" => &mut entries.plan,
            "workspace_bytes" => &mut entries.workspace_bytes,
            "call" => &mut entries.call,
            _ => return self.unknown("entry", &role),
        };
        *slot = Some(f);
        Ok(())
    }

    fn linked(&mut self) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let symbol = self.c.sigil('@')?;
        self.c.expect("(")?;
        let mut params = Vec::new();
        while !self.c.eat(")") {
            params.push(self.param_kind()?);
            if !self.c.at(")") {
                self.c.expect(",")?;
            }
        }
        let ret = self.ret()?;
        let id = self.program.externs.push(Extern { symbol: symbol.clone(), params, ret });
        match self.externs.insert(symbol, id) {
            None => Ok(()),
            Some(_) => Err(self.error("E7003", at, "this function is declared twice")),
        }
    }

    fn constant(&mut self) -> Result<(), Diagnostic> {
        let at = self.c.position();
        let name = self.c.sigil('$')?;
        self.c.expect(":")?;
        let size_at = self.c.position();
        let dtype = self.dtype()?;
        let bytes = if self.c.eat("bytes") {
            Some(self.c.uint()?)
        } else {
            self.c.expect("[")?;
            let count = self.c.uint()?;
            self.c.expect("]")?;
            count.checked_mul(dtype.size() as u64)
        };
        let too_large = || self.error("E7004", size_at, "the constant is too large");
        let bytes = bytes.ok_or_else(too_large)?;
        self.c.expect("=")?;
        let data_at = self.c.position();
        let (full_name, data) = self.data(&name, dtype, bytes)?;
        if data.len() as u64 != bytes {
            return Err(self.error(
                "E7001",
                data_at,
                format!("{} bytes of data where {bytes} are declared", data.len()),
            ));
        }
        let id = self.program.consts.push(ConstData { name: full_name, dtype, data: data.into() });
        match self.consts.insert(name, id) {
            None => Ok(()),
            Some(_) => Err(self.error("E7003", at, "this constant is defined twice")),
        }
    }

    /// `[1, 2]`, `hex "0102"`, `elided "hash"`.
    fn data(&mut self, name: &str, dtype: DType, bytes: u64) -> Result<(String, Vec<u8>), Diagnostic> {
        let at = self.c.position();
        if self.c.eat("elided") {
            let hash = self.c.string()?;
            if hash.len() != 16 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(self.error("E7001", at + 1, "expected 16 hex digits"));
            }
            self.elided_bytes = self.elided_bytes.saturating_add(bytes);
            if self.elided_bytes > MAX_ELIDED {
                return Err(self.error("E7004", at, "more than 4 GiB of constants without their data"));
            }
            return Ok((elided_name(name, &hash), vec![0; bytes as usize]));
        }
        let mut data = Vec::new();
        if self.c.eat("hex") {
            while let Tok::Str(text) = self.c.peek().clone() {
                let digits = text.as_bytes().chunks(2).map(|d| std::str::from_utf8(d).ok().filter(|d| d.len() == 2));
                for d in digits {
                    let byte = d.and_then(|d| u8::from_str_radix(d, 16).ok());
                    data.push(byte.ok_or_else(|| self.c.error("these are no pairs of hex digits"))?);
                }
                self.c.next();
            }
        } else {
            self.c.expect("[")?;
            if !Scalar::holds(dtype) {
                return Err(self.c.error(format!("elements of {dtype} are given as 'hex'")));
            }
            for s in self.c.list("]", |c| parse_number(c, dtype))? {
                data.extend_from_slice(&s.bits.to_le_bytes()[..dtype.size()]);
            }
        }
        Ok((name.to_owned(), data))
    }
}
