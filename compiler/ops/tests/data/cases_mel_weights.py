"""MelWeightMatrix."""
import numpy as np

from generate import Const


def cases(add):
    i, f = (lambda v: np.array(v, np.int64)), (lambda v: np.array(v, np.float32))
    for k in (Const, lambda v: v):
        add("MelWeightMatrix", 17, [k(i(8)), k(i(16)), i(8192), f(0), f(4096)], by=("ref",))
    add("MelWeightMatrix", 17, [Const(i(4)), Const(i(11)), i(8000), f(100), f(3000)], by=("ref",), output_datatype=11)
    narrow = [np.array(v, np.float16) for v in (0, 2000)]
    add("MelWeightMatrix", 17, [Const(i(3)), Const(np.array(16, np.int64)), i(4000), *narrow], by=("ref",))
