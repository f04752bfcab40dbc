"""Cast and CastLike."""
import ml_dtypes
import numpy as np
from onnx import TensorProto as T

from generate import Const, Followed

F = np.float32
X = np.array([[-1.5, 0.0, 2.5], [3.99, 100.0, -0.2]], F)


def cases(add):
    add("Cast", 1, [X], [X.astype(np.int32)], to="INT32", tolerance=0)
    add("Cast", 1, [X], [X.astype(np.float16)], to="FLOAT16", tolerance=0)
    for v in (6, 9, 13, 19, 21, 23, 24, 25, 28):
        add("Cast", v, [X], [X.astype(np.int64)], to=T.INT64, tolerance=0)
        add("Cast", v, [X], [X.astype(bool)], to=T.BOOL, tolerance=0)
    add("Cast", 24, [X], [X.astype(np.float64)], to=T.DOUBLE, saturate=0, round_mode="nearest", tolerance=0)
    for v in (15, 19, 21, 23, 24, 25):
        add("CastLike", v, [X, np.zeros((3, 4), np.int16)], [X.astype(np.int16)], tolerance=0)
    i = np.array([0, 1, -56, 200, 70000], np.int64)
    for t, n in ((np.int8, T.INT8), (np.uint8, T.UINT8), (np.uint16, T.UINT16), (np.int32, T.INT32), (np.uint64, T.UINT64), (np.float32, T.FLOAT), (bool, T.BOOL), (ml_dtypes.bfloat16, T.BFLOAT16)):
        add("Cast", 25, [i], [i.astype(t)], to=n, tolerance=0)
    h = X.astype(np.float16)
    add("Cast", 25, [h], [h.astype(ml_dtypes.bfloat16)], to=T.BFLOAT16, tolerance=0)
    add("Cast", 25, [h], [h.astype(np.int8)], to=T.INT8, tolerance=0)
    add("Cast", 25, [np.array([True, False])], [np.array([1, 0], F)], to=T.FLOAT, tolerance=0)
    # Out of range: the standard leaves it open; here it saturates.
    wide = np.array([np.nan, np.inf, -1e20, 300], F)
    add("Cast", 25, [wide], [np.array([0, 127, -128, 127], np.int8)], to=T.INT8, tolerance=0)
    add("Cast", 25, [Const(np.array([3, 0, 7]))], [np.array([3, 0, 7], np.int32)], to=T.INT32, tolerance=0)
    add("Cast", 25, [Const(np.array([3, 0, 7]))], [np.array([True, False, True])], to=T.BOOL, tolerance=0)
    add("Cast", 25, [Followed([3, 0, 7])], [np.array([3, 0, 7], np.int32)], to=T.INT32, tolerance=0)
    add("Cast", 25, [Followed([3, 0, 7])], [np.array([3, 0, 7], F)], to=T.FLOAT, tolerance=0)
