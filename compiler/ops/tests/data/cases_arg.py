"""ArgMax, ArgMin."""
import numpy as np

F = np.float32
X = np.array([[[1, 7, 7], [3, -2, 0]], [[5, 5, 5], [9, -9, 9]]], F)


def cases(add):
    for op in ("ArgMax", "ArgMin"):
        for v in (1, 11, 12, 13):
            by = ("ref",)
            add(op, v, [X], by=by, tolerance=0)
            add(op, v, [X], by=by, axis=1, keepdims=0, tolerance=0)
            add(op, v, [X], by=by, axis=2, keepdims=1, tolerance=0)
            if v >= 11:
                add(op, v, [X], by=by, axis=-1, keepdims=0, tolerance=0)
            if v >= 12:
                add(op, v, [X], by=by, axis=-1, select_last_index=1, tolerance=0)
        add(op, 13, [np.array([3, 200, 200], np.uint8)], by=("ref",), tolerance=0)
        add(op, 13, [X.astype(np.float16)], by=("ref",), axis=2, tolerance=0)
        add(op, 13, [np.array([np.nan, np.nan], F)], [np.array([0])], tolerance=0)
        add(op, 13, [np.array([np.nan, np.nan], F)], [np.array([1])], select_last_index=1, tolerance=0)
        add(op, 13, [np.array([[1, np.nan, 3, np.nan]], F)], [np.array([[1]])], axis=1, tolerance=0)
