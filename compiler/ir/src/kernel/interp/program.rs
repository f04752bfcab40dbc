//! An expression as a flat list of column operations, run block by block.
//!
//! Nothing is allocated, looked up or type-checked per point: `compile` has done all that.

use super::column::{self, Column, view};
use super::load::{AffineLoad, Gather, Outside, Source};
use super::space::{Affine, Block};
use crate::scalar::{BinOp, CmpOp, Scalar, UnOp};
use onnxc_base::DType;

/// What an instruction computes; operands are registers.
pub(super) enum Op {
    /// An affine function of the point, as i64.
    Affine(Affine),
    /// A load by affine indices.
    Load(AffineLoad),
    /// A load by indices in registers.
    Gather(Gather),
    /// One operand of a type.
    Unary(UnOp, DType, usize),
    /// Two operands of a type.
    Binary(BinOp, DType, usize, usize),
    /// A bool from two operands of a type.
    Compare(CmpOp, DType, usize, usize),
    /// The second or third by the first, of this many bytes.
    Select(usize, [usize; 3]),
    /// From a type to a type.
    Cast(DType, DType, usize),
    /// The same i64, once it is known that it isn't zero.
    NonZero(usize),
}

impl Op {
    /// The registers it reads.
    pub fn operands(&mut self) -> Vec<&mut usize> {
        match self {
            Op::Affine(_) | Op::Load(_) => vec![],
            Op::Gather(g) => g.index.iter_mut().collect(),
            Op::Unary(_, _, a) | Op::Cast(_, _, a) | Op::NonZero(a) => vec![a],
            Op::Binary(_, _, a, b) | Op::Compare(_, _, a, b) => vec![a, b],
            Op::Select(_, all) => all.iter_mut().collect(),
        }
    }
}

/// Why a block has no value.
pub(super) enum Fault {
    Outside(Outside),
    DivisionByZero,
}

/// A compiled expression over the points of a space.
pub(super) struct Program {
    /// Registers and what they are.
    pub instrs: Vec<(usize, Op)>,
    /// Registers that never change.
    pub consts: Vec<(usize, Scalar)>,
    /// How many registers there are.
    pub registers: usize,
    /// Where the value is.
    pub result: usize,
    /// Tensors it loads from.
    pub sources: Vec<Source>,
}

/// A program with its registers.
pub(super) struct Machine<'a> {
    program: &'a Program,
    regs: Vec<Column>,
}

impl<'a> Machine<'a> {
    /// Ready for blocks of any length.
    pub fn new(program: &'a Program) -> Self {
        let mut regs: Vec<Column> = (0..program.registers).map(|_| column::column()).collect();
        for (r, value) in &program.consts {
            column::fill(*value, &mut regs[*r], column::BLOCK);
        }
        Self { program, regs }
    }

    /// The value at each point of a block.
    pub fn eval(&mut self, block: &Block) -> Result<&Column, Fault> {
        for (dst, op) in &self.program.instrs {
            // The destination isn't among the operands; it is taken out to be written while they are read.
            let mut d = std::mem::take(&mut self.regs[*dst]);
            let done = self.step(op, block, &mut d);
            self.regs[*dst] = d;
            done?;
        }
        Ok(&self.regs[self.program.result])
    }

    fn step(&self, op: &Op, block: &Block, d: &mut Column) -> Result<(), Fault> {
        let (regs, sources, n) = (&self.regs, &self.program.sources, block.len);
        match op {
            Op::Affine(f) => affine(f, block, d),
            Op::Load(l) => l.load(sources, block, d).map_err(Fault::Outside)?,
            Op::Gather(g) => g.load(sources, regs, n, d).map_err(Fault::Outside)?,
            Op::Unary(op, t, a) => column::unary(*op, *t, &regs[*a], d, n),
            Op::Binary(op, t, a, b) => column::binary(*op, *t, &regs[*a], &regs[*b], d, n),
            Op::Compare(op, t, a, b) => column::compare(*op, *t, &regs[*a], &regs[*b], d, n),
            Op::Select(width, [c, a, b]) => column::select(*width, &regs[*c], &regs[*a], &regs[*b], d, n),
            Op::Cast(from, to, a) => column::cast(*from, *to, &regs[*a], d, n),
            Op::NonZero(a) => {
                if view::<i64>(&regs[*a])[..n].contains(&0) {
                    return Err(Fault::DivisionByZero);
                }
                d.copy_from_slice(&regs[*a]);
            }
        }
        Ok(())
    }
}

fn affine(f: &Affine, block: &Block, d: &mut Column) {
    let step = f.coef(block.lane());
    let d = column::view_mut::<i64>(d);
    for (run, point) in block.runs() {
        let start = f.at(point);
        let out = d[run.at..run.at + run.len].iter_mut();
        out.enumerate().for_each(|(k, o)| *o = start.wrapping_add((k as i64).wrapping_mul(step)));
    }
}
