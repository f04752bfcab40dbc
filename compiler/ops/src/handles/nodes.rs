//! The nodes that stand for calls of the runtime, and the code that they become. A model can't name them.

use super::DOMAIN;
use crate::prelude::*;
use crate::routine::TensorBuf;
use onnxc_ir::graph::OpName;
use onnxc_ir::loops::{Arg, Buf, BufKind, ParamKind, Stmt, Ty, Value};
use onnxc_runtime::Status;

/// A copy of a tensor as an object. Attribute `dtype`: what its elements are.
pub static BOX: OpDef = node("Box", lower_box, None);
/// The tensor inside of a handle, which nobody needs afterwards. Attribute `dtype`.
pub static UNBOX: OpDef = node("Unbox", lower_unbox, Some(unbox_extents));
/// A function of the runtime. Attributes: `symbol`; `kinds`, for each argument 1 if it is the next input and 0 if it is the
/// next of `numbers`; `release`, the numbers of arguments that nobody needs afterwards.
pub static CALL: OpDef = node("Call", lower_call, None);

type Extents = fn(&mut RoutineCx) -> Result<Vec<Value>>;

const fn node(name: &'static str, lower: fn(&mut RoutineCx) -> Result<()>, extents: Option<Extents>) -> OpDef {
    OpDef { domain: DOMAIN, name, versions: &[], infer, lower: Lower::Routine(lower), extents }
}

/// The types are there when the node is made.
fn infer(_: &mut InferCx) -> Result<()> {
    Ok(())
}

pub(super) fn name_of(op: &OpDef) -> OpName {
    OpName { domain: op.domain.into(), name: op.name.into() }
}

const I64: ParamKind = ParamKind::Scalar(DType::I64);

/// An array of 64-bit integers on the stack, filled.
fn array(cx: &mut RoutineCx, name: &str, values: &[Value]) -> Buf {
    let buf = cx.f.buf(DType::I64, BufKind::Stack(values.len().max(1) as u32), name);
    for (i, &v) in values.iter().enumerate() {
        let at = cx.f.int(i as i64);
        cx.f.store(buf, at, v, None);
    }
    buf
}

fn address(buf: Buf, dtype: DType, mutable: bool) -> (Arg, ParamKind) {
    (Arg::Buf { buf, offset: None }, ParamKind::Buf { dtype, mutable })
}

/// A tensor's memory as bytes.
fn bytes(cx: &mut RoutineCx, t: &TensorBuf, mutable: bool) -> (Arg, ParamKind) {
    if t.dtype == DType::U8 {
        return address(t.buf, DType::U8, mutable);
    }
    let view = cx.f.buf(DType::U8, BufKind::Local, "bytes");
    let zero = cx.f.int(0);
    cx.f.stmt(Stmt::View { buf: view, base: t.buf, byte_offset: zero, count: None });
    address(view, DType::U8, mutable)
}

/// Element type and rank as the runtime takes them.
fn type_args(cx: &mut RoutineCx, rank: usize) -> [(Arg, ParamKind); 2] {
    let dtype = cx.attrs().dtype("dtype").expect("whoever makes the node sets it");
    let number = onnxc_onnx::dtype::to_onnx(dtype);
    [i64::from(number), rank as i64].map(|v| (Arg::Value(cx.f.int(v)), I64))
}

fn handle(cx: &mut RoutineCx) -> Value {
    let (t, zero) = (cx.input(0), cx.f.int(0));
    cx.f.load(t.buf, zero, 1, None)
}

fn lower_box(cx: &mut RoutineCx) -> Result<()> {
    let (x, out) = (cx.input(0), cx.output(0));
    let dims: Vec<Value> = x.shape.iter().map(|d| cx.f.sym(d)).collect();
    let dims = array(cx, "dims", &dims);
    let [dtype, rank] = type_args(cx, x.shape.len());
    let args = [cx.objects(), dtype, rank, address(dims, DType::I64, false), bytes(cx, &x, false)];
    let made = cx.f.call_linked("onnxc_rt_box", &args, Some(Ty::I64)).expect("it returns a handle");
    let zero = cx.f.int(0);
    let none = cx.f.compare(CmpOp::Eq, made, zero);
    cx.fail_if(none, Status::MEMORY.0);
    cx.f.store(out.buf, zero, made, None);
    Ok(())
}

fn unbox_extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let rank = cx.output_type(0).rank();
    let handle = handle(cx);
    let dims = cx.f.buf(DType::I64, BufKind::Stack(rank.max(1) as u32), "dims");
    let [dtype, count] = type_args(cx, rank);
    let args = [cx.objects(), (Arg::Value(handle), I64), dtype, count, address(dims, DType::I64, true)];
    let status = cx.f.call_linked("onnxc_rt_dims", &args, Some(Ty::I32));
    cx.pass_status(status);
    Ok((0..rank)
        .map(|i| {
            let at = cx.f.int(i as i64);
            cx.f.load(dims, at, 1, None)
        })
        .collect())
}

fn lower_unbox(cx: &mut RoutineCx) -> Result<()> {
    let out = cx.output(0);
    let handle = handle(cx);
    let dims: Vec<Value> = out.shape.iter().map(|d| cx.f.sym(d)).collect();
    let dims = array(cx, "dims", &dims);
    let [dtype, rank] = type_args(cx, out.shape.len());
    let release = (Arg::Value(cx.f.int(1)), I64);
    let (objects, data) = (cx.objects(), bytes(cx, &out, true));
    let args = [objects, (Arg::Value(handle), I64), dtype, rank, address(dims, DType::I64, false), data, release];
    let status = cx.f.call_linked("onnxc_rt_unbox", &args, Some(Ty::I32));
    cx.pass_status(status);
    Ok(())
}

fn lower_call(cx: &mut RoutineCx) -> Result<()> {
    let list = |name: &str| cx.attrs().ints(name).unwrap_or_default().to_vec();
    let (kinds, numbers, release) = (list("kinds"), list("numbers"), list("release"));
    let symbol = cx.attrs().str("symbol").unwrap_or_default().to_string();
    let (mut inputs, mut numbers) = (0.., numbers.into_iter());
    let mut values = Vec::new();
    for kind in kinds {
        values.push(if kind == 1 {
            let (t, zero) = (cx.input(inputs.next().expect("it counts on")), cx.f.int(0));
            let v = cx.f.load(t.buf, zero, 1, None);
            cx.f.cast(v, DType::I64)
        } else {
            cx.f.int(numbers.next().expect("whoever makes the node gives as many"))
        });
    }
    let out = cx.output(0).buf;
    let status = call(cx, &symbol, &values, out);
    let temporary: Vec<Value> = release.iter().map(|&i| values[i as usize]).collect();
    if !temporary.is_empty() {
        let nothing = cx.f.buf(DType::I64, BufKind::Stack(1), "nothing");
        call(cx, "onnxc_rt_release", &temporary, nothing);
    }
    cx.pass_status(status);
    Ok(())
}

fn call(cx: &mut RoutineCx, symbol: &str, values: &[Value], out: Buf) -> Option<Value> {
    let args = array(cx, "args", values);
    let count = (Arg::Value(cx.f.int(values.len() as i64)), I64);
    let args = [cx.objects(), address(args, DType::I64, false), count, address(out, DType::I64, true)];
    cx.f.call_linked(symbol, &args, Some(Ty::I32))
}
