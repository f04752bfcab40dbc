//! Softmax: exp(x - max) / sum(exp(x - max)), taken jointly over a set of axes; LogSoftmax, its logarithm; Hardmax, 1
//! at the first greatest element and 0 elsewhere.
//!
//! Since 1, 11: input viewed as 2-D, cut at `axis` (default 1)  => axes = axis..rank.
//! Since 13:    a single axis (default -1)                      => axes = {axis}.
//! From here down: `flattened` says which; `axis` stays as the file has it, since its sign needs the rank.
//! The greatest element is subtracted first. Narrow floats are computed in f32.

use super::axes::Axes;
use super::elementwise::*;
use crate::prelude::*;

macro_rules! operators {
    ($($id:ident $name:literal $lower:ident;)*) => { $(
        #[doc = concat!($name, ".")]
        pub static $id: OpDef = OpDef {
            domain: "",
            name: $name,
            versions: &[(1, import_flattened), (11, import_flattened), (13, import_axis)],
            infer,
            lower: Lower::Compute($lower),
            extents: None,
        };
    )* };
}

operators! {
    SOFTMAX "Softmax" lower_softmax;
    LOG_SOFTMAX "LogSoftmax" lower_log_softmax;
    HARDMAX "Hardmax" lower_hardmax;
}

fn import_axis(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", -1)?)).with("flattened", Attr::Int(0)))
}

fn import_flattened(n: &mut NodeReader) -> Result<Attrs> {
    Ok(Attrs::default().with("axis", Attr::Int(n.int("axis", 1)?)).with("flattened", Attr::Int(1)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let x = tensor(cx, 0, Class::Float)?;
    cx.axis(cx.attrs().int("axis").unwrap_or(-1), x.rank())?;
    cx.set_output(0, Type::Tensor(x));
    Ok(())
}

/// What the three have in common.
struct Parts {
    x: Operand,
    shape: Vec<Sym>,
    axes: Axes,
    /// Extents without the axes, and those of the axes.
    kept: Vec<Sym>,
    reduced: Vec<Sym>,
    /// The greatest element over the axes.
    max: Src,
}

fn parts(cx: &mut ComputeCx) -> Parts {
    let (x, shape) = (Operand::new(cx, 0), cx.shape(0));
    let rank = shape.len();
    let axis = cx.attrs().int("axis").unwrap_or(-1).rem_euclid(rank as i64) as usize;
    let over = if cx.attrs().int("flattened") == Some(1) { axis..rank } else { axis..axis + 1 };
    let axes = Axes::range(rank, over).keeping(false);
    let (kept, reduced) = (axes.result(&shape), axes.reduced(&shape));
    let max = cx.k.reduce("max", x.wide(), &kept, ReduceOp::Max, &reduced, None, |_, i, r| x.at(&axes.index(i, r)));
    Parts { x, shape, axes, kept, reduced, max }
}

impl Parts {
    /// exp(x - max) at each element, and its sum over the axes.
    fn exp_and_sum(&self, cx: &mut ComputeCx) -> (Src, Src) {
        let d = self.x.wide();
        let e = cx.k.map("e", d, &self.shape, |_, i| unary(UnOp::Decay, self.below_max(i)));
        let sum = cx.k.reduce("sum", d, &self.kept, ReduceOp::Add, &self.reduced, None, |_, i, r| {
            load(e, &self.axes.index(i, r))
        });
        (e, sum)
    }

    /// x - max.
    fn below_max(&self, i: &[Sym]) -> Expr {
        self.x.at(i) - load(self.max, &self.axes.result_index(i))
    }
}

fn lower_softmax(cx: &mut ComputeCx) -> Result<()> {
    let p = parts(cx);
    let (e, sum) = p.exp_and_sum(cx);
    map_from(cx, p.x.wide(), |i| load(e, i) / load(sum, &p.axes.result_index(i)));
    Ok(())
}

fn lower_log_softmax(cx: &mut ComputeCx) -> Result<()> {
    let p = parts(cx);
    let (_, sum) = p.exp_and_sum(cx);
    map_from(cx, p.x.wide(), |i| p.below_max(i) - unary(UnOp::Log, load(sum, &p.axes.result_index(i))));
    Ok(())
}

fn lower_hardmax(cx: &mut ComputeCx) -> Result<()> {
    let p = parts(cx);
    // The row-major position of an element among those of the axes.
    let position = |r: &[Sym]| p.reduced.iter().zip(r).fold(Sym::int(0), |at, (d, r)| at * d + r);
    let nowhere = p.axes.count(&p.shape);
    let first = cx.k.reduce("first", DType::I64, &p.kept, ReduceOp::Min, &p.reduced, None, |_, i, r| {
        let greatest = compare(CmpOp::Eq, p.x.at(&p.axes.index(i, r)), load(p.max, i));
        select(greatest, int(position(r)), int(nowhere.clone()))
    });
    let d = p.x.wide();
    map_from(cx, d, |i| {
        let here = compare(CmpOp::Eq, int(position(&p.axes.reduced(i))), load(first, &p.axes.result_index(i)));
        select(here, number(d, 1.0), number(d, 0.0))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("softmax");
    }

    #[test]
    fn the_axis_must_be_there() {
        let case = |x| Case::new("Softmax", 13).input(x).attr("axis", Attr::Int(1)).error();
        assert_eq!(case(Tensor::from_slice(&[2], &[1.0f32, 2.0])), "E2004");
        assert_eq!(case(Tensor::from_slice(&[1, 2], &[1i32, 2])), "E2021");
    }
}
