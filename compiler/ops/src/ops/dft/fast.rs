//! A transform of a known composite length n = a b, as b transforms of length a and a transforms of length b: a + b
//! products per element instead of n.
//!
//! With n = b n1 + n2 and k = k1 + a k2, e^(-j tau n k / (a b)) is e^(-j tau n1 k1 / a) e^(-j tau n2 k1 / (a b))
//! e^(-j tau n2 k2 / b) (Cooley and Tukey, "An Algorithm for the Machine Calculation of Complex Fourier Series", 1965).
//! One level: both lengths are near the root, and what is left are products with small matrices.
//!
//! Does NOT transform what is cut, filled up or half a spectrum, nor lengths without a divisor near the root.

use super::axis::Layout;
use super::part_at;
use super::roots::Roots;
use crate::ops::elementwise::Operand;
use crate::prelude::*;

/// Below it, the matrix is as good.
const LEAST: i64 = 64;

/// The sums: real and imaginary parts, `[axes but the transformed one.., k1, k2]`.
pub(super) struct Fast {
    sums: [Src; 2],
    axis: usize,
    a: i64,
}

impl Fast {
    /// The transform of an input, if there is a faster one than by the matrix.
    pub(super) fn new(cx: &mut ComputeCx, x: &Operand, l: &Layout) -> Option<Fast> {
        let (n, axis) = (l.length.as_int()?, l.axis()?);
        let (shape, d) = (cx.shape(0), x.wide());
        let a = (1..=n).take_while(|a| a * a <= n).filter(|a| n % a == 0).last()?;
        if n < LEAST || a < 4 || l.terms.as_int() != Some(n) || shape[axis].as_int() != Some(n) {
            return None;
        }
        let last = shape.len() - 1;
        let complex = !shape[last].is_one();
        let others: Vec<Sym> = (0..last).filter(|&i| i != axis).map(|i| shape[i].clone()).collect();
        let [whole, a_, b_] = [n, a, n / a].map(Sym::int);
        let two = Sym::int(2);
        let mut roots = |length: &Sym, terms: &Sym, sums: &Sym| {
            Roots::new(cx, d, (length.clone(), length), (terms, sums, &two), &|_| None)
        };
        let (first, turns, second) = (roots(&a_, &a_, &a_), roots(&whole, &b_, &a_), roots(&b_, &b_, &b_));
        let name = cx.node().name.clone();
        let k = &mut *cx.k;
        let at = others.len();
        let between: Vec<Sym> = [&others[..], &[a_.clone(), b_.clone()]].concat();
        // [.., k1, n2]
        let columns = [0, 1].map(|c| {
            k.reduce(&name, d, &between, ReduceOp::Add, std::slice::from_ref(&a_), None, |_, i, r| {
                let mut from = i[..at].to_vec();
                from.insert(axis, &r[0] * &b_ + &i[at + 1]);
                from.push(Sym::int(0));
                let part =
                    |p: usize| part_at(x, &shape[last], from.clone(), p) * first.at(p, &r[0], &i[at], &Sym::int(c));
                if complex { part(0) + part(1) } else { part(0) }
            })
        });
        let part = |p: usize, i: &[Sym], c: i64| load(columns[p], i) * turns.at(p, &i[at + 1], &i[at], &Sym::int(c));
        let turned = [0, 1].map(|c| k.map("turned", d, &between, |_, i| part(0, i, c) + part(1, i, c)));
        let sums = [0, 1].map(|c| {
            k.reduce(&name, d, &between, ReduceOp::Add, std::slice::from_ref(&b_), None, |_, i, r| {
                let from = [&i[..=at], &r[..1]].concat();
                let part = |p: usize| load(turned[p], &from) * second.at(p, &r[0], &i[at + 1], &Sym::int(c));
                part(0) + part(1)
            })
        });
        Some(Fast { sums, axis, a })
    }

    /// The element of the output at an index.
    pub(super) fn at(&self, i: &[Sym]) -> Expr {
        let mut from = i[..i.len() - 1].to_vec();
        let k = from.remove(self.axis);
        let a = Sym::int(self.a);
        from.extend([k.modulo(&a), k.floordiv(&a)]);
        let real = compare(CmpOp::Eq, int(i[i.len() - 1].clone()), int(0));
        select(real, load(self.sums[0], &from), load(self.sums[1], &from))
    }
}
