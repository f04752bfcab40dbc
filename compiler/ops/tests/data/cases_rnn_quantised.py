"""DynamicQuantizeLSTM of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(12)


def x(*shape):
    return (rng.integers(-8, 9, shape) / 8).astype(F)


def cases(add):
    def case(steps, batch, size, hidden, directions=1, signed=False, columns=False, state=False, peep=False, lengths=None, **attrs):
        # Of 7 bits where they are signed: pairs of larger ones saturate in ONNX Runtime, on processors without VNNI.
        t, low, high = (np.int8, -64, 64) if signed else (np.uint8, 0, 256)
        weights = lambda rows: Const(rng.integers(low, high, (directions, rows, 4 * hidden)).astype(t))
        shape = (directions, 4 * hidden) if columns else (directions,)
        scale = lambda: Const((rng.integers(4, 9, shape) / 1024).astype(F))
        zero = lambda: Const(np.zeros(shape, t) if signed else rng.integers(120, 137, shape if not columns else (directions, 1)).astype(t) + np.zeros(shape, t))
        inputs = [x(steps, batch, size), weights(size), weights(hidden), Const(x(directions, 8 * hidden)),
                  np.array(lengths, np.int32) if lengths else None,
                  x(directions, batch, hidden) if state else None, x(directions, batch, hidden) if state else None,
                  Const(x(directions, 3 * hidden)) if peep else None, scale(), zero(), scale(), zero()]
        add("com.microsoft.DynamicQuantizeLSTM", 1, inputs, outputs=3, tolerance=1e-5, by=("ort",), hidden_size=hidden, **attrs)

    case(3, 1, 3, 4)
    case(4, 2, 5, 18, signed=True, columns=True)
    case(3, 2, 3, 4, directions=2, signed=True, state=True, direction="bidirectional")
    case(3, 1, 3, 4, peep=True, direction="reverse")
    case(2, 1, 3, 4, clip=0.25, input_forget=0)
    case(1, 3, 2, 2, state=True)
