//! The model's inputs: their types, the symbols of their dims, the symbolic contents of small integer inputs.
//!
//! - A fixed dim is its number. Dims of one name share one symbol, whose value comes from the first of them; that the
//!   others are equal is checked by whoever runs the module. A dim without a (sensible) name has a symbol of its own:
//!   `input_d0`.
//! - A symbol is at least 0 unless the user gives a range: an empty batch is legal, every operator says what it does
//!   with empty tensors, and a bound that a run can break would make proofs wrong. The price, a `max` here and there,
//!   is paid by `--dim n=1..`.
//! - Integers given as input (a trip count, a target shape) are symbols, too, so that extents can depend on them.

use super::Importer;
use super::names::identifier;
use super::types::element_type;
use crate::infer::{MAX_SYMBOLIC, unknown_type};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Diagnostic, Sym};
use onnxc_ir::graph::{SymbolInfo, SymbolSource, Type, ValueDef, ValueId};
use onnxc_onnx::{Dimension, GraphProto, TensorProto, ValueInfoProto, type_proto};
use std::collections::HashSet;

impl<'m> Importer<'m> {
    /// Defines the inputs of the model. One that is also an initializer is a constant: an ahead-of-time compiler takes
    /// the default for good, whatever the IR version, unless the user names it as an input.
    pub(super) fn inputs(&mut self, g: &'m GraphProto) -> Vec<ValueId> {
        let sparse = g.sparse_initializer.iter().filter_map(|s| Some(s.values.as_ref()?.name.as_str()));
        let constants: HashSet<&str> = g.initializer.iter().map(|t| t.name.as_str()).chain(sparse).collect();
        let options = self.options;
        let given = &options.inputs;
        let constant = |name: &str| constants.contains(name) && !given.contains_key(name);
        let (defaults, inputs): (Vec<_>, Vec<_>) = g.input.iter().partition(|i| constant(&i.name));
        self.note_defaults(&defaults);
        let mut params = Vec::new();
        for &input in &inputs {
            let ty = |this: &mut Self, v| this.input_type(input, v);
            params.push(self.input(&input.name, ty));
        }
        // Initializers that only the user calls inputs.
        let listed = |name: &str| g.input.iter().any(|i| i.name == name);
        for t in g.initializer.iter().filter(|t| given.contains_key(&t.name) && !listed(&t.name)) {
            let ty = |this: &mut Self, v| this.default_type(t, v);
            params.push(self.input(&t.name, ty));
        }
        self.unused_overrides(g);
        params
    }

    fn input(&mut self, name: &'m str, ty: impl FnOnce(&mut Self, ValueId) -> Result<Type, Diagnostic>) -> ValueId {
        let v = self.define(name, unknown_type(), ValueDef::Param);
        match ty(self, v) {
            Ok(ty) => self.graph.values[v].ty = ty,
            Err(d) => self.report(d.tensor(name)),
        }
        self.symbolic_content(v);
        v
    }

    /// Before version 4 of the IR every initializer had to be an input.
    fn note_defaults(&mut self, defaults: &[&'m ValueInfoProto]) {
        if let [first, rest @ ..] = defaults
            && self.model.ir_version() >= 4
        {
            let others = if rest.is_empty() { String::new() } else { format!(" and {} others", rest.len()) };
            self.report(
                Diagnostic::warning(
                    "E2033",
                    format!("the input{others} has a default, which the module takes for good"),
                )
                .tensor(&first.name)
                .help(format!("--input {} makes it an input that every run gives", first.name)),
            );
        }
    }

    fn input_type(&mut self, input: &'m ValueInfoProto, v: ValueId) -> Result<Type, Diagnostic> {
        let unknown = |what: &str| Diagnostic::error("E2027", format!("the input has no {what}"));
        let value = input.ty.as_ref().and_then(|t| t.value.as_ref());
        let value = value.ok_or_else(|| unknown("type").help("declare the type when exporting"))?;
        let type_proto::Value::Tensor(t) = value else {
            let ty = input.ty.as_ref().and_then(|t| self.declared_type(t));
            return ty.filter(|t| !has_symbols(t)).ok_or_else(|| unknown("type that is supported yet"));
        };
        let dtype = element_type(t).ok_or_else(|| unknown("element type"))?;
        if let Some(shape) = self.given_shape(&input.name, v) {
            return Ok(Type::tensor(dtype, shape));
        }
        let dims = t.dims().ok_or_else(|| {
            unknown("rank")
                .expected("a type with element type and rank; extents may be symbolic")
                .help(format!("give its extents, numbers or names: --input {}=n,3,224,224", input.name))
        })?;
        let shape = dims.iter().enumerate().map(|(i, d)| self.input_dim(&input.name, v, i as u32, d)).collect();
        Ok(Type::tensor(dtype, shape))
    }

    /// The type of an initializer that is an input.
    fn default_type(&mut self, t: &'m TensorProto, v: ValueId) -> Result<Type, Diagnostic> {
        let tensor = self.model.tensor(t)?;
        let own = || tensor.shape().iter().map(|&d| Sym::int(d as i64)).collect();
        Ok(Type::tensor(tensor.dtype(), self.given_shape(&t.name, v).unwrap_or_else(own)))
    }

    /// The extents that the user gives an input.
    fn given_shape(&mut self, input: &str, v: ValueId) -> Option<Vec<Sym>> {
        let options = self.options;
        let words = options.inputs.get(input)?.as_ref()?;
        let extent = |(axis, word): (usize, &'m String)| match word.parse::<i64>() {
            Ok(n) => Sym::int(n),
            Err(_) => self.named_dim(Some(word).filter(|w| *w != "?").map(|w| w.as_str()), input, v, axis as u32),
        };
        Some(words.iter().enumerate().map(extent).collect())
    }

    fn input_dim(&mut self, input: &str, v: ValueId, axis: u32, d: &'m Dimension) -> Sym {
        match d.fixed() {
            Some(n) if n >= 0 => {
                if n == 0 {
                    self.report(
                        Diagnostic::warning(
                            "E2024",
                            format!("axis {axis} has the extent 0: the input has no elements"),
                        )
                        .tensor(input)
                        .help("if 0 stands for 'unknown', give the dim a name when exporting"),
                    );
                }
                return Sym::int(n);
            }
            Some(n) => self.report(
                Diagnostic::warning(
                    "E2024",
                    format!("axis {axis} has the negative extent {n}; it is taken as unknown"),
                )
                .tensor(input)
                .help("give the dim a name when exporting"),
            ),
            None => {}
        }
        self.named_dim(d.param().filter(|_| d.fixed().is_none()), input, v, axis)
    }

    /// The extent that a name stands for, or one of the input's own.
    fn named_dim(&mut self, param: Option<&'m str>, input: &str, v: ValueId, axis: u32) -> Sym {
        if let Some(p) = param {
            if let Some(dim) = self.dims.get(p) {
                return dim.clone();
            }
            if let Some(name) = identifier(p) {
                let dim = self.dim_symbol(Some(p), &name, SymbolSource::Dim(v, axis));
                self.dims.insert(p, dim.clone());
                return dim;
            }
        }
        let name = identifier(input).unwrap_or_else(|| "input".into());
        self.dim_symbol(None, &format!("{name}_d{axis}"), SymbolSource::Dim(v, axis))
    }

    /// A fresh symbol for a dim, or the extent that the user fixed.
    fn dim_symbol(&mut self, raw: Option<&str>, name: &str, source: SymbolSource) -> Sym {
        let name = self.symbol_names.unique(name, true);
        let key = [raw.unwrap_or(&name), &name].into_iter().find(|k| self.options.dims.contains_key(*k));
        self.dim_names.push(raw.unwrap_or(&name).to_string());
        let (mut lo, mut hi) = (0, None);
        if let Some(key) = key {
            let range = self.options.dims[key];
            self.overrides.insert(key.to_string());
            if let Some(fixed) = range.fixed() {
                return Sym::int(fixed);
            }
            (lo, hi) = (range.lo, range.hi.map(Sym::int));
        }
        let symbol = Symbol::new(&name);
        self.graph.symbols.insert(symbol.clone(), SymbolInfo { source, lo, hi });
        Sym::var(symbol)
    }

    fn symbolic_content(&mut self, v: ValueId) {
        let Some(t) = self.graph.tensor_type(v).cloned() else { return };
        let count = t.count().as_int().filter(|&n| n <= MAX_SYMBOLIC && t.rank() <= 1);
        let (lo, hi) = match t.dtype {
            DType::I64 => (i64::MIN, None),
            DType::I32 => (i64::from(i32::MIN), Some(Sym::int(i64::from(i32::MAX)))),
            _ => return,
        };
        let Some(count) = count else { return };
        let input = identifier(&self.graph.values[v].name).unwrap_or_else(|| "input".into());
        let content = (0..count).map(|i| {
            let name = if t.rank() == 0 { input.clone() } else { format!("{input}_{i}") };
            let symbol = Symbol::new(&self.symbol_names.unique(&name, true));
            let source = SymbolSource::Element(v, i as u32);
            self.graph.symbols.insert(symbol.clone(), SymbolInfo { source, lo, hi: hi.clone() });
            Sym::var(symbol)
        });
        let content: Vec<Sym> = content.collect();
        self.graph.values[v].content = Some(content);
    }

    fn unused_overrides(&mut self, g: &GraphProto) {
        let known = |name: &str| g.input.iter().any(|i| i.name == name) || g.initializer.iter().any(|t| t.name == name);
        for name in self.options.inputs.keys().filter(|n| !known(n)) {
            let inputs: Vec<&str> = g.input.iter().map(|i| i.name.as_str()).collect();
            self.report(
                Diagnostic::error("E2034", format!("--input {name}: the model has no input of that name"))
                    .expected(format!("one of its inputs ({}) or initializers", inputs.join(", "))),
            );
        }
        let unused: Vec<&String> = self.options.dims.keys().filter(|k| !self.overrides.contains(*k)).collect();
        for name in unused {
            let known =
                if self.dim_names.is_empty() { "none, all dims are fixed".into() } else { self.dim_names.join(", ") };
            self.report(
                Diagnostic::error("E2028", format!("--dim {name}: no input has a dim of that name"))
                    .expected(format!("one of the model's dims: {known}")),
            );
        }
    }
}

/// True if the extents of a type aren't all fixed.
fn has_symbols(ty: &Type) -> bool {
    match ty {
        Type::Tensor(t) => t.fixed().is_none(),
        Type::Sequence(t) | Type::Optional(t) | Type::Map(_, t) => has_symbols(t),
        Type::AnyTensor(..) | Type::Absent(_) => false,
    }
}
