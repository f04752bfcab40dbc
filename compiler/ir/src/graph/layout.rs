//! How tensors lie in memory, where that is not row-major.
//!
//! A layout belongs to a value and changes nothing of what the value is: types, operators and the interpreter see the
//! same tensor. Only who turns nodes into kernels looks at it.
//!
//! Holds: a value without a layout is row-major. A layout's order names every axis of the tensor once.
//! Absent here: who may read such values (`passes::graph::channels_last` keeps routines and aliases away from them).

use super::{Graph, ValueId};
use onnxc_base::Sym;

/// The order of a tensor's axes in memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Layout {
    /// For each dim in memory, outermost first, the axis of the tensor that it is.
    order: Vec<usize>,
}

impl Layout {
    /// A layout, or none if the order doesn't name every axis once.
    pub fn new(order: Vec<usize>) -> Option<Layout> {
        (0..order.len()).all(|a| order.contains(&a)).then_some(Layout { order })
    }

    /// Batch, spatial axes, channels: for a tensor whose axis 1 are the channels.
    pub fn channels_last(rank: usize) -> Layout {
        let order = (0..rank).filter(|&a| a != 1).chain((rank > 1).then_some(1)).collect();
        Layout { order }
    }

    /// For each dim in memory the axis of the tensor.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Something per axis of the tensor, as something per dim in memory.
    pub fn permute<T: Clone>(&self, per_axis: &[T]) -> Vec<T> {
        self.order.iter().map(|&a| per_axis[a].clone()).collect()
    }

    /// True if a tensor of these extents lies in memory as it would in row-major order: axes of extent 1 can be anywhere.
    pub fn is_row_major(&self, shape: &[Sym]) -> bool {
        let long: Vec<usize> = self.order.iter().copied().filter(|&a| !shape[a].is_one()).collect();
        long.is_sorted()
    }
}

impl Graph {
    /// A value's layout; none if it is row-major.
    pub fn layout(&self, v: ValueId) -> Option<&Layout> {
        self.layouts.get(&v)
    }

    /// A tensor's extents in the order in which they are in memory.
    pub fn stored_shape(&self, v: ValueId) -> Option<Vec<Sym>> {
        let shape = &self.tensor_type(v)?.shape;
        Some(self.layout(v).map_or_else(|| shape.clone(), |l| l.permute(shape)))
    }
}
