//! Extents that only a run knows beside each other: repeated where one is 1, as numpy does, on every backend; a run with
//! others is refused with the node that can't be computed.

use onnxc::backends::native;
use onnxc::{Module, Options, Source, compile};
use onnxc_base::{Diagnostics, Tensor};
use onnxc_codegen::loader;
use onnxc_ir::graph::{Graph, parse_graph};
use onnxc_ir::loops::interp::run_module;
use onnxc_ops::infer::infer_graph;

/// Two inputs of symbolic extents, a mask as attention has it, and a product whose samples broadcast.
const TEXT: &str = r#"graph @g(%a: f32[n, t, k], %b: f32[m, u, 1]) -> (%y, %z) {
  sym n = dim(%a, 0) in 0..
  sym t = dim(%a, 1) in 0..
  sym k = dim(%a, 2) in 0..
  sym m = dim(%b, 0) in 0..
  sym u = dim(%b, 1) in 0..
  const $row: f32[1, 5] = [1.0, 2.0, 3.0, 4.0, 5.0]
  %wide = MatMul(%b, $row) : ? @wide
  %sum = Add(%a, %wide) : ? @sum
  %y = Mul(%sum, %a) : ? @y
  %turned = Transpose(%wide) { perm: [0, 2, 1] } : ? @turned
  %z = MatMul(%y, %turned) : ? @z
}
"#;

/// Three lists beside each other, by operators of two and three operands, and one repeated as another's shape says.
const LISTS: &str = r#"graph @lists(%a: f32[n], %b: f32[m], %c: f32[k]) -> (%sum, %most, %pick, %wide) {
  sym n = dim(%a, 0) in 0..
  sym m = dim(%b, 0) in 0..
  sym k = dim(%c, 0) in 0..
  %some = Add(%a, %b) : ? @some
  %sum = Add(%some, %c) : ? @sum
  %most = Max(%a, %b, %c) : ? @most
  %above = Greater(%a, %b) : ? @above
  %pick = Where(%above, %c, %a) : ? @pick
  %to = Shape(%b) : ? @to
  %wide = Expand(%a, %to) : ? @wide
}
"#;

fn graph(text: &str) -> Graph {
    let mut graph = parse_graph(text, None, None).expect("the text is right");
    let problems = infer_graph(&mut graph, &Options::default().registry);
    assert!(!problems.has_errors(), "{problems}");
    graph
}

/// What the text says, by numpy's rule; `None` if it can't be computed.
fn expected(a: &Tensor, b: &Tensor) -> Option<(Vec<usize>, Vec<f32>)> {
    let joint = |x: usize, y: usize| if x == y || y == 1 { Some(x) } else { (x == 1).then_some(y) };
    let (s, r) = (a.shape(), b.shape());
    let shape = vec![joint(s[0], r[0])?, joint(s[1], r[1])?, joint(s[2], 5)?];
    let at = |t: &Tensor, i: [usize; 3]| {
        let s = t.shape();
        let i: Vec<usize> = i.iter().zip(s).map(|(i, d)| i % d).collect();
        t.to_f64().expect("floats")[(i[0] * s[1] + i[1]) * s[2] + i[2]] as f32
    };
    let mut y = vec![];
    for i in 0..shape[0] {
        for j in 0..shape[1] {
            for k in 0..shape[2] {
                let x = at(a, [i, j, k]);
                y.push((x + at(b, [i, j, 0]) * (k + 1) as f32) * x);
            }
        }
    }
    Some((shape, y))
}

/// Every backend that makes code for this machine, C through its compiler.
fn backends() -> impl Iterator<Item = &'static str> {
    native().map(|b| b.name()).chain(["c"])
}

/// A module by a backend, and the same loaded.
fn built(source: &Source, backend: &str) -> (Module, loader::Module) {
    let options = Options { backend: Some(backend.into()), ..Options::default() };
    let module = compile(source, &options).expect("it compiles");
    let dir = tempfile::tempdir().expect("the temporary folder is writable");
    let path = dir.path().join("broadcast.so");
    module.write(&path, &options).expect("it links");
    let loaded = loader::Module::open(&path).expect("it opens");
    (module, loaded)
}

/// What [`LISTS`] says of lists that count from 1, 2 and 3 on.
fn listed(lengths: [usize; 3]) -> Option<[Vec<f32>; 4]> {
    let joint = |all: &[usize]| {
        let other = all.iter().copied().find(|&d| d != 1).unwrap_or(1);
        all.iter().all(|&d| d == 1 || d == other).then_some(other)
    };
    let at = |list: usize, i: usize| (list + 1 + if lengths[list] == 1 { 0 } else { i }) as f32;
    let over = |length: usize, f: &dyn Fn(usize) -> f32| (0..length).map(f).collect::<Vec<f32>>();
    let n = joint(&lengths)?;
    Some([
        over(n, &|i| at(0, i) + at(1, i) + at(2, i)),
        over(n, &|i| at(0, i).max(at(1, i)).max(at(2, i))),
        over(n, &|i| if at(0, i) > at(1, i) { at(2, i) } else { at(0, i) }),
        over(joint(&lengths[..2])?, &|i| at(0, i)),
    ])
}

fn counted(shape: [usize; 3]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32 - 3.0).collect();
    Tensor::from_slice(&shape, &values)
}

#[test]
fn the_run_decides_what_is_repeated() {
    let source = Source { graph: graph(TEXT), hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    let cases = [
        ([3, 4, 5], [3, 4, 1]),
        ([3, 4, 5], [1, 4, 1]),
        ([3, 4, 5], [3, 1, 1]),
        ([1, 4, 5], [3, 4, 1]),
        ([3, 1, 1], [1, 4, 1]),
        ([3, 4, 1], [3, 4, 1]),
        ([0, 4, 5], [0, 1, 1]),
        ([0, 4, 5], [1, 4, 1]),
        ([1, 4, 5], [0, 1, 1]),
        ([1, 0, 1], [3, 1, 1]),
        ([3, 1, 5], [1, 0, 1]),
        ([0, 4, 5], [2, 4, 1]),
        ([3, 4, 0], [3, 4, 1]),
        ([2, 4, 5], [3, 4, 1]),
        ([3, 4, 2], [3, 4, 1]),
    ];
    for name in backends() {
        let (module, loaded) = built(&source, name);
        for (a, b) in cases {
            let inputs = [counted(a), counted(b)];
            let want = expected(&inputs[0], &inputs[1]);
            let by_loops = run_module(&module.program, &inputs).ok();
            let got = loaded.run(&inputs);
            for y in [by_loops.as_deref(), got.as_deref().ok()] {
                let y = y.and_then(|o| Some((o[0].shape().to_vec(), o[0].to_vec::<f32>()?)));
                assert_eq!(y, want, "{a:?} {b:?} {name}");
            }
            let same = by_loops.zip(got.ok()).is_none_or(|(x, y)| x[1] == y[1]);
            assert!(same, "{a:?} {b:?}: the product of {name}");
        }
        let refused = loaded.run(&[counted([2, 4, 5]), counted([3, 4, 1])]).expect_err("2 and 3 rows");
        assert!(refused.to_string().contains("(2 and 3, node 'sum' (Add): axis 0 of the broadcast)"), "{refused}");
    }
}

#[test]
fn nothing_beside_one_is_nothing() {
    let source = Source { graph: graph(LISTS), hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    let count = |k: usize, n: usize| Tensor::from_slice(&[n], &(0..n).map(|i| (k + 1 + i) as f32).collect::<Vec<_>>());
    for name in backends() {
        let (module, loaded) = built(&source, name);
        for case in 0..4 * 4 * 4 {
            let lengths = [1, 4, 16].map(|place| [0, 1, 5, 2][case / place % 4]);
            let inputs = [count(0, lengths[0]), count(1, lengths[1]), count(2, lengths[2])];
            let read = |o: Vec<Tensor>| o.iter().map(|t| t.to_vec::<f32>().expect("floats")).collect::<Vec<_>>();
            let want = listed(lengths).map(|w| w.to_vec());
            for got in [run_module(&module.program, &inputs).ok(), loaded.run(&inputs).ok()] {
                assert_eq!(got.map(read), want, "{lengths:?}, {name}");
            }
        }
    }
}

/// With equal extents the module is as fast as one that knows that they are: it holds that one.
#[test]
fn equal_extents_cost_nothing() {
    let source = Source { graph: graph(TEXT), hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    let program = compile(&source, &Options::default()).expect("it compiles").program;
    let names: Vec<&str> = program.funcs.values().map(|f| f.name.as_str()).collect();
    assert!(names.iter().any(|n| n.starts_with("g_hot1_")), "{names:?}");
}
