"""Rfft and Irfft of com.microsoft, by numpy: ONNX Runtime has them for other processors only."""
import numpy as np

F = np.float32


def cases(add):
    rng = np.random.default_rng(14)
    x = rng.integers(-8, 9, (2, 3, 6)).astype(F)
    z = np.fft.rfft(x)
    pairs = np.stack([z.real, z.imag], -1).astype(F)
    a = dict(signal_ndim=1, onesided=1, normalized=0, tolerance=2e-5)
    add("com.microsoft.Rfft", 1, [x], [pairs], **a)
    add("com.microsoft.Irfft", 1, [pairs], [x], **a)
