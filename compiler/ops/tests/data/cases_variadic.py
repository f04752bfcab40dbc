"""Max, Min, Sum, Mean."""
import numpy as np

from generate import Const, Followed

F = np.float32
A, B, C = np.array([[1, 5, -2], [0, 3, 8]], F), np.array([[4, 2, -1], [7, -3, 8]], F), np.array([[2, 2, 2], [1, 1, 1]], F)


def cases(add):
    for op, versions in [("Max", (1, 6, 8, 12, 13)), ("Min", (1, 6, 8, 12, 13)), ("Sum", (1, 6, 8, 13)), ("Mean", (1, 6, 8, 13))]:
        f = {"Max": lambda *x: np.max(x, 0), "Min": lambda *x: np.min(x, 0), "Sum": lambda *x: np.sum(x, 0), "Mean": lambda *x: np.mean(x, 0)}[op]
        for v in versions:
            add(op, v, [A, B, C], [f(A, B, C)], **({"consumed_inputs": [0]} if v == 1 else {}))
            add(op, v, [A], [A])
            if v >= 8:
                add(op, v, [A, B[0], C[:, :1]])
        add(op, 13, [A.astype(np.float16), B.astype(np.float16)], by=("ref",), tolerance=1e-3)
    nan = np.array([1, np.nan, 3], F)
    for op in ("Max", "Min"):
        f = np.maximum if op == "Max" else np.minimum
        add(op, 13, [nan, B], [f(nan, B)])
        add(op, 13, [B, nan], [f(nan, B)])
        add(op, 13, [B, Const(nan)], [f(nan, B)])
        add(op, 13, [nan, Const(np.array(2, F))], [f(nan, F(2))])
        add(op, 13, [np.array([1, 200], np.uint8), np.array([[100], [250]], np.uint8)])
        add(op, 13, [Const(np.array([3, 4])), Const(np.array([[1], [9]])), Const(np.array(2))])
        add(op, 13, [Followed([3, 4]), Followed([[1], [9]]), Const([2])], [f(f(np.array([3, 4]), np.array([[1], [9]])), 2)])
        add(op, 13, [np.array([2**63 + 1, 5], np.uint64), np.array([2**62, 7], np.uint64)])
