"""Scaler, Normalizer, Imputer, Binarizer of ai.onnx.ml."""
import numpy as np

F = np.float32
X = np.array([[-3, 2, 1], [0, 0, 0], [-1, -2, -3]], F)


def cases(add):
    ml = lambda name: f"ai.onnx.ml.{name}"
    for dtype in (F, np.float64, np.int64, np.int32):
        add(ml("Scaler"), 1, [X.astype(dtype)], by=("ort",), offset=[1.0, 0.5, -0.25], scale=[2.0, 1.0, 0.5])
        for norm in ("MAX", "L1", "L2"):
            add(ml("Normalizer"), 1, [X.astype(dtype)], by=("ort",), norm=norm)
    add(ml("Scaler"), 1, [X[0]], by=("ort",), offset=[1.0], scale=[0.5])
    add(ml("Scaler"), 1, [X], [X * F(2)], scale=[2.0])
    add(ml("Scaler"), 1, [X], [X])
    add(ml("Normalizer"), 1, [X[0]], by=("ort",), norm="L2")
    add(ml("Normalizer"), 1, [X], by=("ort",))
    name = ml("Imputer")
    add(name, 1, [X], by=("ort",), imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=0.0)
    add(name, 1, [np.array([[np.nan, 1], [2, np.nan]], F)], by=("ort",), imputed_value_floats=[7.0], replaced_value_float=float("nan"))
    add(name, 1, [np.array([[5, 1]])], by=("ort",), imputed_value_int64s=[7], replaced_value_int64=5)
    add(name, 1, [X.astype(np.float64)], by=("ref",), imputed_value_floats=[7.0], replaced_value_float=-3.0)
    add(name, 1, [X.astype(np.int32)], by=("ref",), imputed_value_int64s=[7, 6, 5], replaced_value_int64=0)
    name = ml("Binarizer")
    add(name, 1, [X], by=("ort",), threshold=1.0)
    add(name, 1, [X], by=("ort",))
    add(name, 1, [X.astype(np.float64)], by=("ref",), threshold=-1.5)
    add(name, 1, [X.astype(np.int64)], by=("ref",), threshold=1.5)
