"""DFT, STFT."""
import numpy as np

from generate import Const

F = np.float32


def cases(add):
    r = np.random.default_rng(8)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)
    n = lambda v: np.array(v, np.int64)
    tol = dict(tolerance=2e-5, by=("ref",))
    for parts in (1, 2):
        x = f(2, 5, 3, parts)
        add("DFT", 17, [x], axis=1, **tol)
        add("DFT", 20, [x, None, Const(n(1))], **tol)
        add("DFT", 20, [x], **tol)
        if parts == 2:
            add("DFT", 17, [x], axis=2, inverse=1, **tol)
        add("DFT", 20, [x, Const(n(7)), Const(n(-3))], **tol)
        add("DFT", 20, [x, n(4), Const(n(1))], **tol)
        for axis in (1, -2):
            add("DFT", 20, [x, None, n(axis)], **tol, fixed=True)
            add("DFT", 20, [x, n(4), n(axis)], **tol, fixed=True)
    add("DFT", 20, [f(2, 6, 1), None, n(1)], onesided=1, **tol, fixed=True)
    add("DFT", 20, [f(2, 4, 3, 2), None, n(1)], onesided=1, inverse=1, **tol, fixed=True)
    add("DFT", 17, [f(2, 6, 1)], onesided=1, **tol)
    add("DFT", 20, [f(1, 5, 1), Const(n(5)), Const(n(1))], onesided=1, **tol)
    add("DFT", 20, [f(2, 6, 2), None, Const(n(1))], inverse=1, **tol)
    for length in (None, Const(n(6)), Const(n(5)), Const(n(12))):
        add("DFT", 20, [f(2, 4, 2), length, Const(n(1))], inverse=1, onesided=1, **tol)
    add("DFT", 20, [f(2, 6, 2).astype(np.float64)], tolerance=1e-12, by=("ref",))
    # Composite lengths take two steps.
    add("DFT", 20, [f(2, 64, 3, 2), None, Const(n(1))], **tol)
    add("DFT", 20, [f(1, 3, 66, 1), None, Const(n(2))], **tol)
    add("DFT", 20, [f(2, 72, 1), None, Const(n(1))], onesided=1, **tol)
    add("DFT", 20, [f(1, 96, 2), None, Const(n(1))], inverse=1, **tol)
    signal, window = f(2, 12, 1), f(4)
    add("STFT", 17, [signal, Const(n(3)), window], **tol)
    add("STFT", 17, [signal, Const(n(3)), Const(window), Const(n(4))], **tol)
    add("STFT", 17, [signal, Const(n(2)), None, Const(n(5))], onesided=0, **tol)
    add("STFT", 17, [signal, n(4), None, n(6)], **tol)
    add("STFT", 17, [f(1, 9, 2), Const(n(2)), window], onesided=0, **tol)
