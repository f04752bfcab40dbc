//! Col2Im: columns of blocks back to an image: each element of the image is the sum of what the blocks over it hold.
//!
//! Since 18. Input [n, c * block, blocks] (also without n); input 1 says the image's spatial extents, input 2 the block's.
//! Of bool, the sum is "or". Narrow floats sum in f32.

use super::complex::part_of;
use super::elementwise::{Class, tensor, wide};
use super::lengths::{declared_rank, expect_length};
use super::movement::*;
use super::window::{at_node, list};
use crate::prelude::*;
use onnxc_ir::loops::Value;

/// Col2Im.
pub static DEF: OpDef = OpDef {
    domain: "",
    name: "Col2Im",
    versions: &[(18, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: Some(extents),
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for name in ["dilations", "pads", "strides"] {
        if let Some(v) = n.opt_ints(name)? {
            attrs.set(name, Attr::Ints(v));
        }
    }
    Ok(attrs)
}

/// One spatial axis: extents of image and block, how many blocks there are, and where they begin.
struct Axis {
    block: Sym,
    blocks: Sym,
    stride: i64,
    dilation: i64,
    begin: i64,
}

fn axes(attrs: &Attrs, image: &[Sym], block: &[Sym]) -> Result<Vec<Axis>> {
    let n = image.len();
    let (stride, dilation) = (list(attrs, "strides", n, 1, 1)?, list(attrs, "dilations", n, 1, 1)?);
    let pads = list(attrs, "pads", 2 * n, 0, i64::MIN)?;
    let axis = |a: usize| {
        let room = &image[a] + pads[a] + pads[n + a] - ((&block[a] - 1) * dilation[a] + 1);
        let blocks = room.floordiv(&Sym::int(stride[a])) + 1;
        Axis { block: block[a].clone(), blocks, stride: stride[a], dilation: dilation[a], begin: pads[a] }
    };
    Ok((0..n).map(axis).collect())
}

fn infer(cx: &mut InferCx) -> Result<()> {
    if let Some(n) = declared_rank(cx).and_then(|rank| rank.checked_sub(2)) {
        expect_length(cx, 1, n);
        expect_length(cx, 2, n);
    }
    let x = tensor(cx, 0, Class::Linear)?;
    let (n, of_block) = (list_length(cx, 1)?, list_length(cx, 2)?);
    if n != of_block || n == 0 || !(2..=3).contains(&x.rank()) {
        let found = format!("columns of rank {}, {n} extents of the image, {of_block} of the block", x.rank());
        return Err(cx.error("E2005", found).expected("rank 3, and as many extents of the one as of the other"));
    }
    let mut sizes = vec![];
    for (input, first) in [(1, 0), (2, n)] {
        let size = match cx.content(input) {
            Some(c) => c,
            None => (0..n).map(|k| cx.fresh_extent((first + k) as u32, "image", 0, None)).collect(),
        };
        for d in &size {
            not_negative(cx, d)?;
        }
        sizes.push(size);
    }
    if part_of(x.dtype).is_some() && cx.content(2).is_none() {
        return Err(cx
            .error("E2005", "the block of complex columns is known at run time only")
            .expected("a constant, or what follows from extents"));
    }
    let axes = axes(cx.attrs(), &sizes[0], &sizes[1]).map_err(|d| at_node(cx, d))?;
    let (batch, columns) = x.shape.split_at(x.rank() - 2);
    let block: Sym = axes.iter().map(|a| a.block.clone()).product();
    if block.is_zero() {
        return Err(cx.error("E2005", "the block is empty").expected("extents of at least 1"));
    }
    let channels = columns[0].floordiv(&block);
    cx.unify(&(&channels * &block), &columns[0], "the columns' rows are whole blocks")?;
    let blocks: Sym = axes.iter().map(|a| a.blocks.clone()).product();
    cx.unify(&blocks, &columns[1], "columns and blocks of the image")?;
    let shape = [batch, &[channels], &sizes[0]].concat();
    cx.set_tensor(0, x.dtype, shape);
    Ok(())
}

fn extents(cx: &mut RoutineCx) -> Result<Vec<Value>> {
    let dims = [run_time_list(cx, 1)?, run_time_list(cx, 2)?].concat();
    let (zero, one) = (cx.f.int(0), cx.f.int(1));
    for (k, &d) in dims.iter().enumerate() {
        let least = if k < dims.len() / 2 { zero } else { one };
        let bad = cx.f.compare(CmpOp::Lt, d, least);
        cx.fail_if(bad, OUT_OF_RANGE);
    }
    Ok(dims)
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (x, dtype, out) = (cx.input(0), cx.dtype(0), cx.out_shape(0));
    let spatial = product(&cx.shape(1)).as_int().unwrap_or(1) as usize;
    let image = &out[out.len() - spatial..];
    let block = match cx.content(2) {
        Some(c) => c,
        None => (0..spatial).map(|k| extent_symbol(&cx.as_view(), (spatial + k) as u32)).collect::<Result<_>>()?,
    };
    let axes = axes(cx.attrs(), image, &block).expect("infer has accepted it");
    let (op, d) = if dtype == DType::Bool { (ReduceOp::Or, dtype) } else { (ReduceOp::Add, wide(dtype)) };
    let (name, nothing) = (cx.node().name.clone(), constant(Scalar::from_i64(d, 0)));
    let read = |i: &[Sym], taps: &[Sym]| {
        let (lead, at) = i.split_at(i.len() - spatial);
        let (batch, channel) = lead.split_at(lead.len() - 1);
        let (mut row, mut column) = (channel[0].clone(), Sym::int(0));
        let mut meets: Vec<Expr> = vec![];
        for (a, (at, tap)) in axes.iter().zip(at.iter().zip(taps)) {
            let from = at + a.begin - tap * a.dilation;
            let stride = Sym::int(a.stride);
            let own = from.floordiv(&stride);
            if a.stride != 1 {
                meets.push(compare(CmpOp::Eq, int(from.modulo(&stride)), int(0)));
            }
            meets.push(compare(CmpOp::Ge, int(own.clone()), int(0)));
            meets.push(compare(CmpOp::Lt, int(own.clone()), int(a.blocks.clone())));
            row = row * &a.block + tap;
            column = column * &a.blocks + own;
        }
        let index = [batch, &[row, column]].concat();
        let element = cast(dtype, d, load_padded(x, &index, Scalar::from_i64(dtype, 0)));
        let meet = meets.into_iter().reduce(|a, b| binary(BinOp::And, a, b));
        meet.map_or(element.clone(), |m| select(m, element, nothing.clone()))
    };
    let sum = cx.k.reduce(&name, d, &out, op, &block, None, |_, i, r| read(i, r));
    super::conv::set_narrowed(cx, sum, d);
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("col2im");
    }
}
