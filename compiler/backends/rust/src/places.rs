//! Where elements are in Rust: a slice's name, and the subscript behind it.

use crate::lang::{Rust, number};
use crate::roots::Root;
use onnxc_ir::loops::Buf;
use onnxc_source::expr::{Expr, Prec};

impl Rust<'_> {
    /// A slice's name.
    pub(crate) fn root(&mut self, root: &Root) -> String {
        match root {
            Root::Param(i) => self.params[*i as usize].clone(),
            Root::Const(c) => self.constants[*c].clone(),
            Root::Stack(b) => self.names[*b].clone(),
            Root::Arena(ty) => {
                self.arenas.insert(ty);
                format!("workspace.{ty}s")
            }
        }
    }

    /// `offset + index` as usize.
    pub(crate) fn index(&self, buf: Buf, at: Option<&Expr>) -> String {
        let base = &self.offsets[buf];
        let at = at.map(|e| if number(&e.text) { e.text.clone() } else { format!("{} as usize", e.at(Prec::Unary)) });
        match (base.as_str(), at.as_deref()) {
            ("", None | Some("0")) => String::new(),
            (b, None | Some("0")) => b.to_string(),
            ("", Some(a)) => a.to_string(),
            (b, Some(a)) if a.contains(' ') => format!("{b} + ({a})"),
            (b, Some(a)) => format!("{b} + {a}"),
        }
    }

    /// The same for a subscript, which can't be empty.
    pub(crate) fn subscript(&self, buf: Buf, at: &Expr) -> String {
        let at = self.index(buf, Some(at));
        if at.is_empty() { "0".into() } else { at }
    }

    pub(crate) fn place(&mut self, buf: Buf) -> Option<(Root, String)> {
        let root = self.roots[buf].clone()?;
        let name = self.root(&root);
        Some((root, name))
    }

    pub(crate) fn whole(&self, root: &Root) -> &'static str {
        if matches!(root, Root::Param(_)) { "[..]" } else { "" }
    }
}
