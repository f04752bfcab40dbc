//! Copies against the general evaluation.

use super::super::*;
use super::try_copy;
use crate::kernel::KernelBuilder;
use crate::kernel::build::{load, load_padded};
use onnxc_base::{Ranges, Sym};

/// `out[i] = x[index(i)]` by both ways; says whether the fast one took it.
fn both(extents: &[i64], of: &[i64], pad: bool, index: impl Fn(&[Sym]) -> Vec<Sym>) -> bool {
    let sizes = |e: &[i64]| e.iter().map(|&n| Sym::int(n)).collect::<Vec<_>>();
    let mut k = KernelBuilder::new("k", Ranges::new());
    let count = of.iter().product::<i64>();
    let shape: Vec<usize> = of.iter().map(|&e| e as usize).collect();
    let value = Tensor::from_slice(&shape, &(0..count).map(|v| v as i16).collect::<Vec<i16>>());
    let x = k.param("x", DType::I16, sizes(of), Some(value.clone()));
    let y = k.map("y", DType::I16, &sizes(extents), |_, i| match pad {
        true => load_padded(x, &index(i), Scalar::from_i64(DType::I16, -7)),
        false => load(x, &index(i)),
    });
    k.output(y);
    let def = k.kernel.defs.keys().next().expect("there is one");
    let d = &k.kernel.defs[def];
    let scope = Scope { kernel: &k.kernel, dims: &|_| None, sources: &|_| Some(value.clone()), what: "y" };
    let axes = scope.extents(&d.axes).expect("they are numbers");
    let buffer = || Buffer::new(&scope, d.dtype, &axes).expect("it is small");
    let (mut fast, mut slow) = (buffer(), buffer());
    let took = try_copy(&scope, d.value(), &axes, &mut fast).expect("it runs");
    match map(&scope, d.value(), &axes, &mut slow) {
        Ok(()) if took => assert_eq!(fast.words, slow.words, "{extents:?} of {of:?}: {:?}", d.value()),
        Ok(()) => {}
        Err(_) => assert!(!took, "{extents:?} of {of:?}: the index is out of range"),
    }
    took
}

#[test]
fn copies_are_what_the_general_way_gives() {
    let c = Sym::int;
    assert!(both(&[5, 7], &[5, 7], false, |i| i.to_vec()));
    assert!(both(&[33, 70, 3], &[3, 33, 70], false, |i| vec![i[2].clone(), i[0].clone(), i[1].clone()]));
    assert!(both(&[6, 5], &[5, 6], false, |i| vec![4 - &i[1], 5 - &i[0]]), "reversed");
    assert!(both(&[3, 9, 8], &[3, 6, 5], true, |i| vec![i[0].clone(), &i[1] - 1, &i[2] - 2]), "padded");
    assert!(both(&[3, 4, 8], &[20, 4], true, |i| vec![8 * &i[0] + &i[2], i[1].clone()]), "packed");
    assert!(both(&[3, 2, 4, 4], &[9, 5], true, |i| vec![4 * &i[0] + &i[2], 4 * &i[1] + &i[3]]), "packed twice");
    assert!(both(&[20, 4], &[3, 4, 8], false, |i| vec![i[0].floordiv(&c(8)), i[1].clone(), i[0].modulo(&c(8))]));
    assert!(both(&[2, 6, 8], &[8, 3, 4], false, |i| vec![
        4 * &i[0] + 2 * i[1].modulo(&c(2)) + i[2].modulo(&c(2)),
        i[1].floordiv(&c(2)),
        i[2].floordiv(&c(2))
    ]));
    assert!(both(&[2, 3], &[4], false, |_| vec![c(3)]), "a splat");
    assert!(both(&[], &[4], false, |_| vec![c(2)]), "one element");
    assert!(both(&[4, 3], &[2], true, |_| vec![c(2)]), "only padding");
    assert!(both(&[100], &[7], true, |i| vec![3 * &i[0] - 50]), "every third");
}

#[test]
fn what_is_no_copy_is_left_alone() {
    let c = Sym::int;
    assert!(!both(&[5], &[4], false, |i| i.to_vec()), "out of range");
    assert!(!both(&[5], &[30], false, |i| vec![&i[0] * &i[0]]), "a square");
    assert!(!both(&[5, 0], &[4, 1], false, |i| i.to_vec()), "nothing");
    both(&[9], &[9], false, |i| vec![(&i[0] + 1).floordiv(&c(2))]);
    both(&[12, 5], &[3, 20], false, |i| {
        let flat = 5 * &i[0] + &i[1];
        vec![flat.floordiv(&c(20)), flat.modulo(&c(20))]
    });
}
