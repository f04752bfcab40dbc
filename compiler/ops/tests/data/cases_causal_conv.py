"""CausalConvWithState."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(2)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)
    op = "CausalConvWithState"
    x, w, b, past = f(2, 3, 5), f(3, 1, 3), f(3), f(2, 3, 2)
    for activation in ("none", "silu", "swish"):
        add(op, 27, [x, w], by=("ref",), outputs=2, activation=activation)
        add(op, 27, [x, w, b, past], by=("ref",), outputs=2, activation=activation)
    add(op, 27, [x, w, None, past], by=("ref",), outputs=2)
    add(op, 27, [x, w, b], by=("ref",), outputs=1)
    add(op, 27, [x[..., :1], w, b, past], by=("ref",), outputs=2)
    add(op, 27, [x[..., :1], w], by=("ref",), outputs=2)
    add(op, 27, [x, w[..., :1]], by=("ref",), outputs=2)
    add(op, 27, [v.astype(np.float16) for v in (x, w, b, past)], by=("ref",), outputs=2, tolerance=4e-3)
