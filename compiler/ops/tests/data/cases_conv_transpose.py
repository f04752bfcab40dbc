"""ConvTranspose: strides, dilations, every way to say the output's extents."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(8)


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / 4).astype(t)


def cases(add):
    for v in (1, 11, 22):
        add("ConvTranspose", v, [x(1, 2, 3, 4), x(2, 3, 3, 3), x(3)])
    add("ConvTranspose", 22, [x(2, 2, 5), x(2, 3, 3)], pads=[1, 0])
    for kernel in (2, 3, 4, 5):
        add("ConvTranspose", 22, [x(1, 1, 4, 3), Const(x(1, 2, kernel, 2)), x(2)], strides=[2, 3], pads=[1, 0, 1, 0])
    add("ConvTranspose", 22, [x(1, 1, 4), Const(x(1, 1, 3))], strides=[2], pads=[1, 1], output_padding=[1], kernel_shape=[3])
    add("ConvTranspose", 22, [x(1, 1, 3, 3), Const(x(1, 1, 2, 3))], dilations=[2, 1])
    add("ConvTranspose", 22, [x(1, 1, 3, 4), Const(x(1, 2, 3, 2))], dilations=[2, 3], strides=[2, 2], pads=[1, 0, 2, 1])
    add("ConvTranspose", 22, [x(1, 1, 2, 3, 2), Const(x(1, 2, 2, 2, 3))], strides=[1, 2, 2])
    add("ConvTranspose", 22, [x(1, 4, 3), x(4, 3, 2), x(6)], group=2)
    add("ConvTranspose", 22, [x(1, 3, 3, 3), x(3, 1, 2, 2)], group=3, strides=[2, 2])
    for pad in ("SAME_UPPER", "SAME_LOWER"):
        add("ConvTranspose", 11, [x(1, 1, 3, 3), Const(x(1, 2, 3, 4))], auto_pad=pad, strides=[2, 2])
        add("ConvTranspose", 11, [x(1, 1, 3), Const(x(1, 1, 4))], auto_pad=pad, strides=[1], output_shape=[3])
    add("ConvTranspose", 11, [x(1, 1, 3), Const(x(1, 1, 4))], auto_pad="VALID", strides=[2])
    add("ConvTranspose", 11, [x(1, 1, 3, 3), Const(x(1, 2, 3, 3))], strides=[3, 2], output_shape=[8, 6])
    add("ConvTranspose", 11, [x(1, 1, 3, 3), Const(x(1, 2, 3, 3))], strides=[3, 2], output_shape=[10, 8], output_padding=[1, 1])
    a, w = x(1, 1, 2, t=np.float64), x(1, 1, 2, t=np.float64)
    add("ConvTranspose", 22, [a, w], [np.convolve(a[0, 0], w[0, 0])[None, None]])
    add("ConvTranspose", 22, [x(1, 2, 3, t=np.float16), x(2, 2, 2, t=np.float16)], by=("ref",), tolerance=2e-3)
