"""Pow."""
import numpy as np

from generate import Const

F = np.float32
X = np.array([[0.5, 1.0, 2.0], [3.0, 4.0, 0.25]], F)


def cases(add):
    add("Pow", 1, [X, np.array([2, 3], F)], [X ** np.array([[2], [3]], F)], broadcast=1, axis=0)
    add("Pow", 1, [X, X], [X**X])
    for v in (7, 12, 13, 15):
        add("Pow", v, [X, np.array([[2.0], [-1.5]], F)])
        for e in (0.5, 1.0, 2.0, 3.0, 4.0):
            add("Pow", v, [X, Const(np.array(e, F))])
    add("Pow", 15, [-X, Const(np.array(2.0, F))])
    add("Pow", 15, [-X, np.array(3.0, F)])
    add("Pow", 15, [X, np.array([2, 3, -1], np.int64)])
    add("Pow", 15, [np.array([2, 3, -4], np.int64), np.array([2, 3, 3], np.int64)])
    add("Pow", 15, [np.array([2, 3, -4], np.int32), np.array([2, 3, 3], np.int64)])
    add("Pow", 15, [np.array([2, 9, 4], np.int32), np.array([2.0, 0.5, 1.5], F)])
    add("Pow", 15, [X.astype(np.float64), np.array(1.7, F)], [X.astype(np.float64) ** np.float64(F(1.7))], tolerance=1e-12)
    add("Pow", 15, [X.astype(np.float16), np.array(1.5, np.float16)], by=("ref",), tolerance=2e-3)
    add("Pow", 15, [Const(np.array([2, 3])), Const(np.array([3, 2]))])
