"""Softmax, LogSoftmax, Hardmax."""
import numpy as np

X = np.array([[[1, 2, 3], [3, 1, 2]], [[-1, 0, 7], [0.5, 0.5, -8]]], np.float32)


def cases(add):
    for op in ["Softmax"]:
        for opset, axes in [(1, [None, 0, 2]), (11, [None, 0, -1]), (13, [None, 0, 1, -1])]:
            for axis in axes:
                by = ("ref",) if opset < 7 and False else ("ort", "ref")
                add(op, opset, [X], by=by, **({} if axis is None else {"axis": axis}))
