"""Small decoders of random weights, of the forms that ONNX Runtime's operators of generation want: GPT-2's, T5's, Whisper's."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

VOCAB, PAD, HEADS, SIZE = 20, 1, 2, 4
HIDDEN = HEADS * SIZE
info = helper.make_tensor_value_info
i64 = lambda *v: np.array(v, np.int64)


class Graph:
    """Nodes under construction."""

    def __init__(self, seed, half=False, rounded=False):
        self.random, self.nodes, self.constants, self.names = np.random.default_rng(seed), [], [], 0
        self.dtype, self.rounded = np.float16 if half else np.float32, half or rounded

    def name(self):
        self.names += 1
        return f"v{self.names}"

    def constant(self, array):
        name = self.name()
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def floats(self, array):
        array = np.asarray(array, np.float32)
        return self.constant((array.astype(np.float16) if self.rounded else array).astype(self.dtype))

    def weight(self, *shape, scale=None):
        return self.floats(self.random.normal(size=shape) * (scale or shape[0] ** -0.5))

    def op(self, kind, *inputs, outputs=1, out=None, **attrs):
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        names = [out] if out else [self.name() for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attrs))
        return names[0] if len(names) == 1 else names

    def linear(self, x, size=HIDDEN, **how):
        return self.op("MatMul", x, self.weight(HIDDEN, size, **how))

    def norm(self, x):
        return self.op("LayerNormalization", x, self.floats(np.ones(HIDDEN)), axis=-1)

    def heads(self, x):
        return self.op("Transpose", self.op("Reshape", x, i64(0, 0, HEADS, SIZE)), perm=[0, 2, 1, 3])

    def attend(self, q, k, v, mask=None):
        scores = self.op("MatMul", self.op("Mul", q, self.floats(SIZE**-0.5)), self.op("Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.op("Add", scores, mask) if mask else scores
        y = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        return self.linear(self.op("Reshape", self.op("Transpose", y, perm=[0, 2, 1, 3]), i64(0, 0, -1)))

    def queries_keys_values(self, x):
        parts = self.op("Split", self.linear(x, 3 * HIDDEN), axis=-1, num_outputs=3, outputs=3)
        return [self.heads(p) for p in parts]

    def feed(self, x):
        y = self.op("Tanh", self.linear(self.norm(x)))
        return self.op("Add", x, self.linear(y))

    def allowed(self, condition):
        return self.op("Where", condition, self.floats(0), self.floats(-1e4))

    def finish(self, name, inputs, outputs):
        return helper.make_graph(self.nodes, name, inputs, outputs, self.constants)


def gpt(name, seed, layers=2, half=False, rounded=False, added=0):
    """A decoder like GPT-2's. `added`: to the result."""
    g = Graph(seed, half, rounded)
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(g.dtype))
    x = g.op("Add", g.op("Gather", g.weight(VOCAB, HIDDEN, scale=1), "input_ids"), g.op("Gather", g.weight(24, HIDDEN, scale=2), "position_ids"))
    one, zero = np.array(1, np.int64), np.array(0, np.int64)
    total, length = (g.op("Gather", g.op("Shape", v), one) for v in ("attention_mask", "input_ids"))
    rows = g.op("Add", g.op("Range", zero, length, one), g.op("Sub", total, length))
    seen = g.op("LessOrEqual", g.op("Unsqueeze", g.op("Range", zero, total, one), i64(0)), g.op("Unsqueeze", rows, i64(1)))
    real = g.op("Unsqueeze", g.op("Cast", "attention_mask", to=TensorProto.BOOL), i64(1, 2))
    mask = g.allowed(g.op("And", seen, real))
    for i in range(layers):
        q, *new = g.queries_keys_values(g.norm(x))
        past = g.op("Split", f"past_{i}", axis=0, num_outputs=2, outputs=2)
        k, v = (g.op("Concat", g.op("Squeeze", p, i64(0)), n, axis=2) for p, n in zip(past, new))
        g.op("Concat", g.op("Unsqueeze", k, i64(0)), g.op("Unsqueeze", v, i64(0)), axis=0, out=f"present_{i}")
        x = g.feed(g.op("Add", x, g.attend(q, k, v, mask)))
    logits = g.linear(g.norm(x), VOCAB, scale=2)
    # The token of padding is never made, so that it says where a sequence has ended.
    g.op("Add", logits, g.floats(np.where(np.arange(VOCAB) == PAD, -1e4, 0) + added), out="logits")
    ids = lambda name, length: info(name, TensorProto.INT32, ["batch", length])
    state = lambda name, length: info(name, dtype, [2, "batch", HEADS, length, SIZE])
    inputs = [ids("input_ids", "length"), ids("position_ids", "length"), ids("attention_mask", "total")]
    inputs += [state(f"past_{i}", "past") for i in range(layers)]
    outputs = [info("logits", dtype, ["batch", "length", VOCAB])] + [state(f"present_{i}", "total") for i in range(layers)]
    return g.finish(name, inputs, outputs)


def states(what, kind, layers, length):
    shape = ["batch", HEADS, length, SIZE]
    return [info(f"{what}_{part}_{kind}_{i}", TensorProto.FLOAT, shape) for i in range(layers) for part in ("key", "value")]


def decode(g, seed, ids, past, cross, mask, presents):
    """The decoder's tokens `ids` behind `past`, or the first ones."""
    g.random = np.random.default_rng(seed)
    x = g.op("Gather", g.weight(VOCAB, HIDDEN, scale=1), ids)
    for i in range(0, len(cross), 2):
        q, *new = g.queries_keys_values(g.norm(x))
        pair = []
        for j, n in enumerate(new):
            inputs = [past[i + j], n] if past else [n]
            pair.append(g.op("Concat", *inputs, axis=2, out=presents[i + j].name))
        # Something that hangs on the place.
        length = g.op("Cast", g.op("Shape", pair[0], start=2, end=3), to=TensorProto.FLOAT)
        turn = g.op("Sin", g.op("Mul", g.op("Add", length, np.arange(HIDDEN, dtype=np.float32)), np.float32(0.7)))
        x = g.op("Add", g.op("Add", x, turn), g.attend(q, *pair))
        x = g.op("Add", x, g.attend(g.heads(g.linear(g.norm(x))), cross[i], cross[i + 1], mask))
        x = g.feed(x)
    g.op("MatMul", g.norm(x), g.weight(HIDDEN, VOCAB, scale=1.5), out="logits")


def pair(name, seed=1, layers=2, masked=True, hidden_input=False, early=True, features=6):
    """An encoder and a decoder: T5's if `masked`, or Whisper's. `early`: the encoder runs the decoder's first token."""
    names = lambda infos: [i.name for i in infos]
    ids = lambda name, length: info(name, TensorProto.INT32, ["batch", length])
    logits = lambda length: info("logits", TensorProto.FLOAT, ["batch", length, VOCAB])
    hidden = info("encoder_hidden_states", TensorProto.FLOAT, ["batch", "encoded", HIDDEN])
    own, cross = states("present", "self", layers, "made"), states("present", "cross", layers, "encoded")
    real = lambda g: g.allowed(g.op("Unsqueeze", g.op("Cast", "encoder_attention_mask", to=TensorProto.BOOL), i64(1, 2))) if masked else None

    g = Graph(seed)
    if masked:
        inputs = [ids("encoder_input_ids", "encoded"), ids("encoder_attention_mask", "encoded")]
        x = g.op("Gather", g.weight(VOCAB, HIDDEN, scale=1), "encoder_input_ids")
    else:
        inputs = [info("encoder_input_ids", TensorProto.FLOAT, ["batch", features, "encoded"])]
        x = g.op("MatMul", g.op("Transpose", "encoder_input_ids", perm=[0, 2, 1]), g.weight(features, HIDDEN))
    mask = real(g)
    x = g.feed(g.op("Add", x, g.attend(*g.queries_keys_values(g.norm(x)), mask)))
    x = g.op("LayerNormalization", x, g.floats(np.ones(HIDDEN)), axis=-1, out="encoder_hidden_states")
    for c in cross:
        g.op("Transpose", g.op("Reshape", g.linear(x), i64(0, 0, HEADS, SIZE)), perm=[0, 2, 1, 3], out=c.name)
    outputs = cross
    if early:
        decode(g, seed + 5, "decoder_input_ids", None, names(cross), mask, own)
        inputs.append(ids("decoder_input_ids", 1 if masked else "length"))
        outputs = [logits(1 if masked else "length"), hidden] + own + cross
    encoder = g.finish(f"{name}_encoder", inputs, outputs)

    g = Graph(seed)
    past, crossed = states("past", "self", layers, "past"), states("past", "cross", layers, "encoded")
    decode(g, seed + 5, "input_ids", names(past), names(crossed), real(g), own)
    inputs = [ids("input_ids", 1)] + [ids("encoder_attention_mask", "encoded")] * masked + [hidden] * hidden_input
    return encoder, g.finish(f"{name}_decoder", inputs + past + crossed, [logits(1)] + own)
