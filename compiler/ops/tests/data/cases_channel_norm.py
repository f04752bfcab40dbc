"""BatchNormalization, InstanceNormalization, GroupNormalization, LRN."""
import numpy as np

F = np.float32
X = (np.arange(48, dtype=F).reshape(2, 4, 3, 2) ** 2) % 17 - 5
S, B, M = np.array([1, -2, 0.5, 3], F), np.array([0, 1, -1, 0.25], F), np.array([0.5, 1, 2, -3], F)
V = np.array([1, 4, 0.25, 2], F)


def batch(x, s, b, m, v, epsilon=1e-5):
    if s.ndim == 1:
        s, b, m, v = (a.reshape(-1, *[1] * (x.ndim - 2)) for a in (s, b, m, v))
    return [((x.astype(np.float64) - m) / np.sqrt(v + epsilon) * s + b).astype(x.dtype)]


def group(x, s, b, groups, epsilon=1e-5):
    n, c = x.shape[:2]
    y = x.astype(np.float64).reshape(n, groups, -1)
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + epsilon)
    s, b = (np.repeat(a, c // len(a)).reshape(-1, *[1] * (x.ndim - 2)) for a in (s, b))
    return [(y.reshape(x.shape) * s + b).astype(x.dtype)]


def lrn(x, size, alpha=1e-4, beta=0.75, bias=1.0):
    lo, hi = (size - 1) // 2, size // 2
    square = np.pad(x.astype(np.float64) ** 2, [(0, 0), (lo, hi)] + [(0, 0)] * (x.ndim - 2))
    total = sum(square[:, k : k + x.shape[1]] for k in range(size))
    return [(x / (bias + alpha / size * total) ** beta).astype(x.dtype)]


def cases(add):
    op = "BatchNormalization"
    for v, attrs in ((1, {"is_test": 1, "consumed_inputs": [0, 0, 0, 1, 1]}), (6, {"is_test": 1}), (7, {}), (9, {"momentum": 0.8}), (14, {}), (15, {"training_mode": 0})):
        add(op, v, [X, S, B, M, V], batch(X, S, B, M, V), tolerance=1e-5, **attrs)
    add(op, 15, [X, S, B, M, V], batch(X, S, B, M, V, 0.1), epsilon=0.1, tolerance=1e-5)
    full = [np.linspace(a, a + 2, 24, dtype=F).reshape(4, 3, 2) for a in (1, -1, 0, 0.5)]
    for v in (1, 6, 7):
        add(op, v, [X, *full], batch(X, *full), spatial=0, tolerance=1e-5)
    flat = X[:, :, 0, 0]
    add(op, 9, [flat, S, B, M, V], batch(flat, S, B, M, V), tolerance=1e-5)
    one = [a[:1] for a in (S, B, M, V)]
    line = X[0, 0, 0]
    add(op, 9, [line, *one], [((line - M[0]) / np.sqrt(V[0] + F(1e-5)) * S[0] + B[0]).astype(F)], tolerance=1e-5)
    add(op, 15, [X.astype(np.float16), S, B, M, V], batch(X.astype(np.float16), S, B, M, V), tolerance=2e-3)
    for v in (1, 6, 22):
        add("InstanceNormalization", v, [X, S, B], group(X, S, B, 4), tolerance=1e-5)
        add("InstanceNormalization", v, [X[:, :, 0], S, B], group(X[:, :, 0], S, B, 4, 0.01), epsilon=0.01, tolerance=1e-5)
    add("InstanceNormalization", 22, [a.astype(np.float16) for a in (X, S, B)], group(X.astype(np.float16), S, B, 4), tolerance=5e-3)
    for g in (1, 2, 4):
        add("GroupNormalization", 18, [X, S[:g], B[:g]], group(X, S[:g], B[:g], g), num_groups=g, tolerance=1e-5)
        add("GroupNormalization", 21, [X, S, B], group(X, S, B, g), num_groups=g, tolerance=1e-5)
    add("GroupNormalization", 21, [X, S, B], group(X, S, B, 2, 0.1), num_groups=2, epsilon=0.1, stash_type=1, tolerance=1e-5)
    for v in (1, 13):
        add("LRN", v, [X], lrn(X, 3), size=3)
        add("LRN", v, [X], lrn(X, 2, 0.5, 0.6, 2.0), size=2, alpha=0.5, beta=0.6, bias=2.0, tolerance=1e-5)
        add("LRN", v, [X], lrn(X, 5, 0.1), size=5, alpha=0.1)
    add("LRN", 13, [X.astype(np.float16)], lrn(X.astype(np.float16), 3, 0.1), size=3, alpha=0.1, tolerance=2e-3)
