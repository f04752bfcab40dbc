"""Concat, Split."""
import numpy as np
from generate import Const

A = np.arange(6, dtype=np.float32).reshape(2, 3)
I = lambda *v: np.array(v, np.int64)


def cases(add):
    for opset in (1, 4, 11, 13):
        join = lambda xs, axis: add("Concat", opset, xs, axis=axis, expect=[np.concatenate(xs, axis)])
        join([A, A + 10], 0)
        join([A, A[:, :1], A + 20], 1)
        join([A, A[:0], A[:1]], 0)
        if opset >= 11:
            join([A, A + 10], -1)
    add("Concat", 1, [A, A], expect=[np.concatenate([A, A], 1)])
    add("Concat", 13, [Const(I(1, 2)), Const(I(3)), I(5)], axis=0, expect=[I(1, 2, 3, 5)])
    add("Concat", 13, [np.array([True]), np.array([False, True])], axis=0, expect=[np.array([True, False, True])])
    add("Concat", 13, [A], axis=0, expect=[A])
    x = np.arange(14, dtype=np.float32).reshape(2, 7)
    for opset in (1, 2, 11, 13, 18):
        def split(x, sizes, axis, given=True, by_input=opset >= 13, fixed=False, **kw):
            expect = np.split(x, np.cumsum(sizes)[:-1], axis)
            attrs = {"axis": axis} | kw | ({"split": list(sizes)} if given and not by_input else {})
            for const in ([True, False] if given and by_input else [True]):
                v = I(*sizes)
                ins = [x] + ([Const(v) if const else v] if given and by_input else [])
                add("Split", opset, ins, outputs=len(sizes), expect=expect, fixed=not const, **attrs)

        split(x, (2, 4, 1), 1)
        split(x, (1, 1), 0, given=False)
        split(x, (0, 7), 1)
        if opset >= 11:
            split(x, (3, 4), -1)
    add("Split", 18, [x], outputs=3, axis=1, num_outputs=3, expect=np.split(x, [3, 6], 1))
    add("Split", 18, [x], outputs=4, axis=1, num_outputs=4, expect=np.split(x, [2, 4, 6], 1))
    add("Split", 13, [Const(I(5, 6, 7, 8))], outputs=2, expect=[I(5, 6), I(7, 8)])
