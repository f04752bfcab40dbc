"""Expand, Tile."""
import numpy as np
from generate import Const

I = lambda *v: np.array(v, np.int64)
X = np.array([[1, 2, 3]], np.float32)
Y = np.array([[1, 2], [3, 4]], np.int32)


def cases(add):
    for opset in (8, 13):
        for x, t, y in [(X, (2, 3), (2, 3)), (X, (4, 1), (4, 3)), (X, (2, 5, 1), (2, 5, 3)), (X, (3,), (1, 3)),
                        (np.float32(7), (2, 2), (2, 2)), (X, (0, 3), (0, 3)), (X, (), (1, 3))]:
            expect = [np.ascontiguousarray(np.broadcast_to(x, y))]
            add("Expand", opset, [x, Const(I(*t))], expect=expect)
            add("Expand", opset, [x, I(*t)], expect=expect, fixed=True)
    add("Expand", 13, [Const(I(3)), Const(I(2))], expect=[I(3, 3)])
    for opset in (6, 13):
        for x, r in [(Y, (1, 1)), (Y, (2, 3)), (Y, (0, 1)), (X, (3, 2))]:
            add("Tile", opset, [x, Const(I(*r))], expect=[np.tile(x, r)])
            add("Tile", opset, [x, I(*r)], expect=[np.tile(x, r)], fixed=True)
    f = Y.astype(np.float32)
    for axis, r in [(0, (3, 1)), (1, (1, 3))]:
        add("Tile", 1, [f, Const(np.float32(3)), Const(np.float32(axis))], expect=[np.tile(f, r)])
