#!/usr/bin/env python3
"""Makes forest.onnx, machine.onnx, decoder.onnx, cross.onnx and scan8.onnx. Needs onnx, numpy, scikit-learn and skl2onnx.

The first two are what skl2onnx exports. The others have the form that ONNX Runtime's optimiser gives transformers: a layer
of a decoder with its cache (grouped attention, rotary embedding, normalisations with skips), and attention over itself and
over another sequence. The last is a Scan of opset 8, whose samples have lengths.
"""
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

HERE = pathlib.Path(__file__).parent
F = np.float32
rng = np.random.default_rng(0)


class Graph:
    def __init__(self):
        self.nodes, self.constants = [], {}

    def const(self, name, value):
        self.constants[name] = value
        return name

    def weights(self, name, *shape, around=0.0):
        return self.const(name, (rng.standard_normal(shape) * 0.3 + around).astype(F))

    def node(self, op, inputs, outputs, domain="", **attrs):
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, name=f"{outputs[0]}_node", **attrs))
        return outputs[0]

    def ms(self, *args, **attrs):
        return self.node(*args, domain="com.microsoft", **attrs)

    def save(self, name, inputs, outputs):
        infos = [[helper.make_tensor_value_info(*v) for v in values] for values in (inputs, outputs)]
        constants = [numpy_helper.from_array(a, n) for n, a in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, *infos, constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), HERE / f"{name}.onnx")


def decoder():
    hidden, heads, shared, size, words = 32, 2, 1, 16, 12
    g = Graph()
    angles = np.outer(np.arange(16), 1 / 10000 ** (np.arange(0, size, 2) / size))
    cos, sin = g.const("cos", np.cos(angles).astype(F)), g.const("sin", np.sin(angles).astype(F))
    one, axis = g.const("one", np.array([1])), g.const("axis", np.array(1))
    x = g.node("Gather", [g.weights("words", words, hidden), "ids"], ["x"])
    g.node("ReduceSum", ["mask", one], ["real"], keepdims=0)
    g.node("Cast", [g.node("Sub", ["real", one], ["before"])], ["lengths"], to=T.INT32)
    g.node("Gather", [g.node("Shape", ["mask"], ["extents"]), axis], ["all"], axis=0)
    g.node("Cast", ["all"], ["total"], to=T.INT32)
    n = g.node("SimplifiedLayerNormalization", [x, g.weights("first", hidden, around=1)], ["n"], axis=-1, epsilon=1e-5)
    qkv = g.node("MatMul", [n, g.weights("qkv_w", hidden, (heads + 2 * shared) * size)], ["qkv"])
    g.ms("GroupQueryAttention", [qkv, "", "", "past_key", "past_value", "lengths", "total", cos, sin],
         ["attended", "key", "value"], num_heads=heads, kv_num_heads=shared, do_rotary=1)
    o = g.node("MatMul", ["attended", g.weights("o_w", heads * size, hidden)], ["o"])
    g.ms("SkipSimplifiedLayerNormalization", [x, o, g.weights("second", hidden, around=1)], ["m", "", "", "sum"], epsilon=1e-5)
    gate = g.ms("QuickGelu", [g.node("MatMul", ["m", g.weights("gate_w", hidden, 24)], ["gate"])], ["open"], alpha=1.0)
    up = g.node("Mul", [gate, g.node("MatMul", ["m", g.weights("up_w", hidden, 24)], ["up"])], ["inner"])
    down = g.node("MatMul", [up, g.weights("down_w", 24, hidden)], ["down"])
    g.ms("SkipSimplifiedLayerNormalization", ["sum", down, g.weights("last", hidden, around=1)], ["end"], epsilon=1e-5)
    g.node("MatMul", ["end", g.weights("head", hidden, words)], ["logits"])
    cache = lambda name, length: (name, T.FLOAT, ["batch", shared, length, size])
    g.save("decoder", [("ids", T.INT64, ["batch", "new"]), ("mask", T.INT64, ["batch", "total_length"]), cache("past_key", "past"), cache("past_value", "past")],
           [("logits", T.FLOAT, ["batch", "new", words]), cache("key", "total_length"), cache("value", "total_length")])


def cross():
    hidden, heads = 16, 2
    g = Graph()
    product = lambda x, name: g.node("MatMul", [x, g.weights(f"{name}_w", hidden, hidden)], [name])
    g.ms("MultiHeadAttention", [product("x", "q"), product("x", "k"), product("x", "v"), g.weights("bias", 3 * hidden), "", "", "past_key", "past_value"],
         ["own", "key", "value"], num_heads=heads, unidirectional=1)
    g.ms("SkipLayerNormalization", ["own", "x", g.weights("gamma", hidden, around=1), g.weights("beta", hidden)], ["s", "", "", "sum"])
    k, v = product("other", "k2"), product("other", "v2")
    g.ms("FusedMatMul", ["s", g.weights("q2_w", hidden, hidden)], ["q2"], transB=1, alpha=0.5)
    g.node("Cast", ["mask"], ["mask_32"], to=T.INT32)
    g.ms("MultiHeadAttention", ["q2", k, v, g.weights("bias2", 3 * hidden), "mask_32"], ["over"], num_heads=heads)
    g.ms("BiasGelu", [g.node("Add", ["over", "sum"], ["both"]), g.weights("bias3", hidden)], ["y"])
    cache = lambda name, length: (name, T.FLOAT, ["batch", heads, length, hidden // heads])
    g.save("cross", [("x", T.FLOAT, ["batch", "new", hidden]), ("other", T.FLOAT, ["batch", "length", hidden]), ("mask", T.INT64, ["batch", "length"]), cache("past_key", "past"), cache("past_value", "past")],
           [("y", T.FLOAT, ["batch", "new", hidden]), cache("key", "all"), cache("value", "all")])


def scan8():
    """States add up what is scanned, forth and back at once, as long as a sample is."""
    f = lambda name, *shape: helper.make_tensor_value_info(name, T.FLOAT, shape)
    adds = [helper.make_node("Add", ["state", "a"], ["next"], name="add"), helper.make_node("Mul", ["next", "b"], ["product"], name="mul")]
    body = helper.make_graph(adds, "body", [f("state", 2), f("a", 2), f("b", 2)], [f("next", 2), f("product", 2)])
    node = helper.make_node("Scan", ["lengths", "first", "x", "z"], ["last", "all"], name="scan", body=body, num_scan_inputs=2, directions=[0, 1])
    lengths = helper.make_tensor_value_info("lengths", T.INT64, ["batch"])
    inputs = [lengths, f("first", "batch", 2), f("x", "batch", "steps", 2), f("z", "batch", "steps", 2)]
    graph = helper.make_graph([node], "scan8", inputs, [f("last", "batch", 2), f("all", "batch", "steps", 2)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 8)], ir_version=3), HERE / "scan8.onnx")


def exported():
    from sklearn.datasets import make_classification
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC
    from skl2onnx import to_onnx

    x, y = make_classification(80, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
    x = x.astype(F)
    forest = RandomForestClassifier(5, max_depth=4, random_state=0)
    machine = make_pipeline(StandardScaler(), SVC(probability=True, random_state=0))
    for name, model in (("forest", forest), ("machine", machine)):
        model.fit(x, y)
        made = to_onnx(model, x[:1], options={id(model): {"zipmap": False}}, target_opset={"": 17, "ai.onnx.ml": 3})
        onnx.save(made, HERE / f"{name}.onnx")


if __name__ == "__main__":
    decoder()
    cross()
    scan8()
    exported()
