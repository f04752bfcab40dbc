"""ConvInteger, MatMulInteger, QLinearConv, QLinearMatMul."""
import ml_dtypes as m
import numpy as np

from generate import Const

R = np.random.default_rng(7)
u8 = lambda *s: R.integers(0, 256, s).astype(np.uint8)
i8 = lambda *s: R.integers(-128, 128, s).astype(np.int8)
F = np.float32
s = lambda v: np.array(v, F)


def cases(add):
    add("ConvInteger", 10, [u8(1, 2, 4, 5), u8(3, 2, 2, 3)], tolerance=0)
    add("ConvInteger", 10, [u8(1, 2, 4, 5), u8(3, 2, 2, 3), np.uint8(131)], tolerance=0)
    add("ConvInteger", 10, [u8(1, 2, 4, 5), u8(3, 2, 2, 3), Const(np.uint8(131)), np.uint8(7)], pads=[1, 0, 1, 2], strides=[2, 1], tolerance=0)
    add("ConvInteger", 10, [u8(2, 4, 5), u8(4, 1, 3), np.uint8(9)], pads=[1, 1], group=4, dilations=[2], tolerance=0)
    add("MatMulInteger", 10, [u8(4, 3), u8(3, 2), np.uint8(12), np.uint8(0)], tolerance=0)
    add("MatMulInteger", 10, [u8(4, 3), i8(3, 2), np.uint8(12), np.array([3, -4], np.int8)], tolerance=0)
    a, b, z = u8(2, 4, 3), i8(2, 3, 2), np.array([1, 2, 3, 4], np.uint8)
    add("MatMulInteger", 10, [a, b, z], [(a.astype(np.int32) - z.reshape(4, 1)) @ b.astype(np.int32)], tolerance=0)
    for v in (10, 21):
        add("QLinearMatMul", v, [u8(2, 4), s(0.0066), np.uint8(113), u8(4, 3), s(0.00705), np.uint8(114), s(0.0107), np.uint8(118)], tolerance=0)
    add("QLinearMatMul", 10, [i8(2, 2, 4), s(0.01), np.int8(3), i8(4, 3), Const(np.array([0.01, 0.02, 0.005], F)), Const(np.zeros(3, np.int8)), s(0.02), np.int8(-3)], tolerance=0)
    # A list on the right is a column; the left rows have scales of their own.
    a, b, rows = i8(2, 3, 4), i8(4), np.array([0.01, 0.02, 0.03], F)
    sums = (a.astype(np.int64) @ b.astype(np.int64)).astype(F)
    want = [np.clip(np.rint(sums * (rows * F(0.01) / F(0.13))) + 5, -128, 127).astype(np.int8)]
    add("QLinearMatMul", 21, [a, rows, np.zeros(3, np.int8), b, s(0.01), np.int8(0), s(0.13), np.int8(5)], want, tolerance=0)
    # Floats of 8 bits: products of the numbers, summed in f32; what is too large becomes the greatest one.
    for t in (m.float8_e4m3fn, m.float8_e4m3fnuz, m.float8_e5m2, m.float8_e5m2fnuz):
        a, b = R.normal(size=(2, 3)).astype(t), (R.normal(size=(3, 4)) * 4).astype(t)
        for ys in (0.25, 1e-5):
            y = a.astype(F) @ b.astype(F) * (F(0.5) * F(2) / F(ys))
            top = F(m.finfo(t).max)
            want = [np.clip(y, -top, top).astype(t)]
            add("QLinearMatMul", 21, [a, s(0.5), np.zeros((), t), b, s(2), np.zeros((), t), s(ys), np.zeros((), t)], want, tolerance=0)
    a, b = u8(2, 3), R.normal(size=(3, 2)).astype(m.float8_e5m2)
    want = [((a.astype(F) - 3) @ b.astype(F) * (F(0.5) * F(2) / F(0.25))).astype(m.float8_e5m2)]
    add("QLinearMatMul", 21, [a, s(0.5), np.uint8(3), b, s(2), np.zeros((), m.float8_e5m2), s(0.25), np.zeros((), m.float8_e5m2)], want, tolerance=0)
    x, w = u8(1, 2, 5, 5), u8(3, 2, 3, 3)
    add("QLinearConv", 10, [x, s(0.004), np.uint8(132), w, s(0.002), np.uint8(255), s(0.02), np.uint8(123)], tolerance=0)
    b = np.array([500, -700, 3], np.int32)
    add("QLinearConv", 10, [x, s(0.004), np.uint8(132), w, s(0.002), Const(np.uint8(120)), s(0.02), np.uint8(123), b], pads=[1, 1, 1, 1], tolerance=0)
    w = i8(4, 1, 3, 3)
    add("QLinearConv", 10, [i8(1, 4, 5, 4), Const(s(0.01)), Const(np.int8(5)), Const(w), Const(np.array([0.01, 0.02, 0.003, 0.004], F)), Const(np.zeros(4, np.int8)), Const(s(0.05)), Const(np.int8(-7)), Const(np.array([1, 2, 3, 4], np.int32))], group=4, auto_pad="SAME_UPPER", strides=[2, 1], tolerance=0)
