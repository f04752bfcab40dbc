//! Operators that move, pick and scatter elements or slide windows, against differences.

use super::*;

#[test]
fn running_sums() {
    for (exclusive, reverse) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let line = format!("%c = CumSum(%a, $one) {{ exclusive: {exclusive}, reverse: {reverse} }}");
        let net = graph("%a: f64[2, 3]", &[&line, "%y = Mul(%c, %c)"]);
        let net = net.replacen(") -> %y {\n", ") -> %y {\n  const $one: i64[] = [1]\n", 1);
        check(&net, &["a"], &inputs(&[&[2, 3]]));
    }
}

#[test]
fn convolutions_and_pools() {
    let cases = [
        ("pads: [1, 0, 0, 1], strides: [2, 1], group: 1", [[1, 2, 5, 4], [3, 2, 3, 2]]),
        ("dilations: [1, 2], group: 2, auto_pad: \"SAME_UPPER\"", [[2, 4, 3, 5], [2, 2, 2, 3]]),
    ];
    for (attrs, [x, w]) in cases {
        let line = format!("%c = Conv(%a, %b, %d) {{ {attrs} }}");
        let params = format!("%a: f64{x:?}, %b: f64{w:?}, %d: f64[{}]", w[0]);
        let net = graph(&params, &[&line, "%t = Mul(%c, %c)", "%y = Mul(%t, %c)"]);
        check(&net, &["a", "b", "d"], &distinct(&[&x, &w, &[w[0]]]));
    }
    let transposed = [
        ("pads: [1, 0, 0, 1], strides: [2, 1], output_padding: [1, 0], group: 1", [[1, 2, 3, 2], [2, 3, 2, 3]]),
        ("auto_pad: \"SAME_LOWER\", strides: [2, 1], dilations: [1, 2], group: 2", [[1, 4, 2, 3], [4, 1, 3, 2]]),
    ];
    for (attrs, [x, w]) in transposed {
        let channels = if attrs.contains("group: 2") { 2 * w[1] } else { w[1] };
        let line = format!("%c = ConvTranspose(%a, %b, %d) {{ {attrs} }}");
        let params = format!("%a: f64{x:?}, %b: f64{w:?}, %d: f64[{channels}]");
        let net = graph(&params, &[&line, "%y = Mul(%c, %c)"]);
        check(&net, &["a", "b", "d"], &distinct(&[&x, &w, &[channels]]));
    }
    let window = "kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1]";
    for op in [
        format!("MaxPool(%a) {{ {window}, storage_order: 0 }}"),
        format!("LpPool(%a) {{ {window}, p: 2.0 }}"),
        "GlobalLpPool(%a) { p: 3.0 }".into(),
        "LRN(%a) { size: 3, alpha: 0.3, beta: 0.75, bias: 1.1 }".into(),
        format!("AveragePool(%a) {{ {window}, count_include_pad: 0 }}"),
        format!("AveragePool(%a) {{ {window}, count_include_pad: 1 }}"),
        "GlobalMaxPool(%a)".into(),
        "GlobalAveragePool(%a)".into(),
    ] {
        let net = graph("%a: f64[1, 2, 5, 4]", &[&format!("%p = {op}"), "%y = Mul(%p, %p)"]);
        check(&net, &["a"], &distinct(&[&[1, 2, 5, 4]]));
    }
}

#[test]
fn picks_and_extremes() {
    let consts = "  const $from: i64[2] = [0, 3]\n  const $to: i64[2] = [2, 0]\n  const $axes: i64[2] = [0, 1]\n  const $by: i64[2] = [1, -2]\n";
    let more = "  const $at: i64[3] = [1, -1, 1]\n  const $one: i64[1] = [1]\n  const $pads: i64[4] = [1, -1, 0, 2]\n  const $low: f64[] = [0.3]\n  const $two: i64[1] = [2]\n";
    let net = |lines: &[&str]| {
        let text = graph("%a: f64[3, 4], %b: f64[3, 1]", lines);
        let text = text.replacen(") -> %y {\n", &format!(") -> %y {{\n{consts}{more}"), 1);
        check(&text, &["a", "b"], &distinct(&[&[3, 4], &[3, 1]]));
    };
    for op in [
        "Slice(%m, $from, $to, $axes, $by)",
        "Gather(%m, $at) { axis: 1 }",
        "Pad(%m, $pads) { mode: \"constant\" }",
        "Max(%a, %b, %m)",
        "Min(%m, %a)",
        "ReduceMax(%m, $one) { keepdims: 0 }",
        "ReduceMin(%m) { keepdims: 1 }",
        "Clip(%m, $low)",
        "LeakyRelu(%m) { alpha: 0.2 }",
        "Trilu(%m) { upper: 0 }",
    ] {
        net(&["%m = Mul(%a, %b)", &format!("%f = {op}"), "%y = Mul(%f, %f)"]);
    }
    net(&["%m = Mul(%a, %b)", "%f, %g = Split(%m) { axis: 1, uneven: 0 }", "%h = Exp(%g)", "%y = Mul(%h, %h)"]);
    net(&["%m = Mul(%a, %b)", "%f, %i = TopK(%m, $two) { axis: 1, largest: 1, sorted: 1 }", "%y = Exp(%f)"]);
}

#[test]
fn elements_elsewhere() {
    let consts = "  const $at: i64[2, 2, 2] = [1, 0, -1, 1, 0, 0, 2, 1]\n  const $places: i64[2, 2] = [1, 0, -1, 1]\n  const $times: i64[3] = [2, 1, 3]\n  const $lengths: i64[2] = [3, 2]\n  const $size: i64[2] = [4, 1]\n  const $flags: bool[3] = [1, 0, 1]\n";
    let net = |shape: &[usize], op: &str| {
        let text = graph(
            &format!("%a: f64{shape:?}"),
            &[
                &format!("%f = {op}"),
                "%g = Exp(%a)",
                "%s = ReduceSum(%g) { keepdims: 0, noop: 0 }",
                "%h = Mul(%f, %f)",
                "%y = Mul(%h, %s)",
            ],
        );
        check(&text.replacen(") -> %y {\n", &format!(") -> %y {{\n{consts}"), 1), &["a"], &distinct(&[shape]));
    };
    net(&[3, 2, 2], "GatherElements(%a, $at) { axis: 0 }");
    net(&[3, 2, 2], "GatherND(%a, $places) { batch_dims: 0 }");
    net(&[2, 1, 3], "Tile(%a, $times) { single: 0 }");
    net(&[1, 8, 1, 2], "DepthToSpace(%a) { blocksize: 2, mode: \"DCR\" }");
    net(&[1, 8, 1, 2], "DepthToSpace(%a) { blocksize: 2, mode: \"CRD\" }");
    net(&[1, 1, 2, 4], "SpaceToDepth(%a) { blocksize: 2 }");
    net(&[2, 3], "CenterCropPad(%a, $size) { }");
    net(&[3, 2], "Compress(%a, $flags) { axis: 0 }");
    net(&[3, 2, 2], "ReverseSequence(%a, $lengths) { batch_axis: 1, time_axis: 0 }");
}

#[test]
fn scattered_elements() {
    // %b is written to (and may meet) elements of %a.
    for how in ["none", "add", "mul", "max", "min"] {
        let once = how == "none";
        for (op, shape) in [
            (format!("ScatterElements(%a, $at, %b) {{ axis: 1, reduction: \"{how}\" }}"), [2, 2]),
            (format!("ScatterND(%a, $nd, %b) {{ reduction: \"{how}\" }}"), [2, 4]),
        ] {
            let net = graph(
                &format!("%a: f64[3, 4], %b: f64{shape:?}"),
                &[&format!("%f = {op}"), "%g = Mul(%f, %f)", "%y = Mul(%g, %f)"],
            );
            let consts = format!(
                "  const $at: i64[2, 2] = [1, {}, -1, 0]\n  const $nd: i64[2, 1] = [{}, 2]\n",
                if once { 0 } else { 1 },
                if once { -3 } else { 2 },
            );
            let net = net.replacen(") -> %y {\n", &format!(") -> %y {{\n{consts}"), 1);
            check(&net, &["a", "b"], &distinct(&[&[3, 4], &shape]));
        }
    }
}

#[test]
fn sequences() {
    let consts = "  const $one: i64[] = [1]\n  const $back: i64[] = [-1]\n  const $parts: i64[2] = [1, 2]\n";
    let net = |lines: &[&str]| {
        let all = [&["%s = SequenceConstruct(%a, %b, %m)"], lines, &["%e = Exp(%f)", "%y = Mul(%e, %e)"]].concat();
        let all = [&["%m = Mul(%a, %b)"], &all[..]].concat();
        let text = graph("%a: f64[3], %b: f64[3]", &all);
        check(
            &text.replacen(") -> %y {\n", &format!(") -> %y {{\n{consts}"), 1),
            &["a", "b"],
            &distinct(&[&[3], &[3]]),
        );
    };
    net(&["%f = SequenceAt(%s, $back)"]);
    net(&["%t = SequenceErase(%s, $one)", "%f = ConcatFromSequence(%t) { axis: 0, new_axis: 1 }"]);
    net(&["%t = SequenceErase(%s, $back)", "%f = SequenceAt(%t, $back)"]);
    net(&["%t = SequenceErase(%s)", "%f = SequenceAt(%t, $one)"]);
    net(&["%t = SequenceInsert(%s, %m, $back)", "%f = ConcatFromSequence(%t) { axis: -1, new_axis: 0 }"]);
    net(&["%t = SequenceInsert(%s, %m)", "%f = ConcatFromSequence(%t) { axis: 0, new_axis: 0 }"]);
    net(&["%t = SplitToSequence(%m, $parts) { axis: 0, keepdims: 1 }", "%f = SequenceAt(%t, $one)"]);
    net(&["%t = SplitToSequence(%m) { axis: 0, keepdims: 0 }", "%g = SequenceAt(%t, $one)", "%f = Mul(%g, %m)"]);
}
