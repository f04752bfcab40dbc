//! Memory around and inside of others: filling borders, and nodes that have nothing to do because their tensors are
//! parts of each other.
//!
//! A border is filled each time its memory is given to the tensor, as other tensors may have lain there; the tensor
//! itself isn't touched.

use super::Assembler;
use crate::from_kernel::row_major;
use onnxc_base::sym::Symbol;
use onnxc_base::{Diagnostic, Sym};
use onnxc_ir::graph::{NodeId, ValueId};
use onnxc_ir::loops::{Arg, Callee};
use onnxc_ir::loops::{Buf, FuncBuilder, LoopKind, Value};
use onnxc_ir::scalar::Scalar;
use std::collections::BTreeSet;

/// One dim of a bordered tensor in memory.
struct Dim {
    lo: i64,
    extent: Sym,
    hi: i64,
    stride: Sym,
}

impl Assembler<'_> {
    /// Fills the border of a value whose memory is new.
    pub(super) fn fill_border(&mut self, buf: Buf, v: ValueId) -> Result<(), Diagnostic> {
        let (layout, Some(frame)) = (self.graph.layout_or_plain(v), self.graph.frame(v)) else { return Ok(()) };
        let (Some(border), Some(shape)) = (layout.border(), self.graph.stored_shape(v)) else { return Ok(()) };
        let strides = row_major(&frame.extents);
        let widths = layout.permute(&border.width);
        let dims: Vec<Dim> = shape
            .into_iter()
            .zip(widths)
            .zip(strides)
            .map(|((extent, (lo, hi)), stride)| Dim { lo, extent, hi, stride })
            .collect();
        let symbols: BTreeSet<Symbol> = frame.extents.iter().flat_map(Sym::symbols).collect();
        let mut f = FuncBuilder::new("border");
        let mut args = Vec::new();
        for s in &symbols {
            let value = f.param(s.as_str(), onnxc_base::DType::I64);
            f.bind(s.clone(), value);
            args.push(Arg::Value(self.f.sym(&Sym::var(s.clone()))));
        }
        let to = f.param_buf("to", border.fill.dtype, true);
        args.push(Arg::Buf { buf, offset: None });
        let lanes = (self.machine.vector_bits / (border.fill.dtype.bits().max(8) as u32)).clamp(1, 64) as u16;
        let zero = f.int(0);
        Filler { f: &mut f, to, fill: border.fill, lanes }.around(&dims, zero);
        let (id, _) = self.shared(f.finish(), "border");
        self.f.call(Callee::Func(id), args, None);
        Ok(())
    }

    /// A node whose tensors are parts of each other: they share memory.
    pub(super) fn join_parts(&mut self, n: NodeId) -> Result<(), Diagnostic> {
        for &v in &self.graph.nodes[n].outputs {
            let root = self.graph.frame(v).map_or(v, |f| f.root);
            let shape = self.tensor(v)?.shape;
            // The members of a Concat have made its memory; a Concat of nothing but empty tensors has none yet.
            let whole = if root == v { self.allocate(root)? } else { self.buffer(root)? };
            self.storage[v] = Some(onnxc_ops::routine::TensorBuf { shape, ..whole });
        }
        Ok(())
    }
}

struct Filler<'f> {
    f: &'f mut FuncBuilder,
    to: Buf,
    fill: Scalar,
    lanes: u16,
}

impl Filler<'_> {
    /// Fills what is around the tensor from an element on, outermost dim first.
    fn around(&mut self, dims: &[Dim], from: Value) {
        let Some((dim, inner)) = dims.split_first() else { return };
        let after = (&dim.extent + dim.lo) * &dim.stride;
        self.run(from, &Sym::int(0), &(&dim.stride * dim.lo));
        self.run(from, &after, &(&dim.stride * dim.hi));
        if inner.iter().any(|d| d.lo + d.hi > 0) {
            let (lo, hi) = (self.f.int(dim.lo), self.f.sym(&(&dim.extent + dim.lo)));
            let stride = self.f.sym(&dim.stride);
            let (to, fill, lanes) = (self.to, self.fill, self.lanes);
            self.f.for_loop("i", lo, hi, 1, LoopKind::Serial, |f, i| {
                let step = f.mul(i, stride);
                let at = f.add(from, step);
                Filler { f, to, fill, lanes }.around(inner, at);
            });
        }
    }

    /// Fills `count` elements from `from + start` on, by vectors, then one by one.
    fn run(&mut self, from: Value, start: &Sym, count: &Sym) {
        if count.is_zero() {
            return;
        }
        let lanes = i64::from(self.lanes);
        let whole = count.floordiv(&Sym::int(lanes)) * lanes;
        let start = self.f.sym(start);
        let base = self.f.add(from, start);
        let (to, fill) = (self.to, self.fill);
        for (lo, hi, lanes) in [(Sym::int(0), whole.clone(), self.lanes), (whole, count.clone(), 1)] {
            if lo == hi {
                continue;
            }
            let (lo, hi) = (self.f.sym(&lo), self.f.sym(&hi));
            self.f.for_loop("i", lo, hi, i64::from(lanes), LoopKind::Serial, |f, i| {
                let s = f.scalar(fill);
                let v = f.splat(s, lanes);
                let at = f.add(base, i);
                f.store(to, at, v, None);
            });
        }
    }
}
