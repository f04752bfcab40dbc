//! Scheduled kernels compute what the kernel interpreter says, on machines of several widths, and stay in bounds.

use super::optimise;
use crate::from_kernel::{KernelArg, Machine, Memory, from_kernel};
use onnxc_base::sym::Symbol;
use onnxc_base::{DType, Ranges, Sym, Tensor};
use onnxc_ir::kernel::build::{cast, constant, int, load, load_at, load_padded, number, select, unary};
use onnxc_ir::kernel::{
    self, BinOp, ByteProducts, ByteTile, CmpOp, Dots, Kernel, KernelBuilder, ReduceOp, Scalar, Signs, Src, UnOp, build,
    interp,
};
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::{Program, verify};

mod ahead;
mod convolutions;
mod operands;
mod products;
mod sliding;
mod strips;
mod transformed;
mod windows;

pub(super) const MACHINES: [Machine; 11] = [
    Machine { vector_bits: 512, registers: 32, ..Machine::USUAL },
    Machine { vector_bits: 128, ..Machine::USUAL },
    Machine { fma: false, l2_bytes: 1 << 18, threads: 2, ..Machine::USUAL },
    Machine { registers: 16, ..SMALL },
    Machine { bytes: Some(ByteProducts { dots: Some(Dots { most: 4, least: 4 }), tile: POINTS, unroll: 2 }), ..SMALL },
    Machine { bytes: Some(ByteProducts { dots: Some(Dots { most: 16, least: 4 }), tile: POINTS, unroll: 2 }), ..SMALL },
    Machine {
        bytes: Some(ByteProducts { dots: None, tile: ByteTile::Points { rows: 3, columns: 4 }, unroll: 2 }),
        ..SMALL
    },
    Machine { vector_bits: 512, registers: 32, bytes: Some(across(32, Signs::Different)), ..Machine::USUAL },
    Machine { l2_bytes: 1 << 9, bytes: Some(across(11, Signs::Any)), ..Machine::USUAL },
    Machine { vector_bits: 128, bytes: Some(across(32, Signs::Equal)), ..Machine::USUAL },
    THRIFTY,
];

const POINTS: ByteTile = ByteTile::Points { rows: 2, columns: 2 };

/// Operations that sum four products in each lane.
const fn across(registers: u32, signs: Signs) -> ByteProducts {
    ByteProducts { dots: Some(Dots { most: 4, least: 4 }), tile: ByteTile::Lanes { registers, signs }, unroll: 2 }
}

/// A small core without vectors.
const SMALL: Machine =
    Machine { vector_bits: 64, registers: 13, fma: false, l2_bytes: 1 << 18, memory: Memory::SCARCE, ..Machine::USUAL };

/// The same where steps are joined to spare RAM, and little fits on the stack.
const THRIFTY: Machine =
    Machine { memory: Memory { thrift: Machine::JOINING, stack_bytes: 256, ..Memory::SCARCE }, ..SMALL };

pub(super) fn numbers(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let v: Vec<f32> = (0..n).map(|i| ((i * 7919 + 13) % 101) as f32 / 16.0 - 3.0).collect();
    Tensor::from_slice(shape, &v)
}

/// Compares the lowered kernel with its interpretation for every machine.
pub(super) fn agree(kernel: Kernel, dims: &[(&str, i64)], inputs: &[Tensor]) {
    agree_within(SUMS, kernel, dims, inputs);
}

/// The error of sums in another order, of the largest output.
const SUMS: f64 = 1e-6;

/// As [`agree`], with errors of up to a part of the largest output.
fn agree_within(within: f64, kernel: Kernel, dims: &[(&str, i64)], inputs: &[Tensor]) {
    let dim = |s: &Symbol| dims.iter().find(|(n, _)| *n == s.as_str()).map(|d| d.1);
    let expected = interp::run(&kernel, &dim, inputs).expect("the kernel is right");
    for machine in MACHINES {
        let mut k = kernel.clone();
        optimise(&mut k, machine).expect("constants evaluate");
        compare(within, &k, machine, &kernel, &dim, inputs, &expected);
    }
}

/// Compares a scheduled kernel with the interpretation of the one it was made of.
pub(super) fn agree_scheduled(k: &Kernel, machine: Machine, kernel: &Kernel, dims: &[(&str, i64)], inputs: &[Tensor]) {
    let dim = |s: &Symbol| dims.iter().find(|(n, _)| *n == s.as_str()).map(|d| d.1);
    let expected = interp::run(kernel, &dim, inputs).expect("the kernel is right");
    compare(SUMS, k, machine, kernel, &dim, inputs, &expected);
}

fn compare(
    within: f64,
    k: &Kernel,
    machine: Machine,
    kernel: &Kernel,
    dim: &dyn Fn(&Symbol) -> Option<i64>,
    inputs: &[Tensor],
    expected: &[Tensor],
) {
    if let Err(problems) = kernel::verify::verify(k) {
        panic!("{problems}\n{k}");
    }
    let lowered = from_kernel(k, "k", machine).expect("the schedule can be lowered");
    let mut program = Program { name: "t".into(), ..Program::default() };
    let f = program.funcs.push(lowered.func);
    if let Err(problems) = verify::verify(&program, verify::Stage::FRESH) {
        panic!("{problems}\n{program}");
    }
    let mut given = inputs.iter();
    let mut outputs = Vec::new();
    let mut args = Vec::new();
    for arg in &lowered.args {
        args.push(match arg {
            KernelArg::Dim(s) => ArgVal::Scalar(Scalar::i64(dim(s).expect("a known dim"))),
            KernelArg::Param(p) => match &k.params[*p].value {
                Some(t) => ArgVal::Buf(t.bytes().to_vec()),
                None => ArgVal::Buf(given.next().expect("an input per parameter").bytes().to_vec()),
            },
            KernelArg::Output(i) => {
                outputs.push((*i, args.len()));
                let places = places(kernel, *i, expected[*i].shape(), dim);
                let end = places.iter().max().map_or(0, |last| last + 1);
                ArgVal::Buf(vec![0xAA; end * expected[*i].dtype().size()])
            }
            KernelArg::Scratch { dtype, count, .. } => {
                let n = count.eval(dim).expect("counts are known") as usize;
                ArgVal::Buf(vec![0xAA; dtype.bytes_for(n).expect("small")])
            }
        });
    }
    let mut run = Interp::new(&program);
    if let Err(e) = run.call(f, &mut args) {
        panic!("{e:?}\n{program}");
    }
    for (i, at) in outputs {
        let ArgVal::Buf(bytes) = &args[at] else { panic!("outputs are buffers") };
        let size = expected[i].dtype().size();
        let mut elements: Vec<&[u8]> = bytes.chunks(size).collect();
        let places = places(kernel, i, expected[i].shape(), dim);
        let own: Vec<u8> = places.iter().flat_map(|&p| std::mem::take(&mut elements[p]).to_vec()).collect();
        let got = Tensor::from_bytes(expected[i].dtype(), expected[i].shape().to_vec(), own.into()).expect("sized");
        close(within, &got, &expected[i], &program);
        assert!(elements.concat().iter().all(|b| *b == 0xAA), "what is around an output is left alone\n{program}");
    }
}

/// Where in its buffer each element of an output belongs.
fn places(kernel: &Kernel, output: usize, shape: &[usize], dim: &dyn Fn(&Symbol) -> Option<i64>) -> Vec<usize> {
    let value = |s: &Sym| s.eval(dim).expect("a known dim") as usize;
    let (strides, offset) = match kernel.placed(output) {
        Some(at) => (at.strides.iter().map(value).collect(), value(&at.offset)),
        None => ((0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect::<Vec<usize>>(), 0),
    };
    let count: usize = shape.iter().product();
    let digit = |n: usize, d: usize| n / shape[d + 1..].iter().product::<usize>() % shape[d];
    (0..count).map(|n| offset + (0..shape.len()).map(|d| digit(n, d) * strides[d]).sum::<usize>()).collect()
}

fn close(within: f64, got: &Tensor, want: &Tensor, program: &Program) {
    let (g, w) = (got.to_f64().expect("numbers"), want.to_f64().expect("numbers"));
    // Sums cancel: their rounding goes with the largest.
    let largest = w.iter().filter(|w| w.is_finite()).fold(0.0, |m: f64, w| m.max(w.abs()));
    for (i, (g, w)) in g.iter().zip(&w).enumerate() {
        let ok = (g - w).abs() <= within * largest
            || g == w
            || (g - w).abs() <= 1e-4 * w.abs().max(1.0)
            || (g.is_nan() && w.is_nan());
        assert!(ok, "element {i}: {g} instead of {w}\n{program}");
    }
}

pub(super) fn dims(names: &[&str]) -> Ranges {
    let mut r = Ranges::new();
    names.iter().for_each(|n| r.set(*n, 1, None));
    r
}

pub(super) fn syms(text: &[&str]) -> Vec<Sym> {
    text.iter().map(|t| Sym::parse(t).expect("a symbolic integer")).collect()
}

fn matmul(m: &str, k: &str, n: &str, transposed: bool, weights: Option<Tensor>) -> Kernel {
    let mut b = KernelBuilder::new("matmul", dims(&["m", "k", "n"]));
    let [m, k, n] = [m, k, n].map(|t| Sym::parse(t).expect("a symbolic integer"));
    let x = b.param("x", DType::F32, vec![m.clone(), k.clone()], None);
    let shape = if transposed { vec![n.clone(), k.clone()] } else { vec![k.clone(), n.clone()] };
    let w = b.param("w", DType::F32, shape, weights);
    let c = b.reduce("c", DType::F32, &[m, n], ReduceOp::Add, &[k], None, |_, i, r| {
        let at = if transposed { [i[1].clone(), r[0].clone()] } else { [r[0].clone(), i[1].clone()] };
        load(x, &[i[0].clone(), r[0].clone()]) * load(w, &at)
    });
    b.output(c);
    b.kernel
}

#[test]
fn matrix_products() {
    for transposed in [false, true] {
        let w = if transposed { numbers(&[37, 19]) } else { numbers(&[19, 37]) };
        agree(matmul("5", "19", "37", transposed, None), &[], &[numbers(&[5, 19]), w.clone()]);
        agree(matmul("1", "19", "37", transposed, Some(w.clone())), &[], &[numbers(&[1, 19])]);
        let at = [("m", 5), ("k", 19), ("n", 37)];
        agree(matmul("m", "k", "n", transposed, None), &at, &[numbers(&[5, 19]), w]);
    }
}

/// exp(x - max) / sum over the last axis.
fn softmax(shape: &[Sym]) -> Kernel {
    let mut b = KernelBuilder::new("softmax", dims(&["n", "m"]));
    let x = b.param("x", DType::F32, shape.to_vec(), None);
    let (kept, over) = shape.split_at(shape.len() - 1);
    let full = |i: &[Sym], r: &[Sym]| [i, r].concat();
    let max = b.reduce("max", DType::F32, kept, ReduceOp::Max, over, None, |_, i, r| load(x, &full(i, r)));
    let e = b.map("e", DType::F32, shape, |_, i| unary(UnOp::Exp, load(x, i) - load(max, &i[..kept.len()])));
    let sum = b.reduce("sum", DType::F32, kept, ReduceOp::Add, over, None, |_, i, r| load(e, &full(i, r)));
    let y = b.map("y", DType::F32, shape, |_, i| load(e, i) / load(sum, &i[..kept.len()]));
    b.output(y);
    b.kernel
}

#[test]
fn row_reductions_share_their_loops() {
    agree(softmax(&syms(&["3", "4", "37"])), &[], &[numbers(&[3, 4, 37])]);
    agree(softmax(&syms(&["n", "m"])), &[("n", 4), ("m", 21)], &[numbers(&[4, 21])]);
    agree(softmax(&syms(&["9"])), &[], &[numbers(&[9])]);
    let mut k = softmax(&syms(&["3", "4", "37"]));
    optimise(&mut k, MACHINES[0]).expect("no constants");
    let at: Vec<Option<u32>> = k.schedule.stages.iter().map(|s| s.at.map(|a| a.depth)).collect();
    assert_eq!(at, [Some(1), Some(1), Some(1), None], "the two outer axes merge and are shared: {:?}", k.schedule);
}

#[test]
fn reductions_down_columns_have_lanes_instead_of_shared_loops() {
    for shape in [["6", "21"], ["n", "m"]] {
        let shape = syms(&shape);
        let mut b = KernelBuilder::new("spread", dims(&["n", "m"]));
        let x = b.param("x", DType::F32, shape.clone(), None);
        let mut over = |name, op| {
            b.reduce(name, DType::F32, &shape[1..], op, &shape[..1], None, |_, i, r| {
                load(x, &[r[0].clone(), i[0].clone()])
            })
        };
        let (most, least) = (over("most", ReduceOp::Max), over("least", ReduceOp::Min));
        let y = b.map("y", DType::F32, &shape[1..], |_, i| load(most, i) - load(least, i));
        b.output(y);
        let mut k = b.kernel.clone();
        optimise(&mut k, MACHINES[0]).expect("no constants");
        assert!(k.schedule.stages.iter().all(|s| s.at.is_none() && s.vector.is_some()), "{:?}", k.schedule);
        agree(b.kernel, &[("n", 6), ("m", 21)], &[numbers(&[6, 21])]);
    }
}

#[test]
fn reductions_over_the_first_axis_and_over_all() {
    for (over_first, shape) in [(true, ["6", "21"]), (false, ["6", "21"])] {
        let mut b = KernelBuilder::new("sum", dims(&[]));
        let shape = syms(&shape);
        let x = b.param("x", DType::F32, shape.clone(), None);
        let s = if over_first {
            b.reduce("s", DType::F32, &shape[1..], ReduceOp::Add, &shape[..1], None, |_, i, r| {
                load(x, &[r[0].clone(), i[0].clone()])
            })
        } else {
            b.reduce("s", DType::F32, &[], ReduceOp::Max, &shape, None, |_, _, r| load(x, r))
        };
        b.output(s);
        agree(b.kernel, &[], &[numbers(&[6, 21])]);
    }
}

#[test]
fn views_and_broadcasts() {
    let mut b = KernelBuilder::new("view", dims(&["n"]));
    let (x, y) = (b.param("x", DType::F32, syms(&["5", "n"]), None), b.param("y", DType::F32, syms(&["5"]), None));
    let t = b.map("t", DType::F32, &syms(&["n", "5"]), |_, i| load(x, &[i[1].clone(), i[0].clone()]));
    let sum = b.map("sum", DType::F32, &syms(&["n", "5"]), |_, i| load(t, i) + load(y, &i[1..]));
    b.output(sum);
    agree(b.kernel, &[("n", 19)], &[numbers(&[5, 19]), numbers(&[5])]);

    let mut b = KernelBuilder::new("reshape", dims(&[]));
    let x = b.param("x", DType::F32, syms(&["6", "20"]), None);
    let r = b.map("r", DType::F32, &syms(&["4", "30"]), |_, i| {
        let flat = &i[0] * 30 + &i[1];
        load(x, &[flat.floordiv(&Sym::int(20)), flat.modulo(&Sym::int(20))])
    });
    let n = b.map("n", DType::F32, &syms(&["4", "30"]), |_, i| -load(r, i));
    b.output(n);
    agree(b.kernel, &[], &[numbers(&[6, 20])]);
}

#[test]
fn gathers_by_data() {
    let mut b = KernelBuilder::new("gather", dims(&[]));
    let x = b.param("x", DType::F32, syms(&["8", "21"]), None);
    let ids = b.param("ids", DType::I64, syms(&["3"]), None);
    let y = b.map("y", DType::F32, &syms(&["3", "21"]), |_, i| {
        load_at(x, vec![load(ids, &i[..1]), int(i[1].clone())], None)
    });
    let z = b.map("z", DType::F32, &syms(&["21", "3"]), |_, i| {
        load_at(x, vec![load(ids, &i[1..]), int(i[0].clone())], None)
    });
    b.check(&syms(&["3"]), 2, |_, i| build::compare(CmpOp::Lt, load(ids, i), int(8)));
    b.output(y);
    b.output(z);
    agree(b.kernel, &[], &[numbers(&[8, 21]), Tensor::from_slice(&[3], &[7i64, 0, 3])]);
}

#[test]
fn dear_indices_are_computed_once_for_all_channels() {
    let mut b = KernelBuilder::new("sample", dims(&[]));
    let x = b.param("x", DType::F32, syms(&["5", "40"]), None);
    let at = b.param("at", DType::F32, syms(&["19"]), None);
    let pad = Scalar::from_i64(DType::F32, 0);
    let y = b.map("y", DType::F32, &syms(&["5", "19"]), |_, i| {
        let place = (load(at, &i[1..]) * number(DType::F32, 3.0) + number(DType::F32, 1.0)) * number(DType::F32, 0.5);
        let place = unary(UnOp::Floor, unary(UnOp::Sqrt, place)) * number(DType::F32, 5.0);
        load_at(x, vec![int(i[0].clone()), cast(DType::F32, DType::I64, place)], Some(pad))
    });
    b.output(y);
    let places: Vec<f32> = (0..19).map(|i| 3.0 * i as f32).collect();
    let mut k = b.kernel.clone();
    optimise(&mut k, MACHINES[0]).expect("no constants");
    let text = k.schedule.stages.last().expect("one stage").loops.iter().map(|l| l.axis.to_string());
    assert_eq!(text.collect::<Vec<_>>(), ["i1", "i0"], "{k}");
    agree(b.kernel, &[], &[numbers(&[5, 40]), Tensor::from_slice(&[19], &places)]);
}

#[test]
fn pooling_with_padding_and_other_types() {
    let mut b = KernelBuilder::new("pool", dims(&["h", "w"]));
    let x = b.param("x", DType::F32, syms(&["2", "h", "w"]), None);
    let to = [Sym::int(2), Sym::var("h").ceildiv(&Sym::int(2)), Sym::var("w").ceildiv(&Sym::int(2))];
    let pad = Scalar::least(DType::F32);
    let m = b.reduce("m", DType::F32, &to, ReduceOp::Max, &syms(&["3", "3"]), None, |_, i, r| {
        load_padded(x, &[i[0].clone(), &i[1] * 2 + &r[0] - 1, &i[2] * 2 + &r[1] - 1], pad)
    });
    b.output(m);
    agree(b.kernel, &[("h", 7), ("w", 23)], &[numbers(&[2, 7, 23])]);

    let mut b = KernelBuilder::new("ints", dims(&[]));
    let x = b.param("x", DType::I32, syms(&["45"]), None);
    let y = b.map("y", DType::U8, &syms(&["45"]), |_, i| {
        let at = cast(DType::I64, DType::I32, int(i[0].clone()));
        cast(DType::I32, DType::U8, select(build::compare(CmpOp::Gt, load(x, i), at.clone()), load(x, i), at))
    });
    b.output(y);
    let v: Vec<i32> = (0..45).map(|i| (i * 37) % 50 - 9).collect();
    agree(b.kernel, &[], &[Tensor::from_slice(&[45], &v)]);
}

#[test]
fn several_outputs_and_rank_zero() {
    let mut b = KernelBuilder::new("norm", dims(&[]));
    let x = b.param("x", DType::F32, syms(&["4", "33"]), None);
    let sum = b.reduce("sum", DType::F32, &syms(&["4"]), ReduceOp::Add, &syms(&["33"]), None, |_, i, r| {
        load(x, &[i[0].clone(), r[0].clone()])
    });
    let mean = b.map("mean", DType::F32, &syms(&["4"]), |_, i| load(sum, i) * number(DType::F32, 1.0 / 33.0));
    let y = b.map("y", DType::F32, &syms(&["4", "33"]), |_, i| load(x, i) - load(mean, &i[..1]));
    b.output(y);
    b.output(mean);
    agree(b.kernel, &[], &[numbers(&[4, 33])]);

    let mut b = KernelBuilder::new("split", dims(&[]));
    let x = b.param("x", DType::F32, syms(&["4", "40"]), None);
    for part in 0..2 {
        let y = b.map("y", DType::F32, &syms(&["4", "20"]), |_, i| load(x, &[i[0].clone(), &i[1] + 20 * part]));
        b.output(y);
    }
    agree(b.kernel, &[], &[numbers(&[4, 40])]);

    let mut b = KernelBuilder::new("scalar", dims(&[]));
    let x: Src = b.param("x", DType::F32, vec![], None);
    let y = b.map("y", DType::F32, &[], |_, _| unary(UnOp::Sqrt, load(x, &[]) * load(x, &[])));
    b.output(y);
    agree(b.kernel, &[], &[numbers(&[])]);
}
