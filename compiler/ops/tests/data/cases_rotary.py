"""RotaryEmbedding."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(1)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)
    ids = np.array([[0, 2, 1], [3, 0, -1]], np.int64)
    op = "RotaryEmbedding"
    x4, x3 = f(2, 2, 3, 4), f(2, 3, 8)
    add(op, 23, [x4, f(4, 2), f(4, 2), ids], by=("ref",))
    add(op, 23, [x4, f(4, 2), f(4, 2), ids], by=("ref",), interleaved=1)
    add(op, 23, [x4, f(2, 3, 2), f(2, 3, 2)], by=("ref",))
    add(op, 23, [x4, f(2, 3, 1), f(2, 3, 1)], by=("ref",), rotary_embedding_dim=2)
    add(op, 23, [x4, f(2, 3, 1), f(2, 3, 1)], by=("ref",), rotary_embedding_dim=2, interleaved=1)
    add(op, 23, [x3, f(4, 2), f(4, 2), ids], by=("ref",), num_heads=2)
    add(op, 23, [x3, f(2, 3, 1), f(2, 3, 1)], by=("ref",), num_heads=2, rotary_embedding_dim=2, interleaved=1)
    h = [v.astype(np.float16) for v in (x4, f(2, 3, 2), f(2, 3, 2))]
    add(op, 23, h, by=("ref",), tolerance=4e-3)
