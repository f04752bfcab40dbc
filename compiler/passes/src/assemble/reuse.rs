//! Which operands end with a step, so that its result can have their memory.
//!
//! An operand ends if no later step of the region that made it reads it, nor anything else that lies in its memory. Only
//! memory of the workspace is taken over, and only by a tensor of the same type: of the same size, or of a smaller one where
//! there is no room for both. Then the rest of it ends there.

use super::Assembler;
use super::cut::{Step, captured};
use onnxc_base::{DType, Sym};
use onnxc_ir::graph::{Graph, Region, ValueId};
use onnxc_ir::kernel::{Kernel, ParamId};
use onnxc_ir::loops::{Buf, BufKind, Stmt};
use onnxc_ops::routine::TensorBuf;
use std::collections::BTreeMap;

/// The last step that reads each value of one region.
#[derive(Clone, Debug, Default)]
pub(super) struct Ends {
    /// The step that is being emitted.
    pub step: usize,
    last: BTreeMap<ValueId, usize>,
    /// Bytes of the tensors that are alive at each step.
    live: Vec<i64>,
    /// How many of them a step spares if it writes in the place of an operand.
    saved: Vec<i64>,
    /// The most of them, if every step wrote in the place of an operand that ends there and is large enough.
    least: i64,
    /// The results of kernels that other steps read: made where, read last where, bytes.
    pub tensors: Vec<(usize, usize, i64)>,
}

impl Ends {
    /// Of the values that a region's own nodes make.
    pub(super) fn of(graph: &Graph, region: &Region, steps: &[Step]) -> Ends {
        let mut last = BTreeMap::new();
        for (i, step) in steps.iter().enumerate() {
            let nodes = match step {
                Step::Kernel(nodes) => nodes.as_slice(),
                Step::Node(n) => std::slice::from_ref(n),
            };
            for &n in nodes {
                let node = &graph.nodes[n];
                let mut read = |v: ValueId| {
                    last.entry(v).and_modify(|l: &mut usize| *l = (*l).max(i));
                };
                node.inputs.iter().flatten().for_each(|&v| read(v));
                node.regions.iter().for_each(|r| captured(graph, r, &mut read));
                node.outputs.iter().for_each(|&v| {
                    last.insert(v, i);
                });
            }
        }
        for v in &region.results {
            last.entry(*v).and_modify(|l| *l = usize::MAX);
        }
        let mut ends = Ends { last, live: vec![0; steps.len()], saved: vec![0; steps.len()], ..Ends::default() };
        ends.measure(graph, steps);
        ends
    }

    /// Finds how many bytes are alive where. Tensors that are another's memory count twice, results not at all.
    fn measure(&mut self, graph: &Graph, steps: &[Step]) {
        let bytes = |v: ValueId| {
            let t = graph.tensor_type(v)?;
            t.count().as_int().map(|n| n * t.dtype.size() as i64)
        };
        for (i, step) in steps.iter().enumerate() {
            let Step::Kernel(nodes) = step else { continue };
            let Some(&y) = nodes.last().and_then(|n| graph.nodes[*n].outputs.first()) else { continue };
            let (Some(size), Some(&last)) = (bytes(y), self.last.get(&y)) else { continue };
            if last == usize::MAX {
                continue;
            }
            self.live[i..=last].iter_mut().for_each(|l| *l += size);
            self.tensors.push((i, last, size));
            let inputs = nodes.iter().flat_map(|n| graph.nodes[*n].inputs.iter().flatten());
            let dying = |v: &ValueId| self.last.get(v) == Some(&i) && bytes(*v).is_some_and(|b| b >= size);
            let inside = |v: &ValueId| nodes.iter().any(|n| graph.nodes[*n].outputs.contains(v));
            if inputs.into_iter().any(|v| dying(v) && !inside(v)) {
                self.saved[i] = size;
            }
        }
        self.least = self.live.iter().zip(&self.saved).map(|(l, s)| l - s).max().unwrap_or(0);
    }

    /// True if the present step has the memory that all need at least, unless it writes in place.
    pub(super) fn is_tight(&self) -> bool {
        self.live.get(self.step).is_some_and(|l| *l > self.least)
    }

    /// True if one of these steps is the last that reads a value.
    pub(super) fn end_within(&self, v: ValueId, from: usize, to: usize) -> bool {
        self.last.get(&v).is_some_and(|l| (from..=to).contains(l))
    }

    /// True if a value was made in this region and nobody reads it after the present step.
    fn ends(&self, v: ValueId) -> bool {
        self.last.get(&v).is_some_and(|&l| l <= self.step)
    }
}

/// Memory of the workspace that one tensor has been given.
#[derive(Clone, Debug)]
pub(super) struct Owned {
    pub dtype: DType,
    /// Elements.
    pub count: Sym,
}

impl Assembler<'_> {
    /// Parameters of a kernel in whose memory its only output could lie.
    pub(super) fn ending(&self, kernel: &Kernel, inputs: &[ValueId], outputs: &[ValueId]) -> Vec<ParamId> {
        let [y] = outputs else { return vec![] };
        let Some(ty) = self.graph.tensor_type(*y) else { return vec![] };
        if !self.machine.memory.scarce || self.storage[*y].is_some() || self.graph.frame(*y).is_some() {
            return vec![];
        }
        let tight = self.machine.memory.thrift > 0 || self.ends.is_tight();
        let fits = |buf: Buf| {
            let owned = self.owned.get(&buf)?;
            let larger = || owned.count.as_int().zip(ty.count().as_int()).is_some_and(|(room, size)| room >= size);
            (owned.dtype == ty.dtype && (owned.count == ty.count() || tight && larger())).then_some(())
        };
        let buf_of = |name: &str| {
            let v = inputs.iter().copied().find(|v| self.graph.values[*v].name == name)?;
            Some((v, self.storage[v].as_ref()?.buf))
        };
        let takes = |(_, p): &(ParamId, &onnxc_ir::kernel::Param)| {
            let (v, buf) = buf_of(&p.name)?;
            // The same memory under another shape may be a parameter, too.
            let alone = kernel.params.values().filter(|q| buf_of(&q.name).is_some_and(|(_, b)| b == buf)).count() == 1;
            fits(buf).filter(|()| alone && self.graph.frame(v).is_none() && self.everything_ends(buf))
        };
        kernel.params.iter().filter(|p| takes(p).is_some()).map(|(id, _)| id).collect()
    }

    /// What was written in the place of something larger has no more memory than it needs from now on.
    pub(super) fn end_rest(&mut self, y: ValueId) {
        let Some(t) = self.storage[y].clone() else { return };
        let count = t.shape.iter().product::<Sym>();
        let smaller = self.owned.get(&t.buf).and_then(|o| Some(count.as_int()? < o.count.as_int()?));
        if smaller != Some(true) {
            return;
        }
        let buf = self.f.buf(t.dtype, BufKind::Local, &self.graph.values[y].name);
        let byte_offset = self.f.int(0);
        self.f.stmt(Stmt::View { buf, base: t.buf, byte_offset, count: Some(count.clone()) });
        self.owned.insert(buf, Owned { dtype: t.dtype, count });
        self.storage[y] = Some(TensorBuf { buf, ..t });
    }

    /// True if no value in a buffer is read later.
    fn everything_ends(&self, buf: Buf) -> bool {
        let there = |v: &ValueId| self.storage[*v].as_ref().is_some_and(|t| t.buf == buf);
        self.graph.values.keys().filter(there).all(|v| self.ends.ends(v))
    }
}
