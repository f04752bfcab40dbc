"""com.microsoft.MatMulBnb4."""
import numpy as np

from generate import Const

F = np.float32
R = np.random.default_rng(4)


def cases(add):
    for kind, n, k, block in ((0, 3, 32, 16), (1, 3, 32, 16), (1, 5, 24, 16), (0, 2, 64, 64)):
        q = Const(R.integers(0, 256, (n * k + 1) // 2).astype(np.uint8))
        scales = Const((R.random(-(-n * k // block)) * 0.5 + 0.1).astype(F))
        kw = dict(by=("ort",), tolerance=1e-5, attributes=dict(K=k, N=n, block_size=block, quant_type=kind))
        add("com.microsoft.MatMulBnb4", 1, [R.standard_normal((2, k)).astype(F), q, scales], **kw)
