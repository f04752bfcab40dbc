"""Gather, GatherElements, GatherND."""
import numpy as np
from generate import Const

I = lambda *v: np.array(v, np.int64)
X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def elements(x, at, axis):
    return np.take_along_axis(x, np.where(at < 0, at + x.shape[axis], at).astype(np.int64), axis)


def cases(add):
    for opset in (1, 11, 13):
        for axis in (0, 1, 2, -1):
            for at in (I(1, 0, 1), np.array([[0, 1], [1, 1]], np.int32), np.int64(1), np.zeros((0, 2), np.int64)):
                y = [np.take(X, at, axis)]
                add("Gather", opset, [X, at], axis=axis, expect=y)
                add("Gather", opset, [X, Const(at)], axis=axis, expect=y)
        if opset >= 11:
            add("Gather", opset, [X, I(-1, -2)], axis=2, expect=[X[:, :, [-1, -2]]])
            add("Gather", opset, [X, Const(np.int64(-1))], axis=1, expect=[X[:, -1]])
    add("Gather", 13, [Const(I(7, 8, 9)), Const(I(-1, 0))], expect=[I(9, 7)])
    add("Gather", 13, [np.array([True, False]), np.array([1, 0], np.int32)], expect=[np.array([False, True])])
    m = np.arange(12, dtype=np.int32).reshape(3, 4)
    for opset in (11, 13):
        for axis, at in [(0, np.array([[1, 2, 0, -1], [0, -3, 1, 2]])), (1, np.array([[0], [3], [-1]])),
                         (-1, np.array([[1, 1], [2, 0]]))]:
            rows = m[: at.shape[0]] if axis != 0 else m
            y = elements(rows, at, axis % 2)
            add("GatherElements", opset, [m, at.astype(np.int64)], axis=axis, expect=[y])
            add("GatherElements", opset, [m, Const(at.astype(np.int32))], axis=axis, expect=[y])
    for opset in (11, 12, 13):
        x = m.astype(np.float32)
        for at in ([[0, 0], [2, -1]], [[1], [-3]], [[[1, 2]], [[0, 3]]]):
            at = np.array(at, np.int64)
            y = x[tuple(np.moveaxis(at, -1, 0))]
            add("GatherND", opset, [x, at], expect=[y], fixed=True)
            add("GatherND", opset, [x, Const(at)], expect=[y])
        if opset >= 12:
            at = Const(np.array([[1], [0]], np.int64))
            add("GatherND", opset, [X, at], batch_dims=1, expect=[np.stack([X[0, 1], X[1, 0]])])
