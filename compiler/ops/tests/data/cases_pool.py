"""AveragePool and LpPool."""
import numpy as np

F = np.float32
rng = np.random.default_rng(4)
ROW = np.array([[[1, 2, 3, 5]]], F)
ROW_MEANS = np.array([[[1.5, 10 / 3]]], F)


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / 4).astype(t)


def cases(add):
    for v in (1, 7, 10, 11, 19, 22):
        # The reference evaluator takes version 1 to count the padding; its text says "exclude pad".
        add("AveragePool", v, [ROW], [ROW_MEANS] if v == 1 else None, kernel_shape=[3], strides=[2], pads=[1, 1])
    for include in (0, 1):
        both = {"count_include_pad": include}
        add("AveragePool", 22, [x(1, 1, 5, 5)], kernel_shape=[3, 2], pads=[1, 0, 2, 1], **both)
        add("AveragePool", 22, [x(1, 1, 6)], kernel_shape=[3], strides=[2], pads=[1, 0], ceil_mode=1, by=("ref",), **both)
        add("AveragePool", 22, [x(1, 1, 7, 7)], kernel_shape=[3, 3], dilations=[2, 2], pads=[1, 1, 1, 1], **both)
        add("AveragePool", 22, [x(1, 1, 4, 5)], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER", **both)
        add("AveragePool", 22, [x(1, 1, 4, 5)], kernel_shape=[2, 3], auto_pad="SAME_LOWER", **both)
    add("AveragePool", 19, [x(1, 1, 4, 4)], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    add("AveragePool", 19, [x(1, 1, 5, 6)], kernel_shape=[2, 2], strides=[3, 3], ceil_mode=1)
    add("AveragePool", 22, [x(2, 1, 5)], kernel_shape=[2], auto_pad="VALID", strides=[2])
    add("AveragePool", 22, [x(1, 1, 3, 3, 4)], kernel_shape=[2, 2, 2])
    add("AveragePool", 22, [x(1, 1, 4, 4, t=np.float16)], kernel_shape=[2, 2], by=("ref",), tolerance=1e-3)
    add("AveragePool", 22, [x(1, 1, 4, t=np.float64)], kernel_shape=[3], by=("ref",))
    for v, p in ((1, 2.0), (1, 1.5), (2, 2), (2, 1), (11, 3), (18, 2), (22, 2)):
        a = x(1, 1, 4, 5)
        windows = np.lib.stride_tricks.sliding_window_view(a, (2, 3), (2, 3)).astype(np.float64)
        add("LpPool", v, [a], [((np.abs(windows) ** p).sum((-1, -2)) ** (1 / p)).astype(F)], kernel_shape=[2, 3], p=p, tolerance=1e-5)
    add("LpPool", 22, [x(1, 2, 5, 5)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], tolerance=1e-5)
    add("LpPool", 18, [x(1, 1, 7)], kernel_shape=[3], dilations=[2], p=1)
    add("LpPool", 18, [x(1, 1, 4)], kernel_shape=[3], strides=[2], ceil_mode=1, tolerance=1e-5)
    add("LpPool", 11, [x(1, 1, 5, 4)], kernel_shape=[2, 2], auto_pad="SAME_UPPER", tolerance=1e-5)
