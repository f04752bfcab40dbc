"""Backends that change each model before it is compiled: what the modes of the conformance test are."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxc.backend import OnnxcBackend

#: Suffixes of runs.
MODES = ("", "-symbolic", "-constant")


def backend_class(backend, mode):
    """The backend class for a code generator and a mode."""
    base = {"": OnnxcBackend, "-symbolic": Symbolic, "-constant": Constant}[mode]

    class Chosen(base):
        """One code generator."""

        @classmethod
        def prepare(cls, model, device="CPU", **kwargs):
            return super().prepare(model, device, backend=backend, **kwargs)

        @classmethod
        def is_compatible(cls, model, device="CPU", **kwargs):
            # A model that is refused shall fail, not be skipped.
            return True

    return Chosen


class Symbolic(OnnxcBackend):
    """Every extent of every input is a symbol of its own, and nothing is said of other values."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        return super().prepare(symbolic(model), device, **kwargs)


class Constant(OnnxcBackend):
    """Every input but the first becomes an initializer, once its value is known."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        return Later(super().prepare, model, device, kwargs)


class Later:
    """Compiles a model anew for each set of inputs."""

    def __init__(self, prepare, model, device, kwargs):
        self._prepare, self._model, self._rest = prepare, model, (device, kwargs)

    def run(self, inputs, **kwargs):
        """As a BackendRep."""
        model, left = constant(self._model, inputs)
        device, how = self._rest
        return self._prepare(model, device, **how).run(left)


def symbolic(model):
    """A copy of a model in which no extent is known: of inputs, outputs and whatever else is declared."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    stored = {t.name for t in out.graph.initializer}
    for value in [*out.graph.input, *out.graph.output]:
        if value.name not in stored:
            _forget(value.type, value.name)
    del out.graph.value_info[:]
    return out


def _forget(ty, name):
    """Each extent of the tensors in a type gets a name of its own; ranks stay, as they do in real exports."""
    kind = ty.WhichOneof("value")
    if kind in ("sequence_type", "optional_type"):
        _forget(getattr(ty, kind).elem_type, name)
    elif kind == "tensor_type" and ty.tensor_type.HasField("shape"):
        for i, dim in enumerate(ty.tensor_type.shape.dim):
            dim.dim_param = f"{name}_d{i}"


def constant(model, inputs):
    """A copy of a model with every tensor but the first as an initializer, and the inputs that are left."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    stored = {t.name for t in out.graph.initializer}
    ports = [v for v in out.graph.input if v.name not in stored]
    kept, left = [], []
    for i, (port, value) in enumerate(zip(ports, inputs)):
        if i == 0 or port.type.WhichOneof("value") != "tensor_type":
            kept.append(port)
            left.append(value)
        else:
            out.graph.initializer.append(_tensor(value, port))
    del out.graph.input[:]
    out.graph.input.extend(kept)
    out.ir_version = max(out.ir_version, 4)
    return out, left


def _tensor(value, port):
    value = np.asarray(value)
    if value.dtype == object:
        items = [s.encode() if isinstance(s, str) else bytes(s) for s in value.ravel()]
        return helper.make_tensor(port.name, onnx.TensorProto.STRING, value.shape, items)
    return numpy_helper.from_array(value, port.name)
