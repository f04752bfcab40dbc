"""GroupQueryAttention of com.microsoft."""
import numpy as np
from generate import Const, compute

F = np.float32
rng = np.random.default_rng(10)
draw = lambda *s: rng.integers(-8, 9, s).astype(F) / F(8)
i32 = lambda v: np.array(v, np.int32)


def cases(add):
    name, b, h, kv, d = "com.microsoft.GroupQueryAttention", 2, 2, 1, 16
    a = dict(num_heads=h, kv_num_heads=kv, outputs=3, by=("ort",), tolerance=2e-5)
    angles = np.outer(np.arange(16), 0.5 ** np.arange(8)).astype(F)
    cos, sin = Const(np.cos(angles)), Const(np.sin(angles))
    new = lambda s, n=b: [draw(n, s, h * d), draw(n, s, kv * d), draw(n, s, kv * d)]
    past = lambda p, n=b: [draw(n, kv, p, d), draw(n, kv, p, d)]
    # The whole sequence is new.
    add(name, 1, [*new(3), None, None, i32([2, 2]), i32(3)], **a)
    add(name, 1, [*new(3), *past(0), i32([2, 2]), i32(3)], **a)
    add(name, 1, [*new(3), None, None, i32([2, 2]), i32([3]), cos, sin], do_rotary=1, **a)
    # One more token after a past of its length, then several.
    add(name, 1, [*new(1), *past(4), i32([4, 4]), i32(5)], **a)
    add(name, 1, [*new(1), *past(4), i32([4, 4]), i32(5), cos, sin], do_rotary=1, rotary_interleaved=1, **a)
    add(name, 1, [*new(2, 1), *past(3, 1), i32([4]), i32(5), cos, sin], do_rotary=1, scale=0.5, **a)
    # A window, a cap, a bias.
    add(name, 1, [*new(5), None, None, i32([4, 4]), i32(5)], local_window_size=2, **a)
    add(name, 1, [*new(1), *past(6), i32([6, 6]), i32(7)], local_window_size=3, softcap=2.0, **a)
    add(name, 1, [*new(1), *past(4), i32([4, 4]), i32(5), None, None, None, draw(1, h, 1, 5)], **a)
    # q, k and v in one tensor.
    add(name, 1, [draw(b, 3, (h + 2 * kv) * d), None, None, None, None, i32([2, 2]), i32(3)], **a)
    # Sinks: one for each head, or 0.
    sinks = np.array([0.5, -1.0], F)
    seven = [None] * 5
    add(name, 1, [*new(1), *past(4), i32([4, 4]), i32(5), *seven[:4], sinks], **a)
    add(name, 1, [*new(3), None, None, i32([2, 2]), i32(3), *seven[:4], Const(sinks)], local_window_size=2, **a)
    add(name, 1, [*new(1), *past(4), i32([4, 4]), i32(5)], smooth_softmax=1, **a)
    # Positions that are given; heads normalised.
    add(name, 1, [*new(1), *past(4), i32([4, 4]), i32(5), cos, sin, np.array([[3], [6]])], do_rotary=1, **a)
    q, k, v = new(1)
    rest, gain = [*past(4), i32([4, 4]), i32(5), cos, sin], draw(2, d)
    norm = lambda x, g, e: (lambda p: (p / np.sqrt((p * p).mean(-1, keepdims=True) + e) * g).reshape(x.shape).astype(F))(x.reshape(b, 1, -1, d))
    # ONNX Runtime's CPU kernel lacks the normalisation: done first.
    given = [norm(q, gain[0], 0.01), norm(k, gain[1], 0.1), v, *(r.value if isinstance(r, Const) else r for r in rest)]
    want = compute(name, 1, dict(num_heads=h, kv_num_heads=kv, do_rotary=1), given, 3, ("ort",))
    add(name, 1, [q, k, v, *rest, *seven[:5], *gain], want, do_rotary=1, q_norm_epsilon=0.01, k_norm_epsilon=0.1, **a)
    # What is inside: scores, weights.
    for which in (1, 2):
        add(name, 1, [*new(1), *past(4), i32([4, 4]), i32(5)], qk_output=which, **(a | dict(outputs=4)))
    # Chunks of three rows, all of them real (those of others aren't specified).
    add(name, 1, [*new(3), *past(6), i32([5, 5]), i32(6), cos, sin, *seven[:5], None, None, i32([3, 3])], do_rotary=1, **a)
    # Caches of integers: 8 bits with one scale, or one for each channel; two of 4 bits in a byte.
    i8 = lambda *s: rng.integers(-128, 128, s).astype(np.int8)
    u8 = lambda *s: rng.integers(0, 256, s).astype(np.uint8)
    scale = lambda *s: (rng.integers(4, 9, s) / 512).astype(F)
    per = lambda kind, **more: a | dict(k_quant_type=kind, v_quant_type=kind) | more
    for s, n in ((1, b), (2, 1)):
        cache = lambda: [i8(n, kv, 4 - s, d), i8(n, kv, 4 - s, d), i32([3] * n), i32(4)]
        add(name, 1, [*new(s, n), *cache(), *seven, scale(1), scale(1)], **per("PER_TENSOR", kv_cache_bit_width=8))
        add(name, 1, [*new(s, n), *cache(), *seven, Const(scale(kv, d)), scale(kv * d)], **per("PER_CHANNEL", kv_cache_bit_width=8))
    cache = [u8(b, kv, 3, d // 2), u8(b, kv, 3, d // 2), i32([3, 3]), i32(4), cos, sin]
    add(name, 1, [*new(1), *cache, *seven[:3], scale(1) * 16, scale(1) * 16], do_rotary=1, **per("PER_TENSOR", kv_cache_bit_width=4))
    add(name, 1, [*new(1), *cache[:4], *seven, scale(kv * d) * 16, scale(kv * d) * 16], **per("PER_CHANNEL", kv_cache_bit_width=4))
