"""ConstantOfShape, EyeLike, Range."""
import numpy as np
from generate import Const

I = lambda *v: np.array(v, np.int64)


def cases(add):
    for opset in (9, 20, 21, 23, 24, 25):
        for dims in ((2, 3), (0, 4), ()):
            add("ConstantOfShape", opset, [Const(I(*dims))], expect=[np.zeros(dims, np.float32)])
            add("ConstantOfShape", opset, [I(*dims)], expect=[np.zeros(dims, np.float32)], fixed=True)
        add("ConstantOfShape", opset, [Const(I(2))], value=np.array([-7], np.int64), expect=[I(-7, -7)])
        add("ConstantOfShape", opset, [I(2)], value=np.array([1], bool), expect=[np.array([True, True])], fixed=True)
    for opset in (9, 22):
        x = np.zeros((3, 4), np.float32)
        add("EyeLike", opset, [x], expect=[np.eye(3, 4, dtype=np.float32)])
        add("EyeLike", opset, [x], k=-1, dtype=7, expect=[np.eye(3, 4, -1, dtype=np.int64)])
        add("EyeLike", opset, [x], k=2, dtype=9, expect=[np.eye(3, 4, 2, dtype=bool)])
    for opset in (11, 27):
        for t, start, limit, delta in [(np.int64, 2, 9, 3), (np.int64, 10, 4, -2), (np.int32, 3, 3, 1), (np.int64, 5, 2, 1),
                                       (np.float32, 0, 1, 0.25), (np.float32, 1, 0, -0.4), (np.float64, 0.5, 3, 1),
                                       (np.int16, 0, 7, 7)]:
            y = np.arange(start, limit, delta).astype(t)
            a, b, c = (np.array(v, t) for v in (start, limit, delta))
            add("Range", opset, [a, b, c], expect=[y])
            add("Range", opset, [Const(a), b, Const(c)], expect=[y])
            add("Range", opset, [Const(a), Const(b), Const(c)], expect=[y])
