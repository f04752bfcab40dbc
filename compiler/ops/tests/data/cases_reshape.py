"""Reshape, Flatten, Squeeze, Unsqueeze."""
import numpy as np
from generate import Const

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
I = lambda *v: np.array(v, np.int64)


def cases(add):
    def reshape(opset, x, t, y, **kw):
        expect = [x.reshape(y)]
        if opset == 1:
            add("Reshape", 1, [x], shape=list(t), expect=expect)
            return
        add("Reshape", opset, [x, Const(I(*t))], expect=expect, **kw)
        add("Reshape", opset, [x, I(*t)], expect=expect, fixed=True, **kw)

    for opset in (1, 5, 13, 14, 19, 21, 23, 24, 25):
        reshape(opset, X, [4, 6], (4, 6))
        reshape(opset, X, [0, -1], (2, 12))
        reshape(opset, X, [-1], (24,))
        reshape(opset, X, [0, 0, 2, -1], (2, 3, 2, 2))
    empty = np.zeros((0, 3), np.float32)
    add("Reshape", 14, [empty, Const(I(7, 0))], expect=[empty.reshape(7, 0)], allowzero=1)
    add("Reshape", 14, [empty, I(7, 0)], expect=[empty.reshape(7, 0)], allowzero=1, fixed=True)
    add("Reshape", 14, [np.array([5], np.int64), Const(np.zeros(0, np.int64))], expect=[np.array(5, np.int64)])
    for opset in (1, 9, 11, 13, 21, 23, 24, 25):
        add("Flatten", opset, [X], expect=[X.reshape(2, 12)])
        add("Flatten", opset, [X], axis=0, expect=[X.reshape(1, 24)])
        add("Flatten", opset, [X], axis=3, expect=[X.reshape(24, 1)])
        if opset >= 11:
            add("Flatten", opset, [X], axis=-1, expect=[X.reshape(6, 4)])
    one = np.arange(6, dtype=np.int8).reshape(1, 3, 1, 2)
    for opset in (1, 11, 13, 21, 23, 24, 25):
        axes = lambda *a: {"axes": list(a)} if opset < 13 else {}
        given = lambda *a: [] if opset < 13 else [Const(I(*a))]
        add("Squeeze", opset, [one], expect=[one.reshape(3, 2)])
        add("Squeeze", opset, [one] + given(2), expect=[one.reshape(1, 3, 2)], **axes(2))
        add("Unsqueeze", opset, [X] + given(0, 4), expect=[X.reshape(1, 2, 3, 4, 1)], **axes(0, 4))
        add("Unsqueeze", opset, [X] + given(2), expect=[X.reshape(2, 3, 1, 4)], **axes(2))
        if opset >= 11:
            add("Squeeze", opset, [one] + given(-2, 0), expect=[one.reshape(3, 2)], **axes(-2, 0))
            add("Unsqueeze", opset, [X] + given(-1), expect=[X.reshape(2, 3, 4, 1)], **axes(-1))
    for at, y in [((2,), (1, 3, 2)), ((0, -2), (3, 2)), ((-2, 0), (3, 2)), ((), (1, 3, 1, 2))]:
        add("Squeeze", 13, [one, I(*at)], expect=[one.reshape(y)], fixed=True)
    for at in ((0,), (1, 4), (4, 1), (-1, 0, 2), ()):
        y = np.expand_dims(X, at)
        add("Unsqueeze", 13, [X, I(*at)], expect=[y], fixed=True)
