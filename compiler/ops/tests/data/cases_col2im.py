"""Col2Im."""
import numpy as np

from generate import Const


def cases(add):
    r = np.random.default_rng(4)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(np.float32)
    n = lambda *v: np.array(v, np.int64)
    op = "Col2Im"
    for k in (Const, lambda v: v):
        later = k is not Const
        add(op, 18, [f(1, 5, 5), k(n(5, 5)), k(n(1, 5))], by=("ref",), fixed=later)
        add(op, 18, [f(2, 8, 6), k(n(3, 4)), k(n(2, 2))], by=("ref",), fixed=later)
    add(op, 18, [f(1, 9, 4), Const(n(5, 5)), Const(n(3, 3))], by=("ref",), strides=[2, 2])
    add(op, 18, [f(1, 5, 15), Const(n(5, 5)), Const(n(1, 5))], by=("ref",), pads=[0, 1, 0, 1])
    add(op, 18, [f(1, 4, 5), Const(n(6, 6)), Const(n(2, 2))], by=("ref",), dilations=[1, 5])
    add(op, 18, [f(1, 10, 12), Const(n(3, 4, 5)), Const(n(1, 1, 5))], by=("ref",))
    add(op, 18, [np.arange(24, dtype=np.int32).reshape(1, 4, 6), Const(n(3, 4)), Const(n(2, 2))], by=("ref",))
