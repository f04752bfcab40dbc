//! Nodes and regions.

use super::{MAX_NESTING, Name, Parser, Typed};
use crate::graph::{Node, NodeId, OpName, Region, ValueDef, ValueId};
use onnxc_base::Diagnostic;
use onnxc_base::text::Tok;

impl Parser<'_> {
    /// Nodes up to a `}`, which is taken.
    pub(super) fn nodes(&mut self) -> Result<Vec<NodeId>, Diagnostic> {
        let mut nodes = Vec::new();
        while !self.c.eat("}") {
            nodes.push(self.node()?);
        }
        Ok(nodes)
    }

    fn node(&mut self) -> Result<NodeId, Diagnostic> {
        let outputs = self.outputs()?;
        let op = self.op()?;
        self.c.expect("(")?;
        let mut inputs = Vec::new();
        while !self.c.eat(")") {
            inputs.push(self.input()?);
            if !self.c.eat(",") && !self.c.at(")") {
                return Err(self.c.expected("',' or ')'"));
            }
        }
        let attrs = self.attrs()?;
        let types = self.output_types(outputs.len())?;
        let at = self.c.position();
        let name = self.c.sigil('@')?;
        let regions = if self.c.eat("{") { self.regions()? } else { vec![] };
        // Outputs are defined after the regions, which can't use them.
        let id = self.graph.nodes.next_key();
        let mut defined: Vec<ValueId> = Vec::new();
        self.graph.nodes.push(Node { name: name.clone(), op, attrs, inputs, outputs: vec![], regions });
        for (i, (output, typed)) in outputs.into_iter().zip(types).enumerate() {
            defined.push(self.define(output, typed, ValueDef::Node(id, i as u32))?);
        }
        self.graph.nodes[id].outputs = defined;
        match self.nodes.insert(name.clone(), id) {
            None => Ok(id),
            Some(_) => Err(self.error("E7011", at, format!("two nodes have the name '{name}'"))),
        }
    }

    /// `%a, %b =`, or nothing.
    fn outputs(&mut self) -> Result<Vec<Name>, Diagnostic> {
        let mut names = Vec::new();
        while let Tok::Sigil('%', _) = self.c.peek() {
            names.push(self.reference()?);
            if !self.c.eat(",") {
                self.c.expect("=")?;
                break;
            }
        }
        Ok(names)
    }

    /// `Conv`, `my_domain.MyAdd`, or two strings.
    fn op(&mut self) -> Result<OpName, Diagnostic> {
        if let Tok::Str(_) = self.c.peek() {
            return Ok(OpName { domain: self.c.string()?, name: self.c.string()? });
        }
        let word = self.c.ident()?;
        let (domain, name) = word.rsplit_once('.').unwrap_or(("", &word));
        Ok(OpName { domain: domain.into(), name: name.into() })
    }

    /// A value, or `_` for none.
    fn input(&mut self) -> Result<Option<ValueId>, Diagnostic> {
        if self.c.eat("_") {
            return Ok(None);
        }
        let name = self.reference()?;
        self.look_up(&name).map(Some)
    }

    /// `: f32[n], i64[] = [k]`.
    fn output_types(&mut self, count: usize) -> Result<Vec<Typed>, Diagnostic> {
        let mut types = Vec::new();
        if count > 0 {
            self.c.expect(":")?;
        }
        for i in 0..count {
            if i > 0 {
                self.c.expect(",")?;
            }
            types.push(self.typed()?);
        }
        Ok(types)
    }

    /// `region (...) -> ... { ... }` up to a `}`, which is taken.
    fn regions(&mut self) -> Result<Vec<Region>, Diagnostic> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err(self.c.error("regions are nested too deeply"));
        }
        let mut regions = Vec::new();
        while !self.c.eat("}") {
            self.c.expect("region")?;
            let (params, results) = self.signature()?;
            self.c.expect("{")?;
            let nodes = self.nodes()?;
            regions.push(Region { params, nodes, results: self.resolve(&results)? });
        }
        self.depth -= 1;
        Ok(regions)
    }
}
