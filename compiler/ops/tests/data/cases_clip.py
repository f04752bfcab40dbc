"""Clip."""
import numpy as np

from generate import Const, Followed

F = np.float32
X = np.array([[-3, -1, 0], [0.5, 2, np.nan]], F)


def cases(add):
    clip = lambda lo, hi: [np.minimum(np.maximum(X, F(lo)), F(hi))]
    add("Clip", 1, [X], clip(-2, 1), min=-2.0, max=1.0, consumed_inputs=[0])
    add("Clip", 1, [X], clip(-2, np.inf), min=-2.0)
    add("Clip", 6, [X], clip(-np.inf, 1), max=1.0)
    add("Clip", 6, [X.astype(np.float16)], [np.minimum(np.maximum(X, -2), 1).astype(np.float16)], min=-2.0, max=1.0)
    add("Clip", 6, [X.astype(np.float64)], [np.minimum(np.maximum(X, -2), 1).astype(np.float64)], min=-2.0, max=1.0)
    for v in (11, 12, 13):
        add("Clip", v, [X, np.array(-2, F), np.array(1, F)], clip(-2, 1))
        add("Clip", v, [X, Const(np.array(-2, F)), Const(np.array(1, F))], clip(-2, 1))
        add("Clip", v, [X, None, Const(np.array(1, F))], clip(-np.inf, 1))
        add("Clip", v, [X], clip(-np.inf, np.inf))
    add("Clip", 13, [X, np.array(2, F), np.array(1, F)], clip(2, 1))
    add("Clip", 13, [np.array([-5, 3, 120], np.int8), np.array(-1, np.int8), np.array(7, np.int8)])
    add("Clip", 13, [Const(np.array([-5, 3, 120])), Const(np.array(-1)), Const(np.array(7))], [np.array([-1, 3, 7])])
    add("Clip", 13, [Followed([5, 3, 120]), Const(np.array(4)), Followed(7)], [np.array([5, 4, 7])])
