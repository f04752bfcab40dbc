"""Transpose."""
import numpy as np

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def cases(add):
    for opset in (1, 13, 21, 23, 24, 25):
        add("Transpose", opset, [X], expect=[X.T])
        add("Transpose", opset, [X], perm=[1, 2, 0], expect=[X.transpose(1, 2, 0)])
    add("Transpose", 13, [np.float32(2)], expect=[np.float32(2)])
    add("Transpose", 13, [np.zeros((0, 3), bool)], expect=[np.zeros((3, 0), bool)])
    add("Transpose", 13, [np.array([[1, 2], [3, 4]], np.int64)], expect=[np.array([[1, 3], [2, 4]], np.int64)])
