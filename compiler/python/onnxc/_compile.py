"""Compiling, loading and calling: the functions of the package."""

from __future__ import annotations

import os
from types import SimpleNamespace

from . import _onnxc


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


def _how(dims, inputs, backend, threads, opt_level, target, target_cpu, name, folder):
    return SimpleNamespace(
        folder=None if folder is None else os.fspath(folder),
        dims=[_dim(n, e) for n, e in dict(dims or {}).items()],
        inputs=[_input(n, s) for n, s in dict(inputs or {}).items()],
        backend=backend,
        level=opt_level,
        target=target,
        target_cpu=target_cpu,
        name=name,
        threads=_threads(1 if threads is None else threads),
    )


def _threads(count):
    """A number of threads as the extension takes it: 0 for ``"auto"``."""
    if count == "auto":
        return 0
    if int(count) < 1:
        raise ValueError(f'threads is a number of at least 1 or "auto", not {count!r}')
    return int(count)


class Model:
    """A compiled model. Call it with NumPy arrays, by position or by the inputs' names.

    It gives back an array, or a tuple of arrays if the model has several outputs. Inputs that are contiguous aren't
    copied; results own their memory. Python's lock is free during a run, and any number of threads may run a model.
    """

    def __init__(self, module):
        self._module = module

    @property
    def name(self):
        """The module's name."""
        return self._module.name

    @property
    def inputs(self):
        """Inputs in order, each with ``name``, ``dtype`` and ``shape``."""
        return self._module.inputs

    @property
    def outputs(self):
        """Outputs in order, each with ``name``, ``dtype`` and ``shape``."""
        return self._module.outputs

    @property
    def warnings(self):
        """What the compiler found worth knowing, as a list of :class:`Diagnostic`."""
        return self._module.warnings

    def run(self, /, *values, **named):
        """The list of all outputs. Inputs as for a call."""
        if named:
            names = [p.name for p in self.inputs]
            unknown = [n for n in named if n not in names[len(values) :]]
            missing = [n for n in names[len(values) :] if n not in named]
            if unknown or missing:
                parts = ["no input is called " + ", ".join(map(repr, unknown))] if unknown else []
                parts += ["missing: " + ", ".join(map(repr, missing))] if missing else []
                raise TypeError(f"{'; '.join(parts)} (inputs: {', '.join(names)})")
            values += tuple(named[n] for n in names[len(values) :])
        return self._module.run(list(values))

    def set_threads(self, threads):
        """Sets how many threads runs use from now on, or ``"auto"`` for as many as this process may.

        There are never more than the model was compiled for: False if that is one. Not while a run is going on.
        """
        return self._module.set_threads(_threads(threads))

    def __call__(self, /, *values, **named):
        results = self.run(*values, **named)
        return results[0] if len(results) == 1 else tuple(results)

    def save(self, path):
        """Writes the shared library to a file, for :func:`load` or any other loader."""
        self._module.save(os.fspath(path))

    def __repr__(self):
        def ports(ps):
            return ", ".join(f"{p.name}: {p.dtype}{list(p.shape)}" for p in ps)

        return f"<onnxc.Model {self.name}({ports(self.inputs)}) -> {ports(self.outputs)}>"


def compile(
    model,
    *,
    dims=None,
    inputs=None,
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
    backend: ``"llvm"`` or ``"cranelift"``; the preferred one of :data:`backends` if left out.
    threads: how many threads a run may use, 1 if left out; ``"auto"`` for as many as this process may.
    opt_level: 0 (compiles fastest) to 3 (runs fastest).
    target_cpu: the processor, as LLVM names it; this one if left out.
    name: prefix of the module's symbols.
    folder: where external data lie, for a model that isn't a file.

    Raises :class:`OnnxcError` with all problems found.
    """
    how = _how(dims, inputs, backend, threads, opt_level, None, target_cpu, name, folder)
    return Model(_onnxc.compile(_source(model), how))


def build(
    model,
    path,
    *,
    dims=None,
    inputs=None,
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
    how = _how(dims, inputs, backend, threads, opt_level, target, target_cpu, name, folder)
    return _onnxc.build(_source(model), os.fspath(path), how)


def load(path, *, threads=None):
    """Opens a shared library that onnxc made.

    threads: as for :meth:`Model.set_threads`; the module's own choice, ``"auto"``, if left out.
    """
    model = Model(_onnxc.load(os.fspath(path)))
    if threads is not None:
        model.set_threads(threads)
    return model


def check(model, *, dims=None, inputs=None, folder=None):
    """Every problem of a model, as a list of :class:`Diagnostic`, without compiling it."""
    return _onnxc.check(_source(model), _how(dims, inputs, None, None, 2, None, None, None, folder))
