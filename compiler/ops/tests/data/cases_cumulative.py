"""CumSum, CumProd."""
import numpy as np

from generate import Const

F = np.float32
X = np.array([[[1, 2, 3], [4, -5, 6]], [[0.5, 2, -1], [3, 1, 2]]], F)


def cases(add):
    for op, versions in (("CumSum", (11, 14)), ("CumProd", (26,))):
        for v in versions:
            for axis in (0, 1, -1):
                for exclusive in (0, 1):
                    for reverse in (0, 1):
                        add(op, v, [X, Const(np.array(axis, np.int32))], by=("ref",), exclusive=exclusive, reverse=reverse)
        add(op, versions[-1], [np.array([3, 4, 5]), Const(np.array([0]))], [np.array([3, 7, 12] if op == "CumSum" else [3, 12, 60])])
        for axis in (0, 1, 2, -1, -3):
            add(op, versions[-1], [X, np.array(axis, np.int32)], by=("ref",))
        h = X.astype(np.float16)
        add(op, versions[-1], [h, Const(np.array(2))], by=("ref",), tolerance=1e-3)
        add(op, versions[-1], [np.zeros((2, 0), F), Const(np.array(1))], [np.zeros((2, 0), F)])
        wide = np.resize(X / 4 + 1, (2, 3, 19)).astype(F)
        for exclusive, reverse in ((0, 0), (1, 1)):
            add(op, versions[-1], [wide, Const(np.array(1))], by=("ref",), exclusive=exclusive, reverse=reverse)
