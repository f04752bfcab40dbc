//! One function: signature, comment, body.

use crate::extents::Extents;
use crate::helpers::value_type;
use crate::lang::Rust;
use crate::roots::roots;
use onnxc_base::{DType, Diagnostic, Diagnostics, EntityRef, SecondaryMap};
use onnxc_ir::loops::{Buf, BufKind, Func, FuncId, ParamKind, Program};
use onnxc_source::flow::{Flow, Style};
use onnxc_source::helpers::Helpers;
use onnxc_source::names::Names;
use onnxc_source::scalar::Scalars;
use std::collections::BTreeSet;

/// What functions need to know of the module around them.
pub(crate) struct Module<'a> {
    pub scalars: &'a Scalars,
    pub functions: Vec<String>,
    pub constants: Vec<String>,
    pub reserved: Vec<String>,
    pub pointer_bits: u32,
    pub unchecked: bool,
    pub rolled: bool,
    pub extents: Extents,
}

impl Module<'_> {
    fn workspace(&self, id: FuncId) -> Option<u32> {
        workspace(&self.scalars.program, id)
    }

    /// The whole function.
    pub fn function(
        &self,
        id: FuncId,
        helpers: &mut Helpers,
        arenas: &mut BTreeSet<&'static str>,
    ) -> (String, Diagnostics) {
        let f = &self.scalars.program.funcs[id];
        let workspace = self.workspace(id);
        let mut names = Names::without(self.reserved.iter().map(String::as_str));
        let params: Vec<String> = f
            .params
            .iter()
            .enumerate()
            .map(|(i, p)| if Some(i as u32) == workspace { "workspace".to_string() } else { names.unique(&p.name) })
            .collect();
        let roots = match roots(f, workspace) {
            Ok(r) => r,
            Err(wrong) => {
                let d = |(buf, why): (Buf, String)| {
                    let d = Diagnostic::error("E5130", why).node(f.name.clone(), "function");
                    let d = d.help("write C (-o model.c), an object file (-o model.o) or a library instead");
                    if f.bufs[buf].name.is_empty() { d } else { d.tensor(f.bufs[buf].name.clone()) }
                };
                return (String::new(), Diagnostics(wrong.into_iter().map(d).collect()));
            }
        };
        let mut head = vec![];
        let (buf_names, offsets) = buffers(f, &mut names, &mut head);
        let mut lang = Rust {
            program: &self.scalars.program,
            helpers,
            roots,
            offsets,
            params: params.clone(),
            names: buf_names,
            functions: &self.functions,
            constants: &self.constants,
            arenas,
            unchecked: self.unchecked,
            rolled: self.rolled,
            extents: &self.extents,
            ret: f.ret.map(|t| t.elem),
        };
        let style = Style { narrow: self.pointer_bits <= 32 };
        let flow = Flow::new(f, &self.scalars.ranges[id], style, &mut names, &mut lang);
        let (lines, problems) = flow.run(&params);
        let mut body: String = head.concat();
        for (depth, line) in lines {
            body += &format!("{}{line}\n", "    ".repeat(depth));
        }
        let doc: String = f.doc.lines().map(|l| format!("/// {l}\n")).collect();
        (format!("{doc}{} {{\n{body}}}\n", self.signature(id, &params)), problems)
    }

    fn signature(&self, id: FuncId, names: &[String]) -> String {
        let f = &self.scalars.program.funcs[id];
        let workspace = self.workspace(id);
        let param = |i: usize| match f.params[i].kind {
            _ if Some(i as u32) == workspace => format!("{}: &mut Workspace", names[i]),
            ParamKind::Scalar(d) => format!("{}: {}", names[i], value_type(d)),
            ParamKind::Buf { dtype, mutable } => {
                let count = self.extents.get(&id).map_or(0, |all| all[i]);
                let count = if count > 0 { format!("; {count}") } else { String::new() };
                let (borrow, ty) = (if mutable { "&mut " } else { "&" }, crate::helpers::memory_type(dtype));
                format!("{}: {borrow}[{ty}{count}]", names[i])
            }
            ParamKind::Table => format!("{}: ()", names[i]),
        };
        let params: Vec<String> = (0..f.params.len()).map(param).collect();
        let ret = f.ret.map_or(String::new(), |t| format!(" -> {}", value_type(t.elem)));
        format!("fn {}({}){ret}", self.functions[id.index()], params.join(", "))
    }
}

/// The parameter of `run` that is the workspace.
pub(crate) fn workspace(p: &Program, id: FuncId) -> Option<u32> {
    (p.interface.entries.run == Some(id)).then(|| p.funcs[id].params.len().saturating_sub(1) as u32)
}

/// Names of stack buffers, and of the offsets of views and pointers.
fn buffers(
    f: &Func,
    names: &mut Names,
    head: &mut Vec<String>,
) -> (SecondaryMap<Buf, String>, SecondaryMap<Buf, String>) {
    let (mut all, mut offsets) = (SecondaryMap::new(), SecondaryMap::new());
    for (buf, def) in &f.bufs {
        match def.kind {
            BufKind::Param(_) | BufKind::Const(_) => continue,
            BufKind::Local => all[buf] = names.unique(&format!("{}_at", def.name)),
            BufKind::Stack(n) => {
                all[buf] = names.unique(&def.name);
                let ty = crate::helpers::memory_type(def.dtype);
                let zero = if matches!(def.dtype, DType::F32 | DType::F64) { "0.0" } else { "0" };
                head.push(format!("    let mut {} = [{zero} as {ty}; {}];\n", all[buf], n.max(1)));
            }
            BufKind::Pointer => {
                all[buf] = names.unique(&format!("{}_at", def.name));
                head.push(format!("    let mut {}: usize = 0;\n", all[buf]));
                offsets[buf] = all[buf].clone();
            }
        }
    }
    (all, offsets)
}

/// The elements of a constant, as many as fit into a line.
pub(crate) fn elements(d: DType, data: &[u8]) -> String {
    onnxc_source::elements(d, data, |s| match d {
        DType::F32 | DType::F64 => crate::lang::float_literal(s),
        DType::F16 | DType::BF16 | DType::Bool | DType::U64 => s.bits.to_string(),
        _ => s.to_i64().to_string(),
    })
}
