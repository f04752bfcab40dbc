"""com.microsoft.MatMulNBits."""
import numpy as np

from generate import Const

F = np.float32
R = np.random.default_rng(3)


def cases(add):
    for bits, k, block, batch in ((4, 32, 16, (2,)), (4, 40, 16, (2, 3)), (4, 64, 32, (1,)), (8, 32, 16, (2,))):
        n, blocks = 3, -(-k // block)
        a = R.standard_normal(batch + (k,)).astype(F)
        q = R.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8)
        scales = (R.random((n * blocks)) * 0.1 + 0.01).astype(F)
        zeros = R.integers(0, 256, (n * -(-blocks * bits // 8))).astype(np.uint8)
        kw = dict(attributes=dict(K=k, N=n, bits=bits, block_size=block), tolerance=1e-4)
        per = 8 // bits
        unpack = lambda b, count: np.stack([(b >> (bits * i)) & (2**bits - 1) for i in range(per)], -1).reshape(n, -1)[:, :count].astype(F)
        w = unpack(q.reshape(n, -1), blocks * block).reshape(n, blocks, block)
        for given in (None, zeros):
            z = np.full((n, blocks), 2 ** (bits - 1), F) if given is None else unpack(zeros.reshape(n, -1), blocks)
            dense = ((w - z[:, :, None]) * scales.reshape(n, blocks, 1)).reshape(n, -1)[:, :k]
            want = [(a @ dense.T).astype(F)]
            add("com.microsoft.MatMulNBits", 1, [a, Const(q), Const(scales)] + ([] if given is None else [Const(zeros)]), want, **kw)
    bias = np.array([1, 2, 3], F)
    add("com.microsoft.MatMulNBits", 1, [a, Const(q), Const(scales), None, None, Const(bias)], [(a @ ((w - 128) * scales.reshape(n, blocks, 1)).reshape(n, -1)[:, :k].T + bias).astype(F)], **kw)
    # As ONNX Runtime computes it.
    add("com.microsoft.MatMulNBits", 1, [R.standard_normal((2, 32)).astype(F), Const(R.integers(0, 256, (3, 2, 8)).astype(np.uint8)), Const((R.random(6) * 0.1).astype(F)), Const(R.integers(0, 256, 3).astype(np.uint8))], by=("ort",), attributes=dict(K=32, N=3, bits=4, block_size=16), tolerance=1e-4)
    # Zero points as numbers; blocks that an index says.
    a, q = R.standard_normal((2, 32)).astype(F), Const(R.integers(0, 256, (3, 2, 8)).astype(np.uint8))
    scales, kw = Const((R.random(6) * 0.1).astype(F)), dict(by=("ort",), attributes=dict(K=32, N=3, bits=4, block_size=16), tolerance=1e-4)
    add("com.microsoft.MatMulNBits", 1, [a, q, scales, Const((R.random(6) * 15).astype(F))], **kw)
    groups = Const(R.integers(0, 2, 32).astype(np.int32))
    add("com.microsoft.MatMulNBits", 1, [a, q, scales, None, groups], **kw)
    # ONNX Runtime's CPU kernel leaves the zero points out where there is such an index: by the documentation.
    zeros, bias, g = R.integers(0, 256, 3).astype(np.uint8), np.array([1, 2, 3], F), groups.value
    low_high = lambda b: np.stack([b & 15, b >> 4], -1).reshape(3, -1).astype(F)
    dense = (low_high(q.value) - low_high(zeros)[:, g]) * scales.value.reshape(3, 2)[:, g]
    add("com.microsoft.MatMulNBits", 1, [a, q, scales, Const(zeros), groups, Const(bias)], [(a @ dense.T + bias).astype(F)], **kw)
    two = Const(R.integers(0, 256, (3, 2, 4)).astype(np.uint8))
    kw["attributes"] = dict(kw["attributes"], bits=2)
    add("com.microsoft.MatMulNBits", 1, [a, two, scales, Const(R.integers(0, 256, 3).astype(np.uint8))], **kw)
