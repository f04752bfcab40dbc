//! Functions and statements in the text; see [`super`] for the syntax.

use super::names::{Names, ProgramNames, is_literal};
use super::{kind, ret};
use crate::loops::*;
use crate::scalar::literal::literal;
use onnxc_base::text::{Writer, quoted, sigil};

/// What is needed to print one function.
pub(super) struct FuncText<'a> {
    pub func: &'a Func,
    pub program: Option<&'a ProgramNames>,
    pub names: &'a Names,
}

/// Writes one function.
pub(super) fn function(w: &mut Writer, func: &Func, program: Option<&ProgramNames>) {
    FuncText { func, program, names: &Names::new(func) }.write(w);
}

impl FuncText<'_> {
    fn write(&self, w: &mut Writer) {
        if !self.func.doc.is_empty() {
            w.line(format_args!("doc {}", quoted(&self.func.doc, '"')));
        }
        let params = self.func.params.iter().zip(&self.names.params);
        let params: Vec<String> = params.map(|(p, n)| format!("{}: {}", sigil('%', n), kind(p.kind))).collect();
        let export = if self.func.linkage == Linkage::Export { "export " } else { "" };
        let name = sigil('@', &self.func.name);
        w.open(format_args!("{export}func {name}({}){}", params.join(", "), ret(self.func.ret)));
        self.declarations(w);
        // The values of parameters come first, and the signature stands for them.
        self.block(w, &self.func.body.0[self.names.in_signature..]);
        w.close();
    }

    fn declarations(&self, w: &mut Writer) {
        for (b, def) in self.func.bufs.iter() {
            let from = match def.kind {
                BufKind::Param(_) if self.names.buf_in_signature(self.func, b) => continue,
                BufKind::Local => continue,
                BufKind::Param(i) => format!("param {i}"),
                BufKind::Const(c) => match self.program {
                    Some(p) => format!("const {}", p.constant(c)),
                    None => format!("const ${c}"),
                },
                BufKind::Stack(n) => format!("stack {n}"),
                BufKind::Pointer => "pointer".to_owned(),
            };
            w.line(format_args!("buf {}: {}* = {from}", self.buf(b), def.dtype));
        }
        for (v, def) in self.func.vars.iter() {
            let dims: String = def.dims.iter().map(|d| format!("[{d}]")).collect();
            let word = if def.dims.is_empty() { "var" } else { "regtile" };
            w.line(format_args!("{word} {}: {}{dims}", self.names.var(v), def.ty));
        }
    }

    fn block(&self, w: &mut Writer, stmts: &[Stmt]) {
        for s in stmts {
            match s {
                // A literal stands where it is used.
                Stmt::Let(v) if self.func.values.get(*v).is_some_and(is_literal) => {}
                Stmt::For { body, .. } | Stmt::Loop(body) => {
                    w.open(self.line(s));
                    self.block(w, &body.0);
                    w.close();
                }
                Stmt::If { then, els, .. } => {
                    w.open(self.line(s));
                    self.block(w, &then.0);
                    if !els.0.is_empty() {
                        w.dedent();
                        w.open("} else");
                        self.block(w, &els.0);
                    }
                    w.close();
                }
                _ => w.line(self.line(s)),
            }
        }
    }

    /// A statement, without the blocks inside it.
    pub fn line(&self, s: &Stmt) -> String {
        match s {
            Stmt::Let(v) => self.definition(*v),
            Stmt::Set(place, v) => format!("set {} = {}", self.place(place), self.value(*v)),
            Stmt::Store { buf, offset, value, mask } => self.write_to("store", *buf, *offset, *value, *mask),
            Stmt::Scatter { buf, offsets, value, mask } => self.write_to("scatter", *buf, *offsets, *value, *mask),
            Stmt::Alloc { buf, count, space, bound } => {
                let space = if *space == Space::Heap { "heap" } else { "workspace" };
                let bound = bound.as_ref().map(|b| format!(" bound {b}")).unwrap_or_default();
                format!("alloc {} = {space}[{}]{bound}", self.declared(*buf), self.value(*count))
            }
            Stmt::Free(b) => format!("free {}", self.buf(*b)),
            Stmt::View { buf, base, byte_offset, count } => {
                let count = count.as_ref().map(|c| format!(" count {c}")).unwrap_or_default();
                let at = self.value(*byte_offset);
                format!("view {} = {} at byte {at}{count}", self.declared(*buf), self.buf(*base))
            }
            Stmt::Entry { buf, table, index } => {
                format!("entry {} = {}[{index}]", self.declared(*buf), self.names.param(*table))
            }
            Stmt::Assign { buf, from } => format!("assign {} = {}", self.buf(*buf), self.buf(*from)),
            Stmt::For { index, lo, hi, step, kind, .. } => {
                let word = match kind {
                    LoopKind::Serial => "",
                    LoopKind::Parallel => "parallel ",
                    LoopKind::Unrolled => "unrolled ",
                };
                let step = if *step == 1 { String::new() } else { format!(" step {step}") };
                format!("{word}for {} in {}..{}{step}", self.value(*index), self.value(*lo), self.value(*hi))
            }
            Stmt::Loop(_) => "loop".to_owned(),
            Stmt::Break => "break".to_owned(),
            Stmt::If { cond, .. } => format!("if {}", self.value(*cond)),
            Stmt::Call { callee, args, result } => self.call(*callee, args, *result),
            Stmt::Fork { callee, args, count, team } => {
                let call = self.callee(Callee::Func(*callee), args);
                format!("fork {call} over {} team {}", self.value(*count), self.value(*team))
            }
            Stmt::Return(None) => "return".to_owned(),
            Stmt::Return(Some(v)) => format!("return {}", self.value(*v)),
            Stmt::Prefetch { buf, offset } => format!("prefetch {}[{}]", self.buf(*buf), self.value(*offset)),
            Stmt::Comment(text) => format!("note {}", quoted(text, '"')),
        }
    }

    fn value(&self, v: Value) -> String {
        self.names.value(self.func, v)
    }

    fn buf(&self, b: Buf) -> String {
        self.names.buf(b)
    }

    /// A local buffer where it gets its memory.
    fn declared(&self, b: Buf) -> String {
        let dtype = self.func.bufs.get(b).map_or("?", |d| d.dtype.name());
        format!("{}: {dtype}*", self.buf(b))
    }

    fn place(&self, p: &Place) -> String {
        let index: String = p.index.iter().map(|&i| format!("[{}]", self.value(i))).collect();
        format!("{}{index}", self.names.var(p.var))
    }

    fn mask(&self, mask: Option<Value>) -> String {
        mask.map(|m| format!(" mask {}", self.value(m))).unwrap_or_default()
    }

    fn write_to(&self, word: &str, buf: Buf, at: Value, value: Value, mask: Option<Value>) -> String {
        format!("{word} {}[{}] = {}{}", self.buf(buf), self.value(at), self.value(value), self.mask(mask))
    }

    fn callee(&self, callee: Callee, args: &[Arg]) -> String {
        let callee = match (callee, self.program) {
            (Callee::Func(f), Some(p)) => p.func(f),
            (Callee::Func(f), None) => format!("@{f}"),
            (Callee::Extern(e), Some(p)) => format!("extern {}", p.extern_(e)),
            (Callee::Extern(e), None) => format!("extern @{e}"),
        };
        let args: Vec<String> = args.iter().map(|a| self.arg(a)).collect();
        format!("{callee}({})", args.join(", "))
    }

    fn call(&self, callee: Callee, args: &[Arg], result: Option<Value>) -> String {
        let call = format!("call {}", self.callee(callee, args));
        match result {
            Some(v) => format!("{} = {call} : {}", self.value(v), self.ty(v)),
            None => call,
        }
    }

    fn arg(&self, arg: &Arg) -> String {
        match *arg {
            Arg::Value(v) => self.value(v),
            Arg::Buf { buf, offset: None } => self.buf(buf),
            Arg::Buf { buf, offset: Some(at) } => format!("{}[{}]", self.buf(buf), self.value(at)),
            Arg::Table(i) => self.names.param(i),
        }
    }

    fn ty(&self, v: Value) -> String {
        self.func.values.get(v).map_or_else(|| "?".to_owned(), |d| d.ty.to_string())
    }

    fn definition(&self, v: Value) -> String {
        match self.func.values.get(v) {
            Some(def) => format!("{} = {} : {}", self.value(v), self.op(&def.op), def.ty),
            None => format!("{} = ?", self.value(v)),
        }
    }

    fn op(&self, op: &Op) -> String {
        let v = |v: &Value| self.value(*v);
        match op {
            Op::Param(i) => format!("param {i}"),
            Op::Index => "index".to_owned(),
            Op::Result => "result".to_owned(),
            Op::Const(s) => format!("const {}", literal(*s)),
            Op::Iota => "iota".to_owned(),
            Op::Splat(a) => format!("splat {}", v(a)),
            Op::Unary(op, a) => format!("{} {}", op.name(), v(a)),
            Op::Binary(op, a, b) => format!("{} {}, {}", op.name(), v(a), v(b)),
            Op::Fma(a, b, c) => format!("fma {}, {}, {}", v(a), v(b), v(c)),
            Op::Dot(a, b, c) => format!("dot {}, {}, {}", v(a), v(b), v(c)),
            Op::Compare(op, a, b) => format!("cmp {} {}, {}", op.name(), v(a), v(b)),
            Op::Select(c, a, b) => format!("select {}, {}, {}", v(c), v(a), v(b)),
            Op::Cast(a) => format!("cast {}", v(a)),
            Op::Bitcast(a) => format!("bitcast {}", v(a)),
            Op::Load { buf, offset, mask } => format!("load {}[{}]{}", self.buf(*buf), v(offset), self.mask(*mask)),
            Op::Gather { buf, offsets, mask } => {
                format!("gather {}[{}]{}", self.buf(*buf), v(offsets), self.mask(*mask))
            }
            Op::Get(place) => format!("get {}", self.place(place)),
            Op::Extract(a, lane) => format!("extract {}, {lane}", v(a)),
            Op::Reduce(op, a) => format!("reduce {} {}", op.name(), v(a)),
            Op::Shuffle(a, b, pick) => {
                let pick: Vec<String> = pick.iter().map(u16::to_string).collect();
                format!("shuffle {}, {}, [{}]", v(a), v(b), pick.join(", "))
            }
            Op::IsNull(b) => format!("isnull {}", self.buf(*b)),
            Op::ThreadId => "thread_id".to_owned(),
        }
    }
}
