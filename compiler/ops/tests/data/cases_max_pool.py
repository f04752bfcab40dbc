"""MaxPool, with and without positions."""
import numpy as np

F = np.float32
rng = np.random.default_rng(5)


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / (1 if np.issubdtype(t, np.integer) else 4)).astype(t)


def cases(add):
    for v in (1, 8, 10, 11, 12, 22):
        add("MaxPool", v, [x(1, 2, 4, 4)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for v in (8, 11, 22):
        for order in (0, 1):
            add("MaxPool", v, [x(2, 2, 4, 3)], kernel_shape=[2, 2], outputs=2, storage_order=order)
    add("MaxPool", 22, [x(1, 2, 3, 4, 4)], kernel_shape=[2, 2, 3], outputs=2, storage_order=0, strides=[1, 2, 1])
    add("MaxPool", 22, [x(1, 1, 3, 4, 5)], kernel_shape=[2, 2, 2], outputs=2, storage_order=1, strides=[2, 1, 2])
    add("MaxPool", 22, [x(2, 2, 7)], kernel_shape=[3], outputs=2, dilations=[2], pads=[2, 1])
    add("MaxPool", 22, [x(1, 1, 5, 5)], kernel_shape=[3, 3], outputs=2, strides=[2, 2], pads=[1, 0, 1, 1])
    add("MaxPool", 22, [np.full((1, 1, 3), -np.inf, F)], [np.full((1, 1, 3), -np.inf, F), np.array([[[0, 0, 1]]])],
        kernel_shape=[3], pads=[1, 1], outputs=2)
    add("MaxPool", 12, [x(1, 1, 4, 4)], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    add("MaxPool", 12, [x(1, 1, 4, 4)], kernel_shape=[1, 1], strides=[2, 2], ceil_mode=1, by=("ref",))
    add("MaxPool", 12, [x(1, 1, 4)], kernel_shape=[2], strides=[3], pads=[1, 1], ceil_mode=1)
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        add("MaxPool", 12, [x(1, 1, 5, 6)], kernel_shape=[3, 2], strides=[2, 1], auto_pad=pad)
    add("MaxPool", 12, [x(1, 1, 2, 4, t=np.int8)], kernel_shape=[2, 2], pads=[1, 1, 1, 1])
    add("MaxPool", 12, [np.array([[[3, 200, 7]]], np.uint8)], kernel_shape=[2])
    add("MaxPool", 12, [x(1, 1, 5, t=np.float64)], kernel_shape=[2])
    add("MaxPool", 12, [x(1, 1, 5, t=np.float16)], kernel_shape=[2], by=("ref",))
