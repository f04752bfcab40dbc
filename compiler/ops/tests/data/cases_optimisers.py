"""Adagrad, Adam, Momentum."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(5)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)
    p = lambda *s: np.round(r.random(s) + 0.1, 3).astype(F)
    rate, step = np.array(0.1, F), lambda v: np.array(v, np.int64)
    grad = dict(norm_coefficient=0.001, decay_factor=0.1, epsilon=1e-5)
    d = "ai.onnx.preview.training"
    for t in (0, 2):
        add(f"{d}.Adagrad", 1, [rate, step(t), f(2), f(2), p(2)], outputs=2, by=("ref",), **grad)
        add(f"{d}.Adagrad", 1, [rate, step(t), f(2), f(1, 3), f(2), f(1, 3), p(2), p(1, 3)], outputs=4, by=("ref",), **grad)
        moments = dict(norm_coefficient=0.001, alpha=0.95, beta=0.1, epsilon=1e-7, norm_coefficient_post=0.01)
        add(f"{d}.Adam", 1, [rate, step(t), f(3), f(3), f(3), p(3)], outputs=3, by=("ref",), **moments)
        add(f"{d}.Adam", 1, [rate, step(t), f(2), f(1), f(2), f(1), f(2), f(1), p(2), p(1)], outputs=6, by=("ref",), **moments)
        for mode in ("standard", "nesterov"):
            kind = dict(norm_coefficient=0.001, alpha=0.95, beta=0.1, mode=mode)
            add(f"{d}.Momentum", 1, [rate, step(t), f(2, 2), f(2, 2), f(2, 2)], outputs=2, by=("ref",), **kind)
            add(f"{d}.Momentum", 1, [rate, step(t), f(2), f(1), f(2), f(1), f(2), f(1)], outputs=4, by=("ref",), **kind)
