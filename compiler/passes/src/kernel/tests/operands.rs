//! Operands of contractions that are copied first: halves that are widened, matrices that only a run knows.

use super::*;

/// Halves in [1, 2).
fn halves(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let all: Vec<u8> = (0..n).flat_map(|i| (0x3c00 | ((i * 37) & 0x3ff) as u16).to_le_bytes()).collect();
    Tensor::from_bytes(DType::F16, shape.to_vec(), all.into()).expect("two bytes an element")
}

fn product_of_halves(m: &str, weights: Option<Tensor>) -> Kernel {
    let mut b = KernelBuilder::new("halves", dims(&["m"]));
    let [m, k, n] = [m, "19", "37"].map(|t| Sym::parse(t).expect("a symbolic integer"));
    let x = b.param("x", DType::F16, vec![m.clone(), k.clone()], None);
    let w = b.param("w", DType::F16, vec![k.clone(), n.clone()], weights);
    let wide = |src, at: &[Sym]| cast(DType::F16, DType::F32, load(src, at));
    let c = b.reduce("c", DType::F32, &[m, n], ReduceOp::Add, &[k], None, |_, i, r| {
        wide(x, &[i[0].clone(), r[0].clone()]) * wide(w, &[r[0].clone(), i[1].clone()])
    });
    b.output(c);
    b.kernel
}

#[test]
fn halves_read_again_and_again_are_widened_once() {
    let w = halves(&[19, 37]);
    agree(product_of_halves("20", Some(w.clone())), &[], &[halves(&[20, 19])]);
    agree(product_of_halves("m", None), &[("m", 18)], &[halves(&[18, 19]), w.clone()]);
    let text = |m, w| {
        let mut k = product_of_halves(m, w);
        optimise(&mut k, MACHINES[0]).expect("constants evaluate");
        k.to_string()
    };
    let many = text("20", Some(w.clone()));
    assert!(
        many.contains("stage wide0") && many.contains("const panels1: f32"),
        "the constant is f32, the data a copy: {many}"
    );
    let one = text("1", Some(w));
    assert!(!one.contains("wide1") && one.contains("const panels1: f16"), "a vector's matrix stays as it is: {one}");
}

#[test]
fn matrices_beyond_the_cache_are_copied_into_panels() {
    for transposed in [false, true] {
        let w = numbers(if transposed { &[37, 19] } else { &[19, 37] });
        let kernel = |m| matmul(m, "19", "37", transposed, None);
        agree(kernel("20"), &[], &[numbers(&[20, 19]), w.clone()]);
        agree(kernel("m"), &[("m", 20)], &[numbers(&[20, 19]), w]);
        let text = |m| {
            let mut k = kernel(m);
            optimise(&mut k, MACHINES[8]).expect("no constants");
            k.to_string()
        };
        let (many, few) = (text("20"), text("3"));
        assert!(many.contains("stage panels1") && !few.contains("panels"), "{many}{few}");
    }
}
