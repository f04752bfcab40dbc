"""HannWindow, HammingWindow, BlackmanWindow."""
import numpy as np

from generate import Const, Followed


def cases(add):
    n = lambda v: Const(np.array(v, np.int64))
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        add(op, 17, [n(10)], by=("ref",))
        add(op, 17, [n(9)], by=("ref",), periodic=0)
        add(op, 17, [n(5)], by=("ref",), output_datatype=11)
        add(op, 17, [Followed(np.array(6, np.int64))], by=("ref",))
        add(op, 17, [np.array(7, np.int32)], by=("ref",))
        add(op, 17, [n(0)], by=("ref",))
    add("HannWindow", 17, [n(8)], [np.array([0, 0, 0, 0, 1, 0, 0, 0], np.int32)], output_datatype=6)
