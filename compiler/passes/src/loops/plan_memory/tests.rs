//! Where buffers lie, and what the checker says of other places.

use super::*;
use crate::from_kernel::{Machine, Memory};
use crate::loops::check_memory::check;
use onnxc_ir::loops::{FuncBuilder, LoopKind};

/// Writes all of `a`, whose first 10 elements are wanted later, then `c`; both are read in the end, in a loop if asked.
fn function(again: bool) -> Func {
    let mut f = FuncBuilder::new("run");
    f.param_buf(WORKSPACE, DType::U8, true);
    let [a, first, c] = ["a", "first", "c"].map(|n| f.buf(DType::F32, BufKind::Local, n));
    let (zero, last) = (f.int(0), f.int(7));
    let one = f.scalar(onnxc_ir::scalar::Scalar::f32(1.0));
    let alloc = |f: &mut FuncBuilder, buf: Buf, n: i64| {
        let count = f.int(n);
        f.stmt(Stmt::Alloc { buf, count, space: Space::Workspace, bound: Some(Sym::int(n)) });
    };
    alloc(&mut f, a, 100);
    let body = |f: &mut FuncBuilder| {
        f.store(a, last, one, None);
        f.stmt(Stmt::View { buf: first, base: a, byte_offset: zero, count: Some(Sym::int(10)) });
        alloc(f, c, 60);
        f.store(c, zero, one, None);
        let v = f.load(first, last, 1, None);
        f.store(c, last, v, None);
    };
    if again {
        let hi = f.int(3);
        f.for_loop("i", zero, hi, 1, LoopKind::Serial, |f, _| body(f));
    } else {
        body(&mut f);
    }
    f.finish()
}

fn planned(f: &Func) -> Plan {
    let mut plan = Plan::new(lifetimes(f, &Ranges::new(), i64::from(Memory::SCARCE.alignment)).expect("bounded"));
    place(&mut plan, &Ranges::new());
    check(f, &plan, &Ranges::new()).expect("no two overlap");
    plan
}

#[test]
fn what_no_view_shows_ends_before_the_views() {
    let f = function(false);
    let mut plan = planned(&f);
    assert_eq!(plan.bytes, Sym::int(400));
    assert_eq!(plan.placed[1].offset, Sym::int(40));
    assert_eq!(plan.placed[0].alive(plan.placed[1].from), Some(40));
    // The checker has found the same on its own.
    plan.placed[1].offset = Sym::int(32);
    assert_eq!(check(&f, &plan, &Ranges::new()).expect_err("they overlap").code, "E4104");
}

#[test]
fn what_the_next_iteration_writes_stays() {
    assert_eq!(planned(&function(true)).bytes, Sym::int(640));
}

#[test]
fn a_plan_is_applied() {
    let mut program = Program { name: "m".into(), ..Program::default() };
    let run = program.funcs.push(function(false));
    program.interface.entries.run = Some(run);
    let cx =
        LoopsCx { ranges: Ranges::new(), machine: Machine { memory: Memory::SCARCE, ..Machine::USUAL }, threads: 1 };
    plan_memory(&mut program, &cx).expect("it is planned");
    assert_eq!(program.interface.workspace, Some(Sym::int(400)));
}

/// A chain of buffers, each written from the one before, the first of them read again at the end.
fn chain(counts: &[Sym]) -> Func {
    let mut f = FuncBuilder::new("run");
    f.param_buf(WORKSPACE, DType::U8, true);
    for name in ["m", "n"] {
        let v = f.param(name, DType::I64);
        f.bind(Symbol::new(name), v);
    }
    let zero = f.int(0);
    let one = f.scalar(onnxc_ir::scalar::Scalar::f32(1.0));
    let bufs: Vec<Buf> = (0..counts.len()).map(|i| f.buf(DType::F32, BufKind::Local, &format!("b{i}"))).collect();
    for (i, (&buf, count)) in bufs.iter().zip(counts).enumerate() {
        let n = f.sym(count);
        f.stmt(Stmt::Alloc { buf, count: n, space: Space::Workspace, bound: Some(count.clone()) });
        let v = if i == 0 { one } else { f.load(bufs[i - 1], zero, 1, None) };
        f.store(buf, zero, v, None);
    }
    let v = f.load(bufs[0], zero, 1, None);
    f.store(bufs[counts.len() - 1], zero, v, None);
    f.finish()
}

fn over_dims(counts: &[Sym]) -> (Func, Plan, Ranges) {
    let mut ranges = Ranges::new();
    for (name, typical) in [("m", 3), ("n", 100)] {
        ranges.set(name, 0, None);
        ranges.set_typical(name, typical);
    }
    let f = chain(counts);
    let mut plan = Plan::new(lifetimes(&f, &ranges, 64).expect("bounded"));
    place(&mut plan, &ranges);
    check(&f, &plan, &ranges).expect("no two overlap");
    (f, plan, ranges)
}

#[test]
fn buffers_of_sizes_that_depend_on_dims_lie_above_each_other() {
    let (m, n) = (Sym::var("m"), Sym::var("n"));
    // Neither of m and n, nor of their multiples, is known to be larger.
    let (f, mut plan, ranges) = over_dims(&[&m * 16, &n * 16, &m * 32, &n * 32, &m * 48, &n * 16]);
    let at = |e: &Sym, m: i64, n: i64| e.eval(&|s| Some(if s.as_str() == "m" { m } else { n })).expect("over both");
    // At the usual dims no more than what is alive together takes: the first, and the largest two that meet.
    assert_eq!(at(&plan.bytes, 3, 100), 64 * (3 + 2 * 100 + 3 * 3));
    for (m, n) in [(3, 100), (100, 3), (0, 7), (7, 0), (50, 50)] {
        for (i, p) in plan.placed.iter().enumerate() {
            let span = |p: &Placed| (at(&p.offset, m, n), at(&p.offset, m, n) + at(&p.bytes, m, n));
            let (from, to) = span(p);
            assert!(from >= 0 && to <= at(&plan.bytes, m, n), "{} for {m}, {n}", p.name);
            for q in plan.placed[..i].iter().filter(|q| overlap(p, q)) {
                let (start, end) = span(q);
                assert!(end <= from || to <= start, "{} and {} for {m}, {n}", p.name, q.name);
            }
        }
    }
    // The checker believes none of it.
    let above = std::mem::take(&mut plan.placed[2].above);
    plan.placed[2].place = Sym::int(0);
    assert_eq!(check(&f, &plan, &ranges).expect_err("nothing says that they are apart").code, "E4104");
    plan.placed[2].above = above;
    assert_eq!(check(&f, &plan, &ranges).expect_err("they overlap").code, "E4106");
}

#[test]
fn what_says_the_workspace_stays_short() {
    // As many sizes as buffers, hardly any of which can be compared.
    let size = |i: i64| (Sym::var("m") * i + Sym::var("n")).floordiv(&Sym::int(i % 7 + 2)) * 16;
    let (_, plan, _) = over_dims(&(1..60).map(size).collect::<Vec<_>>());
    assert!(plan.bytes.size() < 1000, "{}", plan.bytes);
    for (m, n) in [(3, 100), (1000, 1), (0, 5)] {
        let at = |e: &Sym| e.eval(&|s| Some(if s.as_str() == "m" { m } else { n })).expect("over both");
        assert!(plan.placed.iter().all(|p| at(&p.offset) + at(&p.bytes) <= at(&plan.bytes)), "{m}, {n}");
    }
}
