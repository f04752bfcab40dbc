"""RotaryEmbedding of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32


def cases(add):
    rng = np.random.default_rng(8)
    draw = lambda *s: rng.integers(-8, 9, s).astype(F) / F(4)
    angles = np.outer(np.arange(6), [1, 0.5]).astype(F)
    cos, sin = np.cos(angles), np.sin(angles)
    name = "com.microsoft.RotaryEmbedding"
    each, first = np.array([[0, 3, 1], [2, 2, 5]]), np.array([2])
    for interleaved in (0, 1):
        for positions in (each, first):
            add(name, 1, [draw(2, 3, 8), positions, Const(cos), Const(sin)], by=("ort",), interleaved=interleaved, tolerance=1e-5)
            add(name, 1, [draw(2, 2, 3, 4), positions, cos, sin], by=("ort",), interleaved=interleaved, tolerance=1e-5)
    add(name, 1, [draw(2, 3, 12), each, cos, sin], by=("ort",), num_heads=2, rotary_embedding_dim=4, tolerance=1e-5)
    emb, four = draw(2, 3, 4), [draw(2, 2, 3, 4) for _ in range(4)]
    c, s = np.cos(emb)[:, None], np.sin(emb)[:, None]
    add("com.microsoft.GemmaRotaryEmbedding", 1, [emb, *four], [four[0] * c + four[1] * s, four[2] * c + four[3] * s], outputs=2, tolerance=1e-5)
    # Three positions for each element: sections behind each other, and in turns.
    angles = np.outer(np.arange(8), 0.5 ** np.arange(6)).astype(np.float32)
    tables, three = [Const(np.cos(angles)), Const(np.sin(angles))], np.array(np.random.default_rng(2).integers(0, 8, (3, 2, 3)))
    wave = lambda *s: np.sin(np.arange(np.prod(s))).reshape(s).astype(np.float32)
    for layout, sections in ((0, [1, 2, 3]), (1, [2, 2, 2]), (1, [4, 1, 1])):
        add("com.microsoft.MRotaryEmbedding", 1, [wave(2, 3, 24), three, *tables], by=("ort",), mrope_section=sections, mrope_layout=layout, num_heads=2, rotary_embedding_dim=12)
    add("com.microsoft.MRotaryEmbedding", 1, [wave(2, 2, 3, 12), three, *tables], by=("ort",), mrope_section=[2, 2, 2], interleaved=1)
    add("com.microsoft.MRotaryEmbedding", 1, [wave(2, 3, 32), three, *tables], by=("ort",), mrope_section=[2, 2, 2], num_heads=2, rotary_embedding_dim=12)
