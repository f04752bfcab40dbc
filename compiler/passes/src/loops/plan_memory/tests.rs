//! Where buffers lie, and what the checker says of other places.

use super::*;
use crate::from_kernel::{Machine, Memory};
use crate::loops::check_memory::check;
use onnxc_ir::loops::{FuncBuilder, LoopKind};
use std::collections::BTreeSet;

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

/// What an expression over the names of a plan is.
fn value(plan: &Plan, e: &Sym, m: i64, n: i64) -> i64 {
    let mut known = BTreeMap::from([(Symbol::new("m"), m), (Symbol::new("n"), n)]);
    for (name, is) in &plan.stack.steps {
        let v = is.eval(&|s| known.get(s).copied()).expect("said by what is before");
        known.insert(name.clone(), v);
    }
    e.eval(&|s| known.get(s).copied()).expect("over the names")
}

/// No two buffers that are alive together overlap, and none ends beyond the workspace.
fn apart(plan: &Plan, m: i64, n: i64) {
    let at = |e: &Sym| value(plan, e, m, n);
    for (i, p) in plan.placed.iter().enumerate() {
        let span = |p: &Placed| (at(&p.offset), at(&p.offset) + at(&p.bytes));
        let (from, to) = span(p);
        assert!(from >= 0 && to <= at(&plan.bytes), "{} for {m}, {n}", p.name);
        for q in plan.placed[..i].iter().filter(|q| overlap(p, q)) {
            let (start, end) = span(q);
            assert!(end <= from || to <= start, "{} and {} for {m}, {n}", p.name, q.name);
        }
    }
}

#[test]
fn buffers_of_sizes_that_depend_on_dims_lie_above_each_other() {
    let (m, n) = (Sym::var("m"), Sym::var("n"));
    // Neither of m and n, nor of their multiples, is known to be larger.
    let (f, plan, ranges) = over_dims(&[&m * 16, &n * 16, &m * 32, &n * 32, &m * 48, &n * 16]);
    // At the usual dims no more than what is alive together takes: the first, and the largest two that meet.
    assert_eq!(value(&plan, &plan.bytes, 3, 100), 64 * (3 + 2 * 100 + 3 * 3));
    assert!(plan.closed_form(100).is_some_and(|e| e.symbols() == BTreeSet::from([Symbol::new("m"), Symbol::new("n")])));
    for (m, n) in [(3, 100), (100, 3), (0, 7), (7, 0), (50, 50)] {
        apart(&plan, m, n);
    }
    // The checker believes none of it.
    let wrong = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan.clone();
        change(&mut plan);
        check(&f, &plan, &ranges).expect_err("something is wrong").code
    };
    let place = plan.placed[2].offset.clone();
    let set = |plan: &mut Plan, to: &Sym| {
        let step = plan.stack.steps.iter_mut().find(|s| Sym::var(s.0.clone()) == place).expect("it has a place");
        step.1 = to.clone();
    };
    let base = Sym::int(plan.base);
    assert_eq!(wrong(&|p| set(p, &base)), "E4106");
    assert_eq!(
        wrong(&|p| {
            set(p, &base);
            p.placed[2].above.clear();
            // The workspace still holds each of them.
            let ends = p.placed.iter().filter_map(|b| Some(&b.offset + Sym::var(b.size.clone()?)));
            p.bytes = Sym::max_of(ends.collect());
        }),
        "E4104"
    );
    assert_eq!(wrong(&|p| p.placed[2].size = p.placed[1].size.clone()), "E4106");
    assert_eq!(wrong(&|p| p.bytes = base.clone()), "E4106");
}

#[test]
fn what_says_the_workspace_stays_short() {
    // As many sizes as buffers, hardly any of which can be compared, and more than one step is the highest of.
    let size = |i: i64| (Sym::var("m") * i + Sym::var("n")).floordiv(&Sym::int(i % 7 + 2)) * 16;
    let (_, plan, _) = over_dims(&(1..200).map(size).collect::<Vec<_>>());
    assert!(plan.stack.steps.iter().map(|s| &s.1).chain([&plan.bytes]).all(|e| e.size() < 300));
    assert_eq!(plan.closed_form(1000), None);
    for (m, n) in [(3, 100), (1000, 1), (0, 5)] {
        apart(&plan, m, n);
    }
}

#[test]
fn a_size_that_cannot_be_said_is_refused() {
    let f = chain(&[Sym::var("n") * i64::MAX]);
    assert_eq!(lifetimes(&f, &Ranges::new(), 64).expect_err("it is beyond 64 bits").code, "E4108");
}
