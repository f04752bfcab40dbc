#!/usr/bin/env python3
"""Makes gradient.onnx and ../data/gradient.npz. Needs onnx, numpy and torch, whose derivatives are the expected ones.

A recurrent network that reads its sequence as often as an input says, with another activation in every second round:
a Scan and an If inside of a Loop, and a Gradient through all of it by states, sequence and weights.
"""
import pathlib

import numpy as np
import onnx
import torch
from onnx import TensorProto as T
from onnx import helper

HERE = pathlib.Path(__file__).parent
NAMES = ["x", "h", "w", "u"]
SHAPES = {"x": ["steps", "batch", 3], "h": ["batch", 4], "w": [3, 4], "u": [4, 4]}


def value(name, shape=None, dtype=T.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def node(op, inputs, outputs, **attrs):
    return helper.make_node(op, inputs, outputs, **attrs)


def model():
    step = helper.make_graph(
        [node("MatMul", ["xt", "w"], ["xw"]), node("MatMul", ["ht", "u"], ["hu"]), node("Add", ["xw", "hu"], ["next"]),
         node("Softmax", ["next"], ["out"], axis=-1)],
        "step", [value("ht"), value("xt")], [value("next"), value("out")])
    branch = lambda op: helper.make_graph([node(op, ["last"], [op])], op, [], [value(op)])
    round_ = helper.make_graph(
        [node("Scan", ["hr", "x"], ["last", "outs"], body=step, num_scan_inputs=1, scan_output_axes=[1],
              scan_input_directions=[1]),
         node("Mod", ["i", "two"], ["rest"]), node("Cast", ["rest"], ["odd"], to=T.BOOL),
         node("If", ["odd"], ["after"], then_branch=branch("Sigmoid"), else_branch=branch("Tanh")),
         node("ReduceSumSquare", ["outs"], ["score"], keepdims=0), node("Identity", ["go"], ["on"])],
        "round", [value("i", [], T.INT64), value("go", [], T.BOOL), value("hr")],
        [value("on", [], T.BOOL), value("after"), value("score")])
    gradient = helper.make_node("Gradient", NAMES, [f"d{n}" for n in NAMES], domain="ai.onnx.preview.training", xs=NAMES, y="y")
    nodes = [node("Loop", ["rounds", "", "h"], ["end", "scores"], body=round_),
             node("ReduceSum", ["scores"], ["score_sum"], keepdims=0), node("ReduceSumSquare", ["end"], ["size"], keepdims=0),
             node("Mul", ["score_sum", "size"], ["product"]), node("Add", ["product", "size"], ["y"]), gradient]
    two = onnx.numpy_helper.from_array(np.array(2), "two")
    inputs = [value(n, SHAPES[n]) for n in NAMES] + [value("rounds", [], T.INT64)]
    outputs = [value("y", [])] + [value(f"d{n}", SHAPES[n]) for n in NAMES]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.preview.training", 1)]
    return helper.make_model(helper.make_graph(nodes, "gradient", inputs, outputs, [two]), opset_imports=opsets, ir_version=8)


def expected(inputs, rounds):
    x, h, w, u = (torch.tensor(inputs[n], requires_grad=True) for n in NAMES)
    leaves, score = [x, h, w, u], torch.zeros(())
    for i in range(rounds):
        for xt in x.flip(0):
            h = xt @ w + h @ u
            score = score + (torch.softmax(h, -1) ** 2).sum()
        h = torch.sigmoid(h) if i % 2 else torch.tanh(h)
    y = (score + 1) * (h ** 2).sum()
    grads = torch.autograd.grad(y, leaves, materialize_grads=True, allow_unused=True)
    return {"y": y.detach().numpy()} | {f"d{n}": g.numpy() for n, g in zip(NAMES, grads)}


def main():
    onnx.save(model(), HERE / "gradient.onnx")
    rng, arrays = np.random.default_rng(0), {}
    for case, (rounds, steps, batch) in enumerate([(0, 2, 1), (1, 1, 2), (3, 4, 2), (2, 0, 1)]):
        extent = {"steps": steps, "batch": batch}
        inputs = {n: (rng.standard_normal([extent.get(d, d) for d in SHAPES[n]]) * 0.5).astype(np.float32) for n in NAMES}
        for role, values in (("in", inputs | {"rounds": np.array(rounds)}), ("out", expected(inputs, rounds))):
            arrays |= {f"{case}.{role}.{n}": v for n, v in values.items()}
    np.savez_compressed(HERE.parent / "data" / "gradient.npz", **arrays)


if __name__ == "__main__":
    main()
