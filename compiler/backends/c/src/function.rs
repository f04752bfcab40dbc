//! One function: signature, comment, body.

use crate::floats::Extension;
use crate::helpers::c_type;
use crate::lang::C;
use onnxc_base::{Diagnostics, SecondaryMap};
use onnxc_codegen::backend::ALLOCATOR_PARAM;
use onnxc_ir::loops::{BufKind, Func, FuncId, Linkage, ParamKind, Program};
use onnxc_source::flow::{Flow, Style};
use onnxc_source::helpers::Helpers;
use onnxc_source::names::Names;
use onnxc_source::scalar::Scalars;

/// What functions need to know of the file around them.
pub(crate) struct File<'a> {
    pub scalars: &'a Scalars,
    /// Names of functions.
    pub functions: Vec<String>,
    /// The expression of each constant's address.
    pub constants: Vec<String>,
    pub pointer_bits: u32,
    pub openmp: Option<u32>,
    /// Whose vectors of four lanes stay.
    pub vectors: Option<Extension>,
    /// Entries have the types of the public header: dims, allocator and workspace by their own.
    pub public: bool,
    /// Words that are no names.
    pub reserved: Vec<String>,
}

/// The types of an entry's parameters in the public header that differ from those of loops IR.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    Dims,
    MutableDims,
    Allocator,
    Workspace,
}

fn roles(program: &Program, id: FuncId) -> Vec<Role> {
    let f = &program.funcs[id];
    let (face, entries) = (&program.interface, program.interface.entries);
    let mut roles = vec![Role::Plain; f.params.len()];
    let last = f.params.len().saturating_sub(1);
    if Some(id) == entries.run {
        roles[last] = Role::Workspace;
        for (i, p) in f.params.iter().enumerate() {
            if p.name == ALLOCATOR_PARAM {
                roles[i] = Role::Allocator;
            }
        }
        if !face.dims.is_empty() {
            roles[0] = Role::Dims;
        }
    } else if Some(id) == entries.plan {
        roles[last] = Role::MutableDims;
    } else if Some(id) == entries.workspace_bytes && !face.dims.is_empty() {
        roles[0] = Role::Dims;
    }
    roles
}

impl File<'_> {
    fn program(&self) -> &Program {
        &self.scalars.program
    }

    fn is_entry(&self, id: FuncId) -> bool {
        let e = self.program().interface.entries;
        self.public && [e.run, e.plan, e.workspace_bytes].contains(&Some(id))
    }

    /// The whole function.
    pub fn function(&self, id: FuncId, helpers: &mut Helpers) -> (String, Diagnostics) {
        let program = self.program();
        let f = &program.funcs[id];
        let mut names = Names::without(self.reserved.iter().map(String::as_str));
        let params: Vec<String> = f.params.iter().map(|p| names.unique(&p.name)).collect();
        let roles = if self.is_entry(id) { roles(program, id) } else { vec![Role::Plain; f.params.len()] };
        let mut inner = params.clone();
        let mut head = vec![];
        let mut adapted = vec![];
        for (i, role) in roles.iter().enumerate() {
            if let Some((ty, name, value)) = self.adapted(*role, &params[i]) {
                inner[i] = names.unique(&name);
                adapted.push((i, format!("    {ty} {} = {value};\n", inner[i])));
            }
        }
        let bufs = self.buffers(f, &inner, &mut names, &mut head);
        let mut lang = C {
            program,
            helpers,
            bufs,
            params: inner.clone(),
            functions: &self.functions,
            pointer_bits: self.pointer_bits,
            openmp: self.openmp,
            vectors: self.vectors,
            ret: f.ret.map(|t| t.elem),
        };
        let style = Style { narrow: self.pointer_bits <= 32 };
        let flow = Flow::new(f, &self.scalars.ranges[id], style, &mut names, &mut lang);
        let (mut lines, problems) = flow.run(&inner);
        drop_unused_views(&mut lines);
        let mut body: String = head.concat();
        for (depth, line) in lines {
            let indent = if line.starts_with('#') { String::new() } else { "    ".repeat(depth) };
            body += &format!("{indent}{line}\n");
        }
        // What nothing uses isn't declared, and parameters are said to be unused.
        let mut unused: Vec<&String> = inner.iter().filter(|p| !mentions(&body, p)).collect();
        for (i, line) in adapted {
            if mentions(&body, &inner[i]) {
                body.insert_str(0, &line);
            } else {
                unused.retain(|p| **p != inner[i]);
                unused.push(&params[i]);
            }
        }
        let unused: String = unused.iter().map(|p| format!("    (void){p};\n")).collect();
        let doc = comment(&f.doc);
        (format!("{doc}{} {{\n{unused}{body}}}\n", self.signature(id, &params)), problems)
    }

    /// What an entry's parameter is inside: type, name, value.
    fn adapted(&self, role: Role, param: &str) -> Option<(&'static str, String, String)> {
        match role {
            Role::Plain | Role::Allocator => None,
            Role::Dims => {
                Some(("const int64_t *const", "extent".into(), format!("(const int64_t *)(const void *){param}")))
            }
            Role::MutableDims => Some(("int64_t *const", "extent".into(), format!("(int64_t *)(void *){param}"))),
            Role::Workspace => Some(("uint8_t *const", "bytes".into(), format!("(uint8_t *){param}"))),
        }
    }

    /// Names of buffers; lines that declare those on the stack and pointers.
    fn buffers(
        &self,
        f: &Func,
        params: &[String],
        names: &mut Names,
        head: &mut Vec<String>,
    ) -> SecondaryMap<onnxc_ir::loops::Buf, String> {
        use onnxc_base::EntityRef;
        let mut bufs = SecondaryMap::new();
        for (buf, def) in &f.bufs {
            bufs[buf] = match def.kind {
                BufKind::Param(i) => params[i as usize].clone(),
                BufKind::Const(c) => self.constants[c.index()].clone(),
                BufKind::Local => names.unique(&def.name),
                BufKind::Stack(n) => {
                    let name = names.unique(&def.name);
                    head.push(format!("    {} {name}[{}];\n", c_type(def.dtype), n.max(1)));
                    name
                }
                BufKind::Pointer => {
                    let name = names.unique(&def.name);
                    head.push(format!("    {} *{name} = NULL;\n", c_type(def.dtype)));
                    name
                }
            };
        }
        bufs
    }

    /// `static void f(const float *restrict x)`.
    pub fn signature(&self, id: FuncId, names: &[String]) -> String {
        use onnxc_base::EntityRef;
        let program = self.program();
        let f = &program.funcs[id];
        let entry = self.is_entry(id);
        let roles = if entry { roles(program, id) } else { vec![Role::Plain; f.params.len()] };
        let own = format!("{}_dims", program.name);
        let several = f.params.iter().filter(|p| matches!(p.kind, ParamKind::Buf { .. })).count() > 1;
        let local = f.linkage == Linkage::Local;
        let params: Vec<String> = f
            .params
            .iter()
            .zip(roles)
            .zip(names)
            .map(|((p, role), name)| match (role, p.kind) {
                (Role::Dims, _) => format!("const {own} *{name}"),
                (Role::MutableDims, _) => format!("{own} *{name}"),
                (Role::Workspace, _) => format!("void *{name}"),
                _ if p.name == ALLOCATOR_PARAM => format!("const onnxc_allocator *{name}"),
                (_, ParamKind::Scalar(d)) => format!("{} {name}", c_type(d)),
                (_, ParamKind::Table) => format!("void *const *{name}"),
                (_, ParamKind::Buf { dtype, mutable }) => {
                    let constant = if mutable { "" } else { "const " };
                    let restrict = if local && several { "ONNXC_RESTRICT " } else { "" };
                    format!("{constant}{} *{restrict}{name}", c_type(dtype))
                }
            })
            .collect();
        let params = if params.is_empty() { "void".into() } else { params.join(", ") };
        let ret = match f.ret {
            None => "void",
            Some(t) if entry && t.elem == onnxc_base::DType::I32 => "int",
            Some(t) => c_type(t.elem),
        };
        // A run whose workspace the module owns is behind another entry.
        let hidden = entry && self.functions[id.index()].ends_with("_run_in");
        let arrays = f.bufs.values().any(|b| matches!(b.kind, BufKind::Stack(_)));
        // Arrays of several functions that a compiler puts into one need not share their place.
        let apart = if local && arrays && self.public { "ONNXC_NOINLINE " } else { "" };
        format!("{}{apart}{ret} {}({params})", if local || hidden { "static " } else { "" }, self.functions[id.index()])
    }
}

/// Drops views that nothing uses: C compilers warn of them. The last ones go first, as views may be of views.
fn drop_unused_views(lines: &mut Vec<(usize, String)>) {
    for i in (0..lines.len()).rev() {
        let Some((name, _)) = lines[i].1.split_once("*const ").and_then(|(_, rest)| rest.split_once(" = ")) else {
            continue;
        };
        let name = name.to_owned();
        let used = |(_, line): &(usize, String)| mentions(line, &name);
        if !lines[i].1.contains("->alloc(") && !lines[..i].iter().any(used) && !lines[i + 1..].iter().any(used) {
            lines.remove(i);
        }
    }
}

/// True if a text contains a name as a whole word.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(name).any(|(i, _)| !text[..i].ends_with(word) && !text[i + name.len()..].starts_with(word))
}

/// A comment of one or more lines; nothing for no text.
pub(crate) fn comment(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let safe = text.replace("*/", "* /");
    let lines: Vec<&str> = safe.lines().collect();
    format!("/* {} */\n", lines.join("\n * "))
}
