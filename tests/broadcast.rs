//! Extents that only a run knows beside each other: repeated where one is 1, as numpy does, on every backend; a run with
//! others is refused with the node that can't be computed.

use onnxc::backends::native;
use onnxc::{Options, Source, compile};
use onnxc_base::{Diagnostics, Tensor};
use onnxc_codegen::loader::Module;
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

fn graph() -> Graph {
    let mut graph = parse_graph(TEXT, None, None).expect("the text is right");
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

fn counted(shape: [usize; 3]) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|i| i as f32 - 3.0).collect();
    Tensor::from_slice(&shape, &values)
}

#[test]
fn the_run_decides_what_is_repeated() {
    let source = Source { graph: graph(), hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    let cases = [
        ([3, 4, 5], [3, 4, 1]),
        ([3, 4, 5], [1, 4, 1]),
        ([3, 4, 5], [3, 1, 1]),
        ([1, 4, 5], [3, 4, 1]),
        ([3, 1, 1], [1, 4, 1]),
        ([3, 4, 1], [3, 4, 1]),
        ([0, 4, 5], [0, 1, 1]),
        ([2, 4, 5], [3, 4, 1]),
        ([3, 4, 2], [3, 4, 1]),
    ];
    for backend in native() {
        let options = Options { backend: Some(backend.name().into()), ..Options::default() };
        let module = compile(&source, &options).expect("it compiles");
        let dir = tempfile::tempdir().expect("the temporary folder is writable");
        let path = dir.path().join("broadcast.so");
        module.write(&path, &options).expect("it links");
        let loaded = Module::open(&path).expect("it opens");
        for (a, b) in cases {
            let inputs = [counted(a), counted(b)];
            let want = expected(&inputs[0], &inputs[1]);
            let by_loops = run_module(&module.program, &inputs).ok();
            let got = loaded.run(&inputs);
            for y in [by_loops.as_deref(), got.as_deref().ok()] {
                let y = y.and_then(|o| Some((o[0].shape().to_vec(), o[0].to_vec::<f32>()?)));
                assert_eq!(y, want, "{a:?} {b:?} {}", backend.name());
            }
            let same = by_loops.zip(got.ok()).is_none_or(|(x, y)| x[1] == y[1]);
            assert!(same, "{a:?} {b:?}: the product of {}", backend.name());
        }
        let refused = loaded.run(&[counted([2, 4, 5]), counted([3, 4, 1])]).expect_err("2 and 3 rows");
        assert!(refused.to_string().contains("(2 and 3, node 'sum' (Add): axis 0 of the broadcast)"), "{refused}");
    }
}

/// With equal extents the module is as fast as one that knows that they are: it holds that one.
#[test]
fn equal_extents_cost_nothing() {
    let source = Source { graph: graph(), hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
    let program = compile(&source, &Options::default()).expect("it compiles").program;
    let names: Vec<&str> = program.funcs.values().map(|f| f.name.as_str()).collect();
    assert!(names.iter().any(|n| n.starts_with("g_hot1_")), "{names:?}");
}
