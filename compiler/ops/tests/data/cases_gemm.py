"""Gemm: factors, transposition, the addend's extents, the versions."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(3)


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / (1 if np.issubdtype(t, np.integer) else 4)).astype(t)


def cases(add):
    for v in (1, 6):
        a, b, c = x(2, 3), x(3, 4), x(4)
        full = x(2, 4)
        add("Gemm", v, [a, b, full], [a @ b + full])
        add("Gemm", v, [a, b, c], [F(0.5) * (a @ b) + F(2) * c], broadcast=1, alpha=0.5, beta=2.0)
    for v in (7, 9, 11, 13):
        add("Gemm", v, [x(2, 3), x(3, 4), x(4)])
    for c in ((), (1,), (4,), (1, 4), (2, 1), (2, 4), (1, 1)):
        add("Gemm", 13, [x(2, 3), x(3, 4), x(*c)], alpha=0.5, beta=0.25)
        add("Gemm", 13, [x(2, 3), x(3, 4), Const(x(*c))], beta=2.0)
    add("Gemm", 13, [x(3, 2), x(3, 4)], transA=1)
    add("Gemm", 13, [x(2, 3), Const(x(4, 3)), Const(x(4))], transB=1)
    add("Gemm", 13, [x(3, 2), x(4, 3), x(4)], transA=1, transB=1, alpha=2.0)
    add("Gemm", 13, [x(2, 3), x(3, 4), np.full((4,), np.nan, F)], beta=0.0)
    add("Gemm", 13, [x(2, 3, t=np.float64), x(3, 4, t=np.float64), x(4, t=np.float64)], by=("ref",), alpha=0.5)
    add("Gemm", 13, [x(2, 3, t=np.int32), x(3, 4, t=np.int32), x(4, t=np.int32)], by=("ref",))
    add("Gemm", 13, [x(2, 3, t=np.int64), x(3, 4, t=np.int64), x(4, t=np.int64)], by=("ref",), alpha=3.0, beta=2.0)
    add("Gemm", 13, [x(2, 3, t=np.float16), x(3, 2, t=np.float16), x(2, t=np.float16)], by=("ref",), tolerance=2e-3)
