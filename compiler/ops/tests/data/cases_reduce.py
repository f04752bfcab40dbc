"""Reductions."""
import numpy as np

from generate import Const, Followed

F = np.float32
X = np.array([[[1, 2, 0.5], [3, 1.5, 2]], [[0.25, 4, 7], [0.5, 0.75, 8]], [[3, 2, 1], [9, 1, 0.125]]], F)
# name, versions with the attribute, versions with the input
ROWS = [
    ("ReduceL1", (1, 11, 13), (18,)), ("ReduceL2", (1, 11, 13), (18,)), ("ReduceLogSum", (1, 11, 13), (18, 28)),
    ("ReduceLogSumExp", (1, 11, 13), (18, 28)), ("ReduceMax", (1, 11, 12, 13), (18, 20)), ("ReduceMean", (1, 11, 13), (18,)),
    ("ReduceMin", (1, 11, 12, 13), (18, 20)), ("ReduceProd", (1, 11, 13), (18,)), ("ReduceSum", (1, 11), (13,)),
    ("ReduceSumSquare", (1, 11, 13), (18,)),
]


def cases(add):
    for op, old, new in ROWS:
        for v in old:
            add(op, v, [X], by=("ref",))
            add(op, v, [X], by=("ref",), axes=[1])
            add(op, v, [X], by=("ref",), axes=[0, 2], keepdims=0)
            if v >= 11:
                add(op, v, [X], by=("ref",), axes=[-1])
        for v in new:
            add(op, v, [X], by=("ref",))
            add(op, v, [X, None], by=("ref",), keepdims=0)
            add(op, v, [X, Const(np.array([], np.int64))], by=("ref",))
            add(op, v, [X, Const(np.array([1]))], by=("ref",))
            add(op, v, [X, Const(np.array([-1, 0]))], by=("ref",), keepdims=0)
            add(op, v, [-X if op in ("ReduceL1", "ReduceSumSquare") else X], by=("ref",), noop_with_empty_axes=1)
        for axes in ([1], [-1, 0], [2, 1, 0]):
            for keepdims in (0, 1):
                add(op, new[-1], [X, np.array(axes)], by=("ref",), keepdims=keepdims, fixed=True)
        add(op, new[-1], [X, np.array([], np.int64)], by=("ref",), fixed=True)
        if op in ("ReduceMax", "ReduceMin"):
            holes = np.array([[1, np.nan, 3], [np.nan, -1, 2], [4, 5, 6]], F)
            add(op, new[-1], [holes, Const(np.array([1]))], by=("ref",))
            add(op, new[-1], [holes.astype(np.float16), Const(np.array([0]))], by=("ref",))
        h = X.astype(np.float16)
        add(op, new[-1], [h, Const(np.array([2]))], by=("ref",), tolerance=5e-3)
        if "Log" not in op:
            i = np.array([[7, -8, 9], [1, 2, 4]], np.int32)
            expect = {"ReduceMean": [np.array([[2], [2]], np.int32)]}
            expect["ReduceSumSquare"] = [np.array([[194], [21]], np.int32)]  # onnx's evaluator widens it
            expect = expect.get(op)
            add(op, new[-1], [i, Const(np.array([1]))], expect, by=("ref",), tolerance=0)
            add(op, new[-1], [i.astype(np.int64)[1:], Const(np.array([1]))], by=("ref",), tolerance=0)
    for op in ("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin"):
        add(op, 13 if op == "ReduceSum" else 18, [Const(np.array([3, 5, 2]))], by=("ref",), keepdims=0, tolerance=0)
        add(op, 13 if op == "ReduceSum" else 18, [Followed([3, 5, 2])], by=("ref",), tolerance=0)
    for op in ("ReduceMax", "ReduceMin"):
        add(op, 20, [np.array([[True, False], [False, False]]), Const(np.array([1]))], by=("ref",), tolerance=0)
    add("ReduceSum", 13, [np.zeros((2, 0, 3), F), Const(np.array([1]))], by=("ref",), tolerance=0)
    add("ReduceProd", 18, [np.zeros((2, 0, 3), F), Const(np.array([1]))], by=("ref",), tolerance=0)
    inf = np.array([[-np.inf, -np.inf], [1, np.inf], [1000, 1000]], F)
    add("ReduceLogSumExp", 18, [inf, Const(np.array([1]))], [np.array([[-np.inf], [np.inf], [1000.6931]], F)])
    add("ReduceMax", 18, [np.array(3, F)], by=("ref",))
