"""Batches without padding of com.microsoft, which ONNX Runtime computes on CUDA only: by their documentation, in numpy, and
what is attended to by ONNX Runtime's MultiHeadAttention, sample by sample."""
import numpy as np

from generate import Const, compute

F = np.float32
R = np.random.default_rng(15)
draw = lambda *s: R.integers(-8, 9, s).astype(F) / F(8)
i32 = lambda v: np.array(v, np.int32)


def cases(add):
    heads, size, lengths, length = 2, 4, [1, 2, 4], 4
    hidden, tokens = heads * size, sum(lengths)
    starts = np.cumsum([0] + lengths).astype(np.int32)
    grid = np.arange(3 * length).reshape(3, length)
    real = np.arange(length) < np.array(lengths)[:, None]
    places = np.concatenate([grid[real], grid[~real]]).astype(np.int32).reshape(3, length)

    def by_sample(q, k, v, bias=None, **attrs):
        """The attention of each sample alone."""
        out = []
        for b, (i, j) in enumerate(zip(starts, starts[1:])):
            own = None if bias is None else bias[b % len(bias), :, : j - i, : j - i][None]
            given = [t[None, i:j] for t in (q, k, v)] + [None, None, own]
            out.append(compute("com.microsoft.MultiHeadAttention", 1, dict(num_heads=heads) | attrs, given, 1, ("ort",))[0][0])
        return np.concatenate(out)

    kw = dict(tolerance=2e-6)
    q, k, v = draw(tokens, hidden), draw(tokens, hidden), draw(tokens, hidden)
    name = "com.microsoft.PackedMultiHeadAttention"
    add(name, 1, [q, k, v, None, places, starts], [by_sample(q, k, v)], num_heads=heads, **kw)
    bias, b = draw(3 * hidden), draw(1, heads, length, length)
    shifted = [t + part for t, part in zip((q, k, v), np.split(bias, 3))]
    add(name, 1, [q, k, v, Const(bias), places, starts, b], [by_sample(*shifted, b, scale=0.25)], num_heads=heads, scale=0.25, **kw)
    b = draw(3, heads, length, length)
    qkv = np.stack([t.reshape(tokens, heads, size) for t in (q, k, v)], 2)
    add(name, 1, [qkv, None, None, None, places, starts, b], [by_sample(q, k, v, b)], num_heads=heads, **kw)
    x, w, bias = draw(tokens, 5), draw(5, 3 * hidden), draw(3 * hidden)
    add("com.microsoft.PackedAttention", 1, [x, Const(w), Const(bias), places, starts], [by_sample(*np.split(x @ w + bias, 3, 1))], num_heads=heads, **kw)
    x = draw(3, length, 5)
    packed = x.reshape(-1, 5)[places.ravel()[:tokens]]
    add("com.microsoft.RemovePadding", 1, [x, i32(lengths)], [packed, places, starts, i32([4])], outputs=4)
    add("com.microsoft.RestorePadding", 1, [packed, places], [np.where(real[..., None], x, F(0))])
