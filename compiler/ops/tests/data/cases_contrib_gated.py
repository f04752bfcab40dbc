"""com.microsoft's operators of models with linear attention."""
import numpy as np

from generate import Const

F = np.float32
R = np.random.default_rng(8)
draw = lambda *s: R.integers(-8, 9, s).astype(F) / F(8)


def cases(add):
    ms = lambda op, inputs, **kw: add(f"com.microsoft.{op}", 1, inputs, by=("ort",), tolerance=2e-6, **kw)
    ms("GatedRMSNorm", [draw(2, 3, 8), Const(draw(4)), draw(2, 3, 8)])
    ms("GatedRMSNorm", [draw(2, 8), Const(draw(8)), draw(2, 8)], activation="sigmoid", epsilon=0.01)
    ms("LinearAttentionGate", [draw(2, 3, 4), Const(draw(4)), Const(draw(4)), draw(2, 3, 4)], outputs=2)
    ms("LinearAttentionGate", [draw(2, 3, 4), Const(draw(4)), Const(draw(4))])
    ms("ScaledSiLU", [draw(2, 3)], alpha=1.5)
    ms("ScaledSiLU", [draw(2, 3), np.array(0.75, F)], alpha=1.5)
    ms("GatedAdd", [draw(2, 3, 4), draw(2, 3, 4), draw(2, 3, 1)])
    heads = dict(q_num_heads=4, kv_num_heads=2, outputs=2)
    qkv = lambda t: [draw(2, t, 16), draw(2, t, 8), draw(2, t, 12)]
    ms("LinearAttention", [*qkv(3), None, -np.abs(draw(2, 3, 2)), np.abs(draw(2, 3, 2))], **heads)
    ms("LinearAttention", [*qkv(1), draw(2, 2, 4, 6)], update_rule="linear", scale=0.5, **heads)
    ms("CausalConvWithState", [draw(2, 3, 5), Const(draw(3, 1, 4)), Const(draw(3)), draw(2, 3, 3)], activation="silu", outputs=2)
    ms("CausalConvWithState", [draw(2, 3, 5), Const(draw(3, 1, 2))], outputs=2)
