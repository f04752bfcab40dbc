//! Types of control flow, by models built by hand.

use crate::infer::{infer_graph, unknown_type};
use crate::registry::Registry;
use onnxc_base::{DType, Sym, Tensor};
use onnxc_ir::graph::*;

/// A graph under construction.
#[derive(Default)]
struct Build {
    graph: Graph,
}

impl Build {
    fn value(&mut self, name: &str, ty: Type, def: ValueDef) -> ValueId {
        self.graph.values.push(ValueData { name: name.into(), ty, def, content: None })
    }
    fn param(&mut self, name: &str) -> ValueId {
        self.value(name, unknown_type(), ValueDef::Param)
    }
    fn input(&mut self, name: &str, dtype: DType, dims: &[&str]) -> ValueId {
        let shape = dims.iter().map(|d| Sym::parse(d).expect("an extent")).collect::<Vec<_>>();
        let v = self.value(name, Type::tensor(dtype, shape.clone()), ValueDef::Param);
        for (axis, d) in shape.iter().enumerate() {
            if let Some(s) = d.as_symbol() {
                let source = SymbolSource::Dim(v, axis as u32);
                self.graph.symbols.entry(s.clone()).or_insert(SymbolInfo { source, lo: 0, hi: None });
            }
        }
        self.graph.body.params.push(v);
        v
    }
    /// A scalar input whose element is a symbol.
    fn count(&mut self, name: &str) -> ValueId {
        let v = self.input(name, DType::I64, &[]);
        let info = SymbolInfo { source: SymbolSource::Element(v, 0), lo: i64::MIN, hi: None };
        self.graph.symbols.insert(name.into(), info);
        self.graph.values[v].content = Some(vec![Sym::var(name)]);
        v
    }
    fn constant(&mut self, name: &str, t: Tensor) -> ValueId {
        let shape = t.shape().iter().map(|&d| Sym::int(d as i64)).collect();
        let ty = Type::tensor(t.dtype(), shape);
        self.value(name, ty, ValueDef::Const(t))
    }
    fn node(&mut self, op: &str, inputs: &[Option<ValueId>], outputs: usize, regions: Vec<Region>) -> NodeId {
        let name = format!("{op}{}", self.graph.nodes.len());
        let attrs = Attrs::default().with("axis", Attr::Int(0)).with("num_scan_inputs", Attr::Int(1));
        let node = Node { name, op: OpName::onnx(op), attrs, inputs: inputs.to_vec(), outputs: vec![], regions };
        let id = self.graph.nodes.push(node);
        for i in 0..outputs {
            let name = format!("{op}{}_{i}", self.graph.nodes.len());
            let v = self.value(&name, unknown_type(), ValueDef::Node(id, i as u32));
            self.graph.nodes[id].outputs.push(v);
        }
        id
    }
    fn out(&self, n: NodeId) -> ValueId {
        self.graph.nodes[n].outputs[0]
    }
    /// Infers the node, the only one of the graph; gives the types of its outputs and the bounds of its symbols.
    fn infer(mut self, n: NodeId) -> Vec<String> {
        self.graph.body.nodes.push(n);
        let found = infer_graph(&mut self.graph, &Registry::new());
        if found.has_errors() {
            return found.0.iter().map(|d| d.code.to_string()).collect();
        }
        let shape = |v: &ValueId| {
            let t = self.graph.tensor_type(*v).expect("a tensor");
            format!("{}{:?}", t.dtype, t.shape.iter().map(Sym::to_string).collect::<Vec<_>>()).replace('"', "")
        };
        let mut said: Vec<String> = self.graph.nodes[n].outputs.iter().map(shape).collect();
        for (s, i) in &self.graph.symbols {
            if matches!(i.source, SymbolSource::Result(..) | SymbolSource::Carried(..)) {
                said.push(format!("{s} <= {}", i.hi.as_ref().map_or("?".into(), Sym::to_string)));
            }
        }
        said
    }
}

/// A loop over `x` of extents [r, 4], carried; its body concatenates `rows` rows and gives x as scan output, if asked.
fn growing_loop(count: bool, cond: bool, grow: bool, scan: bool) -> Vec<String> {
    let mut b = Build::default();
    let x = b.input("x", DType::F32, &["r", "4"]);
    let go = b.input("go", DType::Bool, &[]);
    let n = b.count("n");
    let row = b.constant("row", Tensor::from_slice(&[2, 4], &[0f32; 8]));
    let params = vec![b.param("i"), b.param("c"), b.param("state")];
    let (c, state) = (params[1], params[2]);
    let next = if grow {
        b.node("Concat", &[Some(state), Some(row)], 1, vec![])
    } else {
        b.node("Relu", &[Some(state)], 1, vec![])
    };
    let result = b.out(next);
    let mut results = vec![c, result];
    if scan {
        results.push(if grow { row } else { result });
    }
    let body = Region { params, nodes: vec![next], results };
    let inputs = [count.then_some(n), cond.then_some(go), Some(x)];
    let l = b.node("Loop", &inputs, 1 + usize::from(scan), vec![body]);
    b.infer(l)
}

#[test]
fn loops() {
    // A `for`: the trip count is what it says.
    assert_eq!(growing_loop(true, false, false, true), ["f32[r, 4]", "f32[max(0, n), r, 4]"]);
    assert_eq!(
        growing_loop(true, false, true, true),
        ["f32[r + 2*max(0, n), 4]", "f32[max(0, n), 2, 4]", "carried <= r + 2*max(0, n)"]
    );
    // With a condition it is a bound.
    assert_eq!(growing_loop(true, true, false, true), ["f32[r, 4]", "f32[trips, r, 4]", "trips <= max(0, n)"]);
    assert_eq!(
        growing_loop(true, true, true, false),
        ["f32[last, 4]", "carried <= r + 2*max(0, n)", "last <= r + 2*max(0, n)"]
    );
    // A `while`: no bound.
    assert_eq!(growing_loop(false, true, false, true), ["f32[r, 4]", "f32[trips, r, 4]", "trips <= ?"]);
    // An extent that depends on the iteration is known afterwards; see `scanned`.
    let mut b = Build::default();
    let x = b.input("x", DType::F32, &["r"]);
    let params = vec![b.param("i"), b.param("c"), b.param("state")];
    let next = b.node("Concat", &[Some(params[2]), Some(x)], 1, vec![]);
    let results = vec![params[1], b.out(next), b.out(next)];
    let l = b.node("Loop", &[None, None, Some(x)], 2, vec![Region { params, nodes: vec![next], results }]);
    let found = b.infer(l);
    assert_eq!(found[..2], ["f32[last]", "f32[trips, slice]"]);
    assert_eq!(found[4..], ["trips <= ?", "slice <= ?"]);
}

#[test]
fn bounds_mention_what_is_defined_before() {
    // How many elements aren't zero is bounded by how many there are, which changes: that is known after a first look.
    let mut b = Build::default();
    let x = b.input("x", DType::F32, &["4"]);
    let n = b.count("n");
    let more = b.constant("more", Tensor::from_slice(&[2], &[0f32; 2]));
    let params = vec![b.param("i"), b.param("c"), b.param("state")];
    let found = b.node("NonZero", &[Some(params[2])], 1, vec![]);
    let next = b.node("Concat", &[Some(params[2]), Some(more)], 1, vec![]);
    let body = Region { results: vec![params[1], b.out(next)], params, nodes: vec![found, next] };
    let l = b.node("Loop", &[Some(n), None, Some(x)], 1, vec![body]);
    let said = b.infer(l);
    assert_eq!(said, ["f32[2*max(0, n) + 4]", "carried <= 2*max(0, n) + 4", "nonzero <= carried"]);
}

/// An If whose branches give what `make` makes of the inputs x[r, 4] and y[s, 4].
fn branches(make: impl Fn(&mut Build, ValueId, ValueId) -> [NodeId; 2]) -> Vec<String> {
    let mut b = Build::default();
    let x = b.input("x", DType::F32, &["r", "4"]);
    let y = b.input("y", DType::F32, &["s", "4"]);
    let c = b.input("c", DType::Bool, &[]);
    let regions = make(&mut b, x, y).map(|n| Region { params: vec![], nodes: vec![n], results: vec![b.out(n)] });
    let n = b.node("If", &[Some(c)], 1, regions.to_vec());
    b.infer(n)
}

#[test]
fn branches_of_equal_and_of_different_extents() {
    let relu = |b: &mut Build, v| b.node("Relu", &[Some(v)], 1, vec![]);
    assert_eq!(branches(|b, x, _| [relu(b, x), relu(b, x)]), ["f32[r, 4]"]);
    assert_eq!(branches(|b, x, y| [relu(b, x), relu(b, y)]), ["f32[branch, 4]", "branch <= max(r, s)"]);
    let shape = |b: &mut Build, v| b.node("Size", &[Some(v)], 1, vec![]);
    assert_eq!(branches(|b, x, _| [relu(b, x), shape(b, x)]), ["E2051"]);
}

#[test]
fn scans_go_over_the_first_axis() {
    let mut b = Build::default();
    let (s, x) = (b.input("s", DType::F32, &["4"]), b.input("x", DType::F32, &["t", "4"]));
    let params = vec![b.param("state"), b.param("slice")];
    let sum = b.node("Add", &[Some(params[0]), Some(params[1])], 1, vec![]);
    let results = vec![b.out(sum), b.out(sum)];
    let n = b.node("Scan", &[Some(s), Some(x)], 2, vec![Region { params, nodes: vec![sum], results }]);
    assert_eq!(b.infer(n), ["f32[4]", "f32[t, 4]"]);
}

#[test]
fn a_body_that_does_not_fit_is_refused() {
    let mut b = Build::default();
    let x = b.input("x", DType::F32, &["4"]);
    let params = vec![b.param("i"), b.param("c")];
    let results = vec![params[1]];
    let l = b.node("Loop", &[None, None, Some(x)], 1, vec![Region { params, nodes: vec![], results }]);
    assert_eq!(b.infer(l), ["E2054"]);
}

/// An If whose condition is known, between Relus of x[r, 4] and of y[s]: the nodes of the body, and the output's type.
#[test]
fn a_known_condition_takes_one_branch_of_any_rank() {
    let settled = |condition: bool| {
        let mut b = Build::default();
        let (x, y) = (b.input("x", DType::F32, &["r", "4"]), b.input("y", DType::F32, &["s"]));
        let c = b.constant("c", Tensor::from_bools(&[], &[condition]));
        let branches = [x, y].map(|v| {
            let n = b.node("Relu", &[Some(v)], 1, vec![]);
            Region { params: vec![], nodes: vec![n], results: vec![b.out(n)] }
        });
        let n = b.node("If", &[Some(c)], 1, branches.to_vec());
        let out = b.out(n);
        b.graph.body.nodes.push(n);
        b.graph.body.results.push(out);
        let found = infer_graph(&mut b.graph, &Registry::new());
        assert!(!found.has_errors(), "{found}");
        let nodes = b.graph.body.nodes.iter().map(|&n| b.graph.nodes[n].name.clone()).collect::<Vec<_>>();
        format!("{} {}: {}", nodes.join(" "), b.graph.values[out].name, b.graph.values[out].ty)
    };
    assert_eq!(settled(true), "Relu0 If2/branch_0 If3_0: f32[r, 4]");
    assert_eq!(settled(false), "Relu1 If2/branch_0 If3_0: f32[s]");
}

/// "Squeeze axis 0 of x[n, 4] if it is 1", concatenated with a value of rank 1 or 2: which branch is left, with its guard.
fn squeezed(rank: usize, declared: Option<usize>) -> String {
    squeezed_with(rank, declared, None)
}

/// The same with a branch that the user has chosen.
fn squeezed_with(rank: usize, declared: Option<usize>, chosen: Option<usize>) -> String {
    let mut b = Build::default();
    let x = b.input("x", DType::F32, &["n", "4"]);
    let y = b.input("y", DType::F32, &["k", "4"][2 - rank..]);
    let zero = b.constant("zero", Tensor::from_slice(&[], &[0i64]));
    let (axes, one) =
        (b.constant("axes", Tensor::from_slice(&[1], &[0i64])), b.constant("one", Tensor::from_slice(&[], &[1i64])));
    let shape = b.node("Shape", &[Some(x)], 1, vec![]);
    let (dims, n) = (b.out(shape), b.node("Gather", &[Some(b.out(shape)), Some(zero)], 1, vec![]));
    let equal = b.node("Equal", &[Some(b.out(n)), Some(one)], 1, vec![]);
    let branches = [b.node("Squeeze", &[Some(x), Some(axes)], 1, vec![]), b.node("Identity", &[Some(x)], 1, vec![])];
    let regions = branches.map(|n| Region { params: vec![], nodes: vec![n], results: vec![b.out(n)] });
    let either = b.node("If", &[Some(b.out(equal))], 1, regions.to_vec());
    let out = b.out(either);
    if let Some(rank) = declared {
        b.graph.values[out].ty = Type::tensor(DType::F32, vec![Sym::var("d"); rank]);
    }
    let last = match declared {
        Some(_) => b.node("Relu", &[Some(out)], 1, vec![]),
        None => b.node("Concat", &[Some(out), Some(y)], 1, vec![]),
    };
    b.graph.body.nodes.extend([shape, n, equal, either, last]);
    b.graph.body.results.extend([b.out(last), dims]);
    chosen.into_iter().for_each(|which| crate::infer::assume(&mut b.graph, either, which));
    let found = infer_graph(&mut b.graph, &Registry::new());
    let guards = b.graph.guards.iter().map(|g| format!("; {} == {}", g.left, g.right)).collect::<String>();
    let codes = found.0.iter().map(|d| format!("; {}", d.code)).collect::<String>();
    format!("{}{guards}{codes}", b.graph.values[b.out(last)].ty)
}

#[test]
fn branches_of_different_ranks_are_chosen_by_what_fits() {
    assert_eq!(squeezed(1, None), "f32[8]; n == 1; n == 1; E2053");
    assert_eq!(squeezed(2, None), "f32[k + n, 4]; -min(1, max(-n + 1, n - 1)) + 1 == 0; E2053");
    assert_eq!(squeezed(1, Some(1)), "f32[4]; n == 1; n == 1; E2053");
    assert_eq!(squeezed(1, Some(2)), "f32[n, 4]; -min(1, max(-n + 1, n - 1)) + 1 == 0; E2053");
}

#[test]
fn the_user_may_choose_a_branch() {
    assert_eq!(squeezed_with(1, Some(1), Some(0)), "f32[4]; n == 1; n == 1");
    assert_eq!(squeezed_with(1, Some(1), Some(1)), "f32[n, 4]; -min(1, max(-n + 1, n - 1)) + 1 == 0; E2025");
}

#[test]
fn what_a_branch_asks_for_is_asked_there_only() {
    let mut b = Build::default();
    let (x, y) = (b.input("x", DType::F32, &["n", "4"]), b.input("y", DType::F32, &["k", "4"]));
    let c = b.input("c", DType::Bool, &[]);
    let branches = [b.node("Add", &[Some(x), Some(y)], 1, vec![]), b.node("Relu", &[Some(x)], 1, vec![])];
    let regions = branches.map(|n| Region { params: vec![], nodes: vec![n], results: vec![b.out(n)] });
    let n = b.node("If", &[Some(c)], 1, regions.to_vec());
    b.graph.body.nodes.push(n);
    let found = infer_graph(&mut b.graph, &Registry::new());
    assert!(!found.has_errors(), "{found}");
    let asked: Vec<_> = b.graph.guards.iter().map(|g| (format!("{} == {}", g.left, g.right), g.region)).collect();
    let here = Some((n, 0));
    assert_eq!(asked, [("n == joint(k, n)".to_string(), here), ("k == joint(k, n)".to_string(), here)]);
}
