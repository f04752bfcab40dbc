"""com.microsoft.GatherBlockQuantized."""
import ml_dtypes
import numpy as np

from generate import Const

F = np.float32
R = np.random.default_rng(5)


def cases(add):
    def case(data, picks, scales, zeros=None, by=("ort",), **attrs):
        inputs = [Const(data), picks, Const(scales)] + ([Const(zeros)] if zeros is not None else [])
        add("com.microsoft.GatherBlockQuantized", 1, inputs, by=by, attributes=attrs)

    scale = lambda *s: ((1 + R.integers(0, 16, s)) / 64).astype(F)
    byte = lambda *s: R.integers(0, 256, s).astype(np.uint8)
    at = np.array([[0, -1], [3, 2]], np.int64)
    case(byte(5, 16), at, scale(5, 2), block_size=16, bits=4)
    case(byte(5, 24), at, scale(5, 3), byte(5, 2), block_size=16, bits=4)
    case(byte(5, 32), at.astype(np.int32), scale(5, 2), byte(5, 2), block_size=16, bits=8)
    case(byte(5, 32), at, scale(5, 8), byte(5, 2), block_size=16, bits=2, quantize_axis=-1)
    # Elements of four bits, which ONNX Runtime's Python can't be given: dequantised first, then gathered.
    for t in (ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.float8_e4m3fn):
        four = lambda *s: R.integers(-8, 8, s).astype(t) if t != ml_dtypes.uint4 else R.integers(0, 16, s).astype(t)

        def whole(data, picks, scales, zeros=None, gather_axis=0, quantize_axis=1):
            spread = lambda v: np.repeat(v.astype(F), 16, quantize_axis).take(range(data.shape[quantize_axis]), quantize_axis)
            zero = spread(zeros) if zeros is not None else 0
            want = ((data.astype(F) - zero) * spread(scales)).take(picks, gather_axis)
            inputs = [Const(data), picks, Const(scales)] + ([Const(zeros)] if zeros is not None else [])
            attrs = dict(block_size=16, gather_axis=gather_axis, quantize_axis=quantize_axis)
            add("com.microsoft.GatherBlockQuantized", 1, inputs, [want], attributes=attrs)

        whole(four(5, 20), at, scale(5, 2))
        if t != ml_dtypes.float8_e4m3fn:
            whole(four(3, 20, 4), at, scale(3, 2, 4), four(3, 2, 4), gather_axis=2)
            whole(four(20, 4), np.array(17, np.int64), scale(2, 4), four(2, 4), quantize_axis=0)
