"""AffineGrid."""
import numpy as np

from generate import Const, Followed

PLANE = np.array([[[1.5, 0.25, -0.5], [0.5, 2, 0.75]], [[1, 0, 0], [0, 1, 0]]], np.float32)
SPACE = np.array([[[1, 0.5, 0, 0.1], [0, 2, 0.25, -0.2], [0.3, 0, 1, 0]]], np.float32)


def cases(add):
    size = lambda *v: np.array(v, np.int64)
    for corners in (0, 1):
        add("AffineGrid", 20, [PLANE, Const(size(2, 3, 2, 4))], by=("ref",), align_corners=corners)
        add("AffineGrid", 20, [SPACE, Followed(size(1, 1, 2, 3, 2))], by=("ref",), align_corners=corners, fixed=True)
        add("AffineGrid", 20, [PLANE, size(2, 3, 3, 2)], by=("ref",), align_corners=corners, fixed=True)
    one = np.array([[[[-1, -1], [0, -1], [1, -1]]]], np.float32)
    add("AffineGrid", 20, [PLANE[1:], Const(size(1, 1, 1, 3))], [one], align_corners=1)
    add("AffineGrid", 20, [PLANE.astype(np.float64), Const(size(2, 3, 2, 2))], by=("ort",))
