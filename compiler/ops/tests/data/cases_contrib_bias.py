"""com.microsoft operators that add a bias first."""
import numpy as np
from math import erf

F = np.float32
X = (np.arange(24, dtype=F).reshape(2, 3, 4) - F(11)) / F(5)
B = np.array([0.5, -0.25, 0, 1], F)
gelu = np.vectorize(lambda v: 0.5 * v * (1 + erf(v / 2**0.5)))


def cases(add):
    ms = lambda name: f"com.microsoft.{name}"
    add(ms("FastGelu"), 1, [X], by=("ort",), tolerance=1e-5)
    add(ms("FastGelu"), 1, [X, B], by=("ort",), tolerance=1e-5)
    add(ms("BiasGelu"), 1, [X, B], by=("ort",), tolerance=1e-5)
    x = (X + B).astype(np.float64)
    add(ms("BiasSplitGelu"), 1, [X, B], [(x[..., :2] * gelu(x[..., 2:])).astype(F)], tolerance=1e-5)
    add(ms("BiasAdd"), 1, [X, B, X * F(2)], [X + B + X * F(2)])
