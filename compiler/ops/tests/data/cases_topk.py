"""TopK."""
import numpy as np
from generate import Const

X = np.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3], [5, 8, 9, 7, 9]], np.float32)
K = lambda k: np.array([k], np.int64)


def top(x, k, axis=-1, largest=1):
    at = np.argsort(-x.astype(np.float64) if largest else x, axis=axis, kind="stable")
    at = np.take(at, range(k), axis)
    return [np.take_along_axis(x, at, axis), at.astype(np.int64)]


def cases(add):
    for k in (1, 3, 5):
        add("TopK", 1, [X], k=k, outputs=2, expect=top(X, k))
        for opset in (10, 11, 24):
            add("TopK", opset, [X, Const(K(k))], outputs=2, expect=top(X, k))
            add("TopK", opset, [X, K(k)], outputs=2, expect=top(X, k), fixed=True)
    add("TopK", 1, [X], k=2, axis=0, outputs=2, expect=top(X, 2, 0))
    for opset in (11, 24):
        add("TopK", opset, [X, Const(K(2))], axis=0, outputs=2, largest=0, expect=top(X, 2, 0, 0))
        add("TopK", opset, [X, Const(K(4))], axis=1, outputs=2, largest=0, sorted=1, expect=top(X, 4, 1, 0))
    x = np.random.default_rng(3).integers(-9, 9, (2, 40, 3)).astype(np.int32)
    add("TopK", 11, [x, Const(K(17))], axis=1, outputs=2, expect=top(x, 17, 1))
    add("TopK", 11, [X, Const(K(0))], outputs=2, expect=top(X, 0))
    add("TopK", 11, [X.astype(np.float16), Const(K(2))], outputs=2, expect=top(X.astype(np.float16), 2))
    nan = np.array([[2, np.nan, 1, 3], [np.nan, 5, np.nan, -np.inf]], np.float32)
    at = [[1, 3, 0], [0, 2, 1]]
    add("TopK", 11, [nan, Const(K(3))], outputs=2, expect=[np.take_along_axis(nan, np.array(at), 1), np.array(at, np.int64)])
    at = [[2, 0, 3], [3, 1, 0]]
    add("TopK", 11, [nan, Const(K(3))], outputs=2, largest=0,
        expect=[np.take_along_axis(nan, np.array(at), 1), np.array(at, np.int64)])
