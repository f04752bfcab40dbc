"""LabelEncoder and OneHotEncoder of ai.onnx.ml, numbers only."""
import numpy as np

F = np.float32


def cases(add):
    name = "ai.onnx.ml.LabelEncoder"
    add(name, 2, [np.array([1, 5, 2])], by=("ort",), keys_int64s=[1, 2, 1], values_floats=[0.5, 1.5, 7.0])
    add(name, 2, [np.array([[1, 5], [2.5, np.nan]], F)], by=("ort",), keys_floats=[1.0, 2.5, float("nan")], values_int64s=[4, 6, 8], default_int64=9)
    add(name, 4, [np.array([1, 5, np.nan], F)], by=("ort",), keys_floats=[1.0, float("nan")], values_floats=[4.0, 6.0], default_float=-1.5)
    add(name, 4, [np.array([1, 5, 2])], by=("ort",), keys_int64s=[1, 2], values_int64s=[10, 20])
    add(name, 4, [np.array([1, 5, np.nan])], by=("ort",), keys_tensor=np.array([1, np.nan]), values_tensor=np.array([3, 4]), default_tensor=np.array([-5]))
    add(name, 4, [np.array([1, 5, 2], np.int16)], by=("ort", "ref"), keys_tensor=np.array([1, 2], np.int16), values_tensor=np.array([3, 4], np.int16), default_tensor=np.array([-5], np.int16))
    name = "ai.onnx.ml.OneHotEncoder"
    add(name, 1, [np.array([1, 5, 2])], by=("ort",), cats_int64s=[1, 2, 3], zeros=1)
    add(name, 1, [np.array([[1, 5.6, 2]], F)], by=("ort",), cats_int64s=[1, 2, 5])
    add(name, 1, [np.array([[1, 5, 2], [2, 2, 2]], np.int32)], by=("ort", "ref"), cats_int64s=[1, 2, 5], zeros=0)
    add(name, 1, [np.array([[3.0]])], by=("ort",), cats_int64s=[1, 2, 3])
