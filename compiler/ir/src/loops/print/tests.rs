//! The printed form of a program that has one of everything readers meet most.

use super::*;

/// y[i] = x[i] * 2 + bias over i in parallel, the rest under a mask; then a call and a status.
pub(in crate::loops) fn sample() -> Program {
    let mut p = Program { name: "demo".into(), ..Program::default() };
    let floats = |v: &[f32]| v.iter().flat_map(|f| f.to_le_bytes()).collect::<Vec<u8>>();
    let bias =
        p.consts.push(ConstData { name: "b.bias".into(), dtype: DType::F32, data: floats(&[0.5, f32::NAN]).into() });
    p.consts.push(ConstData { name: "w/1".into(), dtype: DType::F32, data: floats(&[0.25; 40]).into() });
    let params =
        vec![ParamKind::Buf { dtype: DType::F32, mutable: true }, ParamKind::Scalar(DType::I64), ParamKind::Table];
    let custom = p.externs.push(Extern { symbol: "my_op".into(), params, ret: Some(Ty::I32) });

    let mut b = FuncBuilder::new("demo_run");
    let x = b.param_buf("x", DType::F32, false);
    let y = b.param_buf("y", DType::F32, true);
    let n = b.param("n", DType::I64);
    let table = b.param_table("more");
    let c = b.buf(DType::F32, BufKind::Const(bias), "bias");
    let acc = b.var(Ty::vector(DType::F32, 8), &[2], "acc");
    let (zero, eight) = (b.int(0), b.int(8));
    b.comment("the sum of \"two\"");
    b.for_loop("i", zero, n, 8, LoopKind::Parallel, |b, i| {
        let left = b.sub(n, i);
        let lane = b.op(Ty::vector(DType::I64, 8), Op::Iota);
        let mask = b.compare(CmpOp::Lt, lane, left);
        let full = b.compare(CmpOp::Ge, left, eight);
        let v = b.load(x, i, 8, Some(mask));
        let two = b.scalar(Scalar::f32(2.0));
        let first = b.load(c, zero, 1, None);
        let v = b.fma(v, two, first);
        b.set(acc, &[zero], v);
        let v = b.get(acc, &[zero]);
        b.if_else(full, |b| b.store(y, i, v, None), |b| b.store(y, i, v, Some(mask)));
    });
    let tmp = b.buf(DType::F64, BufKind::Local, "");
    b.stmt(Stmt::Alloc { buf: tmp, count: n, space: Space::Workspace, bound: Some(Sym::var("h") * 2) });
    let args = vec![Arg::Buf { buf: y, offset: Some(eight) }, Arg::Value(n), Arg::Table(table)];
    let status = b.call(Callee::Extern(custom), args, Some(Ty::I32));
    b.stmt(Stmt::Return(status));
    let mut f = b.finish();
    f.linkage = Linkage::Export;
    f.ret = Some(Ty::I32);
    f.doc = "y = 2*x + bias".into();
    let run = p.funcs.push(f);
    p.interface = Interface {
        dims: vec![DimInfo { name: "h".into(), source: DimSource::Input, lo: 1, hi: Some(Sym::int(64)) }],
        inputs: vec![Port {
            name: "x:0".into(),
            dtype: DType::F32,
            shape: vec![Sym::int(1), Sym::var("h")],
            value: None,
        }],
        outputs: vec![Port {
            name: "y".into(),
            dtype: DType::F32,
            shape: vec![],
            value: Some("seq(tensor(string))".into()),
        }],
        checks: vec![],
        sizes: vec![(Symbol::new("size#0"), Sym::var("h") * 8)],
        workspace: Some(Sym::var("size#0") + 64),
        entries: Entries { run: Some(run), ..Entries::default() },
    };
    p
}

#[test]
fn a_program_reads_well() {
    crate::loops::tests::snapshot("print", &sample().to_string());
}

#[test]
fn names_are_unique_and_nameless_things_are_numbered() {
    let mut b = FuncBuilder::new("f");
    b.param("n", DType::I64);
    for name in ["n", "n", "", "3", "n#2", "var0", ""] {
        let v = b.op(Ty::I64, Op::ThreadId);
        b.named(v, name);
    }
    let text = b.finish().to_string();
    let names: Vec<&str> = text.lines().filter_map(|l| Some(l.trim().split_once(" = ")?.0)).collect();
    assert_eq!(names, ["%n#2", "%n#3", "%0", "%3_", "%n#2#2", "%var0_", "%1"]);
}
