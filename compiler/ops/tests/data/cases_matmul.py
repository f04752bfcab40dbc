"""MatMul: every combination of ranks, broadcast batches, dtypes."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(2)


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / (1 if np.issubdtype(t, np.integer) else 4)).astype(t)


def cases(add):
    for v in (1, 9, 13):
        add("MatMul", v, [x(2, 3), x(3, 4)])
    for a, b in (((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((3,), (4, 3, 2)), ((4, 2, 3), (3,)),
                 ((4, 2, 3), (3, 5)), ((2, 3), (4, 3, 5)), ((2, 1, 2, 3), (4, 3, 2)), ((1, 4, 2, 3), (2, 1, 3, 1)),
                 ((2, 2, 3, 2), (2, 2, 2, 3))):
        add("MatMul", 13, [x(*a), x(*b)])
    add("MatMul", 13, [x(2, 3), Const(x(3, 4))])
    add("MatMul", 13, [x(2, 0), x(0, 3)], [np.zeros((2, 3), F)])
    for t in (np.float64, np.int32, np.int64):
        add("MatMul", 13, [x(2, 3, t=t), x(3, 2, t=t)], by=("ref",))
    add("MatMul", 13, [np.array([[1, 2]], np.uint32), np.array([[3], [4]], np.uint32)], [np.array([[11]], np.uint32)])
    add("MatMul", 13, [x(2, 3, t=np.float16), x(3, 2, t=np.float16)], by=("ref",), tolerance=1e-3)
