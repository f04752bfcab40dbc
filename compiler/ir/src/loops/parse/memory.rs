//! Declarations of variables and buffers, and the statements that give buffers their memory.

use super::Parser;
use super::func::{Body, Named, hint};
use crate::loops::*;
use onnxc_base::Diagnostic;

impl Parser<'_> {
    pub(super) fn declaration(&mut self, b: &mut Body, word: &str) -> Result<(), Diagnostic> {
        let (at, name) = self.new_name()?;
        if word != "buf" {
            let ty = self.ty()?;
            let mut dims = Vec::new();
            while self.c.eat("[") {
                dims.push(self.small()?);
                self.c.expect("]")?;
            }
            let var = b.func.vars.push(VarDef { ty, dims, name: hint(&name) });
            return self.define(b, at, name, Named::Var(var));
        }
        let dtype = self.pointee()?;
        let kind = match self.c.ident()?.as_str() {
            "const" => {
                let name = self.c.sigil('$')?;
                match self.consts.get(&name) {
                    Some(&c) => BufKind::Const(c),
                    None => return self.unknown("constant", &name),
                }
            }
            "stack" => BufKind::Stack(self.small()?),
            "pointer" => BufKind::Pointer,
            "param" => BufKind::Param(self.small()?),
            _ => {
                self.c.rewind(self.c.position() - 1);
                return Err(self.c.expected("'const', 'stack', 'pointer' or 'param'"));
            }
        };
        let buf = b.func.bufs.push(BufDef { dtype, kind, name: hint(&name) });
        self.define(b, at, name, Named::Buf(buf))
    }

    /// `f32* =`
    fn pointee(&mut self) -> Result<DType, Diagnostic> {
        let dtype = self.dtype()?;
        self.c.expect("*")?;
        self.c.expect("=")?;
        Ok(dtype)
    }

    /// A statement that gives a local buffer its memory.
    pub(super) fn local(&mut self, b: &mut Body, word: &str) -> Result<Stmt, Diagnostic> {
        let (at, name) = self.new_name()?;
        let dtype = self.pointee()?;
        let buf = b.func.bufs.push(BufDef { dtype, kind: BufKind::Local, name: hint(&name) });
        let s = match word {
            "alloc" => {
                let heap = self.c.eat("heap");
                if !heap {
                    self.c.expect("workspace")?;
                }
                let count = self.bracketed(b)?;
                let bound = if self.c.eat("bound") { Some(self.c.parse_sym()?) } else { None };
                Stmt::Alloc { buf, count, space: if heap { Space::Heap } else { Space::Workspace }, bound }
            }
            "view" => {
                let base = self.buf(b)?;
                self.c.expect("at")?;
                self.c.expect("byte")?;
                let byte_offset = self.value(b)?;
                let count = if self.c.eat("count") { Some(self.c.parse_sym()?) } else { None };
                Stmt::View { buf, base, byte_offset, count }
            }
            _ => {
                let table = self.c.sigil('%')?;
                let Some(Named::Table(table)) = b.names.get(&table).copied() else {
                    return self.unknown("table", &table);
                };
                self.c.expect("[")?;
                let index = self.small()?;
                self.c.expect("]")?;
                Stmt::Entry { buf, table, index }
            }
        };
        self.define(b, at, name, Named::Buf(buf))?;
        Ok(s)
    }
}
