//! Host values to the runtime's objects and back, for evaluation in this process.

use onnxc_base::{Bytes, DType, Map, Tensor, Value};
use onnxc_onnx::dtype::{from_onnx, to_onnx};
use onnxc_runtime::objects::{Array, Object, Run};
use std::rc::Rc;

/// A tensor as an object holds it.
fn array(run: &mut Run, t: &Tensor) -> Array {
    let dims: Vec<i64> = t.shape().iter().map(|&d| d as i64).collect();
    match t.strings() {
        Some(strings) => {
            let handles: Vec<i64> = strings.iter().map(|s| run.string(s)).collect();
            Array::of_strings(&dims, &handles)
        }
        None => Array { dtype: to_onnx(t.dtype()) as u32, dims, data: t.bytes().to_vec() },
    }
}

fn object(run: &mut Run, v: &Value) -> Option<Rc<Object>> {
    Some(Rc::new(match v {
        Value::Tensor(t) => Object::Tensor(array(run, t)),
        Value::Sequence(items) => Object::Sequence(items.iter().map(|i| object(run, i)).collect::<Option<_>>()?),
        Value::Map(m) => Object::Map(array(run, &m.keys), array(run, &m.values)),
        Value::Optional(inner) => return object(run, inner.as_deref()?),
    }))
}

/// A value as compiled code holds it: a tensor, of handles for strings; one handle for anything else.
pub fn give(run: &mut Run, v: &Value) -> Tensor {
    match v {
        Value::Tensor(t) if t.dtype() == DType::String => {
            let handles = array(run, t).handles().unwrap_or_default();
            Tensor::from_slice(t.shape(), &handles)
        }
        Value::Tensor(t) => t.clone(),
        other => {
            let handle = object(run, other).map_or(0, |o| run.object(o));
            Tensor::scalar(handle)
        }
    }
}

fn tensor(run: &Run, a: &Array) -> Option<Tensor> {
    let dtype = from_onnx(a.dtype as i32)?;
    let shape: Option<Vec<usize>> = a.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    if dtype == DType::String {
        let strings = a.handles().ok()?.iter().map(|&h| run.text(h).ok().map(|t| t.to_vec())).collect::<Option<_>>()?;
        return Tensor::from_strings(shape?, strings);
    }
    Tensor::from_bytes(dtype, shape?, Bytes::copy_from_slice(&a.data))
}

fn value(run: &Run, o: &Object) -> Option<Value> {
    Some(match o {
        Object::Tensor(a) => Value::Tensor(tensor(run, a)?),
        Object::Sequence(items) => Value::Sequence(items.iter().map(|i| value(run, i)).collect::<Option<_>>()?),
        Object::Map(k, v) => Value::Map(Box::new(Map { keys: tensor(run, k)?, values: tensor(run, v)? })),
    })
}

/// What compiled code's tensor stands for, given the type of the model; `None` for a wrong handle.
pub fn take(run: &Run, t: &Tensor, ty: &onnxc_ir::graph::Type) -> Option<Value> {
    use onnxc_ir::graph::Type;
    let handle = || t.to_vec::<i64>().and_then(|h| h.first().copied());
    match ty {
        Type::Tensor(x) if x.dtype == DType::String => {
            let dims: Vec<i64> = t.shape().iter().map(|&d| d as i64).collect();
            Some(Value::Tensor(tensor(run, &Array::of_strings(&dims, &t.to_vec::<i64>()?))?))
        }
        Type::Tensor(_) => Some(Value::Tensor(t.clone())),
        Type::Optional(_) => match handle()? {
            0 => Some(Value::Optional(None)),
            h => Some(Value::Optional(Some(Box::new(value(run, &*run.get(h).ok()?)?)))),
        },
        _ => value(run, &*run.get(handle()?).ok()?),
    }
}
