"""MurmurHash3 of com.microsoft, of numbers; runtime/src/objects/tests.rs has strings."""
import numpy as np


def cases(add):
    arrays = [
        np.array([[1, -2, 3], [0, 2**31 - 1, -2**31]], np.int32),
        np.array([1, 2**32 - 1], np.uint32),
        np.array([1, -5, 2**40 + 3], np.int64),
        np.array([1, 2**63], np.uint64),
        np.array([[1.5, 0, -0.0]], np.float32),
        np.array([-1.5, 1e300], np.float64),
        np.array(7, np.int32),
        np.zeros((0, 2), np.int64),
    ]
    for x in arrays:
        for attrs in ({}, {"positive": 0, "seed": 42}, {"positive": 1, "seed": -1}):
            add("com.microsoft.MurmurHash3", 1, [x], by=("ort",), **attrs)
