"""com.microsoft operators that ONNX has itself."""
import numpy as np
from generate import Const

F = np.float32
X = np.array([[-2, -0.5, 0], [0.25, 1, 3]], F)


def cases(add):
    ms = lambda name: f"com.microsoft.{name}"
    add(ms("Gelu"), 1, [X], by=("ort",))
    add(ms("QuickGelu"), 1, [X], by=("ort",))
    add(ms("QuickGelu"), 1, [X], by=("ort",), alpha=1.0)
    m = np.arange(12, dtype=F).reshape(3, 4)
    add(ms("Trilu"), 1, [m], by=("ort",))
    add(ms("Trilu"), 1, [m, Const(np.array(-1))], by=("ort",), upper=0)
    s = lambda v: np.array(v, np.int64)
    add(ms("Range"), 1, [Const(s(1)), Const(s(10)), Const(s(3))], by=("ort",))
    add(ms("Range"), 1, [s(2), s(6)], by=("ort",))
    add(ms("Range"), 1, [Const(np.array(0.5, F)), Const(np.array(3, F))], by=("ort",))
    add(ms("Pad"), 1, [X, Const(np.array([0, 2, 1, 0])), Const(np.array([9], F))], by=("ort",))
    add(ms("Pad"), 1, [X, Const(np.array([1, 1, 0, 1]))], by=("ort",), mode="reflect")
    add(ms("ExpandDims"), 1, [X, Const(np.array([1], np.int32))], by=("ort",))
    add(ms("ExpandDims"), 1, [X, Const(np.array([-1], np.int32))], by=("ort",))
    add(ms("GatherND"), 1, [X, Const(np.array([[1, 0], [0, 2]]))], by=("ort",))
    image = np.arange(16, dtype=F).reshape(1, 1, 4, 4)
    grid = np.linspace(-1.2, 1.1, 12, dtype=F).reshape(1, 2, 3, 2)
    for mode in ("bilinear", "nearest", "bicubic"):
        add(ms("GridSample"), 1, [image, grid], by=("ort",), mode=mode, align_corners=1, tolerance=1e-5)
