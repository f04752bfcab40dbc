//! Names in the text: unique in a function (or program), numbered in the order of definition.
//!
//! Holds afterwards: if every thing is given the printed name as its own and the order of definition stays, the same
//! names come out again. This is what makes printing stable under parsing.

use crate::loops::*;
use onnxc_base::SecondaryMap;
use onnxc_base::text::sigil;
use std::collections::{BTreeMap, BTreeSet};

/// Hands out unique names.
#[derive(Default)]
struct Namer {
    taken: BTreeSet<String>,
    /// The last number tried behind each name.
    last: BTreeMap<String, u32>,
}

impl Namer {
    fn unique(&mut self, name: &str) -> String {
        // A name that looks like those of nameless things would be taken for one.
        let name = if is_nameless(name) { format!("{name}_") } else { name.to_owned() };
        if self.taken.insert(name.clone()) {
            return name;
        }
        let n = self.last.entry(name.clone()).or_insert(1);
        loop {
            *n += 1;
            let numbered = format!("{name}#{n}");
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

/// Is it a name given to something that has none (`12`, `var3`, `buf4`, or nothing at all)?
pub(in crate::loops) fn is_nameless(name: &str) -> bool {
    let digits = name.strip_prefix("var").or(name.strip_prefix("buf")).unwrap_or(name);
    name.is_empty() || (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The names of a program's functions and constants.
pub(in crate::loops) struct ProgramNames {
    pub consts: PrimaryMap<ConstId, String>,
    funcs: PrimaryMap<FuncId, String>,
    externs: PrimaryMap<ExternId, String>,
}

impl ProgramNames {
    pub fn new(p: &Program) -> Self {
        let mut namer = Namer::default();
        let mut consts = PrimaryMap::new();
        for c in p.consts.values() {
            let (name, _) = super::consts::split_name(&c.name);
            consts.push(namer.unique(name));
        }
        Self {
            consts,
            funcs: p.funcs.values().map(|f| f.name.clone()).collect(),
            externs: p.externs.values().map(|e| e.symbol.clone()).collect(),
        }
    }

    pub fn func(&self, f: FuncId) -> String {
        self.funcs.get(f).map_or_else(|| format!("@?{f}"), |n| sigil('@', n))
    }

    pub fn extern_(&self, e: ExternId) -> String {
        self.externs.get(e).map_or_else(|| format!("@?{e}"), |n| sigil('@', n))
    }

    pub fn constant(&self, c: ConstId) -> String {
        self.consts.get(c).map_or_else(|| format!("$?{c}"), |n| sigil('$', n))
    }
}

/// The names inside a function.
pub(in crate::loops) struct Names {
    /// Of parameters, in order.
    pub params: Vec<String>,
    /// How many statements at the start the signature stands for.
    pub in_signature: usize,
    values: SecondaryMap<Value, Option<String>>,
    vars: SecondaryMap<Var, Option<String>>,
    bufs: SecondaryMap<Buf, Option<String>>,
}

impl Names {
    pub fn new(func: &Func) -> Self {
        let mut g = Giver { func, namer: Namer::default(), nameless: [0; 3], names: Names::empty() };
        g.params();
        for (b, def) in func.bufs.iter() {
            if def.kind != BufKind::Local {
                g.buf(b);
            }
        }
        for v in func.vars.keys() {
            let name = g.name(&func.vars[v].name, "var", 1);
            g.names.vars[v] = Some(name);
        }
        g.block(&func.body);
        g.names
    }

    fn empty() -> Self {
        let (values, vars, bufs) = (SecondaryMap::new(), SecondaryMap::new(), SecondaryMap::new());
        Names { params: vec![], in_signature: 0, values, vars, bufs }
    }

    /// The value as an operand: its name, or its literal if it is a constant. `%?v7` is defined by no statement.
    pub fn value(&self, func: &Func, v: Value) -> String {
        match func.values.get(v) {
            Some(def) if is_literal(def) => match def.op {
                Op::Const(s) => crate::scalar::literal::literal(s),
                _ => String::new(),
            },
            _ => self.values[v].as_ref().map_or_else(|| format!("%?{v}"), |n| sigil('%', n)),
        }
    }

    /// The variable's name.
    pub fn var(&self, v: Var) -> String {
        self.vars[v].as_ref().map_or_else(|| format!("%?{v}"), |n| sigil('%', n))
    }

    /// The buffer's name. `%?b7` is defined by no statement.
    pub fn buf(&self, b: Buf) -> String {
        self.bufs[b].as_ref().map_or_else(|| format!("%?{b}"), |n| sigil('%', n))
    }

    /// The parameter's name.
    pub fn param(&self, i: u32) -> String {
        self.params.get(i as usize).map_or_else(|| format!("%?param{i}"), |n| sigil('%', n))
    }

    /// Does the signature stand for this buffer?
    pub fn buf_in_signature(&self, func: &Func, b: Buf) -> bool {
        match func.bufs[b].kind {
            BufKind::Param(i) => self.bufs[b].is_some() && self.bufs[b].as_ref() == self.params.get(i as usize),
            _ => false,
        }
    }
}

/// Is this a constant that is printed where it is used?
pub(in crate::loops) fn is_literal(def: &ValueDef) -> bool {
    matches!(def.op, Op::Const(s) if def.ty == Ty::scalar(s.dtype) && Scalar::holds(s.dtype))
}

struct Giver<'a> {
    func: &'a Func,
    namer: Namer,
    /// Nameless values, variables and buffers so far.
    nameless: [u32; 3],
    names: Names,
}

impl Giver<'_> {
    fn name(&mut self, hint: &str, prefix: &str, class: usize) -> String {
        if !hint.is_empty() {
            return self.namer.unique(hint);
        }
        self.nameless[class] += 1;
        format!("{prefix}{}", self.nameless[class] - 1)
    }

    /// Names the parameters, and the values and buffers that are theirs.
    fn params(&mut self) {
        for (i, p) in self.func.params.iter().enumerate() {
            let hint = if p.name.is_empty() { format!("p{i}") } else { p.name.clone() };
            let name = self.namer.unique(&hint);
            self.names.params.push(name);
        }
        let mut next = 0;
        for s in &self.func.body.0 {
            let Stmt::Let(v) = *s else { break };
            let Some(ValueDef { op: Op::Param(i), ty, .. }) = self.func.values.get(v) else { break };
            let kind = self.func.params.get(*i as usize).map(|p| p.kind);
            if *i < next || kind != Some(ParamKind::Scalar(ty.elem)) || ty.lanes != 1 {
                break;
            }
            next = i + 1;
            self.names.values[v] = Some(self.names.params[*i as usize].clone());
            self.names.in_signature += 1;
        }
        let mut seen = BTreeSet::new();
        for (b, def) in self.func.bufs.iter() {
            let BufKind::Param(i) = def.kind else { continue };
            let kind = self.func.params.get(i as usize).map(|p| p.kind);
            let fits = matches!(kind, Some(ParamKind::Buf { dtype, .. }) if dtype == def.dtype);
            if fits && seen.insert(i) {
                self.names.bufs[b] = Some(self.names.params[i as usize].clone());
            }
        }
    }

    fn value(&mut self, v: Value) {
        let Some(def) = self.func.values.get(v) else { return };
        if self.names.values[v].is_none() && !is_literal(def) {
            let name = self.name(&def.name, "", 0);
            self.names.values[v] = Some(name);
        }
    }

    fn buf(&mut self, b: Buf) {
        let Some(def) = self.func.bufs.get(b) else { return };
        if self.names.bufs[b].is_none() {
            let name = self.name(&def.name, "buf", 2);
            self.names.bufs[b] = Some(name);
        }
    }

    fn block(&mut self, block: &Block) {
        for s in &block.0 {
            match s {
                Stmt::Let(v) => self.value(*v),
                Stmt::Alloc { buf, .. } | Stmt::View { buf, .. } | Stmt::Entry { buf, .. } => self.buf(*buf),
                Stmt::For { index, body, .. } => {
                    self.value(*index);
                    self.block(body);
                }
                Stmt::Loop(body) => self.block(body),
                Stmt::If { then, els, .. } => {
                    self.block(then);
                    self.block(els);
                }
                Stmt::Call { result: Some(v), .. } => self.value(*v),
                _ => {}
            }
        }
    }
}
