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
