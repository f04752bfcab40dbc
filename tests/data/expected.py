#!/usr/bin/env python3
"""Writes the .npz files of this folder: inputs, and what ONNX Runtime computes from them. Needs onnxruntime and numpy.

`N.in.NAME` and `N.out.NAME` are inputs and outputs of case N of the model that the file is named after. Of a large output
`N.shape.NAME` is the shape and `N.some.NAME` every 1009th element.
"""
import pathlib
import numpy as np, onnxruntime as ort

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(0)


def picture(*shape):
    return (rng.random(shape) * 255).astype(np.float32)


def pattern(*shape):
    """A picture that packs well."""
    return (7919 * np.arange(np.prod(shape)) % 256).astype(np.float32).reshape(shape)


def boxes(n):
    corner = rng.random((1, n, 2)) * 50
    return np.concatenate([corner, corner + 5 + rng.random((1, n, 2)) * 20], 2).astype(np.float32)


def f32(*shape):
    return rng.standard_normal(shape).astype(np.float32)


CASES = {
    "srcnn_dynamic": [{"input": picture(*s)} for s in [(1, 3, 1, 1), (1, 3, 3, 5), (1, 3, 8, 8), (1, 3, 7, 12), (2, 3, 4, 3)]],
    # The model's input has a fixed size. Factors 3 and 4 take long in a test.
    "srcnn3": [{"input": pattern(1, 3, 256, 256), "factor": np.array([1, 1, f, f], np.float32)} for f in (1.5, 2)],
    "model_loop": [{"x": f32(1, 3, 10, 10), "n": np.array(n, np.int64)} for n in (0, 1, 7)],
    "model_if": [{"x": s * np.abs(f32(1, 3, 10, 10))} for s in (1, -1)],
    "nms_tail": [{"boxes": boxes(n), "cls": c * np.abs(f32(1, n, 3)) + d} for n, c, d in
                 [(9, -9, -9), (0, 1, 0), (1, 1, 2), (40, 1, 2), (25, 3, 0)]],
}

for model, cases in CASES.items():
    session = ort.InferenceSession(str(HERE.parent / "models" / f"{model}.onnx"))
    names = [i.name for i in session.get_inputs()]
    arrays = {}
    for n, feed in enumerate(cases):
        feed = dict(zip(names, feed.values()))
        for name, x in feed.items():
            arrays[f"{n}.in.{name}"] = x
        for port, y in zip(session.get_outputs(), session.run(None, feed)):
            if y.size > 10_000:
                arrays[f"{n}.shape.{port.name}"] = np.array(y.shape)
                arrays[f"{n}.some.{port.name}"] = y.flatten()[::1009]
            else:
                arrays[f"{n}.out.{port.name}"] = y
            print(model, n, port.name, y.dtype, y.shape)
    np.savez_compressed(HERE / f"{model}.npz", **arrays)
