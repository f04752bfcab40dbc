"""DepthToSpace, SpaceToDepth."""
import numpy as np

X = np.arange(2 * 8 * 2 * 3, dtype=np.float32).reshape(2, 8, 2, 3)
Y = np.arange(2 * 3 * 4 * 6, dtype=np.float32).reshape(2, 3, 4, 6)


def depth(x, b, mode="DCR"):
    n, c, h, w = x.shape
    if mode == "DCR":
        return x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)
    return x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // b**2, h * b, w * b)


def space(x, b):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)


def cases(add):
    for opset in (1, 11, 13, 28):
        add("DepthToSpace", opset, [X], blocksize=2, expect=[depth(X, 2)])
        if opset > 1:
            add("DepthToSpace", opset, [X], blocksize=2, mode="CRD", expect=[depth(X, 2, "CRD")])
    for opset in (1, 13, 28):
        add("SpaceToDepth", opset, [Y], blocksize=2, expect=[space(Y, 2)])
    add("SpaceToDepth", 28, [depth(X, 2, "CRD")], blocksize=2, mode="CRD", expect=[X])
