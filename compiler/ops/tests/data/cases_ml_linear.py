"""LinearClassifier, LinearRegressor of ai.onnx.ml."""
import numpy as np

F = np.float32
X = np.array([[-0.3, 0.2, 0.1], [0, 0, 0], [-0.1, -0.2, -0.3]], F)
WORDS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")


def cases(add):
    c, b = [1.0, 2.0, 3.0, -1.0, 0.5, 0.25, 0.3, 0.3, -0.7], [0.25, 0.5, 0.75]
    name = "ai.onnx.ml.LinearRegressor"
    for word in WORDS:
        add(name, 1, [X + F(0.5)], by=("ort",), tolerance=1e-5, coefficients=[0.1, 0.2, 0.3, 0.4, -0.5, 0.6], intercepts=[0.5, 0.1], targets=2, post_transform=word)
        add(name, 1, [X + F(0.5)], by=("ort",), tolerance=1e-5, coefficients=[0.1, 0.2, 0.3], intercepts=[0.5], post_transform=word)
    add(name, 1, [X[0]], by=("ort",), coefficients=[1.0, 2.0, 3.0], intercepts=[0.5])
    add(name, 1, [X[:, :1]], by=("ort",), coefficients=[2.0], intercepts=[0.5])
    add(name, 1, [X], [X @ np.array([[1], [2], [3]], F)], coefficients=[1.0, 2.0, 3.0])
    name = "ai.onnx.ml.LinearClassifier"
    for word in WORDS:
        for labels in ([10, 20, 30], [7, 5]):
            n = len(labels)
            add(name, 1, [X], outputs=2, by=("ort",), tolerance=1e-5, coefficients=c[:3 * n], intercepts=b[:n], classlabels_ints=labels, post_transform=word)
        if word != "PROBIT":
            add(name, 1, [X], outputs=2, by=("ort",), tolerance=1e-5, coefficients=c[:3], intercepts=[0.125], classlabels_ints=[7, 5], post_transform=word)
    add(name, 1, [X[0]], outputs=2, by=("ort",), coefficients=c, intercepts=b, classlabels_ints=[1, 2, 3])
    for dtype in (np.float64, np.int64, np.int32):
        add(name, 1, [np.array([[1, -2, 3], [4, 0, 1]], dtype)], outputs=2, by=("ort",), coefficients=c, intercepts=b, classlabels_ints=[1, 2, 3], multi_class=1)
