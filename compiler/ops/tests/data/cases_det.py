"""Det."""
import numpy as np


def cases(add):
    two = np.array([[0, 1], [2, 3]], np.float32)
    stack = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 10]], [[0, 0, 1], [0, 2, 0], [3, 0, 0]], [[1, 2, 3], [2, 4, 6], [1, 1, 1]]])
    for v in (11, 22):
        add("Det", v, [two], by=("ref",))
        add("Det", v, [stack.astype(np.float32)], by=("ref",), tolerance=1e-5)
    add("Det", 22, [stack.astype(np.float64)[None]], by=("ref",))
    add("Det", 22, [two.astype(np.float16)], [np.array(-2, np.float16)])
    add("Det", 22, [np.zeros((2, 0, 0), np.float32)], [np.ones(2, np.float32)])
    add("Det", 22, [np.zeros((0, 2, 2), np.float32)], [np.ones(0, np.float32)])
