"""LinearAttention."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(7)
    f = lambda *s: np.round(r.standard_normal(s) / 2, 3).astype(F)
    p = lambda *s: np.round(r.random(s), 3).astype(F)
    heads = lambda q, kv: dict(q_num_heads=q, kv_num_heads=kv)
    qkv = lambda q=2, kv=2, k=3, v=10: [f(2, 4, q * k), f(2, 4, kv * k), f(2, 4, kv * v)]
    past = f(2, 2, 3, 10)

    def a(inputs, **kw):
        kw.setdefault("tolerance", 1e-5)
        add("LinearAttention", 27, inputs, by=("ref",), outputs=2, **kw)

    a(qkv(), update_rule="linear", **heads(2, 2))
    a(qkv(4) + [past], update_rule="linear", scale=0.5, **heads(4, 2))
    a(qkv() + [None, -p(2, 4, 6)], update_rule="gated", **heads(2, 2))
    a(qkv() + [past, -p(2, 4, 2)], update_rule="gated", **heads(2, 2))
    a(qkv() + [None, None, p(2, 4, 2)], update_rule="delta", **heads(2, 2))
    a(qkv() + [past, None, p(2, 4, 1)], update_rule="delta", **heads(2, 2))
    a(qkv(4) + [past, -p(2, 4, 2), p(2, 4, 2)], chunk_size=2, **heads(4, 2))
    a(qkv(2, 1) + [None, -p(2, 4, 3), p(2, 4, 1)], **heads(2, 1))
    a([x.astype(np.float16) for x in qkv()], update_rule="linear", tolerance=4e-3, **heads(2, 2))
    a([x[:, :0] for x in qkv()] + [past], update_rule="linear", **heads(2, 2))
