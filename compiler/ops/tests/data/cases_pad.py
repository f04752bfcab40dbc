"""Pad, CenterCropPad."""
import numpy as np
from generate import Const

I = lambda *v: np.array(v, np.int64)
X = np.arange(12, dtype=np.float32).reshape(3, 4)


def padded(x, pads, mode, value=0):
    half = len(pads) // 2
    x = x[tuple(slice(max(-b, 0), d - max(-e, 0)) for b, e, d in zip(pads[:half], pads[half:], x.shape))]
    widths = [(max(b, 0), max(e, 0)) for b, e in zip(pads[:half], pads[half:])]
    return np.pad(x, widths, mode, **({"constant_values": value} if mode == "constant" else {}))


def cases(add):
    for mode in ("constant", "reflect", "edge"):
        for pads in ((0, 1, 2, 1), (2, 0, 0, 3)):
            y = [padded(X, pads, mode)]
            add("Pad", 1, [X], paddings=list(pads), mode=mode, expect=y)
            add("Pad", 2, [X], pads=list(pads), mode=mode, expect=y)
            for opset in (11, 13, 18, 19, 21, 23, 24, 25):
                add("Pad", opset, [X, Const(I(*pads))], mode=mode, expect=y)
            add("Pad", 13, [X, I(*pads)], mode=mode, expect=y, fixed=True)
    add("Pad", 2, [X], pads=[1, 0, 0, 0], value=2.5, expect=[padded(X, (1, 0, 0, 0), "constant", 2.5)])
    for value in (np.float32(2.5), np.array([2.5], np.float32)):
        for v in (value, Const(value)):
            add("Pad", 13, [X, Const(I(1, 0, -1, 2)), v], expect=[padded(X, (1, 0, -1, 2), "constant", 2.5)])
    add("Pad", 13, [X, Const(I(-1, -1, 0, -2))], expect=[X[1:, 1:2]])
    add("Pad", 13, [X, Const(I(-1, -1, 0, -2))], mode="edge", expect=[X[1:, 1:2]])
    for opset in (19, 25):
        add("Pad", opset, [X, Const(I(2, 3, 4, 1))], mode="wrap", expect=[np.pad(X, [(2, 4), (3, 1)], "wrap")])
    add("Pad", 18, [X, Const(I(2, 1)), None, Const(I(-1))], mode="reflect", expect=[np.pad(X, [(0, 0), (2, 1)], "reflect")])
    add("Pad", 19, [X, Const(I(2, 1)), None, Const(np.array([0], np.int32))], expect=[np.pad(X, [(2, 1), (0, 0)])])
    add("Pad", 13, [X[:1], Const(I(5, 0, 2, 0))], mode="reflect", expect=[np.pad(X[:1], [(5, 2), (0, 0)], "edge")])
    add("Pad", 13, [X, Const(I(5, 0, 7, 0))], mode="reflect", expect=[np.pad(X, [(5, 7), (0, 0)], "reflect")])
    add("Pad", 13, [np.array([1, 2], np.int32), Const(I(1, 1)), Const(np.array(9, np.int32))],
        expect=[np.array([9, 1, 2, 9], np.int32)])
    for dims, kw in [((5, 2), {}), ((2, 7), {}), ((3,), {"axes": [1]}), ((6, 3), {"axes": [-1, 0]})]:
        for const in (True, False):
            add("CenterCropPad", 18, [X, Const(I(*dims)) if const else I(*dims)], by=("ref",), fixed=not const, **kw)
    for pads in (Const(I(2, 1)), I(2, 1)):
        add("Pad", 18, [X, pads, None, I(-1)], mode="reflect", expect=[np.pad(X, [(0, 0), (2, 1)], "reflect")], fixed=True)
        add("Pad", 18, [X, pads, np.float32(3), I(0)], expect=[np.pad(X, [(2, 1), (0, 0)], constant_values=3)], fixed=True)
