"""GlobalAveragePool, GlobalLpPool, GlobalMaxPool."""
import numpy as np

F = np.float32
rng = np.random.default_rng(6)


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / 4).astype(t)


def cases(add):
    for op, versions in (("GlobalAveragePool", (1, 22)), ("GlobalMaxPool", (1, 22)), ("GlobalLpPool", (1, 2, 22))):
        for v in versions:
            for shape in ((2, 3, 4), (1, 2, 3, 5), (1, 2, 2, 2, 3)):
                a = x(*shape)
                expect = [np.sqrt((a * a).sum(tuple(range(2, a.ndim)), keepdims=True))] if op == "GlobalLpPool" else None
                add(op, v, [a], expect, tolerance=1e-5)
        if op != "GlobalLpPool":
            add(op, 22, [x(1, 2, 3, 3, t=np.float16)], by=("ref",), tolerance=1e-3)
            a = x(1, 2, 3, t=np.float64)
            add(op, 22, [a], [(a.mean if op == "GlobalAveragePool" else a.max)(2, keepdims=True)])
    a = x(1, 2, 3, 2)
    add("GlobalLpPool", 2, [a], [np.abs(a).sum((2, 3), keepdims=True)], p=1)
    add("GlobalLpPool", 1, [a], [(np.abs(a.astype(float)) ** 1.5).sum((2, 3), keepdims=True).astype(F) ** F(1 / 1.5)], p=1.5, tolerance=1e-5)
