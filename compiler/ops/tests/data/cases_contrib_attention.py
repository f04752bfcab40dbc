"""MultiHeadAttention, Attention and their kin of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(9)
draw = lambda *s: rng.integers(-8, 9, s).astype(F) / F(8)
ms = lambda name: f"com.microsoft.{name}"
T = dict(by=("ort",), tolerance=2e-5)


def multi_head(add):
    name, b, s, t, h = ms("MultiHeadAttention"), 2, 3, 4, 8
    q, k, v = draw(b, s, h), draw(b, t, h), draw(b, t, h)
    add(name, 1, [q, k, v], num_heads=2, **T)
    add(name, 1, [q, k, draw(b, t, 4)], num_heads=2, scale=0.25, **T)
    add(name, 1, [q, k, v, Const(draw(3 * h))], num_heads=2, **T)
    for mask in ([[1, 1, 0, 0], [1, 1, 1, 0]], [2, 4]):
        add(name, 1, [q, k, v, Const(draw(3 * h)), np.array(mask, np.int32)], num_heads=2, **T)
    add(name, 1, [q, k, v, None, rng.integers(0, 2, (b, s, t)).astype(np.int32)], num_heads=2, **T)
    add(name, 1, [q, k, v, None, None, draw(1, 2, s, t)], num_heads=2, **T)
    add(name, 1, [q, k, v, None, np.array([[1, 1, 0, 1], [0, 1, 1, 0]], np.int32), draw(b, 1, s, t)], num_heads=2, mask_filter_value=-50.0, **T)
    packed = draw(b, s, 2, 3, 4)
    heads = lambda x: x.transpose(0, 2, 1, 3)
    q4, k4, v4 = (heads(packed[:, :, :, i]) for i in range(3))
    y = heads(softmax(q4 @ k4.transpose(0, 1, 3, 2) / 2) @ v4).reshape(b, s, h)
    add(name, 1, [packed], [y.astype(F)], num_heads=2, tolerance=2e-5)
    add(name, 1, [packed[:, :, :, 0].reshape(b, s, h), packed[:, :, :, 1:]], [y.astype(F)], num_heads=2, tolerance=2e-5)
    past = [draw(b, 2, 5, 4), draw(b, 2, 5, 4)]
    k, v = draw(b, s, h), draw(b, s, h)
    add(name, 1, [q, k, v, None, None, None, *past], outputs=3, num_heads=2, **T)
    add(name, 1, [q, k, v, None, None, None], outputs=3, num_heads=2, **T)
    add(name, 1, [q, k, v, None, None, None], num_heads=2, unidirectional=1, **T)
    add(name, 1, [q[:, :1], k[:, :1], v[:, :1], Const(draw(3 * h)), None, None, *past], outputs=3, num_heads=2, unidirectional=1, **T)
    add(name, 1, [q, past[0], past[1]], num_heads=2, **T)


def attention(add):
    name, b, s = ms("Attention"), 2, 3
    x, w, bias = draw(b, s, 6), Const(draw(6, 24)), Const(draw(24))
    add(name, 1, [x, w, bias], num_heads=2, **T)
    add(name, 1, [x, w, bias], num_heads=4, unidirectional=1, scale=0.5, **T)
    for mask in ([[1, 1, 0], [0, 1, 1]], [2, 3], [2, 3, 1, 0], [[[1, 0, 0], [1, 1, 0], [1, 1, 1]], [[1, 1, 1], [0, 1, 1], [1, 0, 1]]]):
        add(name, 1, [x, w, bias, np.array(mask, np.int32)], num_heads=2, **T)
    past = draw(2, b, 2, 4, 4)
    add(name, 1, [x, w, bias, None, past], outputs=2, num_heads=2, unidirectional=1, **T)
    add(name, 1, [x, w, bias, np.array([[1, 0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 0]], np.int32), past], outputs=2, num_heads=2, **T)
    add(name, 1, [x, w, bias, None, None, draw(1, 2, s, s)], num_heads=2, **T)
    add(name, 1, [x, w, bias], num_heads=2, qkv_hidden_sizes=[8, 8, 8], **T)
    add(name, 1, [x, Const(draw(6, 20)), Const(draw(20))], num_heads=2, qkv_hidden_sizes=[8, 8, 4], **T)


def softmax(s):
    e = np.exp(s - s.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def decoder(add):
    """By hand: ONNX Runtime has these for other processors only."""
    b, n, d, p = 2, 2, 4, 3
    q, k, v = (draw(b, 1, n * d) for _ in range(3))
    past = [draw(b, n, p, d) for _ in range(2)]
    heads = lambda x: x.reshape(b, -1, n, d).transpose(0, 2, 1, 3)
    keys, values = np.concatenate([past[0], heads(k)], 2), np.concatenate([past[1], heads(v)], 2)
    mask = np.array([[1, 1, 0, 1], [0, 1, 1, 1]], np.int32)
    scores = heads(q) @ keys.transpose(0, 1, 3, 2) / 2 + np.where(mask, 0, -10000)[:, None, None]
    y = (softmax(scores) @ values).transpose(0, 2, 1, 3).reshape(b, 1, n * d).astype(F)
    name = ms("DecoderMaskedMultiHeadAttention")
    add(name, 1, [q, k, v, mask, None, *past], [y, keys, values], outputs=3, num_heads=n, tolerance=2e-5)
    packed = np.concatenate([q, k, v], -1)
    add(name, 1, [packed, None, None, mask, None, *past], [y, keys, values], outputs=3, num_heads=n, tolerance=2e-5)
    eye, none = np.eye(24, dtype=F), np.zeros(24, F)
    both, result = np.stack(past), np.stack([keys, values])
    add(ms("DecoderMaskedSelfAttention"), 1, [packed, Const(eye), Const(none), mask, both], [y, result], outputs=2, num_heads=n, tolerance=2e-5)
    # Caches with room for more than they hold: what is new is written behind that.
    room = [np.concatenate([x, draw(b, n, 2, d)], 2) for x in past]
    full = [np.copy(x) for x in room]
    for buffer, new in zip(full, (k, v)):
        buffer[:, :, p] = heads(new)[:, :, 0]
    at, shared = np.array([p], np.int32), dict(past_present_share_buffer=1, tolerance=2e-5)
    add(name, 1, [q, k, v, mask, None, *room, at], [y, *full], outputs=3, num_heads=n, **shared)
    add(ms("DecoderMaskedSelfAttention"), 1, [packed, Const(eye), Const(none), mask, np.stack(room), None, at],
        [y, np.stack(full)], outputs=2, num_heads=n, **shared)
    add(ms("Attention"), 1, [packed, Const(eye), Const(none), mask, np.stack(room), None, at],
        [y, np.stack(full)], outputs=2, num_heads=n, unidirectional=1, **shared)
    name = ms("MultiHeadAttention")
    add(name, 1, [q, k, v, None, mask, None, *room, at], [y, *full], outputs=3, num_heads=n, tolerance=2e-5)
    q, k, v = (draw(b, 2, n * d) for _ in range(3))
    keys, values = np.concatenate([past[0], heads(k)], 2), np.concatenate([past[1], heads(v)], 2)
    sees = np.arange(5) <= np.arange(2)[:, None] + p
    scores = np.where(sees, heads(q) @ keys.transpose(0, 1, 3, 2) / 2, -np.inf)
    y = (softmax(scores) @ values).transpose(0, 2, 1, 3).reshape(b, 2, n * d).astype(F)
    add(name, 1, [q, k, v, None, None, None, *room, at], [y, keys, values], outputs=3, num_heads=n, unidirectional=1,
        tolerance=2e-5)


def cases(add):
    multi_head(add)
    attention(add)
    decoder(add)
    # The scores are an output, with what masks add (ONNX Runtime's inference can't give it a type unless it is declared).
    q, k, v = draw(2, 3, 8), draw(2, 4, 8), draw(2, 4, 8)
    heads = lambda x: x.reshape(2, -1, 2, 4).transpose(0, 2, 1, 3)
    raw, mask = heads(q) @ heads(k).transpose(0, 1, 3, 2) / 2, np.array([[1, 1, 0, 1], [0, 1, 1, 0]], np.int32)
    for given, scores in ((None, raw), (mask, raw + np.where(mask, 0, -10000)[:, None, None])):
        y = (softmax(scores) @ heads(v)).transpose(0, 2, 1, 3).reshape(2, 3, 8)
        want = [x.astype(F) for x in (y, heads(k), heads(v), scores)]
        add(ms("MultiHeadAttention"), 1, [q, k, v, None, given], want, num_heads=2, outputs=4, tolerance=2e-5)
    # Beams: a table says in whose cache each of the first keys is.
    b, w, n, d, room, p = 2, 2, 2, 4, 6, 3
    heads = lambda x: x.reshape(b * w, 1, n, d).transpose(0, 2, 1, 3)
    q, k, v = (draw(b * w, 1, n * d) for _ in range(3))
    past = [draw(b * w, n, room, d) for _ in range(2)]
    table, mask = rng.integers(0, w, (b, w, room)).astype(np.int32), rng.integers(0, 2, (b * w, p + 1)).astype(np.int32)
    full, seen = [np.copy(x) for x in past], []
    for buffer, new in zip(full, (k, v)):
        buffer[:, :, p] = heads(new)[:, :, 0]
        own = np.copy(buffer)
        for i in range(b * w):
            for t in range(p):
                own[i, :, t] = buffer[i // w * w + table[i // w, i % w, t], :, t]
        seen.append(own[:, :, : p + 1])
    scores = heads(q) @ seen[0].transpose(0, 1, 3, 2) / 2 + np.where(mask, 0, -10000)[:, None, None]
    y = (softmax(scores) @ seen[1]).transpose(0, 2, 1, 3).reshape(b * w, 1, n * d).astype(F)
    at, width = np.array([p], np.int32), np.array([w], np.int32)
    name = ms("DecoderMaskedMultiHeadAttention")
    add(name, 1, [q, k, v, mask, None, *past, at, width, table], [y, *full], outputs=3, num_heads=n,
        past_present_share_buffer=1, tolerance=2e-5)
