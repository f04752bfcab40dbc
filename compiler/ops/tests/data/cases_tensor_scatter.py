"""TensorScatter."""
import numpy as np


def cases(add):
    cache = np.arange(24, dtype=np.float32).reshape(2, 1, 4, 3)
    new = -np.arange(1, 13, dtype=np.float32).reshape(2, 1, 2, 3)
    at = lambda *v: np.array(v, np.int64)
    op = "TensorScatter"
    add(op, 24, [cache, new], by=("ref",))
    add(op, 24, [cache, new, at(2, 1)], by=("ref",))
    add(op, 24, [cache, new, at(3, 1)], by=("ref",), mode="circular")
    wide = np.arange(6, dtype=np.int32).reshape(2, 3)
    add(op, 24, [wide, np.array([[-1], [-2]], np.int32), at(2, 0)], by=("ref",), axis=1)
    add(op, 24, [wide > 2, np.array([[True, True], [False, False]]), at(1, 1)], by=("ref",), axis=-1)
