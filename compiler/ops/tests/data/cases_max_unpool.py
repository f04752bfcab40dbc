"""MaxUnpool."""
import numpy as np

from generate import Const


def cases(add):
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    at = np.array([[[[5, 7], [13, 15]]]], np.int64)
    pool = dict(kernel_shape=[2, 2], strides=[2, 2])
    for v in (9, 11, 22):
        add("MaxUnpool", v, [x, at], by=("ref",), **pool)
        add("MaxUnpool", v, [x, at, Const(np.array([1, 1, 5, 5], np.int64))], by=("ref",), **pool)
    add("MaxUnpool", 11, [x, at, np.array([1, 1, 4, 6], np.int64)], by=("ref",), fixed=True, **pool)
    line = np.array([[[1, 2]], [[3, 4]]], np.float64)
    add("MaxUnpool", 22, [line, np.array([[[1, 2]], [[4, 7]]], np.int64)], by=("ref",), kernel_shape=[2], strides=[2])
    narrow = np.array([[[1, 2]]], np.float16)
    add("MaxUnpool", 22, [narrow, np.array([[[0, 1]]], np.int64)], by=("ref",), kernel_shape=[2], strides=[2], pads=[1, 0])
