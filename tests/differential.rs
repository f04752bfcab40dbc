//! Random small graphs: the interpreter of graph IR, the interpreter of loops IR and every backend give one result.

use onnxc::backends::native;
use onnxc::{Options, Source, compile};
use onnxc_base::{DType, Diagnostics, Tensor};
use onnxc_codegen::loader::Module;
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::{Attr, Attrs, Graph, OpName, Type, ValueId};
use onnxc_ir::loops::interp::run_module;
use onnxc_ops::eval::Evaluator;
use onnxc_ops::infer::infer_graph;

/// Graphs tried.
const GRAPHS: u64 = 24;

/// A small generator of numbers (splitmix64), the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x ^ (x >> 31)) % sides as u64) as usize
    }

    fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let n: usize = shape.iter().product();
        let v: Vec<f32> = (0..n).map(|_| self.roll(2001) as f32 / 1000.0 - 1.0).collect();
        Tensor::from_slice(shape, &v)
    }
}

fn node(b: &mut GraphBuilder, op: &str, attrs: Attrs, inputs: &[ValueId]) -> ValueId {
    let inputs: Vec<Option<ValueId>> = inputs.iter().map(|&v| Some(v)).collect();
    b.node(OpName::onnx(op), attrs, &inputs, vec![Type::unknown()])[0]
}

/// Values of shape [2, 5, 7] combined by operators drawn at random; the first extent is symbolic.
fn graph(dice: &mut Dice) -> Graph {
    let mut b = GraphBuilder::new("random");
    let mut values =
        vec![b.tensor_input("x", DType::F32, &["n", "5", "7"]), b.tensor_input("y", DType::F32, &["n", "5", "7"])];
    for _ in 0..3 + dice.roll(8) {
        let (p, q) = (values[dice.roll(values.len())], values[dice.roll(values.len())]);
        let none = Attrs::default;
        let v = match dice.roll(9) {
            0 => node(&mut b, "Relu", none(), &[p]),
            1 => node(&mut b, "Sigmoid", none(), &[p]),
            2 => node(&mut b, "Tanh", none(), &[p]),
            3 => node(&mut b, "Add", none(), &[p, q]),
            4 => node(&mut b, "Mul", none(), &[p, q]),
            5 => {
                let w = b.constant("w", dice.tensor(&[7, 7]));
                node(&mut b, "MatMul", none(), &[p, w])
            }
            6 => {
                let axis = Attr::Int(dice.roll(2) as i64 + 1);
                node(&mut b, "Softmax", none().with("axis", axis).with("flattened", Attr::Int(0)), &[p])
            }
            7 => {
                let axes = b.constant("axes", Tensor::from_slice(&[1], &[dice.roll(2) as i64 + 1]));
                let mean = node(&mut b, "ReduceMean", none().with("keepdims", Attr::Int(1)), &[p, axes]);
                node(&mut b, "Sub", none(), &[q, mean])
            }
            _ => {
                let row = b.constant("row", dice.tensor(&[5, 1]));
                node(&mut b, "Max", none(), &[p, row])
            }
        };
        values.push(v);
    }
    let last = *values.last().expect("there are values");
    b.finish(&[last])
}

fn close(got: &Tensor, want: &Tensor, what: &str) {
    assert_eq!(got.shape(), want.shape(), "{what}");
    let (g, w) = (got.to_f64().expect("numbers"), want.to_f64().expect("numbers"));
    for (a, b) in g.iter().zip(&w) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{what}: {a} instead of {b}");
    }
}

#[test]
fn interpreters_and_backends_agree_on_random_graphs() {
    for seed in 0..GRAPHS {
        let mut dice = Dice(seed);
        let mut g = graph(&mut dice);
        let options = Options::default();
        let problems = infer_graph(&mut g, &options.registry);
        assert!(!problems.has_errors(), "graph {seed}: {problems}");
        let n = 1 + dice.roll(3);
        let inputs = [dice.tensor(&[n, 5, 7]), dice.tensor(&[n, 5, 7])];
        let given: Vec<HostValue> = inputs.iter().cloned().map(HostValue::Tensor).collect();
        let want = run(&g, &Evaluator::new(&options.registry), &given).expect("the interpreter runs it");
        let want = want[0].tensor().expect("a tensor");
        let source = Source { graph: g, hot: vec![], sha256: String::new(), warnings: Diagnostics::new() };
        for backend in native() {
            let options = Options { backend: Some(backend.name().into()), ..Options::default() };
            let module = compile(&source, &options).expect("it compiles");
            let loops = run_module(&module.program, &inputs).expect("the program runs");
            close(&loops[0], want, &format!("graph {seed}, loops interpreter"));
            let dir = tempfile::tempdir().expect("the temporary folder is writable");
            let path = dir.path().join("random.so");
            module.write(&path, &options).expect("it links");
            let got = Module::open(&path).and_then(|m| m.run(&inputs)).expect("it runs");
            close(&got[0], want, &format!("graph {seed}, {}", backend.name()));
        }
    }
}
