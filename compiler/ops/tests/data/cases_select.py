"""Where."""
import numpy as np

from generate import Const, Followed

F = np.float32


def cases(add):
    c = np.array([[True], [False]])
    x, y = np.array([1, np.nan, 3], F), np.array([[9, 8, 7], [6, 5, 4]], F)
    for v in (9, 16):
        add("Where", v, [c, x, y], tolerance=0)
        add("Where", v, [np.array(True), np.array([1, 2]), np.array(7)], tolerance=0)
    add("Where", 16, [c, x.astype(np.float16), y.astype(np.float16)], tolerance=0, by=("ref",))
    add("Where", 16, [c, np.array([True, False]), np.array([[False, True]])], tolerance=0, by=("ref",))
    # Known contents: the condition decides at compile time.
    add("Where", 16, [Const(np.array([True, False])), Const(np.array([1, 2])), Const(np.array(-1))], tolerance=0)
    add("Where", 16, [Const(np.array([True, False])), Followed([4, 5]), Const(np.array(-1))], [np.array([4, -1])])
