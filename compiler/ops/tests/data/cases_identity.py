"""Identity and Dropout."""
import numpy as np

from generate import Const, Followed

F = np.float32
X = np.array([[1, -2], [3, 4]], F)


def cases(add):
    for v in (1, 13, 14, 16, 19, 21, 23, 24, 25):
        add("Identity", v, [X], tolerance=0)
    add("Identity", 25, [np.array([1, 5], np.int64)], tolerance=0)
    add("Dropout", 1, [X], [X], is_test=1, consumed_inputs=[0], tolerance=0)
    add("Dropout", 6, [X], [X, np.ones_like(X)], outputs=2, is_test=1, ratio=0.3, tolerance=0)
    add("Dropout", 7, [X], [X, np.ones_like(X)], outputs=2, tolerance=0)
    add("Dropout", 10, [X], [X, np.ones(X.shape, bool)], outputs=2, tolerance=0)
    for v in (12, 13, 22):
        add("Dropout", v, [X], outputs=2, tolerance=0)
        add("Dropout", v, [X, np.array(0.9, F)], tolerance=0, seed=7)
        add("Dropout", v, [X, Const(np.array(0, F)), Const(np.array(True))], [X, np.ones(X.shape, bool)], outputs=2, tolerance=0)
    add("Identity", 25, [Followed([3, 0])], [np.array([3, 0])], tolerance=0)
    import ml_dtypes
    small = X.astype(ml_dtypes.float8_e4m3fn)
    add("Dropout", 22, [small], [small, np.ones(X.shape, bool)], outputs=2, tolerance=0)
