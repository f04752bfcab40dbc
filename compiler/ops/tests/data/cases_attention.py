"""Attention, FlexAttention (without graphs)."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(6)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)
    four = lambda heads=2, kv=2, keys=4: [f(2, heads, 3, 4), f(2, kv, keys, 4), f(2, kv, keys, 5)]
    three = lambda heads=2, kv=2, keys=4: [f(2, 3, heads * 4), f(2, keys, kv * 4), f(2, keys, kv * 5)]
    past = lambda kv=2: [f(2, kv, 2, 4), f(2, kv, 2, 5)]
    bools = np.array([[1, 0, 1, 1], [0, 0, 0, 0], [1, 1, 1, 0]], bool)
    counts = np.array([4, 2], np.int64)

    def a(v, inputs, **kw):
        kw.setdefault("tolerance", 1e-5)
        add("Attention", v, inputs, by=("ref",), **kw)

    for v in (23, 24, 25):
        a(v, four())
        a(v, three(), q_num_heads=2, kv_num_heads=2)
        a(v, four(4, 2), is_causal=1, scale=0.25)
        a(v, three(4, 2), q_num_heads=4, kv_num_heads=2, softcap=2.0)
        a(v, four(2, 1) + [bools])
        a(v, four() + [f(2, 1, 3, 4)], is_causal=1)
        a(v, four() + [f(2, 1, 3, 6)] + past(), outputs=3, is_causal=1)
        a(v, three() + [None] + past(), outputs=3, q_num_heads=2, kv_num_heads=2)
        for mode in range(4):
            # The reference caps what mode 0 wants raw.
            inside = dict(outputs=4, qk_matmul_output_mode=mode) | (dict(softcap=1.5) if mode else {})
            a(v, three(4, 2) + [f(3, 6)] + past(), q_num_heads=4, kv_num_heads=2, **inside)
    for v in (24, 25):
        a(v, four() + [None, None, None, counts])
        a(v, four() + [bools[:, :4], None, None, counts], is_causal=1)
        a(v, four() + [f(3, 3), None, None, np.array([3, 1], np.int64)])
    a(25, four(), left_window_size=1)
    a(25, four(), left_window_size=1, right_window_size=0)
    a(25, four() + [None] + past(), outputs=3, left_window_size=2, right_window_size=1, is_causal=1)
    a(25, four() + [None, None, None, counts], right_window_size=0)
    a(25, [x.astype(np.float64) for x in four()], tolerance=1e-12)
    a(25, [x.astype(np.float16) for x in four()], tolerance=4e-3)
    a(25, [x.astype(np.float16) for x in four()], tolerance=4e-3, softmax_precision=1, is_causal=1)
    a(25, four() + [np.array([[0, -3, 1, 0]], F)])
    flex = lambda x, **kw: add("ai.onnx.preview.FlexAttention", 1, x, by=("ref",), **{"tolerance": 1e-5} | kw)
    flex(four())
    flex(four(4, 2), scale=0.3)
    flex([x.astype(np.float16) for x in four()], tolerance=4e-3)
    flex([x.astype(np.float64) for x in four()], tolerance=1e-6, softmax_precision=11)
