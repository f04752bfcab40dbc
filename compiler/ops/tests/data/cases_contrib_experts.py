"""MoE and QMoE of com.microsoft."""
import numpy as np

from generate import Const

F = np.float32
R = np.random.default_rng(6)
draw = lambda *s: R.integers(-8, 9, s).astype(F) / F(8)


def cases(add):
    rows, h, inner, e = 4, 32, 32, 4
    # The router's numbers differ, so that no two experts stand equal.
    router = lambda: np.stack([R.permutation(e) for _ in range(rows)]).astype(F) / F(2)

    def moe(x, fused=1, bias=True, **attrs):
        b = lambda n: Const(draw(e, n)) if bias else None
        inputs = [x, router(), Const(draw(e, fused * inner, h)), b(fused * inner), Const(draw(e, h, inner)), b(h)]
        add("com.microsoft.MoE", 1, inputs, by=("ort",), tolerance=2e-4, attributes=attrs)

    moe(draw(rows, h))
    moe(draw(2, 2, h), k=2, normalize_routing_weights=1, bias=False)
    for name in ("gelu", "silu", "identity"):
        moe(draw(rows, h), k=2, activation_type=name)
    moe(draw(rows, h), fused=2, k=2, activation_type="swiglu", swiglu_fusion=1)
    moe(draw(rows, h), fused=2, k=3, activation_type="swiglu", swiglu_fusion=1, swiglu_limit=1.5, activation_alpha=1.5, activation_beta=1.0, normalize_routing_weights=1)

    # The halves behind each other, and in two matrices: the same numbers as in turns.
    def apart(form):
        x, p = draw(rows, h), router()
        w, w2 = draw(e, inner, 2, h), Const(draw(e, h, inner))
        attrs = dict(k=2, activation_type="swiglu", swiglu_fusion=1)
        from generate import compute
        want = compute("com.microsoft.MoE", 1, attrs, [x, p, w.reshape(e, -1, h), None, w2.value], 1, ("ort",))
        halves = [w[:, :, i] for i in (0, 1)]
        given = [x, p, Const(np.concatenate(halves, 1)), None, w2] if form == 2 else [x, p, Const(halves[0]), None, w2, None, Const(halves[1])]
        add("com.microsoft.MoE", 1, given, want, tolerance=2e-4, attributes=attrs | dict(swiglu_fusion=form))

    apart(2)
    apart(0)

    def quantised(x, bits, block=0, zeros=False, fused=1, given=None, **attrs):
        def layer(out, size):
            scale = (e, out) + ((size // block,) if block else ())
            zero = (e, out, -(-size // block * bits // 8)) if block else (e, -(-out * bits // 8))
            byte = lambda s: Const(R.integers(0, 256, s).astype(np.uint8))
            return byte((e, out, size * bits // 8)), Const(((4 + R.integers(0, 4, scale)) / 2 ** (bits + 3)).astype(F)), byte(zero) if zeros else None

        (w1, s1, z1), (w2, s2, z2) = layer(fused * inner, h), layer(h, inner)
        inputs = [x, router(), w1, s1, Const(draw(e, fused * inner)), w2, s2, Const(draw(e, h)), None, None, None, z1, z2, None, given]
        kw = dict(expert_weight_bits=bits) | (dict(block_size=block) if block else {}) | attrs
        add("com.microsoft.QMoE", 1, inputs, by=("ort",), tolerance=2e-3, attributes=kw)

    quantised(draw(rows, h), 4)
    quantised(draw(2, 2, h), 8, k=2, normalize_routing_weights=1, activation_type="silu")
    quantised(draw(rows, h), 4, block=16, k=2)
    quantised(draw(rows, h), 4, zeros=True, k=2)
    quantised(draw(rows, h), 4, block=16, zeros=True, k=2, fused=2, activation_type="swiglu", swiglu_fusion=1)
    quantised(draw(rows, h), 4, k=2, given=np.abs(draw(rows, e)))
