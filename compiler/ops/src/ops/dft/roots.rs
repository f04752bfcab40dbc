//! Roots of unity as coefficients of sums: a matrix of them, or a table of one turn.

use super::flag;
use crate::prelude::*;

/// A matrix of more elements is not stored.
const MOST: i64 = 1 << 20;

/// The coefficients of a transform of `length`: of the real (0) and the imaginary (1) part of element `n`, for part `c`
/// of the `k`-th sum.
pub(super) struct Roots {
    /// [length or more, 2]: cosine and sine of each part of a turn.
    table: Src,
    /// [n, k, c] for each part.
    pub(super) matrix: Option<[Src; 2]>,
    length: Sym,
    inverse: bool,
    d: DType,
}

impl Roots {
    /// Of a transform of `length`, which is at most `most`, for `terms` elements and `sums` sums of `out` parts; `weight`
    /// multiplies those of an element.
    pub(super) fn new(
        cx: &mut ComputeCx,
        d: DType,
        (length, most): (Sym, &Sym),
        (terms, sums, out): (&Sym, &Sym, &Sym),
        weight: &dyn Fn(&Sym) -> Option<Expr>,
    ) -> Roots {
        let inverse = flag(cx.attrs(), "inverse");
        let extents = [most.clone(), Sym::int(2)];
        let n = length.clone();
        let table = cx.k.map("turn", d, &extents, |_, i| {
            let float = |s: Sym| cast(DType::I64, DType::F64, int(s));
            let angle = float(i[0].clone()) * number(DType::F64, std::f64::consts::TAU) / float(n);
            let (cos, sin) = (unary(UnOp::Cos, angle.clone()), unary(UnOp::Sin, angle));
            cast(DType::F64, d, select(compare(CmpOp::Eq, int(i[1].clone()), int(0)), cos, sin))
        });
        let mut roots = Roots { table, matrix: None, length, inverse, d };
        let shape = [terms.clone(), sums.clone(), out.clone()];
        let count = shape.iter().product::<Sym>().as_int();
        if count.is_some_and(|c| c <= MOST) {
            let of = |part: i64, k: &mut KernelBuilder| {
                k.map("roots", d, &shape, |_, i| {
                    let root = roots.computed(part, &i[0], &i[1], &i[2]);
                    weight(&i[0]).map_or(root.clone(), |w| root * w)
                })
            };
            let matrix = [of(0, cx.k), of(1, cx.k)];
            roots.matrix = Some(matrix);
        }
        roots
    }

    /// The coefficient, from the table.
    fn computed(&self, part: i64, n: &Sym, k: &Sym, c: &Sym) -> Expr {
        let at = binary(BinOp::FloorMod, int(n * k), int(self.length.clone()));
        let get = |which: i64| load_at(self.table, vec![at.clone(), int(which)], None);
        // e^(-jt) = cos t - j sin t; of the inverse e^(jt). Times j, cos and sin change places.
        let same = get(0);
        let sine = if self.inverse { -get(1) } else { get(1) };
        let cross = if part == 0 { -sine } else { sine };
        select(compare(CmpOp::Eq, int(c.clone()), int(part)), same, cross)
    }

    /// The coefficient of part `part` of element `n` for part `c` of the `k`-th sum.
    pub(super) fn at(&self, part: usize, n: &Sym, k: &Sym, c: &Sym) -> Expr {
        match &self.matrix {
            Some(m) => load(m[part], &[n.clone(), k.clone(), c.clone()]),
            None => self.computed(part as i64, n, k, c),
        }
    }

    /// What the sums of an inverse transform are divided by.
    pub(super) fn divisor(&self) -> Option<Expr> {
        self.inverse.then(|| cast(DType::I64, self.d, int(self.length.clone())))
    }
}
