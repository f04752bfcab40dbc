"""com.microsoft operators on quantised tensors."""
import numpy as np

from generate import Const

F = np.float32
R = np.random.default_rng(11)
u8 = lambda *s: R.integers(0, 256, s).astype(np.uint8)
i8 = lambda *s: R.integers(-128, 128, s).astype(np.int8)
s = lambda v: np.array(v, F)
z = lambda v: np.array(v, np.uint8)
zi = lambda v: np.array(v, np.int8)


def cases(add):
    ms = lambda op, inputs, **kw: add(f"com.microsoft.{op}", 1, inputs, by=("ort",), tolerance=kw.pop("tolerance", 0), **kw)
    ms("QLinearAdd", [u8(2, 3), s(0.02), z(120), u8(2, 3), s(0.03), z(5), s(0.05), z(40)])
    ms("QLinearAdd", [i8(2, 3), s(0.0213), zi(-7), i8(1, 3), s(0.0317), zi(5), s(0.0411), zi(4)])
    ms("QLinearMul", [u8(2, 3), s(0.02), z(120), u8(2, 1), s(0.03), z(5), s(0.05), z(40)])
    ms("QLinearSigmoid", [u8(4, 4), s(0.04), z(128), s(1 / 256), z(0)])
    ms("QLinearLeakyRelu", [i8(4, 4), s(0.04), zi(10), s(0.03), zi(-5)], alpha=0.1)
    ms("QLinearSoftmax", [i8(3, 5), Const(s(0.05)), Const(zi(3)), Const(s(1 / 256)), Const(zi(-128))], attributes={"axis": 1, "opset": 13})
    ms("QLinearAveragePool", [u8(1, 2, 4, 4), s(0.03), z(100), s(0.02), z(90)], kernel_shape=[2, 2], strides=[2, 2])
    ms("QLinearAveragePool", [i8(1, 2, 4, 5), s(0.0317), zi(10), s(0.0213), zi(9)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    ms("QLinearGlobalAveragePool", [u8(2, 3, 4, 5), s(0.03), z(100), s(0.02), z(90)], channels_last=0)
    ms("QLinearConcat", [s(0.03), z(7), u8(2, 3), s(0.02), z(3), u8(2, 2), s(0.05), z(9)], axis=1)
    ms("QLinearWhere", [np.array([[True], [False]]), u8(2, 3), s(0.02), z(3), u8(2, 3), s(0.05), z(9), s(0.04), z(1)])
    b = np.array([100, -2000, 33], np.int32)
    ms("QGemm", [u8(2, 4), s(0.02), z(120), i8(4, 3), Const(np.array([0.01, 0.02, 0.005], F)), Const(np.zeros(3, np.int8)), Const(b), s(0.05), z(100)])
    ms("QGemm", [i8(2, 4), Const(s(0.02)), Const(zi(12)), Const(i8(3, 4)), Const(np.array([0.01, 0.02, 0.005], F)), Const(np.zeros(3, np.int8)), Const(b), Const(s(0.05)), Const(zi(1))], transB=1)
    ms("QGemm", [u8(2, 4), s(0.02), z(120), u8(4, 3), s(0.01), z(7)], alpha=2.0, tolerance=1e-5)
    ms("MatMulIntegerToFloat", [u8(2, 4), i8(4, 3), s(0.02), s(0.01), z(120), zi(3), np.array([1, 2, 3], F)], tolerance=1e-5)
    ms("MatMulIntegerToFloat", [u8(2, 4), i8(4, 3), s(0.02), np.array([0.01, 0.02, 0.03], F)], tolerance=1e-5)
    x = R.standard_normal((2, 4)).astype(F)
    ms("DynamicQuantizeMatMul", [x, Const(i8(4, 3)), Const(s(0.02)), Const(zi(3)), Const(np.array([1, 2, 3], F))], tolerance=1e-5)
    ms("QuantizeLinear", [x, Const(s(0.02)), Const(np.array(300, np.uint16))])
    ms("DequantizeLinear", [u8(2, 4), s(0.02), z(3)], tolerance=1e-6)
    # Attention: weights of queries, keys and values side by side.
    e = R.standard_normal(12).astype(F)
    mask = np.array([3, 2], np.int32)
    for given in (None, mask):
        ms("QAttention", [u8(2, 3, 4), i8(4, 12), Const(e), Const(s(0.02)), Const(s(0.01)), given, Const(z(120)), Const(zi(3))], attributes={"num_heads": 2}, tolerance=1e-4)
    # Channels last.
    ms("QLinearAveragePool", [u8(1, 4, 4, 2), s(0.0317), z(100), s(0.0213), z(90)], kernel_shape=[2, 2], strides=[2, 2], channels_last=1)
    ms("QLinearGlobalAveragePool", [i8(2, 4, 5, 3), s(0.03), zi(10), s(0.02), zi(9)], channels_last=1)
    w, scale = Const(i8(4, 3, 3, 3)), Const(np.array([0.01, 0.02, 0.03, 0.005], F))
    conv = lambda x: [x, Const(s(0.02)), Const(z(120)), w, scale, Const(np.zeros(4, np.int8)), Const(s(0.5)), Const(z(110)), Const(np.array([9, -90, 0, 1], np.int32))]
    ms("QLinearConv", conv(u8(1, 5, 4, 3) // 2), channels_last=1, pads=[1, 1, 1, 1])
    ms("QLinearConv", conv(u8(1, 3, 5, 4) // 2), channels_last=0, strides=[2, 1])
    # Embeddings: tables of words, positions and segments, gamma, beta.
    ids = lambda n: R.integers(0, n, (2, 3)).astype(np.int32)
    tables = [u8(5, 8), u8(4, 8), u8(2, 8), u8(8), u8(8)]
    scales, zeros = [Const(s(0.01 + 0.003 * i)) for i in range(5)], [Const(z(100 + i)) for i in range(5)]
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int32)
    ms("QEmbedLayerNormalization", [ids(5), ids(2), *map(Const, tables), mask, *scales, *zeros], outputs=2, tolerance=1e-5)
    none = lambda five: [v if i != 2 else None for i, v in enumerate(five)]
    ms("QEmbedLayerNormalization", [ids(5), None, *none(list(map(Const, tables))), None, *none(scales), *none(zeros)], outputs=2, tolerance=1e-5)
