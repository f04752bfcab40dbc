"""Trilu, OneHot, ReverseSequence."""
import numpy as np
from generate import Const

X = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4)


def cases(add):
    for k in (None, 0, 1, -2, 5):
        for upper in (0, 1):
            y = [(np.triu if upper else np.tril)(X, k or 0)]
            at = [] if k is None else [np.int64(k)]
            add("Trilu", 14, [X] + at, upper=upper, expect=y)
            add("Trilu", 14, [X] + [Const(a) for a in at], upper=upper, expect=y)
    at = np.array([[0, 2], [1, -1]], np.int64)
    for opset in (9, 11, 28):
        for axis in (None, 0, 1, -2):
            kw = {} if axis is None else {"axis": axis}
            y = np.moveaxis(np.eye(3)[at], -1, -1 if axis is None else axis)
            for depth in (Const(np.int64(3)), np.array([3], np.int64), Const(np.float32(3)), np.float32(3)):
                add("OneHot", opset, [at, depth, np.array([5, 9], np.int32)], expect=[(y * 4 + 5).astype(np.int32)],
                    fixed=True, **kw)
        far = np.array([0, 3, -4], np.float32)
        add("OneHot", opset, [far, Const(np.int64(3)), np.array([0, 1], np.float32)],
            expect=[np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], np.float32)])
    x = np.arange(16, dtype=np.float32).reshape(4, 4)
    for opset in (10, 28):
        kw = {} if opset == 10 else {"expect": None}
        n = np.array([4, 3, 2, 1], np.int64)
        rows = np.stack([np.concatenate([r[:k][::-1], r[k:]]) for r, k in zip(x, [1, 2, 3, 4])])
        cols = np.stack([np.concatenate([c[:k][::-1], c[k:]]) for c, k in zip(x.T, n)]).T
        add("ReverseSequence", opset, [x, np.array([1, 2, 3, 4], np.int64)], batch_axis=0, time_axis=1, expect=[rows])
        add("ReverseSequence", opset, [x, n], expect=[np.ascontiguousarray(cols)])
