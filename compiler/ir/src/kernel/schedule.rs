//! How a kernel runs: plain data, comparable and printable.
//!
//! A stage is the loop nest that computes one definition; definitions without a stage are computed in place by what
//! loads them. Stages run in order, but for those that are *attached*: such a stage runs inside the loops of a later
//! one (its owner) and computes, each time, just the region of its definition that the rest of the owner's nest
//! loads. That region lives in scratch memory of the region's size. Row reductions that share their outer loops,
//! producers fused into the tiles of their consumers and Winograd's transforms are all attached stages.
//!
//! A loop goes over blocks of points of one axis. An axis may have several loops: the first cuts its extent into
//! blocks, the next cuts those into smaller ones. What the last loop of each axis leaves is computed at once, in
//! registers: the *tile*. What doesn't divide is computed in a smaller block.
//!
//! Does NOT say what is computed, and nothing here can change it, but for the order of sums and where they are rounded.

use super::{Axis, BinOp, Body, DefId, Expr, ExprKind, Kernel, ReduceOp};
use onnxc_base::DType;
use onnxc_base::sym::Symbol;

/// How a kernel runs: its stages, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schedule {
    /// In order.
    pub stages: Vec<Stage>,
}

/// One loop nest: it computes one definition, either a Map or a Reduce, or a Map together with the Reduce that it
/// loads at its own point (`acc`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// What is stored.
    pub def: DefId,
    /// The definition computed in registers for each point of `def`, and loaded by it at that same point: mostly a
    /// reduction.
    pub acc: Option<DefId>,
    /// Where it runs, if not on its own.
    pub at: Option<At>,
    /// The outermost loop that goes round more than once may run on any number of threads.
    pub parallel: bool,
    /// Loops over the definition's axes, outermost first; each axis has at least one.
    pub loops: Vec<Loop>,
    /// Loops over the reduction axes, inside of those; one per axis. A block is written out (unrolled).
    pub over: Vec<Loop>,
    /// The axis across lanes.
    pub vector: Option<Lanes>,
    /// Tiles of fewer rows than the loops' blocks have, which take more along the lanes: few sums wait for each other.
    pub few: Vec<Few>,
    /// The axis of the definition whose next block of constants is fetched into the caches while this one is computed.
    pub ahead: Option<Symbol>,
    /// A product by a constant is rounded together with what it is added to, once, where the machine can do that.
    pub fused: bool,
    /// Neighbours along the last of `over` are summed by operations of their own (`Op::Dot` of loops IR); with lanes, each
    /// lane sums its own.
    pub dots: Option<Dots>,
}

/// How a core sums products of 8-bit integers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByteProducts {
    /// The instructions that sum several at once, if there are any.
    pub dots: Option<Dots>,
    /// What is computed at once.
    pub tile: ByteTile,
    /// Operations of a longer row that are written out one after the other.
    pub unroll: u32,
}

/// The tile of a sum of products of 8-bit integers: as many sums as the registers hold with what they are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteTile {
    /// Without lanes: an operation makes one sum.
    Points {
        /// Points of the data.
        rows: u32,
        /// Points of the weights.
        columns: u32,
    },
    /// Each lane of a vector of 32-bit integers makes a sum of its own, for one point of the weights.
    Lanes {
        /// Vector registers that accumulators, weights and data may fill.
        registers: u32,
        /// What the operation wants of its factors.
        signs: Signs,
    },
}

/// Which factors an operation takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signs {
    /// All.
    Any,
    /// Both signed or both unsigned (SDOT, UDOT).
    Equal,
    /// One signed, one unsigned (VPDPBUSD).
    Different,
}

/// How many products one operation sums into one 32-bit integer. Both are powers of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dots {
    /// At most, and wherever there are as many.
    pub most: u16,
    /// The fewest that an operation is worth it for: fewer are multiplied and added one by one.
    pub least: u16,
}

impl Dots {
    /// The operations that so many products in order take.
    pub fn operations(self, products: i64) -> i64 {
        let (mut group, mut rest, mut count) = (i64::from(self.most), products, 0);
        while group >= i64::from(self.least).max(1) {
            count += rest / group;
            rest %= group;
            group /= 2;
        }
        count + rest
    }
}

/// A place in the nest of another stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The definition of the owner: a later stage, itself not attached.
    pub owner: DefId,
    /// Inside this many of its loops.
    pub depth: u32,
    /// The region moves on with the innermost of those, and what it has in common with the one before is kept: memory is
    /// a ring along the dim that moves, and only what is new is computed.
    pub rolls: bool,
}

/// A loop over blocks of one axis.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Loop {
    /// Which axis.
    pub axis: Symbol,
    /// Points of the axis in one iteration.
    pub block: u32,
    /// What happens where the block doesn't divide.
    pub cut: Cut,
}

/// What a loop does where its block doesn't divide what there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cut {
    /// Each block starts at a multiple of its size; the rest is a smaller block.
    #[default]
    Aligned,
    /// Blocks may be smaller so that all are about equal: 49 by 14 as 13, 12, 12, 12.
    Even,
    /// As `Even`; a number that isn't known, and of which such blocks aren't the sum, is cut into smaller blocks. Only for the
    /// last loop of an axis.
    Graded,
    /// Each block starts at a multiple of its size and is whole. Points beyond the extent are computed in registers
    /// (`acc`) but not stored. Only for the last loop of an axis of a stage with `acc`.
    Guarded,
    /// Each block starts at a multiple of its size; the rest is a smaller block. Where the number isn't known, every block is as
    /// long as a run says: there is one loop over all of them. Not for the last loop of an axis.
    Alike,
}

/// What a tile of few rows takes along the lanes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Few {
    /// Points of the tile along all other axes together.
    pub rows: u32,
    /// Points along the lane axis: several of the blocks of its last loop.
    pub block: u32,
}

/// Vectorisation of a stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lanes {
    /// The axis across lanes: an axis of the definition, or a reduction axis (lanes are then combined at the end).
    pub axis: Symbol,
    /// Lanes of one vector, a power of two. The last block of the axis is a multiple of it.
    pub lanes: u16,
}

impl Loop {
    /// A loop whose blocks start at multiples of their size.
    pub fn new(axis: &Symbol, block: u32) -> Loop {
        Loop { axis: axis.clone(), block, cut: Cut::Aligned }
    }

    /// A loop over blocks of an axis with loops inside: there once, also where only a run knows how many points there are.
    pub fn blocks(axis: &Axis, block: u32) -> Loop {
        let alike = axis.extent.as_int().is_none() && block > 1;
        Loop { axis: axis.var.clone(), block, cut: if alike { Cut::Alike } else { Cut::Aligned } }
    }

    /// A loop over blocks of at most this size, as equal as can be.
    pub fn even(axis: &Symbol, block: u32) -> Loop {
        Loop { axis: axis.clone(), block, cut: Cut::Even }
    }
}

impl Loop {
    /// A loop over whole blocks, of which only the points within the extent are stored.
    pub fn guarded(axis: &Symbol, block: u32) -> Loop {
        Loop { axis: axis.clone(), block, cut: Cut::Guarded }
    }
}

impl Schedule {
    /// The stage that stores a definition.
    pub fn stage_of(&self, def: DefId) -> Option<&Stage> {
        self.stages.iter().find(|s| s.def == def)
    }

    /// The stages that run inside a stage, in order.
    pub fn attached(&self, owner: DefId) -> impl Iterator<Item = &Stage> {
        self.stages.iter().filter(move |s| s.at.is_some_and(|a| a.owner == owner))
    }
}

impl Stage {
    /// What a stage sums by [`Stage::dots`]: the factors of the products, each a load of integers of 8 bits or such a load
    /// with its sign turned (`cast(xor(load, 128))`), if its reduction is such a sum.
    pub fn narrow_factors(kernel: &Kernel, reduction: DefId) -> Option<(Expr, Expr)> {
        let Body::Reduce { op: ReduceOp::Add, value, .. } = &kernel.defs[reduction].body else { return None };
        let ExprKind::Binary(BinOp::Mul, a, b) = value.kind() else { return None };
        let byte = |d: DType| d.is_int() && d.bits() == 8;
        let load = |e: &Expr| matches!(e.kind(), ExprKind::Load { src, .. } if byte(kernel.src_dtype(*src)));
        let constant = |e: &Expr| matches!(e.kind(), ExprKind::Const(_));
        let turned = |e: &Expr| matches!(e.kind(), ExprKind::Binary(BinOp::Xor, a, b) if load(a) && constant(b));
        let narrow = |e: &Expr| match e.kind() {
            ExprKind::Cast(DType::I32, inner) => match inner.kind() {
                ExprKind::Cast(to, inner) => byte(*to) && turned(inner),
                _ => load(inner),
            },
            _ => false,
        };
        let inner = |e: &Expr| match e.kind() {
            ExprKind::Cast(_, inner) if narrow(e) => Some(inner.clone()),
            _ => None,
        };
        inner(a).zip(inner(b))
    }

    /// Points of an axis that the tile holds, if the extent has as many: the block of the axis' last loop.
    pub fn tile(&self, axis: &Symbol) -> u32 {
        self.loops.iter().chain(&self.over).rev().find(|l| l.axis == *axis).map_or(1, |l| l.block)
    }

    /// True if loop number `i` is the last one of its axis.
    pub fn is_tile_loop(&self, i: usize) -> bool {
        self.loops[i + 1..].iter().all(|l| l.axis != self.loops[i].axis)
    }
}
