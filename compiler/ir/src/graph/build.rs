//! Builds graphs: values, constants and nodes with unique names, in the body or inside a region.
//!
//! ```ignore
//! let mut b = GraphBuilder::new("net");
//! let n = b.input_dim("n");
//! let x = b.input("x", Type::tensor(DType::F32, vec![n.clone()]));
//! let y = b.node(OpName::onnx("Relu"), Attrs::default(), &[Some(x)], vec![Type::tensor(DType::F32, vec![n])]);
//! let graph = b.finish(&y);
//! ```
//! Does NOT infer types: the caller gives them.

use super::*;
use std::collections::HashSet;

/// A graph under construction.
#[derive(Default)]
pub struct GraphBuilder {
    /// The graph so far; its body isn't filled before the end.
    pub graph: Graph,
    /// The body and the regions being built, innermost last.
    open: Vec<Region>,
    names: HashSet<String>,
    node_names: HashSet<String>,
}

fn unique(used: &mut HashSet<String>, hint: &str) -> String {
    let mut name = hint.to_string();
    let mut i = 1;
    while !used.insert(name.clone()) {
        i += 1;
        name = format!("{hint}_{i}");
    }
    name
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        let graph = Graph { name: name.into(), ..Graph::default() };
        Self { graph, open: vec![Region::default()], ..Self::default() }
    }

    fn region(&mut self) -> &mut Region {
        self.open.last_mut().expect("the body stays open")
    }

    fn value(&mut self, hint: &str, ty: Type, def: ValueDef) -> ValueId {
        let name = unique(&mut self.names, hint);
        self.graph.values.push(ValueData { name, ty, def, content: None })
    }

    /// A parameter of the region being built: an input of the graph, at the outermost level.
    pub fn input(&mut self, name: &str, ty: Type) -> ValueId {
        let v = self.value(name, ty, ValueDef::Param);
        self.region().params.push(v);
        v
    }

    /// A tensor input whose dims are symbols of their own (by name) or numbers.
    pub fn tensor_input(&mut self, name: &str, dtype: DType, dims: &[&str]) -> ValueId {
        let v = self.input(name, Type::unknown());
        let mut shape = Vec::new();
        for (axis, dim) in dims.iter().enumerate() {
            shape.push(match dim.parse::<i64>() {
                Ok(n) => Sym::int(n),
                Err(_) => {
                    let info = SymbolInfo { source: SymbolSource::Dim(v, axis as u32), lo: 0, hi: None };
                    self.graph.symbols.entry(Symbol::new(dim)).or_insert(info);
                    Sym::var(*dim)
                }
            });
        }
        self.graph.values[v].ty = Type::tensor(dtype, shape);
        v
    }

    /// A symbol.
    pub fn symbol(&mut self, name: &str, source: SymbolSource, lo: i64, hi: Option<Sym>) -> Sym {
        self.graph.symbols.insert(Symbol::new(name), SymbolInfo { source, lo, hi });
        Sym::var(name)
    }

    /// A constant.
    pub fn constant(&mut self, hint: &str, t: Tensor) -> ValueId {
        self.value(hint, tensor_type_of(&t), ValueDef::Const(t))
    }

    /// A node; it gives its outputs, one for each type.
    pub fn node(&mut self, op: OpName, attrs: Attrs, inputs: &[Option<ValueId>], types: Vec<Type>) -> Vec<ValueId> {
        self.node_with_regions(op, attrs, inputs, types, vec![])
    }

    /// A node with regions.
    pub fn node_with_regions(
        &mut self,
        op: OpName,
        attrs: Attrs,
        inputs: &[Option<ValueId>],
        types: Vec<Type>,
        regions: Vec<Region>,
    ) -> Vec<ValueId> {
        let id = self.graph.nodes.next_key();
        let name = unique(&mut self.node_names, &op.name);
        let define = |(i, ty)| self.value(&name.to_lowercase(), ty, ValueDef::Node(id, i as u32));
        let outputs: Vec<ValueId> = types.into_iter().enumerate().map(define).collect();
        let node = Node { name, op, attrs, inputs: inputs.to_vec(), outputs: outputs.clone(), regions };
        self.graph.nodes.push(node);
        self.region().nodes.push(id);
        outputs
    }

    /// A region: `f` adds its parameters (by [`Self::input`]) and nodes, and gives its results.
    pub fn in_region(&mut self, f: impl FnOnce(&mut Self) -> Vec<ValueId>) -> Region {
        self.open.push(Region::default());
        let results = f(self);
        let region = self.open.pop().expect("pushed above");
        Region { results, ..region }
    }

    /// The graph with these results.
    pub fn finish(mut self, results: &[ValueId]) -> Graph {
        let body = self.open.pop().expect("the body stays open");
        self.graph.body = Region { results: results.to_vec(), ..body };
        self.graph
    }
}

/// The type of a constant.
pub fn tensor_type_of(t: &Tensor) -> Type {
    Type::tensor(t.dtype(), t.shape().iter().map(|&d| Sym::int(d as i64)).collect())
}
