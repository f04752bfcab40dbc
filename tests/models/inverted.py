#!/usr/bin/env python3
"""Writes inverted.onnx: a small network of inverted residuals (as MobileNetV2), whose first tensors are by far the largest.
Weights are seeded. Needs numpy and onnx."""
import pathlib
import numpy as np
from onnx import TensorProto, checker, helper as h, numpy_helper, save

SIDE = 32
rng = np.random.default_rng(2)
limits = [numpy_helper.from_array(np.float32(v), n) for n, v in [("zero", 0), ("six", 6)]]
nodes, weights = [], limits


def conv(x, inputs, outputs, y, kernel=1, stride=1, group=1, clip=True):
    w = (rng.standard_normal((outputs, inputs // group, kernel, kernel)) * np.sqrt(2 * group / (inputs * kernel**2)))
    b = (rng.standard_normal(outputs) * 0.1).astype(np.float32)
    weights.extend([numpy_helper.from_array(w.astype(np.float32), f"{y}_w"), numpy_helper.from_array(b, f"{y}_b")])
    out = f"{y}_sum" if clip else y
    nodes.append(
        h.make_node("Conv", [x, f"{y}_w", f"{y}_b"], [out], name=f"conv_{y}", pads=[kernel // 2] * 4, strides=[stride] * 2, group=group)
    )
    if clip:
        nodes.append(h.make_node("Clip", [out, "zero", "six"], [y], name=f"clip_{y}"))
    return y


def block(x, inputs, outputs, expand, stride, n):
    wide = inputs * expand
    y = conv(x, inputs, wide, f"wide{n}") if expand > 1 else x
    y = conv(y, wide, wide, f"deep{n}", 3, stride, wide)
    y = conv(y, wide, outputs, f"narrow{n}", clip=False)
    if stride > 1 or inputs != outputs:
        return y
    nodes.append(h.make_node("Add", [y, x], [f"block{n}"], name=f"add_{n}"))
    return f"block{n}"


y = conv("x", 3, 16, "first", 3, 2)
for n, (inputs, outputs, expand, stride) in enumerate([(16, 8, 1, 1), (8, 12, 6, 2), (12, 12, 6, 1), (12, 16, 6, 2)]):
    y = block(y, inputs, outputs, expand, stride, n)
nodes.append(h.make_node("GlobalAveragePool", [y], ["mean"], name="mean"))
nodes.append(h.make_node("Flatten", ["mean"], ["y"], name="flatten"))
graph = h.make_graph(
    nodes,
    "inverted",
    [h.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
    [h.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16])],
    weights,
)
model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8)
checker.check_model(model)
save(model, pathlib.Path(__file__).with_name("inverted.onnx"))
