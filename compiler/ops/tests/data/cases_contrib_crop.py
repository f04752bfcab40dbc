"""CropAndResize of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32


def cases(add):
    name, rng = "com.microsoft.CropAndResize", np.random.default_rng(12)
    x = rng.integers(-8, 9, (2, 2, 4, 5)).astype(F)
    boxes = np.array([[0, 0, 1, 1], [0.1, 0.6, 0.9, 0.2], [-0.3, 0.25, 0.5, 1.4], [0.2, 0.2, 0.2, 0.2]], F)
    of = np.array([0, 1, 1, 0], np.int32)
    for mode in ("bilinear", "nearest"):
        for size in ((3, 4), (1, 2), (2, 1)):
            add(name, 1, [x, boxes, of, Const(np.array(size, np.int32))], by=("ort",), mode=mode, extrapolation_value=9.0, tolerance=2e-5)
