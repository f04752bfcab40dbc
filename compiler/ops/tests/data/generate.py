"""Makes the stored expectations of the operators' tests (see compiler/ops/src/testing/stored.rs).

Run by hand, with onnx, onnxruntime and numpy installed:  python generate.py NAME...
The tests themselves need no Python. Expectations come from ONNX Runtime; where it lacks an operator or a version, from
onnx's reference evaluator; operators of other domains are written `domain.Name`. `expect=` gives them by hand where neither has it (the attribute forms before opset 7).
Each family's cases are in `cases_NAME.py` beside this file: a function `cases(add)`.
"""
import importlib
import json
import pathlib
import sys

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import helper
from onnx.reference import ReferenceEvaluator

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).parent
NAMES = {"float32": "f32", "float64": "f64", "float16": "f16", "bfloat16": "bf16", "bool": "bool"} | {
    f"{k}int{b}" if k else f"int{b}": f"{'u' if k else 'i'}{b}" for k in ("", "u") for b in (2, 4, 8, 16, 32, 64)
} | {
    "float8_e4m3fn": "f8e4m3fn", "float8_e4m3fnuz": "f8e4m3fnuz", "float8_e5m2": "f8e5m2", "float8_e5m2fnuz": "f8e5m2fnuz",
    "float8_e8m0fnu": "f8e8m0", "float4_e2m1fn": "f4e2m1", "float6_e2m3fn": "f6e2m3", "float6_e3m2fn": "f6e3m2",
}
onnxruntime.set_default_logger_severity(4)


class Const:
    """An input that is known at compile time."""

    def __init__(self, value):
        self.value = np.asarray(value)


class Followed(Const):
    """An input of integers (not below 0) whose elements are symbols to shape arithmetic."""


def element(v, digits):
    if isinstance(v, (bool, np.bool_)):
        return int(v)
    if isinstance(v, int):
        return v
    v = float(v)
    return str(v) if v != v or v in (float("inf"), float("-inf")) else float(f"{v:.{digits}g}") if abs(v) < 1e38 else v


def attribute(v):
    if isinstance(v, onnx.GraphProto):
        return {"graph": v.name}
    if isinstance(v, np.ndarray):
        return {"tensor": tensor(v)}
    if isinstance(v, float) and not np.isfinite(v):
        return {"float": str(v)}
    if isinstance(v, list) and any(isinstance(e, float) and not np.isfinite(e) for e in v):
        return {"floats": [element(e, 9) for e in v]}
    return v


def tensor(a, kind=None):
    a = np.asarray(a)
    # Digits that tell neighbouring floats apart.
    digits = 17 if a.dtype == np.float64 else 9
    return [NAMES[a.dtype.name], list(a.shape), [element(v, digits) for v in a.flatten().tolist()]] + ([kind] if kind else [])


def model_of(op, opset, attrs, arrays, outputs):
    names = [f"x{i}" if a is not None else "" for i, a in enumerate(arrays)]
    while names and not names[-1]:
        names.pop()
    domain, _, op = op.rpartition(".")
    attrs = {k: onnx.numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in attrs.items()}
    node = helper.make_node(op, names, [f"y{i}" for i in range(outputs)], domain=domain, **attrs)
    kind = lambda a: helper.np_dtype_to_tensor_dtype(a.dtype)
    inputs = [helper.make_tensor_value_info(n, kind(a), a.shape) for n, a in zip(names, arrays) if n]
    results = [onnx.ValueInfoProto(name=f"y{i}") for i in range(outputs)]
    graph = helper.make_graph([node], "case", inputs, results)
    opsets = [helper.make_opsetid(domain, opset)] + ([helper.make_opsetid("", 21)] if domain else [])
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def compute(op, opset, attrs, arrays, outputs, by):
    feeds = {f"x{i}": a for i, a in enumerate(arrays) if a is not None}
    model = model_of(op, opset, attrs, arrays, outputs)
    errors = []
    for how in by:
        try:
            if how == "ort":
                options = onnxruntime.SessionOptions()
                # What is rounded for a thread's share of the rows hangs on how many there are.
                options.intra_op_num_threads = 1
                # Without it u8 * i8 saturates on processors without VNNI.
                options.add_session_config_entry("session.x64quantprecision", "1")
                options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
                session = onnxruntime.InferenceSession(model.SerializeToString(), options)
                return session.run(None, feeds)
            return ReferenceEvaluator(model).run(None, feeds)
        except Exception as e:
            errors.append(f"{how}: {str(e)[:300]}")
    raise SystemExit(f"{op}-{opset} {attrs}: " + "; ".join(errors))


def main(name):
    lines = []

    def add(op, opset, inputs, expect=None, outputs=1, tolerance=1e-6, fixed=False, by=("ort", "ref"), attributes=None, about=None, **attrs):
        # `attributes` holds those whose names are arguments here.
        attrs |= attributes or {}
        kinds = ["followed" if isinstance(x, Followed) else "const" if isinstance(x, Const) else None for x in inputs]
        arrays = [x.value if k else None if x is None else np.asarray(x) for x, k in zip(inputs, kinds)]
        if expect is None:
            with np.errstate(all="ignore"):
                expect = compute(op, opset, attrs, arrays, outputs, by)
        case = {"op": op, "opset": opset} | ({"about": about} if about else {})
        if attrs:
            case["attrs"] = {k: attribute(v) for k, v in attrs.items()}
        case["inputs"] = [None if a is None else tensor(a, k) for a, k in zip(arrays, kinds)]
        case["outputs"] = [tensor(e) for e in expect]
        if tolerance:
            case["tolerance"] = tolerance
        if fixed:
            case["fixed"] = True
        lines.append(json.dumps(case))

    sys.path.insert(0, str(HERE))
    importlib.import_module(f"cases_{name}").cases(add)
    (HERE / f"{name}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{name}: {len(lines)} cases")


if __name__ == "__main__":
    sys.modules["generate"] = sys.modules["__main__"]
    for n in sys.argv[1:]:
        main(n)
