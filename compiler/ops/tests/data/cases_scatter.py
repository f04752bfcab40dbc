"""Scatter, ScatterElements, ScatterND."""
import numpy as np
from generate import Const

X = np.arange(1, 13, dtype=np.float32).reshape(3, 4)
AT = np.array([[1, 0, 2, 0], [0, 2, 1, 2]], np.int64)
U = np.array([[1.5, 2, 3, 4], [5, 6, 7, -8]], np.float32)
OPS = {"none": lambda a, b: b, "add": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": max, "min": min}


def elements(x, at, u, axis, op):
    y = x.copy()
    for i in np.ndindex(*at.shape):
        to = list(i)
        to[axis] = at[i]
        y[tuple(to)] = OPS[op](y[tuple(to)], u[i])
    return [y]


def nd(x, at, u, op):
    y = x.copy()
    for i in np.ndindex(*at.shape[:-1]):
        to = tuple(at[i])
        y[to] = {"max": np.maximum, "min": np.minimum}.get(op, OPS[op])(y[to], u[i])
    return [y]


def cases(add):
    for op, opset in [("Scatter", 9), ("Scatter", 11), ("ScatterElements", 11), ("ScatterElements", 13),
                      ("ScatterElements", 16), ("ScatterElements", 18)]:
        add(op, opset, [X, AT, U], expect=elements(X, AT, U, 0, "none"))
        at, u = np.array([[3, 0], [1, 1]], np.int32), U[:, :2]
        add(op, opset, [X, at, u], axis=1, expect=elements(X, at, u, 1, "none"))
        add(op, opset, [X, Const(np.array([[-1]], np.int64)), U[:1, :1]], axis=1,
            expect=elements(X, np.array([[-1]]), U[:1, :1], 1, "none"))
    at = np.array([[2, 0], [0, 3], [2, 1]], np.int64)
    twice = np.array([[2], [0], [2]], np.int64)
    wide = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [-1, -2, -3, 20]], np.float32)
    for op in OPS:
        for opset in (16, 18):
            if op != "none":
                at2 = np.array([[0, 0, 2, 0], [0, 2, 2, -3]], np.int64)
                add("ScatterElements", opset, [X, at2, U], reduction=op, expect=elements(X, at2, U, 0, op))
            add("ScatterND", opset, [X, at, U[0, :3]], reduction=op, expect=nd(X, at, U[0, :3], op), fixed=True)
            add("ScatterND", opset, [X, Const(at), U[0, :3]], reduction=op, expect=nd(X, at, U[0, :3], op))
            add("ScatterND", opset, [X, Const(twice), wide], reduction=op, expect=nd(X, twice, wide, op))
    for opset in (11, 13):
        add("ScatterND", opset, [X, Const(at), U[0, :3]], expect=nd(X, at, U[0, :3], "none"))
        add("ScatterND", opset, [X, Const(np.array([[[-1], [0]]], np.int64)), wide[None, :2]],
            expect=nd(X, np.array([[[-1], [0]]]), wide[None, :2], "none"))
    i8 = np.array([100, 3], np.int8)
    add("ScatterElements", 18, [i8, np.array([0, 0], np.int64), i8], reduction="add", expect=[np.array([-53, 3], np.int8)])
    h = np.array([1, 2], np.float16)
    add("ScatterElements", 18, [h, np.array([1, 1], np.int64), h], reduction="mul", expect=[np.array([1, 4], np.float16)])
