//! Products of matrices and of elements, against differences.

use super::*;

#[test]
fn products_of_matrices() {
    let net = graph("%a: f64[3, 2, 4], %b: f64[4, 5]", &["%f = MatMul(%a, %b)", "%y = Tanh(%f)"]);
    check(&net, &["a", "b"], &inputs(&[&[3, 2, 4], &[4, 5]]));
    for (ta, tb) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let line = format!("%f = Gemm(%a, %b, %c) {{ alpha: 0.5, beta: 2.0, transA: {ta}, transB: {tb} }}");
        let net = graph("%a: f64[3, 3], %b: f64[3, 3], %c: f64[3]", &[&line, "%y = Mul(%f, %f)"]);
        check(&net, &["a", "b", "c"], &inputs(&[&[3, 3], &[3, 3], &[3]]));
    }
}

#[test]
fn equations() {
    for (equation, shapes) in [
        ("ij,jk->ik", [vec![2, 3], vec![3, 2]]),
        ("bij,bjk", [vec![2, 1, 3], vec![2, 3, 2]]),
        ("ij,k->i", [vec![2, 3], vec![2]]),
        ("...ij,jk->...ki", [vec![2, 1, 3], vec![3, 2]]),
        ("i...,...j->j...i", [vec![2, 3], vec![1, 3, 2]]),
        ("ij,ij->", [vec![2, 3], vec![2, 1]]),
    ] {
        let line = format!("%f = Einsum(%a, %b) {{ equation: \"{equation}\" }}");
        let net = graph(&format!("%a: f64{:?}, %b: f64{:?}", shapes[0], shapes[1]), &[&line, "%y = Mul(%f, %f)"]);
        if equation.starts_with("i...") {
            // Summing to fewer axes takes the last ones.
            assert_eq!(derive(&net, &["a"], &[], &["a"]).expect_err("no rule").code, "E2029");
            continue;
        }
        check(&net, &["a", "b"], &inputs(&[&shapes[0], &shapes[1]]));
    }
}

#[test]
fn vectors_and_inverses() {
    for (a, b) in [("[3]", "[3]"), ("[3]", "[2, 3, 2]"), ("[2, 2, 3]", "[3]")] {
        let net = graph(&format!("%a: f64{a}, %b: f64{b}"), &["%f = MatMul(%a, %b)", "%y = Mul(%f, %f)"]);
        let extents =
            |s: &str| s.split(|c: char| !c.is_ascii_digit()).filter_map(|d| d.parse().ok()).collect::<Vec<_>>();
        check(&net, &["a", "b"], &inputs(&[&extents(a), &extents(b)]));
    }
    let values = [2.0, 0.3, -0.4, 0.1, 1.5, 0.2, 0.7, -0.3, 1.1];
    let a = tensor(&[1, 3, 3], &values);
    check(&graph("%a: f64[1, 3, 3]", &["%d = Det(%a)", "%y = Mul(%d, %d)"]), &["a"], std::slice::from_ref(&a));
    let lines = ["%d = com.microsoft.Inverse(%a)", "%y = Mul(%d, %d)"];
    check(&graph("%a: f64[1, 3, 3]", &lines), &["a"], std::slice::from_ref(&a));
}

#[test]
fn products_with_zeros() {
    for values in [[0.5, 0.0, 2.0, 3.0, 1.5, -1.0], [0.0, 0.0, 2.0, 3.0, 0.0, -1.0]] {
        let text = graph("%a: f64[2, 3]", &["%p = ReduceProd(%a, $one) { keepdims: 0, noop: 0 }", "%y = Mul(%p, %p)"]);
        let net = text.replacen(") -> %y {\n", ") -> %y {\n  const $one: i64[1] = [1]\n", 1);
        let g = derive(&net, &["a"], &[], &["a"]).expect("derivable");
        compare(&g, &net, &["a"], &[tensor(&[2, 3], &values)]);
    }
}
