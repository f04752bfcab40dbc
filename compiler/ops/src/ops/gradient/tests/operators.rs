//! Operators as files have them, among them those that their import takes apart, against differences.

use super::*;
use onnxc_base::EntityRef;
use onnxc_ir::graph::{PrintOptions, print_graph};

/// An operator with its attributes.
struct Op<'a> {
    name: &'a str,
    attrs: Vec<(&'a str, Attr)>,
    /// By their names in the graph; an empty one is absent.
    inputs: &'a str,
    outputs: usize,
}

impl Op<'_> {
    /// A graph of `%y`, the sum of the squares of its outputs and of the sines of these.
    fn graph(&self, params: &str, consts: &str) -> String {
        let mut g =
            parse_graph(&format!("graph @g({params}) -> () {{\n{consts}}}\n"), None, None).expect("well-formed");
        let names: Map<String, ValueId> = g.values.iter().map(|(v, data)| (data.name.clone(), v)).collect();
        let find = |name: &str| (!name.is_empty()).then(|| names[name]);
        let inputs: Vec<_> = self.inputs.split(' ').map(|n| find(n.trim_matches('_'))).collect();
        let (domain, name) = self.name.rsplit_once('.').unwrap_or(("", self.name));
        let op = OpName { domain: domain.into(), name: name.into() };
        let mut n = NodeReader::new(&mut g, "op".into(), op.clone(), 1, vec![], 1, Map::new(), Map::new());
        let outputs = n.emit(op, &self.attrs, &inputs, self.outputs).unwrap_or_else(|d| panic!("{d}"));
        let mut terms = vec![];
        for v in outputs {
            let sine = n.emit_one("Sin", &[], &[Some(v)]).expect("unary");
            for v in [v, sine] {
                terms.push(Some(
                    n.emit_one("ReduceSumSquare", &[("keepdims", Attr::Int(0))], &[Some(v)]).expect("a sum"),
                ));
            }
        }
        let y = n.emit_one("Sum", &[], &terms).expect("a sum");
        g.body.nodes = n.composed().nodes;
        g.values[y].name = "y".into();
        g.body.results = vec![y];
        // Names are unique in files.
        let names: Vec<ValueId> = g.values.keys().collect();
        for v in names {
            if g.values[v].name.contains('/') {
                g.values[v].name = format!("v{}", v.index());
            }
        }
        let nodes: Vec<_> = g.nodes.keys().collect();
        nodes.into_iter().for_each(|id| g.nodes[id].name = format!("n{}", id.index()));
        print_graph(&g, PrintOptions { full: true })
    }

    /// Derives by those inputs, which have such shapes.
    fn check(&self, xs: &[(&str, &[usize])], consts: &str) {
        let params: Vec<String> = xs.iter().map(|(n, s)| format!("%{n}: f64{s:?}")).collect();
        let names: Vec<&str> = xs.iter().map(|(n, _)| *n).collect();
        let shapes: Vec<&[usize]> = xs.iter().map(|(_, s)| *s).collect();
        let given: Vec<Tensor> = distinct(&shapes)
            .into_iter()
            .map(|t| tensor(t.shape(), &t.to_f64().expect("numbers").iter().map(|v| v * 0.6 - 0.4).collect::<Vec<_>>()))
            .collect();
        check(&self.graph(&params.join(", "), consts), &names, &given);
    }
}

fn op<'a>(name: &'a str, inputs: &'a str, attrs: &[(&'a str, Attr)]) -> Op<'a> {
    Op { name, attrs: attrs.to_vec(), inputs, outputs: 1 }
}

fn word(s: &str) -> Attr {
    Attr::Str(s.into())
}

#[test]
fn losses() {
    let labels = "  const $l: i64[2, 2] = [1, 2, 0, 2]\n";
    for reduction in ["none", "sum", "mean"] {
        for inputs in ["a l", "a l w"] {
            let attrs = [("reduction", word(reduction)), ("ignore_index", Attr::Int(2))];
            let of = |name| op(name, inputs, if inputs == "a l" { &attrs[..1] } else { &attrs });
            let xs: &[(&str, &[usize])] = &[("a", &[2, 3, 2]), ("w", &[3])];
            let xs = &xs[..inputs.split(' ').count() - 1];
            of("NegativeLogLikelihoodLoss").check(xs, labels);
            Op { outputs: 2, ..of("SoftmaxCrossEntropyLoss") }.check(xs, labels);
        }
    }
}

#[test]
fn attention() {
    let packed: &[(&str, &[usize])] = &[("q", &[1, 3, 8]), ("k", &[1, 2, 4]), ("v", &[1, 2, 6])];
    let heads = [("q_num_heads", Attr::Int(4)), ("kv_num_heads", Attr::Int(2))];
    op("Attention", "q k v", &heads).check(packed, "");
    let whole: &[(&str, &[usize])] = &[("q", &[1, 2, 3, 2]), ("k", &[1, 1, 3, 2]), ("v", &[1, 1, 3, 2])];
    let causal = [("is_causal", Attr::Int(1)), ("softcap", Attr::Float(0.7)), ("scale", Attr::Float(0.5))];
    op("Attention", "q k v", &causal).check(whole, "");
    let masked = [whole, &[("m", &[3, 3])]].concat();
    op("Attention", "q k v m", &[]).check(&masked, "");
    let past = [whole, &[("p", &[1, 1, 2, 2]), ("r", &[1, 1, 2, 2])]].concat();
    Op { outputs: 3, ..op("Attention", "q k v _ p r", &causal[..1]) }.check(&past, "");
    op("com.microsoft.MultiHeadAttention", "q k v", &[("num_heads", Attr::Int(2))])
        .check(&[("q", &[1, 2, 4]), ("k", &[1, 2, 4]), ("v", &[1, 2, 4])], "");
}

#[test]
fn recurrent_layers() {
    let layer = |name: &str, gates: usize, attrs: &[(&str, Attr)], inputs: &str, directions: usize| {
        let [g, d] = [gates, directions];
        let layout = attrs.iter().any(|(n, _)| *n == "layout");
        let outer = |a: usize, b: usize, c: usize| if layout { vec![b, a, c] } else { vec![a, b, c] };
        let shapes = [
            ("x", outer(3, 2, 2)),
            ("w", vec![d, 2 * g, 2]),
            ("r", vec![d, 2 * g, 2]),
            ("b", vec![d, 4 * g]),
            ("h", outer(d, 2, 2)),
            ("c", outer(d, 2, 2)),
            ("p", vec![d, 6]),
        ];
        let there = |n: &str| inputs.split(' ').any(|i| i == n);
        let xs: Vec<(&str, &[usize])> =
            shapes.iter().filter(|(n, _)| there(n)).map(|(n, s)| (*n, s.as_slice())).collect();
        let attrs = [attrs, &[("hidden_size", Attr::Int(2))]].concat();
        let outputs = if name == "LSTM" { 3 } else { 2 };
        Op { outputs, ..op(name, inputs, &attrs) }.check(&xs, "  const $l: i32[2] = [3, 2]\n");
    };
    let both = ("direction", word("bidirectional"));
    let reverse = ("direction", word("reverse"));
    layer("RNN", 1, &[], "x w r", 1);
    layer("RNN", 1, std::slice::from_ref(&both), "x w r b l h", 2);
    layer("GRU", 3, &[("linear_before_reset", Attr::Int(1)), reverse.clone()], "x w r b _ h", 1);
    layer("GRU", 3, &[("layout", Attr::Int(1)), reverse], "x w r b", 1);
    layer("LSTM", 4, &[("clip", Attr::Float(5.0))], "x w r b _ h c p", 1);
    let names = ["Softsign", "Affine", "Elu", "HardSigmoid", "ScaledTanh", "Softplus"];
    let functions = Attr::Strs(names.iter().map(|n| n.to_string()).collect());
    layer("LSTM", 4, &[both, ("activations", functions), ("input_forget", Attr::Int(1))], "x w r b l", 2);
}

#[test]
fn points_and_sizes() {
    for padding in ["zeros", "border", "reflection"] {
        for (mode, align) in [("linear", 0), ("linear", 1), ("cubic", 0), ("nearest", 1)] {
            let attrs = [("mode", word(mode)), ("padding_mode", word(padding)), ("align_corners", Attr::Int(align))];
            // Points in and around the image, none of them at an element.
            op("GridSample", "a g", &attrs).check(&[("a", &[1, 2, 3, 2]), ("g", &[1, 2, 2, 2])], "");
        }
    }
    op("GridSample", "a g", &[]).check(&[("a", &[1, 1, 2, 3, 2]), ("g", &[1, 1, 1, 2, 3])], "");
    let sizes = "  const $z: i64[4] = [1, 1, 2, 3]\n  const $c: i64[5] = [1, 1, 2, 1, 2]\n";
    op("AffineGrid", "a z", &[]).check(&[("a", &[1, 2, 3])], sizes);
    op("AffineGrid", "a c", &[("align_corners", Attr::Int(1))]).check(&[("a", &[1, 3, 4])], sizes);
    let scales = "  const $s: f32[4] = [1.0, 1.0, 1.7, 0.6]\n  const $n: i64[2] = [5, 2]\n";
    let image: &[(&str, &[usize])] = &[("a", &[1, 2, 3, 4])];
    for mode in ["nearest", "linear", "cubic"] {
        let mode = ("mode", word(mode));
        op("Resize", "a _ s", std::slice::from_ref(&mode)).check(image, scales);
        let axes = ("axes", Attr::Ints(vec![3, 1]));
        op("Resize", "a _ _ n", &[mode, axes, ("antialias", Attr::Int(1))]).check(image, scales);
    }
}

#[test]
fn linear_operators() {
    let consts = "  const $i: i64[2] = [4, 5]\n  const $b: i64[2] = [2, 3]\n  const $p: i64[1, 2] = [1, 0]\n  \
                  const $cos: f64[2, 2] = [0.9, 0.2, 0.4, 0.7]\n  const $sin: f64[2, 2] = [0.1, 0.8, 0.3, 0.6]\n  \
                  const $at: i64[1, 1, 2] = [3, 1]\n  const $start: i64[1] = [1]\n  const $axis: i64[] = [1]\n";
    let dilated = [
        ("strides", Attr::Ints(vec![1, 2])),
        ("pads", Attr::Ints(vec![1, 0, 0, 1])),
        ("dilations", Attr::Ints(vec![2, 1])),
    ];
    op("Col2Im", "a i b", &dilated).check(&[("a", &[1, 12, 6])], consts);
    op("RotaryEmbedding", "a cos sin p", &[("interleaved", Attr::Int(1))]).check(&[("a", &[1, 1, 2, 4])], consts);
    op("MaxUnpool", "a at", &[("kernel_shape", Attr::Ints(vec![2])), ("strides", Attr::Ints(vec![2]))])
        .check(&[("a", &[1, 1, 2])], consts);
    op("TensorScatter", "a u start", &[]).check(&[("a", &[1, 1, 4, 2]), ("u", &[1, 1, 2, 2])], consts);
    for (exclusive, reverse) in [(0, 0), (1, 1), (1, 0)] {
        let attrs = [("exclusive", Attr::Int(exclusive)), ("reverse", Attr::Int(reverse))];
        op("CumProd", "a axis", &attrs).check(&[("a", &[2, 3, 2])], consts);
    }
    let silu = [("activation", word("silu"))];
    Op { outputs: 1, ..op("CausalConvWithState", "a w b s", &silu) }
        .check(&[("a", &[1, 2, 3]), ("w", &[2, 1, 3]), ("b", &[2]), ("s", &[1, 2, 2])], "");
    op("CausalConvWithState", "a w", &[]).check(&[("a", &[1, 2, 3]), ("w", &[2, 1, 3])], "");
}

#[test]
fn spectra() {
    let consts = "  const $n: i64[] = [5]\n  const $axis: i64[] = [1]\n  const $step: i64[] = [2]\n  const $w: f64[4] = [0.5, 1.0, 0.8, 0.3]\n  const $four: i64[] = [4]\n";
    let flags = |inverse: i64, onesided: i64| [("inverse", Attr::Int(inverse)), ("onesided", Attr::Int(onesided))];
    for inputs in ["a _ axis", "a n axis", "a n"] {
        for inverse in [0, 1] {
            op("DFT", inputs, &flags(inverse, 0)).check(&[("a", &[2, 4, 2])], consts);
        }
        op("DFT", inputs, &flags(0, 1)).check(&[("a", &[2, 4, 1])], consts);
        op("DFT", inputs, &flags(1, 1)).check(&[("a", &[2, 3, 2])], consts);
    }
    op("STFT", "a step w", &[]).check(&[("a", &[1, 8, 1])], consts);
    op("STFT", "a step _ four", &[("onesided", Attr::Int(0))]).check(&[("a", &[1, 6])], consts);
}
