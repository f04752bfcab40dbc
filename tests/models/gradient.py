#!/usr/bin/env python3
"""Makes gradient.onnx, lists.onnx and their files in ../data. Needs onnx, numpy and torch, whose derivatives are the
expected ones.

gradient.onnx: a recurrent network that reads its sequence as often as an input says, with another activation in every
second round: a Scan and an If inside of a Loop, and a Gradient through all of it by states, sequence and weights.

lists.onnx: a Loop that reads from a list of tensors and appends ever longer ones, which are put together at the end; a
Gradient through that, and a Gradient of that one.
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


def lists():
    """The model, and what torch makes of its inputs."""
    body = helper.make_graph(
        [node("SequenceAt", ["list", "zero"], ["first"]), node("ReduceSum", ["first"], ["size"], keepdims=0),
         node("Mul", ["s", "size"], ["next"]), node("Concat", ["next", "first", "long"], ["longer"], axis=0),
         node("SequenceInsert", ["list", "longer"], ["more"]), node("Sin", ["longer"], ["wave"]),
         node("Identity", ["go"], ["on"])],
        "body", [value("i", [], T.INT64), value("go", [], T.BOOL), value("s"), helper.make_tensor_sequence_value_info("list", T.FLOAT, None),
                 value("long")],
        [value("on", [], T.BOOL), value("next"), helper.make_tensor_sequence_value_info("more", T.FLOAT, None), value("wave")])
    derived = lambda y, letter: helper.make_node("Gradient", ["a", "b"], [letter + "a", letter + "b"], domain="ai.onnx.preview.training", xs=["a", "b"], y=y)
    nodes = [node("SequenceConstruct", ["b"], ["start"]), node("Loop", ["rounds", "", "a", "start", "b"], ["end", "all", "last"], body=body),
             node("ConcatFromSequence", ["all"], ["whole"], axis=0), node("ReduceSumSquare", ["whole"], ["squares"], keepdims=0),
             node("ReduceSum", ["last"], ["waves"], keepdims=0), node("ReduceSum", ["end"], ["ends"], keepdims=0),
             node("Mul", ["squares", "ends"], ["product"]), node("Add", ["product", "waves"], ["y"]), derived("y", "d"),
             node("ReduceSumSquare", ["da"], ["sa"], keepdims=0), node("ReduceSumSquare", ["db"], ["sb"], keepdims=0),
             node("Add", ["sa", "sb"], ["z"]), derived("z", "e")]
    zero = onnx.numpy_helper.from_array(np.array(0), "zero")
    inputs = [value("a", [2]), value("b", [1]), value("rounds", [], T.INT64)]
    outputs = [value("y", [])] + [value(n, s) for n, s in (("da", [2]), ("db", [1]), ("ea", [2]), ("eb", [1]))]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.preview.training", 1)]
    made = helper.make_model(helper.make_graph(nodes, "lists", inputs, outputs, [zero]), opset_imports=opsets, ir_version=8)

    def expected(a, b, rounds):
        a, b = (torch.tensor(v, requires_grad=True) for v in (a, b))
        s, items, long = a, [b], b
        for _ in range(rounds):
            s = s * items[0].sum()
            longer = torch.cat([s, items[0], long])
            items, long = items + [longer], torch.sin(longer)
        y = (torch.cat(items) ** 2).sum() * s.sum() + long.sum()
        d = torch.autograd.grad(y, [a, b], create_graph=True)
        e = torch.autograd.grad(sum((v**2).sum() for v in d), [a, b])
        return dict(zip(["y", "da", "db", "ea", "eb"], (v.detach().numpy() for v in (y, *d, *e))))

    return made, expected


def main():
    onnx.save(model(), HERE / "gradient.onnx")
    made, of_lists = lists()
    onnx.save(made, HERE / "lists.onnx")
    arrays = {}
    for case, rounds in enumerate([0, 1, 3]):
        given = {"a": np.array([0.4, -0.7], np.float32), "b": np.array([0.8], np.float32)}
        for role, values in (("in", given | {"rounds": np.array(rounds)}), ("out", of_lists(**given, rounds=rounds))):
            arrays |= {f"{case}.{role}.{n}": v for n, v in values.items()}
    np.savez_compressed(HERE.parent / "data" / "lists.npz", **arrays)
    rng, arrays = np.random.default_rng(0), {}
    for case, (rounds, steps, batch) in enumerate([(0, 2, 1), (1, 1, 2), (3, 4, 2), (2, 0, 1)]):
        extent = {"steps": steps, "batch": batch}
        inputs = {n: (rng.standard_normal([extent.get(d, d) for d in SHAPES[n]]) * 0.5).astype(np.float32) for n in NAMES}
        for role, values in (("in", inputs | {"rounds": np.array(rounds)}), ("out", expected(inputs, rounds))):
            arrays |= {f"{case}.{role}.{n}": v for n, v in values.items()}
    np.savez_compressed(HERE.parent / "data" / "gradient.npz", **arrays)


if __name__ == "__main__":
    main()
