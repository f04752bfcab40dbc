//! Loop and Scan, in any depth, against differences.

use super::*;

fn number(v: i64) -> Tensor {
    Tensor::from_slice(&[], &[v])
}

/// `check` for a run-time number of trips as well, `%n`.
fn check_for(text: &str, xs: &[&str], given: &[Tensor], trips: &[i64]) {
    for &n in trips {
        check(text, xs, &[given, &[number(n)]].concat());
    }
}

#[test]
fn carried_stacked_and_captured() {
    // %w is read by the body, and behind the loop; the limit is known or isn't, the condition always holds.
    let body = "region (%i: i64[], %go: bool[], %s: f64[m, 3]) -> (%go, %t, %p) {\n      \
                %p = MatMul(%s, %w) : ? @product\n      %e = Add(%p, %b) : ? @add\n      %t = Tanh(%e) : ? @tanh\n    }";
    let net = |params: &str, limit: &str| {
        format!(
            "graph @g(%a: f64[m, 3], %w: f64[3, 3], %b: f64[3]{params}) -> %y {{\n  sym m = dim(%a, 0) in 0..\n  \
             const $three: i64[] = [3]\n  %f, %all = Loop({limit}, _, %a) : ?, ? @loop {{\n    {body}\n  }}\n  \
             %q = MatMul(%f, %w) : ? @more\n  %z = ReduceSum(%all) {{ keepdims: 0, noop: 0 }} : ? @sum\n  \
             %y = Mul(%q, %z) : ? @last\n}}\n"
        )
    };
    let (xs, given) = (["a", "w", "b"], inputs(&[&[2, 3], &[3, 3], &[3]]));
    check(&net("", "$three"), &xs, &given);
    check_for(&net(", %n: i64[]", "%n"), &xs, &given, &[0, 1, 2, 4]);
}

#[test]
fn a_condition_ends_the_loop() {
    // As long as the sum is small; a counter and a flag are carried along, and each trip counts more than the one before.
    let net = "graph @g(%a: f64[2], %b: f64[2], %n: i64[]) -> %y {\n  const $one: i64[] = [1]\n  const $most: f64[] = [9.0]\n  \
               const $yes: bool[] = [1]\n  const $no: bool[] = [0]\n  \
               %f, %c, %h, %all = Loop(_, $yes, %a, %n, $no) : ?, ?, ?, ? @loop {\n    \
               region (%i: i64[], %go: bool[], %s: f64[2], %k: i64[], %odd: bool[]) -> (%on, %t, %l, %even, %u) {\n      \
               %l = Add(%k, $one) : ? @count\n      %even = Not(%odd) : ? @flag\n      %x = Cast(%l) { to: f64 } : ? @cast\n      \
               %g = Where(%odd, %b, %a) : ? @which\n      %v = Mul(%x, %g) : ? @weight\n      %t = Add(%s, %v) : ? @next\n      \
               %u = Mul(%t, %t) : ? @square\n      %size = ReduceSum(%t) { keepdims: 0, noop: 0 } : ? @total\n      \
               %on = Less(%size, $most) : ? @on\n    }\n  }\n  %sum = ReduceSum(%all) { keepdims: 0, noop: 0 } : ? @sum\n  \
               %trips = Cast(%c) { to: f64 } : ? @trips\n  %z = Mul(%sum, %f) : ? @product\n  %y = Mul(%z, %trips) : ? @last\n}\n";
    check_for(net, &["a", "b"], &inputs(&[&[2], &[2]]), &[0, 1, 5]);
}

#[test]
fn scans_go_along_axes_and_directions() {
    let net = |axes: [i64; 3], back: [i64; 3], shapes: [&str; 2]| {
        let [[a, b, c], [d, e, f]] = [axes, back];
        format!(
            "graph @g(%a: f64[2], %b: f64{}, %c: f64{}) -> %y {{\n  %f, %all, %last = Scan(%a, %b, %c) {{ num_scan_inputs: 2, \
             scan_input_axes: [{a}, {b}], scan_input_directions: [{d}, {e}], scan_output_axes: [{c}], \
             scan_output_directions: [{f}] }} : ?, ?, ? @scan {{\n    \
             region (%s: f64[2], %x: f64[2], %z: f64[2]) -> (%t, %u, %x) {{\n      %p = Mul(%s, %x) : ? @product\n      \
             %t = Add(%p, %z) : ? @next\n      %v = Mul(%t, %z) : ? @other\n      %u = Exp(%v) : ? @exp\n    }}\n  }}\n  \
             %m = Mul(%all, %all) : ? @m\n  %r = ReduceSum(%m) {{ keepdims: 0, noop: 0 }} : ? @sum\n  \
             %o = ReduceSumSquare(%last) {{ keepdims: 0, noop: 0 }} : ? @o\n  %q = Mul(%r, %o) : ? @q\n  %y = Mul(%f, %q) : ? @last\n}}\n",
            shapes[0], shapes[1]
        )
    };
    let scaled = |shapes: &[&[usize]]| {
        let small =
            |t: Tensor| tensor(t.shape(), &t.to_f64().expect("numbers").iter().map(|v| v * 0.3).collect::<Vec<_>>());
        inputs(shapes).into_iter().map(small).collect::<Vec<_>>()
    };
    check(&net([0, 0, 0], [0, 0, 0], ["[3, 2]", "[3, 2]"]), &["a", "b", "c"], &scaled(&[&[2], &[3, 2], &[3, 2]]));
    check(&net([1, 0, 1], [1, 0, 0], ["[2, 3]", "[3, 2]"]), &["a", "b", "c"], &scaled(&[&[2], &[2, 3], &[3, 2]]));
    check(&net([0, -1, -1], [1, 1, 1], ["[3, 2]", "[2, 3]"]), &["a", "b", "c"], &scaled(&[&[2], &[3, 2], &[2, 3]]));
    check(&net([0, 0, 0], [0, 1, 1], ["[0, 2]", "[0, 2]"]), &["a", "b", "c"], &scaled(&[&[2], &[0, 2], &[0, 2]]));
}

#[test]
fn loops_inside_of_loops_and_branches() {
    // As many inner trips as the outer one says; the inner body takes the outer state, which a branch has changed; all
    // of it stands in a branch.
    let net = "graph @g(%a: f64[2], %b: f64[2], %c: bool[], %n: i64[]) -> %y {\n  const $one: i64[] = [1]\n  %y = If(%c) : ? @if {\n    \
               region () -> %f {\n      %f = Loop(%n, _, %a) : ? @outer {\n        \
               region (%i: i64[], %go: bool[], %s: f64[2]) -> (%go, %t) {\n          %odd = Mod(%i, %two) : ? @mod\n          \
               %even = Equal(%odd, $one) : ? @even\n          %h = If(%even) : ? @inner_if {\n            \
               region () -> %p {\n              %p = Mul(%s, %b) : ? @p\n            }\n            \
               region () -> %q {\n              %q = Tanh(%s) : ? @q\n            }\n          }\n          \
               %t, %u = Loop(%i, _, %h) : ?, ? @inner {\n            \
               region (%j: i64[], %on: bool[], %r: f64[2]) -> (%on, %v, %w) {\n              %w = Mul(%r, %s) : ? @w\n              \
               %x = Add(%w, %b) : ? @x\n              %v = Tanh(%x) : ? @v\n            }\n          }\n        }\n      }\n    }\n    \
               region () -> %g {\n      %g = Mul(%a, %a) : ? @square\n    }\n  }\n}\n";
    let net = net.replacen("const $one", "const $two: i64[] = [2]\n  const $one", 1).replace("%two", "$two");
    for n in [0, 1, 2, 4] {
        for yes in [true, false] {
            check(&net, &["a", "b"], &[inputs(&[&[2], &[2]]), vec![flag(yes), number(n)]].concat());
        }
    }
}

#[test]
fn states_that_are_swapped_kept_and_overwritten() {
    // %p and %q change places, %k stays, %l is what it was scanned last; %d is never given to anything.
    let net = "graph @g(%a: f64[2], %b: f64[2], %c: f64[3, 2]) -> %y {\n  %f, %g, %h, %e, %o = Scan(%a, %b, %a, %b, %a, %c) { num_scan_inputs: 1 } \
               : ?, ?, ?, ?, ? @scan {\n    region (%p: f64[2], %q: f64[2], %k: f64[2], %l: f64[2], %d: f64[2], %x: f64[2]) \
               -> (%q, %r, %k, %x, %m, %x) {\n      %r = Mul(%p, %x) : ? @r\n      %m = Exp(%d) : ? @m\n    }\n  }\n  \
               %u = Mul(%f, %g) : ? @u\n  %v = Mul(%h, %e) : ? @v\n  %y = Mul(%u, %v) : ? @last\n}\n";
    check(net, &["a", "b", "c"], &inputs(&[&[2], &[2], &[3, 2]]));
    check(&net.replace("[3, 2]", "[0, 2]"), &["a", "b", "c"], &inputs(&[&[2], &[2], &[0, 2]]));
}

#[test]
fn at_other_values_the_loop_is_repeated() {
    // y = a^(2^n) b: at a = b.
    let net = "graph @g(%a: f64[1], %b: f64[1], %n: i64[]) -> %y {\n  %f = Loop(%n, _, %a) : ? @loop {\n    \
               region (%i: i64[], %go: bool[], %s: f64[1]) -> (%go, %t) {\n      %t = Mul(%s, %s) : ? @square\n    }\n  }\n  \
               %y = Mul(%f, %b) : ? @last\n}\n";
    let g = derive(net, &["a"], &[], &["b"]).unwrap_or_else(|d| panic!("{d}"));
    let found = results(&g, &[tensor(&[1], &[3.0]), tensor(&[1], &[2.0]), number(3)]);
    assert_eq!(found, [[6561.0 * 2.0], [8.0 * 128.0 * 2.0]]);
    // What the body takes from around it counts as constant.
    let g = derive(&net.replace("Mul(%s, %s)", "Mul(%s, %a)"), &["a"], &["f"], &["a", "f"])
        .unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(results(&g, &[tensor(&[1], &[3.0]), tensor(&[1], &[2.0]), number(3)])[1], [0.0]);
}

#[test]
fn what_grows_is_kept_in_a_sequence() {
    let net = |body: &str, last: &str| {
        format!(
            "graph @g(%a: f64[2], %n: i64[]) -> %y {{\n  %f, %g = Loop(%n, _, %a, %a) : ?, ? @loop {{\n    \
             region (%i: i64[], %go: bool[], %s: f64[2], %r: f64[2]) -> (%go, %t, %u) {{\n      {body}\n    }}\n  }}\n  {last}\n}}\n"
        )
    };
    // %r grows, but no derivative needs it; then one does.
    let grows = "%t = Mul(%s, %a) : ? @t\n      %u = Concat(%r, %r) { axis: 0 } : ? @u";
    let text = net(grows, "%y = Mul(%f, %f) : ? @last");
    check_for(&text, &["a"], &inputs(&[&[2]]), &[0, 1, 3]);
    let text = net(grows, "%h = ReduceSumSquare(%g) { keepdims: 0, noop: 0 } : ? @h\n  %y = Mul(%f, %h) : ? @last");
    check_for(&text, &["a"], &inputs(&[&[2]]), &[0, 1, 3]);
    let squares =
        "%t = Mul(%s, %a) : ? @t\n      %v = Mul(%r, %r) : ? @v\n      %u = Concat(%v, %t) { axis: 0 } : ? @u";
    let text = net(squares, "%h = ReduceSum(%g) { keepdims: 0, noop: 0 } : ? @h\n  %y = Mul(%f, %h) : ? @last");
    check_for(&text, &["a"], &inputs(&[&[2]]), &[0, 1, 3]);
}

#[test]
fn lists_that_loops_make_and_read() {
    // Items are appended, of the list so far one is read, at the end they are put together.
    let net = "graph @g(%a: f64[2], %b: f64[1], %n: i64[]) -> %y {\n  const $zero: i64[] = [0]\n  %l = SequenceConstruct(%b) : ? @list\n  \
               %f, %m = Loop(%n, _, %a, %l) : ?, ? @loop {\n    \
               region (%i: i64[], %go: bool[], %s: f64[2], %q: seq(any(f64, 1))) -> (%go, %t, %r) {\n      \
               %x = SequenceAt(%q, $zero) : ? @item\n      %z = ReduceSum(%x) { keepdims: 0, noop: 0 } : ? @z\n      \
               %t = Mul(%s, %z) : ? @t\n      %w = Concat(%t, %x) { axis: 0 } : ? @w\n      \
               %r = SequenceInsert(%q, %w) : ? @r\n    }\n  }\n  \
               %all = ConcatFromSequence(%m) { axis: 0, new_axis: 0 } : ? @all\n  %h = ReduceSumSquare(%all) { keepdims: 0, noop: 0 } : ? @h\n  \
               %y = Mul(%f, %h) : ? @last\n}\n";
    check_for(net, &["a", "b"], &inputs(&[&[2], &[1]]), &[0, 1, 3]);
}
