"""Compress, NonZero, Unique."""
import numpy as np
from generate import Const

X = np.array([[1, 0, 3], [0, 5, 6], [7, 0, 0]], np.float32)
B = lambda *v: np.array(v, bool)


def cases(add):
    for opset in (9, 11, 28):
        for c, axis in [(B(0, 1, 1), 0), (B(1, 0, 1), 1), (B(1), 1), (B(0, 0, 0), 0), (B(0, 1, 0, 0, 1), None)]:
            kw = {} if axis is None else {"axis": axis}
            y = [np.compress(c, X, axis)]
            add("Compress", opset, [X, c], expect=y, **kw)
            add("Compress", opset, [X, Const(c)], expect=y, **kw)
        if opset >= 11:
            add("Compress", opset, [X, B(0, 0, 1)], axis=-1, expect=[X[:, 2:]])
    for opset in (9, 13):
        for x in (X, X.astype(np.int64), X.astype(bool), X.astype(np.float16), np.zeros((2, 2), np.float32)):
            add("NonZero", opset, [x], expect=[np.array(np.nonzero(x), np.int64)])
        add("NonZero", opset, [np.float32(3)], expect=[np.zeros((1, 1), np.int64)])
        add("NonZero", opset, [X[:0]], expect=[np.zeros((2, 0), np.int64)])
    v = np.array([2, 1, 1, 3, 4, 3, 2, -5], np.float32)
    m = np.array([[1, 0, 0], [1, 0, 0], [2, 3, 4], [0, 9, 9], [2, 3, 4]], np.int64)
    t = np.random.default_rng(0).integers(0, 2, (2, 7, 2)).astype(np.int32)
    for opset in (11, 28):
        by = ("ref",) if opset == 28 else ("ort", "ref")
        for s in (0, 1):
            for x, axis in [(v, None), (m, None), (m, 0), (m, 1), (t, 1), (t, -1), (v[:0], None)]:
                kw = {} if axis is None else {"axis": axis}
                y, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
                inverse = inverse.reshape(-1)
                order = np.arange(len(first)) if s else np.argsort(first, kind="stable")
                back = np.argsort(order)
                expect = [np.take(y, order, axis or 0), first[order], back[inverse], counts[order]]
                expect = expect[:1] + [e.astype(np.int64) for e in expect[1:]]
                add("Unique", opset, [x], sorted=s, outputs=4, expect=expect, **kw)
    add("Unique", 11, [v], expect=[np.unique(v)])
    add("Unique", 11, [v], outputs=2, expect=[e.astype(t) for e, t in zip(np.unique(v, True), (np.float32, np.int64))])
