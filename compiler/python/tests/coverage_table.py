"""How many cases of the suite pass for each operator: what `onnxc list-ops --results` shows.

A case counts for every operator of its model, also of subgraphs, but not for those inside of functions.
"""

from __future__ import annotations

import json

import onnx
from onnx.backend.test.loader import load_model_tests

_KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")


def coverage(results, path):
    """The text of the file: what it held before, with these runs anew."""
    table = json.loads(path.read_text()) if path.exists() else {"runs": [], "operators": {}}
    operators = {test.name: _operators(test) for kind in _KINDS for test in load_model_tests(kind=kind)}
    runs = sorted({*table["runs"], *results})
    counts = {}
    for name in sorted({o for found in operators.values() for o in found}):
        own = table["operators"].get(name, {})
        for run, cases in results.items():
            mine = [case for case, found in operators.items() if name in found and case in cases]
            own[run] = [sum(1 for case in mine if not cases[case]), len(mine)]
        counts[name] = {run: own[run] for run in runs if run in own}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(own)}" for name, own in counts.items())
    return f'{{\n "runs": {json.dumps(runs)},\n "operators": {{\n{lines}\n }}\n}}\n'


def _operators(test):
    """The operators of a case, as ``domain.Name``."""
    model = test.model if test.model is not None else onnx.load(f"{test.model_dir}/model.onnx")
    found, graphs = set(), [model.graph]
    while graphs:
        for node in graphs.pop().node:
            found.add(f"{node.domain or 'ai.onnx'}.{node.op_type}")
            graphs += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return found
