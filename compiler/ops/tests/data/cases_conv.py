"""Conv: ranks, groups, strides, dilations, every kind of padding."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(1)


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / 4).astype(t)


def cases(add):
    for v in (1, 11, 22):
        add("Conv", v, [x(1, 2, 4, 5), x(3, 2, 3, 3), x(3)], pads=[1, 1, 1, 1])
    add("Conv", 22, [x(2, 2, 5), x(3, 2, 3)])
    add("Conv", 22, [x(1, 1, 7), Const(x(2, 1, 3))], strides=[2], dilations=[2], pads=[1, 2], kernel_shape=[3])
    add("Conv", 22, [x(1, 2, 3, 4, 4), Const(x(2, 2, 2, 2, 3)), Const(x(2))], pads=[0, 1, 1, 1, 0, 1], strides=[1, 2, 1])
    add("Conv", 22, [x(1, 2, 4, 4), Const(x(3, 2, 1, 1))])
    # One channel per group, with one and with two outputs each; two channels per group.
    add("Conv", 22, [x(1, 3, 4, 4), x(3, 1, 3, 3), x(3)], group=3, pads=[1, 1, 1, 1])
    add("Conv", 22, [x(1, 2, 3, 3), Const(x(4, 1, 2, 2)), x(4)], group=2)
    add("Conv", 22, [x(2, 4, 3, 3), x(6, 2, 2, 2), x(6)], group=2)
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        for size, kernel, stride in ((5, 3, 2), (6, 3, 2), (6, 2, 1), (4, 2, 3)):
            add("Conv", 11, [x(1, 1, size), Const(x(1, 1, kernel))], auto_pad=pad, strides=[stride])
    add("Conv", 22, [x(1, 1, 4, 6), Const(x(1, 1, 3, 3))], auto_pad="SAME_UPPER", dilations=[2, 1])
    add("Conv", 22, [x(1, 1, 4, 4, t=np.float64), x(1, 1, 2, 2, t=np.float64)], by=("ref",))
    add("Conv", 22, [x(1, 2, 4, 4, t=np.float16), x(2, 2, 3, 3, t=np.float16)], by=("ref",), tolerance=2e-3)
    add("Conv", 22, [x(0, 2, 4, 4), x(2, 2, 3, 3)], [np.zeros((0, 2, 2, 2), F)])
