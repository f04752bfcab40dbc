"""Softmax, LogSoftmax, Hardmax."""
import numpy as np

F = np.float32
X = np.array([[[1, 2, 3], [3, 1, 2]], [[-1, 0, 7], [0.5, 0.5, -8]]], F)


def cases(add):
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for opset, axes in [(1, [None, 0, 2]), (11, [None, 0, -1]), (13, [None, 0, 1, -1])]:
            for axis in axes:
                # ONNX Runtime only: onnx's evaluator gives all versions the meaning of 13.
                add(op, opset, [X], by=("ort",), **({} if axis is None else {"axis": axis}))
        add(op, 13, [X.astype(np.float16)], by=("ref",), tolerance=2e-3)
        add(op, 13, [X.astype(np.float64)], by=("ref",))
        add(op, 13, [np.array([[1000, 1001], [-1000, -1000]], F)], by=("ref",))
        add(op, 13, [np.zeros((2, 0), F)], [np.zeros((2, 0), F)])
