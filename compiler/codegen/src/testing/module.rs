//! A small whole module for tests of artefacts and of the loader: dims from shapes, from values and from the run.

use onnxc_base::{DType, EntityRef, Sym};
use onnxc_ir::loops::*;

/// `sample`: inputs `x: f32[n, 4]`, `limit: i64[]`, `w: f32[2*n]`; outputs `y: f32[n, 4] = x * w[..n] + c`, with a constant `c: f32[4]`,
/// and `rows: i64[k]`, the rows whose first element exceeds the plan's dim `m` (the value of `limit`, 0 to 100).
/// A run ends with status 2 if `x[0, 0]` is negative, and 5 as custom operators do if an extern fails.
pub fn sample() -> Program {
    let mut p = Program { name: "sample".into(), ..Program::default() };
    let c: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    p.consts.push(ConstData { name: "c".into(), dtype: DType::F32, data: c.into() });
    p.interface = interface();
    let run = p.funcs.push(run());
    let plan = p.funcs.push(plan());
    let call = p.funcs.push(call(run));
    let workspace_bytes = p.funcs.push(workspace_bytes());
    p.interface.entries =
        Entries { run: Some(run), plan: Some(plan), workspace_bytes: Some(workspace_bytes), call: Some(call) };
    p
}

fn interface() -> Interface {
    let n = Sym::var("n");
    let dim = |name: &str, source, lo, hi| DimInfo { name: name.into(), source, lo, hi };
    let port = |name: &str, dtype, shape| Port { name: name.into(), dtype, shape, value: None };
    Interface {
        dims: vec![
            dim("n", DimSource::Input, 1, Some(Sym::from(64))),
            dim("m", DimSource::Plan, 0, Some(Sym::from(100))),
            dim("k", DimSource::Run(0), 0, Some(n.clone())),
        ],
        inputs: vec![
            port("x", DType::F32, vec![n.clone(), Sym::from(4)]),
            port("limit", DType::I64, vec![]),
            port("w", DType::F32, vec![n.clone() * 2]),
        ],
        outputs: vec![port("y", DType::F32, vec![n, Sym::from(4)]), port("rows", DType::I64, vec![Sym::var("k")])],
        checks: vec![],
        sizes: vec![],
        workspace: Some(Sym::var("n") * 4),
        entries: Entries::default(),
    }
}

fn exported(name: &str, ret: Ty) -> FuncBuilder {
    let mut b = FuncBuilder::new(format!("sample_{name}"));
    b.func.linkage = Linkage::Export;
    b.func.ret = Some(ret);
    b
}

fn status(b: &mut FuncBuilder, code: i64) {
    let v = b.scalar(Scalar::from_i64(DType::I32, code));
    b.stmt(Stmt::Return(Some(v)));
}

/// One of the dims.
fn dim(b: &mut FuncBuilder, dims: Buf, i: i64) -> Value {
    let at = b.int(i);
    b.load(dims, at, 1, None)
}

fn run() -> Func {
    let mut b = exported("run", Ty::I32);
    let dims = b.param_buf("dims", DType::I64, false);
    let x = b.param_buf("x", DType::F32, false);
    b.param_buf("limit", DType::I64, false);
    let w = b.param_buf("w", DType::F32, false);
    let y = b.param_buf("y", DType::F32, true);
    let rows = b.param_buf("rows", DType::I64, true);
    let extents = b.param_buf("extents", DType::I64, true);
    let workspace = b.param_buf("workspace", DType::U8, true);
    let (n, m, zero) = (dim(&mut b, dims, 0), dim(&mut b, dims, 1), b.int(0));
    let first = b.load(x, zero, 1, None);
    let nothing = b.scalar(Scalar::f32(0.0));
    let negative = b.compare(CmpOp::Lt, first, nothing);
    b.if_else(negative, |b| status(b, 2), |_| {});
    // The weights go through the workspace, so that a run that gets too little is found out.
    let copy = b.buf(DType::F32, BufKind::Local, "copy");
    b.stmt(Stmt::View { buf: copy, base: workspace, byte_offset: zero, count: None });
    b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
        let v = b.load(w, i, 1, None);
        b.store(copy, i, v, None);
    });
    let c = b.buf(DType::F32, BufKind::Const(EntityRef::new(0)), "c");
    let count = b.var(Ty::I64, &[], "count");
    b.for_loop("i", zero, n, 1, LoopKind::Serial, |b, i| {
        let four = b.int(4);
        let at = b.mul(i, four);
        let (row, scale, add) = (b.load(x, at, 4, None), b.load(copy, i, 1, None), b.load(c, zero, 4, None));
        let product = b.mul(row, scale);
        let sum = b.add(product, add);
        b.store(y, at, sum, None);
        let first = b.op(Ty::scalar(DType::F32), Op::Extract(row, 0));
        let limit = b.cast(m, DType::F32);
        let more = b.compare(CmpOp::Gt, first, limit);
        b.if_else(
            more,
            |b| {
                let k = b.get(count, &[]);
                b.store(rows, k, i, None);
                let one = b.int(1);
                let next = b.add(k, one);
                b.set(count, &[], next);
            },
            |_| {},
        );
    });
    let k = b.get(count, &[]);
    b.store(extents, zero, k, None);
    status(&mut b, 0);
    b.finish()
}

fn plan() -> Func {
    let mut b = exported("plan", Ty::I32);
    b.param_buf("x", DType::F32, false);
    let limit = b.param_buf("limit", DType::I64, false);
    b.param_buf("w", DType::F32, false);
    let dims = b.param_buf("dims", DType::I64, true);
    let (zero, one, most) = (b.int(0), b.int(1), b.int(100));
    let v = b.load(limit, zero, 1, None);
    let (low, high) = (b.compare(CmpOp::Lt, v, zero), b.compare(CmpOp::Gt, v, most));
    let bad = b.binary(BinOp::Or, low, high);
    b.if_else(bad, |b| status(b, 1), |_| {});
    b.store(dims, one, v, None);
    status(&mut b, 0);
    b.finish()
}

fn call(run: FuncId) -> Func {
    let mut b = exported("call", Ty::I32);
    let dims = b.param_buf("dims", DType::I64, false);
    let (inputs, outputs) = (b.param_table("inputs"), b.param_table("outputs"));
    let extents = b.param_buf("extents", DType::I64, true);
    b.param_buf("allocator", DType::U8, true);
    let workspace = b.param_buf("workspace", DType::U8, true);
    let mut args = vec![dims];
    for (table, index, dtype) in [
        (inputs, 0, DType::F32),
        (inputs, 1, DType::I64),
        (inputs, 2, DType::F32),
        (outputs, 0, DType::F32),
        (outputs, 1, DType::I64),
    ] {
        let buf = b.buf(dtype, BufKind::Local, "entry");
        b.stmt(Stmt::Entry { buf, table, index });
        args.push(buf);
    }
    args.extend([extents, workspace]);
    let args = args.into_iter().map(|buf| Arg::Buf { buf, offset: None }).collect();
    let result = b.call(Callee::Func(run), args, Some(Ty::I32));
    b.stmt(Stmt::Return(result));
    b.finish()
}

fn workspace_bytes() -> Func {
    let mut b = exported("workspace_bytes", Ty::I64);
    let dims = b.param_buf("dims", DType::I64, false);
    let n = dim(&mut b, dims, 0);
    let four = b.int(4);
    let bytes = b.mul(n, four);
    b.stmt(Stmt::Return(Some(bytes)));
    b.finish()
}
