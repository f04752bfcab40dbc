//! Round trips, and what is said of text that is no kernel.

use super::*;
use crate::kernel::print::{PrintOptions, print_kernel};
use crate::kernel::tests::{SAMPLE, kernels, snapshot};
use proptest::prelude::*;

/// The sample's large constant.
fn weights() -> Kernel {
    let bytes: Vec<u8> = (0..108).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let value = Tensor::from_bytes(DType::F32, vec![4, 3, 3, 3], bytes.into());
    let mut k = Kernel::default();
    k.params.push(Param { name: "k".into(), dtype: DType::F32, shape: vec![], value });
    k
}

#[test]
fn the_sample_returns() {
    let k = parse_kernel(SAMPLE, None, Some(&weights())).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(k.to_string(), SAMPLE);
    let full = print_kernel(&k, PrintOptions { full: true });
    let again = parse_kernel(&full, None, None).unwrap_or_else(|d| panic!("{d}"));
    assert_eq!(print_kernel(&again, PrintOptions { full: true }), full);
    same(&k, &again);
}

/// Equal but for the names of parameters and definitions.
fn same(a: &Kernel, b: &Kernel) {
    let nameless = |k: &Kernel| {
        let mut k = k.clone();
        k.params.values_mut().for_each(|p| p.name.clear());
        k.defs.values_mut().for_each(|d| d.name.clear());
        k
    };
    let (a, b) = (nameless(a), nameless(b));
    assert_eq!((&a.name, &a.doc, &a.ranges, &a.outputs), (&b.name, &b.doc, &b.ranges, &b.outputs));
    assert!(a.params.values().eq(b.params.values()), "{:?}\n{:?}", a.params, b.params);
    assert!(a.defs.values().eq(b.defs.values()), "{:?}\n{:?}", a.defs, b.defs);
    assert_eq!((&a.checks, &a.placed), (&b.checks, &b.placed));
    assert_eq!(a.schedule, b.schedule);
}

proptest! {
    #[test]
    fn kernels_return(kernel in kernels()) {
        let full = PrintOptions { full: true };
        let text = print_kernel(&kernel, full);
        let again = parse_kernel(&text, None, None).unwrap_or_else(|d| panic!("{d}\n{text}"));
        prop_assert_eq!(print_kernel(&again, full), text);
        same(&kernel, &again);
    }

    #[test]
    fn damaged_text_is_an_error_or_a_kernel(from in 0..SAMPLE.len(), length in 0usize..40, with in "[a-z0-9\\[\\](){}.:,*+ -]{0,9}") {
        let text: String = SAMPLE.chars().take(from).chain(with.chars()).chain(SAMPLE.chars().skip(from + length)).collect();
        if let Ok(k) = parse_kernel(&text, None, Some(&weights())) {
            let printed = k.to_string();
            let again = parse_kernel(&printed, None, Some(&k)).unwrap_or_else(|d| panic!("{d}\n{printed}"));
            prop_assert_eq!(again.to_string(), printed);
        }
    }
}

#[test]
fn deep_expressions_are_refused_or_handled() {
    let kernel = |value: &str| format!("kernel @k {{ y[]: f32 = {value} out y }}");
    for (open, close) in [("exp(", ")"), ("(", ")"), ("1.0 + (", ")")] {
        let nested = |n: usize| kernel(&format!("{}1.0{}", open.repeat(n), close.repeat(n)));
        let error = parse_kernel(&nested(100_000), None, None).expect_err("too deep");
        assert_eq!(error.code, "E7023");
        let k = parse_kernel(&nested(190), None, None).expect("deep, but not too deep");
        assert!(crate::kernel::verify::verify(&k).is_ok());
        assert!(crate::kernel::interp::run(&k, &|_| None, &[]).is_ok());
        assert_eq!(parse_kernel(&k.to_string(), None, None).expect("it returns").to_string(), k.to_string());
    }
    let chain = parse_kernel(&kernel(&format!("1.0{}", " + 1.0".repeat(100_000))), None, None);
    assert_eq!(chain.expect_err("too deep").code, "E7023");
}

#[test]
fn errors_show_the_place() {
    const TEXTS: [&str; 17] = [
        "kernel conv {}",
        "kernel @k { dim n in 1 in x: f32[n] }",
        "kernel @k { in x: f33[2] }",
        "kernel @k { in x: f32[2 }",
        "kernel @k { in x: f32[2] in x: f32[2] }",
        "kernel @k { const x: f32[2] = [1.0] }",
        "kernel @k { const x: f32[n] = [1.0] }",
        "kernel @k { const x: f32[2] = elided \"00\" }",
        "kernel @k { const x: u8[2] = [1, 256] }",
        "kernel @k { y[i in 2]: f32 = z[i] }",
        "kernel @k { y[i in 2]: f32 = foo(1.0) }",
        "kernel @k { y[i in 2]: f32 = 1.0 + }",
        "kernel @k { y[i in 2]: f32 = sum(r in 2) 1.0 }",
        "kernel @k { in x: f32[2] out x }",
        "kernel @k { check 5000000000 []: true }",
        "kernel @k { y[]: f32 = 1.0 schedule { stage y: loops [], lanes 4 } }",
        "kernel @k { banana }",
    ];
    let error = |t: &&str| match parse_kernel(t, Some("k.kernel"), None) {
        Ok(k) => panic!("this was accepted: {k}"),
        Err(d) => d.to_string(),
    };
    snapshot("parse-errors", &TEXTS.iter().map(error).collect::<Vec<_>>().join("\n\n"));
}
