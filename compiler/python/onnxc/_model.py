"""A compiled model: what :func:`onnxc.compile` and :func:`onnxc.load` give."""

from __future__ import annotations

import os


def threads_of(count):
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
        return self._module.run(self._in_order(values, named))

    def _in_order(self, values, named):
        """All inputs as a list, from those by position and those by name."""
        if named:
            names = [p.name for p in self.inputs]
            unknown = [n for n in named if n not in names[len(values) :]]
            missing = [n for n in names[len(values) :] if n not in named]
            if unknown or missing:
                parts = ["no input is called " + ", ".join(map(repr, unknown))] if unknown else []
                parts += ["missing: " + ", ".join(map(repr, missing))] if missing else []
                raise TypeError(f"{'; '.join(parts)} (inputs: {', '.join(names)})")
            values += tuple(named[n] for n in names[len(values) :])
        return list(values)

    def set_threads(self, threads):
        """Sets how many threads runs use from now on, or ``"auto"`` for as many as this process may.

        There are never more than the model was compiled for: False if that is one. Not while a run is going on.
        """
        return self._module.set_threads(threads_of(threads))

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
