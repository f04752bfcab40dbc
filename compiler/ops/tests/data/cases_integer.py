"""Operators of onnxc's own on integers: expectations follow the rule that compiler/ops/src/ops/integer states."""
import numpy as np

from generate import Const

R = np.random.default_rng(5)
u8 = lambda *s: R.integers(0, 256, s).astype(np.uint8)
i8 = lambda *s: R.integers(-128, 128, s).astype(np.int8)
i32 = lambda v: np.array(v, np.int32)


def rule(a, m, s, zero, low, top, t, pre=0):
    high = ((a.astype(np.int64) << pre) * np.asarray(m, np.int64)) >> 32
    s = np.asarray(s, np.int64)
    return [np.clip(zero + ((high + (1 << (s - 1))) >> s), low, top).astype(t)]


def cases(add):
    own = lambda op, inputs, expect, **kw: add(f"onnxc.{op}", 1, inputs, expect, tolerance=0, **kw)
    i8out, u8out = dict(zero=-3, low=-128, top=127, to=3), dict(zero=9, low=9, top=255, to=2)
    limits = lambda o: (o["zero"], o["low"], o["top"], np.int8 if o["to"] == 3 else np.uint8)
    # Convolution: 1x1 windows by hand as a product, and one with padding.
    x, w, b = i8(1, 3, 2, 2), i8(4, 3, 1, 1), i32([1000, -1000, 50, 0])
    m = i32([2**30, 2**31 - 1, 1500000000, 7])
    sums = np.einsum("nchw,oc->nohw", x.astype(np.int64), w[:, :, 0, 0].astype(np.int64)) + b.reshape(1, 4, 1, 1)
    own("IntegerConv", [x, Const(w), Const(b), Const(m)], rule(sums, m.reshape(1, 4, 1, 1), 5, *limits(i8out)), shift=5, pad=4, **i8out)
    s = i32([5, 9, 1, 31])
    own("IntegerConv", [x, Const(w), Const(b), Const(m), Const(s)], rule(sums, m.reshape(1, 4, 1, 1), s.reshape(1, 4, 1, 1), *limits(u8out)), **u8out)
    x, w = u8(1, 2, 3, 4), i8(2, 1, 3, 3)
    p = np.pad(x.astype(np.int64), ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=77)
    sums = np.zeros((1, 2, 3, 4), np.int64)
    for c in range(2):
        for i in range(3):
            for j in range(3):
                sums[0, c] += p[0, c, i:i + 3, j:j + 4] * int(w[c, 0, i, j])
    own("IntegerConv", [x, Const(w), None, Const(i32([2**30]))], rule(sums, 2**30, 4, *limits(u8out)), shift=4, pad=77, pads=[1, 1, 1, 1], group=2, **u8out)
    # Products of matrices.
    a, w, b = i8(3, 5), i8(5, 2), i32([7, -9])
    sums = a.astype(np.int64) @ w.astype(np.int64) + b
    own("IntegerMatMul", [a, Const(w), Const(b), Const(i32([2**30, 2**30 + 5]))], rule(sums, [2**30, 2**30 + 5], 6, *limits(i8out)), shift=6, **i8out)
    own("IntegerMatMul", [a, Const(np.ascontiguousarray(w.T)), Const(b), Const(i32([2**30]))], rule(sums, 2**30, 6, *limits(i8out)), shift=6, transB=1, **i8out)
    c = u8(2, 5, 4)
    sums = (a.astype(np.int64) - 3) @ (c.astype(np.int64) - 100)
    own("IntegerMatMul", [a, c, None, Const(i32([2**30]))], rule(sums, 2**30, 8, *limits(u8out)), shift=8, a_zero=3, b_zero=100, **u8out)
    # Pointwise.
    a, b = i8(2, 3), u8(1, 3)
    sums = a.astype(np.int64) * 300000 + b.astype(np.int64) * -70000 + 12345
    own("IntegerAdd", [a, b], [np.clip(-3 + ((sums + 2**17) >> 18), -128, 127).astype(np.int8)], ma=300000, mb=-70000, c=12345, shift=18, **i8out)
    product = (a.astype(np.int64) + 4) * (b.astype(np.int64) - 90)
    own("IntegerMul", [a, b, Const(i32([1900000000]))], rule(product, 1900000000, 3, *limits(u8out), pre=2), shift=3, pre=2, a_zero=-4, b_zero=90, **u8out)
    t = u8(256)
    own("IntegerTable", [a, Const(t)], [t[a.astype(int) + 128]])
    own("IntegerTable", [b, Const(t.view(np.int8))], [t.view(np.int8)[b.astype(int)]])
    # Means.
    x = i8(1, 2, 4, 4)
    sums = x.astype(np.int64).reshape(1, 2, 2, 2, 2, 2).sum(axis=(3, 5)) - 40
    own("IntegerAverage", [x, Const(i32([2**30]))], rule(sums, 2**30, 1, *limits(i8out)), shift=1, bias=-40, kernel_shape=[2, 2], strides=[2, 2], **i8out)
    sums = x.astype(np.int64).sum(axis=(2, 3), keepdims=True)
    own("IntegerAverage", [x, Const(i32([2**30]))], rule(sums, 2**30, 3, *limits(i8out)), shift=3, **i8out)
    # Softmax.
    x = i8(2, 6)
    e = np.round(2**16 * np.exp(-np.arange(256) * 0.03)).astype(np.int32)
    v = e[x.max(axis=1, keepdims=True).astype(int) - x.astype(int)].astype(np.int64)
    d = v.sum(axis=1, keepdims=True) << 4
    own("IntegerSoftmax", [x, Const(e)], [np.clip(-128 + (v * (256 << 4) + (d >> 1)) // d, -128, 127).astype(np.int8)], axis=1, factor=256 << 4, zero=-128, low=-128, top=127, to=3, shift=4)
