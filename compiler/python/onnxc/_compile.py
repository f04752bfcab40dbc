"""Compiling, loading and calling: the functions of the package."""

from __future__ import annotations

import os
from types import SimpleNamespace

from . import _onnxc
from ._errors import OnnxcError
from ._model import Model, threads_of
from ._unsettled import Unsettled


#: The warnings that inputs with defaults are constants, and that one branch was chosen.
_OPEN = {"E2033", "E2053"}


def _source(model):
    """A model as the extension takes it: bytes, or the path of a file."""
    if isinstance(model, (bytes, bytearray, memoryview)):
        return bytes(model)
    if isinstance(model, (str, os.PathLike)):
        return os.fspath(model)
    if hasattr(model, "SerializeToString"):
        return model.SerializeToString()
    raise TypeError(f"a model is a path, bytes or an onnx.ModelProto, not {type(model).__name__}")


def _dim(name, extent):
    """A dim as the command line writes it: ``h=256``, ``h=1..1024``, ``h=1..``."""
    if isinstance(extent, str):
        return f"{name}={extent}"
    if isinstance(extent, (tuple, list)):
        low, high = extent
        return f"{name}={low}..{'' if high is None else high}"
    return f"{name}={int(extent)}"


def _input(name, shape):
    """An input as the command line writes it: ``x=n,3,224,224``, or ``w`` for an initializer."""
    if shape is None or isinstance(shape, str):
        return name if shape is None else f"{name}={shape}"
    return f"{name}=" + ",".join("?" if d is None else str(d) for d in shape)


def _how(dims, inputs, branches, backend, threads, opt_level, target, target_cpu, name, folder):
    return SimpleNamespace(
        folder=None if folder is None else os.fspath(folder),
        dims=[_dim(n, e) for n, e in dict(dims or {}).items()],
        inputs=[_input(n, s) for n, s in dict(inputs or {}).items()],
        branches=[f"{n}={b}" for n, b in dict(branches or {}).items()],
        backend=backend,
        level=opt_level,
        target=target,
        target_cpu=target_cpu,
        name=name,
        threads=threads_of(1 if threads is None else threads),
    )


def compile(
    model,
    *,
    dims=None,
    inputs=None,
    branches=None,
    backend=None,
    threads=None,
    opt_level=2,
    target_cpu=None,
    name=None,
    folder=None,
):
    """Compiles a model to native code in this process.

    model: the path of an ONNX file, its bytes, or an ``onnx.ModelProto``.
    dims: extents of symbolic dims by name: ``{"n": 1, "h": (1, 1024), "w": "1.."}``.
    inputs: extents of inputs that the model gives no rank, numbers, names or None: ``{"x": ("n", 3, None, None)}``; with
        None for an initializer, runs give it.
    branches: for an If whose branches have different ranks, the one to compile for: ``{"If_0": "else"}``. Left out, a run
        that needs the other one has the model compiled for it.
    backend: ``"llvm"`` or ``"cranelift"``; the preferred one of :data:`backends` if left out.
    threads: how many threads a run may use, 1 if left out; ``"auto"`` for as many as this process may.
    opt_level: 0 (compiles fastest) to 3 (runs fastest).
    target_cpu: the processor, as LLVM names it; this one if left out.
    name: prefix of the module's symbols.
    folder: where external data lie, for a model that isn't a file.

    Inputs that have no rank, even so, get that of a run's arrays, and a run may give an input that has a default: each
    combination is compiled when it first comes.

    Raises :class:`OnnxcError` with all problems found.
    """
    how = _how(dims, inputs, branches, backend, threads, opt_level, None, target_cpu, name, folder)
    source = _source(model)
    try:
        module = _onnxc.compile(source, how)
    except OnnxcError as error:
        later = Unsettled.instead_of(error, source, how)
        if later is None:
            raise
        return later
    if any(d.code in _OPEN for d in module.warnings):
        return Unsettled(source, how, module)
    return Model(module)


def build(
    model,
    path,
    *,
    dims=None,
    inputs=None,
    branches=None,
    backend=None,
    threads=None,
    opt_level=2,
    target=None,
    target_cpu=None,
    name=None,
    folder=None,
):
    """Compiles a model to a file: ``.so``, ``.a``, ``.o``, ``.s``, ``.ll``, ``.clif`` or ``.h``, as the suffix says.

    target: the machine, such as ``aarch64-unknown-linux-gnu``; this one if left out. The others are those of
    :func:`compile`. Gives back the warnings.
    """
    how = _how(dims, inputs, branches, backend, threads, opt_level, target, target_cpu, name, folder)
    return _onnxc.build(_source(model), os.fspath(path), how)


def load(path, *, threads=None):
    """Opens a shared library that onnxc made.

    threads: as for :meth:`Model.set_threads`; the module's own choice, ``"auto"``, if left out.
    """
    model = Model(_onnxc.load(os.fspath(path)))
    if threads is not None:
        model.set_threads(threads)
    return model


def check(model, *, dims=None, inputs=None, branches=None, folder=None):
    """Every problem of a model, as a list of :class:`Diagnostic`, without compiling it."""
    return _onnxc.check(_source(model), _how(dims, inputs, branches, None, None, 2, None, None, None, folder))
