"""Slice."""
import numpy as np
from generate import Const

I = lambda *v: np.array(v, np.int64)
X = np.arange(30, dtype=np.float32).reshape(5, 6)
MAX, MIN = 2**63 - 1, -(2**63)


def cut(x, starts, ends, axes, steps):
    axes = range(len(starts)) if axes is None else axes
    y = x
    at = [slice(None)] * x.ndim
    for s, e, a, t in zip(starts, ends, axes, steps or [1] * len(starts)):
        # numpy's slice has the same meaning but for an end far below 0, which is "before the first".
        d = x.shape[a]
        e = None if t < 0 and e < -d else e
        at[a] = slice(s, e, t)
    return np.ascontiguousarray(y[tuple(at)])


def cases(add):
    for s, e, a in [((1,), (4,), None), ((0, 1), (MAX, -1), None), ((-3,), (-1,), (1,)), ((3,), (2,), (0,)),
                    ((2, 1), (9, 99), (1, 0))]:
        kw = {} if a is None else {"axes": list(a)}
        add("Slice", 1, [X], starts=list(s), ends=list(e), expect=[cut(X, s, e, a, None)], **kw)
        for opset in (10, 11, 13):
            for dtype in (np.int64, np.int32):
                if dtype == np.int32 and MAX in e:
                    continue
                c = lambda v: None if v is None else Const(np.array(v, dtype))
                add("Slice", opset, [X, c(s), c(e), c(a)][: 4 if a else 3], expect=[cut(X, s, e, a, None)])
    for s, e, a, t in [((0,), (5,), (0,), (2,)), ((4,), (0,), (0,), (-1,)), ((MAX,), (MIN,), (1,), (-2,)),
                       ((-1, 1), (-9, 6), (0, 1), (-1, 3)), ((1,), (3,), (-1,), (5,)), ((9,), (-9,), (1,), (-3,)),
                       ((-1,), (MIN,), (0,), (-1,)), ((2,), (2,), (0,), (-1,)), ((0,), (3,), (1,), (-1,))]:
        for opset in (10, 13):
            add("Slice", opset, [X, Const(I(*s)), Const(I(*e)), Const(I(*a)), Const(I(*t))], expect=[cut(X, s, e, a, t)])
            add("Slice", opset, [X, I(*s), I(*e), Const(I(*a)), Const(I(*t))], expect=[cut(X, s, e, a, t)], fixed=True)
            add("Slice", opset, [X, I(*s), I(*e), Const(I(*a)), I(*t)], expect=[cut(X, s, e, a, t)], fixed=True)
    add("Slice", 13, [Const(I(4, 5, 6, 7)), Const(I(-1)), Const(I(MIN)), None, Const(I(-2))], expect=[I(7, 5)])
    e = np.zeros((0, 3), np.int8)
    add("Slice", 13, [e, Const(I(0)), Const(I(MAX)), Const(I(0)), Const(I(-1))], expect=[e[:0]], fixed=True)
    add("Slice", 13, [e, Const(I(MAX)), Const(I(MIN)), Const(I(0)), Const(I(-1))], expect=[e])
    for s, e, a, t in [((1,), (4,), (-1,), None), ((-1, 1), (-9, 6), (0, 1), (-1, 3)), ((4, 0), (1, 3), (1, 0), (-2, 1))]:
        ins = [X, I(*s), I(*e), I(*a)] + ([] if t is None else [I(*t)])
        add("Slice", 13, ins, expect=[cut(X, s, e, a, t)], fixed=True)
        add("Slice", 13, [X, Const(I(*s)), Const(I(*e)), I(*a)] + ins[4:], expect=[cut(X, s, e, a, t)], fixed=True)
    for t in (MIN, MAX, -7):
        y = X[:, :1] if t > 0 else X[:, -1:]
        add("Slice", 13, [X, Const(I(0 if t > 0 else -1)), Const(I(MAX if t > 0 else MIN)), Const(I(1)), Const(I(t))], expect=[y])
    # The length of one list says those of the others.
    add("Slice", 13, [X, I(1), Const(I(4)), I(1), I(2)], [cut(X, [1], [4], [1], [2])])
    add("Slice", 13, [X, I(1, 2), I(4, 5), Const(I(1, 0))], [cut(X, [1, 2], [4, 5], [1, 0], None)])
