"""Normalisations of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(3)
X, SKIP = (rng.integers(-8, 9, (2, 3, 4)).astype(F) / F(4) for _ in range(2))
G, B, BIAS = np.array([1, 2, -0.5, 0.25], F), np.array([0.5, 0, 1, -1], F), np.array([0.25, 0, -0.5, 1], F)


def group(x, gamma, beta, groups, epsilon=1e-5, silu=False):
    n, h, w, c = x.shape
    y = x.astype(np.float64).reshape(n, h * w, groups, c // groups)
    y = (y - y.mean((1, 3), keepdims=True)) / np.sqrt(y.var((1, 3), keepdims=True) + epsilon)
    y = y.reshape(x.shape) * gamma + beta
    return (y / (1 + np.exp(-y)) if silu else y).astype(F)


def cases(add):
    ms = lambda name: f"com.microsoft.{name}"
    name = ms("SkipLayerNormalization")
    add(name, 1, [X, SKIP, G], by=("ort",), tolerance=1e-5)
    add(name, 1, [X, SKIP, G, B], by=("ort",), tolerance=1e-5, epsilon=0.1)
    for skip in (SKIP, SKIP[:1], SKIP[0]):
        y = add_up = X + skip + BIAS
        y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-12) * G + B
        add(name, 1, [X, skip, G, B, BIAS], by=("ort",), tolerance=1e-5)
    m, v = add_up.mean(-1, keepdims=True), 1 / np.sqrt(add_up.var(-1, keepdims=True) + 1e-12)
    add(name, 1, [X, SKIP[0], G, B, BIAS], [y, m, v, add_up], outputs=4, tolerance=1e-5)
    name = ms("SkipSimplifiedLayerNormalization")
    add(name, 1, [X, SKIP, G], by=("ort",), tolerance=1e-5)
    s = X + SKIP + BIAS
    r = 1 / np.sqrt((s * s).mean(-1, keepdims=True) + F(0.1))
    add(name, 1, [X, SKIP, G, BIAS], [s * r * G, r, r, s], outputs=4, epsilon=0.1, tolerance=1e-5)
    name = "SimplifiedLayerNormalization"
    add(name, 21, [X, G], by=("ort",), tolerance=1e-5)
    add(name, 21, [X, G], outputs=2, by=("ort",), tolerance=1e-5, epsilon=0.5, axis=-1, stash_type=1)
    words, segments = np.array([[1, 2, 0], [4, 3, 1]], np.int32), np.array([[0, 0, 1], [1, 0, 1]], np.int32)
    table, places, kinds = (rng.integers(-8, 9, (n, 4)).astype(F) / F(4) for n in (5, 6, 2))
    mask = np.array([[1, 1, 0], [1, 1, 1]], np.int32)
    name = ms("EmbedLayerNormalization")
    for inputs in ([words, segments, table, places, kinds, G, B, mask], [words, None, table, places, None, G, B],
                   [words, segments, table, places, kinds, G, B, None, np.array([[2, 1, 0], [5, 5, 3]], np.int32)]):
        add(name, 1, inputs, outputs=2, by=("ort",), tolerance=1e-5)
    add(name, 1, [words, segments, table, places, kinds, G, B, mask], outputs=3, by=("ort",), tolerance=1e-5, epsilon=0.1)
    image = rng.integers(-8, 9, (2, 3, 2, 4)).astype(F) / F(4)
    add(ms("GroupNorm"), 1, [image, G, B], [group(image, G, B, 2)], groups=2, activation=0, tolerance=1e-5)
    first = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    add(ms("GroupNorm"), 1, [first, G, B], [group(image, G, B, 4, 0.5, True).transpose(0, 3, 1, 2)], groups=4, activation=1, channels_last=0, epsilon=0.5, tolerance=1e-5)
    skip = rng.integers(-8, 9, (2, 4)).astype(F) / F(4)
    for s in (skip, skip.reshape(2, 1, 1, 4), image * F(2)):
        total = image + (s.reshape(2, 1, 1, 4) if s.ndim == 2 else s) + BIAS
        add(ms("SkipGroupNorm"), 1, [image, G, B, s, BIAS], [group(total, G, B, 2, silu=True), total], outputs=2, groups=2, activation=1, tolerance=1e-5)
