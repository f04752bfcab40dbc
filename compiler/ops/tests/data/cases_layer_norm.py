"""LayerNormalization, RMSNormalization, MeanVarianceNormalization, LpNormalization."""
import numpy as np

F = np.float32
X = np.array([[[1, 2, 4], [3, -1, 2]], [[-1, 0, 7], [0.5, 0.5, -8]]], F)
SCALE, BIAS = np.array([1, 2, -0.5], F), np.array([0.5, 0, 1], F)


def mvn(x, axes):
    axes = tuple(axes)
    d = x - x.mean(axes, keepdims=True)
    return [(d / (np.sqrt((d * d).mean(axes, keepdims=True)) + 1e-9)).astype(F)]


def rms(x, scale, axis=-1, epsilon=1e-5):
    axes = tuple(range(axis % x.ndim, x.ndim))
    x64 = x.astype(np.float64)
    return [(x64 / np.sqrt((x64**2).mean(axes, keepdims=True) + epsilon) * scale).astype(scale.dtype)]


def cases(add):
    layer = "LayerNormalization"
    add(layer, 17, [X, SCALE])
    add(layer, 17, [X, SCALE, BIAS], epsilon=0.1)
    for axis, shape in ((0, (2, 2, 3)), (1, (2, 3)), (-2, (2, 3)), (2, (3,))):
        w = np.linspace(-1, 1, int(np.prod(shape)), dtype=F).reshape(shape)
        add(layer, 17, [X, w, w * F(2)], outputs=3, axis=axis)
    add(layer, 17, [X, np.array(2, F)], by=("ref",))
    add(layer, 17, [X, SCALE], by=("ref",), outputs=2)
    h = [a.astype(np.float16) for a in (X, SCALE, BIAS)]
    add(layer, 17, h, by=("ort",), tolerance=5e-3)
    add(layer, 17, [a.astype(np.float64) for a in (X, SCALE)], by=("ort",))
    add("RMSNormalization", 23, [X, SCALE], rms(X, SCALE))
    add("RMSNormalization", 23, [X, SCALE[None] * np.ones((2, 1), F)], rms(X, SCALE[None] * np.ones((2, 1), F), -2, 0.01), axis=-2, epsilon=0.01)
    add("RMSNormalization", 23, [X.astype(np.float16), SCALE], rms(X, SCALE), tolerance=1e-5)
    image = np.arange(24, dtype=F).reshape(2, 3, 2, 2) ** 2 / F(50)
    for v in (9, 13):
        add("MeanVarianceNormalization", v, [image], mvn(image, (0, 2, 3)), tolerance=1e-5)
        add("MeanVarianceNormalization", v, [X], mvn(X, (0, 2)), axes=[0, -1], tolerance=1e-5)
    z = np.array([[3, 4, 0], [0, 0, 0], [-1, 2, 2]], F)
    for v in (1, 22):
        add("LpNormalization", v, [z], [np.array([[0.6, 0.8, 0], [0, 0, 0], [-1 / 3, 2 / 3, 2 / 3]], F)])
        n = np.abs(z).sum(0)
        add("LpNormalization", v, [z], [(z / n).astype(F)], p=1, axis=0)
        add("LpNormalization", v, [X], [X / np.sqrt((X * X).sum(1, keepdims=True))], p=2, axis=1)
