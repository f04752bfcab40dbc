"""Unique, CDist, ComplexMul, Inverse and others of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(6)
draw = lambda *s: rng.integers(-8, 9, s).astype(F) / F(4)


def cases(add):
    ms = lambda name: f"com.microsoft.{name}"
    add(ms("Unique"), 1, [np.array([2, 1, 1, 3, 4, 3], F)], outputs=3, by=("ort",))
    for metric in ("euclidean", "sqeuclidean"):
        add(ms("CDist"), 1, [draw(3, 4), draw(2, 4)], by=("ort",), metric=metric, tolerance=1e-5)
    a, b = draw(2, 3, 2), draw(2, 3, 2)
    c = lambda v: v[..., 0] + 1j * v[..., 1]
    pairs = lambda z: np.stack([z.real, z.imag], -1).astype(F)
    add(ms("ComplexMul"), 1, [a, b], [pairs(c(a) * c(b))], tolerance=1e-5)
    add(ms("ComplexMulConj"), 1, [a, b], [pairs(c(a) * np.conj(c(b)))], tolerance=1e-5)
    m = draw(2, 3, 3) + np.eye(3, dtype=F) * F(0.125)
    add(ms("Inverse"), 1, [m], by=("ort",), tolerance=1e-4)
    add(ms("Inverse"), 1, [np.array([[0, 2], [1, 0]], np.float64)], by=("ort",))
    add(ms("ConvTransposeWithDynamicPads"), 1, [draw(1, 2, 3, 3), Const(draw(2, 2, 3, 3)), Const(np.array([1, 0, 0, 1]))], by=("ort",), strides=[2, 2], tolerance=1e-5)
