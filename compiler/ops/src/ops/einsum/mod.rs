//! Einsum: sums of products of elements, as an equation of axes says.
//!
//! Since 12; 28 adds bf16. From here down: `equation` as the file has it; what it means follows from the ranks (see
//! `equation`). Operands are taken in one by one, each time summing over what nothing after needs. Axes of extent 1 are
//! broadcast. Narrow floats sum in f32.

mod equation;

use super::elementwise::*;
use crate::broadcast::{Along, common};
use crate::prelude::*;
use equation::{Equation, Label};

/// Einsum.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Einsum",
    versions: &[(12, import), (28, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let equation = n.opt_str("equation")?;
    let equation = equation.ok_or_else(|| n.error("E2012", "attribute 'equation' is missing").expected("a string"))?;
    Ok(Attrs::default().with("equation", Attr::Str(equation)))
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let first = tensor(cx, 0, Class::Number)?;
    let mut shapes = vec![first.shape];
    for i in 1..cx.input_count() {
        shapes.push(tensor_of(cx, i, first.dtype)?.shape);
    }
    let ranks: Vec<usize> = shapes.iter().map(Vec::len).collect();
    let text = cx.attrs().str("equation").unwrap_or_default().to_string();
    let equation = Equation::new(&text, &ranks).map_err(|why| {
        cx.error("E2011", format!("attribute 'equation' is '{text}': {why}")).expected("an equation for these ranks")
    })?;
    let mut out = vec![];
    for label in &equation.output {
        out.push(infer_extent(cx, &equation, &shapes, *label)?);
    }
    for label in equation.summed() {
        infer_extent(cx, &equation, &shapes, label)?;
    }
    cx.set_tensor(0, first.dtype, out);
    Ok(())
}

/// The extent of a label: that of every axis that has it, but for those of extent 1.
fn infer_extent(cx: &mut InferCx, equation: &Equation, shapes: &[Vec<Sym>], label: Label) -> Result<Sym> {
    let extents: Vec<Sym> = axes_of(equation, shapes, label).cloned().collect();
    cx.joint_extent(&extents, &format!("axes {label}"))
}

fn axes_of<'a>(equation: &'a Equation, shapes: &'a [Vec<Sym>], label: Label) -> impl Iterator<Item = &'a Sym> {
    let axes = equation.operands.iter().zip(shapes).flat_map(|(labels, shape)| labels.iter().zip(shape));
    axes.filter(move |(l, _)| **l == label).map(|(_, d)| d)
}

/// A product of the operands so far: its axes, each of another label, and their extents.
struct Product {
    labels: Vec<Label>,
    shape: Vec<Sym>,
    read: Box<dyn Fn(&[Sym]) -> Expr>,
}

/// The position of a label; a caller knows that it is there.
fn place(labels: &[Label], label: Label) -> usize {
    labels.iter().position(|l| *l == label).expect("the labels hold it")
}

impl Product {
    /// An operand; where a label is there twice, its diagonal.
    fn operand(cx: &ComputeCx, i: usize, own: &[Label], extent: &dyn Fn(Label) -> Sym) -> Product {
        let (src, dtype, dims, own) = (cx.input(i), cx.dtype(i), cx.shape(i), own.to_vec());
        let d = wide(dtype);
        let mut labels: Vec<Label> = vec![];
        for l in &own {
            if !labels.contains(l) {
                labels.push(*l);
            }
        }
        let shape: Vec<Sym> = labels.iter().map(|l| extent(*l)).collect();
        let axes = labels.clone();
        let ranges = cx.ranges();
        let along = |(l, d): (&Label, &Sym)| Along::new(cx.graph(), &ranges, d, &extent(*l));
        let along: Vec<Along> = own.iter().zip(&dims).map(along).collect();
        let read = move |index: &[Sym]| {
            let at: Vec<Sym> = own.iter().zip(&along).map(|(l, a)| a.at(&index[place(&axes, *l)])).collect();
            cast(dtype, d, load(src, &at))
        };
        Product { labels, shape, read: Box::new(read) }
    }

    /// The sum of a product of two (or of one) over the labels that `kept` doesn't have.
    fn sum(self, other: Option<Product>, cx: &mut ComputeCx, d: DType, kept: &[Label]) -> Product {
        let mut labels = self.labels.clone();
        let mut shape = self.shape.clone();
        for (l, s) in other.iter().flat_map(|o| o.labels.iter().zip(&o.shape)) {
            if !labels.contains(l) {
                labels.push(*l);
                shape.push(s.clone());
            }
        }
        let extent = |l: &Label| shape[place(&labels, *l)].clone();
        // In the order of the output, so that the last product is the output.
        let mut stays: Vec<Label> = kept.iter().copied().filter(|l| labels.contains(l)).collect();
        stays.dedup();
        let over: Vec<Label> = labels.iter().copied().filter(|l| !kept.contains(l)).collect();
        let (out, sums): (Vec<Sym>, Vec<Sym>) = (stays.iter().map(extent).collect(), over.iter().map(extent).collect());
        let value = |i: &[Sym], r: &[Sym]| {
            let at = |l: &Label| match stays.iter().position(|x| x == l) {
                Some(p) => i[p].clone(),
                None => r[place(&over, *l)].clone(),
            };
            let of = |p: &Product| (p.read)(&p.labels.iter().map(at).collect::<Vec<_>>());
            other.as_ref().map_or_else(|| of(&self), |o| of(&self) * of(o))
        };
        let name = cx.node().name.clone();
        let def = match over.is_empty() {
            true => cx.k.map(&name, d, &out, |_, i| value(i, &[])),
            false => cx.k.reduce(&name, d, &out, ReduceOp::Add, &sums, None, |_, i, r| value(i, r)),
        };
        Product { labels: stays, shape: out, read: Box::new(move |i| load(def, i)) }
    }
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let shapes: Vec<Vec<Sym>> = (0..cx.input_count()).map(|i| cx.shape(i)).collect();
    let ranks: Vec<usize> = shapes.iter().map(Vec::len).collect();
    let equation = Equation::new(cx.attrs().str("equation").unwrap_or_default(), &ranks).expect("infer has read it");
    let d = wide(cx.dtype(0));
    let ranges = cx.ranges();
    let extent = |l: Label| axes_of(&equation, &shapes, l).fold(Sym::int(1), |e, d| common(&ranges, &e, d));
    let count = equation.operands.len();
    let mut product = Product::operand(cx, 0, &equation.operands[0], &extent);
    if count == 1 {
        product = product.sum(None, cx, d, &equation.output);
    }
    for i in 1..count {
        let next = Product::operand(cx, i, &equation.operands[i], &extent);
        product = product.sum(Some(next), cx, d, &equation.needed_after(i));
    }
    let labels = product.labels.clone();
    map_from(cx, d, |i| {
        let index: Vec<Sym> = labels.iter().map(|l| i[place(&equation.output, *l)].clone()).collect();
        (product.read)(&index)
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
        crate::testing::check_stored("einsum");
    }

    #[test]
    fn extents_of_a_label_are_equal() {
        let ones = |s: &[usize]| Tensor::from_slice(s, &vec![1f32; s.iter().product()]);
        let case = |equation: &str| {
            let case = Case::new("Einsum", 12).input(ones(&[2, 3])).input(ones(&[4, 2]));
            case.attr("equation", Attr::Str(equation.into())).error()
        };
        assert_eq!(case("ij,jk->ik"), "E2003");
        assert_eq!(case("ij,jkl->ik"), "E2011");
    }
}
