"""Activations."""
import numpy as np

F = np.float32
X = np.array([[-30.0, -3.5, -1.0, -0.25], [0.0, 0.25, 1.0, 3.5]], F)
WIDE = np.array([-100.0, -20.0, 20.0, 100.0, np.nan], F)
ROWS = [
    ("Celu", [12, 28], [{}, {"alpha": 2.0}]), ("Elu", [1, 6, 22], [{}, {"alpha": 0.5}]),
    ("HardSigmoid", [1, 6, 22], [{}, {"alpha": 0.5, "beta": 0.3}]), ("HardSwish", [14, 22], [{}]),
    ("LeakyRelu", [1, 6, 16], [{}, {"alpha": 0.2}]), ("Mish", [18, 22], [{}]), ("Relu", [1, 6, 13, 14], [{}]),
    ("Selu", [1, 6, 22], [{}, {"alpha": 2.0, "gamma": 3.0}]), ("Shrink", [9], [{}, {"lambd": 1.5, "bias": 1.5}]),
    ("Sigmoid", [1, 6, 13], [{}]), ("Softplus", [1, 22], [{}]), ("Softsign", [1, 22], [{}]),
    ("Swish", [24], [{}, {"alpha": 0.5}]), ("ThresholdedRelu", [10, 22], [{}, {"alpha": 2.0}]),
    ("Gelu", [20], [{}, {"approximate": "tanh"}]),
]


def celu(x, alpha=1.0):
    x = x.astype(np.float64)
    return np.where(x >= 0, x, alpha * np.expm1(x / alpha))


def selu_1(x, alpha=1.6732, gamma=1.0507):
    return (F(gamma) * np.where(x > 0, x, F(alpha) * np.expm1(x))).astype(F)


def cases(add):
    for op, versions, attribute_sets in ROWS:
        for v in versions:
            for attrs in attribute_sets:
                expect = None
                if op == "Celu":
                    expect = [celu(X, **attrs).astype(F)]
                if op == "Selu" and v == 1:
                    expect = [selu_1(X, **attrs)]
                if op == "LeakyRelu" and v == 1:
                    expect = [np.where(X < 0, F(attrs.get("alpha", 0.01)) * X, X)]
                add(op, v, [X], expect, by=("ref", "ort"), **attrs)
        if op in ("Sigmoid", "Relu", "Gelu", "Elu", "HardSigmoid", "Swish"):
            add(op, versions[-1], [WIDE], by=("ref",))
        if op not in ("Celu",):
            add(op, versions[-1], [X.astype(np.float16)], by=("ref",), tolerance=3e-3)
    add("Softplus", 22, [WIDE], [np.array([0, 2.0611536e-9, 20, 100, np.nan], F)], tolerance=1e-15)
    add("Softplus", 22, [WIDE[:3].astype(np.float64)], [np.array([3.720075976020836e-44, 2.061153620314381e-09, 20.000000002061153])], tolerance=1e-15)
    add("Mish", 22, [WIDE[1:]], [np.array([-4.1223072e-8, 20, 100, np.nan], F)], tolerance=1e-12)
    add("Relu", 14, [np.array([-3, 4], np.int8)])
    add("Relu", 14, [np.array([-3, 4], np.int64)], by=("ref",))
    add("Shrink", 9, [np.array([-3, 0, 1, 4], np.int32)], [np.array([-3, 0, 1, 4], np.int32)])
    add("Elu", 1, [X], [np.where(X < 0, np.expm1(X), X).astype(F)], consumed_inputs=[0])
