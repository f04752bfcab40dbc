//! How tensors lie in memory, where that is not contiguous and row-major.
//!
//! A layout belongs to a value and changes nothing of what the value is: types, operators and the interpreter see the
//! same tensor. Only who turns nodes into kernels looks at it.
//!
//! Holds: a value without a layout is contiguous and row-major. A layout's order names every axis of the tensor once.
//! Absent here: who may read such values; the passes that make layouts keep routines and aliases away from them.

use super::{Graph, ValueId};
use crate::scalar::Scalar;
use onnxc_base::Sym;

/// Where the elements of a tensor are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// For each dim in memory, outermost first, the axis of the tensor that it is.
    order: Vec<usize>,
    /// What is kept free around the tensor.
    border: Option<Border>,
    /// The tensor that this one is a part of.
    within: Option<Within>,
}

/// Elements before and behind a tensor, which hold one value: what a window reads beyond the edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Border {
    /// How many before and behind, for each axis of the tensor.
    pub width: Vec<(i64, i64)>,
    /// What they hold.
    pub fill: Scalar,
}

/// The place of a tensor in another one of the same order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Within {
    /// The other one.
    pub host: ValueId,
    /// The host's index of the tensor's first element, for each axis.
    pub at: Vec<Sym>,
}

/// A tensor as a part of the memory that it lies in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The value whose memory it is.
    pub root: ValueId,
    /// The extents of that memory, outermost dim first, borders included.
    pub extents: Vec<Sym>,
    /// The index of the tensor's first element, for each dim.
    pub start: Vec<Sym>,
}

impl Layout {
    /// A layout, or none if the order doesn't name every axis once.
    pub fn new(order: Vec<usize>) -> Option<Layout> {
        (0..order.len()).all(|a| order.contains(&a)).then_some(Layout { order, border: None, within: None })
    }

    /// The layout of a tensor of which nothing is said.
    pub fn row_major(rank: usize) -> Layout {
        Layout { order: (0..rank).collect(), border: None, within: None }
    }

    /// Batch, spatial axes, channels: for a tensor whose axis 1 are the channels.
    pub fn channels_last(rank: usize) -> Layout {
        let order = (0..rank).filter(|&a| a != 1).chain((rank > 1).then_some(1)).collect();
        Layout { order, border: None, within: None }
    }

    /// The same with a border.
    pub fn with_border(self, border: Border) -> Layout {
        Layout { border: Some(border), ..self }
    }

    /// The same as a part of another tensor.
    pub fn with_host(self, within: Within) -> Layout {
        Layout { within: Some(within), ..self }
    }

    /// For each dim in memory the axis of the tensor.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// What is kept free around the tensor.
    pub fn border(&self) -> Option<&Border> {
        self.border.as_ref()
    }

    /// The tensor that this one is a part of.
    pub fn within(&self) -> Option<&Within> {
        self.within.as_ref()
    }

    /// True if the elements are contiguous, in some order.
    pub fn is_contiguous(&self) -> bool {
        self.border.is_none() && self.within.is_none()
    }

    /// Something per axis of the tensor, as something per dim in memory.
    pub fn permute<T: Clone>(&self, per_axis: &[T]) -> Vec<T> {
        self.order.iter().map(|&a| per_axis[a].clone()).collect()
    }

    /// True if a tensor of these extents has its elements in row-major order: axes of extent 1 can be anywhere.
    pub fn is_row_major(&self, shape: &[Sym]) -> bool {
        let long: Vec<usize> = self.order.iter().copied().filter(|&a| !shape[a].is_one()).collect();
        long.is_sorted()
    }
}

impl Graph {
    /// A value's layout; none if it is contiguous and row-major.
    pub fn layout(&self, v: ValueId) -> Option<&Layout> {
        self.layouts.get(&v)
    }

    /// A value's layout, said or not.
    pub fn layout_or_plain(&self, v: ValueId) -> Layout {
        let rank = self.tensor_type(v).map_or(0, |t| t.rank());
        self.layout(v).cloned().unwrap_or_else(|| Layout::row_major(rank))
    }

    /// A tensor's extents in the order in which they are in memory.
    pub fn stored_shape(&self, v: ValueId) -> Option<Vec<Sym>> {
        let shape = &self.tensor_type(v)?.shape;
        Some(self.layout(v).map_or_else(|| shape.clone(), |l| l.permute(shape)))
    }

    /// The memory that a tensor is a part of; none if it is all of its memory.
    pub fn frame(&self, v: ValueId) -> Option<Frame> {
        let layout = self.layout(v).filter(|l| !l.is_contiguous())?;
        let mut frame = match layout.within() {
            Some(w) => self.whole_or_frame(w.host)?,
            None => self.whole(v)?,
        };
        if let Some(w) = layout.within() {
            frame.start = frame.start.iter().zip(layout.permute(&w.at)).map(|(s, at)| s + &at).collect();
        }
        Some(frame)
    }

    fn whole_or_frame(&self, v: ValueId) -> Option<Frame> {
        self.frame(v).or_else(|| self.whole(v))
    }

    /// A tensor with its border, if it has one.
    fn whole(&self, v: ValueId) -> Option<Frame> {
        let (layout, mut extents) = (self.layout_or_plain(v), self.stored_shape(v)?);
        let mut start = vec![Sym::int(0); extents.len()];
        if let Some(b) = layout.border() {
            for ((lo, hi), (extent, start)) in
                layout.permute(&b.width).into_iter().zip(extents.iter_mut().zip(&mut start))
            {
                *extent = &*extent + lo + hi;
                *start = Sym::int(lo);
            }
        }
        Some(Frame { root: v, extents, start })
    }
}
