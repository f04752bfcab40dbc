//! Attention with fixed and symbolic lengths, short and long.

use super::{applies, attention};
use crate::from_kernel::{Machine, scratch_bytes};
use crate::kernel::tests::{MACHINES, agree, dims, numbers, syms};
use crate::kernel::{inline, split};
use onnxc_base::{DType, Sym};
use onnxc_ir::kernel::build::{load, number, unary};
use onnxc_ir::kernel::{Kernel, KernelBuilder, ReduceOp, UnOp};

/// Softmax of scaled and masked q k, times v: q and v are [h, s, d], k is [s, h, d], the mask [s].
fn built(h: &str, s: &str, d: i64, out: &str) -> Kernel {
    let mut b = KernelBuilder::new("attention", dims(&["s", "out"]));
    let f = DType::F32;
    let shape = |t: &[&str]| syms(t);
    let d = d.to_string();
    let q = b.param("q", f, shape(&[h, out, &d]), None);
    let k = b.param("k", f, shape(&[s, h, &d]), None);
    let v = b.param("v", f, shape(&[h, s, &d]), None);
    let m = b.param("m", f, shape(&[s]), None);
    let (size, keys) = (shape(&[&d]), shape(&[s]));
    let kt = b.map("kt", f, &shape(&[h, &d, s]), |_, i| load(k, &[i[2].clone(), i[0].clone(), i[1].clone()]));
    let qk = b.reduce("qk", f, &shape(&[h, out, s]), ReduceOp::Add, &size, None, |_, i, r| {
        load(q, &[i[0].clone(), i[1].clone(), r[0].clone()]) * load(kt, &[i[0].clone(), r[0].clone(), i[2].clone()])
    });
    let x = b.map("x", f, &shape(&[h, out, s]), |_, i| load(qk, i) / number(f, 8.0) + load(m, &i[2..]));
    let at = |i: &[Sym], r: &[Sym]| [i, r].concat();
    let max = b.reduce("max", f, &shape(&[h, out]), ReduceOp::Max, &keys, None, |_, i, r| load(x, &at(i, r)));
    let e = b.map("e", f, &shape(&[h, out, s]), |_, i| unary(UnOp::Exp, load(x, i) - load(max, &i[..2])));
    let sum = b.reduce("sum", f, &shape(&[h, out]), ReduceOp::Add, &keys, None, |_, i, r| load(e, &at(i, r)));
    let y = b.map("y", f, &shape(&[h, out, s]), |_, i| load(e, i) / load(sum, &i[..2]));
    let o = b.reduce("o", f, &shape(&[h, out, &d]), ReduceOp::Add, &keys, None, |_, i, r| {
        load(y, &[i[0].clone(), i[1].clone(), r[0].clone()]) * load(v, &[i[0].clone(), r[0].clone(), i[2].clone()])
    });
    b.output(o);
    b.kernel
}

#[test]
fn weights_that_no_cache_holds_are_read_once() {
    let mut kernel = built("3", "16", 8, "16");
    if let Some(k) = kernel.params.values_mut().nth(1) {
        k.value = Some(numbers(&[16, 3, 8]));
    }
    let small = Machine { l2_bytes: 1 << 10, ..Machine::USUAL };
    assert!(!applies(&kernel, small).expect("constants evaluate"), "three blocks would read them three times");
    assert!(applies(&kernel, Machine::USUAL).expect("constants evaluate"));
}

#[test]
fn many_keys_are_summed_part_by_part_and_exponentials_lie_where_scores_did() {
    let machine = Machine { l2_bytes: 1 << 18, ..Machine::USUAL };
    let made = |keys: &str| {
        let k = attention(&prepared(built("2", keys, 20, "23")), machine).expect("no constants");
        let k = k.expect("an attention");
        let bytes = scratch_bytes(&k, machine).expect("known lengths");
        let parts = k.schedule.stages.iter().any(|s| k.defs[s.def].name == "o_parts");
        let ahead = k.schedule.stages.iter().any(|s| s.ahead.is_some());
        (parts, ahead, bytes)
    };
    let (parts, ahead, few) = made("161");
    assert!(!parts && !ahead, "a part of the cache holds all of them");
    let (parts, ahead, many) = made("1288");
    assert!(parts && ahead);
    // Scores of the block of rows, once; both operands of a head, in panels; the partial sums.
    assert!(many < 3 * 1288 * 24 * 4 + 23 * 24 * 16 * 4, "{many}");
    assert!(few < 3 * 168 * 24 * 4, "{few}");
}

/// However large the cache is: with one block there would be nothing to share out.
#[test]
fn threads_have_several_blocks_of_rows() {
    let rows = |heads: &str, out: &str, threads: u32| {
        let machine = Machine { l2_bytes: 1 << 24, threads, ..Machine::USUAL };
        let k =
            attention(&prepared(built(heads, "140", 8, out)), machine).expect("no constants").expect("an attention");
        let owner = k.schedule.stages.last().expect("the output");
        let lanes = &owner.vector.as_ref().expect("lanes").axis;
        owner.loops.iter().filter(|l| l.axis != *lanes).map(|l| l.block).max().expect("a loop over rows")
    };
    assert!(rows("1", "397", 1) >= 397, "one thread has the panels once");
    assert!((48..80).contains(&rows("1", "397", 3)), "seven blocks");
    assert!((48..80).contains(&rows("1", "out", 3)), "a length that only a run knows");
    assert!(rows("12", "397", 3) >= 397, "there are heads enough");
}

fn prepared(mut k: Kernel) -> Kernel {
    inline::inline(&mut k);
    split::split(&mut k, Machine::USUAL);
    k
}

#[test]
fn attention_runs_in_blocks_of_rows() {
    let long = ("2", "644", 20, "23");
    for (h, s, d, out) in [("2", "37", 16, "29"), ("3", "16", 8, "16"), ("1", "50", 20, "7"), ("2", "s", 8, "s"), long]
    {
        let kernel = built(h, s, d, out);
        for machine in MACHINES {
            assert!(applies(&kernel, machine).expect("no constants"), "{h} {s} {d} {out}");
        }
        for n in if s == "s" { vec![1, 5, 33] } else { vec![0] } {
            let size = |t: &str| t.parse::<usize>().unwrap_or(n);
            let (h, s, d, out) = (size(h), size(s), d as usize, size(out));
            let small = |shape: &[usize]| numbers(shape);
            let inputs = [small(&[h, out, d]), small(&[s, h, d]), small(&[h, s, d]), small(&[s])];
            agree(kernel.clone(), &[("s", n as i64)], &inputs);
        }
    }
}
