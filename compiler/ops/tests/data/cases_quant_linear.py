"""QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear."""
import ml_dtypes as m
import numpy as np
from onnx import TensorProto as T

from generate import Const

F = np.float32
X = np.array([[[-3.2, 0.5, 1.5], [2.5, 127.0, 300.0]], [[-0.49, 1e6, -1e6], [7.0, -64.5, 12.25]]], F)
S, A = np.array(0.5, F), np.array([0.5, 2.0], F)
Q = (10, 13, 19, 21, 23, 24, 25)


def q(x, scale, zero, lo, hi, t):
    return [np.clip(np.rint(x / scale) + zero, lo, hi).astype(t)]


def cases(add):
    for v in Q + (28,):
        add("QuantizeLinear", v, [X, S, np.array(3, np.uint8)], q(X, S, 3, 0, 255, np.uint8), tolerance=0)
        d = np.array([[0, 3, 255], [4, 100, 128]], np.uint8)
        add("DequantizeLinear", v, [d, S, np.array(128, np.uint8)], [(d.astype(F) - 128) * S])
    by_axis = A.reshape(1, 2, 1)
    add("QuantizeLinear", 13, [X, A, np.array([3, -4], np.int8)], q(X, by_axis, np.array([3, -4]).reshape(1, 2, 1), -128, 127, np.int8), tolerance=0)
    add("QuantizeLinear", 13, [X, Const(A), Const(np.array([3, -4], np.int8))], q(X, by_axis, np.array([3, -4]).reshape(1, 2, 1), -128, 127, np.int8), axis=-2, tolerance=0)
    add("QuantizeLinear", 19, [X, Const(S)], q(X, S, 0, 0, 255, np.uint8), tolerance=0)
    add("QuantizeLinear", 10, [np.array([3, -500, 7], np.int32), S, np.array(0, np.int8)], tolerance=0)
    add("QuantizeLinear", 21, [X, S], q(X, S, 0, -32768, 32767, np.int16), output_dtype=T.INT16, tolerance=0)
    add("QuantizeLinear", 21, [X, S, np.array(100, np.uint16)], q(X, S, 100, 0, 65535, np.uint16), tolerance=0)
    for t, n, lo, hi in ((m.int4, T.INT4, -8, 7), (m.uint4, T.UINT4, 0, 15), (m.int2, T.INT2, -2, 1), (m.uint2, T.UINT2, 0, 3)):
        add("QuantizeLinear", 25, [X, S], q(X, S, 0, lo, hi, t), output_dtype=n, tolerance=0)
        add("QuantizeLinear", 25, [X, A, np.array([1, 0]).astype(t)], q(X, by_axis, np.array([1, 0]).reshape(1, 2, 1), lo, hi, t), tolerance=0)
        w = np.array([[0, 1, 1], [lo, hi, 0]]).astype(t)
        add("DequantizeLinear", 25, [w, S], [w.astype(F) * S])
        add("DequantizeLinear", 25, [w, A, np.array([1, 0]).astype(t)], [(w.astype(F) - np.array([[1], [0]], F)) * A.reshape(2, 1)], axis=0)
    for t in (m.float8_e4m3fn, m.float8_e4m3fnuz, m.float8_e5m2, m.float8_e5m2fnuz):
        top = float(m.finfo(t).max)
        add("QuantizeLinear", 19, [X, S, np.zeros((), t)], [np.clip(X / S, -top, top).astype(t)], tolerance=0)
        add("QuantizeLinear", 19, [X, S, np.zeros((), t)], [(X / S).astype(t)], saturate=0, tolerance=0)
        w = np.array([[0, -1, 1.5], [-240, 12, 0.125]]).astype(t)
        add("DequantizeLinear", 19, [w, S, np.zeros((), t)], [w.astype(F) * S])
    for t, n in ((m.float4_e2m1fn, T.FLOAT4E2M1), (m.float6_e2m3fn, T.FLOAT6E2M3), (m.float6_e3m2fn, T.FLOAT6E3M2)):
        add("QuantizeLinear", 28, [X, S], [(X / S).astype(t)], output_dtype=n, tolerance=0)
        w = np.array([[0, -1, 1.5], [6, 2, 0.5]]).astype(t)
        add("DequantizeLinear", 28, [w, A], [w.astype(F) * A.reshape(2, 1)], axis=0)
    # Blocks of two along the last axis of three: the last block is short.
    b = np.array([[[1, 2], [0.5, 4]], [[2, 8], [0.25, 1]]], F)
    wide = np.repeat(b, 2, axis=2)[:, :, :3]
    z = np.arange(8).reshape(2, 2, 2).astype(np.uint8)
    add("QuantizeLinear", 21, [X, b, z], q(X, wide, np.repeat(z, 2, axis=2)[:, :, :3], 0, 255, np.uint8), axis=2, block_size=2, tolerance=0, fixed=True)
    d = np.arange(12).reshape(2, 2, 3).astype(np.int8)
    add("DequantizeLinear", 21, [d, b], [d * wide], axis=-1, block_size=2, fixed=True)
    # Half precision: the quotient is rounded to it.
    h = X.astype(np.float16)
    add("QuantizeLinear", 19, [h, np.array(0.3, np.float16), np.array(1, np.uint8)], q((h / np.float16(0.3)).astype(F), 1, 1, 0, 255, np.uint8), tolerance=0)
    add("QuantizeLinear", 23, [X, S, np.array(3, np.uint8)], q((h / np.float16(0.5)).astype(F), 1, 3, 0, 255, np.uint8), precision=T.FLOAT16, tolerance=0)
    add("DequantizeLinear", 19, [d, np.array(0.3, np.float16)], [(d.astype(F) * F(np.float16(0.3))).astype(np.float16)], tolerance=0)
    add("DequantizeLinear", 23, [d, S], [(d * S).astype(m.bfloat16)], output_dtype=T.BFLOAT16, tolerance=0)
    power = np.array([0.5, 4.0]).astype(m.float8_e8m0fnu)
    add("DequantizeLinear", 23, [d, power], [d * np.array([0.5, 4.0], F).reshape(1, 2, 1)], output_dtype=T.FLOAT)
    add("DequantizeLinear", 10, [np.array([100000, -7, 2**30], np.int32), S], tolerance=0)
    add("DequantizeLinear", 13, [d, A, np.array([1, -1], np.int8)], [(d - np.array([1, -1], F).reshape(1, 2, 1)) * by_axis])
    for x in (np.array([0, 2, -3, -2.5, 1.34, 0.5], F), np.array([-1.0, -2.1, -1.3, -2.5], F), np.array([[1.0, 2.1], [1.3, 2.5]], F), np.zeros(3, F)):
        add("DynamicQuantizeLinear", 11, [x], outputs=3)
