//! Reads the text of a graph (see `print` for the form).
//!
//! Holds afterwards: printing gives the same text. Does NOT check what the verifier checks: a graph that was read may
//! break its rules.
//!
//! Codes: `E7001` syntax · `E7010` a name that nothing defines · `E7011` a name defined twice · `E7012` elements that
//! don't fit a constant, or elided ones.

mod attr;
mod data;
mod node;
#[cfg(test)]
mod tests;

use super::*;
use crate::scalar::literal::parse_literal;
use onnxc_base::text::Cursor;
use onnxc_base::{Diagnostic, IndexMap};
use std::collections::HashMap;

/// How deep regions may be nested.
const MAX_NESTING: usize = 64;
/// How deep types may be nested.
const MAX_TYPE: usize = 16;

/// Reads a graph. Elided constants are taken from `constants`, where one has the name and the hash.
pub fn parse_graph(text: &str, file: Option<&str>, constants: Option<&Graph>) -> Result<Graph, Diagnostic> {
    let mut p = Parser {
        c: Cursor::new(text, file)?,
        graph: Graph::default(),
        values: HashMap::new(),
        nodes: HashMap::new(),
        constants: constants.map(known_constants).unwrap_or_default(),
        parts: vec![],
        depth: 0,
    };
    p.c.expect("graph")?;
    p.graph.name = p.c.sigil('@')?;
    let (params, results) = p.signature()?;
    p.c.expect("{")?;
    let symbols = p.header()?;
    let nodes = p.nodes()?;
    p.c.expect_end()?;
    let results = p.resolve(&results)?;
    p.graph.body = Region { params, nodes, results };
    p.symbols(symbols)?;
    p.parts()?;
    Ok(p.graph)
}

fn known_constants(graph: &Graph) -> HashMap<String, onnxc_base::Tensor> {
    graph
        .values
        .values()
        .filter_map(|v| match &v.def {
            ValueDef::Const(t) => Some((v.name.clone(), t.clone())),
            _ => None,
        })
        .collect()
}

/// A name and where it stands.
type Name = (String, usize);

/// A type, and what may be said after it.
#[derive(Clone)]
struct Typed {
    ty: Type,
    layout: Option<Layout>,
    /// The value that this is a part of, and where.
    within: Option<(Name, Vec<Sym>)>,
    content: Option<Vec<Sym>>,
}

/// A symbol whose source isn't looked up yet, as it may stand further down.
struct RawSymbol {
    symbol: Symbol,
    kind: String,
    of: Name,
    index: u32,
    lo: i64,
    hi: Option<Sym>,
}

struct Parser<'a> {
    c: Cursor<'a>,
    graph: Graph,
    values: HashMap<String, ValueId>,
    nodes: HashMap<String, NodeId>,
    constants: HashMap<String, onnxc_base::Tensor>,
    /// Values that are parts of others, which may stand further down.
    parts: Vec<(ValueId, Name, Vec<Sym>)>,
    depth: usize,
}

impl Parser<'_> {
    fn error(&self, code: &'static str, position: usize, message: impl Into<String>) -> Diagnostic {
        Diagnostic { code, ..self.c.error_at(position, message) }
    }

    /// `(params) -> results`; the results come as names, since they may be defined further down.
    fn signature(&mut self) -> Result<(Vec<ValueId>, Vec<Name>), Diagnostic> {
        self.c.expect("(")?;
        let mut params = Vec::new();
        while !self.c.eat(")") {
            let at = self.c.position();
            let name = self.c.sigil('%')?;
            self.c.expect(":")?;
            let typed = self.typed()?;
            params.push(self.define((name, at), typed, ValueDef::Param)?);
            if !self.c.eat(",") && !self.c.at(")") {
                return Err(self.c.expected("',' or ')'"));
            }
        }
        self.c.expect("->")?;
        let mut results = Vec::new();
        if self.c.eat("(") {
            while !self.c.eat(")") {
                results.push(self.reference()?);
                if !self.c.eat(",") && !self.c.at(")") {
                    return Err(self.c.expected("',' or ')'"));
                }
            }
        } else {
            results.push(self.reference()?);
        }
        Ok((params, results))
    }

    /// `%name` or `$name`.
    fn reference(&mut self) -> Result<Name, Diagnostic> {
        let at = self.c.position();
        let name = self.c.eat_sigil('%').or_else(|| self.c.eat_sigil('$'));
        Ok((name.ok_or_else(|| self.c.expected("a value"))?, at))
    }

    fn look_up(&self, (name, at): &Name) -> Result<ValueId, Diagnostic> {
        let found = self.values.get(name).copied();
        found.ok_or_else(|| self.error("E7010", *at, format!("nothing defines the value '{name}' before this")))
    }

    fn resolve(&self, names: &[Name]) -> Result<Vec<ValueId>, Diagnostic> {
        names.iter().map(|n| self.look_up(n)).collect()
    }

    fn define(
        &mut self,
        (name, at): Name,
        Typed { ty, layout, within, content }: Typed,
        def: ValueDef,
    ) -> Result<ValueId, Diagnostic> {
        let v = self.graph.values.push(ValueData { name: name.clone(), ty, def, content });
        if let Some(layout) = layout {
            self.graph.layouts.insert(v, layout);
        }
        self.parts.extend(within.map(|(host, at)| (v, host, at)));
        match self.values.insert(name.clone(), v) {
            None => Ok(v),
            Some(_) => Err(self.error("E7011", at, format!("the value '{name}' is defined twice"))),
        }
    }

    /// Symbols, guards and constants.
    fn header(&mut self) -> Result<Vec<RawSymbol>, Diagnostic> {
        let mut symbols = Vec::new();
        loop {
            if self.c.eat("sym") {
                symbols.push(self.symbol()?);
            } else if self.c.eat("guard") {
                let left = self.c.parse_sym()?;
                let relation = if self.c.eat("repeats") { Relation::Repeated } else { Relation::Equal };
                self.c.expect(if relation == Relation::Equal { "==" } else { "to" })?;
                let right = self.c.parse_sym()?;
                let reason = self.c.string()?;
                self.graph.guards.push(Guard { left, right, relation, reason, region: None });
            } else if self.c.eat("const") {
                self.constant()?;
            } else {
                return Ok(symbols);
            }
        }
    }

    /// `n = dim(%x, 0) in 0..=1024`.
    fn symbol(&mut self) -> Result<RawSymbol, Diagnostic> {
        let symbol = self.c.symbol()?;
        self.c.expect("=")?;
        let kind = self.c.ident()?;
        self.c.expect("(")?;
        let of = match kind.as_str() {
            "dim" | "element" | "carried" => self.reference()?,
            "extent" | "result" => {
                let at = self.c.position();
                (self.c.sigil('@')?, at)
            }
            _ => return Err(self.c.error("a symbol comes from dim, element, carried, extent or result")),
        };
        self.c.expect(",")?;
        let index = self.index()?;
        self.c.expect(")")?;
        self.c.expect("in")?;
        let lo = self.c.int()?;
        self.c.expect("..")?;
        let hi = if self.c.eat("=") { Some(self.c.parse_sym()?) } else { None };
        Ok(RawSymbol { symbol, kind, of, index, lo, hi })
    }

    fn index(&mut self) -> Result<u32, Diagnostic> {
        let at = self.c.position();
        let value = self.c.uint()?;
        u32::try_from(value).map_err(|_| self.error("E7001", at, "expected a small number"))
    }

    /// Looks up the sources of symbols.
    fn symbols(&mut self, symbols: Vec<RawSymbol>) -> Result<(), Diagnostic> {
        let mut known = IndexMap::new();
        for RawSymbol { symbol, kind, of, index, lo, hi } in symbols {
            let node = || {
                let found = self.nodes.get(&of.0).copied();
                found.ok_or_else(|| self.error("E7010", of.1, format!("there is no node '{}'", of.0)))
            };
            let source = match kind.as_str() {
                "dim" => SymbolSource::Dim(self.look_up(&of)?, index),
                "element" => SymbolSource::Element(self.look_up(&of)?, index),
                "carried" => SymbolSource::Carried(self.look_up(&of)?, index),
                "extent" => SymbolSource::Extent(node()?, index),
                _ => SymbolSource::Result(node()?, index),
            };
            if known.insert(symbol.clone(), SymbolInfo { source, lo, hi }).is_some() {
                return Err(self.error("E7011", of.1, format!("the symbol '{symbol}' is defined twice")));
            }
        }
        self.graph.symbols = known;
        Ok(())
    }

    /// A type, a layout and symbolic contents if they follow.
    fn typed(&mut self) -> Result<Typed, Diagnostic> {
        let ty = self.ty(0)?;
        let layout = if self.c.eat("order") { Some(self.layout(&ty)?) } else { None };
        let mut within = None;
        if layout.is_some() && self.c.eat("within") {
            let host = self.reference()?;
            self.c.expect("[")?;
            within = Some((host, self.c.list("]", |c| c.parse_sym())?));
        }
        let mut content = None;
        if self.c.eat("=") {
            self.c.expect("[")?;
            content = Some(self.c.list("]", |c| c.parse_sym())?);
        }
        Ok(Typed { ty, layout, within, content })
    }

    /// `[0, 2, 3, 1]`: every axis of the tensor once.
    fn layout(&mut self, of: &Type) -> Result<Layout, Diagnostic> {
        let at = self.c.position();
        self.c.expect("[")?;
        let order = self.c.list("]", |c| c.uint())?;
        let order = order.into_iter().map(|a| usize::try_from(a).unwrap_or(usize::MAX)).collect::<Vec<_>>();
        let rank = of.as_tensor().map(|t| t.rank());
        let layout = Layout::new(order)
            .filter(|l| Some(l.order().len()) == rank)
            .ok_or_else(|| self.error("E7001", at, "an order names every axis of the tensor once"))?;
        if !self.c.eat("border") {
            return Ok(layout);
        }
        let at = self.c.position();
        let mut side = || {
            self.c.expect("[")?;
            self.c.list("]", |c| c.int())
        };
        let (lo, hi) = (side()?, side()?);
        if Some(lo.len()) != rank || Some(hi.len()) != rank {
            return Err(self.error("E7001", at, "a border has a width for every axis of the tensor, twice"));
        }
        let fill = parse_literal(&mut self.c)?;
        Ok(layout.with_border(Border { width: lo.into_iter().zip(hi).collect(), fill }))
    }

    /// Puts values into those that they are parts of.
    fn parts(&mut self) -> Result<(), Diagnostic> {
        for (v, host, at) in std::mem::take(&mut self.parts) {
            let within = Within { host: self.look_up(&host)?, at };
            if let Some(l) = self.graph.layouts.get_mut(&v) {
                *l = l.clone().with_host(within);
            }
        }
        Ok(())
    }

    pub(super) fn ty(&mut self, depth: usize) -> Result<Type, Diagnostic> {
        if depth > MAX_TYPE {
            return Err(self.c.error("the type is nested too deeply"));
        }
        if self.c.eat("?") {
            return Ok(Type::unknown());
        }
        for (word, wrap) in [("seq", Type::Sequence as fn(Box<Type>) -> Type), ("optional", Type::Optional)] {
            if self.c.eat(word) {
                self.c.expect("(")?;
                let inner = self.ty(depth + 1)?;
                self.c.expect(")")?;
                return Ok(wrap(Box::new(inner)));
            }
        }
        if self.c.eat("any") {
            self.c.expect("(")?;
            let dtype = self.dtype()?;
            let rank = if self.c.eat(",") { Some(u32::try_from(self.c.uint()?).unwrap_or(u32::MAX)) } else { None };
            self.c.expect(")")?;
            return Ok(Type::AnyTensor(dtype, rank));
        }
        if self.c.eat("absent") {
            self.c.expect("(")?;
            let dtype = self.dtype()?;
            self.c.expect(")")?;
            return Ok(Type::Absent(dtype));
        }
        if self.c.eat("map") {
            self.c.expect("(")?;
            let key = self.dtype()?;
            self.c.expect(",")?;
            let inner = self.ty(depth + 1)?;
            self.c.expect(")")?;
            return Ok(Type::Map(key, Box::new(inner)));
        }
        let dtype = self.dtype()?;
        self.c.expect("[")?;
        Ok(Type::tensor(dtype, self.c.list("]", |c| c.parse_sym())?))
    }

    fn dtype(&mut self) -> Result<DType, Diagnostic> {
        let at = self.c.position();
        let word = self.c.ident()?;
        DType::from_name(&word).ok_or_else(|| self.error("E7001", at, format!("'{word}' is no element type")))
    }
}
