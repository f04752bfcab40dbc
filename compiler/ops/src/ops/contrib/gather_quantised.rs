//! GatherBlockQuantized: Gather of a table that is quantised in blocks along an axis, dequantised.
//!
//! y = (data[pick] - zero point) * scale, both of the block of `block_size` elements along `quantize_axis`. Bytes hold
//! elements of 2, 4 or 8 bits along the last axis, low bits first, and so do their zero points (2^(bits - 1) if absent); of
//! 4-bit integers, small floats and their zero points (0 if absent) each is an element. An index out of range gives zeros,
//! as the operator's documentation has it. Blocks of 0 elements are whole axes.

use super::DOMAIN;
use super::nbits::field;
use crate::ops::elementwise::{Class, tensor, wide};
use crate::ops::movement::{in_range, wrapped};
use crate::prelude::*;

/// GatherBlockQuantized.
pub static DEF: OpDef = OpDef {
    domain: DOMAIN,
    name: "GatherBlockQuantized",
    versions: &[(1, import)],
    infer,
    lower: Lower::Compute(lower),
    extents: None,
};

fn import(n: &mut NodeReader) -> Result<Attrs> {
    let mut attrs = Attrs::default();
    for (name, default) in [("bits", 4), ("block_size", 128), ("gather_axis", 0), ("quantize_axis", 1)] {
        attrs.set(name, Attr::Int(n.int(name, default)?));
    }
    let (bits, block) = (attrs.int("bits").unwrap_or(4), attrs.int("block_size").unwrap_or(0));
    if !matches!(bits, 2 | 4 | 8) || block < 0 {
        let found = format!("'bits' is {bits}, 'block_size' {block}");
        return Err(n.error("E2011", found).expected("2, 4 or 8 bits, and blocks of 0 or more"));
    }
    Ok(attrs)
}

/// Elements of a byte of the table, and the axes.
fn per(dtype: DType, attrs: &Attrs) -> i64 {
    if dtype == DType::U8 { 8 / attrs.int("bits").unwrap_or(4) } else { 1 }
}

fn axis(attrs: &Attrs, name: &str, rank: usize) -> usize {
    attrs.int(name).unwrap_or(0).rem_euclid(rank.max(1) as i64) as usize
}

fn infer(cx: &mut InferCx) -> Result<()> {
    let (data, picks, scales) = (tensor(cx, 0, Class::Any)?, tensor(cx, 1, Class::Int)?, tensor(cx, 2, Class::Float)?);
    let gather = cx.axis(cx.attrs().int("gather_axis").unwrap_or(0), data.rank())?;
    let blocks = cx.axis(cx.attrs().int("quantize_axis").unwrap_or(1), data.rank())?;
    let packed = per(data.dtype, cx.attrs());
    if scales.rank() != data.rank() {
        return Err(cx.error("E2005", format!("the scales have rank {}", scales.rank())).expected("that of the data"));
    }
    if packed > 1 && gather + 1 == data.rank() {
        return Err(cx.error("E2011", "'gather_axis' is that of packed elements").expected("another axis"));
    }
    let mut all = data.shape.clone();
    all[data.rank() - 1] = &all[data.rank() - 1] * packed;
    for (a, found) in scales.shape.iter().enumerate() {
        let block = match cx.attrs().int("block_size") {
            Some(0) | None => all[a].clone(),
            Some(size) => Sym::int(size),
        };
        let want = if a == blocks { all[a].ceildiv(&block) } else { all[a].clone() };
        if !found.is_one() {
            cx.unify(found, &want, &format!("axis {a} of the scales"))?;
        }
    }
    let shape = [&all[..gather], &picks.shape, &all[gather + 1..]].concat();
    cx.set_tensor(0, scales.dtype, shape);
    Ok(())
}

/// A tensor of the node.
struct Part {
    src: Src,
    dtype: DType,
    shape: Vec<Sym>,
}

fn part(cx: &ComputeCx, i: usize) -> Option<Part> {
    Some(Part { src: cx.opt(i)?, dtype: cx.dtype(i), shape: cx.shape(i) })
}

/// An element's index: along the axes before, at and behind the one that is gathered on.
#[derive(Clone)]
struct Index {
    fixed: Vec<Sym>,
    axis: usize,
    pick: Expr,
}

impl Index {
    /// Of the tensor of blocks of `size` along axis `along`, whose axes of one element are shared.
    fn of_block(&self, shape: &[Sym], along: usize, size: &Sym) -> Index {
        let mut block = self.clone();
        if along == self.axis {
            block.pick = binary(BinOp::FloorDiv, block.pick, int(size.clone()));
        } else {
            block.fixed[along] = block.fixed[along].floordiv(size);
        }
        for (a, d) in shape.iter().enumerate().filter(|(_, d)| d.is_one()) {
            match a == block.axis {
                true => block.pick = int(0),
                false => block.fixed[a] = if d.is_one() { Sym::int(0) } else { block.fixed[a].clone() },
            }
        }
        block
    }

    /// The element of a tensor, `per` of them in a byte along the last axis, in the dtype `to`.
    fn load(&self, t: &Part, per: i64, to: DType) -> Expr {
        let mut index: Vec<Expr> = self.fixed.iter().cloned().map(int).collect();
        let last = index.len() - 1;
        index[self.axis] = self.pick.clone();
        if per > 1 {
            index[last] = int(self.fixed[last].floordiv(&Sym::int(per)));
        }
        let v = load_at(t.src, index, Some(Scalar::from_i64(t.dtype, 0)));
        match per {
            1 => cast(t.dtype, to, v),
            _ => cast(DType::I32, to, field(v, &self.fixed[last].modulo(&Sym::int(per)), 8 / per)),
        }
    }
}

fn lower(cx: &mut ComputeCx) -> Result<()> {
    let (Some(data), Some(picks), Some(scales)) = (part(cx, 0), part(cx, 1), part(cx, 2)) else {
        return Err(cx.error("E2001", "an input is missing"));
    };
    let (zeros, rank) = (part(cx, 3), data.shape.len());
    let (gather, along) = (axis(cx.attrs(), "gather_axis", rank), axis(cx.attrs(), "quantize_axis", rank));
    let (per, d, out) = (per(data.dtype, cx.attrs()), wide(scales.dtype), cx.out_shape(0));
    let (extent, inner) = (data.shape[gather].clone(), picks.shape.len());
    let behind = |a: usize| if a < gather { a } else { a + inner - usize::from(a > gather) };
    let size = match cx.attrs().int("block_size") {
        Some(0) | None => out[behind(along)].clone(),
        Some(size) => Sym::int(size),
    };
    let middle = match data.dtype {
        DType::U8 => 1 << (8 / per - 1),
        _ => 0,
    };
    crate::ops::elementwise::map_from(cx, d, |i| {
        let pick = cast(picks.dtype, DType::I64, load(picks.src, &i[gather..gather + inner]));
        let there = in_range(&pick, &extent);
        // The place of the axis that is gathered on is `pick`'s.
        let fixed = (0..rank).map(|a| if a == gather { Sym::int(0) } else { i[behind(a)].clone() }).collect();
        let at = Index { fixed, axis: gather, pick: wrapped(pick, &extent) };
        let zero = match &zeros {
            Some(z) => at.of_block(&[], along, &size).load(z, per, d),
            None => number(d, f64::from(middle)),
        };
        let scale = at.of_block(&scales.shape, along, &size).load(&scales, 1, d);
        select(there, (at.load(&data, per, d) - zero) * scale, number(d, 0.0))
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_gather_quantised");
    }
}
