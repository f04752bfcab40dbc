//! What is fetched ahead: all of the next panel, shared among the tiles of this one.

use super::*;
use onnxc_ir::loops::walk::blocks_mut;
use onnxc_ir::loops::{Block, Buf, BufDef, BufKind, Func, Op, Param, ParamKind, Stmt, Ty, Value, ValueDef};

/// Stores a 1 in a new last parameter wherever something is fetched.
fn log_fetches(f: &mut Func) {
    let kind = ParamKind::Buf { dtype: DType::F32, mutable: true };
    f.params.push(Param { name: "log".into(), kind });
    let kind = BufKind::Param(f.params.len() as u32 - 1);
    let log = f.bufs.push(BufDef { dtype: DType::F32, kind, name: "log".into() });
    let op = Op::Const(Scalar::f32(1.0));
    let one = f.values.push(ValueDef { ty: Ty::scalar(DType::F32), op, name: String::new() });
    store_instead(&mut f.body, log, one);
    f.body.0.insert(0, Stmt::Let(one));
}

fn store_instead(block: &mut Block, log: Buf, value: Value) {
    for s in &mut block.0 {
        if let Stmt::Prefetch { offset, .. } = s {
            *s = Stmt::Store { buf: log, offset: *offset, value, mask: None };
        }
        blocks_mut(s).into_iter().for_each(|b| store_instead(b, log, value));
    }
}

/// Rows of 64 elements times weights [taps, 64, 96]; a row's neighbours are its taps.
fn product(rows: &str, taps: usize) -> Kernel {
    let mut b = KernelBuilder::new("product", dims(&[]));
    let k = syms(&[&taps.to_string(), "64"]);
    let row = syms(&[rows, "96"]);
    let x = b.param("x", DType::F32, vec![&row[0] + (taps as i64 - 1), k[1].clone()], None);
    let weights = numbers(&[taps, 64, 96]);
    let w = b.param("w", DType::F32, [&k[..], &row[1..]].concat(), Some(weights));
    let c = b.reduce("c", DType::F32, &row, ReduceOp::Add, &k, None, |_, i, r| {
        load(x, &[&i[0] + &r[0], r[1].clone()]) * load(w, &[r[0].clone(), r[1].clone(), i[1].clone()])
    });
    b.output(c);
    b.kernel
}

/// Which lines of a product's packed weights are fetched.
fn fetched(rows: &str, taps: usize) -> Vec<bool> {
    let mut k = product(rows, taps);
    let machine = Machine { l2_bytes: 1 << 14, ..Machine::USUAL };
    optimise(&mut k, machine).expect("constants evaluate");
    let mut lowered = from_kernel(&k, "k", machine).expect("the schedule can be lowered");
    log_fetches(&mut lowered.func);
    let mut program = Program { name: "t".into(), ..Program::default() };
    let f = program.funcs.push(lowered.func);
    let (rows, weights): (usize, _) = (rows.parse().expect("a number"), taps * 64 * 96);
    let mut args: Vec<ArgVal> = (lowered.args.iter())
        .map(|arg| match arg {
            KernelArg::Param(p) => {
                let given = || numbers(&[rows + taps - 1, 64]).bytes().to_vec();
                ArgVal::Buf(k.params[*p].value.as_ref().map_or_else(given, |t| t.bytes().to_vec()))
            }
            _ => ArgVal::Buf(vec![0; rows * 96 * 4]),
        })
        .collect();
    // What would be the panel behind the last one is fetched, too.
    args.push(ArgVal::Buf(vec![0; 2 * weights * 4]));
    Interp::new(&program).call(f, &mut args).expect("the program is right");
    let Some(ArgVal::Buf(log)) = args.pop() else { panic!("the log is a buffer") };
    log[..weights * 4].chunks(64).map(|line| line.iter().any(|&b| b != 0)).collect()
}

#[test]
fn every_line_of_every_panel_but_the_first_is_fetched() {
    for (rows, taps) in [("24", 1), ("61", 1), ("24", 3), ("150", 3)] {
        let lines = fetched(rows, taps);
        let panel = lines.iter().position(|&f| f).expect("something is fetched");
        assert!(
            panel > 0 && lines.len().is_multiple_of(panel) && panel < lines.len(),
            "{rows} rows, {taps} taps: a panel of {panel} lines"
        );
        assert!(lines[panel..].iter().all(|&f| f), "{rows} rows, {taps} taps, panels of {panel} lines: {lines:?}");
    }
}

/// True if a product's weights are fetched ahead.
fn fetches(rows: &str, machine: Machine) -> bool {
    let mut k = product(rows, 1);
    optimise(&mut k, Machine { l2_bytes: 1 << 14, ..machine }).expect("constants evaluate");
    k.schedule.stages.iter().any(|s| s.ahead.is_some())
}

#[test]
fn panels_that_are_used_once_are_left_to_the_processor() {
    assert_eq!(["1", "4", "24"].map(|rows| fetches(rows, Machine::USUAL)), [false, false, true]);
    let halves = Machine { unit_bits: 128, ..Machine::USUAL };
    assert_eq!(["1", "24", "61"].map(|rows| fetches(rows, halves)), [false, false, true]);
}
