"""RNN, GRU, LSTM: directions, lengths, states, functions, layouts."""
import numpy as np
from generate import Const, compute

F = np.float32
rng = np.random.default_rng(9)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
VERSIONS = {"RNN": (1, 7, 14, 22), "GRU": (1, 3, 7, 14, 22), "LSTM": (1, 7, 14, 22)}


def x(*shape, t=F):
    return (rng.integers(-8, 9, shape) / 8).astype(t)


def node(op, steps, batch, size, hidden, directions=1, bias=True, lengths=None, state=False, cell=False, peep=False, t=F):
    g = GATES[op]
    inputs = [x(steps, batch, size, t=t), Const(x(directions, g * hidden, size, t=t)), Const(x(directions, g * hidden, hidden, t=t))]
    inputs.append(Const(x(directions, 2 * g * hidden, t=t)) if bias else None)
    inputs.append(np.array(lengths, np.int32) if lengths else None)
    inputs.append(x(directions, batch, hidden, t=t) if state else None)
    if op == "LSTM":
        inputs.append(x(directions, batch, hidden, t=t) if cell else None)
        inputs.append(Const(x(directions, 3 * hidden, t=t)) if peep else None)
    return inputs


def cases(add):
    def case(op, v, inputs, by=("ort",), **attrs):
        hidden = inputs[2].value.shape[2]
        add(op, v, inputs, outputs=3 if op == "LSTM" else 2, tolerance=2e-6, by=by, hidden_size=hidden, **attrs)

    for op, versions in VERSIONS.items():
        for v in versions:
            if v >= 7:
                case(op, v, node(op, 3, 2, 3, 4))
            else:
                # No implementation has these versions: the same as 7, computed there.
                old = node(op, 2, 1, 2, 2)
                arrays = [i.value if isinstance(i, Const) else i for i in old]
                expect = compute(op, 7, {"hidden_size": 2}, arrays, 3 if op == "LSTM" else 2, ("ort",))
                add(op, v, old, expect, outputs=len(expect), tolerance=2e-6, hidden_size=2, output_sequence=1)
        case(op, 14, node(op, 3, 2, 3, 2, state=True, cell=True), direction="reverse")
        case(op, 14, node(op, 3, 2, 9, 10, directions=2, state=True), direction="bidirectional")
        case(op, 14, node(op, 4, 3, 2, 2, lengths=[2, 4, 1]))
        case(op, 14, node(op, 4, 3, 2, 2, directions=2, lengths=[2, 4, 1]), direction="bidirectional")
        case(op, 14, node(op, 2, 1, 2, 2, bias=False), clip=0.25)
        case(op, 14, node(op, 1, 1, 2, 2))
        half = [Const(i.value.astype(np.float16)) if isinstance(i, Const) else i if i is None else i.astype(np.float16)
                for i in node(op, 2, 1, 2, 2)]
        add(op, 22, half, by=("ref",), outputs=3 if op == "LSTM" else 2, tolerance=3e-3, hidden_size=2)
    case("GRU", 14, node("GRU", 3, 2, 3, 4), linear_before_reset=1)
    case("GRU", 14, node("GRU", 3, 2, 3, 4, directions=2, state=True), linear_before_reset=1, direction="bidirectional")
    case("LSTM", 14, node("LSTM", 3, 2, 3, 4, state=True, cell=True, peep=True))
    case("LSTM", 14, node("LSTM", 3, 2, 3, 4, directions=2, peep=True), direction="bidirectional")
    case("LSTM", 14, node("LSTM", 3, 1, 3, 2, state=True, cell=True), input_forget=1)
    # Functions and their parameters.
    for name in ("Relu", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"):
        extra = {}
        if name in ("Affine", "ScaledTanh", "HardSigmoid"):
            extra["activation_beta"] = [0.75]
        if name not in ("Relu", "Sigmoid", "Softsign", "Softplus"):
            extra["activation_alpha"] = [0.5]
        case("RNN", 14, node("RNN", 3, 1, 3, 4), activations=[name], **extra)
    case("GRU", 14, node("GRU", 3, 1, 3, 2), activations=["HardSigmoid", "LeakyRelu"], activation_alpha=[0.3, 0.1], activation_beta=[0.4])
    case("LSTM", 14, node("LSTM", 2, 1, 3, 2), activations=["HardSigmoid", "Tanh", "Softsign"])
    # Batch first: no implementation has all of it, so the other layout, turned.
    for op in VERSIONS:
        count = 3 if op == "LSTM" else 2
        inputs = node(op, 3, 2, 2, 3, directions=2, lengths=[2, 3], state=True, cell=True)
        arrays = [i.value if isinstance(i, Const) else i for i in inputs]
        attrs = {"hidden_size": 3, "direction": "bidirectional"}
        y, *states = compute(op, 14, attrs, arrays, count, ("ort",))
        for i in (0, 5, 6):
            if i < len(inputs):
                inputs[i] = inputs[i].swapaxes(0, 1)
        expect = [y.transpose(2, 0, 1, 3)] + [s.swapaxes(0, 1) for s in states]
        add(op, 14, inputs, expect, outputs=count, tolerance=2e-6, layout=1, **attrs)
