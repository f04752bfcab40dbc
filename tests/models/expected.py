#!/usr/bin/env python3
"""Writes expected.json: what ONNX Runtime computes for the models in this folder. Needs onnx, onnxruntime, numpy.

A case is a model and its inputs: dims alone for floats, of which element i of input k is
((7919*i + 104729*k) % 1000) / 500 - 1; {"i64": [dims], "values": [..]} for integers. Outputs are [dtype, dims, elements].
The tolerance is absolute up to 1, relative from there; wider where large terms cancel (SRCNN works on 0..255).
"""
import json, pathlib
import numpy as np, onnxruntime as ort

HERE = pathlib.Path(__file__).parent
whole = lambda dims, values: {"i64": dims, "values": values}
CASES = [
    ("asinh", [[3, 5]]), ("asinh", [[0, 5]]),
    ("clip_on_export", None), ("linear_func", None), ("layernorm_decomposed", [[2, 3, 64]]),
    ("model_2_script", None), ("model_2_trace", None), ("model_3_script", None), ("model_3_trace", None),
    ("model_dynamic_0", [[2, 3, 10, 10]]), ("model_dynamic_23", [[1, 3, 4, 7]]), ("model_static", None),
    ("model_if", [[1, 3, 10, 10]]),
    ("model_loop", [[1, 3, 10, 10], {"i64": [], "values": [0]}]),
    ("model_loop", [[1, 3, 10, 10], {"i64": [], "values": [3]}]),
    ("nms_tail", [[1, 1, 4], [1, 1, 3]]), ("nms_tail", [[1, 12, 4], [1, 12, 3]]),
    ("srcnn_dynamic", [[1, 3, 4, 5]]),
    ("whole_model", None),
    ("forest", [[7, 5]]), ("machine", [[7, 5]]),
    ("decoder", [whole([2, 3], [1, 5, 2, 0, 11, 3]), whole([2, 3], [1] * 6), [2, 1, 0, 16], [2, 1, 0, 16]]),
    ("decoder", [whole([1, 1], [7]), whole([1, 5], [1] * 5), [1, 1, 4, 16], [1, 1, 4, 16]]),
    ("scan8", [whole([3], [3, 1, 2]), [3, 2], [3, 3, 2], [3, 3, 2]]),
    ("cross", [[2, 3, 16], [2, 4, 16], whole([2, 4], [1, 1, 0, 0, 1, 1, 1, 0]), [2, 2, 2, 8], [2, 2, 2, 8]]),
]


def floats(dims, k):
    n = int(np.prod(dims, dtype=np.int64))
    return (((7919 * np.arange(n) + 104729 * k) % 1000) / 500 - 1).astype(np.float32).reshape(dims)


def case(name, inputs):
    session = ort.InferenceSession(str(HERE / f"{name}.onnx"))
    inputs = inputs or [i.shape for i in session.get_inputs()]
    feed = {}
    for k, (port, x) in enumerate(zip(session.get_inputs(), inputs)):
        feed[port.name] = np.array(x["values"], np.int64).reshape(x["i64"]) if isinstance(x, dict) else floats(x, k)
    outputs = []
    for y in session.run(None, feed):
        dtype = {"float32": "f32", "int64": "i64"}[str(y.dtype)]
        values = [float(f"{v:.7g}") if dtype == "f32" else int(v) for v in y.flatten()]
        outputs.append([dtype, list(y.shape), values])
    tolerance = 1e-4 if name.startswith("srcnn") else 1e-5
    return {"model": name, "inputs": inputs, "outputs": outputs, "tolerance": tolerance}


lines = [json.dumps(case(*c)) for c in CASES]
(HERE / "expected.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
