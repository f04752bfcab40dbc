//! The operators `+ - *`, by value, by reference, and with `i64` on either side.

use super::{Sym, Symbol};
use std::iter::{Product, Sum};
use std::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

impl From<i64> for Sym {
    fn from(value: i64) -> Self {
        Sym::int(value)
    }
}

impl From<Symbol> for Sym {
    fn from(symbol: Symbol) -> Self {
        Sym::var(symbol)
    }
}

impl From<&Symbol> for Sym {
    fn from(symbol: &Symbol) -> Self {
        Sym::var(symbol)
    }
}

impl From<&Sym> for Sym {
    fn from(sym: &Sym) -> Self {
        sym.clone()
    }
}

/// Implements an operator for every pair of `Sym`, `&Sym` and `i64` that has a `Sym` in it.
macro_rules! operator {
    ($op:ident, $method:ident, $assign:ident, $assign_method:ident, |$a:ident, $b:ident| $body:expr) => {
        operator!(@pairs $op, $method, |$a, $b| $body, (Sym, Sym), (Sym, &Sym), (&Sym, Sym), (&Sym, &Sym));
        impl $op<i64> for Sym {
            type Output = Sym;
            fn $method(self, other: i64) -> Sym {
                $op::$method(&self, &Sym::int(other))
            }
        }
        impl $op<i64> for &Sym {
            type Output = Sym;
            fn $method(self, other: i64) -> Sym {
                $op::$method(self, &Sym::int(other))
            }
        }
        impl $op<Sym> for i64 {
            type Output = Sym;
            fn $method(self, other: Sym) -> Sym {
                $op::$method(&Sym::int(self), &other)
            }
        }
        impl $op<&Sym> for i64 {
            type Output = Sym;
            fn $method(self, other: &Sym) -> Sym {
                $op::$method(&Sym::int(self), other)
            }
        }
        impl<T> $assign<T> for Sym
        where
            for<'a> &'a Sym: $op<T, Output = Sym>,
        {
            fn $assign_method(&mut self, other: T) {
                *self = $op::$method(&*self, other);
            }
        }
    };
    (@pairs $op:ident, $method:ident, |$a:ident, $b:ident| $body:expr, $(($left:ty, $right:ty)),*) => {
        $(impl $op<$right> for $left {
            type Output = Sym;
            fn $method(self, other: $right) -> Sym {
                let ($a, $b) = (&self, &other);
                $body
            }
        })*
    };
}

operator!(Add, add, AddAssign, add_assign, |a, b| a.plus(b));
operator!(Sub, sub, SubAssign, sub_assign, |a, b| a.plus(&b.scaled(-1)));
operator!(Mul, mul, MulAssign, mul_assign, |a, b| a.times(b));

impl Neg for Sym {
    type Output = Sym;
    fn neg(self) -> Sym {
        self.scaled(-1)
    }
}

impl Neg for &Sym {
    type Output = Sym;
    fn neg(self) -> Sym {
        self.scaled(-1)
    }
}

impl Sum for Sym {
    fn sum<I: Iterator<Item = Sym>>(iter: I) -> Sym {
        iter.fold(Sym::int(0), |a, b| a + b)
    }
}

impl<'a> Sum<&'a Sym> for Sym {
    fn sum<I: Iterator<Item = &'a Sym>>(iter: I) -> Sym {
        iter.fold(Sym::int(0), |a, b| a + b)
    }
}

impl Product for Sym {
    fn product<I: Iterator<Item = Sym>>(iter: I) -> Sym {
        iter.fold(Sym::int(1), |a, b| a * b)
    }
}

impl<'a> Product<&'a Sym> for Sym {
    fn product<I: Iterator<Item = &'a Sym>>(iter: I) -> Sym {
        iter.fold(Sym::int(1), |a, b| a * b)
    }
}
