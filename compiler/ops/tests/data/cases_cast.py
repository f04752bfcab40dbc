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
    small(add)


def small(add):
    m = ml_dtypes
    x = np.array([0.0, -0.0, 0.47, 1.0625, -1.1875, 3.5, -5.0, 7.3, 100.0, 464.0, -480.0, 1e6, -1e-9, 0.0019, np.inf, -np.inf, np.nan, 0.75, 2**-7, 2**-10], F)
    for t, n in ((m.float8_e4m3fn, T.FLOAT8E4M3FN), (m.float8_e4m3fnuz, T.FLOAT8E4M3FNUZ), (m.float8_e5m2, T.FLOAT8E5M2), (m.float8_e5m2fnuz, T.FLOAT8E5M2FNUZ)):
        top = float(m.finfo(t).max)
        sat = np.clip(x, -top, top).astype(t)
        add("Cast", 19, [x], [sat], to=n, tolerance=0)
        add("Cast", 25, [x], [x.astype(t)], to=n, saturate=0, tolerance=0)
        add("Cast", 25, [x.astype(np.float16)], [np.clip(x.astype(np.float16).astype(F), -top, top).astype(t)], to=n, tolerance=0)
        add("Cast", 25, [sat], [sat.astype(F)], to=T.FLOAT, tolerance=0)
        add("Cast", 25, [sat], [sat.astype(np.float16)], to=T.FLOAT16, tolerance=0)
        add("CastLike", 19, [x, np.zeros(1, t)], [sat], tolerance=0)
    finite = x[np.isfinite(x)]
    for t, n in ((m.float4_e2m1fn, T.FLOAT4E2M1), (m.float6_e2m3fn, T.FLOAT6E2M3), (m.float6_e3m2fn, T.FLOAT6E3M2)):
        add("Cast", 28, [finite], [finite.astype(t)], to=n, tolerance=0)
        add("Cast", 28, [finite.astype(t)], [finite.astype(t).astype(F)], to=T.FLOAT, tolerance=0)
    for t, n in ((m.int4, T.INT4), (m.uint4, T.UINT4), (m.int2, T.INT2), (m.uint2, T.UINT2)):
        i = np.arange(-20, 20).astype(np.int32)
        add("Cast", 25, [i], [i.astype(t)], to=n, tolerance=0)
        add("Cast", 25, [i.astype(F)], [i.astype(F).astype(t)], to=n, tolerance=0)
        add("Cast", 25, [i.astype(t)], [i.astype(t).astype(F)], to=T.FLOAT, tolerance=0)
        add("Cast", 25, [i.astype(t)], [i.astype(t).astype(np.int8)], to=T.INT8, tolerance=0)
    from onnx.numpy_helper import to_float8e8m0
    p = np.array([1.0, 1.5, 1.49, 3.0, 0.0, 1e-3, -7.0, 2.0**127, 3e38, np.inf, np.nan, 1e-38], F)
    for mode in ("up", "down", "nearest"):
        for saturate in (0, 1):
            add("Cast", 24, [p], [to_float8e8m0(p, bool(saturate), mode)], to=T.FLOAT8E8M0, saturate=saturate, round_mode=mode, tolerance=0)
    add("Cast", 24, [to_float8e8m0(p)], [to_float8e8m0(p).astype(F)], to=T.FLOAT, tolerance=0)
    bits = np.array([0x3F800000, 0x80000000, 7], np.uint32)
    add("BitCast", 26, [bits], [bits.view(F)], to=T.FLOAT, tolerance=0)
    add("BitCast", 26, [bits.view(F)], [bits.view(np.int32)], to=T.INT32, tolerance=0)
    nibbles = np.array([-8, -1, 7], m.int4)
    add("BitCast", 26, [nibbles], [np.array([8, 15, 7], m.uint4)], to=T.UINT4, tolerance=0)
