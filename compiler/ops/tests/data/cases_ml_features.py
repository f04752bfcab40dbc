"""ArrayFeatureExtractor, FeatureVectorizer of ai.onnx.ml."""
import numpy as np
from generate import Const

F = np.float32
X = np.array([[-3, 2, 1], [0, 4, 5], [-1, -2, -3]], F)


def cases(add):
    name = "ai.onnx.ml.ArrayFeatureExtractor"
    for x in (X, X[0], np.stack([X, X * F(2)]), X.astype(np.int64), X.astype(np.float64)):
        add(name, 1, [x, np.array([2, 0, 2])], by=("ort",))
    add(name, 1, [X, Const(np.array([[1, 2]]))], by=("ort",))
    add(name, 1, [X, np.array([[1], [2], [0], [1]])], by=("ort",))
    name = "ai.onnx.ml.FeatureVectorizer"
    add(name, 1, [X, X[:, :1]], by=("ort",), inputdimensions=[2, 3])
    add(name, 1, [X[0], X[1]], by=("ort",), inputdimensions=[3, 2])
    add(name, 1, [X.astype(np.int64), X.astype(np.int64)[:, :1], X.astype(np.int64)], by=("ort",), inputdimensions=[2, 1, 4])
    add(name, 1, [X.astype(np.float64)], by=("ort",), inputdimensions=[3])
