//! Derivatives against central differences of the graph itself, in double precision.

mod elements;
mod loops;
mod operators;
mod products;

use super::*;
use crate::eval::Evaluator;
use crate::registry::Registry;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::{Graph, OpName, parse_graph};
use std::collections::BTreeMap as Map;

/// Adds a Gradient node of `%y` by `xs`, evaluated at `at`, and makes its outputs the graph's further results.
fn added(text: &str, xs: &[&str], zs: &[&str], at: &[&str]) -> Result<Graph> {
    let mut g = parse_graph(text, None, None).expect("well-formed");
    let results = gradient(&mut g, "y", xs, zs, at)?;
    g.body.results.extend(results);
    Ok(g)
}

/// Adds a Gradient node; gives what it becomes.
fn gradient(g: &mut Graph, y: &str, xs: &[&str], zs: &[&str], at: &[&str]) -> Result<Vec<ValueId>> {
    let names: Map<String, ValueId> = g.values.iter().map(|(v, data)| (data.name.clone(), v)).collect();
    let find = |name: &str| names.get(name).copied();
    let list = |names: &[&str]| Attr::Strs(names.iter().map(|n| n.to_string()).collect());
    let mut attrs: Map<String, Attr> = [("xs".into(), list(xs)), ("y".into(), Attr::Str(y.into()))].into();
    if !zs.is_empty() {
        attrs.insert("zs".into(), list(zs));
    }
    let op = OpName { domain: DEF.domain.into(), name: DEF.name.into() };
    let inputs = at.iter().map(|n| find(n)).collect();
    let mut reader =
        NodeReader::new(g, "gradient".into(), op, 1, inputs, xs.len(), attrs, Map::new()).with_scope(&find);
    import(&mut reader)?;
    let mut composed = reader.composed();
    g.body.nodes.extend(composed.nodes);
    crate::import::place(&mut composed.before, &mut g.body.nodes);
    assert!(composed.before.is_empty(), "nodes without a place");
    Ok(composed.results.expect("a composed node"))
}

/// A graph whose first result is the sum of the squared derivatives of `%y`, and whose others are derivatives of that.
fn derive_twice(text: &str, xs: &[&str]) -> Result<Graph> {
    let mut g = parse_graph(text, None, None).expect("well-formed");
    let first = gradient(&mut g, "y", xs, &[], xs)?;
    let mut reader =
        NodeReader::new(&mut g, "squares".into(), OpName::onnx("Sum"), 1, vec![], 1, Map::new(), Map::new());
    let square = |n: &mut NodeReader, v: &ValueId| {
        n.emit_one("ReduceSumSquare", &[("keepdims", Attr::Int(0))], &[Some(*v)]).map(Some)
    };
    let squares = first.iter().map(|v| square(&mut reader, v)).collect::<Result<Vec<_>>>()?;
    let sum = reader.emit_one("Sum", &[], &squares)?;
    let nodes = reader.composed().nodes;
    g.values[sum].name = "sum of squares".into();
    g.body.nodes.extend(nodes);
    let second = gradient(&mut g, "sum of squares", xs, &[], xs)?;
    g.body.results = [vec![sum], second].concat();
    let problems = crate::infer::infer_graph(&mut g, &Registry::new());
    assert!(!problems.has_errors(), "{text}\n{problems}");
    Ok(g)
}

/// The same with types.
fn derive(text: &str, xs: &[&str], zs: &[&str], at: &[&str]) -> Result<Graph> {
    let mut g = added(text, xs, zs, at)?;
    let problems = crate::infer::infer_graph(&mut g, &Registry::new());
    assert!(!problems.has_errors(), "{problems}");
    Ok(g)
}

fn results(g: &Graph, inputs: &[Tensor]) -> Vec<Vec<f64>> {
    let inputs: Vec<HostValue> = inputs.iter().cloned().map(HostValue::Tensor).collect();
    let results = run(g, &Evaluator::new(&Registry::new()), &inputs).unwrap_or_else(|d| panic!("{d}"));
    results.iter().map(|v| v.tensor().and_then(Tensor::to_f64).expect("numbers")).collect()
}

fn flag(v: bool) -> Tensor {
    Tensor::from_bytes(DType::Bool, vec![], vec![u8::from(v)].into()).expect("one byte")
}

fn tensor(shape: &[usize], values: &[f64]) -> Tensor {
    Tensor::from_slice(shape, values)
}

/// Compares the derivatives by the graph's first inputs, which are `xs`, with differences of the sum of `%y`; and
/// derivatives of these with differences of them.
fn check(text: &str, xs: &[&str], inputs: &[Tensor]) {
    let g = derive(text, xs, &[], xs).unwrap_or_else(|d| panic!("{d}"));
    compare(&g, text, xs, inputs);
    let g = derive_twice(text, xs).unwrap_or_else(|d| panic!("twice: {d}"));
    compare(&g, text, xs, inputs);
}

/// Compares the results after the first, derivatives by the first inputs, with differences of the first one's sum: along
/// two directions, in which all elements move by different amounts.
fn compare(g: &Graph, text: &str, xs: &[&str], inputs: &[Tensor]) {
    let found = results(g, inputs);
    for direction in 0..2 {
        let way = |k: usize, i: usize| 0.3 + ((7 * i + 3 * k + 5 * direction) % 11) as f64 / 11.0;
        let moved = |by: f64| {
            let mut all = inputs.to_vec();
            for (k, x) in inputs.iter().enumerate().take(xs.len()) {
                let values = x.to_f64().expect("numbers");
                let values: Vec<f64> = values.iter().enumerate().map(|(i, v)| v + by * way(k, i)).collect();
                all[k] = tensor(x.shape(), &values);
            }
            results(g, &all)[0].iter().sum::<f64>()
        };
        // Differences of fourth order.
        let difference = |by: f64| (moved(by) - moved(-by)) / (2.0 * by);
        let wanted = (4.0 * difference(1e-4) - difference(2e-4)) / 3.0;
        let mut got = 0.0;
        for (k, x) in inputs.iter().enumerate().take(xs.len()) {
            assert_eq!(found[k + 1].len(), x.shape().iter().product::<usize>(), "{text}");
            got += found[k + 1].iter().enumerate().map(|(i, v)| v * way(k, i)).sum::<f64>();
        }
        let size = found[0].iter().sum::<f64>().abs() * 1e-2;
        assert!((got - wanted).abs() < 1e-6 * wanted.abs().max(size).max(1.0), "{got}, not {wanted}\n{text}");
    }
}

/// Inputs without kinks and poles near.
fn inputs(shapes: &[&[usize]]) -> Vec<Tensor> {
    let value = |k: usize, i: usize| 0.3 + 0.37 * ((5 * i + 3 * k) % 7) as f64;
    let of = |(k, s): (usize, &&[usize])| tensor(s, &(0..s.iter().product()).map(|i| value(k, i)).collect::<Vec<_>>());
    shapes.iter().enumerate().map(of).collect()
}

/// A graph of `%y` by formulas, one a line: `%name = Op(...) {...}`.
fn graph(params: &str, lines: &[&str]) -> String {
    let types = |l: &str| vec!["?"; l.split('=').next().map_or(1, |outputs| outputs.matches('%').count())].join(", ");
    let body: String = lines.iter().enumerate().map(|(i, l)| format!("  {l} : {} @n{i}\n", types(l))).collect();
    format!("graph @g({params}) -> %y {{\n{body}}}\n")
}

#[test]
fn elementary_functions() {
    for op in [
        "Identity",
        "Erf",
        "Neg",
        "Log",
        "Relu",
        "Exp",
        "Abs",
        "Sin",
        "Cos",
        "Softplus",
        "Sqrt",
        "Reciprocal",
        "Tanh",
        "Sigmoid",
        "Mish",
        "HardSwish",
        "Softsign",
        "Tan",
        "Sinh",
        "Cosh",
        "Swish(%s) { alpha: 0.7 }",
        "Celu(%s) { alpha: 0.7 }",
        "Selu(%s) { alpha: 1.6, gamma: 1.05 }",
        "ThresholdedRelu(%s) { alpha: 1.0 }",
        "Shrink(%s) { bias: 0.2, lambd: 1.0 }",
        "SwiGLU(%s, %a) { alpha: 0.7 }",
        "HardSigmoid(%s) { alpha: 0.3, beta: 0.2 }",
        "Gelu(%s) { approximate: \"none\" }",
        "Gelu(%s) { approximate: \"tanh\" }",
    ] {
        let line = if op.contains('(') { format!("%f = {op}") } else { format!("%f = {op}(%s)") };
        let net = graph("%a: f64[2, 3]", &["%s = Mul(%a, %a)", &line, "%y = Mul(%f, %a)"]);
        check(&net, &["a"], &inputs(&[&[2, 3]]));
    }
}

#[test]
fn arcs() {
    for (inner, ops) in [("Sigmoid", ["Asin", "Acos", "Atanh"]), ("Exp", ["Acosh", "Asinh", "Atan"])] {
        for op in ops {
            let lines = [format!("%s = {inner}(%a)"), format!("%f = {op}(%s)"), "%y = Mul(%f, %a)".into()];
            let net = graph("%a: f64[2, 3]", &lines.each_ref().map(String::as_str));
            check(&net, &["a"], &inputs(&[&[2, 3]]));
        }
    }
}

#[test]
fn steps_have_no_derivative() {
    let net = graph("%a: f64[3]", &["%f = Floor(%a)", "%g = Sign(%a)", "%h = Mul(%f, %g)", "%y = Mul(%h, %a)"]);
    check(&net, &["a"], &inputs(&[&[3]]));
}

#[test]
fn remainders() {
    let net =
        graph("%a: f64[3], %b: f64[3]", &["%r = Mod(%a, %b) { fmod: 1 }", "%s = Mul(%r, %r)", "%y = Mul(%s, %a)"]);
    check(&net, &["a", "b"], &[tensor(&[3], &[2.5, 1.3, -3.1]), tensor(&[3], &[0.7, -0.4, 0.9])]);
}

#[test]
fn arithmetic_broadcasts() {
    for op in ["Add", "Sub", "Mul", "Div", "Pow", "Sum", "Mean"] {
        let net = graph(
            "%a: f64[2, 1, 3], %b: f64[4, 1]",
            &[&format!("%f = {op}(%a, %b)"), &format!("%h = {op}(%b, %a)"), "%e = Exp(%h)", "%y = Mul(%f, %e)"],
        );
        check(&net, &["a", "b"], &inputs(&[&[2, 1, 3], &[4, 1]]));
    }
}

#[test]
fn movements_and_sums() {
    let net = |lines: &[&str]| {
        let text = graph("%a: f64[2, 3], %b: f64[2, 1]", lines);
        let consts = ") -> %y {\n  const $flat: i64[1] = [-1]\n  const $one: i64[1] = [1]\n";
        check(&text.replacen(") -> %y {\n", consts, 1), &["a", "b"], &inputs(&[&[2, 3], &[2, 1]]));
    };
    net(&[
        "%c = Concat(%a, %b) { axis: 1 }",
        "%t = Transpose(%c) { perm: [1, 0] }",
        "%y = Softmax(%t) { axis: 0, flattened: 0 }",
    ]);
    net(&["%c = Concat(%a, %b) { axis: -1 }", "%y = LogSoftmax(%c) { axis: -1, flattened: 0 }"]);
    net(&["%m = Mul(%a, %b)", "%f = Reshape(%m, $flat) { allowzero: 0 }", "%y = Mul(%f, %f)"]);
    for op in ["ReduceSum", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp"] {
        for keep in [0, 1] {
            let sum = format!("%s = {op}(%m, $one) {{ keepdims: {keep}, noop: 0 }}");
            net(&["%m = Mul(%a, %b)", &sum, "%y = Exp(%s)"]);
        }
        net(&["%m = Mul(%a, %b)", &format!("%s = {op}(%m) {{ keepdims: 0, noop: 0 }}"), "%y = Exp(%s)"]);
    }
}

/// Inputs all of whose elements differ, in a mixed order.
fn distinct(shapes: &[&[usize]]) -> Vec<Tensor> {
    let of = |(k, s): (usize, &&[usize])| {
        let count: usize = s.iter().product();
        tensor(s, &(0..count).map(|i| 0.1 + 0.07 * ((i * 7 + k) % count) as f64 + 0.01 * k as f64).collect::<Vec<_>>())
    };
    shapes.iter().enumerate().map(of).collect()
}

#[test]
fn normalisations() {
    let net = |shape: &[usize], channels: usize, inputs: &str, op: &str| {
        let names: Vec<&str> = inputs.split(' ').collect();
        let shapes: Vec<Vec<usize>> =
            names.iter().map(|n| if *n == "a" { shape.to_vec() } else { vec![channels] }).collect();
        let params: Vec<String> = names.iter().zip(&shapes).map(|(n, s)| format!("%{n}: f64{s:?}")).collect();
        let args: Vec<String> = names.iter().map(|n| format!("%{n}")).collect();
        let line = format!("%f = {}", op.replace("(..)", &format!("({})", args.join(", "))));
        let text = graph(&params.join(", "), &[&line, "%exp = Exp(%a)", "%y = Mul(%f, %exp)"]);
        check(&text, &names, &distinct(&shapes.iter().map(Vec::as_slice).collect::<Vec<_>>()));
    };
    for inputs in ["a b", "a b c"] {
        net(&[2, 2, 3], 3, inputs, "LayerNormalization(..) { axis: -1, epsilon: 0.01 }");
    }
    net(&[2, 2, 3], 3, "a b c", "LayerNormalization(..) { axis: 1, epsilon: 0.01 }");
    net(&[2, 2, 3], 3, "a b", "RMSNormalization(..) { axis: -1, epsilon: 0.01 }");
    net(&[2, 3, 2, 1], 3, "a b c d e", "BatchNormalization(..) { epsilon: 0.01, spatial: 1 }");
    net(&[2, 3], 3, "a b c d e", "BatchNormalization(..) { epsilon: 0.01, spatial: 1 }");
    net(&[1, 2, 3, 2], 2, "a b c", "InstanceNormalization(..) { epsilon: 0.01 }");
    net(&[1, 4, 3], 4, "a b c", "GroupNormalization(..) { epsilon: 0.01, groups: 2, grouped: 0 }");
    net(&[2, 3], 3, "a b", "PRelu(..)");
    net(
        &[2, 3, 2, 1],
        3,
        "a b c d e",
        "BatchNormalization(..) { epsilon: 0.01, spatial: 1, training: 1, momentum: 0.9 }",
    );
    net(&[2, 3, 2, 1], 3, "a", "MeanVarianceNormalization(..) { axes: [0, 2, 3] }");
    net(&[2, 3], 3, "a", "LpNormalization(..) { axis: -1, p: 1 }");
    net(&[2, 3], 3, "a", "LpNormalization(..) { axis: 0, p: 2 }");
    net(&[2, 3, 2], 3, "a", "Softmax(..) { axis: 1, flattened: 1 }");
    net(&[2, 3], 3, "a", "Elu(..) { alpha: 0.7 }");
    for op in ["ReduceSumSquare", "ReduceL2", "ReduceLogSumExp"] {
        net(&[2, 3], 3, "a", &format!("{op}(..) {{ keepdims: 1, noop: 0 }}"));
    }
}

#[test]
fn equal_extremes_share() {
    let net = graph("%a: f64[2], %b: f64[2]", &["%m = Max(%a, %b)", "%y = Mul(%m, %m)"]);
    let g = derive(&net, &["a", "b"], &[], &["a", "b"]).expect("derivable");
    let found = results(&g, &[tensor(&[2], &[3.0, 1.0]), tensor(&[2], &[3.0, 2.0])]);
    assert_eq!(found[1..], [vec![3.0, 0.0], vec![3.0, 4.0]]);
}

#[test]
fn other_values_and_constants() {
    let net = graph("%a: f64[2], %b: f64[2]", &["%m = Mul(%a, %b)", "%y = Mul(%m, %a)"]);
    let given = [tensor(&[2], &[2.0, 3.0]), tensor(&[2], &[5.0, 7.0])];
    // y = m a: m counts as constant.
    let g = derive(&net, &["a"], &["m"], &["a", "m"]).expect("derivable");
    assert_eq!(results(&g, &given)[1], [10.0, 21.0]);
    // At a = b: 2 a b = 2 b b.
    let g = derive(&net, &["a"], &[], &["b"]).expect("derivable");
    assert_eq!(results(&g, &given)[1], [50.0, 98.0]);
    // y doesn't depend on what isn't between.
    let net = graph("%a: f64[2], %b: f64[2]", &["%y = Mul(%a, %a)"]);
    let g = derive(&net, &["b"], &[], &["b"]).expect("derivable");
    assert_eq!(results(&g, &given)[1], [0.0, 0.0]);
}

#[test]
fn what_a_branch_takes_from_around_it_counts() {
    // %p is of %a twice and of %b, the other branch gives %a itself; a branch inside of a branch.
    let net = "graph @g(%a: f64[2], %b: f64[2], %c: bool[]) -> %y {\n  %z, %w = If(%c) : f64[2], f64[2] @if {\n    \
               region () -> (%p, %i) {\n      %e = Exp(%a) : f64[2] @exp\n      %p = Mul(%e, %b) : f64[2] @inner\n      \
               %i = If(%c) : f64[2] @again {\n        region () -> %u {\n          %u = Mul(%p, %a) : f64[2] @u\n        }\n        \
               region () -> %v {\n          %v = Neg(%b) : f64[2] @v\n        }\n      }\n    }\n    \
               region () -> (%a, %q) {\n      %q = Neg(%a) : f64[2] @neg\n    }\n  }\n  \
               %m = Mul(%z, %b) : f64[2] @mul\n  %y = Mul(%m, %w) : f64[2] @last\n}\n";
    for yes in [true, false] {
        let (a, b) = ([0.3, 0.7], [1.1, -0.4]);
        let g = derive(net, &["a", "b"], &[], &["a", "b"]).unwrap_or_else(|d| panic!("{d}"));
        let found = results(&g, &[tensor(&[2], &a), tensor(&[2], &b), flag(yes)]);
        for k in 0..2 {
            let (a, b) = (a[k], b[k]);
            // y = (e^a b) b (e^a b a), or a b (-a).
            let e2 = f64::exp(2.0 * a);
            let wanted = match yes {
                true => [b * b * b * e2 * (2.0 * a + 1.0), 3.0 * b * b * e2 * a],
                false => [-2.0 * a * b, -a * a],
            };
            for (i, w) in wanted.into_iter().enumerate() {
                assert!((found[i + 1][k] - w).abs() < 1e-12, "{yes} {i} {k}: {}, not {w}", found[i + 1][k]);
            }
        }
    }
    // At other values: the branches are repeated upon them.
    let g = derive(net, &["a"], &[], &["b"]).unwrap_or_else(|d| panic!("{d}"));
    let all = [tensor(&[2], &[0.3, 0.7]), tensor(&[2], &[1.1, -0.4]), flag(false)];
    let found = results(&g, &all);
    assert!((found[1][0] + 2.0 * 1.1 * 1.1).abs() < 1e-12, "{found:?}");
}

#[test]
fn what_has_no_rule_is_refused() {
    let net = graph("%a: f64[2]", &["%f = BitCast(%a)", "%y = Mul(%f, %a)"]);
    let d = derive(&net, &["a"], &[], &["a"]).expect_err("no rule");
    assert_eq!((d.code, d.message.as_str()), ("E2029", "'n0' (BitCast) can't be derived"));
    assert_eq!(derive(&net, &["a", "x"], &[], &["a", "a"]).expect_err("no such tensor").code, "E2017");
    assert_eq!(derive(&net, &["a"], &[], &[]).expect_err("no input").code, "E2001");
}
