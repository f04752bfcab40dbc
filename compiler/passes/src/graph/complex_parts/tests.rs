//! Graphs of complex numbers, run after the pass, against numbers worked out with numpy.

use super::PASS;
use crate::from_kernel::Machine;
use crate::manager::{GraphCx, Manager, Quiet};
use onnxc_base::{DType, Tensor};
use onnxc_ir::graph::build::GraphBuilder;
use onnxc_ir::graph::interp::{HostValue, run};
use onnxc_ir::graph::patch::Editor;
use onnxc_ir::graph::{Attr, Attrs, Graph, OpName, Type};
use onnxc_ops::Registry;
use onnxc_ops::eval::Evaluator;
use onnxc_ops::infer::infer_graph;

/// Complex numbers, as (real, imaginary).
type Complex = (f64, f64);

fn complex(dtype: DType, shape: &[usize], v: &[Complex]) -> Tensor {
    let parts = v.iter().flat_map(|&(re, im)| [re, im]);
    let bytes: Vec<u8> = match dtype {
        DType::C64 => parts.flat_map(|x| (x as f32).to_le_bytes()).collect(),
        _ => parts.flat_map(f64::to_le_bytes).collect(),
    };
    Tensor::from_bytes(dtype, shape.to_vec(), bytes.into()).expect("two floats for each")
}

fn numbers(t: &Tensor) -> Vec<Complex> {
    let floats: Vec<f64> = match t.dtype() {
        DType::C64 => t.bytes().chunks(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4")))).collect(),
        DType::C128 => t.bytes().chunks(8).map(|b| f64::from_le_bytes(b.try_into().expect("8"))).collect(),
        _ => return t.to_f64().expect("numbers").into_iter().map(|v| (v, 0.0)).collect(),
    };
    floats.chunks(2).map(|p| (p[0], p[1])).collect()
}

/// One node on complex numbers of both sizes, of complex128 also with symbolic extents.
fn check(op: &str, attrs: &[(&str, Attr)], given: &[Given], want: (&[usize], &[Complex])) {
    for (dtype, symbolic) in [(DType::C64, false), (DType::C128, false), (DType::C128, true)] {
        let mut b = GraphBuilder::new("g");
        let (mut inputs, mut host) = (vec![], vec![]);
        for (i, g) in given.iter().enumerate() {
            inputs.push(match g {
                Given::Absent => None,
                Given::Known(t) => Some(b.constant(&format!("k{i}"), t.clone())),
                Given::Fixed(shape, v) => Some(b.constant(&format!("k{i}"), complex(dtype, shape, v))),
                Given::Complex(shape, v) => {
                    let name = |(k, d): (usize, &usize)| if symbolic { format!("d{i}_{k}") } else { d.to_string() };
                    let dims: Vec<String> = shape.iter().enumerate().map(name).collect();
                    host.push(HostValue::Tensor(complex(dtype, shape, v)));
                    let dims: Vec<&str> = dims.iter().map(String::as_str).collect();
                    Some(b.tensor_input(&format!("x{i}"), dtype, &dims))
                }
            });
        }
        let attrs = attrs.iter().fold(Attrs::default(), |a, (name, v)| a.with(name, v.clone()));
        let y = b.node(OpName::onnx(op), attrs, &inputs, vec![Type::unknown()])[0];
        let got = after(b.finish(&[y]), &host);
        assert_eq!((got.shape(), numbers(&got)), (want.0, want.1.to_vec()), "{op} of {dtype}");
    }
}

/// What a graph gives after the pass.
fn after(mut graph: Graph, inputs: &[HostValue]) -> Tensor {
    let registry = Registry::new();
    let problems = infer_graph(&mut graph, &registry);
    assert!(!problems.has_errors(), "{problems}\n{graph}");
    let (mut quiet, mut editor) = (Quiet, Editor::new());
    let mut manager = Manager::new(&mut quiet);
    manager.verify = true;
    let mut cx = GraphCx { registry: &registry, machine: Machine::USUAL, editor: &mut editor, notes: &mut vec![] };
    manager.graph(&PASS, &mut graph, &mut cx).expect("the pass leaves a valid graph");
    let got = run(&graph, &Evaluator::new(&registry), inputs).unwrap_or_else(|d| panic!("{d}\n{graph}"));
    got[0].tensor().expect("a tensor").clone()
}

enum Given<'a> {
    Absent,
    Known(Tensor),
    Fixed(&'a [usize], &'a [Complex]),
    Complex(&'a [usize], &'a [Complex]),
}

fn ints(v: &[i64]) -> Given<'static> {
    Given::Known(Tensor::from_slice(&[v.len()], v))
}

fn bools(v: &[u8]) -> Given<'static> {
    Given::Known(Tensor::from_bytes(DType::Bool, vec![v.len()], v.to_vec().into()).expect("a byte each"))
}

const X: [Complex; 4] = [(1.0, -1.0), (2.0, 0.5), (0.0, 0.0), (0.0, 3.0)];
const Y: [Complex; 2] = [(7.0, 8.0), (-7.0, 9.0)];

#[test]
fn elements_are_moved() {
    let x = || Given::Complex(&[2, 2], &X);
    let axis = |a: i64| [("axis", Attr::Int(a))];
    check("Transpose", &[], &[x()], (&[2, 2], &[X[0], X[2], X[1], X[3]]));
    check("Concat", &axis(0), &[x(), Given::Fixed(&[1, 2], &Y)], (&[3, 2], &[&X[..], &Y[..]].concat()));
    check("Concat", &axis(1), &[x(), x()], (&[2, 4], &[X[0], X[1], X[0], X[1], X[2], X[3], X[2], X[3]]));
    check("Gather", &axis(1), &[x(), ints(&[1])], (&[2, 1], &[X[1], X[3]]));
    let allow = [("allowzero", Attr::Int(0))];
    check("Reshape", &allow, &[x(), ints(&[-1])], (&[4], &X));
    let constant = [("mode", Attr::Str("constant".into()))];
    let padded = [(0.0, 0.0), X[0], X[1], (0.0, 0.0), X[2], X[3]];
    check("Pad", &constant, &[x(), ints(&[0, 1, 0, 0])], (&[2, 3], &padded));
    let filled = [Y[0], X[0], X[1], Y[0], X[2], X[3]];
    check("Pad", &constant, &[x(), ints(&[0, 1, 0, 0]), Given::Fixed(&[], &Y[..1])], (&[2, 3], &filled));
    let which = bools(&[1, 0]);
    check("Where", &[], &[which, x(), Given::Complex(&[2], &Y)], (&[2, 2], &[X[0], Y[1], X[2], Y[1]]));
    let none = [("reduction", Attr::Str("none".into()))];
    let at = Given::Known(Tensor::from_slice(&[1, 1], &[1i64]));
    check("ScatterND", &none, &[x(), at, Given::Complex(&[1, 2], &Y)], (&[2, 2], &[X[0], X[1], Y[0], Y[1]]));
    let chosen = || bools(&[1, 0, 0, 1]);
    check("Compress", &[], &[x(), chosen()], (&[2], &[X[0], X[3]]));
    check("Shape", &[("start", Attr::Int(0))], &[x()], (&[2], &[(2.0, 0.0), (2.0, 0.0)]));
}

#[test]
fn sums_are_of_parts() {
    let add = [("reduction", Attr::Str("add".into()))];
    let at = Given::Known(Tensor::from_slice(&[2, 1], &[0i64, 0]));
    let update = Given::Complex(&[2], &Y);
    check("ScatterND", &add, &[Given::Complex(&[2], &X[..2]), at, update], (&[2], &[(1.0, 16.0), X[1]]));
    let word = |s: &str| Attr::Str(s.into());
    let linear = [("mode", word("linear")), ("coords", word("align_corners")), ("policy", word("stretch"))];
    let x = Given::Complex(&[2], &X[..2]);
    check("Resize", &linear, &[x, Given::Absent, Given::Absent, ints(&[3])], (&[3], &[X[0], (1.5, -0.25), X[1]]));
    let grid = Given::Known(Tensor::from_slice(&[1, 1, 1, 2], &[0f32, 0.0]));
    let sample = [("mode", word("linear")), ("padding", word("zeros")), ("align", Attr::Int(1))];
    check("GridSample", &sample, &[Given::Complex(&[1, 1, 2, 2], &X), grid], (&[1, 1, 1, 1], &[(0.75, 0.625)]));
    // Two blocks of two elements, one apart.
    let columns = Given::Complex(&[1, 2, 2], &X);
    let sums = [X[0], (2.0, 0.5), X[3]];
    check("Col2Im", &[], &[columns, ints(&[1, 3]), ints(&[1, 2])], (&[1, 1, 1, 3], &sums));
}

/// Of several updates for one element each counts, in order.
#[test]
fn products_and_extremes_are_of_pairs() {
    const NAN: f64 = f64::NAN;
    let word = |s: &str| [("reduction", Attr::Str(s.into())), ("axis", Attr::Int(-1))];
    let elements = |op: &str, data: &[Complex], updates: &[Complex], want: Complex| {
        let shape = [updates.len()];
        let zeros = Given::Known(Tensor::from_slice(&shape, &vec![0i64; updates.len()]));
        let given = [Given::Complex(&[2], data), zeros, Given::Complex(&shape, updates)];
        check("ScatterElements", &word(op), &given, (&[2], &[want, data[1]]));
    };
    elements("mul", &X[..2], &Y, (-114.0, 128.0));
    elements("max", &X[..2], &[(1.0, -2.0), (0.5, 9.0)], X[0]);
    elements("max", &X[..2], &[(1.0, 2.0), (1.0, 1.5)], (1.0, 2.0));
    elements("min", &X[..2], &[(1.0, -2.0), (1.0, -1.5)], (1.0, -2.0));
    elements("min", &X[..2], &[(1.5, -2.0), (0.5, 9.0)], (0.5, 9.0));
    // Two tuples of a row each.
    let at = || Given::Known(Tensor::from_slice(&[2, 1], &[1i64, 1]));
    let rows = |op: &str, want: [Complex; 2]| {
        let u = Given::Complex(&[2, 2], &[Y[0], Y[1], (2.0, 0.0), (0.0, 1.0)]);
        check(
            "ScatterND",
            &word(op)[..1],
            &[Given::Complex(&[2, 2], &X), at(), u],
            (&[2, 2], &[X[0], X[1], want[0], want[1]]),
        );
    };
    rows("mul", [(0.0, 0.0), (21.0, -27.0)]);
    rows("max", [Y[0], (0.0, 3.0)]);
    rows("min", [(0.0, 0.0), Y[1]]);
    // What has a part that is NaN goes before every number.
    let mut b = GraphBuilder::new("g");
    let x = b.constant("x", complex(DType::C64, &[2], &[X[0], (NAN, 1.0)]));
    let (at, u) = (Tensor::from_slice(&[2], &[0i64, 1]), complex(DType::C64, &[2], &[(0.0, NAN), (9.0, 2.0)]));
    let (at, u) = (b.constant("at", at), b.constant("u", u));
    let attrs = word("min").into_iter().fold(Attrs::default(), |a, (name, v)| a.with(name, v));
    let y = b.node(OpName::onnx("ScatterElements"), attrs, &[Some(x), Some(at), Some(u)], vec![Type::unknown()])[0];
    let got = numbers(&after(b.finish(&[y]), &[]));
    assert!(got[0].0 == 0.0 && got[0].1.is_nan() && got[1].0.is_nan() && got[1].1 == 1.0, "{got:?}");
}

#[test]
fn both_parts_count() {
    let x = || Given::Complex(&[4], &X);
    let at = [0.0, 1.0, 3.0].map(|v| (v, 0.0));
    check("NonZero", &[], &[x()], (&[1, 3], &at));
    let twice = [X[1], X[0], X[3], X[1], (1.0, -2.0)];
    let sorted = [X[3], (1.0, -2.0), X[0], X[1]];
    check("Unique", &[("sorted", Attr::Int(1))], &[Given::Complex(&[5], &twice)], (&[4], &sorted));
    let rows = [X[0], X[1], X[0], X[1]];
    let by_rows = [("sorted", Attr::Int(1)), ("axis", Attr::Int(-2))];
    check("Unique", &by_rows, &[Given::Complex(&[2, 2], &rows)], (&[1, 2], &[X[0], X[1]]));
}
