"""SwiGLU."""
import numpy as np

F = np.float32
A = np.array([[1, -2, 0.5], [0, 3, -90]], F)
B = np.array([[2, 1, -1], [4, 0.5, 3]], F)


def swiglu(a, b, alpha=1.0):
    w = a.astype(np.float64)
    return [(w / (1 + np.exp(-alpha * w)) * b).astype(a.dtype)]


def cases(add):
    add("SwiGLU", 28, [A, B], swiglu(A, B))
    add("SwiGLU", 28, [A, B], swiglu(A, B, 1.702), alpha=1.702)
    add("SwiGLU", 28, [A.astype(np.float64), B.astype(np.float64)], swiglu(A.astype(np.float64), B))
    h = [A.astype(np.float16), B.astype(np.float16)]
    add("SwiGLU", 28, h, swiglu(*h), tolerance=2e-3)
    add("SwiGLU", 28, [A[:0], B[:0]], swiglu(A[:0], B[:0]))
