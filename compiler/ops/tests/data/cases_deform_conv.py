"""DeformConv."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(9)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)
    for v in (19, 22):
        x, w = f(1, 2, 4, 5), f(3, 2, 2, 2)
        add("DeformConv", v, [x, w, f(1, 8, 3, 4)], by=("ref",), tolerance=1e-5)
        add("DeformConv", v, [x, w, f(1, 8, 5, 6), f(3), f(1, 4, 5, 6)], by=("ref",), tolerance=1e-5, pads=[1, 1, 1, 1])
    w = f(2, 1, 2, 2)
    geometry = dict(strides=[2, 1], dilations=[1, 2], kernel_shape=[2, 2], group=2, offset_group=2, pads=[0, 1, 1, 0])
    add("DeformConv", 22, [x, w, f(1, 16, 2, 4), None, f(1, 8, 2, 4)], by=("ref",), tolerance=1e-5, **geometry)
    add("DeformConv", 22, [f(2, 1, 3, 3).astype(np.float64), f(1, 1, 1, 1).astype(np.float64), (3 * f(2, 2, 3, 3)).astype(np.float64)], by=("ref",))
