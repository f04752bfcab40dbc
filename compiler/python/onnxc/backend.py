"""onnxc as ONNX defines a backend, for its test runner and scoreboard.

>>> import onnx.backend.test, onnxc.backend
>>> runner = onnx.backend.test.BackendTest(onnxc.backend.OnnxcBackend, __name__)

The environment variable ``ONNXC_BACKEND`` says what makes the machine code where the caller doesn't.
"""

from __future__ import annotations

import os

import numpy as np
from onnx import TensorProto, helper
from onnx.backend.base import Backend, BackendRep, Device, DeviceType

from . import check
from . import compile as _compile


class OnnxcRep(BackendRep):
    """A compiled model."""

    def __init__(self, model):
        self._model = model

    def run(self, inputs, **kwargs):
        """Runs on a list, a mapping by name, or one array; gives back the tuple of all outputs."""
        if isinstance(inputs, dict):
            return tuple(self._model.run(**inputs))
        if not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        return tuple(self._model.run(*inputs))


class OnnxcBackend(Backend):
    """Prepares and runs models on the processor."""

    @classmethod
    def supports_device(cls, device):
        """True for the processor."""
        return Device(device).type == DeviceType.CPU

    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        """True if the compiler finds no error in the model."""
        return cls.supports_device(device) and not any(d.severity == "error" for d in check(model))

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        """Compiles a model. Keyword arguments that :func:`onnxc.compile` has go there."""
        if not cls.supports_device(device):
            raise ValueError(f"device {device}: modules run on the processor")
        known = ("dims", "backend", "threads", "opt_level", "target_cpu", "folder")
        how = {k: v for k, v in kwargs.items() if k in known}
        how.setdefault("backend", os.environ.get("ONNXC_BACKEND") or None)
        return OnnxcRep(_compile(model, **how))

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        """Compiles and runs a model once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        """Compiles and runs a model of one node, at opset ``opset_version`` (the newest if left out)."""
        arrays = [np.asarray(x) for x in inputs]
        given = [n for n in node.input if n]
        if len(given) != len(arrays):
            raise ValueError(f"the node has {len(given)} inputs, {len(arrays)} values were given")
        # A node may take one value twice.
        values = dict(zip(given, arrays))
        ports = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in values.items()
        ]
        outputs = [_output(n, i, outputs_info) for i, n in enumerate(node.output) if n]
        graph = helper.make_graph([node], node.op_type, ports, outputs)
        opsets = [helper.make_opsetid(node.domain, kwargs.pop("opset_version"))] if "opset_version" in kwargs else None
        return cls.run_model(helper.make_model(graph, opset_imports=opsets), values, device, **kwargs)


def _output(name, index, outputs_info):
    """An output of a node; without a type where the caller says none."""
    if outputs_info is None or index >= len(outputs_info):
        return helper.make_empty_tensor_value_info(name)
    dtype, shape = outputs_info[index]
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, number or TensorProto.UNDEFINED, shape)


is_compatible = OnnxcBackend.is_compatible
prepare = OnnxcBackend.prepare
run = OnnxcBackend.run_model
run_model = OnnxcBackend.run_model
run_node = OnnxcBackend.run_node
supports_device = OnnxcBackend.supports_device
