//! STFT: the transform of each frame of a signal, multiplied by a window.
//!
//! Since 17. From here down: attributes as the file has them. A signal without the axis of parts, which PyTorch exports, is
//! real.

use super::roots::Roots;
use super::{flag, half, part_at, parts};
use crate::ops::elementwise::*;
use crate::ops::movement::*;
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// STFT.
pub static STFT: OpDef = OpDef {
    domain: "",
    name: "STFT",
    versions: &[(17, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: Some(extents),
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("inverse", Attr::Int(0)).with("onesided", Attr::Int(n.int("onesided", 1)?)))
}

/// Step and length of a frame, where they are known.
fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    match x.rank() {
        2 => {}
        3 => parts(cx, &x.shape)?,
        rank => return Err(cx.error("E2005", format!("the signal has rank {rank}")).expected("3")),
    }
    let step = scalar_extent(cx, 1, 0, "step")?;
    if step.is_zero() {
        return Err(cx.error("E2011", "the step between frames is 0").expected("1 or more"));
    }
    let window = match cx.opt(2) {
        Some(_) => Some(tensor_of(cx, 2, x.dtype)?.shape),
        None => None,
    };
    let mut length = match (cx.opt(3), &window) {
        (Some(_), _) => scalar_extent(cx, 3, 1, "frame")?,
        (None, Some(w)) if w.len() == 1 => w[0].clone(),
        (None, _) => x.shape[1].clone(),
    };
    if let Some(w) = window {
        if w.len() != 1 {
            return Err(cx.error("E2005", format!("the window has rank {}", w.len())).expected("1"));
        }
        length = cx.unify(&length, &w[0], "lengths of frame and window")?;
    }
    let room = &x.shape[1] - &length;
    not_negative(cx, &room)?;
    let frames = room.floordiv(&step) + 1;
    let sums = if flag(cx.attrs(), "onesided") { half(&length) } else { length };
    cx.set_tensor(0, x.dtype, vec![x.shape[0].clone(), frames, sums, Sym::int(2)]);
    Ok(())
}

fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let step = run_time_extent(cx, 1)?;
    let one = cx.f.int(1);
    let none = cx.f.compare(CmpOp::Lt, step, one);
    cx.fail_if(none, OUT_OF_RANGE);
    let length = if cx.opt(3).is_some() { run_time_extent(cx, 3)? } else { one };
    Ok(vec![step, length])
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, window, shape, out) = (Operand::new(cx, 0), Operand::opt(cx, 2), cx.shape(0), cx.out_shape(0));
    let known = |cx: &ComputeCx, i: usize, which: u32| match cx.content(i).as_deref() {
        Some([n]) => Ok(n.clone()),
        _ => extent_symbol(&cx.as_view(), which),
    };
    let step = known(cx, 1, 0)?;
    let length = match (cx.opt(3), &window) {
        (Some(_), _) => known(cx, 3, 1)?,
        (None, Some(_)) => cx.shape(2)[0].clone(),
        (None, None) => shape[1].clone(),
    };
    let d = x.wide();
    let weight = |n: &Sym| window.as_ref().map(|w| w.at(std::slice::from_ref(n)));
    let roots = Roots::new(cx, d, (length.clone(), &length), (&length, &out[2], &out[3]), &weight);
    let (name, complex, stored) =
        (cx.node().name.clone(), shape.get(2).is_some_and(|d| !d.is_one()), roots.matrix.is_some());
    let rank = shape.len();
    let sum = cx.k.reduce(&name, d, &out, ReduceOp::Add, &[length], None, |_, i, r| {
        let at = &i[1] * &step + &r[0];
        let part = |p: usize| {
            let from = vec![i[0].clone(), at.clone(), Sym::int(0)];
            let v = if rank == 2 { x.at(&from[..2]) } else { part_at(&x, &shape[2], from, p) };
            v * roots.at(p, &r[0], &i[2], &i[3])
        };
        let term = if complex { part(0) + part(1) } else { part(0) };
        match weight(&r[0]) {
            Some(w) if !stored => term * w,
            _ => term,
        }
    });
    crate::ops::conv::set_narrowed(cx, sum, d);
    Ok(())
}
