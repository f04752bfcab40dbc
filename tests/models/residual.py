#!/usr/bin/env python3
"""Writes residual.onnx: a small network for super-resolution, whose first tensor is added again at the end, after two blocks
with residuals of their own. Weights are seeded. Needs numpy and onnx."""
import pathlib
import numpy as np
from onnx import TensorProto, checker, helper as h, numpy_helper, save

CHANNELS, SIDE, BLOCKS = 8, 16, 2
rng = np.random.default_rng(1)
nodes, weights = [], []


def conv(x, inputs, outputs, y):
    w = (rng.standard_normal((outputs, inputs, 3, 3)) * np.sqrt(2 / (inputs * 9))).astype(np.float32)
    b = (rng.standard_normal(outputs) * 0.1).astype(np.float32)
    weights.extend([numpy_helper.from_array(w, f"{y}_w"), numpy_helper.from_array(b, f"{y}_b")])
    nodes.append(h.make_node("Conv", [x, f"{y}_w", f"{y}_b"], [y], name=f"conv_{y}", pads=[1, 1, 1, 1]))


def relu(x, y):
    nodes.append(h.make_node("Relu", [x], [y], name=f"relu_{y}"))


def add(a, b, y):
    nodes.append(h.make_node("Add", [a, b], [y], name=f"add_{y}"))


conv("x", 3, CHANNELS, "first")
relu("first", "head")
last = "head"
for i in range(BLOCKS):
    conv(last, CHANNELS, CHANNELS, f"a{i}")
    relu(f"a{i}", f"r{i}")
    conv(f"r{i}", CHANNELS, CHANNELS, f"b{i}")
    add(f"b{i}", last, f"s{i}")
    last = f"s{i}"
conv(last, CHANNELS, CHANNELS, "body")
add("body", "head", "sum")
conv("sum", CHANNELS, 3, "y")
tensor = lambda name: h.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, SIDE, SIDE])
graph = h.make_graph(nodes, "residual", [tensor("x")], [tensor("y")], weights)
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
checker.check_model(model)
save(model, pathlib.Path(__file__).with_name("residual.onnx"))
