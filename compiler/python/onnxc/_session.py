"""A session with the method names of ONNX Runtime, so that programs change one import."""

from __future__ import annotations

import os
from typing import NamedTuple

from ._compile import compile as _compile
from ._compile import load as _load

class NodeArg(NamedTuple):
    """An input or output: ``type`` is written as ONNX Runtime does (``tensor(float)``)."""

    name: str
    type: str
    shape: list


def _node_arg(port):
    return NodeArg(port.name, port.type, list(port.shape or []))


class InferenceSession:
    """Compiles a model (or loads a ``.so``) and runs it.

    Takes what :func:`onnxc.compile` takes; ``sess_options``, ``providers`` and ``provider_options`` are accepted and
    have no effect.
    """

    def __init__(self, path_or_bytes, sess_options=None, providers=None, provider_options=None, **how):
        if isinstance(path_or_bytes, (str, os.PathLike)) and os.fspath(path_or_bytes).endswith(".so"):
            self._model = _load(path_or_bytes)
        else:
            self._model = _compile(path_or_bytes, **how)
        self._inputs = [_node_arg(p) for p in self._model.inputs]
        self._outputs = [_node_arg(p) for p in self._model.outputs]

    def get_inputs(self):
        """Inputs in order."""
        return list(self._inputs)

    def get_outputs(self):
        """Outputs in order."""
        return list(self._outputs)

    def get_providers(self):
        """What runs the model: the processor."""
        return ["CPUExecutionProvider"]

    def run(self, output_names, input_feed, run_options=None):
        """The outputs named, or all of them for None; ``input_feed`` holds arrays by the inputs' names."""
        names = [o.name for o in self._outputs]
        wanted = names if not output_names else list(output_names)
        unknown = [n for n in wanted if n not in names]
        if unknown:
            raise ValueError(f"no output is called {', '.join(map(repr, unknown))} (outputs: {', '.join(names)})")
        results = dict(zip(names, self._model.run(**input_feed)))
        return [results[n] for n in wanted]
