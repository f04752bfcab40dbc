"""RelativePositionBias and GatedRelativePositionBias of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32


def bucket(ahead, buckets, far, both):
    """As in the implementation of T5 by Hugging Face: bucket of a key that lies `ahead` of the query."""
    offset = 0
    if both:
        buckets //= 2
        offset, distance = (ahead > 0) * buckets, np.abs(ahead)
    else:
        distance = -np.minimum(ahead, 0)
    near = buckets // 2
    large = near + (np.log(np.maximum(distance, 1) / near) / np.log(far / near) * (buckets - near)).astype(int)
    return offset + np.where(distance < near, distance, np.minimum(large, buckets - 1))


def cases(add):
    name, rng = "com.microsoft.RelativePositionBias", np.random.default_rng(13)
    length = lambda n: Const(np.array([n]))
    for both in (0, 1):
        table = rng.integers(-9, 9, (2, 8)).astype(F)
        y = table[:, bucket(np.arange(12)[None] - np.arange(12)[:, None], 8, 11, both)][None]
        add(name, 1, [table.reshape(8, 2), length(12), length(12)], [y], max_distance=11, is_bidirectional=both)
    b, s, n, d, w = 2, 3, 2, 4, 8
    q, qb, pos = rng.normal(size=(b, s, n * d)).astype(F), rng.normal(size=n * d).astype(F), rng.normal(size=(1, n, s, s)).astype(F)
    weight, bias, eco = rng.normal(size=(d, w)).astype(F), rng.normal(size=w).astype(F), rng.normal(size=(1, n, 1, 1)).astype(F)
    h = (q + qb).reshape(b, s, n, d).transpose(0, 2, 1, 3) @ weight + bias
    g = 1 / (1 + np.exp(-h.reshape(b, n, s, 2, w // 2).sum(-1)))
    y = (g[..., :1] * (g[..., 1:] * eco - 1) + 2) * pos
    add("com.microsoft.GatedRelativePositionBias", 1, [q, qb, pos, weight, bias, eco], [y.astype(F)], num_heads=n, tolerance=2e-5)
